//! Sets of addresses and of texts that may be large: files of indicators have a hundred thousand.

use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

/// Sets up to this size are looked through one by one.
pub(crate) const SMALL: usize = 8;

/// A set of addresses.
#[derive(Debug, Clone)]
pub(crate) struct AddressSet {
    all: Vec<IpAddr>,
    /// The same, where they are many.
    hashed: HashSet<IpAddr, FixedState>,
}

impl AddressSet {
    pub(crate) fn new(all: Vec<IpAddr>) -> AddressSet {
        let hashed = if all.len() > SMALL { all.iter().copied().collect() } else { HashSet::default() };
        AddressSet { all, hashed }
    }

    /// Every address, as given.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &IpAddr> {
        self.all.iter()
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        if self.hashed.is_empty() { self.all.contains(&ip) } else { self.hashed.contains(&ip) }
    }
}

/// The number of an address, and how many bits its kind has.
fn number(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    }
}

/// The part of an address that a network of this prefix length has in common; lengths beyond the address count as all.
fn network(number: u128, bits: u8, length: u8) -> u128 {
    number.checked_shr(u32::from(bits.saturating_sub(length))).unwrap_or(0)
}

/// A set of networks: address and prefix length.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSet {
    all: Vec<(IpAddr, u8)>,
    /// Where they are many, for each kind of address and prefix length: what the networks have in common.
    hashed: Vec<(u8, u8, HashSet<u128, FixedState>)>,
}

impl NetworkSet {
    pub(crate) fn new(all: Vec<(IpAddr, u8)>) -> NetworkSet {
        let mut hashed: Vec<(u8, u8, HashSet<u128, FixedState>)> = Vec::new();
        if all.len() > SMALL {
            for &(ip, length) in &all {
                let (number, bits) = number(ip);
                let part = network(number, bits, length);
                match hashed.iter_mut().find(|(kind, other, _)| (*kind, *other) == (bits, length)) {
                    Some((.., parts)) => parts.insert(part),
                    None => {
                        hashed.push((bits, length, HashSet::from_iter([part])));
                        true
                    }
                };
            }
        }
        NetworkSet { all, hashed }
    }

    /// Every network, as given.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(IpAddr, u8)> {
        self.all.iter()
    }

    /// Whether a network of the set holds an address.
    pub(crate) fn holds(&self, ip: IpAddr) -> bool {
        let (number, bits) = number(ip);
        if self.hashed.is_empty() {
            return self.all.iter().any(|&(net, length)| {
                let (net, kind) = self::number(net);
                kind == bits && network(net, bits, length) == network(number, bits, length)
            });
        }
        let alike = self.hashed.iter().filter(|(kind, ..)| *kind == bits);
        alike.into_iter().any(|(_, length, parts)| parts.contains(&network(number, bits, *length)))
    }
}

/// Texts to be found in others, all of them at once.
///
/// Each is known by eight bytes of it (four, if it is short) that few others have. A text is gone through once; only where
/// it holds such bytes the texts known by them are compared.
#[derive(Debug, Clone)]
pub struct TextsWithin {
    texts: Vec<Vec<u8>>,
    long: Grams<8>,
    short: Grams<4>,
    /// Those shorter than four bytes.
    tiny: Vec<u32>,
    any_case: bool,
}

impl TextsWithin {
    /// Makes texts ready. `any_case`: the case of ASCII letters does not count.
    pub fn new(texts: impl IntoIterator<Item = Vec<u8>>, any_case: bool) -> TextsWithin {
        let mut texts: Vec<Vec<u8>> = texts.into_iter().collect();
        if any_case {
            texts.iter_mut().for_each(|text| text.make_ascii_lowercase());
        }
        let of_length = |least: usize, most: usize| {
            let fits = move |(_, text): &(u32, &Vec<u8>)| (least..most).contains(&text.len());
            (0..).zip(&texts).filter(fits).map(|(number, text)| (number, &text[..]))
        };
        TextsWithin {
            long: Grams::new(of_length(8, usize::MAX).collect()),
            short: Grams::new(of_length(4, 8).collect()),
            tiny: of_length(0, 4).map(|(number, _)| number).collect(),
            any_case,
            texts,
        }
    }

    /// Every text, in lower case where case does not count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(Vec::as_slice)
    }

    /// Whether the case of letters does not count.
    pub(crate) fn any_case(&self) -> bool {
        self.any_case
    }

    /// Whether a text holds one of them.
    pub(crate) fn any_in(&self, text: &[u8]) -> bool {
        let mut any = false;
        self.each_in(text, &mut |_| {
            any = true;
            false
        });
        any
    }

    /// The places of those that a text holds, in no order; some may come more than once.
    pub fn all_in(&self, text: &[u8]) -> Vec<usize> {
        let mut all = Vec::new();
        self.each_in(text, &mut |number| {
            all.push(number as usize);
            true
        });
        all
    }

    /// Calls `with` for each that a text holds, until it says that it has enough.
    fn each_in(&self, text: &[u8], with: &mut dyn FnMut(u32) -> bool) {
        let lower = if self.any_case { text.to_ascii_lowercase() } else { Vec::new() };
        let text = if self.any_case { &lower[..] } else { text };
        let tiny = |number: &&u32| memchr::memmem::find(text, &self.texts[**number as usize]).is_some();
        let mut tiny = self.tiny.iter().filter(tiny);
        if tiny.all(|number| with(*number)) && self.long.each_in(text, &self.texts, with) {
            self.short.each_in(text, &self.texts, with);
        }
    }
}

