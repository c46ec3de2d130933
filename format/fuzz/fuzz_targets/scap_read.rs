//! Hostile bytes: reading them never panics, hangs or allocates without bound, and parameters stay in their event.

#![no_main]

use std::io::Cursor;

use falco_replay_format::batch::EventBatch;
use falco_replay_format::scap::{Input, Item, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Compressed input is read in part only, for a few bytes may stand for gigabytes.
    let Ok(input) = Input::open(Cursor::new(data.to_vec())) else { return };
    let Ok(mut reader) = Reader::new(std::io::Read::take(input, 8 << 20)) else { return };
    let mut batch = EventBatch::default();
    loop {
        match reader.next(std::mem::take(&mut batch)) {
            Ok(Item::Head(head)) => {
                let entries: usize = head.fds.iter().map(|(_, fds)| fds.len()).sum();
                assert!(head.threads.len() + entries <= (8 << 20) / 17 + 1);
            }
            Ok(Item::Batch(filled)) => {
                assert!(!filled.is_empty() && filled.len() <= 32_768);
                for row in 0..filled.len() {
                    let schema = filled.info(row).params.len();
                    let params = filled.params(row);
                    assert!(params.len() <= schema);
                    let total: usize = params.iter().map(<[u8]>::len).sum();
                    assert!(total <= filled.data.len() + filled.converted.len());
                }
                batch = filled;
            }
            Ok(Item::End) => break,
            Err(_) => {
                assert!(matches!(reader.next(EventBatch::default()), Ok(Item::End)));
                break;
            }
        }
    }
});
