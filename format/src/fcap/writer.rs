//! Writes a capture file.
//!
//! Blocks are encoded on other threads and written in the order in which they came, so the bytes are the same for any
//! number of threads. Every section is written as a whole; a file whose writer was dropped can be read up to there.

use std::collections::VecDeque;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use sha2::{Digest, Sha256};

use super::block::{self, Encoded};
use super::constants::{FILE_MARK, TRAILER, codec, kind, limit};
use super::error::{Error, Problem};
use super::header::{FileAbout, Totals};
use super::index::{self, Entry};
use super::own_events::{self, OwnEvent};
use super::section::{Trailer, file_mark, header_for};
use super::snapshot;
use crate::block::Block;
use crate::lists::Head;

/// Own events that are gathered before they are written.
const OWN_EVENTS: usize = 1 << 20;

/// Spent blocks that are kept for reuse.
const SPARES: usize = 8;

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of zstd, 1 to 19.
    pub level: i32,
    /// Threads that encode blocks; 0 encodes them where they come in.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { level: 3, threads: 0 }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the file's mark and header section.
    pub header: u64,
    /// Bytes of snapshots.
    pub snapshots: u64,
    /// Bytes of blocks, with what is said of each.
    pub blocks: u64,
    /// Bytes of the filters, which the index has compressed.
    pub summaries: u64,
    /// Bytes of own events.
    pub own_events: u64,
    /// Bytes of the index.
    pub index: u64,
    /// Bytes of the trailer.
    pub trailer: u64,
    /// Number of blocks.
    pub block_count: u64,
    /// Number of events in them.
    pub events: u64,
    /// Bytes of their parameters before compression.
    pub raw_bytes: u64,
    /// SHA-256 chained over the sections.
    pub chain: [u8; 32],
}

/// Writes a capture. Nothing but [`finish`](Writer::finish) writes the index: a writer that is dropped leaves a file
/// that was not closed.
#[derive(Debug)]
pub struct Writer<W: Write> {
    sections: Sections<W>,
    level: i32,
    own_events: Vec<OwnEvent>,
    own_bytes: usize,
    sealing: Option<Sealing>,
    spare: Vec<Block>,
    failed: bool,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When the output fails, or `about` is too large.
    pub fn new(out: W, about: &FileAbout, options: Options) -> Result<Self, Error> {
        let level = options.level.clamp(1, 19);
        let mut sections = Sections::new(out)?;
        sections.put(kind::HEADER, &[&about.body()?])?;
        sections.written.header = sections.at;
        let sealing = (options.threads > 0).then(|| Sealing::new(options.threads, level)).transpose()?;
        Ok(Writer { sections, level, own_events: Vec::new(), own_bytes: 0, sealing, spare: Vec::new(), failed: false })
    }

    /// Writes a snapshot: the state of the host after all blocks before it. A file begins with one.
    ///
    /// # Errors
    /// When the output fails, or the head is larger than a snapshot can be.
    pub fn head(&mut self, head: &Head) -> Result<(), Error> {
        let body = snapshot::encode(head, self.level)?;
        self.flush()?;
        self.guard(|writer| {
            let (offset, len) = writer.sections.put(kind::SNAPSHOT, &[&body])?;
            writer.sections.entries.push(Entry::Snapshot { offset, len });
            writer.sections.written.snapshots += len;
            Ok(())
        })
    }

    /// Writes a block, or hands it to a thread that encodes it; waits while too many are under way. An empty block is
    /// left out.
    ///
    /// # Errors
    /// When the output failed, for this block or one before it, or the block is larger than one may be.
    pub fn block(&mut self, block: Block) -> Result<(), Error> {
        if block.len() > limit::BLOCK_EVENTS {
            let (size, limit) = (block.len() as u64, limit::BLOCK_EVENTS as u64);
            return Err(Error::new(self.sections.at, Problem::TooLarge { what: "a block", size, limit }));
        }
        if block.is_empty() {
            keep(&mut self.spare, block);
            return Ok(());
        }
        self.write_own_events()?;
        let level = self.level;
        self.guard(|writer| match &mut writer.sealing {
            None => {
                let encoded = block::encode(&block, level);
                keep(&mut writer.spare, block);
                writer.sections.block(&encoded)
            }
            Some(sealing) => {
                sealing.send(block)?;
                while let Some(sealed) = sealing.ready()? {
                    keep(&mut writer.spare, sealed.block);
                    writer.sections.block(&sealed.encoded)?;
                }
                Ok(())
            }
        })
    }

