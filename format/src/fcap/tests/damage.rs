//! Damaged files: never a panic, never a wrong thing given for right, and the damage is said with its place.

use proptest::prelude::*;

use super::super::block::BlockAbout;
use super::super::columns::{Columns, Inflate};
use super::super::section::header_for;
use super::super::{CaptureFile, Entry, Problem, repair_bytes, verify_bytes};
use super::{blocks, open, small_file, without_filters};

/// What can be read of a block: (id of the column, its bytes).
fn columns(payload: &[u8]) -> Option<Vec<(u32, Option<Vec<u8>>)>> {
    let columns = Columns::new(payload).ok()?;
    let read = |id| {
        let mut out = Vec::new();
        columns.read(&mut Inflate::default(), id, &mut out).ok().map(|_| out)
    };
    Some(columns.iter().map(|(id, ..)| (id, read(id))).collect())
}

/// Whatever can be read of the damaged file is as it was in the sound one.
fn nothing_is_wrong(damaged: &CaptureFile, sound: &CaptureFile) {
    for entry in damaged.entries() {
        let Some(original) = sound.entries().iter().find(|original| original.offset() == entry.offset()) else {
            panic!("{entry:?} was never written");
        };
        if damaged.was_closed() {
            assert_eq!(entry, original);
        } else {
            assert_eq!(*entry, without_filters(std::slice::from_ref(original))[0]);
        }
        match entry {
            Entry::Snapshot { .. } => {
                if let Ok(head) = damaged.snapshot(entry) {
                    assert_eq!(format!("{head:?}"), format!("{:?}", sound.snapshot(original).unwrap()));
                }
            }
            Entry::OwnEvents { .. } => {
                if let Ok(events) = damaged.own_events(entry) {
                    assert_eq!(events, sound.own_events(original).unwrap());
                }
            }
            Entry::Block { .. } => {
                let expected = columns(sound.block(original).unwrap()).unwrap();
                for (id, bytes) in damaged.block(entry).ok().and_then(columns).unwrap_or_default() {
                    let original = expected.iter().find(|(other, _)| *other == id).unwrap();
                    assert!(bytes.is_none() || bytes == original.1, "column {id}");
                }
            }
            Entry::Other { .. } => {}
        }
    }
}

/// Whether two blocks are the same but for their filters.
fn same(one: &BlockAbout, other: &BlockAbout) -> bool {
    BlockAbout { summary: Vec::new(), ..one.clone() } == BlockAbout { summary: Vec::new(), ..other.clone() }
}

/// A repaired file is sound, has only what was written, and what it lacks is accounted for.
fn repair_is_exact(bytes: &[u8], sound: &CaptureFile) {
    let Ok((repaired, about)) = repair_bytes(bytes, Vec::new()) else { return };
    let report = verify_bytes(&repaired).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    let repaired = open(&repaired);
    let originals = blocks(sound);
    for entry in blocks(&repaired) {
        let about = entry.about().unwrap();
        let original = originals.iter().find(|original| same(original.about().unwrap(), about)).unwrap();
        assert_eq!(repaired.block(entry).unwrap(), sound.block(original).unwrap());
    }
    let kept = blocks(&repaired).len() as u64;
    let lost = |of: fn(&super::super::Lost) -> Option<u64>| {
        about.report.findings.iter().try_fold(0, |sum, finding| Some(sum + of(&finding.lost)?))
    };
    if about.report.totals.is_some() {
        // With the index every loss is known.
        assert_eq!(kept + lost(|lost| lost.blocks).unwrap(), 3);
        assert_eq!(report.events + lost(|lost| lost.events).unwrap(), 30);
        assert_eq!(report.snapshots + lost(|lost| lost.snapshots).unwrap(), 2);
        assert_eq!(report.own_events + lost(|lost| lost.own_events).unwrap(), 1);
    } else {
        // Without, every number that is missing is in the range of a finding, or after the end of a file that was cut.
        for original in originals.iter().filter_map(|entry| entry.about()) {
            let found = blocks(&repaired).iter().any(|entry| same(entry.about().unwrap(), original));
            let named = about.report.findings.iter().any(|finding| {
                let lost = &finding.lost;
                !lost.is_nothing()
                    && lost.first_num.is_none_or(|first| first <= original.first_num)
                    && lost.last_num.is_none_or(|last| last >= original.last_num)
            });
            assert!(found || named || !about.report.closed, "{original:?} {:?}", about.report.findings);
        }
    }
}

