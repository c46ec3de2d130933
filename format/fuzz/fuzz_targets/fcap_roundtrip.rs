//! Whatever events a `.scap` has, they are the same after they were written as blocks and read again.

#![no_main]

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::{Block, NONE, mark};
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock, encode};
use falco_replay_format::scap::{Item, Reader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(mut reader) = Reader::new(data) else { return };
    let mut decoder = Decoder::default();
    let mut num = 1;
    while let Ok(item) = reader.next(EventBatch::default()) {
        let batch = match item {
            Item::Head(_) => continue,
            Item::Batch(batch) => batch,
            Item::End => return,
        };
        let count = batch.len();
        let block = Block {
            batch,
            first_num: num,
            marks: vec![mark::DELIVERED; count],
            process: vec![NONE; count],
            fd: vec![NONE; count],
            fd_num: vec![-1; count],
            ..Block::default()
        };
        num += count as u64;
        let payload = encode(&block, 1).payload;
        let mut stored = StoredBlock::new(&payload, &mut decoder).expect("it was just written");
        let read = stored.select(&mut decoder, None, &Select::raw(), Block::default()).expect("it was just written");
        assert_eq!(read.len(), count);
        for row in 0..count {
            assert!(block.params(row).iter().eq(read.params(row).iter()));
            assert_eq!(block.num(row), read.num(row));
        }
        let (before, after) = (&block.batch, &read.batch);
        assert!(before.ts == after.ts && before.tid == after.tid && before.ty == after.ty && before.cpu == after.cpu);
        assert!(before.flags == after.flags && before.nparams == after.nparams);
    }
});
