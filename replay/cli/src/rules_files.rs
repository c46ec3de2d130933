//! Rules files named on the command line: files, and folders of them.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A rules file, or why it could not be read.
pub struct ReadFile {
    /// As named, for messages.
    pub name: String,
    /// What it holds.
    pub content: Result<Vec<u8>>,
}

/// Reads files in the order given. A folder stands for its `.yaml` and `.yml` files, sorted by name.
pub fn read_rules_files(paths: &[PathBuf]) -> Vec<ReadFile> {
    let mut files = Vec::new();
    for path in paths {
        match members(path) {
            Ok(members) => files.extend(members.iter().map(|path| read(path))),
            Err(error) => files.push(ReadFile { name: path.display().to_string(), content: Err(error) }),
        }
    }
    files
}

fn members(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut members = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("cannot list {}", path.display()))? {
        let member = entry.with_context(|| format!("cannot list {}", path.display()))?.path();
        let rules = member.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if rules && member.is_file() {
            members.push(member);
        }
    }
    members.sort();
    if members.is_empty() {
        bail!("{} holds no .yaml or .yml file", path.display());
    }
    Ok(members)
}

fn read(path: &Path) -> ReadFile {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display())).and_then(|content| {
        let utf16 = content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]);
        if !utf16 && content.contains(&0) {
            bail!("{} is a binary file, not a rules file (YAML text)", path.display());
        }
        Ok(content)
    });
    ReadFile { name: path.display().to_string(), content }
}
