//! One block of events in context as a set of columns.

mod column;
mod head;
mod ints;
mod params;
mod references;
mod rows;
mod select;
mod small;
mod stored;
mod tables;
mod texts;

pub use select::Select;
pub use stored::{Contexts, Decoder, Rows, StoredBlock};

use self::head::Head;
use self::params::{Context, TypeWriter};
use self::rows::Stored;
use self::small::SmallWriter;
use self::tables::{FdsWriter, ProcessesWriter};
use self::texts::TextsWriter;
use crate::block::{Block, NONE};
use crate::fcap::columns::{Columns, ColumnsWriter};
use crate::fcap::error::Error;
use crate::fcap::summary::Summary;
use crate::schema::EVENT_TYPES;

/// A block ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes of its section.
    pub payload: Vec<u8>,
    /// What the index says of it.
    pub about: BlockAbout,
}

/// What the index says of a block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockAbout {
    /// Number of events.
    pub events: u32,
    /// `evt.num` of the first event.
    pub first_num: u64,
    /// `evt.num` of the last event.
    pub last_num: u64,
    /// Earliest time, nanoseconds since the epoch.
    pub min_ts: u64,
    /// Latest time.
    pub max_ts: u64,
    /// How many events of each type, sorted by type.
    pub types: Vec<(u16, u32)>,
    /// Events that rules and output see.
    pub delivered: u32,
    /// Bytes of the parameters before compression.
    pub raw_bytes: u64,
    /// The filters over its distinct values, see `summary`.
    pub summary: Vec<u8>,
}

/// Writes a block down. `level`: of zstd, 1 to 19.
///
/// References that change seldom are taken from a block that was made for [`Demand::stored`](crate::demand::Demand::stored).
pub fn encode(block: &Block, level: i32) -> Encoded {
    let mut out = ColumnsWriter::new(level);
    encode_into(block, &mut out);
    Encoded { payload: out.finish(), about: about(block) }
}

/// Bytes that each column of a block takes: (name, raw, stored), for tables of sizes.
pub fn column_sizes(payload: &[u8]) -> Result<Vec<(String, usize, usize)>, Error> {
    Ok(Columns::new(payload)?.iter().map(|(id, raw, stored)| (column::name(id), raw, stored)).collect())
}

fn encode_into(block: &Block, out: &mut ColumnsWriter) {
    let count = block.len();
    let mut scratch = Vec::new();
    let mut head = Head { events: count as u32, previous_ts: block.previous_ts, ..Head::default() };
    head.first_drop = block.batch.first_drop.map(|row| row as u32);

    // Rows by first use: those that events have first.
    let mut processes = ProcessesWriter::new();
    let mut fds = FdsWriter::new();
    let mut small = SmallWriter::new();
    let mut of_process = vec![NONE; block.processes.len()];
    let mut of_fd = vec![NONE; block.fds.len()];
    let mut stored = Stored { process: Vec::with_capacity(count), fd: Vec::with_capacity(count) };
    for row in 0..count {
        let at = block.process[row] as usize;
        stored.process.push(match (of_process.get_mut(at), block.processes.get(at)) {
            (Some(known), Some(process)) => {
                if *known == NONE {
                    *known = processes.row(process);
                }
                *known
            }
            _ => NONE,
        });
        let at = block.fd[row] as usize;
        stored.fd.push(match (of_fd.get_mut(at), block.fds.get(at)) {
            (Some(known), Some(fd)) => {
                if *known == NONE {
                    *known = fds.row(fd);
                }
                *known
            }
            _ => NONE,
        });
    }
    let values = references::collect(block, &mut processes, &mut fds, &mut small);
    processes.close();
    head.processes = processes.len() as u32;
    head.infos = processes.info_count() as u32;
    head.fds = fds.versions().len() as u32;

    rows::put(out, &mut scratch, block, &stored, &|row| processes.tid(row), &processes.tables(), &mut head);
    let tids: Vec<i64> = stored.process.iter().map(|&row| processes.tid(row)).collect();
    references::put(out, &mut scratch, block, &values, &tids, (&stored.process, &stored.fd), &mut head);
    put_params(out, &mut scratch, block, &stored, &processes, &fds, &mut head);

    let mut texts = TextsWriter::new();
    processes.put(out, &mut scratch, &mut texts, &mut small);
    texts.put(out, &mut scratch, column::PROCESS_TEXTS, column::PROCESS_TEXTS + 8);
    head.process_texts = texts.len() as u32 - 1;
    let mut texts = TextsWriter::new();
    fds.put(out, &mut scratch, &mut texts);
    texts.put(out, &mut scratch, column::FD_TEXTS, column::FD_TEXTS + 8);
    head.fd_texts = texts.len() as u32 - 1;
    out.put(column::SMALL, &small.finish(&block.worlds));
    head.put(out);
}

fn put_params(
    out: &mut ColumnsWriter,
    scratch: &mut Vec<u8>,
    block: &Block,
    stored: &Stored,
    processes: &ProcessesWriter<'_>,
    fds: &FdsWriter<'_>,
    head: &mut Head,
) {
    let mut types: Vec<TypeWriter<'_>> = Vec::new();
    let mut of_type = vec![usize::MAX; EVENT_TYPES];
    for row in 0..block.len() {
        let ty = block.batch.ty[row];
        let at = &mut of_type[usize::from(ty)];
        if *at == usize::MAX {
            *at = types.len();
            types.push(TypeWriter { ty, events: Vec::new() });
        }
        let info = processes.versions().get(stored.process[row] as usize).map(|version| &*version.info);
        let fd = fds.versions().get(stored.fd[row] as usize).map(|fd| &fd.info);
        let context = Context { info, fd, fd_num: block.fd_num[row], tid: block.batch.tid[row] };
        types[*at].events.push((block.params(row), context));
    }
    types.sort_by_key(|writer| writer.ty);
    for writer in &types {
        writer.put(out, scratch, &mut head.distinct);
    }
}

pub(super) fn about(block: &Block) -> BlockAbout {
    let batch = &block.batch;
    let mut counts = vec![0u32; EVENT_TYPES];
    let mut raw_bytes = 0;
    for row in 0..block.len() {
        counts[usize::from(batch.ty[row])] += 1;
        raw_bytes += block.params(row).iter().map(|value| value.len() as u64).sum::<u64>();
    }
    BlockAbout {
        events: block.len() as u32,
        first_num: block.num(0),
        last_num: block.len().checked_sub(1).map_or(0, |last| block.num(last)),
        min_ts: batch.ts.iter().min().copied().unwrap_or(0),
        max_ts: batch.ts.iter().max().copied().unwrap_or(0),
        types: (0..).zip(counts).filter(|(_, count)| *count > 0).collect(),
        delivered: (0..block.len()).filter(|&row| block.delivered(row)).count() as u32,
        raw_bytes,
        summary: Summary::of(block).encode(),
    }
}
