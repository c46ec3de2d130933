//! The start of a capture or of one of its sections: lists become tables.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use falco_replay_format::block::{Ends, FdInfo, FdKind, L4Proto, Role, User, World};
use falco_replay_format::lists::{Exact, FdDetail, FdEntry, Head, Text, ThreadEntry, ThreadExact};

use crate::State;
use crate::containers::{self, Containers};
use crate::event::unmapped_ends;
use crate::files::open_flag;
use crate::sockets::{Naming, connection_name, server_name};
use crate::threads::{Enter, Memory, Thread, ThreadSlot, Threads, clone_flag};
use crate::users::Users;
use falco_replay_format::path;

impl State {
    /// Begins a section: forgets what was known and takes over the lists of its head.
    ///
    /// Numbers of events go on. A head with [`Exact`] details goes on where its state was; any other is the start of a
    /// recording, whose first events may be there only to complete it.
    pub fn start(&mut self, head: &Head) {
        let watch = self.threads.watch.take();
        self.threads = Threads::new(self.thread_limit);
        self.threads.watch = watch;
        self.users = Users::default();
        self.containers = Containers::new();
        self.machine = head.machine.clone();
        let origin = self.world.origin;
        self.world = Arc::new(World {
            interfaces: Vec::new(),
            container_ips: Vec::new(),
            origin,
            hostname: head.machine.as_ref().map(|machine| machine.hostname.clone()).unwrap_or_default(),
        });
        self.world_changed = true;
        self.epoch = self.epoch.wrapping_add(1);
        if let Some(exact) = &head.exact {
            self.initial = false;
            self.head = None;
            self.resume(head, exact);
        } else {
            self.initial = true;
            self.head = Some(Arc::new(head.clone()));
            self.take_lists(head);
        }
        self.threads.forget_touched();
    }

    fn take_lists(&mut self, head: &Head) {
        let mut order = Vec::with_capacity(head.threads.len());
        for entry in &head.threads {
            let thread = listed_thread(entry);
            if let Some(slot) = self.threads.add(thread) {
                order.push(slot);
            }
        }
        for (tid, fds) in &head.fds {
            let Some(slot) = self.threads.find(*tid) else { continue };
            let Some(owner) = self.threads.fds_of(slot) else { continue };
            for entry in fds {
                let (info, close_on_exec) = listed_fd(entry);
                self.put_listed(owner, entry.fd, info, close_on_exec);
            }
        }
        order.dedup();
        for slot in order {
            self.threads.settle(slot);
        }
    }

    /// Goes on where the state was that the head was taken from.
    fn resume(&mut self, head: &Head, exact: &Exact) {
        let mut order = Vec::with_capacity(head.threads.len());
        for (at, entry) in head.threads.iter().enumerate() {
            let mut thread = listed_thread(entry);
            let more = exact.threads.get(at);
            if let Some(more) = more {
                add_details(&mut thread, entry, more);
            }
            if let Some(slot) = self.threads.add(thread) {
                order.push((slot, entry.ptid, more));
            }
        }
        for (at, (tid, fds)) in head.fds.iter().enumerate() {
            let Some(owner) = self.threads.find(*tid) else { continue };
            let more = exact.fds.get(at);
            for (at, entry) in fds.iter().enumerate() {
                let (info, close_on_exec) = match more.and_then(|more| more.get(at)) {
                    Some(more) => (more.info.clone(), more.close_on_exec),
                    None => listed_fd(entry),
                };
                self.put_listed(owner, entry.fd, info, close_on_exec);
            }
        }
        for &(slot, ptid, more) in &order {
            self.threads.settle(slot);
            if self.threads.at(slot).info.ptid != ptid {
                self.threads.change(slot).ptid = ptid;
            }
            let Some(more) = more else { continue };
            if let Some(group) = self.threads.group_mut(slot) {
                group.reaper = more.adopts;
            }
        }
        for (slot, _, more) in order {
            if more.is_some_and(|more| more.dead) {
                self.threads.mark_dead(slot);
            }
        }
        for &(ts, ptid, tid) in &exact.exits {
            self.threads.exits.note(ts, ptid, tid);
        }
        for (container, user) in head.users.iter().map(|user| (&b""[..], user)).chain(with_id(&exact.users)) {
            let entry = User { name: user.name.clone(), home: user.home.clone(), shell: user.shell.clone() };
            self.users.add_user(container, user.uid, user.gid, entry);
        }
        for (container, group) in head.groups.iter().map(|group| (&b""[..], group)).chain(with_id(&exact.groups)) {
            self.users.add_group(container, group.gid, group.name.clone());
        }
        for container in &exact.containers {
            self.containers.insert(Arc::new(container.clone()));
        }
        let container_ips = self.containers.addresses();
        self.change_world(|world| {
            world.interfaces = head.interfaces.clone();
            world.container_ips = container_ips;
            if exact.origin != 0 {
                world.origin = exact.origin;
            }
        });
        self.origin_known |= exact.origin != 0;
    }

