//! The form of an output, by its name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// How a capture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As a `.scap`.
    Scap(Packing),
    /// As an `.fcap`.
    Fcap,
}

/// How a `.scap` is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// Endings of names and what they mean.
const FORMS: [(&str, Form); 4] = [
    (".scap.gz", Form::Scap(Packing::Gzip)),
    (".scap.zst", Form::Scap(Packing::Zstd)),
    (".scap", Form::Scap(Packing::None)),
    (".fcap", Form::Fcap),
];

impl Form {
    /// The form that a path names.
    pub fn of(path: &Path) -> anyhow::Result<Form> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match FORMS.iter().find(|(ending, _)| name.len() > ending.len() && name.ends_with(ending)) {
            Some((_, form)) => Ok(*form),
            None => bail!("{}: the name says no form; it ends in .scap, .scap.gz, .scap.zst or .fcap", path.display()),
        }
    }

    /// Checks a level of compression.
    pub fn check_level(self, level: Option<i32>) -> anyhow::Result<()> {
        let Some(level) = level else { return Ok(()) };
        let most = match self {
            Form::Scap(Packing::None) => bail!("--level: a .scap is not compressed; .scap.gz and .scap.zst are"),
            Form::Scap(Packing::Gzip) => 9,
            Form::Scap(Packing::Zstd) | Form::Fcap => 19,
        };
        if !(1..=most).contains(&level) {
            bail!("--level: {level} is not from 1 to {most}, which this form has");
        }
        Ok(())
    }
}

/// The path of part `number` (from 1) of an output: `-0001` before the ending.
pub fn part_path(path: &Path, number: u32) -> PathBuf {
    let (stem, ending) = split_name(path);
    let mut name = stem;
    name.push(format!("-{number:04}{ending}"));
    path.with_file_name(name)
}

/// Parts of an output that exist already.
pub fn parts_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (stem, ending) = split_name(path);
    let (stem, folder) = (stem.to_string_lossy().into_owned(), folder_of(path));
    let fail = || format!("cannot list {}", folder.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(fail)? {
        let name = entry.with_context(fail)?.file_name();
        let name = name.to_string_lossy();
        let number = name.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('-')?.strip_suffix(ending));
        if number.is_some_and(|number| number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit())) {
            found.push(path.with_file_name(&*name));
        }
    }
    found.sort();
    Ok(found)
}

/// The folder that a path is in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn split_name(path: &Path) -> (OsString, &'static str) {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    let name = path.file_name().unwrap_or_default().as_bytes();
    let ending = FORMS.iter().map(|(ending, _)| *ending).find(|ending| name.ends_with(ending.as_bytes())).unwrap_or("");
    (OsString::from_vec(name[..name.len() - ending.len()].to_vec()), ending)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Form, Packing, part_path};

    #[test]
    fn forms_by_name() {
        let of = |name: &str| Form::of(Path::new(name)).ok();
        assert_eq!(of("a.scap"), Some(Form::Scap(Packing::None)));
        assert_eq!(of("x/a.b.scap.gz"), Some(Form::Scap(Packing::Gzip)));
        assert_eq!(of("a.scap.zst"), Some(Form::Scap(Packing::Zstd)));
        assert_eq!(of("a.fcap"), Some(Form::Fcap));
        for name in ["a", "-", ".scap", "a.scap.lz4", "a.gz", "a.scap.txt", "a.fcap/", ""] {
            assert!(matches!(name, "a.fcap/") || of(name).is_none(), "{name}");
        }
    }

    #[test]
    fn levels() {
        assert!(Form::Fcap.check_level(Some(19)).is_ok() && Form::Fcap.check_level(Some(0)).is_err());
        assert!(Form::Scap(Packing::Gzip).check_level(Some(10)).is_err());
        assert!(Form::Scap(Packing::None).check_level(Some(1)).is_err());
        assert!(Form::Scap(Packing::None).check_level(None).is_ok());
    }

    #[test]
    fn numbers_go_before_the_ending() {
        assert_eq!(part_path(Path::new("d/a.scap.gz"), 7), Path::new("d/a-0007.scap.gz"));
        assert_eq!(part_path(Path::new("a.fcap"), 12_345), Path::new("a-12345.fcap"));
    }
}
