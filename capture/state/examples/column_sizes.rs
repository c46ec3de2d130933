//! Encodes the blocks of a `.scap` capture and prints how many bytes each column takes, for the logbook of sizes.
//!
//! `cargo run --release --example column_sizes -p falco-replay-state -- CAPTURE [LEVEL]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool of the developers")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock, column_sizes, encode};
use falco_replay_format::scap::{self, Item};
use falco_replay_state::State;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a capture");
    let level = arguments.next().map_or(3, |level| level.parse().expect("a level"));
    let mut reader = scap::open(std::fs::File::open(path).unwrap()).unwrap();
    reader.set_batch_bytes(6 << 20);
    let mut state = State::new(Demand::stored());
    let mut columns: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut events, mut stored, mut raw) = (0, 0, 0);
    let mut times = [Duration::ZERO; 4];
    let mut block = Block::default();
    let mut decoder = Decoder::default();
    loop {
        let (batch, spare) = block.recycle();
        let start = Instant::now();
        let item = reader.next(batch).unwrap();
        times[0] += start.elapsed();
        match item {
            Item::Head(head) => {
                state.start(&head);
                block = Block { batch: EventBatch::default(), ..spare };
            }
            Item::Batch(batch) => {
                let start = Instant::now();
                block = state.apply(batch, spare);
                times[1] += start.elapsed();
                let start = Instant::now();
                let encoded = encode(&block, level);
                times[2] += start.elapsed();
                events += block.len();
                stored += encoded.payload.len();
                raw += encoded.about.raw_bytes;
                for (name, raw, stored) in column_sizes(&encoded.payload).unwrap() {
                    let entry = columns.entry(name).or_default();
                    entry.0 += raw;
                    entry.1 += stored;
                }
                let start = Instant::now();
                let mut stored = StoredBlock::new(&encoded.payload, &mut decoder).unwrap();
                let again = stored.select(&mut decoder, None, &Select::raw(), Block::default()).unwrap();
                times[3] += start.elapsed();
                assert_eq!(again.len(), block.len());
                for row in 0..block.len() {
                    assert!(
                        block.params(row).iter().eq(again.params(row).iter()),
                        "row {row} {:?}",
                        block.batch.info(row).name
                    );
                    assert_eq!(block.batch.ts[row], again.batch.ts[row]);
                    assert_eq!(block.batch.tid[row], again.batch.tid[row]);
                    assert_eq!(block.fd_num[row], again.fd_num[row]);
                    assert_eq!(block.batch.cpu[row], again.batch.cpu[row]);
                    assert_eq!(block.marks[row], again.marks[row]);
                    assert_eq!(block.num(row), again.num(row));
                }
            }
            Item::End => break,
        }
    }
    let mut sorted: Vec<_> = columns.into_iter().collect();
    sorted.sort_by_key(|(_, (_, stored))| std::cmp::Reverse(*stored));
    for (name, (raw, stored)) in sorted.iter().take(70) {
        println!("{:9} {:9} {:7.4} {name}", raw, stored, *stored as f64 / events as f64);
    }
    let each = |time: Duration| time.as_nanos() as f64 / events as f64;
    println!(
        "{events} events, {stored} bytes, {:.3} an event (parameters {:.1}); ns an event: read {:.1} state {:.1} encode {:.1} decode {:.1}",
        stored as f64 / events as f64,
        raw as f64 / events as f64,
        each(times[0]),
        each(times[1]),
        each(times[2]),
        each(times[3])
    );
}
