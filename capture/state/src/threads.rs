//! The thread table: threads by slot and number, and which versions hang on which threads.

use std::sync::Arc;

use falco_replay_format::block::{Process, Text, ThreadInfo};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::changes::Watch;
use crate::descriptors::FdTable;
use crate::families::{Exits, Groups};

/// `PPM_CL_*` bits that the state code reads or sets (libsinsp 48dfd53cd, `ppm_events_public.h`).
#[allow(missing_docs)]
pub mod clone_flag {
    pub const FILES: u32 = 1;
    pub const NEWPID: u32 = 1 << 6;
    pub const PARENT: u32 = 1 << 8;
    pub const THREAD: u32 = 1 << 13;
    pub const INVERTED: u32 = 1 << 16;
    pub const NAME_CHANGED: u32 = 1 << 17;
    pub const ACTIVE: u32 = 1 << 19;
    pub const NEWUSER: u32 = 1 << 20;
    pub const PIPE_SRC: u32 = 1 << 21;
    pub const PIPE_DST: u32 = 1 << 22;
    pub const VFORK: u32 = 1 << 27;
    pub const CHILD_IN_PIDNS: u32 = 1 << 29;
    pub const IS_MAIN_THREAD: u32 = 1 << 30;
}

/// An enter event kept for its exit half.
#[derive(Debug, Clone)]
pub(crate) struct Enter {
    pub(crate) ty: u16,
    /// Length array and parameters.
    pub(crate) params: Vec<Vec<u8>>,
}

/// Memory use and faults of a thread.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    pub(crate) size_kb: u64,
    pub(crate) resident_kb: u64,
    pub(crate) swap_kb: u64,
    pub(crate) major: u64,
    pub(crate) minor: u64,
}

/// What references of a block said of a thread, so that only changes are told again.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) block: u32,
    /// A bit for each value that was told.
    pub(crate) known: u32,
    pub(crate) values: [u64; 15],
}

/// One thread.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) tid: i64,
    /// Descriptor number of the last event.
    pub(crate) last_fd: i64,
    /// Type of the last enter event.
    pub(crate) last_enter: u16,
    pub(crate) dead: bool,
    /// The process (by pid) that it is counted in.
    pub(crate) group: Option<i64>,
    /// Row of `version` in block `row_block`.
    pub(crate) row: u32,
    pub(crate) row_block: u32,
    /// Epoch of the user and container tables that `version` was made in.
    pub(crate) version_epoch: u32,
    pub(crate) version: Option<Arc<Process>>,
    /// Which making of versions last came by here.
    pub(crate) begun: u64,
    pub(crate) info: Arc<ThreadInfo>,
    pub(crate) fds: FdTable,
    pub(crate) memory: Memory,
    /// What references last said of it.
    pub(crate) told: Told,
    pub(crate) enter: Option<Box<Enter>>,
    /// Process that its children go to once it has ended; 0 where none was named.
    pub(crate) reaper: i64,
    pub(crate) last_cpu: u64,
    /// Distinct for every thread that ever was, so that stale lists do not hit a successor with the same number.
    pub(crate) birth: u64,
    /// Threads whose parent this is: (tid, birth). Those that have ended since may still stand here.
    pub(crate) children: Vec<(i64, u64)>,
    /// Threads whose versions mention this one's. Those that have ended since may still stand here.
    pub(crate) dependents: Vec<(i64, Dependence)>,
    /// The threads in whose dependents this one stands, as their group member and as their child.
    pub(crate) on_main: i64,
    pub(crate) on_parent: i64,
}

/// Which relation a version hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dependence {
    Main,
    Parent,
}

impl Thread {
    pub(crate) fn new(info: ThreadInfo) -> Thread {
        Thread::with(info.tid, Arc::new(info))
    }

    fn with(tid: i64, info: Arc<ThreadInfo>) -> Thread {
        Thread {
            tid,
            last_fd: -1,
            last_enter: u16::MAX,
            dead: false,
            group: None,
            row: 0,
            row_block: 0,
            version_epoch: 0,
            version: None,
            begun: 0,
            info,
            fds: FdTable::default(),
            memory: Memory::default(),
            told: Told::default(),
            enter: None,
            reaper: 0,
            last_cpu: 0,
            birth: 0,
            children: Vec::new(),
            dependents: Vec::new(),
            on_main: VACANT,
            on_parent: VACANT,
        }
    }