    fn put_listed(&mut self, owner: ThreadSlot, fd: i64, info: FdInfo, close_on_exec: bool) {
        let mut made = self.make_fd(info);
        made.close_on_exec = close_on_exec;
        if !self.threads.at_mut(owner).fds.insert(fd, made) {
            self.refused_fds += 1;
        }
    }

    /// Ends the silent start of a section: users, interfaces, socket roles and container ids.
    pub(crate) fn end_opening(&mut self) {
        self.initial = false;
        let Some(head) = self.head.take() else { return };
        for user in &head.users {
            let entry = User { name: user.name.clone(), home: user.home.clone(), shell: user.shell.clone() };
            self.users.add_user(b"", user.uid, user.gid, entry);
        }
        for group in &head.groups {
            self.users.add_group(b"", group.gid, group.name.clone());
        }
        self.change_world(|world| world.interfaces = head.interfaces.clone());
        self.fix_sockets();
        for tid in self.threads.tids() {
            if let Some(slot) = self.threads.find(tid) {
                self.work_out_container(slot);
            }
        }
        self.threads.forget_touched();
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Listed IPv4 sockets whose source port is a known server's are the server's end.
    fn fix_sockets(&mut self) {
        let mut server_ports = BTreeSet::new();
        let mut sockets = Vec::new();
        for tid in self.threads.tids() {
            let Some(thread) = self.threads.get(tid) else { continue };
            for (fd, slot) in thread.fds.iter() {
                match (slot.fd.kind, slot.fd.ends) {
                    (FdKind::Ipv4Server | FdKind::Ipv6Server, Ends::Inet { dest, .. }) => {
                        server_ports.insert(dest.1);
                    }
                    (FdKind::Ipv4, _) => sockets.push((tid, fd)),
                    _ => {}
                }
            }
        }
        for (tid, fd) in sockets {
            let Some(owner) = self.threads.find(tid) else { continue };
            let Some(slot) = self.threads.at(owner).fds.get(fd) else { continue };
            let close_on_exec = slot.close_on_exec;
            let mut info = slot.fd.info.clone();
            info.role = Role::Client;
            if let Ends::Inet { source, dest } = info.ends
                && server_ports.contains(&source.1)
            {
                info.ends = Ends::Inet { source: dest, dest: source };
                info.role = Role::Server;
                info.name = connection_name(dest, source, info.l4proto, Naming::Listed);
            }
            let mut slot = self.make_fd(info);
            slot.close_on_exec = close_on_exec;
            self.threads.at_mut(owner).fds.insert(fd, slot);
        }
    }

    /// Changes what is true of the whole host from here on.
    pub(crate) fn change_world(&mut self, change: impl FnOnce(&mut World)) {
        let old = &self.world;
        let mut world = World {
            interfaces: old.interfaces.clone(),
            container_ips: old.container_ips.clone(),
            origin: old.origin,
            hostname: old.hostname.clone(),
        };
        change(&mut world);
        self.world = Arc::new(world);
        self.world_changed = true;
    }

    /// After a change of the container table: versions and addresses are stale.
    pub(crate) fn containers_changed(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        let ips: Vec<IpAddr> = self.containers.addresses();
        if ips != self.world.container_ips {
            self.change_world(|world| world.container_ips = ips);
        }
    }
}

fn listed_thread(entry: &ThreadEntry) -> Thread {
    let mut info = Thread::unknown_info(entry.tid);
    let main = entry.tid == entry.pid;
    info.pid = entry.pid;
    info.ptid = entry.ptid;
    info.sid = entry.sid;
    info.vpgid = entry.vpgid;
    info.pgid = entry.pgid;
    info.comm = entry.comm.clone();
    info.exe = entry.exe.clone();
    info.exepath = match entry.exepath.strip_suffix(b" (deleted)") {
        Some(path) => path.into(),
        None => entry.exepath.clone(),
    };
    info.args = entry.args.clone();
    if main {
        info.env = entry.env.clone();
        let mut cwd = path::join(b"", &entry.cwd);
        if cwd.last() != Some(&b'/') {
            cwd.push(b'/');
        }
        info.cwd = cwd.into();
    }
    info.fdlimit = entry.fdlimit;
    info.flags = entry.flags | clone_flag::ACTIVE;
    info.uid = entry.uid;
    info.gid = entry.gid;
    info.loginuid = entry.loginuid;
    info.tty = entry.tty;
    info.vtid = entry.vtid;
    info.vpid = entry.vpid;
    info.cgroups = containers::normalise_cgroups(&entry.cgroups);
    info.root = entry.root.clone();
    info.pidns_init_start_ts = entry.pidns_init_start_ts;
    info.cap_inheritable = entry.cap_inheritable;
    info.cap_permitted = entry.cap_permitted;
    info.cap_effective = entry.cap_effective;
    info.exe_writable = entry.exe_writable;
    info.exe_upper_layer = entry.exe_upper_layer;
    info.exe_lower_layer = entry.exe_lower_layer;
    info.exe_from_memfd = entry.exe_from_memfd;
    info.exe_ino = entry.exe_ino;
    info.exe_ino_ctime = entry.exe_ino_ctime;
    info.exe_ino_mtime = entry.exe_ino_mtime;
    let mut thread = Thread::new(info);
    thread.memory = Memory {
        size_kb: u64::from(entry.vmsize_kb),
        resident_kb: u64::from(entry.vmrss_kb),
        swap_kb: u64::from(entry.vmswap_kb),
        major: entry.pfmajor,
        minor: entry.pfminor,
    };
    thread
}

/// What a running state knew of a thread beyond its entry of the list.
fn add_details(thread: &mut Thread, entry: &ThreadEntry, more: &ThreadExact) {
    let info = Arc::make_mut(&mut thread.info);
    info.env = more.env.clone();
    info.cwd = more.cwd.clone();
    info.cgroups = entry.cgroups.clone();
    info.flags = more.flags;
    info.container_id = more.container_id.clone();
    info.clone_ts = more.clone_ts;
    info.lastexec_ts = more.lastexec_ts;
    info.exe_ctime_duration_clone = more.exe_ctime_duration_clone;
    info.exe_ctime_duration_pidns = more.exe_ctime_duration_pidns;
    thread.last_fd = more.last_fd;
    thread.last_enter = more.last_enter;
    thread.enter = more
        .enter
        .as_ref()
        .map(|(ty, params)| Box::new(Enter { ty: *ty, params: params.iter().map(|param| param.to_vec()).collect() }));
    thread.reaper = more.reaper;
    thread.last_cpu = more.last_cpu;
}

fn with_id<T>(entries: &[(Text, T)]) -> impl Iterator<Item = (&[u8], &T)> {
    entries.iter().map(|(id, entry)| (&**id, entry))
}

fn listed_fd(entry: &FdEntry) -> (FdInfo, bool) {
    let mut info = FdInfo::new(FdKind::from_number(entry.kind));
    info.ino = entry.ino;
    let mut close_on_exec = false;
    match &entry.detail {
        FdDetail::None => {
            if entry.kind > 21 {
                info.name = format!("unknown-type:[{}]", entry.kind).into_bytes().into();
            }
        }
        FdDetail::Name(name) => info.name = name.clone(),
        FdDetail::File { flags, name, dev } => {
            info.name = name.clone();
            info.open_flags = *flags;
            info.dev = *dev;
            info.upper_layer = flags & open_flag::UPPER_LAYER != 0;
            info.lower_layer = flags & open_flag::LOWER_LAYER != 0;
            close_on_exec = flags & open_flag::CLOEXEC != 0;
        }
        FdDetail::Socket { source, dest, l4proto } => {
            let (source, dest) = unmapped_ends(*source, *dest);
            info.kind = if source.0.is_ipv4() { FdKind::Ipv4 } else { FdKind::Ipv6 };
            info.l4proto = L4Proto::from_number(*l4proto);
            info.ends = Ends::Inet { source, dest };
            info.name = connection_name(source, dest, info.l4proto, Naming::Listed);
            info.connected = info.l4proto == L4Proto::Tcp;
        }
        FdDetail::Server { ip, port, l4proto } => {
            info.l4proto = L4Proto::from_number(*l4proto);
            info.ends = Ends::Inet { source: (*ip, *port), dest: (*ip, *port) };
            info.name = server_name(*ip, *port);
        }
        FdDetail::Unix { source, dest, name } => {
            info.ends = Ends::Unix { source: *source, dest: *dest };
            info.name = name.clone();
            info.role = if name.is_empty() { Role::Client } else { Role::Server };
        }
    }
    (info, close_on_exec)
}

#[cfg(test)]
mod tests {
    use falco_replay_format::block::entries;

    fn count(list: &[u8]) -> usize {
        entries(list).count()
    }

    #[test]
    fn final_nul_gives_no_element() {
        assert_eq!(count(b""), 0);
        assert_eq!(count(b"\0"), 0);
        assert_eq!(count(b"a\0"), 1);
        assert_eq!(count(b"a\0\0"), 2);
        assert_eq!(count(b"a\0b"), 2);
    }
}
