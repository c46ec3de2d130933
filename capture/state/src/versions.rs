//! Making process versions: a thread's own part bound to the versions of its main thread and its parent.

use std::sync::Arc;

use falco_replay_format::block::{Circle, Container, MainThread, Process};
use foldhash::fast::FixedState;
use hashbrown::HashSet;

use crate::State;
use crate::families::MAX_CHAIN;
use crate::threads::{Dependence, ThreadSlot};

/// The main thread of a thread.
#[derive(Debug, Clone, Copy)]
enum Main {
    Itself,
    Missing,
    /// With the same parent: its version needs nothing else than the thread's own. So it is with all real processes.
    SameParent(ThreadSlot),
    /// With a parent of its own: its version comes first.
    OwnParent(ThreadSlot),
    /// The thread is among its ancestors: it is known without its own.
    Descendant(ThreadSlot),
}

impl State {
    /// The current version of a thread, made where something changed since the last.
    pub(crate) fn version(&mut self, slot: ThreadSlot) -> Arc<Process> {
        if let Some(version) = self.current_version(slot) {
            return version;
        }
        // Main threads and parents first, without recursion: chains can be as long as the table.
        let begun = self.next_id + 1;
        let mut path = vec![slot];
        while let Some(&at) = path.last() {
            if self.is_current(at) {
                path.pop();
                continue;
            }
            self.threads.at_mut(at).begun = begun;
            let main = match self.main_of_version(at) {
                Main::OwnParent(main) => Some(main),
                _ => None,
            };
            let missing = [main, self.parent_of(at)].into_iter().flatten().find(|&needed| !self.is_current(needed));
            match missing {
                // It waits for this one.
                Some(needed) if self.threads.at(needed).begun == begun => {
                    if !self.make_circle(needed, path.len()) {
                        self.make_version(at);
                    }
                }
                Some(needed) if path.len() < MAX_CHAIN => path.push(needed),
                _ => {
                    self.make_version(at);
                }
            }
        }
        match self.current_version(slot) {
            Some(version) => version,
            None => self.make_version(slot),
        }
    }

    fn parent_of(&self, slot: ThreadSlot) -> Option<ThreadSlot> {
        self.threads.find(self.threads.at(slot).info.ptid)
    }

    fn main_of_version(&mut self, slot: ThreadSlot) -> Main {
        let Some(main) = self.threads.main_of(slot) else { return Main::Missing };
        if main == slot {
            return Main::Itself;
        }
        if self.threads.at(main).info.ptid == self.threads.at(slot).info.ptid {
            return Main::SameParent(main);
        }
        if self.descends(main, slot) { Main::Descendant(main) } else { Main::OwnParent(main) }
    }

    /// Whether `above` is met on some way up from `from`. The ways are noted: what changes them voids versions.
    fn descends(&mut self, from: ThreadSlot, above: ThreadSlot) -> bool {
        let mut seen: HashSet<ThreadSlot, FixedState> = HashSet::default();
        let mut rest = vec![from];
        while let Some(at) = rest.pop() {
            if at == above {
                return true;
            }
            if seen.len() >= MAX_CHAIN || !seen.insert(at) {
                continue;
            }
            self.note_dependence(at);
            rest.extend(self.parent_of(at));
            rest.extend(self.threads.main_of(at));
        }
        false
    }

    fn note_dependence(&mut self, slot: ThreadSlot) {
        let thread = self.threads.at(slot);
        let (pid, ptid, is_main) = (thread.info.pid, thread.info.ptid, thread.is_main());
        self.threads.depend(slot, ptid, Dependence::Parent);
        if !is_main {
            self.threads.depend(slot, pid, Dependence::Main);
        }
    }

    #[inline]
    fn is_current(&self, slot: ThreadSlot) -> bool {
        let thread = self.threads.at(slot);
        thread.version.is_some() && thread.version_epoch == self.epoch
    }

    #[inline]
    pub(crate) fn current_version(&self, slot: ThreadSlot) -> Option<Arc<Process>> {
        let thread = self.threads.at(slot);
        if thread.version_epoch == self.epoch { thread.version.clone() } else { None }
    }