    /// An unknown thread: nothing but its id.
    pub(crate) fn unknown_info(tid: i64) -> ThreadInfo {
        let unknown = Text::from(&b"<NA>"[..]);
        ThreadInfo {
            tid,
            pid: -1,
            ptid: -1,
            vtid: -1,
            vpid: -1,
            sid: -1,
            vpgid: -1,
            pgid: -1,
            comm: unknown.clone(),
            exe: unknown,
            exepath: Text::default(),
            args: Text::default(),
            env: Text::default(),
            cwd: Text::default(),
            root: Text::default(),
            cgroups: Text::default(),
            container_id: Text::default(),
            uid: u32::MAX,
            gid: u32::MAX,
            loginuid: u32::MAX,
            tty: 0,
            flags: 0,
            fdlimit: -1,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
            exe_ctime_duration_clone: 0,
            exe_ctime_duration_pidns: 0,
            clone_ts: 0,
            lastexec_ts: 0,
            pidns_init_start_ts: 0,
        }
    }

    /// Whether only its id is known: it has no group and no children.
    pub(crate) fn is_unknown(&self) -> bool {
        self.info.tid < 0 || self.info.pid < 0 || self.info.ptid < 0
    }

    pub(crate) fn is_main(&self) -> bool {
        self.info.is_main() || self.info.flags & clone_flag::IS_MAIN_THREAD != 0
    }

    pub(crate) fn in_pid_namespace(&self) -> bool {
        self.info.flags & clone_flag::CHILD_IN_PIDNS != 0 || self.info.tid != self.info.vtid
    }
}

/// Slot of a thread in the table.
pub(crate) type ThreadSlot = u32;

/// Number of the thread in a slot that holds none.
const VACANT: i64 = i64::MIN;

/// Lists of other threads are swept once they took in this many entries, and some for each thread of the table.
const SWEEP_BASE: usize = 4096;
const SWEEP_SHARE: usize = 4;

/// All threads.
#[derive(Debug)]
pub(crate) struct Threads {
    /// A slot without thread holds a vacant one, so that a slot that was used too long reads as nothing known.
    slots: Vec<Thread>,
    free: Vec<ThreadSlot>,
    by_tid: HashMap<i64, ThreadSlot, FixedState>,
    /// The last thread seen on a processor: events come in runs.
    last: [(i64, ThreadSlot); 64],
    /// Threads whose versions were made while the thread of this id was missing.
    waiting: HashMap<i64, Vec<i64>, FixedState>,
    /// Entries put into lists of dependents, waiting threads and children since the last sweep.
    listed: usize,
    nobody: Arc<ThreadInfo>,
    pub(crate) groups: Groups,
    pub(crate) exits: Exits,
    births: u64,
    limit: usize,
    /// What is noted of changes, where somebody asks.
    pub(crate) watch: Option<Box<Watch>>,
    /// Threads that were not added because the table was full.
    pub(crate) refused: u64,
}

