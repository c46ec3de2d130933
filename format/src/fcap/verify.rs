//! Checks a file: every section and column checksum, the index against the sections, and the chain.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::block::{self, BlockAbout, Decoder, Select, StoredBlock};
use super::columns::{Columns, Inflate};
use super::constants::{FILE_MARK, SECTION_HEADER, TRAILER, kind, limit};
use super::error::{Error, Problem};
use super::file::read_entries;
use super::header::{FileAbout, Totals};
use super::index::{self, Entry};
use super::map::{Access, Bytes};
use super::section::{SectionHeader, Trailer, check_file_mark, contents};
use super::snapshot;
use super::walk::{Damaged, Piece, body_at, pieces, read_header, read_own_events};
use crate::block::Block;

/// What a check of a file found, and what a chain of custody needs to know of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Bytes of the file.
    pub size: u64,
    /// SHA-256 of the whole file.
    pub sha256: [u8; 32],
    /// SHA-256 chained over the sections, as worked out now.
    pub chain: [u8; 32],
    /// The same as the trailer has it, where there is a sound one.
    pub chain_written: Option<[u8; 32]>,
    /// Whether there is a sound trailer at the end. Without one nobody knows whether anything is missing.
    pub closed: bool,
    /// Who recorded the file, where its header section is whole.
    pub about: Option<FileAbout>,
    /// What was known of the source at the end, where the index is whole.
    pub totals: Option<Totals>,
    /// Whole sections, header, index and trailer included.
    pub sections: u64,
    /// Whole snapshots.
    pub snapshots: u64,
    /// Whole blocks.
    pub blocks: u64,
    /// Events in them.
    pub events: u64,
    /// Those of them that rules and output see.
    pub delivered: u64,
    /// Events of ours.
    pub own_events: u64,
    /// First and last `evt.num`.
    pub nums: Option<(u64, u64)>,
    /// Earliest and latest time, nanoseconds since the epoch.
    pub times: Option<(u64, u64)>,
    /// What is wrong, in file order.
    pub findings: Vec<Finding>,
}

/// Something wrong, and what it costs.
#[derive(Debug)]
pub struct Finding {
    /// Where the bytes begin that cannot be used.
    pub start: u64,
    /// Where they end.
    pub end: u64,
    /// What is wrong with them.
    pub error: Error,
    /// What is lost with them.
    pub lost: Lost,
}

/// What is lost with some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// How many blocks, where that is known.
    pub blocks: Option<u64>,
    /// How many events, where that is known.
    pub events: Option<u64>,
    /// First `evt.num` that may be lost, where that is known.
    pub first_num: Option<u64>,
    /// Last one.
    pub last_num: Option<u64>,
    /// How many snapshots, where that is known.
    pub snapshots: Option<u64>,
    /// How many events of ours, where that is known.
    pub own_events: Option<u64>,
}

impl Lost {
    pub(super) const NOTHING: Lost = Lost {
        blocks: Some(0),
        events: Some(0),
        first_num: None,
        last_num: None,
        snapshots: Some(0),
        own_events: Some(0),
    };

    pub(super) fn add(&mut self, entry: &Entry) {
        let plus = |sum: &mut Option<u64>, count: u64| *sum = sum.map(|sum| sum + count);
        match entry {
            Entry::Snapshot { .. } => plus(&mut self.snapshots, 1),
            Entry::OwnEvents { count, .. } => plus(&mut self.own_events, (*count).into()),
            Entry::Block { about, .. } => {
                plus(&mut self.blocks, 1);
                plus(&mut self.events, about.events.into());
                self.first_num = Some(self.first_num.map_or(about.first_num, |first| first.min(about.first_num)));
                self.last_num = Some(self.last_num.map_or(about.last_num, |last| last.max(about.last_num)));
            }
            Entry::Other { .. } => {}
        }
    }

    /// Whether it is known that nothing is lost.
    pub fn is_nothing(&self) -> bool {
        *self == Lost::NOTHING
    }
}

