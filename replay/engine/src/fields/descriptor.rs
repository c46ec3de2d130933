//! `fd.*`, `fs.path.*`, `fdlist.*`.

use std::net::IpAddr;

use falco_replay_format::address::AddressText;
use falco_replay_format::block::{Fd, FdKind, L4Proto, Process, Role, World, mark};
use falco_replay_format::schema::ev;

use super::{Arg, process};
use crate::catalogue::Field;
use crate::params::poll_fd;
use crate::paths::{self, Which};
use crate::value::Value;
use crate::view::View;

type End = (IpAddr, u16);

/// Both ends of an inet socket: zero addresses before it has any.
fn inet(fd: &Fd) -> Option<(End, End)> {
    fd.inet_ends()
}

/// Both ends of a connected inet socket that has a role.
fn with_role(fd: &Fd) -> Option<(End, End)> {
    if fd.role == Role::None || fd.kind.is_listening() {
        return None;
    }
    inet(fd)
}

pub(crate) fn directory_of(name: &[u8]) -> &[u8] {
    if name.ends_with(b"/") {
        return name;
    }
    match name.iter().rposition(|&byte| byte == b'/') {
        None | Some(0) => b"/",
        Some(at) => &name[..at],
    }
}

pub(crate) fn filename_of(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'/') {
        None => b"/",
        // As with the directory, a name that ends in a slash is kept whole.
        Some(at) if at + 1 == name.len() => name,
        Some(at) => &name[at + 1..],
    }
}

/// Fields that the descriptor version alone decides.
pub(super) fn fd_value<'a>(field: Field, fd: &'a Fd) -> Option<Value<'a>> {
    use Field as F;
    match field {
        F::FdType => Some(Value::text(fd.kind.word().as_bytes())),
        F::FdTypechar => Some(Value::text(character(fd.kind).as_bytes())),
        F::FdName => Some(Value::text(&fd.name)),
        F::FdDirectory => match fd.kind {
            FdKind::Directory => Some(Value::text(&fd.name)),
            kind if kind.is_file() => Some(Value::text(directory_of(&fd.name))),
            _ => None,
        },
        F::FdFilename => fd.kind.is_file().then(|| Value::text(filename_of(&fd.name))),
        F::FdCip => with_role(fd).map(|(source, _)| Value::Ip(source.0)),
        F::FdSip => match with_role(fd) {
            Some((_, dest)) => Some(Value::Ip(dest.0)),
            None if fd.kind.is_listening() && fd.role != Role::None => inet(fd).map(|(_, dest)| Value::Ip(dest.0)),
            None => None,
        },
        F::FdCport => with_role(fd).map(|(source, _)| Value::Uint(u64::from(source.1))),
        F::FdSport => {
            let listening = || inet(fd).filter(|_| fd.kind.is_listening());
            with_role(fd).or_else(listening).map(|(_, dest)| Value::Uint(u64::from(dest.1)))
        }
        F::FdCproto => match with_role(fd) {
            Some((source, _)) => Some(Value::owned(source.1.to_string().into_bytes())),
            None => (fd.role != Role::None).then(|| Value::text(b"")),
        },
        F::FdSproto => match with_role(fd) {
            Some((_, dest)) => Some(Value::owned(dest.1.to_string().into_bytes())),
            None => fd.kind.is_listening().then(|| Value::text(b"")),
        },
        F::FdL4proto => Some(Value::text(if fd.kind.is_inet() {
            match fd.l4proto {
                L4Proto::Raw => b"raw",
                _ if fd.role == Role::None && !fd.kind.is_listening() => b"<NA>",
                L4Proto::Tcp => b"tcp",
                L4Proto::Udp => b"udp",
                L4Proto::Icmp => b"icmp",
                _ => b"<NA>",
            }
        } else {
            b"<NA>"
        })),
        F::FdSockfamily => match fd.kind {
            kind if kind.is_inet() => Some(Value::text(b"ip")),
            FdKind::Unix => Some(Value::text(b"unix")),
            _ => None,
        },
        F::FdConnected => Some(Value::Bool(fd.connected)),
        F::FdDev => Some(Value::Int(i64::from(fd.dev as i32))),
        // The layout that the kernel shows to user space: the minor's low byte, 12 bits major, the rest of the minor.
        F::FdDevMajor => Some(Value::Int(i64::from(fd.dev >> 8 & 0xfff))),
        F::FdDevMinor => Some(Value::Int(i64::from(fd.dev & 0xff | fd.dev >> 12 & 0xfff00))),
        F::FdIno => Some(Value::Int(fd.ino as i64)),
        F::FdNameraw => Some(Value::owned(paths::single_slashes(&fd.raw_name))),
        F::FdIsUpperLayer => Some(Value::Bool(fd.upper_layer)),
        F::FdIsLowerLayer => Some(Value::Bool(fd.lower_layer)),
        _ => None,
    }
}

