//! A capture that begins in the middle of another with the state of that moment gives the rest of the events the same
//! contexts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod contexts;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::{Block, Container, Mount};
use falco_replay_format::demand::Demand;
use falco_replay_format::lists::{Exact, Head};
use falco_replay_format::scap::{self, Item, prologue};
use falco_replay_format::schema::ev;
use falco_replay_state::State;

use crate::contexts::Differences;

fn captures(folders: &[&str]) -> Vec<PathBuf> {
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracle");
    if !oracle.is_dir() {
        eprintln!("SKIPPED, NOT TESTED: no captures at {}", oracle.display());
        return Vec::new();
    }
    let mut paths = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(oracle.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let path = if path.is_dir() { path.join("capture.scap") } else { path };
            if path.extension().is_some_and(|extension| extension == "scap") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    assert!(paths.len() > 10);
    paths
}

fn items(path: &Path) -> Vec<Item> {
    let mut reader = scap::open(File::open(path).unwrap()).unwrap();
    let mut items = Vec::new();
    // Some captures of the oracle are damaged on purpose: what comes before the damage does.
    while let Ok(item) = reader.next(EventBatch::default()) {
        if matches!(item, Item::End) {
            break;
        }
        items.push(item);
    }
    items
}

/// Replays a capture, and beside it a second one that begins at event `at` with what `begin` makes of the state then.
fn compare(items: &[Item], at: usize, begin: impl Fn(&Head, u64, &mut State), found: &mut Differences) {
    let mut full = State::new(Demand::everything());
    let mut cut = State::new(Demand::everything());
    let (mut seen, mut begun) = (0, false);
    for item in items {
        match item {
            Item::Head(head) => {
                full.start(head);
                if begun {
                    cut.start(head);
                }
            }
            Item::Batch(batch) => {
                let before = if begun { 0 } else { batch.len().min(at.saturating_sub(seen)) };
                full.apply(batch.copy(0..before), Block::default());
                seen += batch.len();
                if before == batch.len() {
                    continue;
                }
                if !begun {
                    begin(&full.head(), batch.ts[before], &mut cut);
                    begun = true;
                }
                let rest = || batch.copy(before..batch.len());
                let blocks = (full.apply(rest(), Block::default()), cut.apply(rest(), Block::default()));
                found.compare(&blocks.0, &blocks.1);
            }
            Item::End => {}
        }
    }
}

/// Events before which the captures are cut: a few in the middle, and after the silent start.
fn cuts(items: &[Item]) -> Vec<usize> {
    let events: usize = items.iter().map(|item| if let Item::Batch(batch) = item { batch.len() } else { 0 }).sum();
    [3, 35, 80].map(|percent| (events * percent / 100).max(1)).into()
}

#[test]
fn nothing_is_lost_with_the_details() {
    let mut found = Differences::default();
    for path in captures(&["guest", "foreign", "unit"]) {
        let items = items(&path);
        for at in cuts(&items) {
            // As long as all that was read is a silent start, the head is the section's own: its events belong to it.
            let begin = |head: &Head, _: u64, cut: &mut State| {
                assert!(head.exact.is_some() || at < 50, "{} at {at}", path.display());
                cut.start(head);
            };
            if !is_silent_start(&items, at) {
                compare(&items, at, begin, &mut found);
            }
        }
    }
    assert!(found.kinds().is_empty(), "of {} events:\n{found}", found.events);
}

fn is_silent_start(items: &[Item], at: usize) -> bool {
    let mut state = State::new(Demand::default());
    let mut seen = 0;
    for item in items {
        match item {
            Item::Head(head) => state.start(head),
            Item::Batch(batch) => {
                let count = batch.len().min(at - seen);
                state.apply(batch.copy(0..count), Block::default());
                seen += count;
            }
            Item::End => {}
        }
        if seen == at {
            break;
        }
    }
    state.head().exact.is_none()
}

/// What a `.scap` cannot hold, with the reason.
///
/// All of it is about threads and descriptors that were there when the capture was cut.
const LOST: &[(&str, &str)] = &[
    ("process clone_ts", "the process list has no times"),
    ("process lastexec_ts", "the process list has no times"),
    ("process exe_ctime_duration_clone", "it counts from the time of the clone"),
    ("process exe_ctime_duration_pidns", "it is made from times of an execve"),
    ("process flags", "readers add a mark to listed threads"),
    ("process cwd", "readers make an unknown directory /"),
    ("fd raw_name", "the descriptor list has no name as given"),
    ("fd open_flags", "of files only, and the mark for close-on-exec is kept in them"),
    ("fd dev", "of files only"),
    ("fd lower_layer", "of files only"),
    ("fd upper_layer", "of files only"),
    ("fd role", "the descriptor list has none; readers guess it from ports"),
    ("fd connected", "the descriptor list does not say it"),
    ("fd ends", "a socket without ends gets some that are zero"),
    ("fd name", "names of sockets are made anew"),
    ("fd l4proto", "a socket of IPv6 without ends is listed as unknown"),
    ("fd kind", "a socket of IPv6 without ends is listed as unknown"),
    ("fd ino", "a child whose clone event came just before is made again by its own"),
    ("fd pid", "the descriptor list has no process of a pidfd"),
    ("reference FdKinds", "a descriptor that closes on execute stays open"),
    ("reference FdCount", "a descriptor that closes on execute stays open"),
    ("reference Memory", "a child whose clone event came just before is made again by its own"),
    ("references", "a descriptor that closes on execute stays open"),
    ("fd number", "a descriptor that closes on execute stays open"),
    ("descriptor", "a descriptor that closes on execute stays open"),
    ("marks", "whether a name is new depends on the name before"),
];

#[test]
fn lists_alone_lose_only_what_they_cannot_hold() {
    let mut found = Differences::default();
    for path in captures(&["guest"]) {
        let items = items(&path);
        for at in cuts(&items) {
            let begin = |head: &Head, ts: u64, cut: &mut State| {
                let lists = Head { exact: None, ..head.clone() };
                cut.start(&lists);
                let prologue = prologue(head, ts);
                if !prologue.is_empty() {
                    cut.apply(prologue, Block::default());
                }
            };
            compare(&items, at, begin, &mut found);
        }
    }
    let unknown: BTreeMap<_, _> =
        found.kinds().into_iter().filter(|(what, _)| !LOST.iter().any(|(lost, _)| lost == what)).collect();
    assert!(unknown.is_empty(), "of {} events: {:?}\n{found}", found.events, unknown.keys());
    // What is known is still rare but for names as given.
    for (what, count) in found.kinds() {
        let often = matches!(what.as_str(), "fd raw_name" | "fd open_flags" | "fd dev");
        assert!(often || count * 100 < found.events.max(1), "{count} of {} events: {what}\n{found}", found.events);
    }
}

#[test]
fn containers_come_back_from_the_events_that_describe_them() {
    let text = |text: &str| text.as_bytes().into();
    let odd = Container {
        id: text("6c270ef2f251"),
        full_id: text("6c270ef2f251d571"),
        name: text("a \"quoted\" \\ name\nof two lines"),
        image: text("registry/ü:1"),
        kind: 7,
        user: text("\u{1}"),
        ip: text("10.0.0.7"),
        cni_json: text("{\"a\":[1]}"),
        privileged: true,
        host_ipc: true,
        labels: vec![(text("a\"b"), text("")), (text("c"), text("d"))],
        mounts: vec![Mount { source: text("/a"), dest: text("/b"), read_write: true, ..Mount::default() }],
        is_pod_sandbox: true,
        pod_sandbox_labels: vec![(text("x"), text("y"))],
        ..Container::default()
    };
    let plain = Container { id: text("st-lxc"), kind: -1, ..Container::default() };
    let exact = Exact { containers: vec![odd, plain], ..Exact::default() };
    let head = Head { exact: Some(Box::new(exact)), ..Head::default() };
    let mut state = State::new(Demand::default());
    state.start(&Head::default());
    state.apply(prologue(&head, 1), Block::default());
    // Something that ends the silent start.
    let mut batch = EventBatch::default();
    batch.push(2, 1, ev::SYSCALL_CLOSE_X, 0, 0, [&[0; 8][..], &[3, 0, 0, 0, 0, 0, 0, 0]].into_iter());
    state.apply(batch, Block::default());
    assert_eq!(state.head().exact.unwrap().containers, head.exact.unwrap().containers);
}
