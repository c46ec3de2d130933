//! What the events that are kept need to be understood: threads, and containers.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use falco_replay_format::block::{Block, Process, RefKind, Text};
use falco_replay_format::demand::{Demand, want};
use falco_replay_format::schema::EVENT_TYPES;
use falco_replay_state::Changes;

/// Steps from a process version to those it hangs on.
const MOST_STEPS: usize = 1 << 14;

/// What kept events need, gathered event by event.
#[derive(Debug, Default)]
pub struct Needs {
    threads: HashSet<i64>,
    containers: HashSet<Text>,
    /// Whether all containers with an address are needed: they decide which addresses are local.
    every_container: bool,
    /// Pairs of threads: the first was made of the second.
    links: HashSet<(i64, i64)>,
}

/// The references that tell what an event needs.
pub fn ask(demand: &mut Demand) {
    for ty in 0..EVENT_TYPES as u16 {
        demand.ask(ty, want::PARAMS | want::LEADERS);
    }
}

/// The process versions of a block that were looked at already.
pub struct Seen(Vec<bool>);

impl Seen {
    /// None yet.
    pub fn of(block: &Block) -> Seen {
        Seen(vec![false; block.processes.len()])
    }
}

impl Needs {
    /// Adds what ties threads together.
    pub fn link(&mut self, changes: &Changes) {
        self.links.extend(&changes.links);
    }

    /// Adds what an event needs.
    pub fn event(&mut self, block: &Block, row: usize, seen: &mut Seen) {
        // A thread that is not known by now becomes known as an unknown one.
        self.threads.insert(block.batch.tid[row]);
        self.version(block, block.process[row] as usize, seen);
        for reference in block.refs(row) {
            let at = reference.value as usize;
            match reference.kind {
                RefKind::ParamProcess | RefKind::SessionLeader | RefKind::VgroupLeader | RefKind::GroupLeader => {
                    self.version(block, at, seen);
                }
                RefKind::EventContainer => {
                    if let Some(container) = block.containers.get(at) {
                        self.containers.insert(container.id.clone());
                    }
                }
                _ => {}
            }
        }
        let has_address = block.fd(row).is_some_and(|fd| fd.kind.is_inet());
        if has_address && block.process(row).is_some_and(|process| is_without_address(process)) {
            self.every_container = true;
        }
    }

    fn version(&mut self, block: &Block, at: usize, seen: &mut Seen) {
        let (Some(seen), Some(process)) = (seen.0.get_mut(at), block.processes.get(at)) else { return };
        if std::mem::replace(seen, true) {
            return;
        }
        let mut rest: Vec<&Process> = vec![process];
        let mut steps = 0;
        while let Some(at) = rest.pop() {
            steps += 1;
            self.threads.insert(at.info.tid);
            self.containers.insert(at.info.container_id.clone());
            for container in [&at.container, &at.sandbox].into_iter().flatten() {
                self.containers.insert(container.id.clone());
            }
            if steps < MOST_STEPS {
                rest.extend(at.main().filter(|main| !std::ptr::eq(*main, at)));
                rest.extend(at.parent.as_deref());
            }
        }
    }

    /// What is needed in all: what was made of something needs that too.
    pub fn close(self) -> Needed {
        let mut sources: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (tid, source) in self.links {
            sources.entry(tid).or_default().push(source);
        }
        let mut threads = BTreeSet::new();
        let mut rest: Vec<i64> = self.threads.into_iter().collect();
        while let Some(tid) = rest.pop() {
            if threads.insert(tid) {
                rest.extend(sources.remove(&tid).unwrap_or_default());
            }
        }
        Needed {
            threads: threads.into_iter().collect(),
            containers: self.containers,
            every_container: self.every_container,
        }
    }
}

/// Whether a process is in a container whose address nobody knows.
fn is_without_address(process: &Process) -> bool {
    !process.info.container_id.is_empty()
        && process.container.as_ref().is_none_or(|container| container.ip.is_empty() || *container.ip == *b"0.0.0.0")
}

/// What is needed of a section.
#[derive(Debug, Default)]
pub struct Needed {
    threads: HashSet<i64>,
    containers: HashSet<Text>,
    every_container: bool,
}

impl Needed {
    /// Whether a thread is needed.
    pub fn thread(&self, tid: i64) -> bool {
        self.threads.contains(&tid)
    }

    /// Whether a container is needed. The host is.
    pub fn container(&self, id: &[u8]) -> bool {
        self.every_container || id.is_empty() || self.containers.contains(id)
    }

    /// Gives containers other ids, as their events will have them.
    pub fn rename_containers(&mut self, name: impl FnMut(&Text) -> Text) {
        self.containers = self.containers.iter().map(name).collect();
    }
}
