//! The index: every section between the header and the index itself, with what is known of each block.
//!
//! Sections stand one after another without gaps, so the index has lengths alone and their places follow: there is no
//! offset that could point backwards or overlap.

use wincode::{SchemaRead, SchemaWrite};

use super::block::BlockAbout;
use super::constants::{codec, kind, limit, record};
use super::error::{Error, Problem};
use super::header::Totals;
use super::record::{Record, all, put};
use super::section::contents;

const WHAT: &str = "the index";
/// Entries of one record.
const CHUNK: usize = 512;
/// Bytes of filters after which a record is full.
const CHUNK_BYTES: usize = 1 << 20;

/// A section of a file, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The state of the host at this place.
    Snapshot {
        /// Where the section begins, in bytes from the start of the file.
        offset: u64,
        /// Its bytes, header included.
        len: u64,
    },
    /// Events in context.
    Block {
        /// Where the section begins.
        offset: u64,
        /// Its bytes, header included.
        len: u64,
        /// What is in it.
        about: BlockAbout,
    },
    /// Events of ours.
    OwnEvents {
        /// Where the section begins.
        offset: u64,
        /// Its bytes, header included.
        len: u64,
        /// How many events.
        count: u32,
    },
    /// A section of a kind that this reader does not know, or the journal.
    Other {
        /// Its kind.
        kind: u16,
        /// Where the section begins.
        offset: u64,
        /// Its bytes, header included.
        len: u64,
    },
}

impl Entry {
    /// Where the section begins, in bytes from the start of the file.
    pub fn offset(&self) -> u64 {
        match self {
            Entry::Snapshot { offset, .. }
            | Entry::Block { offset, .. }
            | Entry::OwnEvents { offset, .. }
            | Entry::Other { offset, .. } => *offset,
        }
    }

    /// Bytes of the section, header included.
    #[allow(clippy::len_without_is_empty, reason = "no section is empty")]
    pub fn len(&self) -> u64 {
        match self {
            Entry::Snapshot { len, .. }
            | Entry::Block { len, .. }
            | Entry::OwnEvents { len, .. }
            | Entry::Other { len, .. } => *len,
        }
    }

    /// Kind of the section.
    pub(super) fn kind(&self) -> u16 {
        match self {
            Entry::Snapshot { .. } => kind::SNAPSHOT,
            Entry::Block { .. } => kind::BLOCK,
            Entry::OwnEvents { .. } => kind::OWN_EVENTS,
            Entry::Other { kind, .. } => *kind,
        }
    }

    /// What is known of the block, where it is one.
    pub fn about(&self) -> Option<&BlockAbout> {
        match self {
            Entry::Block { about, .. } => Some(about),
            _ => None,
        }
    }
}

/// A [`BlockAbout`] as it is written. The order of the fields is the order of the bytes: see SPEC.md.
#[derive(SchemaWrite, SchemaRead)]
struct WrittenAbout {
    events: u32,
    first_num: u64,
    last_num: u64,
    min_ts: u64,
    max_ts: u64,
    types: Vec<(u16, u32)>,
    delivered: u32,
    raw_bytes: u64,
    summary: Vec<u8>,
}

impl WrittenAbout {
    fn new(about: &BlockAbout, with_summary: bool) -> WrittenAbout {
        WrittenAbout {
            events: about.events,
            first_num: about.first_num,
            last_num: about.last_num,
            min_ts: about.min_ts,
            max_ts: about.max_ts,
            types: about.types.clone(),
            delivered: about.delivered,
            raw_bytes: about.raw_bytes,
            summary: if with_summary { about.summary.clone() } else { Vec::new() },
        }
    }

