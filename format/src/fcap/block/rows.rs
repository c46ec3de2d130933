//! What every event has: shape, time, processor, and the rows of its contexts, each told from what came before.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::column;
use super::head::{Head, Shape};
use super::ints::{self, Ints};
use crate::block::{Block, NONE};
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate, unzigzag, zigzag};
use crate::fcap::error::{Error, Problem};

/// Codes of a process row.
mod process_code {
    /// That of the last event on the same processor.
    pub(super) const SAME: u64 = 0;
    /// The next row of the table.
    pub(super) const NEXT: u64 = 1;
    /// None.
    pub(super) const NONE: u64 = 2;
    /// From here on: the row itself.
    pub(super) const ROW: u64 = 3;
}

/// Codes of a descriptor row.
mod fd_code {
    /// The one that last had this number in the process; none before the first.
    pub(super) const KNOWN: u64 = 0;
    /// The last one of the process.
    pub(super) const SAME: u64 = 1;
    /// The next row of the table.
    pub(super) const NEXT: u64 = 2;
    pub(super) const NONE: u64 = 3;
    /// From here on: the one of another number of the process, as after a dup.
    pub(super) const COPY: u64 = 4;
    /// From here on: how many rows before the next.
    pub(super) const BACK: u64 = COPY + super::DIRECT as u64;
}

/// Rows as they are stored: numbered by first use.
pub(super) struct Stored {
    pub(super) process: Vec<u32>,
    pub(super) fd: Vec<u32>,
}

/// Writes the columns that every event has. `tid_of`: thread id of a stored process row; `table_of`: see [`Open`].
pub(super) fn put(
    out: &mut ColumnsWriter,
    scratch: &mut Vec<u8>,
    block: &Block,
    stored: &Stored,
    tid_of: &dyn Fn(u32) -> i64,
    table_of: &[u32],
    head: &mut Head,
) {
    let batch = &block.batch;
    let count = batch.len();
    let mut numbers: Vec<u64> = Vec::with_capacity(count);

    let mut known: HashMap<Shape, u64, FixedState> = HashMap::default();
    // Neighbours often share their shape.
    let mut last: Option<(Shape, u64)> = None;
    for row in 0..count {
        let shape =
            Shape { ty: batch.ty[row], marks: block.marks[row], nparams: batch.nparams[row], flags: batch.flags[row] };
        let code = match last {
            Some((same, code)) if same == shape => code,
            _ => {
                let next = head.shapes.len() as u64;
                *known.entry(shape).or_insert_with(|| {
                    head.shapes.push(shape);
                    next
                })
            }
        };
        last = Some((shape, code));
        numbers.push(code);
    }
    ints::put(out, scratch, column::SHAPE, &numbers);

    head.first_ts = batch.ts.first().copied().unwrap_or(0);
    // Clocks often tick in coarser steps than nanoseconds, those of virtual machines most of all.
    let step = |pair: &[u64]| (pair[1].wrapping_sub(pair[0]) as i64).unsigned_abs();
    let unit = batch.ts.windows(2).fold(0, |unit, pair| common_divisor(unit, step(pair)));
    head.ts_unit = if i64::try_from(unit).is_ok_and(|unit| unit > 0) { unit } else { 1 };
    let mut before = head.first_ts;
    numbers.clear();
    numbers.extend(batch.ts.iter().map(|&ts| {
        let ticks = zigzag((ts.wrapping_sub(before) as i64).wrapping_div(head.ts_unit as i64));
        before = ts;
        ticks
    }));
    ints::put(out, scratch, column::TS, &numbers);

    numbers.clear();
    numbers.extend(batch.cpu.iter().map(|&cpu| u64::from(cpu)));
    ints::put(out, scratch, column::CPU, &numbers);

    let mut on_cpu = Recent::new();
    let mut next = 0;
    numbers.clear();
    for (row, &process) in stored.process.iter().enumerate() {
        let last = on_cpu.at(batch.cpu[row]);
        numbers.push(if *last == process {
            process_code::SAME
        } else if process == next {
            next += 1;
            process_code::NEXT
        } else if process == NONE {
            process_code::NONE
        } else {
            process_code::ROW + u64::from(process)
        });
        *last = process;
    }
    ints::put(out, scratch, column::PROCESS, &numbers);

    numbers.clear();
    numbers.extend(block.fd_num.iter().map(|&number| zigzag(number.wrapping_add(1))));
    ints::put(out, scratch, column::FD_NUM, &numbers);

    let mut open = Open::new(table_of);
    let mut next = 0;
    numbers.clear();
    for (row, &fd) in stored.fd.iter().enumerate() {
        let copied = open.number_of(stored.process[row], fd);
        let (last, known) = open.at(stored.process[row], block.fd_num[row]);
        numbers.push(if fd == *known {
            fd_code::KNOWN
        } else if fd == *last {
            fd_code::SAME
        } else if fd == next {
            fd_code::NEXT
        } else if fd == NONE {
            fd_code::NONE
        } else if let Some(number) = copied {
            fd_code::COPY + number as u64
        } else {
            fd_code::BACK + u64::from(next - 1 - fd)
        });
        next += u32::from(fd == next);
        *known = fd;
        if fd != NONE {
            *last = fd;
        }
    }
    ints::put(out, scratch, column::FD, &numbers);

    let mut odd = (Vec::new(), Vec::new());
    let mut before = 0;
    for (row, &process) in stored.process.iter().enumerate() {
        let tid = batch.tid[row];
        let expected = if process == NONE { -1 } else { tid_of(process) };
        if tid != expected {
            odd.0.push((row - before) as u64);
            odd.1.push(zigzag(tid.wrapping_sub(expected)));
            before = row;
        }
    }
    head.odd_tids = odd.0.len() as u32;
    ints::put(out, scratch, column::TID_ROW, &odd.0);
    ints::put(out, scratch, column::TID, &odd.1);

    head.first_num = block.first_num;
    head.gaps = !block.nums.is_empty();
    if head.gaps {
        let mut before = block.first_num.wrapping_sub(1);
        numbers.clear();
        numbers.extend(block.nums.iter().map(|&num| {
            let gap = num.wrapping_sub(before).wrapping_sub(1);
            before = num;
            gap
        }));
        ints::put(out, scratch, column::NUM, &numbers);
    }
}

