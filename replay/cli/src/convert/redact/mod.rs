//! Redaction: keyed hashes in place of values, in raw events and heads, so that nothing made of them has the values either.

mod heads;
mod json;
mod kinds;
mod mask;
mod params;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use falco_replay_engine::catalogue::CLASSES;
use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Text;
use falco_replay_format::fcap::FileAbout;
use falco_replay_format::lists::Head;
use falco_replay_format::schema::EVENTS;
use glob::Pattern;

use self::kinds::{Kinds, of_field, of_named};
use self::mask::{KEY, Mask};
use self::params::Params;

/// Least bytes of a key that somebody gives.
const LEAST_KEY: usize = 16;

/// What is redacted, and how.
#[derive(Debug)]
pub struct Redaction {
    chosen: Kinds,
    params: Params,
    mask: Mask,
}

/// The key of a file; a random one where none is given, which nobody ever learns.
pub fn key(path: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let Some(path) = path else {
        let mut key = vec![0; KEY];
        let mut have = 0;
        while have < KEY {
            let flags = rustix::rand::GetRandomFlags::empty();
            have += rustix::rand::getrandom(&mut key[have..], flags).context("cannot get a random key")?;
        }
        return Ok(key);
    };
    let mut key = std::fs::read(path).with_context(|| format!("cannot read the key {}", path.display()))?;
    while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        key.pop();
    }
    if key.len() < LEAST_KEY {
        bail!("the key {} has {} bytes; it needs {LEAST_KEY} at least", path.display(), key.len());
    }
    Ok(key)
}

impl Redaction {
    /// Redacts the values of all fields that the patterns name.
    pub fn new(patterns: &[String], key: &[u8]) -> anyhow::Result<Redaction> {
        let mut chosen = Kinds::NONE;
        let mut named = BTreeSet::new();
        for text in patterns {
            let pattern = Pattern::new(text).map_err(|error| anyhow!("--redact {text}: no valid pattern: {error}"))?;
            let (found, kinds) = choose(&pattern, &mut named);
            if !found {
                bail!("--redact {text}: there is no such field; falco-replay list fields shows them");
            }
            if kinds == Kinds::NONE && !named.iter().any(|name| is_argument(&pattern, name)) {
                bail!(
                    "--redact {text}: numbers, times and flags are not redacted, only texts, data and addresses are; \
                     --filter and --snaplen leave out what may not be shared"
                );
            }
            chosen |= kinds;
        }
        Ok(Redaction { chosen, params: Params::new(chosen, &named), mask: Mask::new(key) })
    }

    /// Redacts a head.
    pub fn head(&mut self, head: &mut Head) {
        heads::redact(head, self.chosen, &self.params, &mut self.mask);
    }

    /// Redacts events.
    pub fn batch(&mut self, batch: EventBatch) -> EventBatch {
        self.params.redact(batch, &mut self.mask)
    }

    /// Redacts what a file says of itself.
    pub fn about(&mut self, about: &mut FileAbout) {
        if self.chosen.has(Kinds::HOSTNAME) {
            // They tell the host as well as its name.
            about.boot_id = None;
            about.config_hash = None;
            about.hostname = self.mask.text(&about.hostname);
            if let Some(machine) = &mut about.machine {
                machine.hostname = self.mask.text(&machine.hostname);
            }
        }
    }

    /// The id that a container gets.
    pub fn container_id(&mut self, id: &Text) -> Text {
        if self.chosen.has(Kinds::CONTAINER_ID) { self.mask.id(id).into() } else { id.clone() }
    }

    /// Values that were replaced.
    pub fn count(&self) -> u64 {
        self.mask.count
    }
}

fn is_argument(pattern: &Pattern, name: &str) -> bool {
    ["evt.arg", "evt.rawarg"].iter().any(|field| pattern.matches(&format!("{field}.{name}")))
}

/// What the fields that a pattern names are made of, and whether there are any. `named`: parameters that belong to no other
/// kind, by name.
fn choose(pattern: &Pattern, named: &mut BTreeSet<&'static str>) -> (bool, Kinds) {
    let mut found = false;
    let mut chosen = Kinds::NONE;
    for entry in CLASSES.iter().flat_map(|class| class.entries) {
        if pattern.matches(&entry.info.name) {
            found = true;
            chosen |= of_field(&entry.info.name);
        }
    }
    for info in &EVENTS {
        for (index, param) in info.params.iter().enumerate() {
            if is_argument(pattern, param.name) {
                found = true;
                match of_named(info, index) {
                    Kinds::OTHER => {
                        named.insert(param.name);
                    }
                    kinds => chosen |= kinds,
                }
            }
        }
    }
    (found, chosen)
}

#[cfg(test)]
mod tests {
    use super::Redaction;

    fn problem(pattern: &str) -> String {
        Redaction::new(&[pattern.to_owned()], b"key").unwrap_err().to_string()
    }

    #[test]
    fn patterns_that_name_nothing() {
        assert!(problem("proc.nonsense").contains("no such field"));
        assert!(problem("[").contains("no valid pattern"));
        for numbers in ["proc.pid", "evt.num", "evt.arg.size", "user.uid"] {
            assert!(problem(numbers).contains("numbers"), "{numbers}");
        }
    }

    #[test]
    fn patterns_that_name_something() {
        for pattern in
            ["proc.args", "evt.arg.*", "container.*", "k8s.*", "user.*", "evt.arg.uargs", "*", "evt.arg.data"]
        {
            assert!(Redaction::new(&[pattern.to_owned()], b"key").is_ok(), "{pattern}");
        }
    }
}
