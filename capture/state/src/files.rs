//! What calls that open, copy, make and close descriptors change.

use std::sync::Arc;

use falco_replay_format::block::{Fd, FdInfo, FdKind};
use falco_replay_format::schema::ev;

use crate::State;
use crate::descriptors::{OpenKey, Slot};
use crate::event::{AT_FDCWD, Current, Event, legacy, legacy_text};
use crate::threads::{ThreadSlot, Threads, clone_flag};
use falco_replay_format::path;

/// `PPM_O_*` bits.
pub(crate) mod open_flag {
    pub(crate) const DIRECTORY: u32 = 1 << 10;
    pub(crate) const CLOEXEC: u32 = 1 << 12;
    pub(crate) const F_CREATED: u32 = 1 << 14;
    pub(crate) const UPPER_LAYER: u32 = 1 << 15;
    pub(crate) const LOWER_LAYER: u32 = 1 << 16;
}

/// The directory that a thread's relative paths start from.
pub(crate) fn cwd_of(threads: &Threads, thread: ThreadSlot) -> &[u8] {
    match threads.main_of(thread) {
        Some(main) => &threads.at(main).info.cwd,
        None => b"./",
    }
}

/// The directory that a relative name of an `at` call starts from, and whether a "/" follows it.
fn dir_of(threads: &Threads, thread: ThreadSlot, dirfd: i64) -> (&[u8], bool) {
    if dirfd == AT_FDCWD {
        return (cwd_of(threads, thread), false);
    }
    match threads.fds_of(thread).and_then(|owner| threads.at(owner).fds.get(dirfd)) {
        None => (path::UNKNOWN_DIR, false),
        Some(slot) => (&slot.fd.name, slot.fd.name.last().is_some_and(|&byte| byte != b'/')),
    }
}

/// The descriptor that an open gives.
fn opened(key: &OpenKey<'_>, next_id: &mut u64, scratch: &mut Vec<u8>) -> Slot {
    if key.slash {
        path::join_into(scratch, &[key.base, b"/"].concat(), key.name);
    } else {
        path::join_into(scratch, key.base, key.name);
    }
    let directory = key.flags & open_flag::DIRECTORY != 0;
    *next_id += 1;
    let info = FdInfo {
        name: scratch[..].into(),
        raw_name: key.name.into(),
        open_flags: key.flags,
        dev: key.dev,
        ino: key.ino,
        upper_layer: key.extra & 1 != 0,
        lower_layer: key.extra & 2 != 0,
        ..FdInfo::new(if directory { FdKind::Directory } else { FdKind::FileV2 })
    };
    let close_on_exec = key.flags & open_flag::CLOEXEC != 0;
    Slot { fd: Arc::new(Fd { id: *next_id, info }), block: 0, row: 0, close_on_exec }
}

impl State {
    /// Puts a descriptor into the table that a thread uses and makes it the event's.
    pub(crate) fn put_fd(&mut self, current: &mut Current, fd: i64, slot: Slot) {
        current.fd = None;
        current.last_fd = fd;
        let Some(owner) = current.thread.and_then(|thread| self.threads.fds_of(thread)) else { return };
        if self.threads.fds_mut(owner).insert(fd, slot) {
            current.fd = Some((owner, fd));
        } else {
            self.refused_fds += 1;
        }
    }

    /// A descriptor of this kind and content.
    pub(crate) fn make_fd(&mut self, info: FdInfo) -> Slot {
        self.contents.intern(info, &mut self.next_id)
    }

    /// A new descriptor that the call returned; its name is new with it.
    fn put_new(&mut self, current: &mut Current, fd: i64, info: FdInfo, close_on_exec: bool) {
        current.name_changed = !info.name.is_empty();
        let mut slot = self.make_fd(info);
        slot.close_on_exec = close_on_exec;
        self.put_fd(current, fd, slot);
    }

    /// The event's descriptor, where it is known.
    pub(crate) fn event_fd(&self, current: &Current) -> Option<&Slot> {
        let (owner, fd) = current.fd?;
        self.threads.at(owner).fds.get(fd)
    }

    /// Changes what the event's descriptor is.
    pub(crate) fn change_fd(&mut self, current: &mut Current, change: impl FnOnce(&mut FdInfo)) {
        let Some((owner, fd)) = current.fd else { return };
        let Some(old) = self.threads.at(owner).fds.get(fd) else { return };
        let mut info = old.fd.info.clone();
        let close_on_exec = old.close_on_exec;
        change(&mut info);
        if info == old.fd.info {
            return;
        }
        current.name_changed |= info.name != old.fd.name;
        let mut slot = self.contents.intern(info, &mut self.next_id);
        slot.close_on_exec = close_on_exec;
        self.threads.fds_mut(owner).insert(fd, slot);
    }

