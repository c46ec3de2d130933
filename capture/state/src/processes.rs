//! What clone, fork, execve, exit, prctl and the identity calls change.

use falco_replay_format::batch::Params;
use falco_replay_format::block::{Text, ThreadInfo};
use falco_replay_format::schema::ev;

use crate::event::{Current, Event, legacy_text, share};
use crate::threads::{Memory, Thread, ThreadSlot, clone_flag};
use crate::{State, containers};
use falco_replay_format::path;

/// All capabilities (41 of them, kernel 5.9 and later).
const ALL_CAPABILITIES: u64 = (1 << 41) - 1;

/// `PPM_EXE_*` bits of an execve's flags.
mod exe_flag {
    pub(super) const WRITABLE: u32 = 1;
    pub(super) const UPPER_LAYER: u32 = 2;
    pub(super) const FROM_MEMFD: u32 = 4;
    pub(super) const LOWER_LAYER: u32 = 8;
}

/// A clone event young enough to stem from the same clone as the caller's.
const SAME_CLONE_NS: u64 = 2_000_000_000;

fn memory_of(params: &Params<'_>) -> Option<Memory> {
    params.u32(12)?;
    Some(Memory {
        major: params.u64(8).unwrap_or(0),
        minor: params.u64(9).unwrap_or(0),
        size_kb: u64::from(params.u32(10).unwrap_or(0)),
        resident_kb: u64::from(params.u32(11).unwrap_or(0)),
        swap_kb: u64::from(params.u32(12).unwrap_or(0)),
    })
}

/// What a new process takes over from the thread it stems from.
fn inherit(child: &mut ThreadInfo, from: &ThreadInfo) {
    child.exepath = from.exepath.clone();
    child.exe_writable = from.exe_writable;
    child.exe_upper_layer = from.exe_upper_layer;
    child.exe_lower_layer = from.exe_lower_layer;
    child.exe_from_memfd = from.exe_from_memfd;
    child.root = from.root.clone();
    child.sid = from.sid;
    child.vpgid = from.vpgid;
    child.pgid = from.pgid;
    child.tty = from.tty;
    child.loginuid = from.loginuid;
    child.cap_inheritable = from.cap_inheritable;
    child.cap_permitted = from.cap_permitted;
    child.cap_effective = from.cap_effective;
    child.exe_ino = from.exe_ino;
    child.exe_ino_ctime = from.exe_ino_ctime;
    child.exe_ino_mtime = from.exe_ino_mtime;
    child.exe_ctime_duration_clone = from.exe_ctime_duration_clone;
    child.exe_ctime_duration_pidns = from.exe_ctime_duration_pidns;
}

