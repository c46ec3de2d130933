use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::paths::Paths;
use super::*;
use crate::batch::EventBatch;
use crate::block::{Fd, FdInfo, FdKind, NONE, mark};
use crate::schema::ev;

/// A block of events that each have a descriptor of one of these names.
fn named(names: &[&[u8]], kind: FdKind) -> Block {
    let mut block = Block::default();
    let mut batch = EventBatch::default();
    for (at, name) in names.iter().enumerate() {
        let info = FdInfo { name: (*name).into(), ..FdInfo::new(kind) };
        block.fds.push(Arc::new(Fd { id: at as u64 + 1, info }));
        block.fd.push(at as u32);
        block.fd_num.push(3);
        block.process.push(NONE);
        block.marks.push(mark::DELIVERED);
        batch.ts.push(1);
        batch.tid.push(1);
        batch.ty.push(ev::SYSCALL_CLOSE_X);
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(0);
        batch.offset.push(0);
    }
    block.batch = batch;
    block
}

#[test]
fn bytes_of_version_1() {
    let summary = Summary::of(&named(&[b"/etc/passwd", b"/a", b"/a"], FdKind::File));
    #[rustfmt::skip]
    let expected = [
        1,
        // Process names and paths: none, and no event has one.
        1, 0, 0, 2, 0, 0, 3, 0, 0,
        // Two names of files.
        4, 0, 17, 1, 2, b'/', b'a', 1, 11, b'/', b'e', b't', b'c', b'/', b'p', b'a', b's', b's', b'w', b'd',
        // No address (of IPv4: 0) and no port.
        5, 5, 1, 0, 6, 3, 0, 7, 3, 0,
        // Nothing about users and containers.
        8, 0, 0, 9, 3, 0, 10, 0, 0, 11, 3, 0, 12, 0, 0, 13, 0, 0, 14, 0, 0, 15, 0, 0, 16, 0, 0, 17, 0, 0, 18, 0, 0,
        19, 0, 0,
    ];
    assert_eq!(summary.encode(), expected);
    assert_eq!(Summary::decode(&expected).unwrap(), summary);
}

#[test]
fn bytes_of_a_filter_in_version_1() {
    let names: Vec<String> = (0..60).map(|at| format!("/some/long/directory/{}/name-of-a-file-{at}", at % 4)).collect();
    let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
    let bytes = Summary::of(&named(&names, FdKind::File)).encode();
    assert_eq!(xxhash_rust::xxh3::xxh3_64(&bytes), GOLDEN, "{} bytes", bytes.len());
    let backwards: Vec<&[u8]> = names.iter().rev().copied().collect();
    assert_eq!(Summary::of(&named(&backwards, FdKind::File)).encode(), bytes);
}

/// Changes only with the version of the encoding.
const GOLDEN: u64 = 14961593261686074194;

#[test]
fn what_a_reader_does_not_know_is_passed_over() {
    let bytes = [1, 1, 9, 2, 0xaa, 0xbb, 4, 0, 4, 1, 2, b'/', b'a', 200, 0, 1, 0xff];
    let summary = Summary::decode(&bytes).unwrap();
    assert!(summary.texts(Key::Comm).is_none());
    assert_eq!(summary.texts(Key::FdName).unwrap().collect::<Vec<_>>(), [(&b"/a"[..], 1)]);
    assert!(summary.may_have(Key::Comm, &Matcher::equal(Part::Whole, b"x")));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (bytes, at, what) in [
        (&[2][..], 0, "newer"),
        (&[1, 4, 0], 3, "cut off"),
        (&[1, 4, 0, 9, 0], 4, "cut off"),
        (&[1, 4, 0, 0, 3, 0, 0], 5, "keys are not in order"),
        (&[1, 4, 0, 4, 1, 0, 1, 0], 8, "texts are not in order"),
        (&[1, 6, 3, 2, 5, 0], 6, "numbers are not in order"),
        (&[1, 6, 3, 5, 0xff, 0xff, 0xff, 0xff, 0x7f], 9, "numbers are not in order"),
        (&[1, 5, 5, 3, 1, 0, 0], 5, "cut off"),
        (&[1, 1, 1, 3, 200, 1, 8], 7, "cut off"),
        (&[1, 1, 1, 4, 9, 8, 1, 0], 8, "another size"),
        (&[1, 1, 1, 5, 0, 8, 0, 0, 0], 7, "something stands behind"),
        (&[1, 4, 2, 1, 16], 5, "something stands behind"),
    ] {
        let error = Summary::decode(bytes).unwrap_err();
        assert!(error.to_string().contains(what), "{bytes:?}: {error}");
        assert_eq!(error.offset, at, "{bytes:?}: {error}");
    }
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![&b"/"[..], b"/", b"/", b"a", b"b", b"ab", b":", b">", b".", b"longer-name"]);
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