/// As a line of text: the bytes, what is wrong with them, and what is lost.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { start, end, error, lost } = self;
        write!(f, "bytes {start} to {end}: {error}; {lost}")
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_nothing() {
            return f.write_str("nothing is lost");
        }
        let named = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut parts = Vec::new();
        let known = [
            (self.blocks, "block"),
            (self.events, "event"),
            (self.snapshots, "snapshot"),
            (self.own_events, "event of the recorder's own"),
        ];
        for (count, what) in known {
            match count {
                Some(0) => {}
                Some(count) => parts.push(named(count, what)),
                None if what == "event" => parts.push("an unknown number of events".to_owned()),
                None => {}
            }
        }
        if parts.is_empty() {
            parts.push("no events".to_owned());
        }
        write!(f, "lost: {}", parts.join(", "))?;
        match (self.first_num, self.last_num) {
            (Some(first), Some(last)) => write!(f, " (numbers {first} to {last})"),
            (Some(first), None) => write!(f, " (numbers from {first})"),
            (None, Some(last)) => write!(f, " (numbers up to {last})"),
            (None, None) => Ok(()),
        }
    }
}

impl Report {
    /// Whether the file is closed and nothing is wrong with it.
    pub fn is_sound(&self) -> bool {
        self.closed && self.findings.is_empty()
    }
}

/// Checks a file.
///
/// # Errors
/// When it cannot be read, is no capture, or is of a newer version. Whatever else is wrong is in the report.
pub fn verify(path: &Path, access: Access) -> Result<Report, Error> {
    let bytes = Bytes::open(path, access).map_err(|error| Error::new(0, Problem::Input(error)))?;
    verify_bytes(&bytes)
}

/// Checks a file that is in memory.
///
/// # Errors
/// As for [`verify`].
pub fn verify_bytes(file: &[u8]) -> Result<Report, Error> {
    Scan::new(file).map(|scan| scan.report)
}

/// A file that was gone through.
pub(super) struct Scan<'a> {
    pub file: &'a [u8],
    pub report: Report,
    /// Sections whose contents are whole, apart from header, index and trailer.
    pub whole: Vec<Entry>,
    /// What a sound index says.
    pub index: Option<Vec<Entry>>,
    /// Of each whole block with events: (place, first number, last number).
    numbers: Vec<(u64, u64, u64)>,
    chain: [u8; 32],
    inflate: Inflate,
    column: Vec<u8>,
}

