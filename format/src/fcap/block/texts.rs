//! Distinct byte strings of a table, by number.

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::ints::{self, Ints};
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate};
use crate::fcap::error::{Error, Problem};
use crate::lists::Text;

/// Distinct strings in the order of their first use; the empty one has no entry of its own and is number 0.
pub(super) struct TextsWriter {
    table: HashTable<(u64, u32)>,
    hasher: FixedState,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl TextsWriter {
    pub(super) fn new() -> Self {
        TextsWriter { table: HashTable::new(), hasher: FixedState::default(), ends: vec![0], bytes: Vec::new() }
    }

    /// The number of a string, and whether it is new.
    pub(super) fn add(&mut self, text: &[u8]) -> (u64, bool) {
        if text.is_empty() {
            return (0, false);
        }
        let hash = self.hasher.hash_one(text);
        let (ends, bytes) = (&self.ends, &self.bytes);
        let same = |&(other, number): &(u64, u32)| {
            let number = number as usize;
            other == hash && &bytes[ends[number - 1] as usize..ends[number] as usize] == text
        };
        if let Some(&(_, number)) = self.table.find(hash, same) {
            return (u64::from(number), false);
        }
        let number = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len() as u32);
        self.table.insert_unique(hash, (hash, number), |&(hash, _)| hash);
        (u64::from(number), true)
    }

    /// Number of strings, the empty one among them.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Writes lengths as numbers, then all bytes.
    pub(super) fn put(&self, out: &mut ColumnsWriter, scratch: &mut Vec<u8>, lengths: u32, bytes: u32) {
        let each: Vec<u64> = self.ends.windows(2).map(|pair| u64::from(pair[1] - pair[0])).collect();
        ints::put(out, scratch, lengths, &each);
        if !self.bytes.is_empty() {
            out.put(bytes, &self.bytes);
        }
    }
}

/// Strings as they were read.
#[derive(Debug, Default)]
pub(super) struct Texts {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Texts {
    /// Reads `count` strings, the empty one not among them.
    pub(super) fn read(
        columns: &Columns<'_>,
        zstd: &mut Inflate,
        lengths: u32,
        bytes: u32,
        count: usize,
    ) -> Result<Texts, Error> {
        let lengths = Ints::read(columns, zstd, lengths, count)?;
        let mut texts = Texts { ends: Vec::with_capacity(count + 1), bytes: Vec::new() };
        columns.read(zstd, bytes, &mut texts.bytes)?;
        let mut end = 0u64;
        texts.ends.push(0);
        for length in lengths.iter() {
            end = end.saturating_add(length);
            if end > texts.bytes.len() as u64 {
                break;
            }
            texts.ends.push(end as u32);
        }
        if end != texts.bytes.len() as u64 {
            let detail = format!("lengths of {end} bytes for {} bytes of strings", texts.bytes.len());
            return Err(Error::new(0, Problem::Contents { what: "block", detail }));
        }
        Ok(texts)
    }

    /// String `number`; empty beyond the end.
    #[inline]
    pub(super) fn get(&self, number: u64) -> &[u8] {
        let number = number as usize;
        match (number.checked_sub(1).and_then(|before| self.ends.get(before)), self.ends.get(number)) {
            (Some(&start), Some(&end)) => &self.bytes[start as usize..end as usize],
            _ => &[],
        }
    }

    /// String `number` on its own.
    pub(super) fn text(&self, number: u64) -> Text {
        self.get(number).into()
    }
}
