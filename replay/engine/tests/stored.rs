//! Evaluation of blocks that were written down gives what evaluation of the same blocks in memory gives, for random rules
//! over random events; and a damaged block gives an error or the same, never something else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod scenes;

use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::evaluate::{Engine, RuleMatching, StoredMatches};
use falco_replay_engine::view::Rendering;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock, encode};
use falco_replay_state::State;
use proptest::prelude::*;

use scenes::conditions::{compiled, condition, program};
use scenes::{Step, batch, head, step};

fn blocks(steps: &[Step], split: usize, demand: Demand) -> Vec<Block> {
    let mut state = State::new(demand);
    state.start(&head());
    let (first, second) = steps.split_at(split.min(steps.len()));
    [(first, 1_000_000_000), (second, 2_000_000_000)]
        .into_iter()
        .map(|(steps, ts)| state.apply(batch(steps, ts), Block::default()))
        .collect()
}

fn engine(texts: &[String], documented: bool, matching: RuleMatching) -> Engine {
    let catalogue = Catalogue::new();
    let conditions = compiled(texts, &catalogue);
    Engine::new(&program(&conditions), &catalogue, matching, documented)
}

/// Number of the event and place of the rule.
type Found = Vec<(u64, u32)>;

fn evaluate_stored(engine: &Engine, payload: &[u8], decoder: &mut Decoder) -> Result<Found, String> {
    let mut found = StoredMatches::default();
    let mut worker = engine.worker();
    let rendering = Rendering::default();
    let mut stored = StoredBlock::new(payload, decoder).map_err(|error| error.to_string())?;
    engine
        .evaluate_stored(&mut worker, &mut stored, decoder, &rendering, None, &mut found)
        .map_err(|error| error.to_string())?;
    Ok(found.matches.iter().map(|one| (found.block.num(one.row as usize), one.rule)).collect())
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn what_is_stored_matches_as_what_is_not(
        steps in prop::collection::vec(step(), 1..60),
        split in 0usize..60,
        texts in prop::collection::vec(condition(), 1..4),
        documented in any::<bool>(),
        all in any::<bool>(),
    ) {
        let matching = if all { RuleMatching::All } else { RuleMatching::First };
        let engine = engine(&texts, documented, matching);
        prop_assume!(!engine.needs_state());
        let rendering = Rendering { documented, ..Rendering::default() };
        let mut worker = engine.worker();
        let mut stored_worker = engine.worker();
        let mut decoder = Decoder::default();
        let mut found = StoredMatches::default();
        let in_memory = blocks(&steps, split, engine.demand().clone());
        for (block, stored) in in_memory.iter().zip(blocks(&steps, split, Demand::stored())) {
            let mut matches = Vec::new();
            engine.evaluate(&mut worker, block, &rendering, &mut matches);
            let expected: Found = matches.iter().map(|one| (block.num(one.row as usize), one.rule)).collect();
            let payload = encode(&stored, 1).payload;
            let mut again = StoredBlock::new(&payload, &mut decoder).unwrap();
            engine.evaluate_stored(&mut stored_worker, &mut again, &mut decoder, &rendering, None, &mut found).unwrap();
            let given: Found =
                found.matches.iter().map(|one| (found.block.num(one.row as usize), one.rule)).collect();
            prop_assert_eq!(given, expected, "{:?}", texts);
        }
    }
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn damage_is_found_or_does_no_harm(
        steps in prop::collection::vec(step(), 1..40),
        texts in prop::collection::vec(condition(), 1..3),
        places in prop::collection::vec((any::<prop::sample::Index>(), 1u8..=255), 40),
    ) {
        let engine = engine(&texts, false, RuleMatching::All);
        prop_assume!(!engine.needs_state());
        let block = &blocks(&steps, steps.len(), Demand::stored())[0];
        let payload = encode(block, 1).payload;
        let expected = evaluate_stored(&engine, &payload, &mut Decoder::default()).unwrap();
        for (place, flip) in places {
            let at = place.index(payload.len());
            let mut damaged = payload.clone();
            damaged[at] ^= flip;
            if let Ok(given) = evaluate_stored(&engine, &damaged, &mut Decoder::default()) {
                prop_assert_eq!(&given, &expected, "byte {} of {}", at, payload.len());
            }
            prop_assert!(evaluate_stored(&engine, &payload[..at], &mut Decoder::default()).is_err());
            // Whoever reads everything finds it.
            let mut decoder = Decoder::default();
            let everything = StoredBlock::new(&damaged, &mut decoder)
                .and_then(|mut block| block.select(&mut decoder, None, &Select::everything(), Block::default()));
            if let Ok(read) = everything {
                prop_assert_eq!(read.len(), block.len());
            }
        }
    }
}
