//! The descriptor lists of a snapshot.

use super::columns::{ColumnsIn, ColumnsOut, TextsIn, TextsOut};
use super::threads::{from_bits, to_bits};
use super::{id, wrong};
use crate::descriptor::{Ends, FdInfo, FdKind, L4Proto, Role};
use crate::fcap::error::Error;
use crate::lists::{FdDetail, FdEntry, FdExact};

/// What a descriptor carries.
mod detail {
    pub const NONE: u8 = 0;
    pub const NAME: u8 = 1;
    pub const FILE: u8 = 2;
    pub const SOCKET: u8 = 3;
    pub const SERVER: u8 = 4;
    pub const UNIX: u8 = 5;
}

pub(super) fn put(out: &mut ColumnsOut, texts: &mut TextsOut, entry: &FdEntry) {
    let FdEntry { fd, ino, kind, detail } = entry;
    out.signed(id::FD, *fd);
    out.number(id::FD_INO, *ino);
    out.column(id::FD_KIND).push(*kind);
    let tag = match detail {
        FdDetail::None => detail::NONE,
        FdDetail::Name(name) => {
            let row = texts.text(name);
            out.reference(id::FD_NAME, row);
            detail::NAME
        }
        FdDetail::File { flags, name, dev } => {
            out.number(id::FD_FLAGS, (*flags).into());
            let row = texts.text(name);
            out.reference(id::FD_NAME, row);
            out.number(id::FD_DEV, (*dev).into());
            detail::FILE
        }
        FdDetail::Socket { source, dest, l4proto } => {
            for (address, port) in [source, dest] {
                out.address(id::FD_ADDRESS, *address);
                out.number(id::FD_PORT, (*port).into());
            }
            out.column(id::FD_PROTOCOL).push(*l4proto);
            detail::SOCKET
        }
        FdDetail::Server { ip, port, l4proto } => {
            out.address(id::FD_ADDRESS, *ip);
            out.number(id::FD_PORT, (*port).into());
            out.column(id::FD_PROTOCOL).push(*l4proto);
            detail::SERVER
        }
        FdDetail::Unix { source, dest, name } => {
            out.number(id::FD_POINTER, *source);
            out.number(id::FD_POINTER, *dest);
            let row = texts.text(name);
            out.reference(id::FD_NAME, row);
            detail::UNIX
        }
    };
    out.column(id::FD_DETAIL).push(tag);
}

pub(super) fn take(columns: &mut ColumnsIn, texts: &mut TextsIn) -> Result<FdEntry, Error> {
    let fd = columns.signed(id::FD)?;
    let ino = columns.number(id::FD_INO)?;
    let kind = columns.byte(id::FD_KIND)?;
    let name = |columns: &mut ColumnsIn| texts.text(columns.reference(id::FD_NAME)?);
    let end = |columns: &mut ColumnsIn| Ok((columns.address(id::FD_ADDRESS)?, columns.small(id::FD_PORT)?));
    let detail = match columns.byte(id::FD_DETAIL)? {
        detail::NONE => FdDetail::None,
        detail::NAME => FdDetail::Name(name(columns)?),
        detail::FILE => FdDetail::File {
            flags: columns.small(id::FD_FLAGS)?,
            name: name(columns)?,
            dev: columns.small(id::FD_DEV)?,
        },
        detail::SOCKET => {
            FdDetail::Socket { source: end(columns)?, dest: end(columns)?, l4proto: columns.byte(id::FD_PROTOCOL)? }
        }
        detail::SERVER => {
            let (ip, port) = end(columns)?;
            FdDetail::Server { ip, port, l4proto: columns.byte(id::FD_PROTOCOL)? }
        }
        detail::UNIX => FdDetail::Unix {
            source: columns.number(id::FD_POINTER)?,
            dest: columns.number(id::FD_POINTER)?,
            name: name(columns)?,
        },
        other => return Err(wrong(format!("a descriptor that carries {other}"))),
    };
    Ok(FdEntry { fd, ino, kind, detail })
}

