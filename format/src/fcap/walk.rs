//! Goes through a file section by section, without its index: for files that were not closed, and to verify.

use super::constants::{FILE_MARK, kind};
use super::error::Error;
use super::header::{FileAbout, Totals};
use super::index::{self, Entry, IndexReader};
use super::own_events;
use super::section::{SectionHeader, find_section};

/// A part of a file.
#[derive(Debug)]
pub(super) enum Piece {
    /// A section whose header is sound; its body has not been looked at.
    Section(SectionHeader),
    /// Bytes that belong to no section.
    Damage(Damaged),
}

/// Bytes of a file that cannot be used.
#[derive(Debug)]
pub struct Damaged {
    /// Where they begin.
    pub start: u64,
    /// Where they end.
    pub end: u64,
    /// What is wrong with them.
    pub error: Error,
}

/// The parts of a file after its mark, in order and without gaps.
pub(super) fn pieces(file: &[u8]) -> impl Iterator<Item = Piece> {
    let size = file.len() as u64;
    let mut at = FILE_MARK as u64;
    std::iter::from_fn(move || {
        if at >= size {
            return None;
        }
        let start = at;
        Some(match SectionHeader::read(file, start) {
            Ok(header) => {
                at = header.end();
                Piece::Section(header)
            }
            Err(error) => {
                at = find_section(file, start + 1).unwrap_or(size);
                Piece::Damage(Damaged { start, end: at, error })
            }
        })
    })
}

/// What was found without the index.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub about: Option<FileAbout>,
    pub entries: Vec<Entry>,
    pub totals: Option<Totals>,
    pub damage: Vec<Damaged>,
}

/// Reads a file without its index: every section whose body is whole, and what is damaged.
pub(super) fn find(file: &[u8]) -> Found {
    let mut found = Found::default();
    for piece in pieces(file) {
        match piece {
            Piece::Damage(damaged) => found.damage.push(damaged),
            Piece::Section(header) => {
                if let Err(error) = found.section(&header, file) {
                    found.damage.push(Damaged { start: header.place, end: header.end(), error });
                }
            }
        }
    }
    found
}

impl Found {
    fn section(&mut self, header: &SectionHeader, file: &[u8]) -> Result<(), Error> {
        let (offset, len) = (header.place, header.total());
        match header.kind {
            kind::HEADER if self.about.is_none() => self.about = Some(read_header(header, file)?),
            kind::HEADER => return Err(second(header)),
            kind::SNAPSHOT => {
                header.check_version()?;
                header.checked(file)?;
                self.entries.push(Entry::Snapshot { offset, len });
            }
            kind::BLOCK => {
                header.check_version()?;
                let body = header.checked(file)?;
                let (record, _) = index::split_block(body).map_err(|error| error.within(body_at(header)))?;
                let about = index::read_about(&record).map_err(|error| error.within(body_at(header)))?;
                self.entries.push(Entry::Block { offset, len, about });
            }
            kind::OWN_EVENTS => {
                let count = read_own_events(header, file)?.len() as u32;
                self.entries.push(Entry::OwnEvents { offset, len, count });
            }
            kind::INDEX => self.totals_of(header, file)?,
            kind::TRAILER => {
                super::section::Trailer::read(header, file)?;
                if header.end() != file.len() as u64 {
                    return Err(super::section::contents(offset, header.name(), "the file goes on after it"));
                }
            }
            kind => self.entries.push(Entry::Other { kind, offset, len }),
        }
        Ok(())
    }

    /// The index is worked out again, but the totals stand nowhere else.
    fn totals_of(&mut self, header: &SectionHeader, file: &[u8]) -> Result<(), Error> {
        let mut reader = IndexReader::new(0, u64::MAX);
        let body = header.unpacked(file, reader.room())?;
        reader.add(&body).map_err(|error| error.within(header.place))?;
        if let Some(totals) = reader.totals {
            self.totals.get_or_insert(totals);
        }
        Ok(())
    }
}

fn second(header: &SectionHeader) -> Error {
    super::section::contents(header.place, header.name(), "it is there twice")
}

/// Where the body of a section begins.
pub(super) fn body_at(header: &SectionHeader) -> u64 {
    header.place + super::constants::SECTION_HEADER as u64
}

/// Reads the header section.
pub(super) fn read_header(header: &SectionHeader, file: &[u8]) -> Result<FileAbout, Error> {
    let body = header.unpacked(file, super::constants::limit::RECORD as u64)?;
    FileAbout::read(&body).map_err(|error| error.within(body_at(header)))
}

/// Reads a section of own events.
pub(super) fn read_own_events(header: &SectionHeader, file: &[u8]) -> Result<Vec<own_events::OwnEvent>, Error> {
    let body = header.unpacked(file, super::constants::limit::OWN_EVENTS_SECTION)?;
    own_events::read(&body).map_err(|error| error.within(body_at(header)))
}
