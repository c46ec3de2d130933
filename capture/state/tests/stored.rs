//! A block that was written down and read again says of every event what the block in memory says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod contexts;

use std::fs::File;
use std::path::{Path, PathBuf};

use contexts::Differences;
use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::{Block, RefKind};
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock, encode};
use falco_replay_format::scap::{self, Item};
use falco_replay_state::State;

/// The blocks of a capture twice: with every reference, and as they are stored.
fn blocks(path: &Path, batch_bytes: usize) -> Vec<(Block, Block)> {
    let all = |demand: Demand| {
        let mut reader = scap::open(File::open(path).unwrap()).unwrap();
        reader.set_batch_bytes(batch_bytes);
        let mut state = State::new(demand);
        let mut blocks = Vec::new();
        // What comes before damage counts too.
        while let Ok(item) = reader.next(EventBatch::default()) {
            match item {
                Item::Head(head) => state.start(&head),
                Item::Batch(batch) => blocks.push(state.apply(batch, Block::default())),
                Item::End => break,
            }
        }
        blocks
    };
    all(Demand::everything()).into_iter().zip(all(Demand::stored())).collect()
}

/// Puts references in one order, and leaves out those that say what their absence says.
fn in_order(block: &mut Block) {
    let own = block.fd.clone();
    let numbers = block.fd_num.clone();
    let mut refs = std::mem::take(&mut block.refs);
    refs.retain(|one| match one.kind {
        RefKind::FdNumber => block.fds.get(one.value as usize).is_some(),
        RefKind::ParamFd => {
            let row = one.row as usize;
            let same = block.fds.get(own[row] as usize).zip(block.fds.get(one.value as usize));
            let number = block.params(row).i64(usize::from(one.key));
            !(same.is_some_and(|(own, other)| own.id == other.id) && number == Some(numbers[row]))
        }
        _ => true,
    });
    refs.sort_by_key(|one| (one.row, format!("{:?}", one.kind), one.key));
    block.refs = refs;
}

fn check(path: &Path, batch_bytes: usize) -> usize {
    let mut decoder = Decoder::default();
    let mut differences = Differences::default();
    let mut events = 0;
    for (mut full, stored) in blocks(path, batch_bytes) {
        events += full.len();
        let encoded = encode(&stored, 1);
        assert_eq!(encoded, encode(&stored, 1), "the same block gives the same bytes");
        let mut again = StoredBlock::new(&encoded.payload, &mut decoder).unwrap();
        assert_eq!(again.len(), full.len());
        let mut read = again.select(&mut decoder, None, &Select::everything(), Block::default()).unwrap();
        for row in 0..full.len() {
            let name = full.batch.info(row).symbol;
            assert!(full.params(row).iter().eq(read.params(row).iter()), "{}: parameters of {name}", path.display());
            let fixed = |block: &Block| {
                let batch = &block.batch;
                (batch.ts[row], batch.tid[row], batch.ty[row], batch.cpu[row], batch.flags[row], batch.nparams[row])
            };
            assert_eq!(fixed(&full), fixed(&read));
            assert_eq!(full.num(row), read.num(row));
            let world = |block: &Block| block.world(row).map(|world| format!("{world:?}"));
            assert_eq!(world(&full), world(&read));
        }
        assert_eq!(full.previous_ts, read.previous_ts);
        assert_eq!(full.batch.first_drop, read.batch.first_drop);
        in_order(&mut full);
        in_order(&mut read);
        differences.compare(&full, &read);
        // Some rows alone say what they say among all.
        let some: Vec<u32> = (0..full.len() as u32).filter(|row| row % 7 == 3).collect();
        let mut again = StoredBlock::new(&encoded.payload, &mut decoder).unwrap();
        let mut few = again.select(&mut decoder, Some(&some), &Select::everything(), Block::default()).unwrap();
        in_order(&mut few);
        for (at, &row) in some.iter().enumerate() {
            let row = row as usize;
            assert!(full.params(row).iter().eq(few.params(at).iter()));
            assert_eq!(full.num(row), few.num(at));
            assert_eq!(full.process(row).map(|one| one.id), few.process(at).map(|one| one.id));
            assert_eq!(full.fd(row).map(|one| &one.info), few.fd(at).map(|one| &one.info));
            assert_eq!(full.refs(row).len(), few.refs(at).len());
            let before = (0..row).rev().find(|&before| full.delivered(before)).map(|before| full.batch.ts[before]);
            assert_eq!(before.or(full.previous_ts).unwrap_or(u64::MAX), few.before[at]);
        }
    }
    assert!(differences.kinds().is_empty(), "{}:\n{differences}", path.display());
    events
}

#[test]
fn samples_are_what_they_were() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut events = 0;
    for folder in std::fs::read_dir(samples).unwrap() {
        let capture = folder.unwrap().path().join("capture.scap");
        if capture.exists() {
            events += check(&capture, 64 << 10) + check(&capture, 6 << 20);
        }
    }
    assert!(events > 0);
}

/// Captures of the oracle, recorded by others: every form of event and list there is.
#[test]
fn captures_of_the_oracle_are_what_they_were() {
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracle");
    if !oracle.exists() {
        eprintln!("SKIPPED: {} is not there", oracle.display());
        return;
    }
    let mut captures: Vec<PathBuf> = std::fs::read_dir(oracle.join("guest"))
        .unwrap()
        .map(|folder| folder.unwrap().path())
        .filter(|folder| !folder.ends_with("big-mix-def"))
        .map(|folder| folder.join("capture.scap"))
        .collect();
    captures.extend(std::fs::read_dir(oracle.join("foreign")).unwrap().map(|entry| entry.unwrap().path()));
    let unit = std::fs::read_dir(oracle.join("unit")).unwrap().map(|entry| entry.unwrap().path());
    captures.extend(unit.filter(|path| path.to_string_lossy().contains(".scap")));
    captures.retain(|path| scap::open(File::open(path).unwrap()).is_ok());
    captures.sort();
    let events: usize = captures.iter().map(|capture| check(capture, 1 << 20)).sum();
    assert!(captures.len() > 60 && events > 100_000, "{} captures, {events} events", captures.len());
}
