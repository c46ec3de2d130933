//! How values are printed: the zone of times, names of addresses, the form of buffers.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use falco_replay_engine::view::Rendering;
use jiff::tz::TimeZone;

/// Which meaning of the language conditions have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Semantics {
    /// As Falco evaluates them, its plain defects included
    Falco,
    /// As the documentation of the language promises
    Documented,
}

/// Arguments about how values are printed.
#[derive(Debug, Args)]
pub struct RenderingArgs {
    /// Zone of the times in texts, such as Europe/Berlin or UTC [default: the local zone, TZ]
    ///
    /// Times in JSON alerts (the key `time`) are UTC whatever the zone.
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// File with names of addresses, for the fields fd.*.name: lines `ADDRESS NAME` as in /etc/hosts
    ///
    /// Nothing is ever asked of the network: without this file these fields have no value.
    #[arg(long, value_name = "FILE")]
    resolve: Option<PathBuf>,
    /// What conditions mean where Falco does not do what its documentation says [default: falco; of hunt: documented]
    #[arg(long, value_enum, value_name = "WHICH")]
    semantics: Option<Semantics>,
}

impl RenderingArgs {
    /// Reads what the arguments name. `semantics`: the meaning of conditions where none is named.
    pub fn rendering(&self, base64_buffers: bool, semantics: Semantics) -> anyhow::Result<Rendering> {
        let zone = zone_named(self.tz.as_deref())?;
        let names = match &self.resolve {
            None => HashMap::new(),
            Some(path) => names(path)?,
        };
        Ok(Rendering {
            zone,
            base64_buffers,
            names,
            documented: self.semantics.unwrap_or(semantics) == Semantics::Documented,
        })
    }
}

/// The zone of this name, by default the local one.
pub fn zone_named(name: Option<&str>) -> anyhow::Result<TimeZone> {
    let Some(name) = name else { return Ok(TimeZone::system()) };
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name)
        .or_else(|_| TimeZone::posix(name))
        .map_err(|_| anyhow!("unknown time zone '{name}'; name one such as Europe/Berlin, UTC, or in the form UTC-2"))
}

fn names(path: &Path) -> anyhow::Result<HashMap<IpAddr, String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut names = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next() else { continue };
        let fail = || format!("{}:{}: a line is ADDRESS NAME", path.display(), number + 1);
        let address: IpAddr = address.parse().with_context(fail)?;
        let name = words.next().with_context(fail)?;
        // As in /etc/hosts, the first name of an address counts.
        names.entry(address).or_insert_with(|| name.to_owned());
    }
    Ok(names)
}
