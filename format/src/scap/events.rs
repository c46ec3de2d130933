//! Event blocks become rows of an [`EventBatch`].
//!
//! An event of the current schema stays where it was read: its row points at its parameters. Only events that had to be
//! converted, and the odd one that has more parameters than the schema, are written anew, behind the chunk.
//! Facts: scap-format §1.3 and §8.

use super::block::{self, EventLayout, Kind};
use super::convert::{Converter, Outcome, RULES, Rule, Treatment};
use super::enters::Parts;
use super::error::{Error, Problem};
use super::reader::Stats;
use crate::batch::{EventBatch, Params};
use crate::schema::{describes_start, ev};

/// Rows gathered before they are appended to the columns.
const GATHER: usize = 64;
/// Bytes of an [`block::EVENT_V2`] block before the parameter lengths.
const PLAIN_HEAD: usize = 36;
/// Bytes of an event's header, as its length counts them.
const EVENT_HEADER: usize = 26;
/// Parameter counts whose lengths are summed without a loop.
const QUICK: usize = 8;

/// Why decoding stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The chunk ends within a block of `wanted` bytes (or within its header).
    Partial { wanted: usize },
    /// The next block begins another section.
    Section,
    /// The block is damaged.
    Damaged(Error),
}

/// An event as it stands in its block.
struct Event {
    ts: u64,
    tid: i64,
    cpu: u16,
    flags: u32,
    ty: u16,
    /// Bytes with header.
    length: u64,
    nparams: u32,
    /// Where its length array starts in the chunk.
    at: usize,
    /// Where its bytes end in the chunk.
    end: usize,
    /// Whether the length array has entries of four bytes.
    wide: bool,
}

/// Columns of some rows. Appending many rows at once to a vector checks its capacity once.
#[derive(Debug)]
struct Gathered {
    ts: [u64; GATHER],
    tid: [i64; GATHER],
    ty: [u16; GATHER],
    cpu: [u16; GATHER],
    nparams: [u8; GATHER],
    offset: [u32; GATHER],
}

/// Decodes the events of a capture, chunk by chunk.
#[derive(Debug)]
pub(super) struct Decoder {
    converter: Converter,
    gathered: Box<Gathered>,
    /// Whether only events that describe the start of the section have been read.
    initial: bool,
    /// Whether this section has lost an event to the conversion.
    dropped: bool,
}

impl Decoder {
    pub fn new() -> Self {
        let gathered = Gathered {
            ts: [0; GATHER],
            tid: [0; GATHER],
            ty: [0; GATHER],
            cpu: [0; GATHER],
            nparams: [0; GATHER],
            offset: [0; GATHER],
        };
        Decoder { converter: Converter::new(), gathered: Box::new(gathered), initial: true, dropped: false }
    }

    /// A new section begins.
    pub fn restart(&mut self) {
        self.converter.restart();
        self.initial = true;
        self.dropped = false;
    }

    /// Decodes the blocks of `data` and appends their events to `rows`. `base` is the place of `data` in the stream. Gives
    /// where the first block not decoded starts, and why.
    ///
    /// `data` becomes `rows.data`; the caller took it out so that both can be borrowed.
    pub fn decode(&mut self, data: &[u8], base: u64, rows: &mut EventBatch, stats: &mut Stats) -> (usize, Stop) {
        let mut at = 0;
        loop {
            if !self.initial {
                at = plain_events(data, at, rows, &mut self.gathered, stats);
            }
            match self.any_block(data, at, base, rows, stats) {
                Ok(next) => at = next,
                Err(stop) => return (at, stop),
            }
        }
    }