fn components(name: &[u8]) -> Vec<&[u8]> {
    name.split(|&byte| byte == b'/').filter(|part| !part.is_empty()).collect()
}

fn directory(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'/') {
        Some(at) if at + 1 == name.len() => name,
        None | Some(0) => b"/",
        Some(at) => &name[..at],
    }
}

fn file_name(name: &[u8]) -> &[u8] {
    match name.iter().rposition(|&byte| byte == b'/') {
        None => b"/",
        Some(at) if at + 1 == name.len() => name,
        Some(at) => &name[at + 1..],
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    what.is_empty() || text.windows(what.len()).any(|window| window == what)
}

/// A pattern of `*` and `?` alone.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => fits(rest, text) || text.split_first().is_some_and(|(_, text)| fits(pattern, text)),
        (Some((b'?', rest)), Some((_, text))) => fits(rest, text),
        (Some((wanted, rest)), Some((byte, text))) => wanted == byte && fits(rest, text),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn paths_that_are_there_are_found(
        names in prop::collection::vec(name(), 1..12),
        asked in name(),
        stars in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec![b'*', b'?'])), 0..3),
        unknown in prop::collection::vec(any::<bool>(), 8),
    ) {
        let paths = Paths::of(names.iter().map(Vec::as_slice));
        let mut bytes = Vec::new();
        paths.encode(&mut bytes);
        let read = Paths::decode(Bytes::new(&bytes)).unwrap();
        prop_assert_eq!(&read, &paths);
        let mut pattern = asked.clone();
        for (at, star) in stars {
            pattern.insert(at.index(pattern.len() + 1), star);
        }
        let first: Vec<Option<&[u8]>> =
            components(&asked).into_iter().zip(&unknown).map(|(part, unknown)| Some(part).filter(|_| !unknown)).collect();
        let below = |name: &[u8]| {
            let parts = components(name);
            parts.len() >= first.len() && first.iter().zip(&parts).all(|(known, part)| known.is_none_or(|known| known == *part))
        };
        for name in &names {
            for (part, value) in [(Part::Whole, &name[..]), (Part::Directory, directory(name)), (Part::Directory, name)] {
                let may = |matcher: &Matcher| read.may_hold(&matcher.wanted);
                let says = |holds: bool, matcher: &Matcher| !holds || may(matcher);
                prop_assert!(may(&Matcher::equal(part, value)), "{:?} of {:?}", part, name);
                prop_assert!(says(value.starts_with(&asked), &Matcher::starting_with(part, &asked)), "{:?} starts", name);
                prop_assert!(says(value.ends_with(&asked), &Matcher::ending_with(part, &asked)), "{:?} ends", name);
                prop_assert!(says(contains(value, &asked), &Matcher::containing(part, &asked)), "{:?} holds", name);
                prop_assert!(says(below(value), &Matcher::under(part, &first)), "{:?} below {:?}", name, first);
                prop_assert!(says(fits(&pattern, value), &Matcher::glob(part, &pattern)), "{:?} fits {:?}", name, pattern);
            }
            prop_assert!(read.may_hold(&Matcher::equal(Part::FileName, file_name(name)).wanted), "file name of {:?}", name);
        }
    }

    #[test]
    fn damaged_summaries_are_refused_or_answer(
        names in prop::collection::vec(name(), 0..80),
        many in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let distinct: BTreeSet<Vec<u8>> = if many {
            names.iter().enumerate().map(|(at, name)| [&name[..], format!("/{at}-some-more-text").as_bytes()].concat()).collect()
        } else {
            names.into_iter().collect()
        };
        let distinct: Vec<&[u8]> = distinct.iter().map(Vec::as_slice).collect();
        let whole = Summary::of(&named(&distinct, FdKind::File)).encode();
        prop_assert!(Summary::decode(&whole).is_ok());
        let mut bytes = whole;
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        ask_everything(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        ask_everything(&bytes);
    }

    #[test]
    fn any_bytes_are_refused_or_answer(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Some(version) = bytes.first_mut() {
            *version = VERSION;
        }
        ask_everything(&bytes);
    }
}

/// Nothing that is read may panic or take long, whatever it is asked.
fn ask_everything(bytes: &[u8]) {
    let Ok(summary) = Summary::decode(bytes) else { return };
    for key in Key::ALL {
        let _ = summary.may_have(key, &Matcher::equal(Part::Whole, b"/etc/passwd"));
        let _ = summary.may_have(key, &Matcher::equal(Part::Directory, b"/etc"));
        let _ = summary.may_have_number(key, &(7..=7));
        let _ = summary.may_have_number(key, &(7..=u32::MAX));
        let _ = summary.texts(key).map(Iterator::count);
        let _ = summary.numbers(key);
        let _ = summary.is_complete(key);
    }
    let _ = summary.addresses();
    let _ = summary.may_have_address([1, 2, 3, 4].into(), 20);
    assert_eq!(Summary::decode(&summary.encode()).ok(), Some(summary));
}
