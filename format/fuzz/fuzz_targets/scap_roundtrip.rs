//! What was read from any bytes, written and read again, is the same.

#![no_main]

use std::io::{Cursor, Read};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::lists::Head;
use falco_replay_format::scap::{Input, Item, Reader, WriteError, Writer};
use libfuzzer_sys::fuzz_target;

type Row = (u64, i64, u16, u16, u32, Vec<Vec<u8>>);

/// The first section, as far as it can be read.
fn first_section(input: impl Read) -> Option<(Head, Vec<Row>)> {
    let mut reader = Reader::new(input).ok()?;
    let Ok(Item::Head(head)) = reader.next(EventBatch::default()) else { return None };
    let mut rows = Vec::new();
    while let Ok(Item::Batch(batch)) = reader.next(EventBatch::default()) {
        rows.extend((0..batch.len()).map(|row| {
            let params = batch.params(row).iter().map(<[u8]>::to_vec).collect();
            (batch.ts[row], batch.tid[row], batch.ty[row], batch.cpu[row], batch.flags[row], params)
        }));
    }
    Some((*head, rows))
}

fuzz_target!(|data: &[u8]| {
    let Ok(input) = Input::open(Cursor::new(data.to_vec())) else { return };
    let Some((head, rows)) = first_section(input.take(1 << 20)) else { return };
    if rows.is_empty() {
        return;
    }
    let mut writer = Writer::new(Vec::new(), &head).expect("what was read can be written");
    for (ts, tid, ty, cpu, flags, params) in &rows {
        let params = params.iter().map(Vec::as_slice);
        match writer.event(*ts, *tid, *ty, *cpu, *flags, params) {
            // An event may have become longer than a block by its conversion.
            Err(WriteError::TooLong { .. }) => return,
            result => result.expect("what was read can be written"),
        }
    }
    let bytes = writer.finish().expect("memory can be written");
    let (head_again, rows_again) = first_section(&bytes[..]).expect("what was written can be read");
    assert_eq!(format!("{head:?}"), format!("{head_again:?}"));
    assert_eq!(rows, rows_again);
});
