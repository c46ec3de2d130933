//! The blocks before the events: machine, processes, descriptors, interfaces, users.
//!
//! Facts: scap-format §3 to §7.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::{Error, Problem};
use crate::batch::until_nul;
use crate::lists::{FdDetail, FdEntry, GroupEntry, Head, Interface, Machine, Text, ThreadEntry, UserEntry};

/// Longest name or path.
const NAME: usize = 1024;
/// Longest arguments, environment, cgroups.
const MANY: usize = 4096;
/// Longest user name, home directory, shell.
const USER: usize = 255;
/// Bytes of a V9 process entry after the root directory up to which it has no namespace start and no terminal.
const SHORT_TAIL: usize = 29;

const PROCESS_LIST: &str = "process list";
const FD_LIST: &str = "descriptor list";
const INTERFACE_LIST: &str = "interface list";
const USER_LIST: &str = "user list";
const MACHINE_INFO: &str = "machine info";

/// Reads numbers and texts off a list; running out of bytes is an error with its place.
struct Fields<'a> {
    rest: &'a [u8],
    /// Place of `rest` in the stream.
    offset: u64,
    list: &'static str,
}

impl<'a> Fields<'a> {
    fn overrun(&self, field: &'static str) -> Error {
        Error::new(self.offset, Problem::ListOverrun { list: self.list, field })
    }

    fn invalid(&self, field: &'static str, value: usize) -> Error {
        Error::new(self.offset, Problem::ListValue { list: self.list, field, value: value as u64 })
    }

    fn take(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.overrun(field))?;
        self.rest = rest;
        self.offset += count as u64;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.overrun(field))?;
        self.rest = rest;
        self.offset += N as u64;
        Ok(*taken)
    }

    fn u8(&mut self, field: &'static str) -> Result<u8, Error> {
        self.array(field).map(u8::from_le_bytes)
    }

    fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_le_bytes)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(u32::from_le_bytes)
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, Error> {
        self.array(field).map(u64::from_le_bytes)
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, Error> {
        self.array(field).map(i64::from_le_bytes)
    }

    /// A text after its length (u16).
    fn text(&mut self, most: usize, field: &'static str) -> Result<Text, Error> {
        let length = usize::from(self.u16(field)?);
        if length > most {
            return Err(self.invalid(field, length));
        }
        self.take(length, field).map(Text::from)
    }

    fn ip(&mut self, v6: bool, field: &'static str) -> Result<IpAddr, Error> {
        Ok(if v6 {
            Ipv6Addr::from(self.array::<16>(field)?).into()
        } else {
            Ipv4Addr::from(self.array::<4>(field)?).into()
        })
    }

    /// Whether there is another entry: fewer than four bytes are padding.
    fn more(&self) -> bool {
        self.rest.len() >= 4
    }

    /// Cuts off the entry that begins with its length. `inclusive`: the length counts itself.
    fn entry(&mut self, inclusive: bool) -> Result<Fields<'a>, Error> {
        let length = self.u32("entry length")? as usize;
        let Some(length) = length.checked_sub(if inclusive { 4 } else { 0 }) else {
            return Err(self.invalid("entry length", length));
        };
        let (offset, list) = (self.offset, self.list);
        let rest = self.take(length, "entry length")?;
        Ok(Fields { rest, offset, list })
    }

    /// The entry that comes next: a part of its own where entries have lengths, else the rest of the list.
    fn each<T>(
        &mut self,
        framed: Option<bool>,
        one: impl FnOnce(&mut Fields<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match framed {
            // What the entry has beyond the known fields is skipped with it.
            Some(inclusive) => one(&mut self.entry(inclusive)?),
            None => one(self),
        }
    }

    fn if_fits<T>(
        &mut self,
        size: usize,
        absent: T,
        read: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.rest.len() >= size { read(self) } else { Ok(absent) }
    }
}

/// A block before the events; `body` starts at `offset` of the stream.
pub(super) fn machine(body: &[u8], offset: u64, head: &mut Head) -> Result<(), Error> {
    let mut fields = Fields { rest: body, offset, list: MACHINE_INFO };
    let cpus = fields.u32("processors")?;
    let memory = fields.u64("memory")?;
    let max_pid = fields.u64("largest process id")?;
    // The last byte is a NUL in any case.
    let hostname = Text::from(until_nul(&fields.array::<128>("host name")?[..127]));
    let boot_time = fields.u64("boot time")?;
    let flags = [fields.u64("flags")?, fields.u64("reserved")?, fields.u64("reserved")?];
    // This block has one size only, padding apart.
    if fields.more() {
        return Err(fields.invalid("length", body.len()));
    }
    head.machine = Some(Machine { cpus, memory, max_pid, hostname, boot_time, flags });
    Ok(())
}