impl State {
    /// A clone, fork or vfork: the caller's side for a positive result, the child's for zero.
    pub(crate) fn clone_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        match event.params.i64(0) {
            Some(0) => self.clone_child(event, current),
            Some(child) if child > 0 => self.clone_caller(event, current, child),
            _ => return,
        }
        if let Some(slot) = current.thread {
            self.work_out_container(slot);
        }
    }

    fn clone_caller(&mut self, event: &Event<'_>, current: &mut Current, child_tid: i64) {
        let params = &event.params;
        let Some(caller) = current.thread.or_else(|| self.add_unknown(event.tid)) else { return };
        current.thread = Some(caller);
        let was_unknown = self.threads.at(caller).is_unknown();
        if was_unknown {
            let (vtid, vpid) = match params.i64(19) {
                Some(vpid) => (params.i64(18).unwrap_or(-1), vpid),
                None => (event.tid, -1),
            };
            let info = self.threads.change(caller);
            info.pid = params.i64(4).unwrap_or(-1);
            info.ptid = params.i64(5).unwrap_or(-1);
            info.vtid = vtid;
            info.vpid = vpid;
            self.threads.settle(caller);
        }
        let flags = params.u32(15).unwrap_or(0);
        let left_to_child = clone_flag::CHILD_IN_PIDNS | clone_flag::NEWPID | clone_flag::PARENT | clone_flag::VFORK;
        let caller_info = self.threads.at(caller).info.clone();
        if flags & left_to_child != 0 || event.ty == ev::SYSCALL_VFORK_20_X || caller_info.tid != caller_info.vtid {
            return;
        }
        if self.threads.exits.lately(event.ts, caller_info.tid, child_tid) {
            return;
        }
        if let Some(existing) = self.threads.find(child_tid) {
            if self.threads.at(existing).info.flags & clone_flag::INVERTED != 0 {
                return;
            }
            self.threads.remove(existing);
            if let Some(left) = self.threads.find(child_tid) {
                // A main thread that stayed for its group gives way all the same.
                self.threads.mark_dead(left);
            }
        }
        let exe = share(legacy_text(params, 1), &caller_info.exe);
        let args = share(params.get(2), &caller_info.args);
        let comm = match params.text(13) {
            Some(comm) => share(comm, &caller_info.comm),
            None => exe.clone(),
        };
        if was_unknown {
            let info = self.threads.change(caller);
            info.exe = exe.clone();
            info.args = args.clone();
            info.comm = comm.clone();
        }
        let mut info = Thread::unknown_info(child_tid);
        let is_thread = flags & clone_flag::THREAD != 0;
        info.flags = flags;
        if is_thread {
            info.pid = caller_info.pid;
            info.ptid = caller_info.ptid;
            info.flags |= clone_flag::FILES;
        } else {
            info.pid = child_tid;
            info.ptid = caller_info.tid;
        }
        info.vtid = info.tid;
        info.vpid = info.pid;
        self.fill_from_clone(&mut info, event, exe, args, comm, &caller_info.cgroups);
        inherit(&mut info, &caller_info);
        self.threads.link(child_tid, caller_info.tid);
        self.add_child(info, params, (!is_thread && !was_unknown).then_some(caller));
    }

    fn clone_child(&mut self, event: &Event<'_>, current: &mut Current) {
        let params = &event.params;
        if let Some(slot) = current.thread {
            let then = self.threads.at(slot).info.clone_ts;
            if then != 0 && event.ts.saturating_sub(then) < SAME_CLONE_NS {
                return;
            }
            self.threads.remove(slot);
        }
        let flags = params.u32(15).unwrap_or(0);
        let is_thread = flags & clone_flag::THREAD != 0;
        let mut info = Thread::unknown_info(event.tid);
        info.flags = flags | clone_flag::INVERTED;
        if is_thread {
            info.flags |= clone_flag::FILES;
        }
        info.pid = params.i64(4).unwrap_or(-1);
        info.ptid = params.i64(5).unwrap_or(-1);
        (info.vtid, info.vpid) = match params.i64(19) {
            Some(vpid) => (params.i64(18).unwrap_or(-1), vpid),
            None => (event.tid, -1),
        };
        let source_tid = if is_thread { info.pid } else { info.ptid };
        let source = self.threads.find(source_tid).or_else(|| self.add_unknown(source_tid));
        let source_info = source.map(|source| self.threads.at(source).info.clone());
        let empty = Text::default();
        let like = source_info.as_deref();
        let exe = share(legacy_text(params, 1), like.map_or(&empty, |info| &info.exe));
        let args = share(params.get(2), like.map_or(&empty, |info| &info.args));
        let comm = match params.text(13) {
            Some(comm) => share(comm, like.map_or(&empty, |info| &info.comm)),
            None => exe.clone(),
        };
        self.fill_from_clone(&mut info, event, exe, args, comm, like.map_or(&empty, |info| &info.cgroups));
        if let Some(from) = like {
            inherit(&mut info, from);
        }
        if let Some(source) = source.filter(|&source| is_thread && self.threads.at(source).is_unknown()) {
            let main = self.threads.change(source);
            main.pid = info.pid;
            main.ptid = info.ptid;
            main.vpid = info.vpid;
            main.vtid = info.vpid;
            main.exe = info.exe.clone();
            main.comm = info.comm.clone();
            main.args = info.args.clone();
            self.threads.settle(source);
        }
        let inside = flags & (clone_flag::CHILD_IN_PIDNS | clone_flag::NEWPID) != 0 || info.tid != info.vtid;
        if inside {
            // The boot time that it counts from is not known to a reader of captures.
            info.pidns_init_start_ts = params.u64(20).unwrap_or(0);
        }
        if source.is_some() {
            self.threads.link(event.tid, source_tid);
        }
        let source = source.filter(|_| !is_thread);
        current.thread = self.add_child(info, params, source);
    }

    fn fill_from_clone(
        &mut self,
        info: &mut ThreadInfo,
        event: &Event<'_>,
        exe: Text,
        args: Text,
        comm: Text,
        cgroups_like: &Text,
    ) {
        let params = &event.params;
        info.exe = exe;
        info.args = args;
        info.comm = comm;
        info.fdlimit = params.i64(7).unwrap_or(-1);
        info.cgroups = self.cgroups(params.get(14), cgroups_like);
        info.uid = params.u32(16).unwrap_or(u32::MAX);
        info.gid = params.u32(17).unwrap_or(u32::MAX);
        info.clone_ts = event.ts;
    }

    /// Adds a new thread; a process takes descriptors, directory and environment from `source`.
    fn add_child(
        &mut self,
        mut info: ThreadInfo,
        params: &Params<'_>,
        source: Option<ThreadSlot>,
    ) -> Option<ThreadSlot> {
        let mut fds = None;
        if let Some(source) = source.filter(|&source| !self.threads.at(source).is_unknown()) {
            if let Some(owner) = self.threads.fds_of(source) {
                fds = Some(self.threads.at(owner).fds.clone());
            }
            info.cwd = self.cwd_of(source);
            // The environment is the one of that very thread: none where it is a secondary one.
            info.env = self.threads.at(source).info.env.clone();
        }
        let mut thread = Thread::new(info);
        if let Some(fds) = fds {
            thread.fds = fds;
        }
        thread.memory = memory_of(params).unwrap_or_default();
        let slot = self.threads.add(thread)?;
        self.threads.settle(slot);
        Some(slot)
    }

    /// The normalised form of a cgroup list, shared with `like` where it is the same.
    pub(crate) fn cgroups(&mut self, list: &[u8], like: &Text) -> Text {
        if let Some(known) = self.cgroup_texts.get(list) {
            return known.clone();
        }
        let text = share(&containers::normalise_cgroups(list), like);
        if list.len() <= containers::CACHED_CGROUPS {
            if self.cgroup_texts.len() >= 1 << 12 {
                self.cgroup_texts.clear();
            }
            self.cgroup_texts.insert(list.into(), text.clone());
        }
        text
    }

    /// Sets the container id of a thread from its cgroups.
    pub(crate) fn work_out_container(&mut self, slot: ThreadSlot) {
        let info = &self.threads.at(slot).info;
        let (id, kind) = self.containers.match_cgroups(&info.cgroups);
        if info.container_id != id {
            self.threads.change(slot).container_id = id.clone();
        }
        if let Some(kind) = kind {
            // These engines give metadata of their own, over what an event said.
            let container = falco_replay_format::block::Container { id, kind, ..Default::default() };
            if self.containers.get(&container.id).as_deref() != Some(&container) {
                self.containers.insert(container.into());
                self.containers_changed();
            }
        }
    }

    /// A successful execve or execveat.
    pub(crate) fn exec_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let params = &event.params;
        if params.i64(0).is_none_or(|res| res < 0) {
            return;
        }
        let Some(slot) = current.thread else { return };
        if self.threads.at(slot).is_unknown() {
            let info = self.threads.change(slot);
            info.ptid = params.i64(5).unwrap_or(-1);
            info.pid = params.i64(4).unwrap_or(-1);
            if info.flags & clone_flag::CHILD_IN_PIDNS == 0 {
                info.vtid = info.tid;
                info.vpid = info.pid;
            }
            self.threads.settle(slot);
        }
        let exepath = self.executable(event, current, slot);
        self.threads.revive(slot);
        self.remove_siblings(slot);
        let old = self.threads.at(slot).info.clone();
        let cgroups = params.get(14);
        let cgroups = (!cgroups.is_empty()).then(|| self.cgroups(cgroups, &old.cgroups));
        let info = self.threads.change(slot);
        info.exe = share(legacy_text(params, 1), &info.exe);
        info.args = share(params.get(2), &info.args);
        if let Some(pid) = params.i64(4) {
            info.pid = pid;
        }
        let (tid, pid) = (info.tid, info.pid);
        info.comm = match params.text(13) {
            Some(comm) => share(comm, &info.comm),
            None => info.exe.clone(),
        };
        if let Some(limit) = params.i64(7) {
            info.fdlimit = limit;
        }
        if !params.get(15).is_empty() {
            info.env = share(params.get(15), &info.env);
        }
        if let Some(cgroups) = cgroups {
            info.cgroups = cgroups;
        }
        info.tty = params.u32(16).unwrap_or(info.tty);
        info.vpgid = params.i64(17).unwrap_or(info.vpgid);
        info.loginuid = params.u32(18).unwrap_or(info.loginuid);
        info.pgid = params.i64(28).unwrap_or(-1);
        info.uid = params.u32(26).unwrap_or(info.uid);
        info.gid = params.u32(29).unwrap_or(info.gid);
        if params.u64(22).is_some() {
            info.cap_inheritable = params.u64(20).unwrap_or(0);
            info.cap_permitted = params.u64(21).unwrap_or(0);
            info.cap_effective = params.u64(22).unwrap_or(0);
        }
        if let Some(exepath) = exepath {
            info.exepath = share(exepath.strip_suffix(b" (deleted)").unwrap_or(&exepath), &info.exepath);
        }
        if let Some(flags) = params.u32(19) {
            info.exe_writable = flags & exe_flag::WRITABLE != 0;
            info.exe_upper_layer = flags & exe_flag::UPPER_LAYER != 0;
            info.exe_from_memfd = flags & exe_flag::FROM_MEMFD != 0;
            info.exe_lower_layer = flags & exe_flag::LOWER_LAYER != 0;
        }
        if params.u64(25).is_some() {
            info.exe_ino = params.u64(23).unwrap_or(0);
            let ctime = params.u64(24).unwrap_or(0);
            info.exe_ino_ctime = ctime;
            info.exe_ino_mtime = params.u64(25).unwrap_or(0);
            if info.clone_ts != 0 {
                info.exe_ctime_duration_clone = info.clone_ts.wrapping_sub(ctime);
            }
            if info.pidns_init_start_ts != 0 && ctime > info.pidns_init_start_ts {
                info.exe_ctime_duration_pidns = ctime - info.pidns_init_start_ts;
            }
        }
        let kept = clone_flag::PIPE_SRC | clone_flag::PIPE_DST | clone_flag::IS_MAIN_THREAD | clone_flag::INVERTED;
        info.flags = info.flags & kept | clone_flag::ACTIVE | clone_flag::NAME_CHANGED;
        info.lastexec_ts = event.ts;
        let thread = self.threads.at_mut(slot);
        if let Some(memory) = memory_of(params) {
            thread.memory = memory;
        }
        thread.fds.remove_slots(|slot| slot.close_on_exec);
        for (from, to) in [(tid, pid), (pid, tid)] {
            self.threads.link(from, to);
        }
        self.work_out_container(slot);
    }

    /// The path of the program that an execve started, where the event or its enter half tells.
    fn executable(&mut self, event: &Event<'_>, current: &mut Current, slot: ThreadSlot) -> Option<Vec<u8>> {
        if let Some(path) = event.params.text(27) {
            return Some(path.to_vec());
        }
        let enter = current.enter.take()?;
        match enter.ty {
            ev::SYSCALL_EXECVE_19_E => {
                let filename = legacy_text_of(enter.params.first());
                Some(path::join(&self.cwd_of(slot), filename))
            }
            ev::SYSCALL_EXECVEAT_E => {
                let dirfd = enter.params.first().and_then(|p| p[..].try_into().ok()).map_or(-1, i64::from_le_bytes);
                let pathname = legacy_text_of(enter.params.get(1));
                let flags = enter.params.get(2).and_then(|p| p[..].try_into().ok()).map_or(0, u32::from_le_bytes);
                const AT_EMPTY_PATH: u32 = 1;
                let pathname = if pathname == b"<NA>" && flags & AT_EMPTY_PATH != 0 { b"" } else { pathname };
                if pathname.starts_with(b"/") {
                    return Some(path::join(b"", pathname));
                }
                if dirfd == crate::event::AT_FDCWD {
                    return Some(path::join(&self.cwd_of(slot), pathname));
                }
                let owner = self.threads.fds_of(slot)?;
                let Some(found) = self.threads.at(owner).fds.get(dirfd) else { return Some(b"<NA>".to_vec()) };
                let mut base = found.fd.name.to_vec();
                current.fd = Some((owner, dirfd));
                if pathname.is_empty() && flags & AT_EMPTY_PATH != 0 {
                    return Some(base);
                }
                base.push(b'/');
                Some(path::join(&base, pathname))
            }
            _ => None,
        }
    }

    /// Removes the other threads of a process that executes a program.
    fn remove_siblings(&mut self, slot: ThreadSlot) {
        for other in self.threads.siblings(slot) {
            if other != slot && !self.threads.at(other).is_main() {
                self.threads.remove(other);
            }
        }
    }

    /// The exit of a thread; its removal follows before the next event.
    pub(crate) fn exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let Some(slot) = current.thread else { return };
        self.threads.mark_dead(slot);
        let thread = self.threads.at_mut(slot);
        thread.reaper = event.params.i64(4).unwrap_or(-1);
        let (ptid, tid) = (thread.info.ptid, thread.tid);
        self.threads.exits.note(event.ts, ptid, tid);
        current.exits = true;
    }

    pub(crate) fn prctl_exit(&mut self, event: &Event<'_>, current: &Current) {
        const PR_SET_CHILD_SUBREAPER: u32 = 36;
        const PR_GET_CHILD_SUBREAPER: u32 = 37;
        let option = event.params.u32(1);
        if option == Some(PR_SET_CHILD_SUBREAPER) || option == Some(PR_GET_CHILD_SUBREAPER) {
            let reaper = event.params.i64(3).is_some_and(|value| value != 0);
            let Some(slot) = current.thread else { return };
            self.threads.touch(slot);
            if let Some(group) = self.threads.group_mut(slot) {
                group.reaper = reaper;
            }
        }
    }

    pub(crate) fn set_uid(&mut self, current: &Current, uid: Option<u32>) {
        if let (Some(slot), Some(uid)) = (current.thread, uid)
            && self.threads.at(slot).info.uid != uid
        {
            self.threads.change(slot).uid = uid;
        }
    }

    pub(crate) fn set_gid(&mut self, current: &Current, gid: Option<u32>) {
        if let (Some(slot), Some(gid)) = (current.thread, gid)
            && self.threads.at(slot).info.gid != gid
        {
            self.threads.change(slot).gid = gid;
        }
    }

    pub(crate) fn setsid_exit(&mut self, event: &Event<'_>, current: &Current) {
        if let (Some(slot), Some(sid)) = (current.thread, event.params.i64(0)) {
            self.threads.change(slot).sid = sid;
        }
    }

    pub(crate) fn capset_exit(&mut self, event: &Event<'_>, current: &Current) {
        let caps = [event.params.u64(1), event.params.u64(2), event.params.u64(3)];
        self.set_capabilities(current, caps.map(|caps| caps.unwrap_or(0)));
    }

    /// A new user namespace gives all capabilities in it.
    pub(crate) fn new_user_namespace(&mut self, flags: Option<u32>, current: &Current) {
        if flags.is_some_and(|flags| flags & clone_flag::NEWUSER != 0) {
            self.set_capabilities(current, [ALL_CAPABILITIES; 3]);
        }
    }

    fn set_capabilities(&mut self, current: &Current, [inheritable, permitted, effective]: [u64; 3]) {
        let Some(slot) = current.thread else { return };
        let info = &self.threads.at(slot).info;
        if (info.cap_inheritable, info.cap_permitted, info.cap_effective) != (inheritable, permitted, effective) {
            let info = self.threads.change(slot);
            info.cap_inheritable = inheritable;
            info.cap_permitted = permitted;
            info.cap_effective = effective;
        }
    }

    pub(crate) fn chroot_exit(&mut self, event: &Event<'_>, current: &Current) {
        let Some(slot) = current.thread else { return };
        let root = path::join(&self.cwd_of(slot), legacy_text(&event.params, 1));
        self.threads.change(slot).root = root.into();
        self.work_out_container(slot);
    }

    /// chdir, fchdir and getcwd: the main thread's directory becomes `path` seen from the thread's own record.
    pub(crate) fn set_cwd(&mut self, slot: ThreadSlot, path: &[u8]) {
        let Some(main) = self.threads.main_of(slot) else { return };
        let mut cwd = path::join(&self.threads.at(slot).info.cwd, path);
        if cwd.last() != Some(&b'/') {
            cwd.push(b'/');
        }
        if *self.threads.at(main).info.cwd != *cwd {
            self.threads.change(main).cwd = cwd.into();
        }
    }

    /// The directory that a thread's relative paths start from.
    pub(crate) fn cwd_of(&self, slot: ThreadSlot) -> Text {
        match self.threads.main_of(slot) {
            Some(main) => self.threads.at(main).info.cwd.clone(),
            None => Text::from(&b"./"[..]),
        }
    }

    /// Sets the descriptor limit of a process.
    pub(crate) fn set_fdlimit(&mut self, slot: ThreadSlot, limit: Option<i64>) {
        let (Some(main), Some(limit)) = (self.threads.main_of(slot), limit) else { return };
        if limit != -1 && self.threads.at(main).info.fdlimit != limit {
            self.threads.change(main).fdlimit = limit;
        }
    }

    /// brk, mmap, munmap: new memory figures, where the event has them.
    pub(crate) fn memory_exit(&mut self, event: &Event<'_>, current: &Current) {
        let Some(slot) = current.thread else { return };
        let memory = self.threads.memory_mut(slot);
        if let Some(size) = event.params.u32(1) {
            memory.size_kb = u64::from(size);
        }
        if let Some(swap) = event.params.u32(3) {
            memory.resident_kb = u64::from(event.params.u32(2).unwrap_or(0));
            memory.swap_kb = u64::from(swap);
        }
    }

    /// A context switch: figures of the thread that left the processor.
    pub(crate) fn switch(&mut self, event: &Event<'_>, current: &Current) {
        let (Some(slot), Some(swap)) = (current.thread, event.params.u32(5)) else { return };
        let memory = self.threads.memory_mut(slot);
        memory.major = event.params.u64(1).unwrap_or(0);
        memory.minor = event.params.u64(2).unwrap_or(0);
        if let Some(main) = self.threads.main_of(slot) {
            let memory = self.threads.memory_mut(main);
            memory.size_kb = u64::from(event.params.u32(3).unwrap_or(0));
            memory.resident_kb = u64::from(event.params.u32(4).unwrap_or(0));
            memory.swap_kb = u64::from(swap);
        }
    }
}

fn legacy_text_of(param: Option<&Vec<u8>>) -> &[u8] {
    crate::event::legacy(param.map_or(&[][..], |bytes| bytes))
}
