//! Everything that a reader gives, gathered so that tests can compare it.

use std::io::Read;

use falco_replay_format::batch::EventBatch;
use falco_replay_format::lists::Head;
use falco_replay_format::scap::{Error, Item, Reader, WriteError, Writer};

/// One event with all that a batch says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub ts: u64,
    pub tid: i64,
    pub ty: u16,
    pub cpu: u16,
    pub flags: u32,
    pub params: Vec<Vec<u8>>,
}

/// One section.
#[derive(Debug, Default)]
pub struct Section {
    pub head: Head,
    pub rows: Vec<Row>,
    /// Row before which the first event was dropped.
    pub first_drop: Option<usize>,
    pub batches: usize,
}

impl Section {
    pub fn types(&self) -> Vec<u16> {
        self.rows.iter().map(|row| row.ty).collect()
    }
}

/// A capture, up to its end or its damage.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sections: Vec<Section>,
    pub error: Option<Error>,
    pub unknown_blocks: u64,
    pub unknown_events: u64,
    pub dropped: u64,
    pub converted: u64,
    pub swallowed: u64,
    pub bytes: u64,
}

impl Outcome {
    /// The one section of a capture without damage.
    #[track_caller]
    pub fn single(self) -> Section {
        assert!(self.error.is_none(), "{:?}", self.error);
        assert_eq!(self.sections.len(), 1);
        self.sections.into_iter().next().unwrap()
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }
}

/// Reads all of `input`, and checks what holds for every capture.
pub fn read(input: impl Read) -> Outcome {
    let mut outcome = Outcome::default();
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return Outcome { error: Some(error), ..outcome },
    };
    let mut recycled = EventBatch::default();
    loop {
        match reader.next(std::mem::take(&mut recycled)) {
            Ok(Item::Head(head)) => outcome.sections.push(Section { head: *head, ..Section::default() }),
            Ok(Item::Batch(batch)) => {
                let section = outcome.sections.last_mut().expect("a head comes first");
                gather(&batch, section);
                recycled = batch;
            }
            Ok(Item::End) => break,
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    // Nothing comes after the end, nor after an error.
    assert!(matches!(reader.next(EventBatch::default()), Ok(Item::End)));
    let stats = reader.stats();
    outcome.unknown_blocks = stats.unknown_blocks;
    outcome.unknown_events = stats.unknown_events;
    outcome.dropped = stats.dropped;
    outcome.converted = stats.converted;
    outcome.swallowed = stats.swallowed;
    outcome.bytes = stats.bytes;
    assert_eq!(stats.sections as usize, outcome.sections.len().max(1));
    outcome
}

fn gather(batch: &EventBatch, section: &mut Section) {
    assert!(!batch.is_empty() && batch.len() <= 32_768);
    section.batches += 1;
    if let Some(row) = batch.first_drop {
        assert!(row <= batch.len());
        assert_eq!(section.first_drop.replace(section.rows.len() + row), None, "only the first is told");
    }
    for row in 0..batch.len() {
        let params = batch.params(row);
        assert!(params.len() <= batch.info(row).params.len());
        let all: Vec<Vec<u8>> = params.iter().map(<[u8]>::to_vec).collect();
        for (index, value) in all.iter().enumerate() {
            assert_eq!(params.get(index), value);
        }
        section.rows.push(Row {
            ts: batch.ts[row],
            tid: batch.tid[row],
            ty: batch.ty[row],
            cpu: batch.cpu[row],
            flags: batch.flags[row],
            params: all,
        });
    }
}

/// Writes `rows` behind `head`.
pub fn write(head: &Head, rows: &[Row]) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer::new(Vec::new(), head)?;
    for row in rows {
        let params = row.params.iter().map(Vec::as_slice);
        writer.event(row.ts, row.tid, row.ty, row.cpu, row.flags, params)?;
    }
    writer.finish()
}