    fn checked(self, offset: u64) -> Result<BlockAbout, Error> {
        let wrong = |detail: &str| Err(contents(offset, "what is said of a block", detail));
        if self.events as usize > limit::BLOCK_EVENTS {
            return wrong("too many events");
        }
        if self.types.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
            return wrong("event types are not in order");
        }
        if self.types.iter().map(|(_, count)| u64::from(*count)).sum::<u64>() != u64::from(self.events)
            || self.delivered > self.events
        {
            return wrong("its counts contradict each other");
        }
        if self.first_num > self.last_num || self.min_ts > self.max_ts {
            return wrong("an end before its beginning");
        }
        if self.summary.len() > limit::SUMMARY {
            return wrong("its filter is too large");
        }
        Ok(BlockAbout {
            events: self.events,
            first_num: self.first_num,
            last_num: self.last_num,
            min_ts: self.min_ts,
            max_ts: self.max_ts,
            types: self.types,
            delivered: self.delivered,
            raw_bytes: self.raw_bytes,
            summary: self.summary,
        })
    }
}

/// The record at the front of a block section. Filters stand in the index alone: they can be worked out again.
pub(super) fn put_about(out: &mut Vec<u8>, about: &BlockAbout) -> Result<(), Error> {
    if about.summary.len() > limit::SUMMARY {
        let (size, limit) = (about.summary.len() as u64, limit::SUMMARY as u64);
        return Err(Error::new(0, Problem::TooLarge { what: "the filter of a block", size, limit }));
    }
    put(out, record::BLOCK_ABOUT, "what is said of a block", &WrittenAbout::new(about, false))
}

/// Splits the body of a block section into its record and its payload.
pub(super) fn split_block(body: &[u8]) -> Result<(Record<'_>, &[u8]), Error> {
    Record::take(body, 0)
}

/// Reads the record at the front of a block section.
pub(super) fn read_about(record: &Record<'_>) -> Result<BlockAbout, Error> {
    record.read::<WrittenAbout>(record::BLOCK_ABOUT, "what is said of a block")?.checked(record.offset)
}

#[derive(SchemaWrite, SchemaRead)]
struct WrittenEntry {
    kind: u16,
    length: u64,
    /// Own events; 0 otherwise.
    count: u32,
    about: Option<WrittenAbout>,
}

/// The bodies of the index sections, before compression.
pub(super) fn bodies(entries: &[Entry], totals: &Totals) -> Result<Vec<Vec<u8>>, Error> {
    let mut bodies = Vec::new();
    let mut body = Vec::new();
    put(&mut body, record::TOTALS, "the totals", totals)?;
    let mut summaries = 0u64;
    let mut left = entries;
    while !left.is_empty() {
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let full = bytes >= CHUNK_BYTES;
            bytes += entry.about().map_or(0, |about| about.summary.len() + 6 * about.types.len());
            !full
        };
        let count = left.iter().take(CHUNK).take_while(fits).count();
        let (chunk, rest) = left.split_at(count);
        left = rest;
        let written: Vec<WrittenEntry> = chunk
            .iter()
            .map(|entry| {
                // A reader must be able to hold the whole index; a block without a filter is only never skipped.
                summaries += entry.about().map_or(0, |about| about.summary.len() as u64);
                let with_summary = summaries <= limit::INDEX_SUMMARIES;
                WrittenEntry {
                    kind: entry.kind(),
                    length: entry.len(),
                    count: if let Entry::OwnEvents { count, .. } = entry { *count } else { 0 },
                    about: entry.about().map(|about| WrittenAbout::new(about, with_summary)),
                }
            })
            .collect();
        put(&mut body, record::ENTRIES, WHAT, &written)?;
        if body.len() as u64 >= limit::INDEX_SECTION / 2 {
            bodies.push(std::mem::take(&mut body));
        }
    }
    if !body.is_empty() {
        bodies.push(body);
    }
    Ok(bodies)
}

/// Compresses the body of an index section: (codec, bytes as stored).
pub(super) fn pack(body: &[u8]) -> (u8, Vec<u8>) {
    match zstd::bulk::compress(body, 9) {
        Ok(packed) if packed.len() < body.len() => (codec::ZSTD, packed),
        _ => (codec::RAW, body.to_vec()),
    }
}