fn character(kind: FdKind) -> &'static str {
    match kind.character() {
        'f' => "f",
        'd' => "d",
        '4' => "4",
        '6' => "6",
        'u' => "u",
        'p' => "p",
        'e' => "e",
        's' => "s",
        'l' => "l",
        'i' => "i",
        't' => "t",
        'n' => "n",
        'b' => "b",
        'r' => "r",
        'm' => "m",
        'P' => "P",
        'X' => "X",
        _ => "o",
    }
}

/// The same fields for an event without descriptor, mostly a failed open.
pub(super) fn without_fd<'a>(field: Field, view: &View<'a>) -> Option<Value<'a>> {
    use Field as F;
    if !view.about_fd() {
        return None;
    }
    match field {
        F::FdName => paths::name_without_fd(view).map(Value::owned),
        F::FdDirectory => {
            let name = paths::name_without_fd(view)?;
            Some(Value::owned(directory_of(&name).to_vec()))
        }
        F::FdNameraw => {
            let name = match view.info.id {
                ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X => crate::params::legacy(view.params.get(2)).to_vec(),
                _ => paths::name_without_fd(view)?,
            };
            Some(Value::owned(paths::single_slashes(&name)))
        }
        F::FdTypechar => Some(Value::text(guessed_character(view.info.id))),
        _ => None,
    }
}

/// Whether parameters tell the field where there is no descriptor to ask.
pub(super) fn told_by_params(field: Field) -> bool {
    matches!(field, Field::FdName | Field::FdDirectory | Field::FdNameraw)
}

/// The character of `fd.typechar` where there is no descriptor to ask.
pub(crate) fn guessed_character(ty: u16) -> &'static [u8] {
    match ty {
        ev::SYSCALL_CREAT_E
        | ev::SYSCALL_CREAT_X
        | ev::SYSCALL_OPENAT_E
        | ev::SYSCALL_OPENAT_X
        | ev::SYSCALL_OPENAT_2_E
        | ev::SYSCALL_OPENAT_2_X
        | ev::SYSCALL_OPENAT2_E
        | ev::SYSCALL_OPENAT2_X => b"f",
        ev::SOCKET_SOCKET_E
        | ev::SOCKET_SOCKET_X
        | ev::SOCKET_ACCEPT_E
        | ev::SOCKET_ACCEPT_X
        | ev::SOCKET_ACCEPT_5_E
        | ev::SOCKET_ACCEPT_5_X
        | ev::SOCKET_ACCEPT4_E
        | ev::SOCKET_ACCEPT4_X
        | ev::SOCKET_ACCEPT4_5_E
        | ev::SOCKET_ACCEPT4_5_X
        | ev::SOCKET_ACCEPT4_6_E
        | ev::SOCKET_ACCEPT4_6_X => b"4",
        ev::SYSCALL_PIPE_E | ev::SYSCALL_PIPE_X | ev::SYSCALL_PIPE2_E | ev::SYSCALL_PIPE2_X => b"p",
        ev::SYSCALL_EVENTFD_E | ev::SYSCALL_EVENTFD_X | ev::SYSCALL_EVENTFD2_E | ev::SYSCALL_EVENTFD2_X => b"e",
        ev::SYSCALL_SIGNALFD_E | ev::SYSCALL_SIGNALFD_X | ev::SYSCALL_SIGNALFD4_E | ev::SYSCALL_SIGNALFD4_X => b"s",
        ev::SYSCALL_TIMERFD_CREATE_E | ev::SYSCALL_TIMERFD_CREATE_X => b"t",
        ev::SYSCALL_INOTIFY_INIT_E
        | ev::SYSCALL_INOTIFY_INIT_X
        | ev::SYSCALL_INOTIFY_INIT1_E
        | ev::SYSCALL_INOTIFY_INIT1_X => b"i",
        _ => b"o",
    }
}

