//! Reads a capture file.

use std::path::Path;

use super::constants::{FILE_MARK, SECTION_HEADER, TRAILER, kind, limit};
use super::error::{Error, Problem};
use super::header::{FileAbout, Totals};
use super::index::{self, Entry, IndexReader};
use super::map::{Access, Bytes};
use super::own_events::OwnEvent;
use super::section::{SectionHeader, Trailer, check_file_mark, contents};
use super::snapshot;
use super::walk::{self, Damaged};
use crate::lists::Head;

/// An `.fcap` file that was opened: its header and index are read and checked, its sections are not.
///
/// Sections can be read from several threads at once.
#[derive(Debug)]
pub struct CaptureFile {
    bytes: Bytes,
    about: FileAbout,
    entries: Vec<Entry>,
    totals: Totals,
    closed: bool,
    damage: Vec<Damaged>,
}

impl CaptureFile {
    /// Opens a file, mapped where that can be done. Where it was closed, only its beginning and its end are read; else all
    /// of it, to find its sections.
    ///
    /// # Errors
    /// When it cannot be read, is no capture, or is of a newer version. Damage further on is no error here: see
    /// [`damage`](Self::damage).
    pub fn open(path: &Path) -> Result<CaptureFile, Error> {
        CaptureFile::open_with(path, Access::Map)
    }

    /// Opens a file; `access` says how.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn open_with(path: &Path, access: Access) -> Result<CaptureFile, Error> {
        let bytes = Bytes::open(path, access).map_err(|error| Error::new(0, Problem::Input(error)))?;
        CaptureFile::new(bytes)
    }

    /// Reads a capture that is in memory.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn from_bytes(bytes: Vec<u8>) -> Result<CaptureFile, Error> {
        CaptureFile::new(Bytes::Owned(bytes))
    }

    fn new(bytes: Bytes) -> Result<CaptureFile, Error> {
        check_file_mark(&bytes)?;
        let index_error = match read_index(&bytes) {
            Ok((about, entries, totals)) => {
                return Ok(CaptureFile { bytes, about, entries, totals, closed: true, damage: Vec::new() });
            }
            Err(error) => error,
        };
        let walk::Found { about, entries, totals, mut damage } = walk::find(&bytes);
        let Some(about) = about else {
            // Without a header section nothing says that this is what it seems.
            let first = damage.into_iter().next().map(|damaged| damaged.error);
            let none = || contents(FILE_MARK as u64, "the header section", "it is missing");
            return Err(first.unwrap_or_else(none));
        };
        if let Some(index_error) = index_error {
            // Whatever was wrong with the index or the trailer, if walking did not stumble over it.
            let end = bytes.len() as u64;
            if !damage.iter().any(|damaged| (damaged.start..damaged.end).contains(&index_error.offset)) {
                damage.push(Damaged { start: index_error.offset.min(end), end, error: index_error });
            }
        }
        let totals = totals.unwrap_or_default();
        Ok(CaptureFile { bytes, about, entries, totals, closed: false, damage })
    }

    /// Who recorded it, where, and how.
    pub fn about(&self) -> &FileAbout {
        &self.about
    }

    /// Its sections in file order, apart from header, index and trailer.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What was known of the source at the end; empty where the file was not closed.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Whether the file ends with a sound index and trailer. If not, the entries are those that were found whole, and
    /// [`damage`](Self::damage) says what else there was.
    pub fn was_closed(&self) -> bool {
        self.closed
    }

    /// Damage found while opening: none for a file that was closed, as its sections are not looked at.
    pub fn damage(&self) -> &[Damaged] {
        &self.damage
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The state of the host that a snapshot section holds.
    ///
    /// # Errors
    /// When the entry is of another kind or file, or the section is damaged.
    pub fn snapshot(&self, entry: &Entry) -> Result<Head, Error> {
        let header = self.header(entry, kind::SNAPSHOT)?;
        let body = header.unpacked(&self.bytes, limit::SECTION)?;
        snapshot::decode(&body).map_err(|error| error.within(walk::body_at(&header)))
    }

    /// The payload of a block section. Its header is checked; the payload's columns have checksums of their own.
    ///
    /// # Errors
    /// When the entry is of another kind or file, or the section is damaged.
    pub fn block(&self, entry: &Entry) -> Result<&[u8], Error> {
        let header = self.header(entry, kind::BLOCK)?;
        header.check_version()?;
        let at = walk::body_at(&header);
        let (_, payload) = index::split_block(header.body(&self.bytes)).map_err(|error| error.within(at))?;
        Ok(payload)
    }

    /// Where the payload of a block begins in the file, for errors that count from its start.
    pub fn block_offset(&self, entry: &Entry) -> u64 {
        let end = entry.offset() + entry.len();
        self.block(entry).map_or(entry.offset(), |payload| end - payload.len() as u64)
    }

    /// The events of ours that a section holds.
    ///
    /// # Errors
    /// When the entry is of another kind or file, or the section is damaged.
    pub fn own_events(&self, entry: &Entry) -> Result<Vec<OwnEvent>, Error> {
        walk::read_own_events(&self.header(entry, kind::OWN_EVENTS)?, &self.bytes)
    }

    /// Says that a section will not be needed again soon, so that a large file does not fill memory.
    pub fn release(&self, entry: &Entry) {
        let end = entry.offset().saturating_add(entry.len());
        self.bytes.release(entry.offset() as usize, end as usize);
    }

    /// The header of an entry's section, which is as the entry says.
    fn header(&self, entry: &Entry, kind: u16) -> Result<SectionHeader, Error> {
        let header = SectionHeader::read(&self.bytes, entry.offset())?;
        if entry.kind() != kind || header.kind != kind || header.total() != entry.len() {
            let detail = format!("the index has it as {} of {} bytes", super::section::name(entry.kind()), entry.len());
            return Err(contents(entry.offset(), header.name(), detail));
        }
        Ok(header)
    }
}

