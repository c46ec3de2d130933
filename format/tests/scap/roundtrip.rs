//! What the writer writes, the reader reads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::lists::{
    FdDetail, FdEntry, GroupEntry, Head, Interface, Machine, Text, ThreadEntry, UserEntry,
};
use falco_replay_format::scap::{WriteError, Writer};
use falco_replay_format::schema::{EVENTS, ev, event_flag};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::outcome::{Row, read, write};

fn text(most: usize) -> impl Strategy<Value = Text> {
    vec(any::<u8>(), 0..most).prop_map(Text::from)
}

fn ip(v6: bool) -> BoxedStrategy<IpAddr> {
    if v6 {
        any::<[u8; 16]>().prop_map(|bytes| Ipv6Addr::from(bytes).into()).boxed()
    } else {
        any::<[u8; 4]>().prop_map(|bytes| Ipv4Addr::from(bytes).into()).boxed()
    }
}

fn machine() -> impl Strategy<Value = Machine> {
    (any::<(u32, u64, u64, u64, [u64; 3])>(), vec(1u8.., 0..=127)).prop_map(|(numbers, hostname)| {
        let (cpus, memory, max_pid, boot_time, flags) = numbers;
        Machine { cpus, memory, max_pid, hostname: hostname.into(), boot_time, flags }
    })
}

fn thread() -> impl Strategy<Value = ThreadEntry> {
    let texts = (text(20), text(20), text(20), text(60), text(20), text(60), text(60), text(20));
    (any::<[i64; 9]>(), any::<[u32; 8]>(), any::<[u64; 9]>(), any::<[bool; 4]>(), texts).prop_map(
        |(signed, words, longs, bits, texts)| {
            let (comm, exe, exepath, args, cwd, env, cgroups, root) = texts;
            ThreadEntry {
                tid: signed[0],
                pid: signed[1],
                ptid: signed[2],
                sid: signed[3],
                vpgid: signed[4],
                pgid: signed[5],
                fdlimit: signed[6],
                vtid: signed[7],
                vpid: signed[8],
                comm,
                exe,
                exepath,
                args,
                cwd,
                env,
                cgroups,
                root,
                flags: words[0],
                uid: words[1],
                gid: words[2],
                vmsize_kb: words[3],
                vmrss_kb: words[4],
                vmswap_kb: words[5],
                tty: words[6],
                loginuid: words[7],
                pfmajor: longs[0],
                pfminor: longs[1],
                pidns_init_start_ts: longs[2],
                cap_inheritable: longs[3],
                cap_permitted: longs[4],
                cap_effective: longs[5],
                exe_ino: longs[6],
                exe_ino_ctime: longs[7],
                exe_ino_mtime: longs[8],
                exe_writable: bits[0],
                exe_upper_layer: bits[1],
                exe_lower_layer: bits[2],
                exe_from_memfd: bits[3],
            }
        },
    )
}

fn detail(kind: u8) -> BoxedStrategy<FdDetail> {
    let name = text(40);
    match kind {
        0 | 22.. => Just(FdDetail::None).boxed(),
        3 | 4 => (ip(kind == 4), ip(kind == 4), any::<(u16, u16, u8)>())
            .prop_map(|(source, dest, (sport, dport, l4proto))| FdDetail::Socket {
                source: (source, sport),
                dest: (dest, dport),
                l4proto,
            })
            .boxed(),
        5 | 6 => (ip(kind == 6), any::<(u16, u8)>())
            .prop_map(|(ip, (port, l4proto))| FdDetail::Server { ip, port, l4proto })
            .boxed(),
        8 => {
            (any::<(u64, u64)>(), name).prop_map(|((source, dest), name)| FdDetail::Unix { source, dest, name }).boxed()
        }
        16 => (any::<(u32, u32)>(), name).prop_map(|((flags, dev), name)| FdDetail::File { flags, name, dev }).boxed(),
        _ => name.prop_map(FdDetail::Name).boxed(),
    }
}

fn fd() -> impl Strategy<Value = FdEntry> {
    (0u8..30, any::<(i64, u64)>())
        .prop_flat_map(|(kind, (fd, ino))| detail(kind).prop_map(move |detail| FdEntry { fd, ino, kind, detail }))
}

fn interface() -> impl Strategy<Value = Interface> {
    any::<bool>()
        .prop_flat_map(|v6| (ip(v6), ip(v6), ip(v6), any::<Option<u64>>(), text(16)))
        .prop_map(|(addr, mask, broadcast, linkspeed, name)| Interface { name, addr, mask, broadcast, linkspeed })
}

