//! Tables of contexts: process versions, what threads are, descriptor versions. Each field is a column.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::column;
use super::ints::{self, Ints};
use super::small::SmallWriter;
use super::texts::{Texts, TextsWriter};
use crate::block::{Ends, Fd, FdInfo, FdKind, L4Proto, MainThread, Process, Role, ThreadInfo};
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate, unzigzag, zigzag};
use crate::fcap::error::Error;
use crate::lists::Text;

/// Columns of a table have room for 8 planes each.
const STEP: u32 = 8;

/// Fields of the table of process versions.
pub(super) mod process {
    pub(crate) const ID: u32 = 0;
    pub(crate) const INFO: u32 = 1;
    /// 0 itself, 1 missing, else the row and two.
    pub(crate) const MAIN: u32 = 2;
    /// 0 none, else the row and one; likewise below.
    pub(crate) const PARENT: u32 = 3;
    /// Threads of a circle of parents, 0 for none.
    pub(crate) const CIRCLE_LENGTH: u32 = 4;
    pub(crate) const CONTAINER: u32 = 5;
    pub(crate) const SANDBOX: u32 = 6;
    pub(crate) const USER: u32 = 7;
    pub(crate) const LOGIN_USER: u32 = 8;
    pub(crate) const GROUP: u32 = 9;
    /// Parents up to the circle.
    pub(crate) const CIRCLE_STEPS: u32 = 10;
    pub(crate) const COUNT: u32 = 11;
}

/// Strings of a thread, in the order of their columns.
pub(super) const INFO_TEXTS: usize = 9;
/// Numbers of a thread; they follow its strings.
pub(super) const INFO_NUMBERS: usize = 28;

fn info_texts(info: &ThreadInfo) -> [&Text; INFO_TEXTS] {
    [
        &info.comm,
        &info.exe,
        &info.exepath,
        &info.args,
        &info.env,
        &info.cwd,
        &info.root,
        &info.cgroups,
        &info.container_id,
    ]
}

/// Numbers of a thread. Those that can be -1 are one higher; times are stored as they are.
fn info_numbers(info: &ThreadInfo) -> [u64; INFO_NUMBERS] {
    let signed = |number: i64| zigzag(number);
    let id = |number: u32| u64::from(number.wrapping_add(1));
    let bits = [info.exe_writable, info.exe_upper_layer, info.exe_lower_layer, info.exe_from_memfd]
        .into_iter()
        .enumerate()
        .fold(0, |bits, (at, bit)| bits | u64::from(bit) << at);
    [
        signed(info.tid),
        signed(info.pid.wrapping_sub(info.tid)),
        signed(info.ptid),
        signed(info.vtid.wrapping_sub(info.tid)),
        signed(info.vpid.wrapping_sub(info.pid)),
        signed(info.sid),
        signed(info.vpgid),
        signed(info.pgid),
        id(info.uid),
        id(info.gid),
        id(info.loginuid),
        u64::from(info.tty),
        u64::from(info.flags),
        signed(info.fdlimit),
        info.cap_inheritable,
        info.cap_permitted,
        info.cap_effective ^ info.cap_permitted,
        bits,
        info.exe_ino,
        info.exe_ino_ctime,
        info.exe_ino_mtime,
        info.exe_ctime_duration_clone,
        info.exe_ctime_duration_pidns,
        info.clone_ts,
        info.lastexec_ts.wrapping_sub(info.clone_ts),
        info.pidns_init_start_ts,
        0,
        0,
    ]
}

/// Distinct process versions of a block and all that they refer to.
pub(super) struct ProcessesWriter<'a> {
    rows: HashMap<u64, u32, FixedState>,
    versions: Vec<&'a Process>,
    infos: HashMap<*const ThreadInfo, u32, FixedState>,
    info_rows: Vec<&'a ThreadInfo>,
}

impl<'a> ProcessesWriter<'a> {
    pub(super) fn new() -> Self {
        ProcessesWriter {
            rows: HashMap::default(),
            versions: Vec::new(),
            infos: HashMap::default(),
            info_rows: Vec::new(),
        }
    }

    /// The row of a version, a new one where it is not known yet.
    pub(super) fn row(&mut self, version: &'a Process) -> u32 {
        let versions = &mut self.versions;
        *self.rows.entry(version.id).or_insert_with(|| {
            versions.push(version);
            versions.len() as u32 - 1
        })
    }

