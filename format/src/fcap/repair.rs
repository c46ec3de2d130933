//! Writes a new file with all that is whole of a damaged one.

use std::io::Write;
use std::path::Path;

use super::block::Encoded;
use super::constants::{FILE_MARK, SECTION_HEADER, kind};
use super::error::{Error, Problem};
use super::header::{FileAbout, Totals};
use super::index::{self, Entry};
use super::map::{Access, Bytes};
use super::section::SectionHeader;
use super::snapshot;
use super::verify::{Lost, Report, Scan, find, touched};
use super::writer::{Sections, Written};

/// What a repair kept and lost.
#[derive(Debug)]
pub struct Repaired {
    /// What is wrong with the old file. What was saved in spite of that does not count as lost.
    pub report: Report,
    /// What the new file has.
    pub written: Written,
    /// Blocks and snapshots that are whole though their section was not: their index entry and their columns are.
    pub rescued: u64,
}

/// Repairs the file at `path` into `out`; the old file is not changed.
///
/// # Errors
/// When it cannot be read, is no capture or one of a newer version, or the output fails.
pub fn repair<W: Write>(path: &Path, access: Access, out: W) -> Result<(W, Repaired), Error> {
    let bytes = Bytes::open(path, access).map_err(|error| Error::new(0, Problem::Input(error)))?;
    repair_bytes(&bytes, out)
}

/// Repairs a file that is in memory.
///
/// # Errors
/// As for [`repair`].
pub fn repair_bytes<W: Write>(file: &[u8], out: W) -> Result<(W, Repaired), Error> {
    let mut scan = Scan::new(file)?;
    let mut saved = save(&mut scan);
    saved.sort_by_key(|(entry, _)| entry.offset());
    let rescued = saved.iter().filter(|(_, from)| !matches!(from, Source::Section)).count() as u64;
    account(&mut scan, &saved);

    let about = scan.report.about.clone().unwrap_or_default();
    let mut sections = Sections::new(out)?;
    sections.put(kind::HEADER, &[&header_body(&scan, &about)?])?;
    sections.written.header = sections.at();
    for (entry, from) in &saved {
        copy(file, &mut sections, entry, from)?;
    }
    let totals = totals(&scan.report, rescued);
    sections.close(&totals)?;
    let (out, written) = sections.end();
    Ok((out, Repaired { report: scan.report, written, rescued }))
}

/// Where the contents of a section come from.
enum Source<'a> {
    /// Its whole section.
    Section,
    /// The payload of a block whose section is damaged.
    Payload(&'a [u8]),
    /// The body of a snapshot whose section header is damaged.
    Snapshot(&'a [u8]),
}

/// Everything that is whole.
fn save<'a>(scan: &mut Scan<'a>) -> Vec<(Entry, Source<'a>)> {
    let whole = scan.whole.iter().filter(|entry| !matches!(entry, Entry::Other { kind: kind::JOURNAL, .. }));
    let mut saved: Vec<_> = whole.map(|entry| (entry.clone(), Source::Section)).collect();
    for entry in scan.index.clone().unwrap_or_default() {
        if find(&scan.whole, entry.offset()).is_some() {
            continue;
        }
        if let Some((_, payload)) = scan.rescue(&entry) {
            saved.push((entry, Source::Payload(payload)));
        } else if let Entry::Snapshot { offset, len } = entry {
            let body = scan.file.get(offset as usize + SECTION_HEADER..(offset + len) as usize);
            // A snapshot's columns have checksums of their own.
            if let Some(body) = body.filter(|body| snapshot::decode(body).is_ok()) {
                saved.push((entry, Source::Snapshot(body)));
            }
        }
    }
    saved
}

/// Takes what was saved out of the losses.
fn account(scan: &mut Scan<'_>, saved: &[(Entry, Source<'_>)]) {
    let Some(index) = &scan.index else { return };
    for finding in &mut scan.report.findings {
        let is_saved = |entry: &Entry| saved.binary_search_by_key(&entry.offset(), |(saved, _)| saved.offset()).is_ok();
        let mut lost = Lost::NOTHING;
        let gone = touched(index, finding.start, finding.end).iter().filter(|entry| !is_saved(entry));
        gone.for_each(|entry| lost.add(entry));
        finding.lost = lost;
    }
}

/// The header section's body as it was; a default one where it is lost.
fn header_body(scan: &Scan<'_>, about: &FileAbout) -> Result<Vec<u8>, Error> {
    match SectionHeader::read(scan.file, FILE_MARK as u64) {
        Ok(header) if scan.report.about.is_some() => Ok(header.body(scan.file).to_vec()),
        _ => about.body(),
    }
}

fn copy<W: Write>(file: &[u8], sections: &mut Sections<W>, entry: &Entry, from: &Source<'_>) -> Result<(), Error> {
    match (entry, from) {
        (Entry::Block { about, .. }, Source::Payload(payload)) => {
            sections.block(&Encoded { payload: payload.to_vec(), about: about.clone() })
        }
        (_, Source::Snapshot(body) | Source::Payload(body)) => {
            let (offset, len) = sections.put(kind::SNAPSHOT, &[body])?;
            sections.entries.push(Entry::Snapshot { offset, len });
            sections.written.snapshots += len;
            Ok(())
        }
        (_, Source::Section) => {
            let header = SectionHeader::read(file, entry.offset())?;
            if let Entry::Block { about, .. } = entry {
                let (_, payload) = index::split_block(header.body(file))?;
                return sections.block(&Encoded { payload: payload.to_vec(), about: about.clone() });
            }
            let (offset, len) = sections.put_packed(header.kind, header.codec, &[header.body(file)], header.raw)?;
            let written = &mut sections.written;
            sections.entries.push(match entry {
                Entry::OwnEvents { count, .. } => {
                    written.own_events += len;
                    Entry::OwnEvents { offset, len, count: *count }
                }
                Entry::Snapshot { .. } => {
                    written.snapshots += len;
                    Entry::Snapshot { offset, len }
                }
                _ => Entry::Other { kind: header.kind, offset, len },
            });
            Ok(())
        }
    }
}

/// The totals of the new file: what was known, and what was lost.
fn totals(report: &Report, rescued: u64) -> Totals {
    let mut totals = report.totals.clone().unwrap_or_default();
    if report.is_sound() {
        return totals;
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    totals.notes.push(format!("repaired from a file of {} bytes, SHA-256 {}", report.size, hex(&report.sha256)));
    if !report.closed {
        totals.notes.push("that file was not closed; what came after its end is not known".to_owned());
        totals.complete = false;
    }
    if rescued > 0 {
        totals.notes.push(format!("{rescued} damaged sections had whole contents"));
    }
    // A file of dust must not make a record that is too large.
    const MOST: usize = 1000;
    for finding in report.findings.iter().take(MOST) {
        totals.notes.push(finding.to_string().chars().take(MOST).collect());
        totals.complete &= finding.lost.is_nothing();
    }
    if let Some(more) = report.findings.len().checked_sub(MOST).filter(|&more| more > 0) {
        totals.notes.push(format!("and {more} more"));
        totals.complete = false;
    }
    totals
}