    /// open, openat, openat2, creat, open_by_handle_at.
    pub(crate) fn open_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let params = &event.params;
        let Some(thread) = current.thread else { return };
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        let enter = current.enter.take();
        let (mut name, mut flags, dirfd, dev, ino) = match event.ty {
            ev::SYSCALL_OPEN_X => (legacy_text(params, 1), params.u32(2), None, params.u32(4), params.u64(5)),
            ev::SYSCALL_CREAT_X => (legacy_text(params, 1), None, None, params.u32(3), params.u64(4)),
            ev::SYSCALL_OPENAT_2_X => {
                (legacy_text(params, 2), params.u32(3), params.i64(1), params.u32(5), params.u64(6))
            }
            ev::SYSCALL_OPENAT2_X => {
                (legacy_text(params, 2), params.u32(3), params.i64(1), params.u32(6), params.u64(7))
            }
            _ => (legacy_text(params, 3), params.u32(2), None, params.u32(4), params.u64(5)),
        };
        let at = matches!(event.ty, ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X);
        let mut dirfd = dirfd.unwrap_or(AT_FDCWD);
        if let Some(enter) = &enter {
            let first = if at { 1 } else { 0 };
            let enter_name = legacy(enter.params.get(first).map_or(&[][..], |bytes| bytes));
            if enter_name != b"<NA>" {
                name = enter_name;
                let number = |index: usize| -> Option<u32> {
                    Some(u32::from_le_bytes(enter.params.get(index)?[..].try_into().ok()?))
                };
                if at {
                    let entered = enter.params.first().and_then(|bytes| bytes[..].try_into().ok());
                    dirfd = entered.map_or(dirfd, i64::from_le_bytes);
                }
                if event.ty != ev::SYSCALL_CREAT_X {
                    // What only the exit half can know, the enter half's flags lack.
                    let made = flags.unwrap_or(0) & !(open_flag::F_CREATED - 1);
                    flags = Some(number(first + 1).unwrap_or(0) | made);
                }
            }
        }
        let absolute = name.first() == Some(&b'/');
        let (base, slash) = match event.ty {
            _ if absolute => (&b""[..], false),
            ev::SYSCALL_OPEN_BY_HANDLE_AT_X => (&b""[..], false),
            _ if at => dir_of(&self.threads, thread, dirfd),
            _ => (cwd_of(&self.threads, thread), false),
        };
        let flags = flags.unwrap_or(0);
        let (upper_layer, lower_layer) = if event.ty == ev::SYSCALL_CREAT_X {
            let creat = params.u16(5).unwrap_or(0);
            (creat & 1 != 0, creat & 2 != 0)
        } else {
            (flags & open_flag::UPPER_LAYER != 0, flags & open_flag::LOWER_LAYER != 0)
        };
        let key = OpenKey {
            base,
            slash,
            name,
            flags,
            dev: dev.unwrap_or(0),
            ino: ino.unwrap_or(0),
            extra: u8::from(upper_layer) | u8::from(lower_layer) << 1,
        };
        let (next_id, scratch) = (&mut self.next_id, &mut self.scratch);
        let slot = self.opened.get_or_make(&key, || opened(&key, next_id, scratch));
        if slot.block != self.block {
            slot.block = self.block;
            slot.row = self.fds.len() as u32;
            self.fds.push(slot.fd.clone());
        }
        let slot = slot.clone();
        current.name_changed = !slot.fd.name.is_empty();
        self.put_fd(current, fd, slot);
    }

    /// dup, dup2, dup3.
    pub(crate) fn dup_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        let close_on_exec =
            event.ty == ev::SYSCALL_DUP3_X && event.params.u32(3).is_some_and(|flags| flags & open_flag::CLOEXEC != 0);
        let Some(mut slot) = self.event_fd(current).cloned() else { return };
        slot.close_on_exec = close_on_exec;
        self.put_fd(current, fd, slot);
        if let Some(thread) = current.thread.filter(|_| fd <= 1) {
            let flag = if fd == 0 { clone_flag::PIPE_DST } else { clone_flag::PIPE_SRC };
            if self.threads.at(thread).info.flags & flag == 0 {
                // No field shows these bits, so the versions stay good.
                Arc::make_mut(&mut self.threads.at_mut(thread).info).flags |= flag;
            }
        }
    }

    pub(crate) fn fcntl_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        const F_DUPFD: u8 = 1;
        const F_SETFD: u8 = 3;
        const F_DUPFD_CLOEXEC: u8 = 26;
        let command = event.params.u8(2);
        match command {
            Some(F_DUPFD | F_DUPFD_CLOEXEC) => {
                let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
                let Some(mut slot) = self.event_fd(current).cloned() else { return };
                slot.close_on_exec = command == Some(F_DUPFD_CLOEXEC);
                self.put_fd(current, fd, slot);
            }
            Some(F_SETFD) if event.succeeded() => {
                let close_on_exec = event.params.u64(3).is_some_and(|arg| arg & 1 != 0);
                if let Some((owner, fd)) = current.fd
                    && let Some(slot) = self.threads.fds_mut(owner).get_mut(fd)
                {
                    slot.close_on_exec = close_on_exec;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn close_range_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        const CLOSE_RANGE_CLOEXEC: u32 = 4;
        let Some(owner) = current.thread.filter(|_| event.succeeded()).and_then(|slot| self.threads.fds_of(slot))
        else {
            return;
        };
        let first = i64::from(event.params.u32(1).unwrap_or(0));
        let last = i64::from(event.params.u32(2).unwrap_or(0));
        let mark = event.params.u32(3).unwrap_or(0) & CLOSE_RANGE_CLOEXEC != 0;
        let fds = self.threads.fds_mut(owner);
        let within: Vec<i64> = fds.iter().map(|(fd, _)| fd).filter(|fd| (first..=last).contains(fd)).collect();
        for fd in within {
            if mark {
                if let Some(slot) = fds.get_mut(fd) {
                    slot.close_on_exec = true;
                }
            } else {
                fds.remove(fd);
            }
        }
    }

    pub(crate) fn pipe_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        if !event.succeeded() {
            return;
        }
        let params = &event.params;
        let flags = if event.ty == ev::SYSCALL_PIPE2_X { params.u32(4).unwrap_or(0) } else { 0 };
        let info = FdInfo { ino: params.u64(3).unwrap_or(0), open_flags: flags, ..FdInfo::new(FdKind::Fifo) };
        for index in [1, 2] {
            let fd = params.i64(index).unwrap_or(0);
            self.put_new(current, fd, info.clone(), flags & open_flag::CLOEXEC != 0);
        }
    }

    /// Calls whose result is a descriptor without a name.
    pub(crate) fn anonymous_exit(&mut self, event: &Event<'_>, current: &mut Current, kind: FdKind) {
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        let params = &event.params;
        let close_on_exec = match event.ty {
            ev::SYSCALL_EVENTFD2_X | ev::SYSCALL_INOTIFY_INIT1_X | ev::SYSCALL_SIGNALFD4_X => {
                u32::from(params.u16(1).unwrap_or(0)) & open_flag::CLOEXEC != 0
            }
            ev::SYSCALL_EPOLL_CREATE1_X => params.u32(1).unwrap_or(0) & 1 != 0,
            _ => false,
        };
        self.put_new(current, fd, FdInfo::new(kind), close_on_exec);
    }

    pub(crate) fn memfd_create_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let Some(fd) = event.result() else { return };
        let close_on_exec = event.params.u32(2).unwrap_or(0) & 1 != 0;
        if fd >= 0 {
            let info = FdInfo { name: legacy_text(&event.params, 1).into(), ..FdInfo::new(FdKind::Memfd) };
            self.put_new(current, fd, info, close_on_exec);
        } else {
            // The reference enters the failed number, and rules see that entry.
            self.put_new(current, fd, FdInfo::new(FdKind::Unknown), false);
        }
    }

    pub(crate) fn pidfd_open_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        let pid = event.params.i64(1).unwrap_or(0);
        let close_on_exec = event.params.u32(2).unwrap_or(0) & open_flag::CLOEXEC != 0;
        let info = FdInfo { name: format!("/proc/{pid}").into_bytes().into(), pid, ..FdInfo::new(FdKind::Pidfd) };
        self.put_new(current, fd, info, close_on_exec);
    }

    pub(crate) fn pidfd_getfd_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        let Some(own) = current.thread.and_then(|thread| self.threads.fds_of(thread)) else { return };
        let pid_fd = event.params.i64(1).unwrap_or(-1);
        let target_fd = event.params.i64(2).unwrap_or(-1);
        let pidfd = self.threads.at(own).fds.get(pid_fd).filter(|slot| slot.fd.kind == FdKind::Pidfd);
        let Some(target) = pidfd.map(|slot| slot.fd.pid).and_then(|pid| self.threads.find(pid)) else { return };
        let owner = self.threads.fds_of(target).unwrap_or(target);
        let Some(mut slot) = self.threads.at(owner).fds.get(target_fd).cloned() else { return };
        self.threads.link(self.threads.at(own).tid, self.threads.at(owner).tid);
        slot.close_on_exec = true;
        self.put_fd(current, fd, slot);
    }

    pub(crate) fn close_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        current.closes = current.fd.is_some() && event.succeeded();
    }

    pub(crate) fn chdir_exit(&mut self, event: &Event<'_>, current: &Current) {
        if let (Some(thread), true) = (current.thread, event.succeeded()) {
            self.set_cwd(thread, legacy_text(&event.params, 1));
        }
    }

    pub(crate) fn fchdir_exit(&mut self, event: &Event<'_>, current: &Current) {
        if let (Some(thread), true) = (current.thread, event.succeeded())
            && let Some(name) = self.event_fd(current).map(|slot| slot.fd.name.clone())
        {
            self.set_cwd(thread, &name);
        }
    }
}