fn head() -> impl Strategy<Value = Head> {
    let user = (any::<(u32, u32)>(), text(20), text(20), text(20))
        .prop_map(|((uid, gid), name, home, shell)| UserEntry { uid, gid, name, home, shell });
    let group = (any::<u32>(), text(20)).prop_map(|(gid, name)| GroupEntry { gid, name });
    (
        proptest::option::of(machine()),
        vec(thread(), 0..4),
        vec((any::<i64>(), vec(fd(), 0..5)), 0..3),
        vec(interface(), 0..3),
        vec(user, 0..3),
        vec(group, 0..3),
    )
        .prop_map(|(machine, threads, fds, interfaces, users, groups)| Head {
            machine,
            threads,
            fds,
            interfaces,
            users,
            groups,
            exact: None,
        })
}

/// Events that are delivered as they are: those of the current schema, with all their parameters.
fn row() -> impl Strategy<Value = Row> {
    let types: Vec<u16> = EVENTS
        .iter()
        .filter(|info| !info.has(event_flag::UNUSED) && !info.has(event_flag::OLD_VERSION))
        .filter(|info| info.is_exit() || !info.has(event_flag::CONVERTER_MANAGED))
        .map(|info| info.id)
        .collect();
    (proptest::sample::select(types), any::<(u64, i64, u16)>(), prop_oneof![Just(0), any::<u32>()]).prop_flat_map(
        |(ty, (ts, tid, cpu), flags)| {
            let count = EVENTS[usize::from(ty)].params.len();
            vec(vec(any::<u8>(), 0..12), count).prop_map(move |params| Row { ts, tid, ty, cpu, flags, params })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_heads_and_events_come_back(head in head(), rows in vec(row(), 1..40)) {
        let section = read(&write(&head, &rows).unwrap()[..]).single();
        prop_assert_eq!(format!("{head:?}"), format!("{:?}", section.head));
        prop_assert_eq!(rows, section.rows);
    }

    #[test]
    fn random_bytes_behind_a_sound_start_are_no_panic(rows in vec(row(), 1..4), tail in vec(any::<u8>(), 0..200)) {
        let mut bytes = write(&Head::default(), &rows).unwrap();
        bytes.extend(&tail);
        let outcome = read(&bytes[..]);
        prop_assert_eq!(&outcome.sections[0].rows[..rows.len()], &rows);
    }
}

#[test]
fn what_no_reader_would_take_is_not_written() {
    let long = |length| Text::from(vec![b'x'; length]);
    let fd = |kind, detail| Head { fds: vec![(1, vec![FdEntry { fd: 3, ino: 0, kind, detail }])], ..Head::default() };
    let name = FdDetail::Name(long(1025));
    assert!(matches!(
        Writer::new(Vec::new(), &fd(1, name)),
        Err(WriteError::TooLong { length: 1025, limit: 1024, .. })
    ));
    let name = FdDetail::Name(long(10));
    assert!(matches!(Writer::new(Vec::new(), &fd(3, name)), Err(WriteError::FdKind { fd: 3, kind: 3 })));
    let users = vec![UserEntry { uid: 0, gid: 0, name: long(256), home: long(0), shell: long(0) }];
    let head = Head { users, ..Head::default() };
    assert!(matches!(Writer::new(Vec::new(), &head), Err(WriteError::TooLong { .. })));
}

#[test]
fn an_event_that_cannot_be_written_leaves_nothing_behind() {
    let mut writer = Writer::new(Vec::new(), &Head::default()).unwrap();
    let params = [&[0u8; 8][..], &[1; 8]];
    writer.event(1, 2, ev::SYSCALL_CLOSE_X, 0, 0, params).unwrap();
    let long = vec![0; 70_000];
    assert!(matches!(writer.event(1, 2, 454, 0, 0, params), Err(WriteError::EventType { ty: 454 })));
    assert!(matches!(writer.event(1, 2, 7, 0, 0, [&long[..]]), Err(WriteError::TooLong { .. })));
    assert!(matches!(writer.event(1, 2, 7, 0, 0, [&long[..40_000], &long[..40_000]]), Err(WriteError::TooLong { .. })));
    // Large payloads may be as long.
    writer.event(1, 2, ev::PLUGINEVENT_E, 0, 0, [&[1; 4][..], &long]).unwrap();
    let section = read(&writer.finish().unwrap()[..]).single();
    assert_eq!(section.types(), [ev::SYSCALL_CLOSE_X, ev::PLUGINEVENT_E]);
    assert_eq!(section.rows[1].params[1], long);
}

#[test]
fn the_longest_event_of_a_small_block_is_written_and_read() {
    // Found by trying: one more byte is refused by the writer, as its block would be by readers.
    let fits = |length: usize| {
        let mut writer = Writer::new(Vec::new(), &Head::default()).unwrap();
        let value = vec![7; length];
        writer.event(1, 2, ev::SYSCALL_CLOSE_X, 0, 0, [&value[..], &[]]).map(|()| writer.finish().unwrap())
    };
    let longest = (65_000..66_000).rfind(|length| fits(*length).is_ok()).unwrap();
    assert!(longest > 65_480, "{longest}");
    assert_eq!(read(&fits(longest).unwrap()[..]).single().rows[0].params[0].len(), longest);
}
