//! Making process versions: a thread's own part bound to the versions of its main thread and its parent.

use std::sync::Arc;

use falco_replay_format::block::{Container, MainThread, Process};

use crate::State;
use crate::families::MAX_CHAIN;
use crate::threads::{Dependence, ThreadSlot};

impl State {
    /// The current version of a thread, made where something changed since the last.
    pub(crate) fn version(&mut self, slot: ThreadSlot) -> Arc<Process> {
        if let Some(version) = self.current_version(slot) {
            return version;
        }
        // Main threads and parents first, without recursion: chains can be as long as the table.
        // Those that were begun are not begun again, for threads may be recorded as each other's parents.
        let begun = self.next_id + 1;
        self.threads.at_mut(slot).begun = begun;
        let mut path = vec![slot];
        while let Some(&at) = path.last() {
            if self.is_current(at) {
                path.pop();
                continue;
            }
            let main = self.threads.main_of(at).filter(|&main| main != at);
            let parent = self.parent_of(at);
            let missing = [main, parent]
                .into_iter()
                .flatten()
                .find(|&needed| !self.is_current(needed) && self.threads.at(needed).begun != begun);
            match missing {
                Some(needed) if path.len() < MAX_CHAIN => {
                    self.threads.at_mut(needed).begun = begun;
                    path.push(needed);
                }
                _ => {
                    self.make_version(at, main, parent);
                    path.pop();
                }
            }
        }
        match self.current_version(slot) {
            Some(version) => version,
            None => self.make_version(slot, None, None),
        }
    }

    fn parent_of(&self, slot: ThreadSlot) -> Option<ThreadSlot> {
        self.threads.find(self.threads.at(slot).info.ptid).filter(|&parent| parent != slot)
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

    fn make_version(&mut self, slot: ThreadSlot, main: Option<ThreadSlot>, parent: Option<ThreadSlot>) -> Arc<Process> {
        let info = self.threads.at(slot).info.clone();
        self.threads.depend(slot, info.ptid, Dependence::Parent);
        let main = if self.threads.at(slot).is_main() {
            MainThread::Itself
        } else {
            self.threads.depend(slot, info.pid, Dependence::Main);
            match main.and_then(|main| self.current_version(main)) {
                Some(main) => MainThread::Other(main),
                None => MainThread::Missing,
            }
        };
        let parent = parent.and_then(|parent| self.current_version(parent));
        let container = if info.container_id.is_empty() {
            Some(self.containers.host())
        } else {
            self.containers.get(&info.container_id)
        };
        let sandbox = container.as_ref().and_then(|container| self.sandbox_of(container));
        self.next_id += 1;
        let version = Arc::new(Process {
            id: self.next_id,
            main,
            parent,
            own_parent: info.ptid == info.tid,
            user: self.users.user(&info.container_id, info.uid),
            login_user: self.users.user(&info.container_id, info.loginuid),
            group: self.users.group(&info.container_id, info.gid),
            container,
            sandbox,
            info,
        });
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