pub(super) fn processes(body: &[u8], offset: u64, version: u8, head: &mut Head) -> Result<(), Error> {
    let mut fields = Fields { rest: body, offset, list: PROCESS_LIST };
    while fields.more() {
        let framed = (version >= 9).then_some(true);
        let thread = fields.each(framed, |entry| process(entry, version))?;
        head.threads.push(thread);
    }
    Ok(())
}

fn process(entry: &mut Fields<'_>, version: u8) -> Result<ThreadEntry, Error> {
    let empty = || Text::from(&[][..]);
    // Fields stand in the order in which they are read; a struct expression evaluates them in that order.
    let mut thread = ThreadEntry {
        tid: entry.i64("tid")?,
        pid: entry.i64("pid")?,
        ptid: entry.i64("ptid")?,
        sid: if version >= 6 { entry.i64("sid")? } else { -1 },
        vpgid: if version >= 8 { entry.i64("vpgid")? } else { -1 },
        comm: entry.text(NAME, "comm")?,
        exe: entry.text(NAME, "exe")?,
        exepath: if version >= 7 { entry.text(NAME, "exepath")? } else { empty() },
        args: entry.text(MANY, "args")?,
        cwd: entry.text(NAME, "cwd")?,
        fdlimit: entry.i64("fdlimit")?,
        flags: entry.u32("flags")?,
        uid: entry.u32("uid")?,
        gid: entry.u32("gid")?,
        vmsize_kb: if version >= 2 { entry.u32("vmsize")? } else { 0 },
        vmrss_kb: if version >= 2 { entry.u32("vmrss")? } else { 0 },
        vmswap_kb: if version >= 2 { entry.u32("vmswap")? } else { 0 },
        pfmajor: if version >= 2 { entry.u64("pfmajor")? } else { 0 },
        pfminor: if version >= 2 { entry.u64("pfminor")? } else { 0 },
        env: if version >= 3 { entry.text(MANY, "env")? } else { empty() },
        vtid: if version >= 4 { entry.i64("vtid")? } else { -1 },
        vpid: if version >= 4 { entry.i64("vpid")? } else { -1 },
        cgroups: if version >= 4 { entry.text(MANY, "cgroups")? } else { empty() },
        root: if version >= 5 { entry.text(NAME, "root")? } else { empty() },
        pidns_init_start_ts: 0,
        tty: 0,
        loginuid: u32::MAX,
        exe_writable: false,
        exe_upper_layer: false,
        exe_lower_layer: false,
        exe_from_memfd: false,
        cap_inheritable: 0,
        cap_permitted: 0,
        cap_effective: 0,
        exe_ino: 0,
        exe_ino_ctime: 0,
        exe_ino_mtime: 0,
        pgid: -1,
    };
    if version >= 9 {
        process_tail(entry, &mut thread)?;
    }
    Ok(thread)
}

/// The fields that later writers appended one after the other: each is there only if the entry is long enough.
fn process_tail(entry: &mut Fields<'_>, thread: &mut ThreadEntry) -> Result<(), Error> {
    if entry.rest.len() > SHORT_TAIL {
        thread.pidns_init_start_ts = entry.u64("pidns_init_start_ts")?;
        thread.tty = entry.u32("tty")?;
    }
    thread.loginuid = entry.if_fits(4, thread.loginuid, |entry| entry.u32("loginuid"))?;
    thread.exe_writable = entry.if_fits(1, 0, |entry| entry.u8("exe_writable"))? != 0;
    thread.cap_inheritable = entry.if_fits(8, 0, |entry| entry.u64("cap_inheritable"))?;
    thread.cap_permitted = entry.if_fits(8, 0, |entry| entry.u64("cap_permitted"))?;
    thread.cap_effective = entry.if_fits(8, 0, |entry| entry.u64("cap_effective"))?;
    thread.exe_upper_layer = entry.if_fits(1, 0, |entry| entry.u8("exe_upper_layer"))? != 0;
    thread.exe_ino = entry.if_fits(8, 0, |entry| entry.u64("exe_ino"))?;
    thread.exe_ino_ctime = entry.if_fits(8, 0, |entry| entry.u64("exe_ino_ctime"))?;
    thread.exe_ino_mtime = entry.if_fits(8, 0, |entry| entry.u64("exe_ino_mtime"))?;
    thread.exe_from_memfd = entry.if_fits(1, 0, |entry| entry.u8("exe_from_memfd"))? != 0;
    thread.exe_lower_layer = entry.if_fits(1, 0, |entry| entry.u8("exe_lower_layer"))? != 0;
    thread.pgid = entry.if_fits(8, -1, |entry| entry.i64("pgid"))?;
    Ok(())
}

