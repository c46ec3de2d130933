//! The present state as the head of a capture that goes on from here.
//!
//! Lists, as a `.scap` has them, say less than the state knows; what they leave out goes with them as `Exact`. A capture
//! that has the lists alone does without: when threads began and last executed, which end of a connection a process is
//! (unless a listening socket tells), which descriptors but files close on execute, names as given to the call, main threads
//! that ended before the others of their process, enter halves that wait for their exit.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use falco_replay_format::block::{Container, Ends, Fd, FdKind, Role};
use falco_replay_format::lists::{
    Exact, FdDetail, FdEntry, FdExact, GroupEntry, Head, ThreadEntry, ThreadExact, UserEntry,
};

use crate::State;
use crate::descriptors::Slot;
use crate::event::unmapped_ends;
use crate::files::open_flag;
use crate::threads::{Thread, ThreadSlot};

/// Ports of listening sockets, by which a reader of lists tells a server's connections.
type ServerPorts = BTreeSet<u16>;

impl State {
    /// The present state: a capture that begins with it and goes on with the events that follow gives those events the same
    /// contexts.
    ///
    /// While only the silent start of a section was read, this is the section's own head, to be followed by the events of
    /// that start once more.
    pub fn head(&self) -> Head {
        self.head_of(|_| true)
    }

    /// [`State::head`] with those threads only whose ids `keep` names.
    pub fn head_of(&self, keep: impl Fn(i64) -> bool) -> Head {
        if let Some(head) = &self.head {
            // No event yet that could have changed them.
            let mut head = Head::clone(head);
            head.threads.retain(|thread| keep(thread.tid));
            head.fds.retain(|(tid, _)| keep(*tid));
            return head;
        }
        let mut slots = self.threads.by_age();
        slots.retain(|&slot| keep(self.threads.at(slot).tid));
        let own = |slot: &ThreadSlot| self.threads.fds_of(*slot) == Some(*slot) && self.threads.at(*slot).fds.len() > 0;
        let tables: Vec<Table<'_>> =
            slots.iter().copied().filter(own).map(|slot| table(self.threads.at(slot))).collect();
        let ports: ServerPorts = tables.iter().flat_map(|table| &table.fds).filter_map(server_port).collect();
        let (mut users, mut groups) = (Vec::new(), Vec::new());
        let mut exact = self.exact(&slots, &tables);
        for (container, uid, gid, user) in self.users.all_users() {
            let (name, home, shell) = (user.name.clone(), user.home.clone(), user.shell.clone());
            let entry = UserEntry { uid, gid, name, home, shell };
            match container.is_empty() {
                true => users.push(entry),
                false => exact.users.push((container.clone(), entry)),
            }
        }
        for (container, gid, group) in self.users.all_groups() {
            let entry = GroupEntry { gid, name: group.name.clone() };
            match container.is_empty() {
                true => groups.push(entry),
                false => exact.groups.push((container.clone(), entry)),
            }
        }
        Head {
            machine: self.machine.clone(),
            threads: slots.iter().map(|&slot| thread_entry(self.threads.at(slot))).collect(),
            fds: tables.iter().map(|table| (table.tid, table.entries(&ports))).collect(),
            interfaces: self.world.interfaces.clone(),
            users,
            groups,
            exact: Some(Box::new(exact)),
        }
    }

    fn exact(&self, slots: &[ThreadSlot], tables: &[Table<'_>]) -> Exact {
        let thread = |slot: &ThreadSlot| {
            let adopts = self.threads.group(*slot).is_some_and(|group| group.reaper);
            thread_exact(self.threads.at(*slot), adopts)
        };
        let fd = |(_, slot): &(i64, &Slot)| FdExact { info: slot.fd.info.clone(), close_on_exec: slot.close_on_exec };
        Exact {
            threads: slots.iter().map(thread).collect(),
            fds: tables.iter().map(|table| table.fds.iter().map(fd).collect()).collect(),
            containers: self.containers.all().into_iter().map(|container| Container::clone(container)).collect(),
            users: Vec::new(),
            groups: Vec::new(),
            exits: self.threads.exits.all().collect(),
            origin: self.world.origin,
        }
    }
}

/// The descriptors of a thread, by number.
struct Table<'a> {
    tid: i64,
    fds: Vec<(i64, &'a Slot)>,
}

fn table(thread: &Thread) -> Table<'_> {
    let mut fds: Vec<_> = thread.fds.iter().collect();
    fds.sort_unstable_by_key(|(fd, _)| *fd);
    Table { tid: thread.tid, fds }
}

impl Table<'_> {
    fn entries(&self, ports: &ServerPorts) -> Vec<FdEntry> {
        self.fds.iter().map(|(fd, slot)| fd_entry(*fd, slot, ports)).collect()
    }
}

fn thread_exact(thread: &Thread, adopts: bool) -> ThreadExact {
    let info = &thread.info;
    ThreadExact {
        env: info.env.clone(),
        cwd: info.cwd.clone(),
        flags: info.flags,
        container_id: info.container_id.clone(),
        clone_ts: info.clone_ts,
        lastexec_ts: info.lastexec_ts,
        exe_ctime_duration_clone: info.exe_ctime_duration_clone,
        exe_ctime_duration_pidns: info.exe_ctime_duration_pidns,
        last_fd: thread.last_fd,
        last_enter: thread.last_enter,
        enter: thread
            .enter
            .as_ref()
            .map(|enter| (enter.ty, enter.params.iter().map(|param| param[..].into()).collect())),
        dead: thread.dead,
        adopts,
        reaper: thread.reaper,
        last_cpu: thread.last_cpu,
    }
}

