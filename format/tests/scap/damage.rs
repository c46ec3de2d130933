//! Bytes that are cut, flipped or made up: a typed error with its place, and everything before it delivered.

use std::io::{self, Read};

use falco_replay_format::scap::{Damage, Problem};
use falco_replay_format::schema::ev;

use crate::builder::{self, Bytes, Event, block, capture, close};
use crate::outcome::{Row, read};

/// A small capture with every kind of block, and where its event blocks start.
fn sample() -> (Vec<u8>, Vec<usize>) {
    let mut tail = builder::process(9, 7);
    tail.u64(99).u32(34816).u32(500).u8(1);
    let mut fd = Bytes::default();
    fd.i64(3).u64(1).u8(16).u32(1).text(b"/x").u32(0);
    let mut machine = Bytes::default();
    machine.u32(4).u64(8).u64(32768).raw(&[0; 128]).u64(123).u64(1).u64(2).u64(3);
    let mut user = Bytes::default();
    user.u8(0).u32(1000).u32(1001).text(b"alice").text(b"/home/alice").text(b"/bin/sh");
    let mut interface = Bytes::default();
    interface.u16(1).u16(4).raw(&[10, 0, 0, 5, 255, 0, 0, 0, 10, 255, 255, 255]).u64(1000).raw(b"eth0");
    let lists = [
        block(builder::MACHINE, &machine.0),
        block(0x205, &interface.0),
        block(0x220, &user.sized()),
        block(0x215, &tail.sized()),
        block(0x218, &[&7i64.to_le_bytes()[..], &fd.sized()].concat()),
        block(0x999, b"of the future"),
    ];
    let mut bytes = capture(&lists);
    let mut starts = Vec::new();
    let enter = Event::new(ev::SYSCALL_READ_E, 9, &[&[3; 8], &[4; 4]]);
    let exit = Event::new(ev::SYSCALL_READ_X, 9, &[&[0; 8], b"x"]);
    let events = [
        close(1),
        enter,
        close(2).kind(builder::EVENT_FLAGS_V2),
        exit,
        close(3).kind(builder::EVENT_V1),
        Event::new(ev::PLUGINEVENT_E, -1, &[&[1; 4], &[7; 50]]).kind(builder::EVENT_LARGE),
        close(4),
    ];
    for event in events {
        starts.push(bytes.len());
        bytes.extend(event.block());
    }
    (bytes, starts)
}

/// Delivered rows when only the first `events` of the sample's events are whole: one of them is dropped.
fn rows_of(events: usize) -> usize {
    events - usize::from(events > 1)
}

#[test]
fn the_sample_is_sound() {
    let (bytes, starts) = sample();
    let outcome = read(&bytes[..]);
    assert_eq!(outcome.bytes, bytes.len() as u64);
    assert_eq!(outcome.single().rows.len(), rows_of(starts.len()));
}

#[test]
fn cut_at_every_byte_everything_before_is_delivered() {
    let (bytes, starts) = sample();
    let whole: Vec<Row> = read(&bytes[..]).single().rows;
    for end in 0..bytes.len() {
        let outcome = read(&bytes[..end]);
        let rows: Vec<&Row> = outcome.rows().collect();
        let events = starts.iter().zip(starts.iter().skip(1)).filter(|(_, next)| **next <= end).count();
        assert_eq!(rows.len(), rows_of(events), "cut at {end}");
        assert!(rows.iter().zip(&whole).all(|(row, expected)| *row == expected), "cut at {end}");
        // A cut between events cannot be seen.
        let clean = end > starts[0] && starts.contains(&end);
        assert_eq!(outcome.error.is_none(), clean, "cut at {end}");
        if let Some(error) = outcome.error {
            assert_eq!(error.damage(), Damage::Truncated, "cut at {end}: {error}");
            assert!(error.offset <= end as u64, "cut at {end}: {error}");
            if end > starts[0] {
                assert_eq!(error.offset as usize, *starts.iter().rfind(|start| **start <= end).unwrap());
            }
        }
    }
}

#[test]
fn every_flipped_byte_leaves_the_events_before_it_alone() {
    let (bytes, starts) = sample();
    let whole: Vec<Row> = read(&bytes[..]).single().rows;
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let outcome = read(&damaged[..]);
            let before = rows_of(starts.iter().skip(1).filter(|next| **next <= at).count());
            let rows: Vec<&Row> = outcome.rows().collect();
            assert!(rows.len() >= before, "byte {at}");
            assert!(rows.iter().zip(&whole).take(before).all(|(row, expected)| *row == expected), "byte {at}");
            if let Some(error) = outcome.error {
                assert!(error.offset <= bytes.len() as u64);
            }
        }
    }
}