    /// Adds all that the rows refer to; gives how many came from outside.
    pub(super) fn close(&mut self) {
        let mut at = 0;
        while at < self.versions.len() {
            let version = self.versions[at];
            if let MainThread::Other(main) = &version.main {
                self.row(main);
            }
            if let Some(parent) = &version.parent {
                self.row(parent);
            }
            let infos = &mut self.info_rows;
            self.infos.entry(Arc::as_ptr(&version.info)).or_insert_with(|| {
                infos.push(&version.info);
                infos.len() as u32 - 1
            });
            at += 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    pub(super) fn info_count(&self) -> usize {
        self.info_rows.len()
    }

    pub(super) fn tid(&self, row: u32) -> i64 {
        self.versions.get(row as usize).map_or(-1, |version| version.info.tid)
    }

    /// For each row the number of the process that its descriptors belong to.
    pub(super) fn tables(&self) -> Vec<u32> {
        number_processes(self.versions.iter().map(|version| version.info.pid))
    }

    pub(super) fn versions(&self) -> &[&'a Process] {
        &self.versions
    }

    /// Writes both tables.
    pub(super) fn put(
        &self,
        out: &mut ColumnsWriter,
        scratch: &mut Vec<u8>,
        texts: &mut TextsWriter,
        small: &mut SmallWriter<'a>,
    ) {
        let mut fields: Vec<Vec<u64>> = (0..process::COUNT).map(|_| Vec::with_capacity(self.versions.len())).collect();
        let mut last_id = 0u64;
        for version in &self.versions {
            let row = |other: Option<&Arc<Process>>| {
                other.map_or(0, |other| u64::from(self.rows.get(&other.id).copied().unwrap_or(0)) + 1)
            };
            let values = [
                zigzag(version.id.wrapping_sub(last_id) as i64),
                u64::from(self.infos.get(&Arc::as_ptr(&version.info)).copied().unwrap_or(0)),
                match &version.main {
                    MainThread::Itself => 0,
                    MainThread::Missing => 1,
                    MainThread::Other(main) => row(Some(main)) + 1,
                },
                row(version.parent.as_ref()),
                version.circle.map_or(0, |circle| u64::from(circle.length)),
                small.container(version.container.as_ref()),
                small.container(version.sandbox.as_ref()),
                small.user(version.user.as_ref()),
                small.user(version.login_user.as_ref()),
                small.group(version.group.as_ref()),
                version.circle.map_or(0, |circle| u64::from(circle.steps)),
            ];
            last_id = version.id;
            for (field, value) in fields.iter_mut().zip(values) {
                field.push(value);
            }
        }
        for (field, values) in (0..).zip(&fields) {
            ints::put(out, scratch, column::PROCESS_TABLE + field * STEP, values);
        }
        let mut texts_of: [Vec<u64>; INFO_TEXTS] = Default::default();
        let mut numbers_of: [Vec<u64>; INFO_NUMBERS] = Default::default();
        for info in &self.info_rows {
            for (column, text) in texts_of.iter_mut().zip(info_texts(info)) {
                column.push(texts.add(text).0);
            }
            for (column, number) in numbers_of.iter_mut().zip(info_numbers(info)) {
                column.push(number);
            }
        }
        for (field, values) in (0..).zip(texts_of.iter().chain(&numbers_of)) {
            ints::put(out, scratch, column::INFO_TABLE + field * STEP, values);
        }
    }
}

/// Numbers process ids by first use.
fn number_processes(pids: impl Iterator<Item = i64>) -> Vec<u32> {
    let mut known: HashMap<i64, u32, FixedState> = HashMap::default();
    pids.map(|pid| {
        let next = known.len() as u32;
        *known.entry(pid).or_insert(next)
    })
    .collect()
}

/// The table of process versions as it was read.
#[derive(Debug, Default)]
pub(super) struct Processes {
    pub(super) ids: Vec<u64>,
    pub(super) fields: Vec<Ints>,
}

impl Processes {
    pub(super) fn read(columns: &Columns<'_>, zstd: &mut Inflate, rows: usize) -> Result<Processes, Error> {
        let mut fields = Vec::with_capacity(process::COUNT as usize);
        for field in 0..process::COUNT {
            fields.push(Ints::read(columns, zstd, column::PROCESS_TABLE + field * STEP, rows)?);
        }
        let ids = running_sum(&fields[process::ID as usize]);
        Ok(Processes { ids, fields })
    }

    pub(super) fn get(&self, field: u32, row: usize) -> u64 {
        self.fields.get(field as usize).map_or(0, |ints| ints.get(row))
    }
}

fn running_sum(deltas: &Ints) -> Vec<u64> {
    let mut id = 0u64;
    deltas
        .iter()
        .map(|delta| {
            id = id.wrapping_add(unzigzag(delta) as u64);
            id
        })
        .collect()
}

/// The table of threads as it was read.
#[derive(Debug, Default)]
pub(super) struct Infos {
    texts: Vec<Ints>,
    numbers: Vec<Ints>,
}

/// For each row of the process table the thread id, and the number of the process, see [`ProcessesWriter::tables`].
pub(super) fn thread_ids(
    columns: &Columns<'_>,
    zstd: &mut Inflate,
    infos: usize,
    processes: &Processes,
) -> Result<(Vec<i64>, Vec<u32>), Error> {
    let numbers = column::INFO_TABLE + INFO_TEXTS as u32 * STEP;
    let tids = Ints::read(columns, zstd, numbers, infos)?;
    let pids = Ints::read(columns, zstd, numbers + STEP, infos)?;
    let rows = processes.fields.get(process::INFO as usize);
    let info_of: Vec<usize> = rows.iter().flat_map(|ints| ints.iter()).map(|row| row as usize).collect();
    let tid = |row: usize| unzigzag(tids.get(row));
    let tables = number_processes(info_of.iter().map(|&row| unzigzag(pids.get(row)).wrapping_add(tid(row))));
    Ok((info_of.iter().map(|&row| tid(row)).collect(), tables))
}

impl Infos {
    pub(super) fn read(columns: &Columns<'_>, zstd: &mut Inflate, rows: usize) -> Result<Infos, Error> {
        let mut all = Vec::with_capacity(INFO_TEXTS + INFO_NUMBERS);
        for field in 0..(INFO_TEXTS + INFO_NUMBERS) as u32 {
            all.push(Ints::read(columns, zstd, column::INFO_TABLE + field * STEP, rows)?);
        }
        let numbers = all.split_off(INFO_TEXTS);
        Ok(Infos { texts: all, numbers })
    }

    /// Makes the thread of a row.
    pub(super) fn make(&self, row: usize, texts: &Texts) -> ThreadInfo {
        let text = |field: usize| texts.text(self.texts.get(field).map_or(0, |ints| ints.get(row)));
        let number = |field: usize| self.numbers.get(field).map_or(0, |ints| ints.get(row));
        let signed = |field: usize| unzigzag(number(field));
        let id = |field: usize| (number(field) as u32).wrapping_sub(1);
        let bit = |at: u32| number(17) >> at & 1 == 1;
        let tid = signed(0);
        let pid = signed(1).wrapping_add(tid);
        let clone_ts = number(23);
        ThreadInfo {
            tid,
            pid,
            ptid: signed(2),
            vtid: signed(3).wrapping_add(tid),
            vpid: signed(4).wrapping_add(pid),
            sid: signed(5),
            vpgid: signed(6),
            pgid: signed(7),
            comm: text(0),
            exe: text(1),
            exepath: text(2),
            args: text(3),
            env: text(4),
            cwd: text(5),
            root: text(6),
            cgroups: text(7),
            container_id: text(8),
            uid: id(8),
            gid: id(9),
            loginuid: id(10),
            tty: number(11) as u32,
            flags: number(12) as u32,
            fdlimit: signed(13),
            cap_inheritable: number(14),
            cap_permitted: number(15),
            cap_effective: number(16) ^ number(15),
            exe_writable: bit(0),
            exe_upper_layer: bit(1),
            exe_lower_layer: bit(2),
            exe_from_memfd: bit(3),
            exe_ino: number(18),
            exe_ino_ctime: number(19),
            exe_ino_mtime: number(20),
            exe_ctime_duration_clone: number(21),
            exe_ctime_duration_pidns: number(22),
            clone_ts,
            lastexec_ts: number(24).wrapping_add(clone_ts),
            pidns_init_start_ts: number(25),
        }
    }
}

/// Fields of the table of descriptor versions.
pub(super) mod fd {
    pub(crate) const ID: u32 = 0;
    pub(crate) const KIND: u32 = 1;
    pub(crate) const NAME: u32 = 2;
    pub(crate) const RAW_NAME: u32 = 3;
    pub(crate) const OPEN_FLAGS: u32 = 4;
    pub(crate) const DEV: u32 = 5;
    pub(crate) const INO: u32 = 6;
    /// Protocol, role and bits.
    pub(crate) const SOCKET: u32 = 7;
    pub(crate) const PID: u32 = 8;
    /// 0 none, 1 IPv4, 2 IPv6, 3 unix; bits 2 and 3: an end of a connection is IPv6 where the other is not.
    pub(crate) const ENDS: u32 = 9;
    pub(crate) const SOURCE_LOW: u32 = 10;
    pub(crate) const SOURCE_HIGH: u32 = 11;
    pub(crate) const DEST_LOW: u32 = 12;
    pub(crate) const DEST_HIGH: u32 = 13;
    pub(crate) const PORTS: u32 = 14;
    pub(crate) const COUNT: u32 = 15;
}

/// An address as two numbers, and whether it has 16 bytes.
fn address(ip: IpAddr) -> (u64, u64, bool) {
    match ip {
        IpAddr::V4(ip) => (u64::from(u32::from(ip)), 0, false),
        IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            (bits as u64, (bits >> 64) as u64, true)
        }
    }
}

fn ip(low: u64, high: u64, wide: bool) -> IpAddr {
    if wide {
        IpAddr::V6(Ipv6Addr::from(u128::from(high) << 64 | u128::from(low)))
    } else {
        IpAddr::V4(Ipv4Addr::from(low as u32))
    }
}

/// Distinct descriptor versions of a block.
pub(super) struct FdsWriter<'a> {
    rows: HashMap<u64, u32, FixedState>,
    versions: Vec<&'a Fd>,
}

