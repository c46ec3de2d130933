//! Reads a capture: its head, then batches of events, section by section.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::mem;

use super::block::{self, Kind};
use super::error::{Error, Problem};
use super::events::{Decoder, Stop};
use super::lists;
use crate::batch::EventBatch;
use crate::lists::Head;

/// Bytes of a batch. Its events stay below 32,768, as an event block has at least 36 bytes.
const CHUNK: usize = 1 << 20;
/// Bytes of the first batch of a section; later ones grow. What is read beyond a section's end is copied, so a capture of
/// thousands of tiny sections would otherwise cost a megabyte each.
const FIRST_CHUNK: usize = 16 << 10;
/// Chunk memory above this is given back instead of being reused.
const MAX_KEPT: usize = 16 * CHUNK;
/// What is asked of the input at once before the events.
const HEAD_STEP: usize = 64 << 10;
/// Most bytes of all lists of a section together; a limit of this reader.
const MAX_HEAD: u64 = 1 << 30;
/// Section header with its first fields.
const SECTION_HEAD: usize = 24;

/// What [`Reader::next`] gives.
#[derive(Debug)]
// An event batch is moved a few times a megabyte; a box would be one more allocation to recycle.
#[allow(clippy::large_enum_variant)]
pub enum Item {
    /// A section begins: the state at its start. First of all, and again where captures were concatenated.
    Head(Box<Head>),
    /// At least one event.
    Batch(EventBatch),
    /// Nothing more.
    End,
}

/// What has been read so far.
#[derive(Debug, Default)]
pub struct Stats {
    /// Bytes of the uncompressed stream.
    pub bytes: u64,
    /// Blocks of each type, unknown types too.
    pub blocks: BTreeMap<u32, u64>,
    /// Blocks of unknown type, which were skipped.
    pub unknown_blocks: u64,
    /// Sections.
    pub sections: u64,
    /// Events of known types.
    pub events: u64,
    /// Events of types newer than the schema, which were skipped.
    pub unknown_events: u64,
    /// Events that were converted from an older schema.
    pub converted: u64,
    /// Events that the conversion dropped.
    pub dropped: u64,
    /// Remembered enter events that were forgotten to bound memory.
    pub evictions: u64,
    /// Damaged events at the start of a section that were skipped as libsinsp skips them: at most one a section.
    pub swallowed: u64,
    /// The first of them.
    pub first_swallowed: Option<Error>,
}

#[derive(Debug)]
enum Phase {
    /// A section header is next.
    Section,
    /// The lists after a section header are next.
    Lists,
    Events,
    /// This error is next.
    Failed(Error),
    Ended,
}

/// How the input ended.
#[derive(Debug)]
enum InputEnd {
    Open,
    Clean,
    Failed(io::Error),
}

/// Reads a `.scap` capture from an uncompressed stream; see [`super::open`] for compressed ones.
///
/// Damage comes as an error after everything before it was delivered, and nothing is read after it. No byte sequence
/// makes it panic, loop, or allocate more than in proportion to the bytes present.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    input_end: InputEnd,
    /// Bytes read and not yet used; in the event phase usually the partial block at the end of the last chunk.
    ahead: Vec<u8>,
    /// How much of `ahead` is used.
    used: usize,
    /// Place of `ahead[used..]` in the stream.
    offset: u64,
    /// Bytes of the next chunk.
    chunk: usize,
    /// Bytes of a chunk at most.
    largest: usize,
    phase: Phase,
    decoder: Decoder,
    stats: Stats,
}

impl<R: Read> Reader<R> {
    /// Checks that `input` begins like a capture.
    ///
    /// # Errors
    /// When it cannot be read, is empty, or is something else.
    pub fn new(input: R) -> Result<Self, Error> {
        let mut reader = Reader {
            input,
            input_end: InputEnd::Open,
            ahead: Vec::new(),
            used: 0,
            offset: 0,
            chunk: FIRST_CHUNK,
            largest: CHUNK,
            phase: Phase::Lists,
            decoder: Decoder::new(),
            stats: Stats::default(),
        };
        reader.section_header()?;
        Ok(reader)
    }

