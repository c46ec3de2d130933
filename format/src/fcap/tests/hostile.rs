//! Files that lie, with checksums that are right.

use super::super::block::BlockAbout;
use super::super::constants::{FILE_MARK, SECTION_HEADER, TRAILER, codec, kind, limit};
use super::super::header::Totals;
use super::super::index::{self, Entry};
use super::super::section::{SectionHeader, Trailer, file_mark, header_for};
use super::super::writer::Sections;
use super::super::{CaptureFile, Error, Problem, verify_bytes};
use super::{about, encoded, head, totals};

/// A file with one snapshot and two blocks, whose index says what `lie` makes of it.
fn with_index(lie: impl FnOnce(&mut Vec<Entry>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sections = Sections::new(&mut out).unwrap();
    sections.put(kind::HEADER, &[&about().body().unwrap()]).unwrap();
    let body = super::super::snapshot::encode(&head(), 3).unwrap();
    let (offset, len) = sections.put(kind::SNAPSHOT, &[&body]).unwrap();
    sections.entries.push(Entry::Snapshot { offset, len });
    sections.block(&encoded(1, 10)).unwrap();
    sections.block(&encoded(11, 10)).unwrap();
    lie(&mut sections.entries);
    sections.close(&totals()).unwrap();
    out
}

fn lengthen(entry: &mut Entry, by: i64) {
    let (Entry::Snapshot { len, .. }
    | Entry::Block { len, .. }
    | Entry::OwnEvents { len, .. }
    | Entry::Other { len, .. }) = entry;
    *len = len.wrapping_add_signed(by);
}

/// The file can be opened, without its index, and says why.
fn rebuilt(bytes: &[u8]) -> String {
    let file = CaptureFile::from_bytes(bytes.to_vec()).unwrap();
    assert!(!file.was_closed());
    assert_eq!(file.entries().len(), 3);
    for entry in &file.entries()[1..] {
        assert!(file.block(entry).is_ok());
    }
    assert!(!verify_bytes(bytes).unwrap().is_sound());
    assert_eq!(file.damage().len(), 1, "{:?}", file.damage());
    file.damage()[0].error.to_string()
}

#[test]
fn an_index_whose_sections_do_not_add_up() {
    assert!(CaptureFile::from_bytes(with_index(|_| {})).unwrap().was_closed());
    let message = rebuilt(&with_index(|entries| lengthen(&mut entries[1], 1)));
    assert!(message.contains("does not fit"), "{message}");
    let message = rebuilt(&with_index(|entries| lengthen(&mut entries[1], -1)));
    assert!(message.contains("before it"), "{message}");
    let message = rebuilt(&with_index(|entries| lengthen(&mut entries[0], i64::MAX)));
    assert!(message.contains("does not fit"), "{message}");
    let message = rebuilt(&with_index(|entries| lengthen(&mut entries[2], -(1 << 62))));
    assert!(message.contains("does not fit"), "{message}");
    let message = rebuilt(&with_index(|entries| {
        let len = entries[0].len() as i64;
        lengthen(&mut entries[0], -len);
        lengthen(&mut entries[1], len);
    }));
    assert!(message.contains("does not fit"), "{message}");
    let message = rebuilt(&with_index(|entries| drop(entries.pop())));
    assert!(message.contains("before it"), "{message}");
    let message = rebuilt(&with_index(|entries| {
        let (offset, len) = (entries[0].offset(), entries[0].len());
        entries[0] = Entry::Other { kind: kind::TRAILER, offset, len };
    }));
    assert!(message.contains("it lists the trailer"), "{message}");
    let message = rebuilt(&with_index(|entries| {
        let (offset, len) = (entries[1].offset(), entries[1].len());
        entries[1] = Entry::Other { kind: kind::BLOCK, offset, len };
    }));
    assert!(message.contains("it says nothing of the block"), "{message}");
}

#[test]
fn an_index_with_other_sections_than_there_are() {
    // The lengths add up, so it is a section's header that gives the lie away.
    let bytes = with_index(|entries| {
        lengthen(&mut entries[1], 8);
        lengthen(&mut entries[2], -8);
    });
    let file = CaptureFile::from_bytes(bytes.clone()).unwrap();
    assert!(file.was_closed());
    assert!(file.snapshot(&file.entries()[0]).is_ok());
    for entry in &file.entries()[1..] {
        let error = file.block(entry).unwrap_err();
        assert!(matches!(error.problem, Problem::Contents { .. }), "{error}");
        assert!(file.snapshot(entry).is_err() && file.own_events(entry).is_err());
    }
    assert!(!verify_bytes(&bytes).unwrap().is_sound());
    // A block called a snapshot.
    let bytes = with_index(|entries| {
        let (offset, len) = (entries[1].offset(), entries[1].len());
        entries[1] = Entry::Snapshot { offset, len };
    });
    let file = CaptureFile::from_bytes(bytes.clone()).unwrap();
    assert!(file.snapshot(&file.entries()[1]).is_err());
    assert!(!verify_bytes(&bytes).unwrap().is_sound());
}

#[test]
fn an_entry_of_another_file() {
    let file = CaptureFile::from_bytes(with_index(|_| {})).unwrap();
    for offset in [0, 1, 1 << 20, u64::MAX] {
        for len in [0, SECTION_HEADER as u64, u64::MAX] {
            let entry = Entry::Block { offset, len, about: BlockAbout::default() };
            assert!(file.block(&entry).is_err());
            assert!(file.snapshot(&entry).is_err());
            file.release(&entry);
        }
    }
}

#[test]
fn an_index_that_lies_about_a_block() {
    let lie = |change: fn(&mut BlockAbout)| {
        with_index(|entries| {
            let Entry::Block { about, .. } = &mut entries[1] else { panic!() };
            change(about);
        })
    };
    for (change, part) in [
        ((|about| about.events += 1) as fn(&mut BlockAbout), "counts contradict"),
        (|about| about.delivered = 11, "counts contradict"),
        (|about| about.types.reverse(), "not in order"),
        (|about| about.last_num = 0, "an end before its beginning"),
        (|about| about.min_ts = u64::MAX, "an end before its beginning"),
        (|about| about.types = vec![(1, u32::MAX), (2, u32::MAX)], "counts contradict"),
    ] {
        let message = rebuilt(&lie(change));
        assert!(message.contains(part), "{message}");
    }
    // What contradicts only the block itself is found by checking the file.
    for change in [
        (|about| about.first_num += 1) as fn(&mut BlockAbout),
        (|about| about.max_ts += 1),
        (|about| about.delivered -= 1),
    ] {
        let bytes = lie(change);
        assert!(CaptureFile::from_bytes(bytes.clone()).unwrap().was_closed());
        let report = verify_bytes(&bytes).unwrap();
        let message = report.findings[0].to_string();
        assert!(message.contains("the index says something else of it"), "{message}");
        assert!(report.findings[0].lost.is_nothing());
    }
    // A filter that was left out for want of room is no lie.
    assert!(verify_bytes(&lie(|about| about.summary.clear())).unwrap().is_sound());
}

#[test]
fn a_file_whose_checksums_were_put_right() {
    let bytes = with_index(|_| {});
    let file = CaptureFile::from_bytes(bytes.clone()).unwrap();
    let entry = &file.entries()[0];
    // Another snapshot in place of the first, of the same length.
    let header = SectionHeader::read(&bytes, entry.offset()).unwrap();
    let other = |cpus| {
        let mut other = head();
        other.machine.as_mut().unwrap().cpus = cpus;
        super::super::snapshot::encode(&other, 3).unwrap()
    };
    let body = (5..).map(other).find(|body| body.len() as u64 == header.length).unwrap();
    let header = header_for(kind::SNAPSHOT, codec::RAW, header.place, header.number, &[&body], 0);
    let mut changed = bytes.clone();
    changed[entry.offset() as usize..][..SECTION_HEADER].copy_from_slice(&header.bytes());
    changed[entry.offset() as usize + SECTION_HEADER..][..body.len()].copy_from_slice(&body);
    let report = verify_bytes(&changed).unwrap();
    assert!(report.findings[0].to_string().contains("SHA-256"), "{:?}", report.findings);
    assert_ne!(report.chain_written, Some(report.chain));
}

/// A file of one header section, then whatever `sections` gives: (kind, codec, body, raw length).
fn with_sections(sections: &[(u16, u8, &[u8], u64)]) -> Vec<u8> {
    let mut file = file_mark().to_vec();
    let about = about().body().unwrap();
    let header = [(kind::HEADER, codec::RAW, &about[..], 0)];
    for (number, (kind, codec, body, raw)) in (0..).zip(header.iter().chain(sections)) {
        let header = header_for(*kind, *codec, file.len() as u64, number, &[body], *raw);
        file.extend_from_slice(&header.bytes());
        file.extend_from_slice(body);
    }
    file
}

fn first_damage(bytes: &[u8]) -> Error {
    let file = CaptureFile::from_bytes(bytes.to_vec()).unwrap();
    drop(verify_bytes(bytes));
    let error = &file.damage()[0].error;
    Error { offset: error.offset, problem: Problem::Contents { what: "test", detail: error.problem.to_string() } }
}

#[test]
fn lengths_that_would_fill_memory() {
    let zeros = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    for (kind, raw) in [
        (kind::INDEX, u64::MAX),
        (kind::INDEX, 64 << 20),
        (kind::OWN_EVENTS, 64 << 20),
        (kind::OWN_EVENTS, limit::OWN_EVENTS_SECTION + 1),
    ] {
        let error = first_damage(&with_sections(&[(kind, codec::ZSTD, &zeros, raw)]));
        assert!(error.to_string().contains("more than the limit"), "{error}");
    }
    // It says 100 bytes and has 64 MB.
    let error = first_damage(&with_sections(&[(kind::OWN_EVENTS, codec::ZSTD, &zeros, 100)]));
    assert!(matches!(error.problem, Problem::Contents { .. }), "{error}");
    // A section longer than the file.
    let mut bytes = with_sections(&[]);
    let header =
        SectionHeader { length: u64::MAX, raw: u64::MAX, ..header_for(kind::BLOCK, 0, bytes.len() as u64, 1, &[], 0) };
    bytes.extend_from_slice(&header.bytes());
    let error = first_damage(&bytes);
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn kinds_and_codecs_that_nobody_knows() {
    let bytes = with_sections(&[(77, codec::RAW, b"later", 0), (kind::JOURNAL, codec::RAW, b"open", 0)]);
    let file = CaptureFile::from_bytes(bytes.clone()).unwrap();
    assert!(matches!(file.entries(), [Entry::Other { kind: 77, .. }, Entry::Other { kind: kind::JOURNAL, .. }]));
    assert!(file.damage().is_empty());
    assert!(verify_bytes(&bytes).unwrap().findings.is_empty());
    let error = first_damage(&with_sections(&[(kind::OWN_EVENTS, 9, b"x", 1)]));
    assert!(error.to_string().contains("unknown codec 9"), "{error}");
}

#[test]
fn a_newer_version_is_said_to_be_one() {
    let mut mark = file_mark();
    mark[8] = 2;
    let checksum = xxhash_rust::xxh3::xxh3_64(&mark[..12]) as u32;
    mark[12..].copy_from_slice(&checksum.to_le_bytes());
    let mut bytes = with_sections(&[]);
    bytes[..FILE_MARK].copy_from_slice(&mark);
    let error = CaptureFile::from_bytes(bytes.clone()).unwrap_err();
    assert!(matches!(error.problem, Problem::Version { version: 2, .. }), "{error}");
    assert!(matches!(verify_bytes(&bytes).unwrap_err().problem, Problem::Version { .. }));
}

/// Trailers whose places lead elsewhere, all with right checksums.
#[test]
fn a_trailer_that_leads_astray() {
    let bytes = with_index(|_| {});
    let at = bytes.len() - TRAILER;
    let header = SectionHeader::read(&bytes, at as u64).unwrap();
    let trailer = Trailer::read(&header, &bytes).unwrap();
    let changes: [fn(&mut Trailer); 8] = [
        |trailer| trailer.index = 0,
        |trailer| trailer.index = u64::MAX,
        |trailer| trailer.index_length = u64::MAX,
        |trailer| trailer.sections += 1,
        |trailer| trailer.size -= 1,
        // Both together still end where the trailer begins.
        |trailer| {
            trailer.index -= 100;
            trailer.index_length += 100;
        },
        |trailer| {
            trailer.index += trailer.index_length;
            trailer.index_length = 0;
        },
        |trailer| {
            trailer.index_length += trailer.index - 1;
            trailer.index = 1;
        },
    ];
    for change in changes {
        let mut changed = trailer;
        change(&mut changed);
        let body = changed.bytes();
        let header = header_for(kind::TRAILER, codec::RAW, at as u64, header.number, &[&body], 0);
        let mut lying = bytes[..at].to_vec();
        lying.extend_from_slice(&header.bytes());
        lying.extend_from_slice(&body);
        let message = rebuilt(&lying);
        assert!(!message.is_empty());
    }
}

#[test]
fn records_in_the_wrong_place() {
    let (mut records, mut twice) = (Vec::new(), Vec::new());
    super::super::record::put(&mut records, 99, "test", &1u8).unwrap();
    for body in index::bodies(&[], &Totals::default()).unwrap() {
        twice.extend_from_slice(&body);
        twice.extend_from_slice(&body);
    }
    for body in [&records, &twice] {
        let error = first_damage(&with_sections(&[(kind::INDEX, codec::RAW, body, 0)]));
        assert!(error.to_string().contains("unexpected record"), "{error}");
    }
    let error = first_damage(&with_sections(&[(kind::BLOCK, codec::RAW, &records, 0)]));
    assert!(error.to_string().contains("kind 99"), "{error}");
}
