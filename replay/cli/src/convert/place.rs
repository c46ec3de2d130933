//! Where outputs go: never over an input, over an existing file only when told, and whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::form::{folder_of, parts_of};

/// Checks that nothing is in the way of an output. `split`: it will be parts with numbers.
pub fn check(output: &Path, inputs: &[PathBuf], split: bool, force: bool) -> anyhow::Result<()> {
    let folder = folder_of(output);
    if !folder.is_dir() {
        bail!("cannot write {}: there is no folder {}", output.display(), folder.display());
    }
    let existing = match (split, fs::symlink_metadata(output)) {
        (true, _) => parts_of(output)?,
        (false, Ok(_)) => vec![output.to_owned()],
        (false, Err(_)) => Vec::new(),
    };
    for path in &existing {
        if path.is_dir() {
            bail!("cannot write {}: it is a folder", path.display());
        }
        if let Some(input) = inputs.iter().find(|input| same_file(input, path)) {
            bail!("{} is an input, {} an output, and both are the same file", input.display(), path.display());
        }
    }
    match existing.first() {
        Some(path) if !force => bail!("{} exists already; --force replaces it", path.display()),
        _ => Ok(()),
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::metadata(a), fs::metadata(b)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

/// A file under a name of its own beside the one that it is to become. It goes away unless it is kept.
#[derive(Debug)]
pub struct Unfinished {
    path: PathBuf,
    becomes: PathBuf,
    kept: bool,
}

impl Unfinished {
    /// A new file that is to become `path`.
    pub fn create(path: &Path) -> anyhow::Result<(Unfinished, File)> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for attempt in 0..100 {
            let own = path.with_file_name(format!(".{name}.{}-{attempt}.tmp", std::process::id()));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&own) {
                Ok(file) => return Ok((Unfinished { path: own, becomes: path.to_owned(), kept: false }, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
            }
        }
        bail!("cannot write {}: names such as .{name}.tmp are taken; remove those files", path.display());
    }

    /// Its path until it is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path that it is to have.
    pub fn becomes(&self) -> &Path {
        &self.becomes
    }

    /// Gives the file its name, over another one of that name only where `replace` says so.
    pub fn keep(mut self, replace: bool) -> anyhow::Result<()> {
        let fail = || format!("cannot write {}", self.becomes.display());
        if !replace {
            // A link fails where a file of the name came up in the meantime; not every file system has links.
            match fs::hard_link(&self.path, &self.becomes) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    bail!("{} was made by somebody else in the meantime; --force replaces it", self.becomes.display())
                }
                Err(_) => {}
            }
        }
        fs::rename(&self.path, &self.becomes).with_context(fail)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}