#[test]
fn every_byte_flipped() {
    let (bytes, _) = small_file(true);
    let sound = open(&bytes);
    let report = verify_bytes(&bytes).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.blocks, report.snapshots, report.own_events, report.events), (3, 2, 1, 30));
    assert_eq!(report.chain_written, Some(report.chain));
    let mut rescued = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
        if let Ok(file) = CaptureFile::from_bytes(damaged.clone()) {
            nothing_is_wrong(&file, &sound);
        }
        let report = verify_bytes(&damaged).unwrap();
        assert!(!report.is_sound(), "byte {at} was flipped");
        let places: Vec<_> = report.findings.iter().map(|finding| finding.start..finding.end).collect();
        assert!(places.iter().any(|place| place.contains(&(at as u64))), "byte {at}: {places:?}");
        repair_is_exact(&damaged, &sound);
        rescued += repair_bytes(&damaged, Vec::new()).unwrap().1.rescued;
    }
    // Headers of blocks and snapshots, and records of blocks.
    assert!(rescued > 300, "{rescued}");
}

#[test]
fn every_byte_flipped_of_a_file_that_was_not_closed() {
    let (bytes, _) = small_file(false);
    let sound = open(&small_file(true).0);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        match CaptureFile::from_bytes(damaged.clone()) {
            Ok(file) => {
                nothing_is_wrong(&file, &sound);
                let covered = file.damage().iter().any(|damaged| (damaged.start..damaged.end).contains(&(at as u64)));
                assert!(covered, "byte {at}: {:?}", file.damage());
                assert!(file.entries().len() >= 5);
            }
            // Mark and header section.
            Err(error) => assert!(at < sound.entries()[0].offset() as usize, "byte {at}: {error}"),
        }
        let report = verify_bytes(&damaged).unwrap();
        assert!(!report.is_sound() && !report.closed);
        repair_is_exact(&damaged, &sound);
    }
}

#[test]
fn every_truncation() {
    let (bytes, _) = small_file(true);
    let sound = open(&bytes);
    let header = sound.entries()[0].offset() as usize;
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        match CaptureFile::from_bytes(cut.to_vec()) {
            Ok(file) => {
                assert!(!file.was_closed());
                nothing_is_wrong(&file, &sound);
                let whole = sound.entries().iter().filter(|entry| entry.offset() + entry.len() <= length as u64);
                assert_eq!(file.entries(), without_filters(&whole.cloned().collect::<Vec<_>>()));
                // A cut between two sections shows in nothing but the missing end.
                for damage in file.damage() {
                    assert_eq!(damage.end, length as u64);
                    assert!(matches!(damage.error.problem, Problem::Cut { .. }), "{}", damage.error);
                }
            }
            Err(error) => {
                assert!(length < header, "{length}: {error}");
                assert!(matches!(error.problem, Problem::Cut { .. } | Problem::Contents { .. }), "{error}");
            }
        }
        if let Ok(report) = verify_bytes(cut) {
            assert!(!report.is_sound(), "{length}");
            repair_is_exact(cut, &sound);
        }
    }
}

#[test]
fn bytes_after_the_end() {
    let (mut bytes, _) = small_file(true);
    let sound = open(&bytes);
    let length = bytes.len() as u64;
    bytes.extend_from_slice(b"more");
    let file = open(&bytes);
    assert!(!file.was_closed());
    assert_eq!(file.entries(), without_filters(sound.entries()));
    assert_eq!(file.totals(), sound.totals());
    assert!(file.damage().iter().any(|damage| (damage.start, damage.end) == (length, length + 4)));
    assert!(!verify_bytes(&bytes).unwrap().is_sound());
    // A second capture behind the first is no part of it.
    bytes.truncate(length as usize);
    bytes.extend_from_slice(&bytes.clone());
    assert_eq!(open(&bytes).entries(), without_filters(sound.entries()));
}

#[test]
fn a_hole_is_jumped_over() {
    let (bytes, _) = small_file(true);
    let sound = open(&bytes);
    let second = blocks(&sound)[1].clone();
    let mut damaged = bytes[..bytes.len() - 200].to_vec();
    damaged[second.offset() as usize..][..60].fill(0);
    let file = open(&damaged);
    let left: Vec<Entry> = sound.entries().iter().filter(|entry| **entry != second).cloned().collect();
    assert_eq!(file.entries(), without_filters(&left));
    let hole = &file.damage()[0];
    assert_eq!((hole.start, hole.end), (second.offset(), second.offset() + second.len()));
    let report = verify_bytes(&damaged).unwrap();
    let lost = report.findings[0].lost;
    assert_eq!((lost.first_num, lost.last_num, lost.events), (Some(11), Some(20), None));
    assert!(report.findings[0].to_string().ends_with("lost: an unknown number of events (numbers 11 to 20)"));
}

