//! What events changed, for those who cut captures: which events must stay so that the rest is understood as before.

use falco_replay_format::block::Text;

use crate::State;
use crate::threads::{ThreadSlot, Threads};

/// What the events of a block changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// (row, id of a thread): the event changed what is known of the thread or its descriptors, or that it is there.
    pub threads: Vec<(u32, i64)>,
    /// (row, id of a container): the event changed what is known of the container or of its users; empty for the host and
    /// what is true of all of it.
    pub containers: Vec<(u32, Text)>,
    /// Pairs of threads: what is known of the first was made of what was known of the second.
    pub links: Vec<(i64, i64)>,
}

/// What the event at hand changed.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) touched: Vec<i64>,
    pub(crate) links: Vec<(i64, i64)>,
}

impl State {
    /// Notes from here on what events change.
    pub fn watch(&mut self) {
        self.threads.watch.get_or_insert_default();
        self.changes.get_or_insert_default();
    }

    /// What the events of the last block changed; where it begins a section, the links of its head too.
    pub fn changes(&self) -> Option<&Changes> {
        self.changes.as_deref()
    }

    pub(crate) fn note_container(&mut self, row: u32, id: &[u8]) {
        if let Some(changes) = &mut self.changes {
            changes.containers.push((row, id.into()));
        }
    }

    /// Moves what the event changed to the changes of its block.
    pub(crate) fn note_changes(&mut self, row: u32) {
        let (Some(watch), Some(changes)) = (&mut self.threads.watch, &mut self.changes) else { return };
        changes.links.append(&mut watch.links);
        if !watch.touched.is_empty() {
            watch.touched.sort_unstable();
            watch.touched.dedup();
            changes.threads.extend(watch.touched.drain(..).map(|tid| (row, tid)));
        }
    }

    /// Forgets the changes of the block before.
    pub(crate) fn clear_changes(&mut self) {
        if let Some(changes) = &mut self.changes {
            changes.threads.clear();
            changes.containers.clear();
            changes.links.clear();
        }
    }
}

impl Threads {
    /// Notes that something of a thread changed.
    #[inline]
    pub(crate) fn touch(&mut self, slot: ThreadSlot) {
        let tid = self.at(slot).tid;
        if let Some(watch) = &mut self.watch {
            watch.touched.push(tid);
        }
    }

    /// Forgets what was noted: no event did it.
    pub(crate) fn forget_touched(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.touched.clear();
        }
    }

    /// Notes that what is known of a thread was made of what was known of another.
    #[inline]
    pub(crate) fn link(&mut self, tid: i64, source: i64) {
        if let Some(watch) = &mut self.watch
            && tid != source
        {
            watch.links.push((tid, source));
        }
    }
}
