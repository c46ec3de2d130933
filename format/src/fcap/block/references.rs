//! References: of some kinds every one is stored, of others only those that differ from the last of the same thread.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::column;
use super::head::{Head, RefGroup};
use super::ints::{self, Ints};
use super::small::SmallWriter;
use super::tables::{FdsWriter, ProcessesWriter};
use crate::block::{Block, NONE, Ref, RefKind};
use crate::demand::want;
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate, unzigzag, zigzag};
use crate::fcap::error::{Error, Problem};

/// Columns of a group have room for three times 8 planes.
const STEP: u32 = 24;

/// What the value of a reference is a row of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Fd,
    Process,
    User,
    Group,
    Container,
    Number,
}

/// Kinds in the order of their numbers in the file: whether only changes are stored, target, and who asks for it.
const KINDS: [(RefKind, bool, Target, u16); 16] = [
    (RefKind::ParamFd, false, Target::Fd, want::PARAMS),
    (RefKind::ParamProcess, false, Target::Process, want::PARAMS),
    (RefKind::ParamUser, false, Target::User, want::PARAMS),
    (RefKind::ParamGroup, false, Target::Group, want::PARAMS),
    (RefKind::FdNumber, true, Target::Fd, want::STDIO),
    (RefKind::PollFd, false, Target::Fd, want::POLL),
    (RefKind::FdKinds, true, Target::Number, want::FD_KINDS),
    (RefKind::FdCount, true, Target::Number, want::COUNTS),
    (RefKind::Threads, true, Target::Number, want::COUNTS),
    (RefKind::Children, true, Target::Number, want::COUNTS),
    (RefKind::SessionLeader, true, Target::Process, want::LEADERS),
    (RefKind::VgroupLeader, true, Target::Process, want::LEADERS),
    (RefKind::GroupLeader, true, Target::Process, want::LEADERS),
    (RefKind::Memory, true, Target::Number, want::MEMORY),
    (RefKind::EventContainer, false, Target::Container, u16::MAX),
    (RefKind::CpuPercent, false, Target::Number, want::CPU),
];

fn number_of(kind: RefKind) -> usize {
    KINDS.iter().position(|entry| entry.0 == kind).unwrap_or(0)
}

/// Makes rows of everything that references mention, in their order.
pub(super) fn collect<'a>(
    block: &'a Block,
    processes: &mut ProcessesWriter<'a>,
    fds: &mut FdsWriter<'a>,
    small: &mut SmallWriter<'a>,
) -> Vec<u64> {
    // Rows of this block that were looked up already.
    let mut of_fd = vec![0u64; block.fds.len()];
    let mut of_process = vec![0u64; block.processes.len()];
    block
        .refs
        .iter()
        .map(|reference| {
            let at = reference.value as usize;
            match KINDS[number_of(reference.kind)].2 {
                Target::Number => reference.value,
                Target::Fd => match (of_fd.get_mut(at), block.fds.get(at)) {
                    (Some(known), Some(fd)) => {
                        if *known == 0 {
                            *known = u64::from(fds.row(fd)) + 1;
                        }
                        *known
                    }
                    _ => 0,
                },
                Target::Process => match (of_process.get_mut(at), block.processes.get(at)) {
                    (Some(known), Some(process)) => {
                        if *known == 0 {
                            *known = u64::from(processes.row(process)) + 1;
                        }
                        *known
                    }
                    _ => 0,
                },
                Target::User => small.user(block.users.get(at)),
                Target::Group => small.group(block.groups.get(at)),
                Target::Container => small.container(block.containers.get(at)),
            }
        })
        .collect()
}

/// Writes references down. `values`: of [`collect`]; for each event `tids`, the thread id of its process version, and
/// the rows of its process and descriptor versions.
pub(super) fn put(
    out: &mut ColumnsWriter,
    scratch: &mut Vec<u8>,
    block: &Block,
    values: &[u64],
    tids: &[i64],
    (processes, fds): (&[u32], &[u32]),
    head: &mut Head,
) {
    #[derive(Default)]
    struct Group {
        rows: Vec<u64>,
        keys: Vec<u64>,
        values: Vec<u64>,
        before: u32,
        last: HashMap<i64, u64, FixedState>,
        told: Told,
    }
    let mut groups: Vec<((usize, u16), Group)> = Vec::new();
    for (reference, &value) in block.refs.iter().zip(values) {
        let kind = number_of(reference.kind);
        let changes = KINDS[kind].1;
        let key = if changes { reference.key } else { 0 };
        let at = match groups.iter().position(|(other, _)| *other == (kind, key)) {
            Some(at) => at,
            None => {
                groups.push(((kind, key), Group::default()));
                groups.len() - 1
            }
        };
        let group = &mut groups[at].1;
        let stored = if changes {
            let tid = tids.get(reference.row as usize).copied().unwrap_or(-1);
            let last = group.last.insert(tid, value);
            if last == Some(value) {
                continue;
            }
            zigzag(value.wrapping_sub(last.unwrap_or(0)) as i64)
        } else {
            group.keys.push(u64::from(reference.key));
            let process = processes.get(reference.row as usize).copied().unwrap_or(NONE);
            group.told.code(KINDS[kind].2, own(fds, reference.row), (process, reference.key), value)
        };
        group.rows.push(u64::from(reference.row - group.before));
        group.before = reference.row;
        group.values.push(stored);
    }
    groups.sort_by_key(|(key, _)| *key);
    for (base, ((kind, key), group)) in (column::REFERENCES..).step_by(STEP as usize).zip(&groups) {
        ints::put(out, scratch, base, &group.rows);
        ints::put(out, scratch, base + 8, &group.values);
        ints::put(out, scratch, base + 16, &group.keys);
        head.refs.push(RefGroup { kind: *kind as u8, key: *key, count: group.rows.len() as u32 });
    }
}

