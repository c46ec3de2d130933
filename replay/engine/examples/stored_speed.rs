//! Times the evaluation of rules over encoded blocks in memory, and checks it against evaluation of the same blocks
//! decoded. For profiles; figures for the logbook come from whole commands.
//!
//! `cargo run --release --example stored_speed -p falco-replay-engine -- CAPTURE.scap RULES.yaml…`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a tool of the developers")]

use std::time::Instant;

use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::evaluate::{Engine, RuleMatching, StoredMatches};
use falco_replay_engine::view::Rendering;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::{Decoder, StoredBlock, encode};
use falco_replay_format::scap::{self, Item};
use falco_replay_rules::{Options, RulesFile, load};
use falco_replay_state::State;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let capture = arguments.next().expect("a capture");
    let texts: Vec<(String, Vec<u8>)> = arguments
        .map(|path| {
            let content = std::fs::read(&path).unwrap();
            (path, content)
        })
        .collect();
    let files: Vec<RulesFile<'_>> = texts.iter().map(|(name, content)| RulesFile { name, content }).collect();
    let catalogue = Catalogue::default();
    let loaded = load(&files, &catalogue, &Options::default());
    let engine = Engine::new(&loaded.program, &catalogue, RuleMatching::First, false);
    let rendering = Rendering::default();
    let mut reader = scap::open(std::fs::File::open(capture).unwrap()).unwrap();
    reader.set_batch_bytes(6 << 20);
    let mut state = State::new(Demand::stored());
    let mut payloads = Vec::new();
    let mut expected = Vec::new();
    let mut block = Block::default();
    let mut worker = engine.worker();
    let mut events = 0;
    loop {
        let (batch, spare) = block.recycle();
        match reader.next(batch).unwrap() {
            Item::Head(head) => {
                state.start(&head);
                block = spare;
            }
            Item::Batch(batch) => {
                block = state.apply(batch, spare);
                events += block.len();
                let mut matches = Vec::new();
                engine.evaluate(&mut worker, &block, &rendering, &mut matches);
                expected.push(matches.iter().map(|one| (block.num(one.row as usize), one.rule)).collect::<Vec<_>>());
                payloads.push(encode(&block, 3).payload);
            }
            Item::End => break,
        }
    }
    let rounds = std::env::var("ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    for round in 0..rounds {
        let mut worker = engine.worker();
        let mut decoder = Decoder::default();
        let mut found = StoredMatches::default();
        let start = Instant::now();
        let mut matches = 0;
        for (payload, expected) in payloads.iter().zip(&expected) {
            let mut stored = StoredBlock::new(payload, &mut decoder).unwrap();
            engine.evaluate_stored(&mut worker, &mut stored, &mut decoder, &rendering, None, &mut found).unwrap();
            matches += found.matches.len();
            if round == 0 {
                let given: Vec<_> =
                    found.matches.iter().map(|one| (found.block.num(one.row as usize), one.rule)).collect();
                assert_eq!(&given, expected);
            }
        }
        println!(
            "{events} events, {} blocks, {matches} matches: {:.2} ns an event",
            payloads.len(),
            start.elapsed().as_nanos() as f64 / events as f64
        );
    }
}