#[track_caller]
fn problem(bytes: &[u8]) -> (u64, Problem) {
    let error = read(bytes).error.expect("an error");
    (error.offset, error.problem)
}

#[test]
fn what_is_no_capture_is_named() {
    assert!(matches!(problem(b""), (0, Problem::Empty)));
    assert!(matches!(
        problem(b"PK\x03\x04 and so on, of some length"),
        (0, Problem::NotCapture { found: 0x0403_4b50 })
    ));
    assert!(matches!(problem(b"hello"), (0, Problem::NotCapture { .. })));
    assert!(matches!(problem(&[0x0a, 0x0d]), (0, Problem::CutBlock { expected: 24, found: 2 })));
    let mut swapped = builder::section();
    swapped[8..12].reverse();
    assert!(matches!(problem(&swapped), (0, Problem::ByteOrder { magic: 0x4d3c_2b1a })));
    let error = read(&builder::section_with(2, 0, &[])[..]).error.unwrap();
    assert!(matches!(error.problem, Problem::Version { major: 2 }));
    assert_eq!(error.damage(), Damage::Unsupported);
    let mut short = builder::section();
    short[4] = 24;
    assert!(matches!(problem(&short), (0, Problem::BlockLength { length: 24, .. })));
}

#[test]
fn a_capture_without_events_is_an_error() {
    let bytes = capture(&[block(0x202, &builder::process(1, 7).0)]);
    assert!(matches!(problem(&bytes), (at, Problem::NoEvents) if at == bytes.len() as u64));
}

#[test]
fn lists_that_contradict_themselves_are_errors() {
    let start = builder::section().len();
    let with = |list: Vec<u8>| capture(&[list, close(1).block()]);
    let mut trailer = with(block(0x202, &builder::process(1, 7).0));
    let at = trailer.len() - close(1).block().len() - 4;
    trailer[at] ^= 1;
    assert!(matches!(problem(&trailer), (at, Problem::Trailer { block: 0x202, .. }) if at == start as u64));
    let mut trailer = with(block(0x999, b"1234"));
    trailer[start + 12] ^= 1;
    assert!(matches!(problem(&trailer).1, Problem::Trailer { block: 0x999, .. }));

    // An entry that says it is longer than its block, or shorter than its length field.
    for length in [4000u32, 3, 0] {
        let mut entry = builder::process(9, 7).sized();
        entry[..4].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(
            problem(&with(block(0x215, &entry))).1,
            Problem::ListOverrun { .. } | Problem::ListValue { .. }
        ));
    }
    // A text above its limit, and an entry cut within a field.
    let mut entry = Bytes::default();
    entry.i64(1).i64(1).i64(1).text(&[b'x'; 1025]);
    let found = problem(&with(block(0x202, &entry.0))).1;
    assert!(matches!(found, Problem::ListValue { field: "comm", value: 1025, .. }), "{found}");
    let found = problem(&with(block(0x202, &builder::process(1, 7).0[..40]))).1;
    assert!(matches!(found, Problem::ListOverrun { .. }), "{found}");
    let found = problem(&with(block(0x205, &[9, 0, 1, 0, 0, 0, 0, 0]))).1;
    assert!(matches!(found, Problem::ListValue { field: "type", value: 9, .. }), "{found}");
    let found = problem(&with(block(builder::MACHINE, &[0; 184]))).1;
    assert!(matches!(found, Problem::ListValue { .. }), "{found}");
    let found = problem(&with(block(builder::MACHINE, &[0; 100]))).1;
    assert!(matches!(found, Problem::ListOverrun { .. }), "{found}");
}