/// Reads the header section, the trailer and the index. `Err(None)`: the file just ends, as one does that was not closed.
fn read_index(file: &[u8]) -> Result<(FileAbout, Vec<Entry>, Totals), Option<Error>> {
    let header = SectionHeader::read(file, FILE_MARK as u64)?;
    if header.kind != kind::HEADER {
        return Err(Some(contents(header.place, header.name(), "the header section is missing before it")));
    }
    let about = walk::read_header(&header, file)?;
    let at = (file.len() as u64).checked_sub(TRAILER as u64).filter(|&at| at >= header.end()).ok_or(None)?;
    // Where a file was not closed there is something else here, which walking it will tell better.
    let trailer = SectionHeader::read(file, at).ok().filter(|section| section.kind == kind::TRAILER).ok_or(None)?;
    let trailer = Trailer::read(&trailer, file)?;
    let (entries, totals) = read_entries(file, Some(header.end()), &trailer)?;
    Ok((about, entries, totals))
}

/// Reads the index that the trailer names. `start`: where the sections begin that it lists, where that is known; else it
/// follows from their lengths.
pub(super) fn read_entries(file: &[u8], start: Option<u64>, trailer: &Trailer) -> Result<(Vec<Entry>, Totals), Error> {
    let mut reader = IndexReader::new(start.unwrap_or(0), trailer.index);
    let end = trailer.index + trailer.index_length;
    let mut at = trailer.index;
    let mut sections = 1;
    while at < end {
        let section = SectionHeader::read(file, at)?;
        if section.kind != kind::INDEX || section.end() > end {
            return Err(contents(at, "the index", format!("{} stands in its place", section.name())));
        }
        let body = section.unpacked(file, reader.room())?;
        reader.add(&body).map_err(|error| Error { offset: at + SECTION_HEADER as u64, ..error })?;
        at = section.end();
        sections += 1;
    }
    if start.is_none() {
        reader.shift();
    }
    let (entries, totals) = reader.finish().map_err(|error| error.within(trailer.index))?;
    if sections + entries.len() as u64 != trailer.sections {
        return Err(contents(trailer.index, "the index", "the trailer counts another number of sections"));
    }
    Ok((entries, totals))
}
