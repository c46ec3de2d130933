//! What an event about a descriptor names where it has none, mostly a failed open: its `fd.name`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::address::AddressText;
use crate::batch::{Params, until_nul};
use crate::block::{Block, RefKind};
use crate::path::{UNKNOWN_DIR, join};
use crate::schema::{EventInfo, ev, event_flag};

/// The descriptor number that stands for the working directory.
pub const AT_FDCWD: i64 = -100;

/// Whether events of this type are about a descriptor: fields of the fd class have no value for all others.
#[inline]
pub const fn about_fd(info: &EventInfo) -> bool {
    info.flags & (event_flag::USES_FD | event_flag::CREATES_FD | event_flag::DESTROYS_FD) != 0
}

/// Whether events of this type name a path or a connection where they have no descriptor. That of all other exit events
/// about descriptors is empty.
#[inline]
pub const fn names_one(ty: u16) -> bool {
    matches!(
        ty,
        ev::SYSCALL_OPEN_X
            | ev::SYSCALL_CREAT_X
            | ev::SYSCALL_OPENAT_2_X
            | ev::SYSCALL_OPENAT2_X
            | ev::SYSCALL_OPEN_BY_HANDLE_AT_X
            | ev::SOCKET_CONNECT_X
            | ev::SOCKET_ACCEPT_5_X
            | ev::SOCKET_ACCEPT4_6_X
    )
}

/// The name of what event `row` is about where it has no descriptor; `None` where it has no such name.
pub fn name(block: &Block, row: usize) -> Option<Vec<u8>> {
    let info = block.batch.info(row);
    if !about_fd(info) || !info.is_exit() {
        return None;
    }
    let params = block.params(row);
    Some(match info.id {
        ev::SYSCALL_OPEN_X | ev::SYSCALL_CREAT_X if params.len() > 1 => opened(block, row, params.get(1)),
        ev::SOCKET_CONNECT_X | ev::SOCKET_ACCEPT_5_X | ev::SOCKET_ACCEPT4_6_X if params.len() > 1 => {
            socket_tuple(params.get(1))
        }
        ev::SYSCALL_OPEN_X
        | ev::SYSCALL_CREAT_X
        | ev::SOCKET_CONNECT_X
        | ev::SOCKET_ACCEPT_5_X
        | ev::SOCKET_ACCEPT4_6_X => return None,
        ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X => {
            let name = legacy(params.get(2));
            if name.starts_with(b"/") { join(b"", name) } else { join(&directory(block, row, &params, 1), name) }
        }
        ev::SYSCALL_OPEN_BY_HANDLE_AT_X => legacy(params.get(3)).to_vec(),
        _ => Vec::new(),
    })
}

/// The path of `open` and `creat`: an absolute one as it is, another one from the working directory.
fn opened(block: &Block, row: usize, bytes: &[u8]) -> Vec<u8> {
    let text = legacy(bytes);
    if text.starts_with(b"/") || text == b"<NA>" {
        return text.to_vec();
    }
    let resolved = cwd(block, row).map(|cwd| join(cwd, text)).unwrap_or_default();
    if resolved.is_empty() { text.to_vec() } else { resolved }
}

/// The directory that relative paths of the event's process start from.
fn cwd(block: &Block, row: usize) -> Option<&[u8]> {
    Some(block.process(row)?.main().map_or(b"./", |main| &main.info.cwd))
}

/// The directory that parameter `index` numbers, with its final "/".
fn directory(block: &Block, row: usize, params: &Params<'_>, index: u16) -> Vec<u8> {
    let known = match params.i64(usize::from(index)) {
        Some(AT_FDCWD) => cwd(block, row).map(<[u8]>::to_vec),
        Some(_) => block
            .reference(row, RefKind::ParamFd, index)
            .and_then(|row| block.fds.get(row as usize))
            .map(|fd| with_slash(&fd.name)),
        None => None,
    };
    known.unwrap_or_else(|| UNKNOWN_DIR.to_vec())
}

/// The name of a directory with its final "/".
pub fn with_slash(name: &[u8]) -> Vec<u8> {
    let mut dir = name.to_vec();
    if !dir.is_empty() && dir.last() != Some(&b'/') {
        dir.push(b'/');
    }
    dir
}

/// A string parameter as text: absent and "(NULL)" read as `<NA>`.
pub fn legacy(bytes: &[u8]) -> &[u8] {
    if bytes.is_empty() || bytes == b"(NULL)\0" { b"<NA>" } else { until_nul(bytes) }
}

/// The text of a parameter of the type [`Socktuple`](crate::schema::ParamType::Socktuple).
pub fn socket_tuple(bytes: &[u8]) -> Vec<u8> {
    let Some((&family, rest)) = bytes.split_first() else { return b"NULL".to_vec() };
    match (family, rest.len()) {
        (2, 12) => format!("{}:{}->{}:{}", ip4(&rest[..4]), port(&rest[4..6]), ip4(&rest[6..10]), port(&rest[10..]))
            .into_bytes(),
        (10, 36) => {
            let (from, to) = (ip6(&rest[..16]), ip6(&rest[18..34]));
            let (from_port, to_port) = (port(&rest[16..18]), port(&rest[34..]));
            match (mapped(from), mapped(to)) {
                (Some(from), Some(to)) => format!("{from}:{from_port}->{to}:{to_port}"),
                _ => {
                    let text = |ip: Ipv6Addr| AddressText(IpAddr::V6(ip));
                    format!("{}:{from_port}->{}:{to_port}", text(from), text(to))
                }
            }
            .into_bytes()
        }
        (1, 17..) => {
            let mut out = format!("{:x}->{:x} ", pointer(&rest[..8]), pointer(&rest[8..16])).into_bytes();
            out.extend_from_slice(until_nul(&rest[16..]));
            out
        }
        _ => format!("family {family}").into_bytes(),
    }
}

fn ip4(bytes: &[u8]) -> Ipv4Addr {
    bytes.try_into().map_or(Ipv4Addr::UNSPECIFIED, |octets: [u8; 4]| Ipv4Addr::from(octets))
}

fn ip6(bytes: &[u8]) -> Ipv6Addr {
    bytes.try_into().map_or(Ipv6Addr::UNSPECIFIED, |octets: [u8; 16]| Ipv6Addr::from(octets))
}

fn port(bytes: &[u8]) -> u16 {
    bytes.try_into().map_or(0, u16::from_le_bytes)
}

fn pointer(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// The IPv4 form of a mapped address, `::` as 0.0.0.0.
fn mapped(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    if ip.is_unspecified() { Some(Ipv4Addr::UNSPECIFIED) } else { ip.to_ipv4_mapped() }
}
