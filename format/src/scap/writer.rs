//! Writes captures with the blocks that today's Falco and sysdig write.
//!
//! Section header, machine, interfaces V2, users V2, processes V9, one descriptor list V2 a thread, then events V2.
//! Facts: scap-format §1.2 to §8.

use std::io::{self, Write};
use std::net::IpAddr;

use super::block;
use super::convert::RULES;
use crate::lists::{FdDetail, FdEntry, GroupEntry, Head, Interface, Machine, ThreadEntry, UserEntry};

/// Bytes gathered before they are handed to the output.
const BUFFER: usize = 64 << 10;
/// A process list is continued in another block above this.
const MAX_LIST: usize = 64 << 20;
/// Longest name or path that readers accept.
const NAME: usize = 1024;
/// Longest arguments, environment, cgroups that readers accept.
const MANY: usize = 4096;
/// Longest user name, home directory, shell that readers accept.
const USER: usize = 255;
/// Bytes of the host name.
const HOSTNAME: usize = 128;

/// What cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The output failed.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// Something longer than the format, or its readers, allow.
    #[error("{what} has {length} bytes, more than the {limit} that a capture can hold")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length.
        length: usize,
        /// The most there may be.
        limit: usize,
    },
    /// A descriptor whose kind does not go with its detail.
    #[error("descriptor {fd}: kind {kind} does not go with what it carries")]
    FdKind {
        /// Number of the descriptor.
        fd: i64,
        /// Its kind.
        kind: u8,
    },
    /// An event type that the schema does not have.
    #[error("unknown event type {ty}")]
    EventType {
        /// Event type.
        ty: u16,
    },
}

/// Writes one section: the head, then the events.
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: W,
    buffer: Vec<u8>,
    /// Parameters of the event at hand; their lengths go to `buffer` first.
    values: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the head to `output`.
    ///
    /// # Errors
    /// When the output fails, or the head has something that a capture cannot hold.
    pub fn new(output: W, head: &Head) -> Result<Self, WriteError> {
        let mut writer = Writer { output, buffer: Vec::with_capacity(2 * BUFFER), values: Vec::new() };
        writer.section()?;
        if let Some(found) = &head.machine {
            writer.block(block::MACHINE, |buffer| machine(buffer, found))?;
        }
        // Empty lists are left out, as libscap does.
        if !head.interfaces.is_empty() {
            writer.block(block::INTERFACES_V2, |buffer| {
                head.interfaces.iter().try_for_each(|found| sized(buffer, false, |buffer| interface(buffer, found)))
            })?;
        }
        if !head.users.is_empty() || !head.groups.is_empty() {
            writer.block(block::USERS_V2, |buffer| {
                head.users.iter().try_for_each(|found| sized(buffer, true, |buffer| user(buffer, found)))?;
                head.groups.iter().try_for_each(|found| sized(buffer, true, |buffer| group(buffer, found)))
            })?;
        }
        let mut threads = head.threads.iter();
        while threads.len() > 0 {
            writer.block(block::PROCESSES_V9, |buffer| {
                let start = buffer.len();
                while buffer.len() - start < MAX_LIST {
                    let Some(found) = threads.next() else { break };
                    sized(buffer, true, |buffer| process(buffer, found))?;
                }
                Ok(())
            })?;
        }
        for (tid, fds) in &head.fds {
            writer.block(block::FDS_V2, |buffer| {
                put(buffer, tid.to_le_bytes());
                fds.iter().try_for_each(|found| sized(buffer, true, |buffer| fd(buffer, found)))
            })?;
        }
        Ok(writer)
    }

    fn section(&mut self) -> Result<(), WriteError> {
        self.block(block::SECTION, |buffer| {
            put(buffer, block::MAGIC.to_le_bytes());
            put(buffer, 1u16.to_le_bytes());
            put(buffer, 2u16.to_le_bytes());
            // The section's length is not known.
            put(buffer, u64::MAX.to_le_bytes());
            Ok(())
        })
    }

    /// Writes one event of the current schema. `flags` as in [`EventBatch`](crate::batch::EventBatch).
    ///
    /// # Errors
    /// When the output fails, or the event is too long or of an unknown type; then nothing of it is written.
    pub fn event<'a>(
        &mut self,
        ts: u64,
        tid: i64,
        ty: u16,
        cpu: u16,
        flags: u32,
        params: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), WriteError> {
        let wide = RULES.get(usize::from(ty)).ok_or(WriteError::EventType { ty })?.wide;
        let kind = match (wide, flags != 0) {
            (false, false) => block::EVENT_V2,
            (false, true) => block::EVENT_FLAGS_V2,
            (true, false) => block::EVENT_LARGE,
            (true, true) => block::EVENT_FLAGS_LARGE,
        };
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        let start = self.buffer.len();
        let result = self.block(kind, |buffer| {
            put(buffer, cpu.to_le_bytes());
            if flags != 0 {
                put(buffer, flags.to_le_bytes());
            }
            let event = buffer.len();
            put(buffer, ts.to_le_bytes());
            put(buffer, tid.to_le_bytes());
            put(buffer, [0; 4]);
            put(buffer, ty.to_le_bytes());
            put(buffer, [0; 4]);
            let mut nparams = 0u32;
            for value in params {
                nparams += 1;
                values.extend_from_slice(value);
                let too_long = |limit| WriteError::TooLong { what: "a parameter", length: value.len(), limit };
                if wide {
                    put(buffer, u32::try_from(value.len()).map_err(|_| too_long(u32::MAX as usize))?.to_le_bytes());
                } else {
                    put(buffer, u16::try_from(value.len()).map_err(|_| too_long(usize::from(u16::MAX)))?.to_le_bytes());
                }
            }
            buffer.extend_from_slice(&values);
            let length = buffer.len() - event;
            // Frames above 4 GiB are refused below, so this does not cut a length that is written.
            buffer[event + 16..event + 20].copy_from_slice(&(length as u32).to_le_bytes());
            buffer[event + 22..event + 26].copy_from_slice(&nparams.to_le_bytes());
            Ok(())
        });
        self.values = values;
        if result.is_err() {
            self.buffer.truncate(start);
        }
        result
    }

    /// Writes what is left and gives the output back.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Frames what `body` appends, and hands full buffers to the output.
    fn block(
        &mut self,
        kind: u32,
        body: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let start = self.buffer.len();
        put(&mut self.buffer, kind.to_le_bytes());
        put(&mut self.buffer, [0; 4]);
        body(&mut self.buffer)?;
        let padding = (self.buffer.len() - start).next_multiple_of(4) + start - self.buffer.len();
        self.buffer.extend_from_slice(&[0; 3][..padding]);
        let length = self.buffer.len() + block::TRAILER - start;
        let limit = match kind {
            block::EVENT_V2 | block::EVENT_FLAGS_V2 => block::MAX_SMALL_EVENT as usize + block::HEADER,
            _ => block::MAX_BLOCK as usize,
        };
        if length > limit {
            return Err(WriteError::TooLong { what: "a block", length, limit });
        }
        let length = (length as u32).to_le_bytes();
        put(&mut self.buffer, length);
        self.buffer[start + 4..start + 8].copy_from_slice(&length);
        Ok(())
    }
}