impl<'a> FdsWriter<'a> {
    pub(super) fn new() -> Self {
        FdsWriter { rows: HashMap::default(), versions: Vec::new() }
    }

    /// The row of a version, a new one where it is not known yet.
    pub(super) fn row(&mut self, version: &'a Fd) -> u32 {
        let versions = &mut self.versions;
        *self.rows.entry(version.id).or_insert_with(|| {
            versions.push(version);
            versions.len() as u32 - 1
        })
    }

    pub(super) fn versions(&self) -> &[&'a Fd] {
        &self.versions
    }

    /// Writes the table. A name that is its raw name too has one string.
    pub(super) fn put(&self, out: &mut ColumnsWriter, scratch: &mut Vec<u8>, texts: &mut TextsWriter) {
        let mut fields: Vec<Vec<u64>> = (0..fd::COUNT).map(|_| Vec::with_capacity(self.versions.len())).collect();
        let mut last_id = 0u64;
        for version in &self.versions {
            let info = &version.info;
            let before = texts.len() as u64;
            let name = texts.add(&info.name);
            let raw_name = texts.add(&info.raw_name);
            let socket = info.l4proto as u64
                | (info.role as u64) << 3
                | u64::from(info.connected) << 5
                | u64::from(info.upper_layer) << 6
                | u64::from(info.lower_layer) << 7;
            let (ends, source, dest, ports) = match info.ends {
                Ends::None => (0, (0, 0), (0, 0), 0),
                Ends::Unix { source, dest } => (3, (source, 0), (dest, 0), 0),
                Ends::Inet { source, dest } => {
                    let (low, high, wide) = address(source.0);
                    let (dest_low, dest_high, dest_wide) = address(dest.0);
                    let kind = 1 | u64::from(wide) << 2 | u64::from(dest_wide) << 3;
                    let ports = u64::from(source.1) << 16 | u64::from(dest.1);
                    (kind, (low, high), (dest_low, dest_high), ports)
                }
            };
            let values = [
                zigzag(version.id.wrapping_sub(last_id) as i64),
                info.kind as u64,
                // 0: the next string; so new names cost nothing here.
                if name.1 { 0 } else { name.0 + 1 },
                // 0: the same as the name; 1: the next string.
                match raw_name {
                    (same, _) if same == name.0 => 0,
                    (_, true) => 1,
                    (known, false) => known + 2,
                },
                u64::from(info.open_flags),
                u64::from(info.dev),
                info.ino,
                socket,
                zigzag(info.pid),
                ends,
                source.0,
                source.1,
                dest.0,
                dest.1,
                ports,
            ];
            debug_assert!(!name.1 || name.0 == before);
            last_id = version.id;
            for (field, value) in fields.iter_mut().zip(values) {
                field.push(value);
            }
        }
        for (field, values) in (0..).zip(&fields) {
            ints::put(out, scratch, column::FD_TABLE + field * STEP, values);
        }
    }
}