/// Slots in which bytes are counted.
const SLOTS: usize = 1 << 18;

/// The slot of at most eight bytes.
fn slot(bytes: &[u8]) -> usize {
    let number = bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 46) as usize
}

/// Texts by some of their bytes.
#[derive(Debug, Clone)]
struct Grams<const N: usize> {
    /// Where the texts known by these bytes begin in `known`.
    starts: HashMap<[u8; N], u32, FixedState>,
    /// Texts, those known by the same bytes together: the bytes, the text, and where in it they stand.
    known: Vec<([u8; N], u32, u32)>,
}

impl<const N: usize> Grams<N> {
    fn new(texts: Vec<(u32, &[u8])>) -> Grams<N> {
        // Counted by slots, which some share by chance: what is rarest need not be known exactly.
        let mut counts = vec![0u32; SLOTS];
        for (_, text) in &texts {
            text.windows(N).for_each(|bytes| counts[slot(bytes)] += 1);
        }
        let known = texts.iter().filter_map(|&(number, text)| {
            let (at, bytes) = (0u32..).zip(text.windows(N)).min_by_key(|(_, bytes)| counts[slot(bytes)])?;
            Some((<[u8; N]>::try_from(bytes).ok()?, number, at))
        });
        let mut known: Vec<_> = known.collect();
        known.sort_unstable();
        let mut starts = HashMap::default();
        for (at, (gram, ..)) in (0..).zip(&known) {
            starts.entry(*gram).or_insert(at);
        }
        Grams { starts, known }
    }

    fn each_in(&self, text: &[u8], texts: &[Vec<u8>], with: &mut dyn FnMut(u32) -> bool) -> bool {
        if self.known.is_empty() {
            return true;
        }
        for (at, bytes) in text.windows(N).enumerate() {
            let Some(&start) = self.starts.get(bytes) else { continue };
            let alike = self.known[start as usize..].iter().take_while(|(gram, ..)| gram == bytes);
            for &(_, number, offset) in alike {
                let begins = at.checked_sub(offset as usize);
                if begins.is_some_and(|begins| text[begins..].starts_with(&texts[number as usize])) && !with(number) {
                    return false;
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_sets_hold_what_small_ones_hold() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let some = [
            (ip("10.0.0.0"), 8),
            (ip("10.1.2.3"), 16),
            (ip("192.0.2.1"), 32),
            (ip("0.0.0.0"), 1),
            (ip("2001:db8::"), 32),
            (ip("::1"), 128),
        ];
        let filler = (0..20u8).map(|at| (IpAddr::from([203, at, 0, 0]), 24));
        let small = NetworkSet::new(some.to_vec());
        let large = NetworkSet::new(some.into_iter().chain(filler.clone()).collect());
        for text in ["10.9.9.9", "192.0.2.1", "192.0.2.2", "127.0.0.1", "128.0.0.1", "2001:db8::5", "::1", "::2", "::"]
        {
            assert_eq!(small.holds(ip(text)), large.holds(ip(text)), "{text}");
        }
        assert!(large.holds(ip("203.7.0.9")) && !large.holds(ip("203.7.1.9")) && !large.holds(ip("203.20.0.1")));
        assert!(NetworkSet::new(vec![(ip("::"), 0)]).holds(ip("ffff::")));
        assert!(!NetworkSet::new(vec![(ip("::"), 0)]).holds(ip("1.2.3.4")));
        let addresses = AddressSet::new(filler.map(|(ip, _)| ip).collect());
        assert!(addresses.contains(ip("203.19.0.0")) && !addresses.contains(ip("203.20.0.0")));
        assert!(addresses.iter().all(|&ip| AddressSet::new(vec![ip]).contains(ip)));
    }

    #[test]
    fn texts_within_a_text() {
        let texts = (0..20).map(|at| format!("host{at}.example").into_bytes()).chain([b"a.io".to_vec(), b"Q".to_vec()]);
        let of = |any_case| TextsWithin::new(texts.clone(), any_case);
        assert_eq!(of(false).all_in(b"curl http://host7.example/x"), [7]);
        assert!(of(false).all_in(b"curl HOST7.example a.i").is_empty());
        assert_eq!(of(true).all_in(b"curl HOST7.Example host19.example"), [7, 19]);
        assert_eq!(of(true).all_in(b"curl A.IO q"), [21, 20]);
        assert!(of(true).any_in(b"q") && !of(true).any_in(b"host77.other"));
        assert!(TextsWithin::new([Vec::new()], false).any_in(b""));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
        #[test]
        fn all_that_are_within_are_found(
            texts in proptest::collection::vec("[abA]{0,12}", 0..30),
            text in "[abA]{0,40}",
            any_case: bool,
        ) {
            let folded = |text: &str| if any_case { text.to_ascii_lowercase() } else { text.to_owned() };
            let set = TextsWithin::new(texts.iter().map(|text| text.clone().into_bytes()), any_case);
            let mut found = set.all_in(text.as_bytes());
            found.sort_unstable();
            found.dedup();
            let within = |(_, one): &(usize, &String)| folded(&text).contains(&folded(one));
            let expected: Vec<_> = texts.iter().enumerate().filter(within).map(|(at, _)| at).collect();
            proptest::prop_assert_eq!(set.any_in(text.as_bytes()), !expected.is_empty());
            proptest::prop_assert_eq!(found, expected);
        }
    }
}
