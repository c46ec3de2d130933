//! Indicators of compromise: files of addresses, paths, names and domains, one a line.
//!
//! Each line is given a type ([`line`]); all of them together become one condition ([`condition`]), whose sets are hashed,
//! so that a hundred thousand indicators cost about as much as one. Of a match it is then worked out which it was
//! ([`mark`]).

pub mod condition;
mod line;
pub mod mark;
mod network;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use self::line::{Indicator, parse, without_comment};
use crate::capture::capture_name;
use crate::run::plural;
use crate::stderr;

/// Wrong lines that are shown.
const SHOWN_ERRORS: u64 = 20;

/// Indicators by type, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Indicators {
    /// Addresses of either end of a connection.
    pub addresses: BTreeSet<IpAddr>,
    /// Ranges of them: address, length of the prefix.
    pub networks: BTreeSet<(IpAddr, u8)>,
    /// Absolute paths.
    pub paths: BTreeSet<String>,
    /// Folders without their final slash, with all that is below.
    pub folders: BTreeSet<String>,
    /// Names of files.
    pub files: BTreeSet<String>,
    /// Names of processes or of their programs.
    pub processes: BTreeSet<String>,
    /// Parts of command lines, in lower case.
    pub domains: BTreeSet<String>,
}

impl Indicators {
    /// Reads indicator files, `-` for standard input. Every wrong line is named.
    pub fn read(paths: &[PathBuf]) -> anyhow::Result<Indicators> {
        let mut indicators = Indicators::default();
        let mut wrong = 0;
        for path in paths {
            let name = capture_name(path);
            let bytes = content(path).with_context(|| format!("cannot read {name}"))?;
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
            for (number, line) in (1u64..).zip(text.split(|&byte| byte == b'\n')) {
                let added = match std::str::from_utf8(line) {
                    Ok(line) => indicators.add_line(line),
                    Err(_) => Err("it is not UTF-8".to_owned()),
                };
                if let Err(error) = added {
                    wrong += 1;
                    if wrong <= SHOWN_ERRORS {
                        let line = String::from_utf8_lossy(line);
                        let line: String =
                            line.trim().chars().filter(|character| !character.is_control()).take(80).collect();
                        stderr::write(&format!("{name}:{number}: '{line}' cannot be searched for: {error}\n"));
                    }
                }
            }
        }
        if wrong > 0 {
            bail!("{} of the indicators cannot be used; take them out, or put # before them", plural(wrong, "line"));
        }
        if indicators == Indicators::default() {
            let names: Vec<_> = paths.iter().map(|path| capture_name(path)).collect();
            bail!("no indicator in {}", names.join(", "));
        }
        Ok(indicators)
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        let text = without_comment(line);
        if !text.is_empty() {
            parse(text)?.into_iter().for_each(|indicator| self.add(indicator));
        }
        Ok(())
    }

    fn add(&mut self, indicator: Indicator) {
        match indicator {
            Indicator::Address(ip) => self.addresses.insert(ip),
            Indicator::Network(ip, length) => self.networks.insert((ip, length)),
            Indicator::Path(path) => self.paths.insert(path),
            Indicator::Folder(path) => self.folders.insert(path),
            Indicator::File(name) => self.files.insert(name),
            Indicator::Process(name) => self.processes.insert(name),
            Indicator::Domain(name) => self.domains.insert(name),
        };
    }
}

fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