/// The table of descriptor versions as it was read; only ids at first.
#[derive(Debug, Default)]
pub(super) struct Fds {
    fields: Vec<Ints>,
    names: Vec<u32>,
    raw_names: Vec<u32>,
}

/// The ids of descriptor versions.
pub(super) fn fd_ids(columns: &Columns<'_>, zstd: &mut Inflate, rows: usize) -> Result<Vec<u64>, Error> {
    Ok(running_sum(&Ints::read(columns, zstd, column::FD_TABLE + fd::ID * STEP, rows)?))
}

impl Fds {
    pub(super) fn read(columns: &Columns<'_>, zstd: &mut Inflate, rows: usize) -> Result<Fds, Error> {
        let mut fields = vec![Ints::default()];
        for field in 1..fd::COUNT {
            fields.push(Ints::read(columns, zstd, column::FD_TABLE + field * STEP, rows)?);
        }
        // Numbers of strings are given out in the order of the rows: a name, then a raw name of its own.
        let mut names = Vec::with_capacity(rows);
        let mut raw_names = Vec::with_capacity(rows);
        let mut next = 1u32;
        for row in 0..rows {
            let name = match fields[fd::NAME as usize].get(row) {
                0 => {
                    next += 1;
                    next - 1
                }
                other => (other - 1) as u32,
            };
            let raw_name = match fields[fd::RAW_NAME as usize].get(row) {
                0 => name,
                1 => {
                    next += 1;
                    next - 1
                }
                other => (other - 2) as u32,
            };
            names.push(name);
            raw_names.push(raw_name);
        }
        Ok(Fds { fields, names, raw_names })
    }

