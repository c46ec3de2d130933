//! Families of threads: processes as groups of threads, parents and children, exits and who adopts the orphans.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::threads::{ThreadSlot, Threads};

/// How long an exit is remembered, so that a late clone event does not bring the dead thread back.
const EXIT_MEMORY_NS: u64 = 2_000_000_000;

/// Exits remembered at most.
const EXITS: usize = 1 << 16;

/// Longest chain of ancestors that is walked up; what is above counts as unknown.
pub(crate) const MAX_CHAIN: usize = 4096;

/// The threads of processes, by pid.
pub(crate) type Groups = HashMap<i64, Group, FixedState>;

/// The threads of a process.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// (tid, birth), the main thread first, then by age. Those that have left since may still stand here.
    members: Vec<(i64, u64)>,
    /// Members that have not left.
    size: usize,
    /// Members that live.
    pub(crate) alive: usize,
    /// Whether it adopts the orphans of its descendants.
    pub(crate) reaper: bool,
}

/// Recent exits.
#[derive(Debug, Default)]
pub(crate) struct Exits {
    order: VecDeque<(u64, i64, i64)>,
    latest: HashMap<(i64, i64), u64, FixedState>,
}

impl Exits {
    /// Remembers the exit of a child.
    pub(crate) fn note(&mut self, ts: u64, ptid: i64, tid: i64) {
        while let Some(&(then, old_ptid, old_tid)) = self.order.front() {
            if ts.saturating_sub(then) <= EXIT_MEMORY_NS && self.order.len() < EXITS {
                break;
            }
            self.order.pop_front();
            if self.latest.get(&(old_ptid, old_tid)) == Some(&then) {
                self.latest.remove(&(old_ptid, old_tid));
            }
        }
        self.order.push_back((ts, ptid, tid));
        self.latest.insert((ptid, tid), ts);
    }

    /// All that are remembered: (time, parent, thread).
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, i64, i64)> {
        self.order.iter().copied()
    }

    /// Whether the child is known to have ended shortly before `ts`.
    pub(crate) fn lately(&self, ts: u64, ptid: i64, tid: i64) -> bool {
        self.latest.get(&(ptid, tid)).is_some_and(|&then| ts.saturating_sub(then) <= EXIT_MEMORY_NS)
    }
}

impl Threads {
    pub(crate) fn group(&self, slot: ThreadSlot) -> Option<&Group> {
        self.groups.get(&self.at(slot).group?)
    }

    pub(crate) fn group_mut(&mut self, slot: ThreadSlot) -> Option<&mut Group> {
        let pid = self.at(slot).group?;
        self.groups.get_mut(&pid)
    }

    /// The threads of a thread's process, itself included.
    pub(crate) fn siblings(&self, slot: ThreadSlot) -> Vec<ThreadSlot> {
        let members = self.group(slot).map_or(&[][..], |group| &group.members);
        members.iter().filter_map(|&member| self.born(member)).collect()
    }

    /// Gives a known thread its group and its parent.
    pub(crate) fn settle(&mut self, slot: ThreadSlot) {
        let thread = self.at(slot);
        if thread.is_unknown() {
            return;
        }
        let entry = (thread.tid, thread.birth);
        let (pid, vpid, ptid) = (thread.info.pid, thread.info.vpid, thread.info.ptid);
        let main = thread.is_main();
        if thread.group.is_none() {
            let group = self.groups.entry(pid).or_default();
            if group.size == 0 {
                group.reaper = pid == 1 || vpid == 1;
            }
            group.members.insert(if main { 0 } else { group.members.len() }, entry);
            group.size += 1;
            group.alive += 1;
            self.at_mut(slot).group = Some(pid);
            self.link(entry.0, pid);
            self.link(pid, entry.0);
        }
        if pid == 1 {
            return;
        }
        match self.find(ptid).filter(|&parent| !self.at(parent).is_unknown()) {
            Some(parent) => {
                self.link(entry.0, ptid);
                self.add_child(parent, entry);
            }
            None if ptid != 0 => {
                self.change(slot).ptid = 0;
            }
            None => {}
        }
    }

    fn add_child(&mut self, parent: ThreadSlot, child: (i64, u64)) {
        self.at_mut(parent).children.push(child);
        self.note_listed();
    }