/// Whether an address is the event's own side.
///
/// In a container of known address that one and those of the interfaces are; in one without, those of all known
/// containers; on the host those of the interfaces. For IPv6 the first 64 bits count.
fn is_local(ip: IpAddr, process: Option<&Process>, world: Option<&World>) -> bool {
    let Some(world) = world else { return false };
    let contained = process.is_some_and(|process| !process.info.container_id.is_empty());
    match ip {
        IpAddr::V6(ip) => {
            !contained
                && world.interfaces.iter().any(|interface| match interface.addr {
                    IpAddr::V6(own) => own.octets()[..8] == ip.octets()[..8],
                    IpAddr::V4(_) => false,
                })
        }
        IpAddr::V4(_) => {
            let own_interface = || world.interfaces.iter().any(|interface| interface.addr == ip);
            if !contained {
                return own_interface();
            }
            let container = process.and_then(|process| process.container.as_ref());
            let own = container
                .and_then(|container| std::str::from_utf8(&container.ip).ok()?.parse::<IpAddr>().ok())
                .filter(|own| !own.is_unspecified());
            match own {
                Some(own) => own == ip || own_interface(),
                None => world.container_ips.contains(&ip),
            }
        }
    }
}

/// The local and the remote end of a connected inet socket.
fn sides(view: &View<'_>) -> Option<(End, End)> {
    let fd = view.fd?;
    if fd.kind.is_listening() {
        return None;
    }
    let (source, dest) = with_role(fd)?;
    if is_local(source.0, view.process, view.world()) { Some((source, dest)) } else { Some((dest, source)) }
}

/// Both ends that `fd.ip`, `fd.port`, `fd.net` and `fd.proto` compare; one for listening sockets.
pub(crate) fn both_ends(fd: &Fd) -> Option<(End, Option<End>)> {
    let (source, dest) = inet(fd)?;
    if fd.kind.is_listening() { Some((dest, None)) } else { Some((source, Some(dest))) }
}

fn port<'a>(end: End) -> Option<Value<'a>> {
    Some(Value::Uint(u64::from(end.1)))
}

fn prefixed<'a>(view: &View<'a>, text: Option<Value<'a>>) -> Option<Value<'a>> {
    let mut out = view.process?.info.container_id.to_vec();
    out.push(b':');
    out.extend_from_slice(text?.bytes()?);
    Some(Value::owned(out))
}

fn of_fd<'a>(field: Field, view: &View<'a>) -> Option<Value<'a>> {
    match view.fd {
        Some(fd) => fd_value(field, fd),
        None => without_fd(field, view),
    }
}

fn host_name<'a>(view: &View<'a>, ip: Option<IpAddr>) -> Option<Value<'a>> {
    view.rendering.names.get(&ip?).map(|name| Value::text(name.as_bytes()))
}

