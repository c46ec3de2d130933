//! Whole files: written, read, damaged, walked.

// In a test a panic is the message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the message")]

mod damage;
mod heads;
mod hostile;
mod roundtrip;

use super::block::{Encoded, encode};
use super::constants::own;
use super::{CaptureFile, Entry, FileAbout, Options, OwnEvent, Totals, Writer, Written};
use crate::block::{Block, NONE, mark};
use crate::lists::{FdDetail, FdEntry, Head, Machine, UserEntry};
use crate::schema::ev;

/// A block of `count` events that begin with number `first`.
fn block(first: u64, count: u32) -> Block {
    let mut block = Block { first_num: first, ..Block::default() };
    for row in 0..count {
        let batch = &mut block.batch;
        batch.offset.push(batch.data.len() as u32);
        batch.data.extend_from_slice(&[8, 0]);
        batch.data.extend_from_slice(&(first + u64::from(row)).to_le_bytes());
        batch.ts.push(1_000_000 * (first + u64::from(row)));
        batch.tid.push(i64::from(row % 7));
        batch.ty.push(if row == 0 { ev::SYSCALL_KILL_X } else { ev::SYSCALL_CLOSE_X });
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(1);
        block.marks.push(mark::DELIVERED);
        block.process.push(NONE);
        block.fd.push(NONE);
        block.fd_num.push(-1);
    }
    block
}

/// The same, encoded, with a filter that says nothing.
fn encoded(first: u64, events: u32) -> Encoded {
    let mut encoded = encode(&block(first, events), 3);
    encoded.about.summary = format!("filter of {first}").into_bytes();
    encoded
}

fn head() -> Head {
    let machine = Machine {
        cpus: 4,
        memory: 8 << 30,
        max_pid: 4 << 20,
        hostname: b"node-1"[..].into(),
        boot_time: 1_700_000_000_000_000_000,
        flags: [1, 2, 3],
    };
    let detail = FdDetail::Name(b"/dev/null"[..].into());
    Head {
        machine: Some(machine),
        fds: vec![(1, vec![FdEntry { fd: 0, ino: 5, kind: 2, detail }])],
        users: vec![UserEntry {
            uid: 0,
            gid: 0,
            name: b"root"[..].into(),
            home: b"/root"[..].into(),
            shell: b"/bin/sh"[..].into(),
        }],
        ..Head::default()
    }
}

fn about() -> FileAbout {
    FileAbout {
        recorder: "test".to_owned(),
        recorder_version: "1.2.3".to_owned(),
        source: ".scap".to_owned(),
        hostname: b"node-1".to_vec(),
        event_types: 400,
        ..FileAbout::default()
    }
}

fn totals() -> Totals {
    Totals { complete: true, events: 30, blocks: vec![(0x202, 1), (0x216, 30)], ..Totals::default() }
}

fn own_event(ts: u64) -> OwnEvent {
    OwnEvent { ts, kind: own::LOSS, payload: b"lost".to_vec() }
}

/// A small file with a section of every kind, as it is written.
fn small_file(close: bool) -> (Vec<u8>, Written) {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &about(), Options::default()).unwrap();
    writer.head(&head()).unwrap();
    writer.encoded(&encoded(1, 10)).unwrap();
    writer.own_event(own_event(5)).unwrap();
    writer.encoded(&encoded(11, 10)).unwrap();
    writer.head(&Head::default()).unwrap();
    writer.encoded(&encoded(21, 10)).unwrap();
    if close {
        let (_, written) = writer.finish(&totals()).unwrap();
        return (out, written);
    }
    drop(writer);
    (out, Written::default())
}

fn open(bytes: &[u8]) -> CaptureFile {
    CaptureFile::from_bytes(bytes.to_vec()).unwrap()
}

fn blocks(file: &CaptureFile) -> Vec<&Entry> {
    file.entries().iter().filter(|entry| entry.about().is_some()).collect()
}

/// Entries as they are found without the index, which has the filters.
fn without_filters(entries: &[Entry]) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        if let Entry::Block { about, .. } = entry {
            about.summary.clear();
        }
    }
    entries
}