#[test]
fn events_that_contradict_themselves_are_errors() {
    let start = capture(&[close(1).block()]).len();
    let with = |bytes: Vec<u8>| capture(&[close(1).block(), bytes, close(2).block()]);
    for (change, what) in [(-20i64, "header"), (-3, "parameters"), (400, "block")] {
        let mut event = close(1);
        event.extra_length = change;
        let bytes = with(event.block());
        let (offset, problem) = problem(&bytes);
        assert_eq!(offset, start as u64, "{what}");
        let expected = matches!(problem, Problem::EventLength { ty: 5, .. } | Problem::ParamsLength { ty: 5, .. });
        assert!(expected, "{what}: {problem}");
        assert_eq!(read(&bytes[..]).rows().count(), 1);
    }
    let mut many = close(1).block();
    many[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(problem(&with(many)).1, Problem::ParamsLength { nparams: u32::MAX, .. }));
    let mut old = close(1).kind(builder::EVENT_V1);
    old.extra_length = -1;
    assert!(matches!(problem(&with(old.block())).1, Problem::ParamCount { ty: 5 }));
    // Too short for an event; too long for one that is not large; beyond this reader's limit.
    for (kind, length) in [(builder::EVENT_V2, 39u32), (builder::EVENT_V2, 65_545), (builder::EVENT_LARGE, 39)] {
        let mut event = close(1).kind(kind).block();
        event[4..8].copy_from_slice(&length.to_le_bytes());
        assert!(matches!(problem(&with(event)).1, Problem::BlockLength { .. }), "{length}");
    }
    let mut event = close(1).kind(builder::EVENT_LARGE).block();
    event[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = read(&with(event)[..]).error.unwrap();
    assert!(matches!(error.problem, Problem::TooLarge { length: u32::MAX, .. }));
    assert_eq!(error.damage(), Damage::Unsupported);
}

#[test]
fn old_events_too_long_to_be_converted_are_errors() {
    // Only a large block can hold them, which no writer used for such events.
    for params in [vec![&[0u8; 60_000][..]; 2], vec![&[][..]; 100_000]] {
        let enter = Event::new(ev::SYSCALL_READ_E, 9, &params).kind(builder::EVENT_LARGE);
        let found = problem(&capture(&[close(1).block(), enter.block()])).1;
        assert!(matches!(found, Problem::ConversionLength { .. }), "{found}");
    }
    // Two that fit give one that does not.
    let enter = Event::new(ev::SOCKET_SENDTO_E, 9, &[&[0; 8], &[0; 4], &[0; 40_000]]);
    let exit = Event::new(ev::SOCKET_SENDTO_X, 9, &[&[0; 8], &[0; 40_000]]);
    let found = problem(&capture(&[close(1).block(), enter.block(), exit.block()])).1;
    assert!(matches!(found, Problem::ConversionLength { .. }), "{found}");
}

#[test]
fn other_blocks_between_events_are_errors() {
    for kind in [0x999, builder::MACHINE] {
        let bytes = capture(&[close(1).block(), block(kind, &[0; 180]), close(2).block()]);
        let outcome = read(&bytes[..]);
        assert_eq!(outcome.rows().count(), 1);
        assert!(matches!(outcome.error.unwrap().problem, Problem::UnexpectedBlock { block } if block == kind));
    }
}

/// An input of `length` bytes that counts what was asked of it, so that a test can see what was allocated for it.
struct Huge {
    given: Vec<u8>,
    at: usize,
    largest: usize,
}

impl Read for &mut Huge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.largest = self.largest.max(buffer.len());
        let count = buffer.len().min(self.given.len() - self.at);
        buffer[..count].copy_from_slice(&self.given[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[test]
fn a_length_that_lies_does_not_allocate() {
    let mut list = block(0x202, &[0; 100]);
    list[4..8].copy_from_slice(&(200u32 << 20).to_le_bytes());
    let mut event = close(1).kind(builder::EVENT_LARGE).block();
    event[4..8].copy_from_slice(&(200u32 << 20).to_le_bytes());
    for block in [list, event] {
        let mut input = Huge { given: capture(&[close(1).block(), block.clone()]), at: 0, largest: 0 };
        if block[0] == 2 && block[1] == 2 {
            input.given = capture(&[block]);
        }
        let error = read(&mut input).error.unwrap();
        assert_eq!(error.damage(), Damage::Truncated, "{error}");
        assert!(input.largest <= 2 << 20, "{} bytes were asked for", input.largest);
    }
}

/// Fails after some bytes, as a disk does.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::Error::other("the disk is gone"));
        }
        // One byte at a time, and interruptions, must not matter.
        buffer[0] = self.0[0];
        self.0 = &self.0[1..];
        Ok(1)
    }
}

#[test]
fn an_input_that_fails_is_told_apart_from_damage() {
    let bytes = capture(&[close(1).block(), close(2).block()]);
    for end in [10, bytes.len() - 5, bytes.len()] {
        let outcome = read(Failing(&bytes[..end]));
        let error = outcome.error.as_ref().unwrap();
        assert_eq!(error.damage(), Damage::Input);
        assert_eq!(error.offset, end as u64);
        assert!(error.to_string().contains("the disk is gone"));
        assert_eq!(outcome.rows().count(), [0, 1, 2][usize::from(end > 10) + usize::from(end == bytes.len())]);
    }
}
