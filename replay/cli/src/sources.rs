//! Captures as named on the command line: files, folders, patterns, standard input.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// Whether a file in a folder is a capture. What may follow `.scap` in its name is a compression, or the number that
/// sysdig gives rotated files.
fn is_capture_name(name: &str) -> bool {
    if name.ends_with(".fcap") {
        return true;
    }
    let Some((_, rest)) = name.rsplit_once(".scap") else { return false };
    matches!(rest, "" | ".gz" | ".zst" | ".lz4") || rest.bytes().all(|byte| byte.is_ascii_digit())
}

/// The captures that `named` mean, in the order given. A folder stands for its captures and those of the folders in it,
/// sorted by name; a pattern for what it matches, sorted too, where the shell has not expanded it. What does not exist
/// stays, to fail when it is opened.
pub fn captures(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut captures = Vec::new();
    for path in named {
        if path == Path::new("-") && captures.iter().any(|other: &PathBuf| other == Path::new("-")) {
            bail!("standard input (-) can be read only once");
        }
        if !path.exists() && is_pattern(path) {
            let found = matches(path)?;
            if found.is_empty() {
                bail!("nothing matches {}", path.display());
            }
            for path in found {
                add(path, &mut captures)?;
            }
        } else {
            add(path.clone(), &mut captures)?;
        }
    }
    Ok(captures)
}

/// Whether `text` names a capture: it is there, or a pattern that matches something.
pub fn names_capture(text: &str) -> bool {
    let path = Path::new(text);
    text == "-" || path.exists() || is_pattern(path) && matches(path).is_ok_and(|found| !found.is_empty())
}

fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[']))
}

fn matches(pattern: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let text = pattern.to_str().unwrap_or_default();
    let paths = glob::glob(text).with_context(|| format!("{text} is no valid pattern"))?;
    paths.map(|path| path.with_context(|| format!("cannot look for {text}"))).collect()
}

fn add(path: PathBuf, captures: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        captures.push(path);
        return Ok(());
    }
    let before = captures.len();
    add_members(&path, captures)?;
    if captures.len() == before {
        bail!(
            "the folder {} holds no capture (a file named *.fcap, *.scap, *.scap.gz, *.scap.zst or *.scap.lz4)",
            path.display()
        );
    }
    Ok(())
}

/// Adds the captures of a folder and of those in it. Links to folders are left out: they could lead back.
fn add_members(folder: &Path, captures: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let fail = || format!("cannot list {}", folder.display());
    let mut members = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(fail)? {
        let entry = entry.with_context(fail)?;
        let inner = entry.file_type().with_context(fail)?.is_dir();
        if inner || is_capture_name(&entry.file_name().to_string_lossy()) && !entry.path().is_dir() {
            members.push((entry.path(), inner));
        }
    }
    members.sort();
    for (path, inner) in members {
        if inner {
            add_members(&path, captures)?;
        } else {
            captures.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_capture_name;

    #[test]
    fn names_of_captures() {
        assert!(
            ["a.scap", "a.scap.gz", "a.scap.zst", "a.scap.lz4", "b.scap12", "a.fcap"].into_iter().all(is_capture_name)
        );
        assert!(!["a.yaml", "a.scap.txt", "scap", "a.scap.gz.tmp", "a.fcap.tmp"].into_iter().any(is_capture_name));
    }
}