/// The event's own descriptor row and one; 0 for none.
fn own(fds: &[u32], row: u32) -> u64 {
    fds.get(row as usize).map_or(0, |&fd| if fd == NONE { 0 } else { u64::from(fd) + 1 })
}

/// Codes of references whose every one is stored: what parameters number is mostly a copy of the event's own descriptor,
/// or what the same parameter of the thread numbered before.
#[derive(Default)]
struct Told {
    /// By process row and parameter.
    last: Vec<u64>,
}

impl Told {
    const OWN: u64 = 0;
    const LAST: u64 = 1;
    const OTHER: u64 = 2;

    /// What the same parameter of the process version at `row` last numbered; `NONE` is a row too.
    #[inline]
    fn last(&mut self, row: u32, key: u16) -> &mut u64 {
        let place = row.wrapping_add(1) as usize * 8 + usize::from(key % 8);
        if place >= self.last.len() {
            self.last.resize((place + 1).next_power_of_two(), 0);
        }
        &mut self.last[place]
    }

    fn code(&mut self, target: Target, own: u64, place: (u32, u16), value: u64) -> u64 {
        if target == Target::Fd && value == own {
            return Self::OWN;
        }
        let last = std::mem::replace(self.last(place.0, place.1), value);
        if last == value { Self::LAST } else { Self::OTHER + value }
    }

    fn value(&mut self, target: Target, own: u64, place: (u32, u16), code: u64) -> u64 {
        match code {
            Self::OWN if target == Target::Fd => own,
            Self::OWN => 0,
            Self::LAST => *self.last(place.0, place.1),
            code => {
                *self.last(place.0, place.1) = code - Self::OTHER;
                code - Self::OTHER
            }
        }
    }
}

/// References of one kind as they were read.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) kind: RefKind,
    pub(super) target: Target,
    pub(super) wanted_by: u16,
    entries: Entries,
}

#[derive(Debug)]
enum Entries {
    /// (row, key, value), by row.
    All(Vec<(u32, u16, u64)>),
    /// By thread: (row, value), by row.
    Changes(u16, HashMap<i64, Vec<(u32, u64)>, FixedState>),
}

/// Reads the groups that `wanted` asks for.
pub(super) fn read(
    columns: &Columns<'_>,
    zstd: &mut Inflate,
    head: &Head,
    wanted: u16,
    tids: &dyn Fn(u32) -> i64,
    (processes, fds): (&[u32], &[u32]),
) -> Result<Vec<Group>, Error> {
    let wrong = |detail: &str| Error::new(0, Problem::Contents { what: "references", detail: detail.to_owned() });
    let mut groups = Vec::new();
    for (base, group) in (column::REFERENCES..).step_by(STEP as usize).zip(&head.refs) {
        let Some(&(kind, changes, target, wanted_by)) = KINDS.get(usize::from(group.kind)) else {
            return Err(wrong("unknown kind"));
        };
        if wanted & wanted_by == 0 {
            continue;
        }
        let count = group.count as usize;
        let rows = Ints::read(columns, zstd, base, count)?.to_u64();
        let values = Ints::read(columns, zstd, base + 8, count)?.to_u64();
        let mut row = 0u64;
        let mut steps = rows.into_iter().map(|step| {
            row = row.saturating_add(step);
            row as u32
        });
        let entries = if changes {
            let mut by_tid: HashMap<i64, Vec<(u32, u64)>, FixedState> = HashMap::default();
            for (row, value) in steps.zip(values) {
                let process = *processes.get(row as usize).ok_or_else(|| wrong("one beyond the events"))?;
                let tid = tids(process);
                let list = by_tid.entry(tid).or_default();
                let last = list.last().map_or(0, |last| last.1);
                list.push((row, last.wrapping_add(unzigzag(value) as u64)));
            }
            Entries::Changes(group.key, by_tid)
        } else {
            let keys = Ints::read(columns, zstd, base + 16, count)?.to_u32();
            let mut told = Told::default();
            let all: Vec<_> = steps
                .by_ref()
                .zip(keys.into_iter().zip(values))
                .map(|(row, (key, value))| {
                    let process = processes.get(row as usize).copied().unwrap_or(NONE);
                    let value = told.value(target, own(fds, row), (process, key as u16), value);
                    (row, key as u16, value)
                })
                .collect();
            if all.last().is_some_and(|last| last.0 >= head.events) {
                return Err(wrong("one beyond the events"));
            }
            Entries::All(all)
        };
        groups.push(Group { kind, target, wanted_by, entries });
    }
    Ok(groups)
}

impl Group {
    /// Calls `with` on every reference of an event: key, value. `tid`: of its process version; `thread`: it has one.
    pub(super) fn of(&self, row: u32, tid: i64, thread: bool, mut with: impl FnMut(u16, u64)) {
        match &self.entries {
            Entries::All(all) => {
                let start = all.partition_point(|entry| entry.0 < row);
                all[start..].iter().take_while(|entry| entry.0 == row).for_each(|entry| with(entry.1, entry.2));
            }
            Entries::Changes(key, by_tid) if thread => {
                if let Some(list) = by_tid.get(&tid)
                    && let Some(at) = list.partition_point(|entry| entry.0 <= row).checked_sub(1)
                {
                    with(*key, list[at].1);
                }
            }
            Entries::Changes(..) => {}
        }
    }
}

/// A reference whose value is a row of a table of the new block.
pub(super) fn reference(row: u32, kind: RefKind, key: u16, value: Option<u64>) -> Ref {
    Ref { row, kind, key, value: value.unwrap_or(u64::from(NONE)) }
}