    /// Makes the version of a thread from those that it needs.
    fn make_version(&mut self, slot: ThreadSlot) -> Arc<Process> {
        let parent = self.parent_of(slot).and_then(|parent| self.current_version(parent));
        let circle = parent.as_ref().and_then(|parent| {
            let circle = parent.circle?;
            let tid = self.threads.at(slot).tid;
            let up = std::iter::successors(Some(&**parent), |at| at.parent_thread());
            let within = circle.steps == 0 && up.take(circle.length as usize).any(|at| at.info.tid == tid);
            Some(Circle { steps: if within { 0 } else { circle.steps + 1 }, ..circle })
        });
        let main = match self.main_of_version(slot) {
            Main::SameParent(main) if !self.is_current(main) => MainThread::Other(self.make_version(main)),
            main => self.main_thread(main, &parent, circle),
        };
        let version = self.build(slot, main, parent, circle);
        self.keep(slot, version)
    }

    /// Makes the version of a thread in a circle of parents, of at most `limit` threads.
    ///
    /// Above it hang copies of all threads of the circle, for it alone: so what is above a thread does not depend on
    /// which of them was asked for first.
    fn make_circle(&mut self, start: ThreadSlot, limit: usize) -> bool {
        let mut above = Vec::new();
        let mut at = start;
        while above.len() < limit {
            let Some(parent) = self.parent_of(at) else { return false };
            above.push(parent);
            at = parent;
            if at == start {
                break;
            }
        }
        if at != start {
            return false;
        }
        let circle = Some(Circle { steps: 0, length: above.len() as u32 });
        let mut parent = None;
        for &slot in above.iter().rev() {
            let main = self.main_of_version(slot);
            let main = self.main_thread(main, &parent, circle);
            parent = Some(self.build(slot, main, parent, circle));
        }
        let main = self.main_of_version(start);
        let main = self.main_thread(main, &parent, circle);
        let version = self.build(start, main, parent, circle);
        self.keep(start, version);
        true
    }

    /// The main thread of a thread with this parent and circle, for its version.
    fn main_thread(&mut self, main: Main, parent: &Option<Arc<Process>>, circle: Option<Circle>) -> MainThread {
        match main {
            Main::Itself => MainThread::Itself,
            Main::Missing => MainThread::Missing,
            Main::Descendant(main) => MainThread::Other(self.build(main, MainThread::Itself, None, None)),
            Main::OwnParent(main) => self.current_version(main).map_or(MainThread::Missing, MainThread::Other),
            Main::SameParent(main) => MainThread::Other(match self.current_version(main) {
                Some(version) => version,
                None => {
                    // Two threads of a circle have different parents: it is none of its threads.
                    let circle = circle.map(|circle| Circle { steps: circle.steps.max(1), ..circle });
                    self.build(main, MainThread::Itself, parent.clone(), circle)
                }
            }),
        }
    }

    fn build(
        &mut self,
        slot: ThreadSlot,
        main: MainThread,
        parent: Option<Arc<Process>>,
        circle: Option<Circle>,
    ) -> Arc<Process> {
        self.note_dependence(slot);
        let info = self.threads.at(slot).info.clone();
        let container = if info.container_id.is_empty() {
            Some(self.containers.host())
        } else {
            self.containers.get(&info.container_id)
        };
        let sandbox = container.as_ref().and_then(|container| self.sandbox_of(container));
        self.next_id += 1;
        Arc::new(Process {
            id: self.next_id,
            main,
            parent,
            circle,
            user: self.users.user(&info.container_id, info.uid),
            login_user: self.users.user(&info.container_id, info.loginuid),
            group: self.users.group(&info.container_id, info.gid),
            container,
            sandbox,
            info,
        })
    }

    fn keep(&mut self, slot: ThreadSlot, version: Arc<Process>) -> Arc<Process> {
        let epoch = self.epoch;
        let thread = self.threads.at_mut(slot);
        thread.version = Some(version.clone());
        thread.version_epoch = epoch;
        thread.row_block = 0;
        version
    }

    /// The pod sandbox of a container, itself where it names none: the host's record.
    pub(crate) fn sandbox_of(&self, container: &Container) -> Option<Arc<Container>> {
        if container.pod_sandbox_id.is_empty() {
            return Some(self.containers.host());
        }
        let short = &container.pod_sandbox_id[..container.pod_sandbox_id.len().min(12)];
        self.containers.get(short)
    }
}