impl Threads {
    pub(crate) fn new(limit: usize) -> Threads {
        Threads {
            slots: Vec::new(),
            free: Vec::new(),
            by_tid: HashMap::default(),
            last: [(VACANT, 0); 64],
            waiting: HashMap::default(),
            listed: 0,
            nobody: Arc::new(Thread::unknown_info(VACANT)),
            groups: Groups::default(),
            exits: Exits::default(),
            births: 0,
            limit,
            watch: None,
            refused: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_tid.len()
    }

    #[inline]
    pub(crate) fn find(&self, tid: i64) -> Option<ThreadSlot> {
        self.by_tid.get(&tid).copied()
    }

    /// [`Threads::find`] for the thread of an event.
    #[inline]
    pub(crate) fn find_on(&mut self, cpu: u16, tid: i64) -> Option<ThreadSlot> {
        let last = &mut self.last[usize::from(cpu) % 64];
        if last.0 == tid && tid != VACANT {
            return Some(last.1);
        }
        let slot = self.by_tid.get(&tid).copied()?;
        *last = (tid, slot);
        Some(slot)
    }

    /// The thread in `slot`; slots come from this table.
    #[inline]
    pub(crate) fn at(&self, slot: ThreadSlot) -> &Thread {
        &self.slots[slot as usize]
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, slot: ThreadSlot) -> &mut Thread {
        &mut self.slots[slot as usize]
    }

    pub(crate) fn get(&self, tid: i64) -> Option<&Thread> {
        self.find(tid).map(|slot| self.at(slot))
    }

    /// The thread of this number, if it is still the one that was born as number `birth`.
    pub(crate) fn born(&self, (tid, birth): (i64, u64)) -> Option<ThreadSlot> {
        self.find(tid).filter(|&slot| self.at(slot).birth == birth)
    }

    /// Numbers of all threads, rising.
    pub(crate) fn tids(&self) -> Vec<i64> {
        let mut tids: Vec<i64> = self.by_tid.keys().copied().collect();
        tids.sort_unstable();
        tids
    }

    /// All threads, the eldest first.
    pub(crate) fn by_age(&self) -> Vec<ThreadSlot> {
        let mut slots: Vec<ThreadSlot> = self.by_tid.values().copied().collect();
        slots.sort_unstable_by_key(|&slot| self.at(slot).birth);
        slots
    }

    /// The main thread of a thread, where it is known.
    #[inline]
    pub(crate) fn main_of(&self, slot: ThreadSlot) -> Option<ThreadSlot> {
        let thread = self.at(slot);
        if thread.is_main() { Some(slot) } else { self.find(thread.info.pid).filter(|&main| self.at(main).is_main()) }
    }

    /// The thread whose descriptor table a thread uses.
    #[inline]
    pub(crate) fn fds_of(&self, slot: ThreadSlot) -> Option<ThreadSlot> {
        if self.at(slot).info.flags & clone_flag::FILES == 0 { Some(slot) } else { self.main_of(slot) }
    }

    /// A thread's own part, to be changed: every version that mentions the thread is void.
    pub(crate) fn change(&mut self, slot: ThreadSlot) -> &mut ThreadInfo {
        self.touch(slot);
        self.void(slot);
        Arc::make_mut(&mut self.at_mut(slot).info)
    }

    /// The descriptors of a thread, to be changed.
    pub(crate) fn fds_mut(&mut self, slot: ThreadSlot) -> &mut FdTable {
        self.touch(slot);
        &mut self.at_mut(slot).fds
    }

    /// The memory figures of a thread, to be changed.
    pub(crate) fn memory_mut(&mut self, slot: ThreadSlot) -> &mut Memory {
        self.touch(slot);
        &mut self.at_mut(slot).memory
    }

    /// Voids the versions of a thread and of all that mention it.
    pub(crate) fn void(&mut self, slot: ThreadSlot) {
        let thread = self.at_mut(slot);
        thread.version = None;
        if thread.dependents.is_empty() {
            return;
        }
        let mut rest = vec![slot];
        while let Some(slot) = rest.pop() {
            let thread = self.at_mut(slot);
            thread.version = None;
            let own = thread.tid;
            for (tid, dependence) in std::mem::take(&mut thread.dependents) {
                if let Some(other) = self.find(tid) {
                    let dependent = self.at_mut(other);
                    let on = match dependence {
                        Dependence::Main => &mut dependent.on_main,
                        Dependence::Parent => &mut dependent.on_parent,
                    };
                    // What changed its parent since stands in another list, too.
                    if *on == own {
                        *on = VACANT;
                    }
                    rest.push(other);
                }
            }
        }
    }

    /// Notes that `dependent`'s version mentions the thread `tid`, or that it is missing.
    pub(crate) fn depend(&mut self, dependent: ThreadSlot, tid: i64, dependence: Dependence) {
        let thread = self.at_mut(dependent);
        let on = match dependence {
            Dependence::Main => &mut thread.on_main,
            Dependence::Parent => &mut thread.on_parent,
        };
        if std::mem::replace(on, tid) == tid {
            return;
        }
        let own = thread.tid;
        match self.find(tid) {
            Some(slot) => self.at_mut(slot).dependents.push((own, dependence)),
            None => self.waiting.entry(tid).or_default().push(own),
        }
        self.note_listed();
    }

    /// Counts an entry of a list of threads, and drops what such lists hold in vain once there is enough of it.
    pub(crate) fn note_listed(&mut self) {
        self.listed += 1;
        if self.listed <= self.len() * SWEEP_SHARE + SWEEP_BASE {
            return;
        }
        self.listed = 0;
        for slot in 0..self.slots.len() as ThreadSlot {
            let tid = self.at(slot).tid;
            let mut dependents = std::mem::take(&mut self.at_mut(slot).dependents);
            dependents.sort_unstable();
            dependents.dedup();
            dependents.retain(|&(other, dependence)| {
                let Some(other) = self.find(other) else { return false };
                let other = self.at_mut(other);
                let (needs, on) = match dependence {
                    Dependence::Main => (other.info.pid, &mut other.on_main),
                    Dependence::Parent => (other.info.ptid, &mut other.on_parent),
                };
                if needs != tid && *on == tid {
                    *on = VACANT;
                }
                needs == tid
            });
            let mut children = std::mem::take(&mut self.at_mut(slot).children);
            children.retain(|&child| self.born(child).is_some_and(|child| self.at(child).info.ptid == tid));
            let thread = self.at_mut(slot);
            thread.dependents = dependents;
            thread.children = children;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|&tid, all| {
            all.sort_unstable();
            all.dedup();
            all.retain(|&own| {
                let Some(own) = self.find(own) else { return false };
                let own = self.at_mut(own);
                let needs = own.info.pid == tid || own.info.ptid == tid;
                for on in [&mut own.on_main, &mut own.on_parent] {
                    if !needs && *on == tid {
                        *on = VACANT;
                    }
                }
                needs
            });
            !all.is_empty()
        });
        self.waiting = waiting;
    }

    /// Puts a thread in, over one of the same number. `None` where the table is full.
    pub(crate) fn add(&mut self, mut thread: Thread) -> Option<ThreadSlot> {
        let tid = thread.tid;
        let old = self.find(tid);
        if old.is_none() && self.by_tid.len() >= self.limit || tid == VACANT {
            self.refused += 1;
            return None;
        }
        self.births += 1;
        thread.birth = self.births;
        if let Some(old) = old {
            // A successor of the same number: what mentions the old one must look again.
            self.void(old);
            self.leave_group(old);
            *self.at_mut(old) = thread;
            self.touch(old);
            return Some(old);
        }
        let slot = match self.free.pop() {
            Some(slot) => {
                *self.at_mut(slot) = thread;
                slot
            }
            None => {
                self.slots.push(thread);
                (self.slots.len() - 1) as ThreadSlot
            }
        };
        self.by_tid.insert(tid, slot);
        self.touch(slot);
        for waiting in self.waiting.remove(&tid).unwrap_or_default() {
            if let Some(other) = self.find(waiting) {
                let dependent = self.at_mut(other);
                dependent.on_main = VACANT;
                dependent.on_parent = VACANT;
                self.void(other);
            }
        }
        Some(slot)
    }

    /// Takes a thread out of the table.
    pub(crate) fn erase(&mut self, slot: ThreadSlot) {
        let tid = self.at(slot).tid;
        if self.find(tid) != Some(slot) {
            return;
        }
        self.touch(slot);
        self.void(slot);
        self.leave_group(slot);
        self.by_tid.remove(&tid);
        let vacant = Thread::with(VACANT, self.nobody.clone());
        *self.at_mut(slot) = vacant;
        self.free.push(slot);
        for last in &mut self.last {
            if last.0 == tid {
                *last = (VACANT, 0);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn lists_do_not_grow_with_the_number_of_processes() {
        let mut threads = Threads::new(1000);
        let process = |tid: i64, ptid: i64| {
            let mut info = Thread::unknown_info(tid);
            (info.pid, info.ptid, info.vtid, info.vpid) = (tid, ptid, tid, tid);
            Thread::new(info)
        };
        let parent = threads.add(process(2, 0)).unwrap();
        threads.settle(parent);
        for tid in 3..60_000 {
            let slot = threads.add(process(tid, 2)).unwrap();
            threads.settle(slot);
            threads.depend(slot, 2, Dependence::Parent);
            // A main thread that nobody has seen.
            threads.depend(slot, -tid, Dependence::Main);
            threads.remove(slot);
        }
        assert_eq!(threads.len(), 1);
        assert!(threads.at(parent).children.len() <= SWEEP_BASE + 8);
        assert!(threads.at(parent).dependents.len() <= SWEEP_BASE + 8);
        assert!(threads.waiting.len() <= SWEEP_BASE + 8);
        assert_eq!((threads.groups.len(), threads.slots.len()), (1, 2));
    }

    #[test]
    fn a_slot_that_was_used_too_long_reads_as_nothing_known() {
        let mut threads = Threads::new(10);
        let slot = threads.add(Thread::new(Thread::unknown_info(5))).unwrap();
        threads.erase(slot);
        threads.erase(slot);
        assert!(threads.at(slot).is_unknown());
        assert_eq!((threads.len(), threads.free.len()), (0, 1));
        assert!(threads.add(Thread::new(Thread::unknown_info(VACANT))).is_none());
    }
}