/// The greatest common divisor.
fn common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

/// The process row of the last event on each processor.
struct Recent {
    rows: Vec<u32>,
}

impl Recent {
    fn new() -> Self {
        Recent { rows: vec![NONE; 64] }
    }

    #[inline]
    fn at(&mut self, cpu: u16) -> &mut u32 {
        let cpu = usize::from(cpu);
        if cpu >= self.rows.len() {
            self.rows.resize(cpu + 1, NONE);
        }
        &mut self.rows[cpu]
    }
}

fn wrong(what: &str) -> Error {
    Error::new(0, Problem::Contents { what: "block", detail: what.to_owned() })
}

/// The shape of each event.
pub(super) fn shapes(columns: &Columns<'_>, zstd: &mut Inflate, head: &Head) -> Result<Vec<u32>, Error> {
    let codes = Ints::read(columns, zstd, column::SHAPE, head.events as usize)?.to_u32();
    let most = head.shapes.len() as u32;
    if codes.iter().any(|&code| code >= most) {
        return Err(wrong("an event has no shape"));
    }
    Ok(codes)
}

/// The time of each event.
pub(super) fn times(columns: &Columns<'_>, zstd: &mut Inflate, head: &Head) -> Result<Vec<u64>, Error> {
    let mut times = Ints::read(columns, zstd, column::TS, head.events as usize)?.to_u64();
    let mut ts = head.first_ts;
    let unit = head.ts_unit as i64;
    for time in &mut times {
        ts = ts.wrapping_add(unzigzag(*time).wrapping_mul(unit) as u64);
        *time = ts;
    }
    Ok(times)
}

/// The processor of each event.
pub(super) fn cpus(columns: &Columns<'_>, zstd: &mut Inflate, head: &Head) -> Result<Vec<u16>, Error> {
    let cpus = Ints::read(columns, zstd, column::CPU, head.events as usize)?;
    Ok(cpus.to_u32().into_iter().map(|cpu| cpu as u16).collect())
}

/// The process row of each event.
pub(super) fn processes(
    columns: &Columns<'_>,
    zstd: &mut Inflate,
    head: &Head,
    cpus: &[u16],
) -> Result<Vec<u32>, Error> {
    let mut codes = Ints::read(columns, zstd, column::PROCESS, head.events as usize)?.to_u32();
    let mut on_cpu = Recent::new();
    let mut next = 0;
    let mut most = 0;
    for (code, &cpu) in codes.iter_mut().zip(cpus) {
        let last = on_cpu.at(cpu);
        let row = match u64::from(*code) {
            process_code::SAME => *last,
            process_code::NEXT => {
                next += 1;
                next - 1
            }
            process_code::NONE => NONE,
            _ => *code - process_code::ROW as u32,
        };
        // `NONE` wraps to 0.
        most = most.max(row.wrapping_add(1));
        *last = row;
        *code = row;
    }
    if most > head.processes {
        return Err(wrong("an event has no process version"));
    }
    Ok(codes)
}