/// The index as it is read, section by section.
#[derive(Debug, Default)]
pub(super) struct IndexReader {
    pub entries: Vec<Entry>,
    pub totals: Option<Totals>,
    /// Bytes read so far.
    size: u64,
    /// Where the next entry's section begins.
    at: u64,
    /// Where the index begins.
    end: u64,
}

impl IndexReader {
    /// `start`: where the first section after the header begins; `end`: where the index does.
    pub fn new(start: u64, end: u64) -> IndexReader {
        IndexReader { at: start, end, ..IndexReader::default() }
    }

    /// Bytes that may still come.
    pub fn room(&self) -> u64 {
        (limit::INDEX - self.size).min(limit::INDEX_SECTION)
    }

    /// Reads the body of the next index section.
    pub fn add(&mut self, body: &[u8]) -> Result<(), Error> {
        self.size = self.size.saturating_add(body.len() as u64).min(limit::INDEX);
        for record in all(body) {
            let record = record?;
            match record.kind {
                record::TOTALS if self.totals.is_none() => {
                    self.totals = Some(record.read(record::TOTALS, "the totals")?);
                }
                record::ENTRIES => {
                    for entry in record.read::<Vec<WrittenEntry>>(record::ENTRIES, WHAT)? {
                        self.entry(entry, record.offset)?;
                    }
                }
                other => return Err(contents(record.offset, WHAT, format!("an unexpected record of kind {other}"))),
            }
        }
        Ok(())
    }

    fn entry(&mut self, entry: WrittenEntry, record: u64) -> Result<(), Error> {
        let wrong = |detail: String| Err(contents(record, WHAT, detail));
        let WrittenEntry { kind, length: len, count, about } = entry;
        let offset = self.at;
        let end = offset.checked_add(len).filter(|&end| end <= self.end);
        let Some(end) = end.filter(|_| len >= super::constants::SECTION_HEADER as u64) else {
            return wrong(format!("a section of {len} bytes at byte {offset} does not fit into the file"));
        };
        self.at = end;
        if matches!(kind, kind::HEADER | kind::INDEX | kind::TRAILER) {
            return wrong(format!("it lists {} at byte {offset}", super::section::name(kind)));
        }
        self.entries.push(match (kind, about) {
            (kind::BLOCK, Some(about)) => Entry::Block { offset, len, about: about.checked(record)? },
            (kind::BLOCK, None) => return wrong(format!("it says nothing of the block at byte {offset}")),
            (kind::SNAPSHOT, None) => Entry::Snapshot { offset, len },
            (kind::OWN_EVENTS, None) => Entry::OwnEvents { offset, len, count },
            (kind, None) => Entry::Other { kind, offset, len },
            (_, Some(_)) => return wrong(format!("it calls the section at byte {offset} a block and not a block")),
        });
        Ok(())
    }

    /// Moves all entries up to where the index begins: it was read without knowing where the first one does.
    pub fn shift(&mut self) {
        let by = self.end - self.at;
        self.at = self.end;
        for entry in &mut self.entries {
            match entry {
                Entry::Snapshot { offset, .. }
                | Entry::Block { offset, .. }
                | Entry::OwnEvents { offset, .. }
                | Entry::Other { offset, .. } => *offset += by,
            }
        }
    }

    /// The index is whole when it reaches exactly to itself.
    pub fn finish(self) -> Result<(Vec<Entry>, Totals), Error> {
        if self.at != self.end {
            let detail = format!("it ends at byte {} of {} before it", self.at, self.end);
            return Err(contents(0, WHAT, detail));
        }
        let totals = self.totals.ok_or_else(|| contents(0, WHAT, "it has no totals"))?;
        Ok((self.entries, totals))
    }
}