/// Fields that need more than the descriptor version.
pub(super) fn event_value<'a>(field: Field, arg: &'a Arg, view: &View<'a>) -> Option<Value<'a>> {
    use Field as F;
    match field {
        F::FsPathName | F::FsPathNameraw => {
            return paths::fs_path(view, Which::Name, field == F::FsPathNameraw).map(Value::owned);
        }
        F::FsPathSource | F::FsPathSourceraw => {
            return paths::fs_path(view, Which::Source, field == F::FsPathSourceraw).map(Value::owned);
        }
        F::FsPathTarget | F::FsPathTargetraw => {
            return paths::fs_path(view, Which::Target, field == F::FsPathTargetraw).map(Value::owned);
        }
        F::FdlistNums | F::FdlistNames | F::FdlistCips | F::FdlistSips | F::FdlistCports | F::FdlistSports => {
            return poll_list(field, view);
        }
        F::UtilCnt => return None,
        _ => {}
    }
    if !view.about_fd() {
        return None;
    }
    let fd = view.fd;
    let world = view.world();
    match field {
        F::FdTypes => process::fd_types(arg, view),
        F::FdNum => view.process.map(|_| Value::Int(view.fd_num())),
        F::FdLip => sides(view).map(|(local, _)| Value::Ip(local.0)),
        F::FdRip => sides(view).map(|(_, remote)| Value::Ip(remote.0)),
        F::FdLport => sides(view).and_then(|(local, _)| port(local)),
        F::FdRport => sides(view).and_then(|(_, remote)| port(remote)),
        F::FdLproto => sides(view).map(|(local, _)| Value::owned(local.1.to_string().into_bytes())),
        F::FdRproto => sides(view).map(|(_, remote)| Value::owned(remote.1.to_string().into_bytes())),
        F::FdIsServer => {
            let fd = fd?;
            let local = || inet(fd).is_some_and(|(_, dest)| is_local(dest.0, view.process, world));
            Some(Value::Bool(fd.kind.is_listening() || local()))
        }
        F::FdUid => {
            view.process?;
            Some(Value::owned(format!("{}{}", view.tid(), view.fd_num()).into_bytes()))
        }
        F::FdContainername => prefixed(view, of_fd(F::FdName, view)),
        F::FdContainerdirectory => prefixed(view, of_fd(F::FdDirectory, view)),
        F::FdNameChanged => {
            fd?;
            Some(Value::Bool(view.block.marks[view.row] & mark::NAME_CHANGED != 0))
        }
        F::FdCipName => host_name(view, fd.and_then(with_role).map(|(source, _)| source.0)),
        F::FdSipName => host_name(view, fd.and_then(with_role).map(|(_, dest)| dest.0)),
        F::FdLipName => host_name(view, sides(view).map(|(local, _)| local.0)),
        F::FdRipName => host_name(view, sides(view).map(|(_, remote)| remote.0)),
        F::FdCnet => with_role(fd?).map(|(source, _)| Value::Ip(source.0)),
        F::FdSnet => of_fd(F::FdSip, view),
        F::FdLnet => sides(view).map(|(local, _)| Value::Ip(local.0)),
        F::FdRnet => sides(view).map(|(_, remote)| Value::Ip(remote.0)),
        _ => None,
    }
}

/// The descriptors of a poll list, comma separated.
fn poll_list<'a>(field: Field, view: &View<'a>) -> Option<Value<'a>> {
    use Field as F;
    if !matches!(view.info.id, ev::SYSCALL_POLL_X | ev::SYSCALL_PPOLL_X) {
        return None;
    }
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for (at, entry) in view.params.get(1).get(2..)?.chunks_exact(10).enumerate() {
        let number = i64::from_le_bytes(entry[..8].try_into().ok()?);
        let fd = poll_fd(view, at);
        let ends = fd.and_then(inet);
        let listening = fd.is_some_and(|fd| fd.kind.is_listening());
        let part = match field {
            F::FdlistNums => Some(number.to_string().into_bytes()),
            F::FdlistNames => Some(match fd {
                Some(fd) if !fd.name.is_empty() => fd.name.to_vec(),
                _ => b"<NA>".to_vec(),
            }),
            F::FdlistCips => {
                ends.filter(|_| !listening).map(|(source, _)| AddressText(source.0).to_string().into_bytes())
            }
            F::FdlistSips => ends.map(|(_, dest)| match dest.0 {
                // The reference prints the first four bytes of a listening IPv6 address as if they were IPv4.
                IpAddr::V6(ip) if listening => {
                    let [a, b, c, d, ..] = ip.octets();
                    format!("{a}.{b}.{c}.{d}").into_bytes()
                }
                ip => AddressText(ip).to_string().into_bytes(),
            }),
            F::FdlistCports => ends.filter(|_| !listening).map(|(source, _)| source.1.to_string().into_bytes()),
            _ => ends.filter(|_| !listening).map(|(_, dest)| dest.1.to_string().into_bytes()),
        };
        parts.extend(part);
    }
    let text = parts.join(&b","[..]);
    (!text.is_empty()).then(|| Value::owned(text))
}