    /// A number of a row.
    pub(super) fn get(&self, field: u32, row: usize) -> u64 {
        self.fields.get(field as usize).map_or(0, |ints| ints.get(row))
    }

    /// The number of the raw name's string.
    pub(super) fn raw_name(&self, row: usize) -> u32 {
        self.raw_names.get(row).copied().unwrap_or(0)
    }

    /// The number of the name's string.
    pub(super) fn name(&self, row: usize) -> u32 {
        self.names.get(row).copied().unwrap_or(0)
    }

    /// Makes the descriptor of a row.
    pub(super) fn make(&self, row: usize, texts: &Texts) -> FdInfo {
        let socket = self.get(fd::SOCKET, row);
        let ends = self.get(fd::ENDS, row);
        let (low, high) = (self.get(fd::SOURCE_LOW, row), self.get(fd::SOURCE_HIGH, row));
        let (dest_low, dest_high) = (self.get(fd::DEST_LOW, row), self.get(fd::DEST_HIGH, row));
        let ports = self.get(fd::PORTS, row);
        let name = texts.text(u64::from(self.name(row)));
        let raw_name =
            if self.raw_name(row) == self.name(row) { name.clone() } else { texts.text(u64::from(self.raw_name(row))) };
        FdInfo {
            kind: FdKind::from_number(self.get(fd::KIND, row) as u8),
            name,
            raw_name,
            open_flags: self.get(fd::OPEN_FLAGS, row) as u32,
            dev: self.get(fd::DEV, row) as u32,
            ino: self.get(fd::INO, row),
            ends: match ends & 3 {
                0 => Ends::None,
                3 => Ends::Unix { source: low, dest: dest_low },
                _ => Ends::Inet {
                    source: (ip(low, high, ends & 4 != 0), (ports >> 16) as u16),
                    dest: (ip(dest_low, dest_high, ends & 8 != 0), ports as u16),
                },
            },
            l4proto: L4Proto::from_number((socket & 7) as u8),
            role: match socket >> 3 & 3 {
                1 => Role::Client,
                2 => Role::Server,
                _ => Role::None,
            },
            connected: socket >> 5 & 1 == 1,
            upper_layer: socket >> 6 & 1 == 1,
            lower_layer: socket >> 7 & 1 == 1,
            pid: unzigzag(self.get(fd::PID, row)),
        }
    }
}