fn put<const N: usize>(buffer: &mut Vec<u8>, bytes: [u8; N]) {
    buffer.extend_from_slice(&bytes);
}

/// Puts the length of what `entry` appends before it. `inclusive`: the length counts itself.
fn sized(
    buffer: &mut Vec<u8>,
    inclusive: bool,
    entry: impl FnOnce(&mut Vec<u8>) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    let start = buffer.len();
    put(buffer, [0; 4]);
    entry(buffer)?;
    let length = buffer.len() - start - if inclusive { 0 } else { 4 };
    // Every field of an entry is below 64 KiB, so the length fits.
    buffer[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

fn text(buffer: &mut Vec<u8>, text: &[u8], limit: usize, what: &'static str) -> Result<(), WriteError> {
    if text.len() > limit {
        return Err(WriteError::TooLong { what, length: text.len(), limit });
    }
    put(buffer, (text.len() as u16).to_le_bytes());
    buffer.extend_from_slice(text);
    Ok(())
}

fn address(buffer: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => put(buffer, address.octets()),
        IpAddr::V6(address) => put(buffer, address.octets()),
    }
}

fn machine(buffer: &mut Vec<u8>, machine: &Machine) -> Result<(), WriteError> {
    put(buffer, machine.cpus.to_le_bytes());
    put(buffer, machine.memory.to_le_bytes());
    put(buffer, machine.max_pid.to_le_bytes());
    // Readers expect a NUL behind it.
    let limit = HOSTNAME - 1;
    let length = machine.hostname.len();
    if length > limit {
        return Err(WriteError::TooLong { what: "the host name", length, limit });
    }
    buffer.extend_from_slice(&machine.hostname);
    buffer.resize(buffer.len() + HOSTNAME - length, 0);
    put(buffer, machine.boot_time.to_le_bytes());
    for flags in machine.flags {
        put(buffer, flags.to_le_bytes());
    }
    Ok(())
}

fn interface(buffer: &mut Vec<u8>, interface: &Interface) -> Result<(), WriteError> {
    let Interface { name, addr, mask, broadcast, linkspeed } = interface;
    let kind = match (addr.is_ipv6(), linkspeed) {
        (false, Some(_)) => 1u16,
        (true, Some(_)) => 2,
        (false, None) => 3,
        (true, None) => 4,
    };
    if name.len() >= NAME {
        return Err(WriteError::TooLong { what: "an interface name", length: name.len(), limit: NAME - 1 });
    }
    put(buffer, kind.to_le_bytes());
    put(buffer, (name.len() as u16).to_le_bytes());
    for part in [addr, mask, broadcast] {
        match (addr.is_ipv6(), part) {
            (true, IpAddr::V4(v4)) => put(buffer, v4.to_ipv6_mapped().octets()),
            // There is no shorter form of a longer address; an interface that mixes them has none to give.
            (false, IpAddr::V6(_)) => put(buffer, [0; 4]),
            (_, part) => address(buffer, *part),
        }
    }
    if let Some(linkspeed) = linkspeed {
        put(buffer, linkspeed.to_le_bytes());
    }
    buffer.extend_from_slice(name);
    Ok(())
}

fn user(buffer: &mut Vec<u8>, user: &UserEntry) -> Result<(), WriteError> {
    let UserEntry { uid, gid, name, home, shell } = user;
    buffer.push(0);
    put(buffer, uid.to_le_bytes());
    put(buffer, gid.to_le_bytes());
    text(buffer, name, USER, "a user name")?;
    text(buffer, home, USER, "a home directory")?;
    text(buffer, shell, USER, "a shell")
}

fn group(buffer: &mut Vec<u8>, group: &GroupEntry) -> Result<(), WriteError> {
    buffer.push(1);
    put(buffer, group.gid.to_le_bytes());
    text(buffer, &group.name, USER, "a group name")
}

fn process(buffer: &mut Vec<u8>, thread: &ThreadEntry) -> Result<(), WriteError> {
    for number in [thread.tid, thread.pid, thread.ptid, thread.sid, thread.vpgid] {
        put(buffer, number.to_le_bytes());
    }
    text(buffer, &thread.comm, NAME, "comm")?;
    text(buffer, &thread.exe, NAME, "exe")?;
    text(buffer, &thread.exepath, NAME, "exepath")?;
    text(buffer, &thread.args, MANY, "args")?;
    text(buffer, &thread.cwd, NAME, "cwd")?;
    put(buffer, thread.fdlimit.to_le_bytes());
    let words = [thread.flags, thread.uid, thread.gid, thread.vmsize_kb, thread.vmrss_kb, thread.vmswap_kb];
    for number in words {
        put(buffer, number.to_le_bytes());
    }
    put(buffer, thread.pfmajor.to_le_bytes());
    put(buffer, thread.pfminor.to_le_bytes());
    text(buffer, &thread.env, MANY, "env")?;
    put(buffer, thread.vtid.to_le_bytes());
    put(buffer, thread.vpid.to_le_bytes());
    text(buffer, &thread.cgroups, MANY, "cgroups")?;
    text(buffer, &thread.root, NAME, "root")?;
    put(buffer, thread.pidns_init_start_ts.to_le_bytes());
    put(buffer, thread.tty.to_le_bytes());
    put(buffer, thread.loginuid.to_le_bytes());
    buffer.push(thread.exe_writable.into());
    for capabilities in [thread.cap_inheritable, thread.cap_permitted, thread.cap_effective] {
        put(buffer, capabilities.to_le_bytes());
    }
    buffer.push(thread.exe_upper_layer.into());
    for number in [thread.exe_ino, thread.exe_ino_ctime, thread.exe_ino_mtime] {
        put(buffer, number.to_le_bytes());
    }
    buffer.push(thread.exe_from_memfd.into());
    buffer.push(thread.exe_lower_layer.into());
    put(buffer, thread.pgid.to_le_bytes());
    Ok(())
}

fn fd(buffer: &mut Vec<u8>, entry: &FdEntry) -> Result<(), WriteError> {
    let FdEntry { fd, ino, kind, detail } = entry;
    put(buffer, fd.to_le_bytes());
    put(buffer, ino.to_le_bytes());
    buffer.push(*kind);
    let name_of = "a descriptor's name";
    match (kind, detail) {
        (0 | 22.., FdDetail::None) => {}
        (1 | 2 | 7 | 9..=15 | 17..=21, FdDetail::Name(name)) => text(buffer, name, NAME, name_of)?,
        (3 | 4, FdDetail::Socket { source, dest, l4proto })
            if source.0.is_ipv6() == (*kind == 4) && dest.0.is_ipv6() == (*kind == 4) =>
        {
            address(buffer, source.0);
            address(buffer, dest.0);
            put(buffer, source.1.to_le_bytes());
            put(buffer, dest.1.to_le_bytes());
            buffer.push(*l4proto);
        }
        (5 | 6, FdDetail::Server { ip, port, l4proto }) if ip.is_ipv6() == (*kind == 6) => {
            address(buffer, *ip);
            put(buffer, port.to_le_bytes());
            buffer.push(*l4proto);
        }
        (8, FdDetail::Unix { source, dest, name }) => {
            put(buffer, source.to_le_bytes());
            put(buffer, dest.to_le_bytes());
            text(buffer, name, NAME, name_of)?;
        }
        (16, FdDetail::File { flags, name, dev }) => {
            put(buffer, flags.to_le_bytes());
            text(buffer, name, NAME, name_of)?;
            put(buffer, dev.to_le_bytes());
        }
        _ => return Err(WriteError::FdKind { fd: *fd, kind: *kind }),
    }
    Ok(())
}