fn thread_entry(thread: &Thread) -> ThreadEntry {
    let info = &thread.info;
    let memory = &thread.memory;
    let kilobytes = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    ThreadEntry {
        tid: info.tid,
        pid: info.pid,
        ptid: info.ptid,
        sid: info.sid,
        vpgid: info.vpgid,
        pgid: info.pgid,
        comm: info.comm.clone(),
        exe: info.exe.clone(),
        // A reader cuts this ending off once.
        exepath: match info.exepath.ends_with(b" (deleted)") {
            true => [&info.exepath, &b" (deleted)"[..]].concat().into(),
            false => info.exepath.clone(),
        },
        args: info.args.clone(),
        cwd: info.cwd.clone(),
        fdlimit: info.fdlimit,
        flags: info.flags,
        uid: info.uid,
        gid: info.gid,
        vmsize_kb: kilobytes(memory.size_kb),
        vmrss_kb: kilobytes(memory.resident_kb),
        vmswap_kb: kilobytes(memory.swap_kb),
        pfmajor: memory.major,
        pfminor: memory.minor,
        env: info.env.clone(),
        vtid: info.vtid,
        vpid: info.vpid,
        cgroups: info.cgroups.clone(),
        root: info.root.clone(),
        pidns_init_start_ts: info.pidns_init_start_ts,
        tty: info.tty,
        loginuid: info.loginuid,
        exe_writable: info.exe_writable,
        exe_upper_layer: info.exe_upper_layer,
        exe_lower_layer: info.exe_lower_layer,
        exe_from_memfd: info.exe_from_memfd,
        cap_inheritable: info.cap_inheritable,
        cap_permitted: info.cap_permitted,
        cap_effective: info.cap_effective,
        exe_ino: info.exe_ino,
        exe_ino_ctime: info.exe_ino_ctime,
        exe_ino_mtime: info.exe_ino_mtime,
    }
}

fn server_port((_, slot): &(i64, &Slot)) -> Option<u16> {
    match slot.fd.ends {
        Ends::Inet { dest, .. } if slot.fd.kind.is_listening() => {
            Some(listening_end(&slot.fd).map_or(dest.1, |end| end.1))
        }
        _ => None,
    }
}

/// The address of a listening socket, where it is one of its kind.
fn listening_end(fd: &Fd) -> Option<(IpAddr, u16)> {
    match fd.ends {
        Ends::Inet { source, .. } if source.0.is_ipv6() == (fd.kind == FdKind::Ipv6Server) => Some(source),
        _ => None,
    }
}

fn fd_entry(number: i64, slot: &Slot, ports: &ServerPorts) -> FdEntry {
    let fd = &slot.fd;
    let name = || FdDetail::Name(fd.name.clone());
    let (kind, detail) = match fd.kind {
        FdKind::Unknown => (FdKind::Unknown, FdDetail::None),
        FdKind::FileV2 => {
            let mut flags = fd.open_flags;
            for (bit, is_set) in [
                (open_flag::CLOEXEC, slot.close_on_exec),
                (open_flag::UPPER_LAYER, fd.upper_layer),
                (open_flag::LOWER_LAYER, fd.lower_layer),
            ] {
                flags = if is_set { flags | bit } else { flags & !bit };
            }
            (fd.kind, FdDetail::File { flags, name: fd.name.clone(), dev: fd.dev })
        }
        FdKind::Ipv4 | FdKind::Ipv6 => connection(fd, ports),
        FdKind::Ipv4Server | FdKind::Ipv6Server => match listening_end(fd) {
            Some((ip, port)) => (fd.kind, FdDetail::Server { ip, port, l4proto: fd.l4proto as u8 }),
            None => (FdKind::Unknown, FdDetail::None),
        },
        FdKind::Unix => {
            let (source, dest) = match fd.ends {
                Ends::Unix { source, dest } => (source, dest),
                _ => (0, 0),
            };
            (fd.kind, FdDetail::Unix { source, dest, name: fd.name.clone() })
        }
        _ => (fd.kind, name()),
    };
    FdEntry { fd: number, ino: fd.ino, kind: kind as u8, detail }
}

/// A socket that does not listen.
///
/// A reader takes a listed IPv4 socket whose first port is that of a listening socket for the server's end of a connection
/// and turns it round, so those are written the other way.
fn connection(fd: &Fd, ports: &ServerPorts) -> (FdKind, FdDetail) {
    let l4proto = fd.l4proto as u8;
    match fd.ends {
        Ends::Inet { source, dest } if fd.kind == FdKind::Ipv4 && source.0.is_ipv4() && dest.0.is_ipv4() => {
            let turns = |first: (IpAddr, u16)| ports.contains(&first.1);
            let turned = match fd.role {
                Role::Server => turns(dest),
                _ => turns(source) && turns(dest),
            };
            let (source, dest) = if turned { (dest, source) } else { (source, dest) };
            (FdKind::Ipv4, FdDetail::Socket { source, dest, l4proto })
        }
        Ends::Inet { source, dest } if fd.kind == FdKind::Ipv6 && source.0.is_ipv6() && dest.0.is_ipv6() => {
            let stays = unmapped_ends(source, dest) == (source, dest);
            if stays {
                (FdKind::Ipv6, FdDetail::Socket { source, dest, l4proto })
            } else {
                (FdKind::Unknown, FdDetail::None)
            }
        }
        _ if fd.kind == FdKind::Ipv4 => {
            let nowhere = (IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
            (FdKind::Ipv4, FdDetail::Socket { source: nowhere, dest: nowhere, l4proto })
        }
        // A reader would take addresses that are all zeros for IPv4 ones.
        _ => (FdKind::Unknown, FdDetail::None),
    }
}