    /// Writes a block that is encoded already, such as one of another file.
    ///
    /// # Errors
    /// When the output fails, or the block is larger than one may be.
    pub fn encoded(&mut self, encoded: &Encoded) -> Result<(), Error> {
        self.flush()?;
        self.guard(|writer| writer.sections.block(encoded))
    }

    /// Adds an event of ours. It stands before the blocks that come after it.
    ///
    /// # Errors
    /// When the output fails, the kind is not one of ours, or the payload is too large.
    pub fn own_event(&mut self, event: OwnEvent) -> Result<(), Error> {
        event.check()?;
        self.own_bytes += event.size();
        self.own_events.push(event);
        if self.own_bytes >= OWN_EVENTS { self.write_own_events() } else { Ok(()) }
    }

    /// A block whose contents were written, so that its memory is used again.
    pub fn spare(&mut self) -> Option<Block> {
        self.spare.pop()
    }

    /// Writes what is left, the index and the trailer, and gives the output back.
    ///
    /// # Errors
    /// When the output fails, now or before.
    pub fn finish(mut self, totals: &Totals) -> Result<(W, Written), Error> {
        self.flush()?;
        self.guard(|writer| writer.sections.close(totals))?;
        Ok(self.sections.end())
    }

    /// Writes all that came in so far.
    fn flush(&mut self) -> Result<(), Error> {
        self.write_own_events()?;
        self.wait()
    }

    /// Waits for the blocks that are being encoded, and writes them.
    fn wait(&mut self) -> Result<(), Error> {
        self.guard(|writer| {
            let Some(sealing) = &mut writer.sealing else { return Ok(()) };
            while let Some(sealed) = sealing.next()? {
                keep(&mut writer.spare, sealed.block);
                writer.sections.block(&sealed.encoded)?;
            }
            Ok(())
        })
    }

    fn write_own_events(&mut self) -> Result<(), Error> {
        if self.own_events.is_empty() {
            return Ok(());
        }
        self.wait()?;
        let events = std::mem::take(&mut self.own_events);
        self.own_bytes = 0;
        self.guard(|writer| writer.sections.own_events(&events))
    }

    /// After an error nothing more is written: what is in the output then may end within a section.
    fn guard<T>(&mut self, write: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.failed {
            return Err(Error::new(self.sections.at, Problem::Output(std::io::Error::other("writing failed before"))));
        }
        let result = write(self);
        self.failed = result.is_err();
        result
    }
}

/// Keeps a spent block, as long as somebody takes them.
fn keep(spare: &mut Vec<Block>, block: Block) {
    if spare.len() < SPARES {
        spare.push(block);
    }
}

/// Sections as they are written, one after another.
#[derive(Debug)]
pub(super) struct Sections<W> {
    out: W,
    at: u64,
    number: u32,
    chain: [u8; 32],
    pub entries: Vec<Entry>,
    pub written: Written,
}

impl<W: Write> Sections<W> {
    pub fn new(mut out: W) -> Result<Self, Error> {
        let mark = file_mark();
        out.write_all(&mark).map_err(|error| Error::new(0, Problem::Output(error)))?;
        let chain = Sha256::digest(mark).into();
        let at = FILE_MARK as u64;
        Ok(Sections { out, at, number: 0, chain, entries: Vec::new(), written: Written::default() })
    }

    /// Bytes written so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The output, and what was written.
    pub fn end(self) -> (W, Written) {
        (self.out, self.written)
    }

    /// Writes a section that is not compressed as a whole: its place and length.
    pub fn put(&mut self, kind: u16, parts: &[&[u8]]) -> Result<(u64, u64), Error> {
        let raw = parts.iter().map(|part| part.len() as u64).sum();
        self.put_packed(kind, codec::RAW, parts, raw)
    }

    pub fn put_packed(&mut self, kind: u16, codec: u8, parts: &[&[u8]], raw: u64) -> Result<(u64, u64), Error> {
        let place = self.at;
        let header = header_for(kind, codec, place, self.number, parts, raw);
        if header.length > limit::SECTION {
            let problem = Problem::TooLarge { what: header.name(), size: header.length, limit: limit::SECTION };
            return Err(Error::new(place, problem));
        }
        let mut chain = Sha256::new();
        chain.update(self.chain);
        for part in std::iter::once(&header.bytes()[..]).chain(parts.iter().copied()) {
            chain.update(part);
            self.out.write_all(part).map_err(|error| Error::new(place, Problem::Output(error)))?;
        }
        self.chain = chain.finalize().into();
        self.at = header.end();
        self.number += 1;
        Ok((place, header.total()))
    }