/// The descriptor row of each event.
pub(super) fn fds(
    columns: &Columns<'_>,
    zstd: &mut Inflate,
    head: &Head,
    processes: &[u32],
    numbers: &[i64],
    table_of: &[u32],
) -> Result<Vec<u32>, Error> {
    let mut codes = Ints::read(columns, zstd, column::FD, head.events as usize)?.to_u32();
    let mut open = Open::new(table_of);
    let mut next = 0u32;
    let mut most = 0;
    for ((code, &process), &number) in codes.iter_mut().zip(processes).zip(numbers) {
        let copied = match u64::from(*code) {
            copy @ fd_code::COPY..fd_code::BACK => *open.at(process, (copy - fd_code::COPY) as i64).1,
            _ => NONE,
        };
        let (last, known) = open.at(process, number);
        let row = match u64::from(*code) {
            fd_code::KNOWN => *known,
            fd_code::SAME => *last,
            fd_code::NEXT => {
                next += 1;
                next - 1
            }
            fd_code::NONE => NONE,
            fd_code::COPY..fd_code::BACK => copied,
            _ => next.wrapping_sub(*code - (fd_code::BACK as u32 - 1)),
        };
        // `NONE` wraps to 0.
        most = most.max(row.wrapping_add(1));
        *known = row;
        if row != NONE {
            *last = row;
        }
        *code = row;
    }
    if most > head.fds {
        return Err(wrong("an event has no descriptor version"));
    }
    Ok(codes)
}

/// The descriptor number of each event.
pub(super) fn fd_numbers(columns: &Columns<'_>, zstd: &mut Inflate, head: &Head) -> Result<Vec<i64>, Error> {
    let numbers = Ints::read(columns, zstd, column::FD_NUM, head.events as usize)?;
    Ok(match numbers.bytes() {
        Some(bytes) => bytes.iter().map(|&byte| unzigzag(u64::from(byte)) - 1).collect(),
        None => numbers.iter().map(|number| unzigzag(number).wrapping_sub(1)).collect(),
    })
}

/// Numbers that have a place of their own in a table.
const DIRECT: usize = 32;

/// Which descriptor rows the numbers of each process last had.
///
/// `table_of` gives for each process row the number of its table, from 0: threads of a process share one.
struct Open<'a> {
    table_of: &'a [u32],
    /// For each table its last row, then the rows of its first numbers.
    direct: Vec<u32>,
    others: HashMap<(u32, i64), u32, FixedState>,
}

impl<'a> Open<'a> {
    fn new(table_of: &'a [u32]) -> Self {
        let tables = table_of.iter().max().map_or(0, |most| *most as usize + 1);
        // One more for events without a process.
        Open { table_of, direct: vec![NONE; (tables + 1) * (DIRECT + 1)], others: HashMap::default() }
    }

    /// The first number of a process that had a row last.
    fn number_of(&self, process: u32, row: u32) -> Option<usize> {
        let table = *self.table_of.get(process as usize)? as usize;
        let direct = &self.direct[table * (DIRECT + 1) + 1..][..DIRECT];
        direct.iter().position(|&known| known == row)
    }

    /// The last row of a process, and that of a number.
    #[inline]
    fn at(&mut self, process: u32, number: i64) -> (&mut u32, &mut u32) {
        let tables = self.direct.len() / (DIRECT + 1) - 1;
        let table = self.table_of.get(process as usize).map_or(tables, |table| *table as usize);
        let (last, direct) = self.direct[table * (DIRECT + 1)..].split_at_mut(1);
        let known = match usize::try_from(number) {
            Ok(number) if number < DIRECT => &mut direct[number],
            _ => self.others.entry((table as u32, number)).or_insert(NONE),
        };
        (&mut last[0], known)
    }
}

/// The thread id of each event. `tid_of`: thread id of a process row.
pub(super) fn tids(
    columns: &Columns<'_>,
    zstd: &mut Inflate,
    head: &Head,
    processes: &[u32],
    tid_of: &dyn Fn(u32) -> i64,
) -> Result<Vec<i64>, Error> {
    let of_row: Vec<i64> = (0..head.processes).map(tid_of).collect();
    let mut tids: Vec<i64> =
        processes.iter().map(|&process| of_row.get(process as usize).copied().unwrap_or(-1)).collect();
    let odd = head.odd_tids as usize;
    let rows = Ints::read(columns, zstd, column::TID_ROW, odd)?;
    let values = Ints::read(columns, zstd, column::TID, odd)?;
    let mut row = 0u64;
    for (step, value) in rows.iter().zip(values.iter()) {
        row = row.saturating_add(step);
        let tid = tids.get_mut(row as usize).ok_or_else(|| wrong("a thread id beyond the events"))?;
        *tid = tid.wrapping_add(unzigzag(value));
    }
    Ok(tids)
}

/// The number of each event where they have gaps; else empty.
pub(super) fn nums(columns: &Columns<'_>, zstd: &mut Inflate, head: &Head) -> Result<Vec<u64>, Error> {
    if !head.gaps {
        return Ok(Vec::new());
    }
    let mut num = head.first_num.wrapping_sub(1);
    let gaps = Ints::read(columns, zstd, column::NUM, head.events as usize)?;
    Ok(gaps
        .iter()
        .map(|gap| {
            num = num.wrapping_add(gap).wrapping_add(1);
            num
        })
        .collect())
}
