//! A set of hashes that may say yes by mistake and never no.
//!
//! Each hash is mapped onto `count << bits` places; the sorted places are written as the differences of neighbours in
//! Rice's code. A value that is not in the set is taken for one that is with a probability of about `1 / 2^bits`, for
//! `bits + 1.6` bits a value: less than a Bloom filter takes, and there is nothing random in making it.
//!
//! ```text
//! count varint │ bits u8 │ length of the code varint │ code
//! code: for each place in rising order, with d its difference to the one before (the first: to 0):
//!       d >> bits ones, a zero, then the low `bits` bits of d; filled from the lowest bit of each byte on
//! place of a hash: (hash × (count << bits)) >> 64
//! ```

use std::sync::OnceLock;

use super::bytes::{Bytes, put_varint};
use crate::fcap::error::Error;

/// Fewest bits that a filter is worth having with.
const LEAST_BITS: u8 = 2;

/// Most bits, and values, of a filter: places have 32 bits.
const MOST_BITS: u8 = 12;
const MOST_VALUES: usize = 1 << 19;

/// A set of hashes.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    count: u32,
    bits: u8,
    code: Box<[u8]>,
    /// The sorted places, once somebody asked.
    places: OnceLock<Box<[u32]>>,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        (self.count, self.bits, &self.code) == (other.count, other.bits, &other.code)
    }
}

fn place(hash: u64, count: u32, bits: u8) -> u32 {
    ((u128::from(hash) * (u128::from(count) << bits)) >> 64) as u32
}

impl Filter {
    /// The filter of distinct hashes with at most `bits` bits and in at most `most` bytes; `None` where that is too few.
    pub(super) fn of(hashes: &[u64], bits: u8, most: usize) -> Option<Filter> {
        let count = u32::try_from(hashes.len()).ok().filter(|_| hashes.len() <= MOST_VALUES)?;
        let mut places = Vec::with_capacity(hashes.len());
        for bits in (LEAST_BITS..=bits.min(MOST_BITS)).rev() {
            if hashes.len() * (usize::from(bits) + 1) > most.saturating_mul(8) {
                continue;
            }
            places.clear();
            places.extend(hashes.iter().map(|&hash| place(hash, count, bits)));
            places.sort_unstable();
            let code = coded(&places, bits);
            if code.len() <= most {
                return Some(Filter { count, bits, code: code.into(), places: OnceLock::new() });
            }
        }
        None
    }

    /// Whether the hash may be one of the set.
    pub(super) fn holds(&self, hash: u64) -> bool {
        let places = self.places.get_or_init(|| self.decoded());
        places.binary_search(&place(hash, self.count, self.bits)).is_ok()
    }

    fn decoded(&self) -> Box<[u32]> {
        let mut places = Vec::with_capacity(self.count as usize);
        let mut code = Code { bytes: &self.code, held: 0, left: 0 };
        let mut at = 0u32;
        for _ in 0..self.count {
            let Some(difference) = code.next(self.bits) else { break };
            at = at.saturating_add(difference);
            places.push(at);
        }
        places.into()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.count));
        out.push(self.bits);
        put_varint(out, self.code.len() as u64);
        out.extend_from_slice(&self.code);
    }

    pub(super) fn decode(bytes: &mut Bytes<'_>) -> Result<Filter, Error> {
        let count = bytes.varint()?;
        let bits = bytes.byte()?;
        let length = bytes.varint()?;
        let code = bytes.take(length)?;
        // Each value takes its low bits and at least one more.
        let fits = (LEAST_BITS..=MOST_BITS).contains(&bits)
            && count <= MOST_VALUES as u64
            && count * (u64::from(bits) + 1) <= code.len() as u64 * 8;
        if !fits {
            return Err(bytes.wrong("a filter of another size than it announces"));
        }
        Ok(Filter { count: count as u32, bits, code: code.into(), places: OnceLock::new() })
    }
}