    pub fn block(&mut self, encoded: &Encoded) -> Result<(), Error> {
        let Encoded { payload, about } = encoded;
        let mut record = Vec::new();
        index::put_about(&mut record, about)?;
        let (offset, len) = self.put(kind::BLOCK, &[&record, payload])?;
        self.written.blocks += len;
        self.written.summaries += about.summary.len() as u64;
        self.written.block_count += 1;
        self.written.events += u64::from(about.events);
        self.written.raw_bytes += about.raw_bytes;
        self.entries.push(Entry::Block { offset, len, about: about.clone() });
        Ok(())
    }

    pub fn own_events(&mut self, events: &[OwnEvent]) -> Result<(), Error> {
        let body = own_events::body(events)?;
        let (codec, packed) = index::pack(&body);
        let (offset, len) = self.put_packed(kind::OWN_EVENTS, codec, &[&packed], body.len() as u64)?;
        self.entries.push(Entry::OwnEvents { offset, len, count: events.len() as u32 });
        self.written.own_events += len;
        Ok(())
    }

    /// Writes index and trailer.
    pub fn close(&mut self, totals: &Totals) -> Result<(), Error> {
        let index = self.at;
        for body in index::bodies(&self.entries, totals)? {
            let (codec, packed) = index::pack(&body);
            self.put_packed(kind::INDEX, codec, &[&packed], body.len() as u64)?;
        }
        let index_length = self.at - index;
        let size = self.at + TRAILER as u64;
        let chain = self.chain;
        let trailer = Trailer { index, index_length, sections: self.number.into(), size, chain };
        self.put(kind::TRAILER, &[&trailer.bytes()])?;
        self.out.flush().map_err(|error| Error::new(size, Problem::Output(error)))?;
        self.written.index = index_length;
        self.written.trailer = TRAILER as u64;
        self.written.bytes = self.at;
        self.written.chain = chain;
        Ok(())
    }
}

/// A block and what became of it.
#[derive(Debug)]
struct Sealed {
    block: Block,
    encoded: Encoded,
}

/// The threads that encode blocks.
#[derive(Debug)]
struct Sealing {
    /// Given up to end the threads.
    jobs: Option<Sender<(Block, Sender<Option<Sealed>>)>>,
    /// What each block that is under way will come back through, in order.
    under_way: VecDeque<Receiver<Option<Sealed>>>,
    most: usize,
    threads: Vec<JoinHandle<()>>,
}

impl Sealing {
    fn new(count: usize, level: i32) -> Result<Sealing, Error> {
        let (jobs, queue) = unbounded::<(Block, Sender<Option<Sealed>>)>();
        let mut threads = Vec::with_capacity(count);
        for _ in 0..count {
            let queue = queue.clone();
            let work = move || {
                for (block, back) in queue {
                    // A defect in the encoder must not leave the writer waiting for ever.
                    let encoded = catch_unwind(AssertUnwindSafe(|| block::encode(&block, level)));
                    // Whoever waits may have gone: then nobody needs the block.
                    drop(back.send(encoded.ok().map(|encoded| Sealed { block, encoded })));
                }
            };
            let spawned = std::thread::Builder::new().name("seal".to_owned()).spawn(work);
            threads.push(spawned.map_err(|error| Error::new(0, Problem::Input(error)))?);
        }
        // One waiting behind each that is being encoded keeps all threads busy.
        Ok(Sealing { jobs: Some(jobs), under_way: VecDeque::new(), most: 2 * count, threads })
    }

    fn send(&mut self, block: Block) -> Result<(), Error> {
        let (back, receiver) = bounded(1);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send((block, back)).is_ok());
        if !sent {
            return Err(Error::new(0, Problem::Sealing));
        }
        self.under_way.push_back(receiver);
        Ok(())
    }

    /// The next block in order, if it is there or too many are under way.
    fn ready(&mut self) -> Result<Option<Sealed>, Error> {
        match self.under_way.front() {
            Some(first) if !first.is_empty() || self.under_way.len() > self.most => self.next(),
            _ => Ok(None),
        }
    }

    /// The next block in order, waited for.
    fn next(&mut self) -> Result<Option<Sealed>, Error> {
        let Some(first) = self.under_way.pop_front() else { return Ok(None) };
        match first.recv() {
            Ok(Some(sealed)) => Ok(Some(sealed)),
            _ => Err(Error::new(0, Problem::Sealing)),
        }
    }
}

impl Drop for Sealing {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // What a thread had to say came through its channels.
            drop(thread.join());
        }
    }
}