impl<'a> Scan<'a> {
    pub fn new(file: &'a [u8]) -> Result<Scan<'a>, Error> {
        let mut scan = Scan {
            file,
            report: Report { size: file.len() as u64, sha256: Sha256::digest(file).into(), ..Report::default() },
            whole: Vec::new(),
            index: None,
            numbers: Vec::new(),
            chain: Sha256::digest(&file[..file.len().min(FILE_MARK)]).into(),
            inflate: Inflate::default(),
            column: Vec::new(),
        };
        let mut damage = Vec::new();
        if let Err(error) = check_file_mark(file) {
            // With a sound section behind it, it is a capture with a damaged mark.
            let sections = pieces(file).any(|piece| matches!(piece, Piece::Section(_)));
            if matches!(error.problem, Problem::Version { .. }) || !sections {
                return Err(error);
            }
            damage.push(Damaged { start: 0, end: FILE_MARK as u64, error });
        }
        let index = scan.read_index();
        // The number that the next section has; not known after damage.
        let mut number = Some(0);
        for piece in pieces(file) {
            let header = match piece {
                Piece::Damage(damaged) => {
                    damage.push(damaged);
                    number = None;
                    continue;
                }
                Piece::Section(header) => header,
            };
            if let Err(error) = scan.section(&header, number, index.as_ref()) {
                damage.push(Damaged { start: header.place, end: header.end(), error });
            }
            number = header.number.checked_add(1);
        }
        if scan.report.about.is_none() && damage.iter().all(|damaged| damaged.start != FILE_MARK as u64) {
            let error = contents(FILE_MARK as u64, "the header section", "it is missing");
            damage.push(Damaged { start: FILE_MARK as u64, end: FILE_MARK as u64, error });
        }
        if damage.is_empty() && scan.report.chain_written.is_some_and(|written| written != scan.chain) {
            // Where a section is damaged, the chain follows; here somebody has put checksums right.
            let error = contents(0, "the chained SHA-256", "the sections are not those that were written");
            damage.push(Damaged { start: 0, end: file.len() as u64, error });
        }
        damage.sort_by_key(|damaged| (damaged.start, damaged.end));
        scan.report.chain = scan.chain;
        scan.report.findings = damage.into_iter().map(|damaged| scan.finding(damaged)).collect();
        Ok(scan)
    }

    /// The index, where it is whole: it says what is lost with a damaged section.
    fn read_index(&mut self) -> Option<Trailer> {
        let at = self.report.size.checked_sub(TRAILER as u64)?;
        let trailer = Trailer::read(&SectionHeader::read(self.file, at).ok()?, self.file).ok()?;
        let (entries, totals) = read_entries(self.file, self.first(), &trailer).ok()?;
        self.index = Some(entries);
        self.report.totals = Some(totals);
        Some(trailer)
    }

    /// Where the first section after the header begins, where the header is sound.
    fn first(&self) -> Option<u64> {
        SectionHeader::read(self.file, FILE_MARK as u64).map(|header| header.end()).ok()
    }

    fn section(&mut self, header: &SectionHeader, number: Option<u32>, trailer: Option<&Trailer>) -> Result<(), Error> {
        let file = self.file;
        let (offset, len) = (header.place, header.total());
        let at = body_at(header);
        if header.kind != kind::TRAILER {
            let mut chain = Sha256::new();
            chain.update(self.chain);
            chain.update(&file[offset as usize..header.end() as usize]);
            self.chain = chain.finalize().into();
        }
        let whole = match header.kind {
            kind::HEADER if self.report.about.is_none() && offset == FILE_MARK as u64 => {
                self.report.about = Some(read_header(header, file)?);
                None
            }
            kind::HEADER => return Err(contents(offset, header.name(), "it is there twice")),
            kind::SNAPSHOT => {
                let body = header.unpacked(file, limit::SECTION)?;
                snapshot::decode(&body).map_err(|error| error.within(at))?;
                self.report.snapshots += 1;
                Some(Entry::Snapshot { offset, len })
            }
            kind::BLOCK => {
                header.check_version()?;
                let body = header.checked(file)?;
                let (record, payload) = index::split_block(body).map_err(|error| error.within(at))?;
                let about = index::read_about(&record).map_err(|error| error.within(at))?;
                let payload_at = at + (body.len() - payload.len()) as u64;
                let summary = self.payload(payload, &about).map_err(|error| error.within(payload_at))?;
                self.count(offset, &about);
                // The filter stands in the index alone; without one it is worked out again.
                let indexed = self.index.as_ref().and_then(|index| find(index, offset)).and_then(Entry::about);
                let summary = indexed.map_or(summary, |indexed| indexed.summary.clone());
                Some(Entry::Block { offset, len, about: BlockAbout { summary, ..about } })
            }
            kind::OWN_EVENTS => {
                let count = read_own_events(header, file)?.len() as u32;
                self.report.own_events += u64::from(count);
                Some(Entry::OwnEvents { offset, len, count })
            }
            kind::INDEX => {
                header.unpacked(file, limit::INDEX_SECTION)?;
                None
            }
            kind::TRAILER => {
                self.trailer(header, trailer)?;
                None
            }
            // The journal is open, so its section has no checksum.
            kind::JOURNAL => Some(Entry::Other { kind: header.kind, offset, len }),
            kind => {
                header.checked(file)?;
                Some(Entry::Other { kind, offset, len })
            }
        };
        self.report.sections += 1;
        if let Some(entry) = whole {
            let indexed = self.index.as_ref().map(|index| find(index, offset) == Some(&entry));
            self.whole.push(entry);
            if indexed == Some(false) {
                return Err(contents(offset, header.name(), "the index says something else of it"));
            }
        }
        if let Some(number) = number.filter(|number| *number != header.number) {
            let detail = format!("it is section {}, but {number} comes here", header.number);
            return Err(contents(offset, header.name(), detail));
        }
        Ok(())
    }

    fn trailer(&mut self, header: &SectionHeader, read: Option<&Trailer>) -> Result<(), Error> {
        let trailer = Trailer::read(header, self.file)?;
        if header.end() != self.report.size {
            return Err(contents(header.place, header.name(), "the file goes on after it"));
        }
        self.report.chain_written = Some(trailer.chain);
        if read.is_none() {
            read_entries(self.file, self.first(), &trailer)?;
        }
        self.report.closed = true;
        Ok(())
    }

    /// Checks every column of a payload.
    fn columns(&mut self, payload: &[u8]) -> Result<(), Error> {
        let columns = Columns::new(payload)?;
        for (id, ..) in columns.iter() {
            self.column.clear();
            columns.read(&mut self.inflate, id, &mut self.column)?;
        }
        Ok(())
    }

    /// Checks every column of a block, and that its events are those that are said to be in it; gives its filter.
    fn payload(&mut self, payload: &[u8], about: &BlockAbout) -> Result<Vec<u8>, Error> {
        self.columns(payload)?;
        // A decoder of its own: one for all blocks would keep every context of the file.
        let mut decoder = Decoder::default();
        let mut stored = StoredBlock::new(payload, &mut decoder)?;
        let block = stored.select(&mut decoder, None, &Select::everything(), Block::default())?;
        let mut found = block::about(&block);
        let summary = std::mem::replace(&mut found.summary, about.summary.clone());
        if found != *about {
            return Err(contents(0, "a block", "its events are not those that are said to be in it"));
        }
        Ok(summary)
    }

    fn count(&mut self, offset: u64, about: &BlockAbout) {
        let report = &mut self.report;
        report.blocks += 1;
        report.events += u64::from(about.events);
        report.delivered += u64::from(about.delivered);
        let widen = |range: Option<(u64, u64)>, first: u64, last: u64| {
            Some(range.map_or((first, last), |(low, high)| (low.min(first), high.max(last))))
        };
        if about.events > 0 {
            self.numbers.push((offset, about.first_num, about.last_num));
            report.nums = widen(report.nums, about.first_num, about.last_num);
            report.times = widen(report.times, about.min_ts, about.max_ts);
        }
    }

    /// A block that is whole though its section's header or record is not: the index says what it is, and all its columns
    /// are sound.
    pub fn rescue(&mut self, entry: &Entry) -> Option<(BlockAbout, &'a [u8])> {
        let Entry::Block { offset, len, about } = entry else { return None };
        let mut record = Vec::new();
        index::put_about(&mut record, about).ok()?;
        let start = (*offset as usize).checked_add(SECTION_HEADER + record.len())?;
        let end = usize::try_from(offset.checked_add(*len)?).ok()?;
        let payload = self.file.get(start..end)?;
        self.payload(payload, about).ok()?;
        Some((about.clone(), payload))
    }

    fn finding(&self, damaged: Damaged) -> Finding {
        let Damaged { start, end, error } = damaged;
        let lost = self.lost(start, end);
        Finding { start, end, error, lost }
    }

    /// What is lost with the bytes from `start` to `end`.
    fn lost(&self, start: u64, end: u64) -> Lost {
        if let Some(index) = &self.index {
            let mut lost = Lost::NOTHING;
            let gone = touched(index, start, end).iter().filter(|entry| find(&self.whole, entry.offset()).is_none());
            gone.for_each(|entry| lost.add(entry));
            return lost;
        }
        match SectionHeader::read(self.file, start) {
            // Nothing of what was recorded is in these.
            Ok(header) if matches!(header.kind, kind::HEADER | kind::INDEX | kind::TRAILER) => return Lost::NOTHING,
            Ok(header) if find(&self.whole, header.place).is_some() => return Lost::NOTHING,
            _ if start < FILE_MARK as u64 => return Lost::NOTHING,
            _ => {}
        }
        // The numbers between the whole blocks before and after are all that can be missing.
        let before = self.numbers[..self.numbers.partition_point(|(offset, ..)| *offset < start)].last();
        let after = self.numbers.get(self.numbers.partition_point(|(offset, ..)| *offset < end));
        let first_num = before.map(|(.., last)| last.saturating_add(1));
        let last_num = after.map(|(_, first, _)| first.saturating_sub(1));
        if matches!((first_num, last_num), (Some(first), Some(last)) if first > last) {
            return Lost { blocks: Some(0), events: Some(0), ..Lost::default() };
        }
        Lost { first_num, last_num, ..Lost::default() }
    }
}

/// The entries that bytes from `start` to `end` belong to.
pub(super) fn touched(entries: &[Entry], start: u64, end: u64) -> &[Entry] {
    let first = entries.partition_point(|entry| entry.offset().saturating_add(entry.len()) <= start);
    let last = entries.partition_point(|entry| entry.offset() < end);
    entries.get(first..last).unwrap_or(&[])
}

/// The entry of the section at `offset`.
pub(super) fn find(entries: &[Entry], offset: u64) -> Option<&Entry> {
    entries.binary_search_by_key(&offset, Entry::offset).ok().map(|at| &entries[at])
}
