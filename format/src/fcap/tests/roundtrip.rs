//! What was written is what is read, closed or not, for any number of threads.

use super::super::constants::{limit, own};
use super::super::{Access, CaptureFile, Entry, Options, OwnEvent, Problem, Totals, Writer};
use super::{about, block, blocks, encoded, head, open, own_event, small_file, totals, without_filters};

#[test]
fn a_closed_file_says_what_was_written() {
    let (bytes, written) = small_file(true);
    assert_eq!(written.bytes, bytes.len() as u64);
    let parts = written.header + written.snapshots + written.blocks + written.own_events;
    assert_eq!(parts + written.index + written.trailer, written.bytes);
    assert_eq!((written.block_count, written.events), (3, 30));

    let file = open(&bytes);
    assert!(file.was_closed());
    assert!(file.damage().is_empty());
    assert_eq!(file.about(), &about());
    assert_eq!(file.totals(), &totals());
    let kinds: Vec<u16> = file.entries().iter().map(Entry::kind).collect();
    assert_eq!(kinds, [2, 3, 4, 3, 2, 3]);
    for (entry, first) in blocks(&file).into_iter().zip([1, 11, 21]) {
        let expected = encoded(first, 10);
        assert_eq!(entry.about(), Some(&expected.about));
        assert_eq!(file.block(entry).unwrap(), expected.payload);
        let at = file.block_offset(entry) as usize;
        assert_eq!(bytes[at..at + expected.payload.len()], expected.payload);
    }
    assert_eq!(format!("{:?}", file.snapshot(&file.entries()[0]).unwrap()), format!("{:?}", head()));
    assert_eq!(file.own_events(&file.entries()[2]).unwrap(), [own_event(5)]);
}

#[test]
fn a_file_that_was_not_closed_has_the_same_entries() {
    let (closed, _) = small_file(true);
    let (unclosed, _) = small_file(false);
    assert!(closed.starts_with(&unclosed));
    let (closed, unclosed) = (open(&closed), open(&unclosed));
    assert!(!unclosed.was_closed());
    assert!(unclosed.damage().is_empty(), "{:?}", unclosed.damage());
    assert_eq!(without_filters(unclosed.entries()), without_filters(closed.entries()));
    assert_ne!(unclosed.entries(), closed.entries());
    assert_eq!(unclosed.about(), closed.about());
    assert_eq!(unclosed.totals(), &Totals::default());
}

fn many_blocks(threads: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &about(), Options { level: 3, threads }).unwrap();
    writer.head(&head()).unwrap();
    let mut spares = 0;
    for number in 0..30u64 {
        // Blocks of very different sizes end in another order than they began.
        writer.block(block(1 + number * 1000, if number % 5 == 0 { 1000 } else { 3 })).unwrap();
        if number == 10 {
            writer.own_event(own_event(10)).unwrap();
        }
        if number == 20 {
            writer.head(&head()).unwrap();
        }
        spares += std::iter::from_fn(|| writer.spare()).count();
    }
    writer.block(Default::default()).unwrap();
    assert_eq!(writer.spare().map(|block| block.len()), Some(0));
    assert!(spares >= 10, "{spares} blocks came back");
    writer.finish(&totals()).unwrap();
    out
}

#[test]
fn the_bytes_are_the_same_for_any_number_of_threads() {
    let expected = many_blocks(0);
    let file = open(&expected);
    let firsts: Vec<u64> =
        blocks(&file).iter().filter_map(|entry| entry.about()).map(|about| about.first_num).collect();
    assert_eq!(firsts, (0..30).map(|number| 1 + number * 1000).collect::<Vec<_>>());
    for threads in [1, 2, 3, 8] {
        assert!(many_blocks(threads) == expected, "{threads} threads");
    }
}

#[test]
fn a_writer_that_is_dropped_leaves_what_it_wrote() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &about(), Options { level: 3, threads: 2 }).unwrap();
    writer.head(&head()).unwrap();
    for number in 0..20u64 {
        writer.block(block(1 + number * 10, 10)).unwrap();
    }
    drop(writer);
    let file = open(&out);
    assert!(!file.was_closed() && file.damage().is_empty());
    let firsts: Vec<u64> =
        blocks(&file).iter().filter_map(|entry| entry.about()).map(|about| about.first_num).collect();
    assert!(firsts.len() >= 15, "{firsts:?}");
    assert!(firsts.iter().zip(0..).all(|(&first, number)| first == 1 + 10 * number), "{firsts:?}");
}

#[test]
fn a_file_is_read_mapped_and_unmapped_and_by_several_threads() {
    let path = std::env::temp_dir().join(format!("fcap-roundtrip-{}.fcap", std::process::id()));
    let expected = many_blocks(0);
    std::fs::write(&path, &expected).unwrap();
    for access in [Access::Map, Access::Read] {
        let file = CaptureFile::open_with(&path, access).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for entry in blocks(&file) {
                        assert!(!file.block(entry).unwrap().is_empty());
                        file.release(entry);
                    }
                });
            }
        });
        assert_eq!(file.size(), expected.len() as u64);
    }
    std::fs::remove_file(&path).unwrap();
    let error = CaptureFile::open(&path).unwrap_err();
    assert!(matches!(error.problem, Problem::Input(_)), "{error}");
}

#[test]
fn many_own_events_and_many_blocks() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, &about(), Options::default()).unwrap();
    for ts in 0..20_000 {
        writer.own_event(OwnEvent { ts, kind: own::SYSCALL, payload: vec![1; 100] }).unwrap();
    }
    for number in 0..3_000u64 {
        writer.encoded(&encoded(1 + 10 * number, 10)).unwrap();
    }
    let (_, written) = writer.finish(&totals()).unwrap();
    assert!(written.index < 150_000, "{} bytes of index", written.index);
    let file = open(&out);
    assert!(file.was_closed());
    let own: Vec<OwnEvent> = file
        .entries()
        .iter()
        .filter(|entry| matches!(entry, Entry::OwnEvents { .. }))
        .flat_map(|entry| file.own_events(entry).unwrap())
        .collect();
    assert!(own.iter().map(|event| event.ts).eq(0..20_000));
    assert_eq!(blocks(&file).len(), 3_000);
}

#[test]
fn what_is_too_large_is_refused() {
    let mut writer = Writer::new(Vec::new(), &about(), Options::default()).unwrap();
    let refused = |result: Result<(), super::super::Error>| {
        assert!(matches!(result.unwrap_err().problem, Problem::TooLarge { .. }));
    };
    refused(writer.own_event(OwnEvent { ts: 1, kind: own::LOSS, payload: vec![0; limit::OWN_PAYLOAD + 1] }));
    assert!(writer.own_event(OwnEvent { ts: 1, kind: 300, payload: Vec::new() }).is_err());
    let mut large = encoded(1, 10);
    large.about.summary = vec![0; limit::SUMMARY + 1];
    refused(writer.encoded(&large));
}

/// An output that fails after some bytes.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0 < bytes.len() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_output_that_fails_is_never_closed() {
    for threads in [0, 2] {
        let mut writer = Writer::new(Full(5_000), &about(), Options { level: 3, threads }).unwrap();
        let mut result = writer.head(&head());
        for number in 0..200u64 {
            result = result.and_then(|()| writer.block(block(1 + number * 10, 10)));
        }
        assert!(matches!(result.unwrap_err().problem, Problem::Output(_)));
        assert!(writer.block(block(1, 10)).is_err());
        assert!(writer.finish(&totals()).is_err());
    }
}