    /// The block at `at`, of whatever kind; gives where the next one starts.
    fn any_block(
        &mut self,
        data: &[u8],
        at: usize,
        base: u64,
        rows: &mut EventBatch,
        stats: &mut Stats,
    ) -> Result<usize, Stop> {
        let rest = data.get(at..).unwrap_or(&[]);
        let Some(header) = rest.first_chunk::<{ block::HEADER }>() else {
            return Err(Stop::Partial { wanted: block::HEADER });
        };
        let damaged = |problem| Stop::Damaged(Error::new(base + at as u64, problem));
        let kind = block::u32_at(header, 0);
        let length = block::u32_at(header, 4);
        let layout = match Kind::of(kind) {
            Some(Kind::Event(layout)) => layout,
            Some(Kind::Section) => return Err(Stop::Section),
            _ => return Err(damaged(Problem::UnexpectedBlock { block: kind })),
        };
        let size = length as usize;
        let least = layout.before_event() + layout.event_header() + block::TRAILER;
        if size < least || (!layout.large && length - block::HEADER as u32 > block::MAX_SMALL_EVENT) {
            return Err(damaged(Problem::BlockLength { block: kind, length }));
        }
        if length > block::MAX_BLOCK {
            return Err(damaged(Problem::TooLarge { block: kind, length, limit: block::MAX_BLOCK }));
        }
        let Some(bytes) = rest.get(..size) else { return Err(Stop::Partial { wanted: size }) };
        let next = at + size;
        *stats.blocks.entry(kind).or_default() += 1;
        let outcome = match event(bytes, at, layout) {
            Ok(None) => {
                stats.unknown_events += 1;
                return Ok(next);
            }
            Ok(Some(event)) => {
                stats.events += 1;
                self.deliver(data, &event, rows, stats)
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = outcome {
            if !self.initial {
                return Err(damaged(problem));
            }
            // libsinsp loses a failure of the reads that it makes while opening a capture, and reads on.
            self.initial = false;
            self.note_drop(rows);
            stats.swallowed += 1;
            if stats.first_swallowed.is_none() {
                stats.first_swallowed = Some(Error::new(base + at as u64, problem));
            }
        }
        Ok(next)
    }

    fn note_drop(&mut self, rows: &mut EventBatch) {
        if !self.dropped {
            self.dropped = true;
            rows.first_drop = Some(rows.len());
        }
    }

    /// Appends one event as it is, converted, or not at all.
    fn deliver(&mut self, data: &[u8], event: &Event, rows: &mut EventBatch, stats: &mut Stats) -> Result<(), Problem> {
        let rule = RULES[usize::from(event.ty)];
        let params = Params::new(&data[event.at..event.end], event.nparams as usize, event.wide);
        let outcome = match rule.treatment {
            Treatment::Pass => Outcome::Unchanged,
            _ => self.converter.convert(event.ty, event.tid, params, event.length)?,
        };
        let (ty, nparams, offset) = match outcome {
            Outcome::Dropped => {
                stats.dropped += 1;
                self.initial = false;
                self.note_drop(rows);
                return Ok(());
            }
            Outcome::Unchanged if event.nparams <= u32::from(rule.nparams) && event.wide == rule.wide => {
                (event.ty, event.nparams as u8, event.at)
            }
            Outcome::Unchanged => {
                let mut parts = Parts::default();
                parts.clear(event.ty);
                for value in params.iter().take(usize::from(rule.nparams)) {
                    parts.push(value);
                }
                (event.ty, parts.len() as u8, append(data, &parts, rule, rows)?)
            }
            Outcome::Converted => {
                stats.converted += 1;
                stats.evictions = self.converter.evictions();
                let parts = self.converter.result();
                (parts.ty, parts.len() as u8, append(data, parts, RULES[usize::from(parts.ty)], rows)?)
            }
        };
        let offset = u32::try_from(offset).map_err(|_| Problem::ConversionLength { ty, length: offset as u64 })?;
        if self.initial && !describes_start(ty) {
            self.initial = false;
        }
        rows.ts.push(event.ts);
        rows.tid.push(event.tid);
        rows.ty.push(ty);
        rows.cpu.push(event.cpu);
        rows.flags.push(event.flags);
        rows.nparams.push(nparams);
        rows.offset.push(offset);
        Ok(())
    }
}

/// Writes an event behind the chunk; gives its offset as [`EventBatch::offset`] counts.
fn append(data: &[u8], parts: &Parts, rule: Rule, rows: &mut EventBatch) -> Result<usize, Problem> {
    let too_long = |length| Problem::ConversionLength { ty: parts.ty, length: length as u64 };
    let start = rows.converted.len();
    for value in parts.iter() {
        if rule.wide {
            let length = u32::try_from(value.len()).map_err(|_| too_long(value.len()))?;
            rows.converted.extend_from_slice(&length.to_le_bytes());
        } else {
            let length = u16::try_from(value.len()).map_err(|_| too_long(value.len()))?;
            rows.converted.extend_from_slice(&length.to_le_bytes());
        }
    }
    for value in parts.iter() {
        rows.converted.extend_from_slice(value);
    }
    Ok(data.len() + start)
}

/// Takes apart the event block `bytes`, which starts at `at` of its chunk; `None` where its type is newer than the schema.
fn event(bytes: &[u8], at: usize, layout: EventLayout) -> Result<Option<Event>, Problem> {
    let u16_at = |place: usize| {
        bytes.get(place..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u16::from_le_bytes(*chunk))
    };
    let u64_at = |place: usize| {
        bytes.get(place..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
    };
    let start = layout.before_event();
    let ty = u16_at(start + 20);
    let Some(rule) = RULES.get(usize::from(ty)) else { return Ok(None) };
    let length = block::u32_at(bytes, start + 16);
    let header = layout.event_header();
    let lengths = start + header;
    let mut payload = (length as usize).checked_sub(header).ok_or(Problem::EventLength { ty, length })?;
    if !layout.counted && matches!(ty, ev::NOTIFICATION_E | ev::INFRASTRUCTURE_EVENT_E) {
        // Old writers counted three bytes too many for these two.
        payload = payload.checked_sub(3).ok_or(Problem::EventLength { ty, length })?;
    }
    let body = &bytes[lengths..bytes.len() - block::TRAILER];
    let payload = body.get(..payload).ok_or(Problem::EventLength { ty, length })?;
    let (nparams, wide) = if layout.counted {
        let nparams = block::u32_at(bytes, start + 22);
        let array = u64::from(nparams) * if rule.wide { 4 } else { 2 };
        let fits = array <= payload.len() as u64 && {
            let (array, values) = payload.split_at(array as usize);
            sum(array, rule.wide) <= values.len() as u64
        };
        if !fits {
            return Err(Problem::ParamsLength { ty, nparams });
        }
        (nparams, rule.wide)
    } else {
        (guess_nparams(payload, rule.nparams).ok_or(Problem::ParamCount { ty })?, false)
    };
    Ok(Some(Event {
        ts: u64_at(start),
        tid: u64_at(start + 8) as i64,
        cpu: u16_at(block::HEADER),
        flags: if layout.flags { block::u32_at(bytes, block::HEADER + 2) } else { 0 },
        ty,
        length: EVENT_HEADER as u64 + payload.len() as u64,
        nparams,
        at: at + lengths,
        end: at + lengths + payload.len(),
        wide,
    }))
}

/// The number of parameters with which lengths and values end exactly at the event's end, the largest first. Old event
/// blocks do not say it.
fn guess_nparams(payload: &[u8], most: u8) -> Option<u32> {
    for nparams in (0..=usize::from(most)).rev() {
        let Some((array, values)) = payload.split_at_checked(2 * nparams) else { continue };
        let sum = sum(array, false);
        if sum == values.len() as u64 {
            return Some(nparams as u32);
        }
        if sum < values.len() as u64 {
            return None;
        }
    }
    None
}

/// Sum of the lengths in a length array.
fn sum(array: &[u8], wide: bool) -> u64 {
    if wide {
        array.as_chunks::<4>().0.iter().map(|length| u64::from(u32::from_le_bytes(*length))).sum()
    } else {
        array.as_chunks::<2>().0.iter().map(|length| u64::from(u16::from_le_bytes(*length))).sum()
    }
}

/// Sum of the first `count` (at most [`QUICK`]) lengths of two bytes in `lengths`. All at once: a loop of some turns would
/// cost a mispredicted branch an event, more than all else that an event costs here.
#[inline]
fn quick_sum(lengths: &[u8; 2 * QUICK], count: usize) -> u32 {
    const EVEN: u128 = u128::from_le_bytes([0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0]);
    const FIRST: [u128; QUICK + 1] = {
        let mut masks = [0; QUICK + 1];
        let mut count = 1;
        while count <= QUICK {
            masks[count] = u128::MAX >> (128 - 16 * count);
            count += 1;
        }
        masks
    };
    let lengths = u128::from_le_bytes(*lengths) & FIRST[count];
    let pairs = (lengths & EVEN) + ((lengths >> 16) & EVEN);
    let pairs = (pairs as u64) + ((pairs >> 64) as u64);
    (pairs as u32) + ((pairs >> 32) as u32)
}

/// The run of blocks from `at` on that are plain: version 2, without flags, of a type and a number of parameters that pass
/// as they are. Gives where the first other block starts. This is where nearly all events of today's captures go.
fn plain_events(
    data: &[u8],
    mut at: usize,
    rows: &mut EventBatch,
    gathered: &mut Gathered,
    stats: &mut Stats,
) -> usize {
    let before = rows.len();
    let Gathered { ts, tid, ty, cpu, nparams, offset } = gathered;
    loop {
        let mut count = 0;
        while count < GATHER {
            let Some(head) = data.get(at..).and_then(|rest| rest.first_chunk::<PLAIN_HEAD>()) else { break };
            let field4 = |place: usize| block::u32_at(head, place);
            let kind = field4(0);
            let size = field4(4) as usize;
            let length = field4(26) as usize;
            let number = field4(32) as usize;
            let event_type = u16::from_le_bytes([head[30], head[31]]);
            let Some(rule) = RULES.get(usize::from(event_type)) else { break };
            let lengths = at + PLAIN_HEAD;
            let number_passes = number >= usize::from(rule.plain_from) && number <= usize::from(rule.nparams);
            let frame_fits = size <= block::MAX_SMALL_EVENT as usize + block::HEADER
                && length + (PLAIN_HEAD - EVENT_HEADER) + block::TRAILER <= size
                && at + size <= data.len();
            if kind != block::EVENT_V2 || !number_passes || !frame_fits {
                break;
            }
            let values = match data[lengths..].first_chunk::<{ 2 * QUICK }>() {
                Some(array) if number <= QUICK => quick_sum(array, number) as usize,
                _ => data.get(lengths..lengths + 2 * number).map_or(usize::MAX / 2, |array| sum(array, false) as usize),
            };
            if EVENT_HEADER + 2 * number + values > length {
                break;
            }
            ts[count] = u64::from_le_bytes(slice8(head, 10));
            tid[count] = i64::from_le_bytes(slice8(head, 18));
            ty[count] = event_type;
            cpu[count] = u16::from_le_bytes([head[8], head[9]]);
            nparams[count] = number as u8;
            offset[count] = lengths as u32;
            count += 1;
            at += size;
        }
        rows.ts.extend_from_slice(&ts[..count]);
        rows.tid.extend_from_slice(&tid[..count]);
        rows.ty.extend_from_slice(&ty[..count]);
        rows.cpu.extend_from_slice(&cpu[..count]);
        rows.nparams.extend_from_slice(&nparams[..count]);
        rows.offset.extend_from_slice(&offset[..count]);
        if count < GATHER {
            break;
        }
    }
    // Blocks of this type have no flags.
    rows.flags.resize(rows.ts.len(), 0);
    let read = (rows.len() - before) as u64;
    if read > 0 {
        stats.events += read;
        *stats.blocks.entry(block::EVENT_V2).or_default() += read;
    }
    at
}

#[inline]
fn slice8(head: &[u8; PLAIN_HEAD], at: usize) -> [u8; 8] {
    head.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_sum_counts_the_first_lengths_only() {
        let mut lengths = [0; 16];
        for (place, value) in [65535u16, 1, 2, 40000, 65535, 65535, 7, 65535].iter().enumerate() {
            lengths[2 * place..2 * place + 2].copy_from_slice(&value.to_le_bytes());
        }
        for count in 0..=QUICK {
            assert_eq!(u64::from(quick_sum(&lengths, count)), sum(&lengths[..2 * count], false));
        }
    }

    #[test]
    fn parameters_of_old_blocks_are_counted_from_their_lengths() {
        let payload = [1, 0, 2, 0, b'a', b'b', b'c'];
        assert_eq!(guess_nparams(&payload, 2), Some(2));
        assert_eq!(guess_nparams(&payload, 5), Some(2));
        assert_eq!(guess_nparams(&payload[..6], 2), None);
        assert_eq!(guess_nparams(&[], 3), Some(0));
    }
}