/// Writes sorted places as the differences of neighbours.
fn coded(places: &[u32], bits: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(places.len() * (usize::from(bits) + 2) / 8 + 8);
    let (mut held, mut filled) = (0u64, 0u32);
    let mut put = |value: u64, width: u32| {
        held |= value << filled;
        filled += width;
        while filled >= 8 {
            out.push(held as u8);
            held >>= 8;
            filled -= 8;
        }
    };
    let mut before = 0;
    for &at in places {
        let difference = at - before;
        before = at;
        let mut ones = difference >> bits;
        while ones >= 32 {
            put(u64::from(u32::MAX), 32);
            ones -= 32;
        }
        put((1 << ones) - 1, ones + 1);
        put(u64::from(difference) & ((1 << bits) - 1), u32::from(bits));
    }
    put(0, 7);
    out
}

/// Reads what [`coded`] wrote.
struct Code<'a> {
    bytes: &'a [u8],
    held: u64,
    left: u32,
}

impl Code<'_> {
    fn fill(&mut self) {
        while self.left <= 56 {
            let Some((&byte, rest)) = self.bytes.split_first() else { break };
            self.bytes = rest;
            self.held |= u64::from(byte) << self.left;
            self.left += 8;
        }
    }

    fn drop(&mut self, count: u32) {
        self.held = self.held.checked_shr(count).unwrap_or(0);
        self.left -= count;
    }

    /// The next difference; `None` where the code ends before it.
    fn next(&mut self, bits: u8) -> Option<u32> {
        let mut ones = 0u32;
        loop {
            self.fill();
            let run = self.held.trailing_ones().min(self.left);
            ones = ones.saturating_add(run);
            self.drop(run);
            if self.left > 0 {
                break;
            }
            if self.bytes.is_empty() {
                return None;
            }
        }
        self.drop(1);
        self.fill();
        if self.left < u32::from(bits) {
            return None;
        }
        let low = (self.held & ((1 << bits) - 1)) as u32;
        self.drop(u32::from(bits));
        u32::try_from(u64::from(ones) << bits).ok().map(|high| high | low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_64;

    fn hashes(range: std::ops::Range<u64>) -> Vec<u64> {
        range.map(|number| xxh3_64(&number.to_le_bytes())).collect()
    }

    #[test]
    fn every_value_is_found_and_few_others() {
        for count in [0, 1, 2, 3, 10, 100, 5000] {
            for bits in [2, 4, 8, 12] {
                let inside = hashes(0..count);
                let filter = Filter::of(&inside, bits, usize::MAX).unwrap();
                let mut out = Vec::new();
                filter.encode(&mut out);
                let read = Filter::decode(&mut Bytes::new(&out)).unwrap();
                assert_eq!(read, filter);
                assert!(inside.iter().all(|&hash| read.holds(hash)), "{count} values, {bits} bits");
                let others = hashes(1_000_000..1_010_000);
                let mistakes = others.iter().filter(|&&hash| read.holds(hash)).count();
                let expected = if count == 0 { 0 } else { 10_000 >> bits };
                assert!(mistakes <= expected * 3 / 2 + 20, "{mistakes} mistakes of {count} values with {bits} bits");
            }
        }
    }

    #[test]
    fn a_filter_keeps_to_its_bytes() {
        let inside = hashes(0..1000);
        let filter = Filter::of(&inside, 8, 700).unwrap();
        assert!(filter.code.len() <= 700 && filter.bits < 8);
        assert!(inside.iter().all(|&hash| filter.holds(hash)));
        assert!(Filter::of(&inside, 8, 300).is_none());
    }

    #[test]
    fn differences_of_any_size() {
        let places = [0, 0, 1, 5_000, 5_001, 1 << 20, u32::MAX];
        for bits in 2..=12 {
            let code = coded(&places[..6], bits);
            let filter = Filter { count: 6, bits, code: code.into(), places: OnceLock::new() };
            assert_eq!(*filter.decoded(), places[..6]);
        }
        let code = coded(&places, 12);
        let filter = Filter { count: 7, bits: 12, code: code.into(), places: OnceLock::new() };
        assert_eq!(*filter.decoded(), places);
    }
}