pub(super) fn fds(body: &[u8], offset: u64, version: u8, head: &mut Head) -> Result<(), Error> {
    let mut fields = Fields { rest: body, offset, list: FD_LIST };
    let tid = fields.i64("tid")?;
    let mut entries = Vec::new();
    while fields.more() {
        let framed = (version >= 2).then_some(true);
        entries.push(fields.each(framed, |entry| fd(entry, version))?);
    }
    head.fds.push((tid, entries));
    Ok(())
}

fn fd(entry: &mut Fields<'_>, version: u8) -> Result<FdEntry, Error> {
    let fd = entry.i64("fd")?;
    let ino = entry.u64("ino")?;
    let kind = entry.u8("type")?;
    let detail = match kind {
        0 | 22.. => FdDetail::None,
        3 | 4 => {
            let source = entry.ip(kind == 4, "source address")?;
            let dest = entry.ip(kind == 4, "destination address")?;
            let source = (source, entry.u16("source port")?);
            let dest = (dest, entry.u16("destination port")?);
            FdDetail::Socket { source, dest, l4proto: entry.u8("protocol")? }
        }
        5 | 6 => FdDetail::Server {
            ip: entry.ip(kind == 6, "address")?,
            port: entry.u16("port")?,
            l4proto: entry.u8("protocol")?,
        },
        8 => FdDetail::Unix {
            source: entry.u64("source")?,
            dest: entry.u64("destination")?,
            name: entry.text(NAME, "name")?,
        },
        16 => FdDetail::File {
            flags: entry.u32("open flags")?,
            name: entry.text(NAME, "name")?,
            // Only entries with a length can say that they have one.
            dev: if version >= 2 { entry.if_fits(4, 0, |entry| entry.u32("device"))? } else { 0 },
        },
        1 | 2 | 7 | 9..=15 | 17..=21 => FdDetail::Name(entry.text(NAME, "name")?),
    };
    Ok(FdEntry { fd, ino, kind, detail })
}

/// A repeated list replaces the one before it.
pub(super) fn interfaces(body: &[u8], offset: u64, version: u8, head: &mut Head) -> Result<(), Error> {
    let mut fields = Fields { rest: body, offset, list: INTERFACE_LIST };
    head.interfaces.clear();
    while fields.more() {
        // The one list whose entry length does not count itself.
        let framed = (version >= 2).then_some(false);
        head.interfaces.push(fields.each(framed, interface)?);
    }
    Ok(())
}

fn interface(entry: &mut Fields<'_>) -> Result<Interface, Error> {
    let kind = entry.u16("type")?;
    if !matches!(kind, 1..=4) {
        return Err(entry.invalid("type", usize::from(kind)));
    }
    let length = usize::from(entry.u16("name length")?);
    if length >= NAME {
        return Err(entry.invalid("name length", length));
    }
    let v6 = matches!(kind, 2 | 4);
    Ok(Interface {
        addr: entry.ip(v6, "address")?,
        mask: entry.ip(v6, "netmask")?,
        broadcast: entry.ip(v6, "broadcast address")?,
        linkspeed: if kind <= 2 { Some(entry.u64("linkspeed")?) } else { None },
        name: entry.take(length, "name")?.into(),
    })
}

/// A repeated list replaces the one before it.
pub(super) fn users(body: &[u8], offset: u64, version: u8, head: &mut Head) -> Result<(), Error> {
    let mut fields = Fields { rest: body, offset, list: USER_LIST };
    head.users.clear();
    head.groups.clear();
    while fields.more() {
        let framed = (version >= 2).then_some(true);
        fields.each(framed, |entry| {
            if entry.u8("type")? == 0 {
                head.users.push(UserEntry {
                    uid: entry.u32("uid")?,
                    gid: entry.u32("gid")?,
                    name: entry.text(USER, "name")?,
                    home: entry.text(USER, "home directory")?,
                    shell: entry.text(USER, "shell")?,
                });
            } else {
                head.groups.push(GroupEntry { gid: entry.u32("gid")?, name: entry.text(USER, "name")? });
            }
            Ok(())
        })?;
    }
    Ok(())
}
