//! Any bytes as an `.fcap` file: everything in it is read, and nothing but an error may come of damage.

#![no_main]

use falco_replay_format::block::Block;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock};
use falco_replay_format::fcap::summary::Summary;
use falco_replay_format::fcap::{CaptureFile, Entry, repair_bytes, verify_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // A block's payload alone, so that the fuzzer need not get the frame around it right.
    read(data, &mut Decoder::default());
    let _ = Summary::decode(data);
    if let Ok((repaired, _)) = repair_bytes(data, Vec::new()) {
        assert!(verify_bytes(&repaired).is_ok_and(|report| report.is_sound()));
    }
    let Ok(file) = CaptureFile::from_bytes(data.to_vec()) else { return };
    let mut decoder = Decoder::default();
    for entry in file.entries() {
        match entry {
            Entry::Block { .. } => {
                if let Ok(payload) = file.block(entry) {
                    read(payload, &mut decoder);
                }
            }
            _ => {
                let _ = file.snapshot(entry);
                let _ = file.own_events(entry);
            }
        }
    }
});

fn read(payload: &[u8], decoder: &mut Decoder) {
    let Ok(mut stored) = StoredBlock::new(payload, decoder) else { return };
    if let Ok(block) = stored.select(decoder, None, &Select::everything(), Block::default()) {
        for row in 0..block.len() {
            let bytes: usize = block.params(row).iter().map(<[u8]>::len).sum();
            std::hint::black_box((bytes, block.process(row), block.fd(row), block.refs(row), block.world(row)));
        }
    }
}