#[test]
fn a_repair_of_a_sound_file_is_the_file() {
    let (bytes, written) = small_file(true);
    let (repaired, about) = repair_bytes(&bytes, Vec::new()).unwrap();
    assert!(repaired == bytes);
    assert_eq!(about.written, written);
}

#[test]
fn a_repair_says_what_it_lost() {
    let (bytes, _) = small_file(true);
    let sound = open(&bytes);
    let second = blocks(&sound)[1];
    let mut damaged = bytes.clone();
    damaged[(second.offset() + second.len()) as usize - 1] ^= 1;
    let (repaired, about) = repair_bytes(&damaged, Vec::new()).unwrap();
    assert_eq!(about.report.findings.len(), 1);
    let finding = about.report.findings[0].to_string();
    let (start, end) = (second.offset(), second.offset() + second.len());
    let expected = format!(
        "bytes {start} to {end}: a block: the checksum is wrong (at byte {start}); lost: 1 block, 10 events (numbers 11 to 20)"
    );
    assert_eq!(finding, expected);
    let file = open(&repaired);
    assert!(!file.totals().complete);
    assert_eq!(file.totals().notes.last(), Some(&expected));
    assert_eq!(file.totals().events, sound.totals().events);
    assert_eq!(file.about(), sound.about());
}

#[test]
fn a_damaged_header_loses_only_itself() {
    let (bytes, _) = small_file(true);
    let sound = open(&bytes);
    for at in [0, 20, 70] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 4;
        assert!(CaptureFile::from_bytes(damaged.clone()).is_err());
        let (repaired, about) = repair_bytes(&damaged, Vec::new()).unwrap();
        assert!(about.report.findings.iter().all(|finding| finding.lost.is_nothing()));
        let file = open(&repaired);
        assert_eq!(blocks(&file).len(), 3);
        assert_eq!(file.about().recorder.is_empty(), at > 16);
        assert_eq!(sound.entries().len(), file.entries().len());
    }
}

#[test]
fn other_files_are_no_captures() {
    for bytes in [&b"\x0a\x0d\x0d\x0a............................"[..], b"x", b"#!/bin/sh\n", &[0; 5000]] {
        let error = CaptureFile::from_bytes(bytes.to_vec()).unwrap_err();
        assert!(matches!(error.problem, Problem::NotCapture { .. }), "{error}");
        assert!(verify_bytes(bytes).is_err());
        assert!(repair_bytes(bytes, Vec::new()).is_err());
    }
    let error = CaptureFile::from_bytes(Vec::new()).unwrap_err();
    assert!(matches!(error.problem, Problem::Cut { found: 0, .. }), "{error}");
}

/// Thousands of small gaps cost no more than their bytes.
#[test]
fn dust() {
    let mut bytes = small_file(false).0;
    let start = bytes.len();
    for number in 0..20_000u32 {
        let place = bytes.len() as u64;
        let header = header_for(99, 0, place, number, &[], 0).bytes();
        bytes.extend_from_slice(&header);
        bytes.push(1);
    }
    let report = verify_bytes(&bytes).unwrap();
    assert_eq!(report.findings.len(), 20_000 + 1);
    assert_eq!(open(&bytes).damage().len(), 20_000);
    let (repaired, about) = repair_bytes(&bytes, Vec::new()).unwrap();
    assert_eq!(about.written.events, 30);
    assert!(verify_bytes(&repaired).unwrap().is_sound());
    assert!(open(&repaired).totals().notes.len() > 1000 && start > 1000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Anything may stand anywhere.
    #[test]
    fn overwritten(
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 1..300),
        closed in any::<bool>(),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let (mut bytes, _) = small_file(closed);
        let sound = open(&small_file(true).0);
        let at = at.index(bytes.len());
        for (byte, with) in bytes[at..].iter_mut().zip(&with) {
            *byte = *with;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(file) = CaptureFile::from_bytes(bytes.clone()) {
            nothing_is_wrong(&file, &sound);
        }
        drop(verify_bytes(&bytes));
        repair_is_exact(&bytes, &sound);
    }

    /// Sections moved about within a file.
    #[test]
    fn shuffled(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(), length in 1..400usize) {
        let (mut bytes, _) = small_file(true);
        let sound = open(&bytes);
        let from = from.index(bytes.len());
        let part: Vec<u8> = bytes[from..].iter().take(length).copied().collect();
        let to = to.index(bytes.len());
        bytes.splice(to..to, part);
        if let Ok(file) = CaptureFile::from_bytes(bytes.clone()) {
            nothing_is_wrong(&file, &sound);
        }
        repair_is_exact(&bytes, &sound);
    }
}