    /// Changes a thread's parent.
    fn adopt(&mut self, child: ThreadSlot, parent: Option<ThreadSlot>) {
        let ptid = parent.map_or(0, |parent| self.at(parent).tid);
        self.change(child).ptid = ptid;
        if parent.is_some() {
            self.link(self.at(child).tid, ptid);
        }
        let thread = self.at(child);
        let entry = (thread.tid, thread.birth);
        if let Some(parent) = parent {
            self.add_child(parent, entry);
        }
    }

    pub(crate) fn leave_group(&mut self, slot: ThreadSlot) {
        let dead = self.at(slot).dead;
        let Some(pid) = self.at_mut(slot).group.take() else { return };
        let Some(group) = self.groups.get_mut(&pid) else { return };
        group.alive -= usize::from(!dead && group.alive > 0);
        group.size = group.size.saturating_sub(1);
        if group.size == 0 {
            self.groups.remove(&pid);
        } else if group.members.len() > 2 * group.size + 16 {
            let mut members = std::mem::take(&mut group.members);
            members.retain(|&member| self.born(member).is_some_and(|member| self.at(member).group == Some(pid)));
            if let Some(group) = self.groups.get_mut(&pid) {
                group.members = members;
            }
        }
    }

    /// Marks a thread dead: it counts no more among the live ones of its group.
    pub(crate) fn mark_dead(&mut self, slot: ThreadSlot) {
        self.touch(slot);
        if !std::mem::replace(&mut self.at_mut(slot).dead, true)
            && let Some(group) = self.group_mut(slot)
        {
            group.alive = group.alive.saturating_sub(1);
        }
    }

    /// Makes a dead thread live again (a main thread that executes after its exit was seen).
    pub(crate) fn revive(&mut self, slot: ThreadSlot) {
        if std::mem::replace(&mut self.at_mut(slot).dead, false)
            && let Some(group) = self.group_mut(slot)
        {
            group.alive += 1;
        }
    }

    /// Removes a thread: its children go to their reaper, and a main thread stays while others of its group live.
    pub(crate) fn remove(&mut self, slot: ThreadSlot) {
        self.mark_dead(slot);
        self.hand_over_children(slot);
        let thread = self.at(slot);
        let main = thread.is_main();
        let Some(pid) = thread.group else {
            self.erase(slot);
            return;
        };
        let alive = self.groups.get(&pid).map_or(0, |group| group.alive);
        if !main {
            self.erase(slot);
        }
        if alive == 0
            && let Some(main) = if main { Some(slot) } else { self.find(pid) }
        {
            self.erase(main);
        }
    }

    fn hand_over_children(&mut self, slot: ThreadSlot) {
        let children = std::mem::take(&mut self.at_mut(slot).children);
        let tid = self.at(slot).tid;
        let own = |found: &ThreadSlot| *found != slot && self.at(*found).info.ptid == tid;
        let live: Vec<ThreadSlot> = children.into_iter().filter_map(|child| self.born(child)).filter(own).collect();
        if live.is_empty() {
            return;
        }
        let named = self.at(slot).reaper;
        let reaper = (named > 0)
            .then(|| self.find(named))
            .flatten()
            .filter(|&found| !self.at(found).is_unknown() && found != slot)
            .or_else(|| self.find_reaper(slot));
        if let Some(reaper) = reaper.filter(|&reaper| self.at(reaper).info.pid != self.at(slot).info.pid)
            && let Some(group) = self.group_mut(reaper)
        {
            group.reaper = true;
        }
        for child in live {
            self.adopt(child, reaper.filter(|&reaper| reaper != child));
        }
    }

    fn living_member(&self, group: &Group, besides: ThreadSlot) -> Option<ThreadSlot> {
        let members = group.members.iter().filter_map(|&member| self.born(member));
        members.into_iter().find(|&slot| !self.at(slot).dead && slot != besides)
    }

    fn find_reaper(&self, slot: ThreadSlot) -> Option<ThreadSlot> {
        if let Some(sibling) = self.group(slot).and_then(|group| self.living_member(group, slot)) {
            return Some(sibling);
        }
        let inside = self.at(slot).in_pid_namespace();
        let mut at = self.find(self.at(slot).info.ptid)?;
        for _ in 0..MAX_CHAIN {
            if self.at(at).in_pid_namespace() != inside {
                return None;
            }
            if let Some(group) = self.group(at).filter(|group| group.reaper)
                && let Some(member) = self.living_member(group, slot)
            {
                return Some(member);
            }
            at = self.find(self.at(at).info.ptid)?;
        }
        None
    }
}