    /// Bytes that batches grow to, instead of about a megabyte: between 64 KiB and 64 MiB.
    pub fn set_batch_bytes(&mut self, bytes: usize) {
        self.largest = bytes.clamp(64 << 10, 64 << 20);
    }

    /// What has been read so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The input.
    pub fn input(&self) -> &R {
        &self.input
    }

    /// The next head or batch. `batch` is emptied and its memory used again; pass a default one where there is none. One
    /// that was used is best passed as it is: clearing it first only makes its memory be filled with zeros again.
    ///
    /// # Errors
    /// Damage, once; [`Item::End`] from then on.
    pub fn next(&mut self, mut batch: EventBatch) -> Result<Item, Error> {
        empty(&mut batch);
        loop {
            let result = match mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Section => self.section_header().map(|()| {
                    self.phase = Phase::Lists;
                    None
                }),
                Phase::Lists => self.lists().map(|head| {
                    self.phase = Phase::Events;
                    self.decoder.restart();
                    self.chunk = FIRST_CHUNK;
                    Some(Item::Head(Box::new(head)))
                }),
                Phase::Events => {
                    self.events(&mut batch);
                    if batch.is_empty() {
                        empty(&mut batch);
                        continue;
                    }
                    return Ok(Item::Batch(batch));
                }
                Phase::Failed(error) => Err(error),
                Phase::Ended => return Ok(Item::End),
            };
            if let Some(item) = result? {
                return Ok(item);
            }
        }
    }

    /// Bytes that are there and unused.
    fn rest(&self) -> &[u8] {
        self.ahead.get(self.used..).unwrap_or(&[])
    }

    fn consume(&mut self, count: usize) {
        self.used += count;
        self.offset += count as u64;
        self.stats.bytes = self.offset;
    }

    /// Reads until `count` unused bytes are there; gives fewer only where the input ends. The buffer grows with what
    /// really arrives, so a length that lies costs nothing.
    fn want(&mut self, count: usize) -> &[u8] {
        if self.used > 0 && self.rest().len() < count {
            self.ahead.drain(..self.used);
            self.used = 0;
        }
        while self.rest().len() < count && matches!(self.input_end, InputEnd::Open) {
            let have = self.ahead.len();
            // As much again as there is, in steps that suit the input.
            let step = have.clamp(HEAD_STEP, CHUNK);
            self.ahead.resize(have + step, 0);
            let filled = fill(&mut self.input, &mut self.input_end, &mut self.ahead, have, have + 1);
            self.ahead.truncate(filled);
        }
        let end = self.ahead.len().min(self.used + count);
        self.ahead.get(self.used..end).unwrap_or(&[])
    }

    fn fail<T>(&self, problem: Problem) -> Result<T, Error> {
        Err(Error::new(self.offset, problem))
    }

    /// The error for an input that ended `found` bytes into a block of `expected` bytes.
    fn cut(&mut self, expected: u64, found: u64) -> Error {
        match mem::replace(&mut self.input_end, InputEnd::Clean) {
            InputEnd::Failed(error) => Error::new(self.offset + found, Problem::Input(error)),
            _ => Error::new(self.offset, Problem::CutBlock { expected, found }),
        }
    }

    fn section_header(&mut self) -> Result<(), Error> {
        let bytes = self.want(SECTION_HEAD);
        let Some(header) = bytes.first_chunk::<SECTION_HEAD>().copied() else {
            let found = bytes.len() as u64;
            let kind = (found >= 4).then(|| block::u32_at(bytes, 0));
            return match (kind, &self.input_end) {
                (_, InputEnd::Failed(_)) => Err(self.cut(SECTION_HEAD as u64, found)),
                (Some(kind), _) if kind != block::SECTION => self.fail(Problem::NotCapture { found: kind }),
                _ if found == 0 => self.fail(Problem::Empty),
                _ => Err(self.cut(SECTION_HEAD as u64, found)),
            };
        };
        let (kind, length) = (block::u32_at(&header, 0), block::u32_at(&header, 4));
        if kind != block::SECTION {
            return self.fail(Problem::NotCapture { found: kind });
        }
        let magic = block::u32_at(&header, 8);
        if magic != block::MAGIC {
            return self.fail(Problem::ByteOrder { magic });
        }
        // Even without options there is the trailer.
        if (length as usize) < SECTION_HEAD + block::TRAILER {
            return self.fail(Problem::BlockLength { block: kind, length });
        }
        let major = u16::from_le_bytes([header[12], header[13]]);
        if major > 1 {
            return self.fail(Problem::Version { major });
        }
        // The minor version and the section's length say nothing that a reader needs.
        *self.stats.blocks.entry(kind).or_default() += 1;
        self.stats.sections += 1;
        self.skip(u64::from(length))
    }

    /// Skips a block of `length` bytes without keeping it.
    fn skip(&mut self, length: u64) -> Result<(), Error> {
        let start = self.offset;
        let mut left = length;
        while left > 0 {
            let step = left.min(HEAD_STEP as u64) as usize;
            let found = self.want(step).len();
            if found == 0 {
                let found = length - left;
                let mut error = self.cut(length, found);
                if matches!(error.problem, Problem::CutBlock { .. }) {
                    error.offset = start;
                }
                return Err(error);
            }
            self.consume(found);
            left -= found as u64;
        }
        Ok(())
    }

    /// Reads the lists up to the first event block, which is left unread.
    fn lists(&mut self) -> Result<Head, Error> {
        let mut head = Head::default();
        let start = self.offset;
        loop {
            let bytes = self.want(block::HEADER);
            let found = bytes.len();
            let Some(header) = bytes.first_chunk::<{ block::HEADER }>().copied() else {
                return match (found, &self.input_end) {
                    (0, InputEnd::Clean | InputEnd::Open) => self.fail(Problem::NoEvents),
                    _ => Err(self.cut(block::HEADER as u64, found as u64)),
                };
            };
            let (kind, length) = (block::u32_at(&header, 0), block::u32_at(&header, 4));
            let known = Kind::of(kind);
            if let Some(Kind::Event(_)) = known {
                return Ok(head);
            }
            if (length as usize) < block::HEADER + block::TRAILER {
                return self.fail(Problem::BlockLength { block: kind, length });
            }
            *self.stats.blocks.entry(kind).or_default() += 1;
            match known {
                Some(Kind::Event(_) | Kind::Section) | None => self.skip_block(kind, length)?,
                Some(list) => {
                    self.list(list, kind, length, &mut head)?;
                    if self.offset - start > MAX_HEAD {
                        return self.fail(Problem::HeadTooLarge { limit: MAX_HEAD });
                    }
                }
            }
        }
    }

    /// A block that is no list. A section header between the lists is one too: libscap looks for it only between events.
    fn skip_block(&mut self, kind: u32, length: u32) -> Result<(), Error> {
        self.stats.unknown_blocks += 1;
        self.skip(u64::from(length) - block::TRAILER as u64)?;
        let bytes = self.want(block::TRAILER);
        let found = bytes.len();
        if found < block::TRAILER {
            return Err(self.cut(block::TRAILER as u64, found as u64));
        }
        let trailer = block::u32_at(bytes, 0);
        if trailer != length {
            return self.fail(Problem::Trailer { block: kind, length, trailer });
        }
        self.consume(block::TRAILER);
        Ok(())
    }

    fn list(&mut self, kind: Kind, number: u32, length: u32, head: &mut Head) -> Result<(), Error> {
        if length > block::MAX_BLOCK {
            return self.fail(Problem::TooLarge { block: number, length, limit: block::MAX_BLOCK });
        }
        let size = length as usize;
        let found = self.want(size).len();
        if found < size {
            return Err(self.cut(u64::from(length), found as u64));
        }
        let bytes = &self.ahead[self.used..self.used + size];
        let body = &bytes[block::HEADER..size - block::TRAILER];
        let offset = self.offset + block::HEADER as u64;
        match kind {
            Kind::Machine => lists::machine(body, offset, head)?,
            Kind::Processes(version) => lists::processes(body, offset, version, head)?,
            Kind::Fds(version) => lists::fds(body, offset, version, head)?,
            Kind::Interfaces(version) => lists::interfaces(body, offset, version, head)?,
            Kind::Users(version) => lists::users(body, offset, version, head)?,
            Kind::Section | Kind::Event(_) => {}
        }
        let trailer = block::u32_at(bytes, size - block::TRAILER);
        if trailer != length {
            return self.fail(Problem::Trailer { block: number, length, trailer });
        }
        self.consume(size);
        Ok(())
    }

    /// Fills `batch` with the events of the next chunk, or of several where one has none, and sets what comes next.
    fn events(&mut self, batch: &mut EventBatch) {
        let mut data = mem::take(&mut batch.data);
        if data.capacity() > MAX_KEPT {
            data = Vec::new();
        }
        let mut have = 0;
        let mut size = self.chunk;
        self.chunk = (4 * self.chunk).min(self.largest);
        loop {
            // What was read before stays in a recycled chunk, so this does not fill it with zeros each time.
            data.resize(size, 0);
            have = self.take_ahead(&mut data, have);
            have = fill(&mut self.input, &mut self.input_end, &mut data, have, size);
            data.truncate(have);
            batch.converted.clear();
            let (at, stop) = self.decoder.decode(&data, self.offset, batch, &mut self.stats);
            self.offset += at as u64;
            self.stats.bytes = self.offset;
            let wanted = match stop {
                Stop::Partial { wanted } => wanted,
                Stop::Section => {
                    self.phase = Phase::Section;
                    self.give_back(&data[at..]);
                    break;
                }
                Stop::Damaged(error) => {
                    self.phase = Phase::Failed(error);
                    break;
                }
            };
            let left = have - at;
            if have < size {
                // Only the end of the input leaves a chunk unfilled.
                self.phase = match (left, &self.input_end) {
                    (0, InputEnd::Clean | InputEnd::Open) => Phase::Ended,
                    _ => Phase::Failed(self.cut(wanted as u64, left as u64)),
                };
                break;
            }
            self.phase = Phase::Events;
            if !batch.is_empty() {
                self.give_back(&data[at..]);
                break;
            }
            // No event yet: go on in the same memory. A block larger than the chunk makes it grow, but never to more than
            // twice what has arrived of it.
            data.copy_within(at.., 0);
            have = left;
            size = CHUNK.max(wanted.min(2 * left));
        }
        batch.data = data;
    }

    /// Moves bytes from `ahead` to `data[have..]`; gives how far `data` is filled.
    fn take_ahead(&mut self, data: &mut [u8], have: usize) -> usize {
        let room = data.get_mut(have..).unwrap_or(&mut []);
        let rest = self.ahead.get(self.used..).unwrap_or(&[]);
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        self.used += count;
        have + count
    }

    /// Makes `bytes`, the end of a chunk, the next ones to be read.
    fn give_back(&mut self, bytes: &[u8]) {
        if self.used == self.ahead.len() {
            self.ahead.clear();
            self.ahead.extend_from_slice(bytes);
            self.used = 0;
        } else {
            // The chunk was taken from `ahead` alone, so they still stand there.
            self.used -= bytes.len();
        }
    }
}

/// Empties a batch but leaves `data`, which is about to be overwritten, as it is.
fn empty(batch: &mut EventBatch) {
    let data = mem::take(&mut batch.data);
    batch.clear();
    batch.data = data;
}

/// Reads into `buffer[have..]` until it is filled to `enough` at least, or the input ends; gives how far it is filled.
fn fill(input: &mut impl Read, end: &mut InputEnd, buffer: &mut [u8], mut have: usize, enough: usize) -> usize {
    let enough = enough.min(buffer.len());
    while have < enough && matches!(end, InputEnd::Open) {
        match input.read(&mut buffer[have..]) {
            Ok(0) => *end = InputEnd::Clean,
            // A reader that claims more than it was given room for is broken; believe what can be true.
            Ok(count) => have = (have + count).min(buffer.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => *end = InputEnd::Failed(error),
        }
    }
    have
}