pub(super) fn put_exact(out: &mut ColumnsOut, texts: &mut TextsOut, fd: &FdExact) {
    let FdExact { info, close_on_exec } = fd;
    let ends = match info.ends {
        Ends::None => 0,
        Ends::Inet { source, dest } => {
            for (address, port) in [source, dest] {
                out.address(id::EXACT_FD_ADDRESS, address);
                out.number(id::EXACT_FD_PORT, port.into());
            }
            1
        }
        Ends::Unix { source, dest } => {
            out.number(id::EXACT_FD_POINTER, source);
            out.number(id::EXACT_FD_POINTER, dest);
            2
        }
    };
    let protocol = match info.l4proto {
        L4Proto::Unknown => 0,
        L4Proto::NotApplicable => 1,
        L4Proto::Tcp => 2,
        L4Proto::Udp => 3,
        L4Proto::Icmp => 4,
        L4Proto::Raw => 5,
    };
    let role = match info.role {
        Role::None => 0,
        Role::Client => 1,
        Role::Server => 2,
    };
    // The order is part of the format.
    let numbers = [
        u64::from(info.kind as u8),
        info.open_flags.into(),
        info.dev.into(),
        info.ino,
        ends,
        protocol,
        role,
        to_bits([info.connected, info.upper_layer, info.lower_layer, *close_on_exec]),
    ];
    for (id, number) in (id::EXACT_FD..).zip(numbers) {
        out.number(id, number);
    }
    out.signed(id::EXACT_FD + 8, info.pid);
    let (name, raw_name) = (texts.text(&info.name), texts.text(&info.raw_name));
    out.reference(id::EXACT_FD_TEXT, name);
    out.reference(id::EXACT_FD_TEXT + 1, raw_name);
}

pub(super) fn take_exact(columns: &mut ColumnsIn, texts: &mut TextsIn) -> Result<FdExact, Error> {
    let kind = columns.small::<u8>(id::EXACT_FD)?;
    if kind > FdKind::Pidfd as u8 {
        return Err(wrong(format!("descriptor kind {kind}")));
    }
    let open_flags = columns.small(id::EXACT_FD + 1)?;
    let dev = columns.small(id::EXACT_FD + 2)?;
    let ino = columns.number(id::EXACT_FD + 3)?;
    let end = |columns: &mut ColumnsIn| Ok((columns.address(id::EXACT_FD_ADDRESS)?, columns.small(id::EXACT_FD_PORT)?));
    let ends = match columns.number(id::EXACT_FD + 4)? {
        0 => Ends::None,
        1 => Ends::Inet { source: end(columns)?, dest: end(columns)? },
        2 => Ends::Unix { source: columns.number(id::EXACT_FD_POINTER)?, dest: columns.number(id::EXACT_FD_POINTER)? },
        other => return Err(wrong(format!("ends of kind {other}"))),
    };
    let l4proto = match columns.small::<u8>(id::EXACT_FD + 5)? {
        protocol @ 0..=5 => L4Proto::from_number(protocol),
        other => return Err(wrong(format!("protocol {other}"))),
    };
    let role = match columns.number(id::EXACT_FD + 6)? {
        0 => Role::None,
        1 => Role::Client,
        2 => Role::Server,
        other => return Err(wrong(format!("role {other}"))),
    };
    let [connected, upper_layer, lower_layer, close_on_exec] = from_bits(columns.number(id::EXACT_FD + 7)?)?;
    let pid = columns.signed(id::EXACT_FD + 8)?;
    let name = texts.text(columns.reference(id::EXACT_FD_TEXT)?)?;
    let raw_name = texts.text(columns.reference(id::EXACT_FD_TEXT + 1)?)?;
    let info = FdInfo {
        kind: FdKind::from_number(kind),
        name,
        raw_name,
        open_flags,
        dev,
        ino,
        ends,
        l4proto,
        role,
        connected,
        upper_layer,
        lower_layer,
        pid,
    };
    Ok(FdExact { info, close_on_exec })
}
