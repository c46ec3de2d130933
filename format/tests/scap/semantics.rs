//! What the reader makes of sound captures: every block version, unknown blocks, sections, conversions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::batch::STATE_ONLY;
use falco_replay_format::lists::{FdDetail, ThreadEntry};
use falco_replay_format::scap::{Damage, Problem};
use falco_replay_format::schema::ev;

use crate::builder::{self, Bytes, Event, block, capture, close};
use crate::outcome::{read, write};

const PROCESS_BLOCKS: [(u8, &[u32]); 9] = [
    (1, &[0x202, 0x8000_ABCD]),
    (2, &[0x207, 0x8013_ABCD]),
    (3, &[0x209, 0x8014_ABCD]),
    (4, &[0x210]),
    (5, &[0x211]),
    (6, &[0x212]),
    (7, &[0x213]),
    (8, &[0x214]),
    (9, &[0x215]),
];

fn threads(kind: u32, body: &[u8]) -> Vec<ThreadEntry> {
    read(&capture(&[block(kind, body), close(1).block()])[..]).single().head.threads
}

#[test]
fn every_version_of_the_process_list_is_read() {
    for (version, kinds) in PROCESS_BLOCKS {
        for &kind in kinds {
            let entry = |tid| {
                let entry = builder::process(version, tid);
                if version >= 9 { entry.sized() } else { entry.0 }
            };
            let threads = threads(kind, &[entry(7), entry(8)].concat());
            assert_eq!(threads.len(), 2, "version {version}");
            let thread = &threads[1];
            assert_eq!((thread.tid, thread.pid, thread.ptid), (8, 8, 1));
            assert_eq!(thread.sid, if version >= 6 { 60 } else { -1 });
            assert_eq!(thread.vpgid, if version >= 8 { 80 } else { -1 });
            assert_eq!((&*thread.comm, &*thread.exe), (&b"comm"[..], &b"exe"[..]));
            assert_eq!(&*thread.exepath, if version >= 7 { &b"/bin/exe"[..] } else { b"" });
            assert_eq!((&*thread.args, &*thread.cwd), (&b"a\0b\0"[..], &b"/cwd"[..]));
            assert_eq!((thread.fdlimit, thread.flags, thread.uid, thread.gid), (1024, 3, 1000, 1001));
            let memory = (thread.vmsize_kb, thread.vmrss_kb, thread.vmswap_kb, thread.pfmajor, thread.pfminor);
            assert_eq!(memory, if version >= 2 { (21, 22, 23, 24, 25) } else { (0, 0, 0, 0, 0) });
            assert_eq!(&*thread.env, if version >= 3 { &b"K=V\0"[..] } else { b"" });
            assert_eq!((thread.vtid, thread.vpid), if version >= 4 { (41, 42) } else { (-1, -1) });
            assert_eq!(&*thread.cgroups, if version >= 4 { &b"cpu=/x\0"[..] } else { b"" });
            assert_eq!(&*thread.root, if version >= 5 { &b"/root"[..] } else { b"" });
            assert_eq!((thread.pidns_init_start_ts, thread.tty, thread.loginuid, thread.pgid), (0, 0, u32::MAX, -1));
        }
    }
}

/// The tail of a V9 entry as writers before libs 0.10 had it: loginuid to cap_effective.
fn short_tail(entry: &mut Bytes) {
    entry.u32(500).u8(1).u64(1).u64(2).u64(3);
}

#[test]
fn a_short_v9_tail_has_no_namespace_start() {
    let mut entry = builder::process(9, 7);
    short_tail(&mut entry);
    let thread = &threads(0x215, &entry.sized())[0];
    assert_eq!((thread.pidns_init_start_ts, thread.tty, thread.loginuid), (0, 0, 500));
    assert!(thread.exe_writable);
    assert_eq!((thread.cap_inheritable, thread.cap_permitted, thread.cap_effective), (1, 2, 3));
    assert_eq!((thread.exe_ino, thread.pgid), (0, -1));
}

#[test]
fn a_long_v9_tail_is_read_and_what_follows_is_skipped() {
    let mut entry = builder::process(9, 7);
    entry.u64(99).u32(34816);
    short_tail(&mut entry);
    entry.u8(1).u64(10).u64(11).u64(12).u8(1).u8(1).i64(70);
    let known = entry.clone();
    entry.raw(b"a field of the future");
    let both = [entry.sized(), known.sized()].concat();
    for thread in threads(0x215, &both) {
        assert_eq!((thread.pidns_init_start_ts, thread.tty, thread.loginuid), (99, 34816, 500));
        assert_eq!((thread.exe_ino, thread.exe_ino_ctime, thread.exe_ino_mtime), (10, 11, 12));
        assert!(thread.exe_upper_layer && thread.exe_from_memfd && thread.exe_lower_layer);
        assert_eq!(thread.pgid, 70);
    }
}

#[test]
fn every_kind_of_descriptor_is_read_in_both_versions() {
    let v6 = |last| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last);
    let v4 = |last| Ipv4Addr::new(10, 0, 0, last);
    let socket =
        |source: IpAddr, dest: IpAddr| FdDetail::Socket { source: (source, 1000), dest: (dest, 80), l4proto: 2 };
    for version in [1u8, 2] {
        let mut body = Bytes::default();
        body.i64(77);
        let mut expected = Vec::new();
        for kind in 0..=if version == 2 { 25u8 } else { 21 } {
            let mut entry = Bytes::default();
            entry.i64(i64::from(kind)).u64(1000 + u64::from(kind)).u8(kind);
            expected.push(match kind {
                0 | 22.. => FdDetail::None,
                3 => {
                    entry.raw(&v4(1).octets()).raw(&v4(2).octets()).u16(1000).u16(80).u8(2);
                    socket(v4(1).into(), v4(2).into())
                }
                4 => {
                    entry.raw(&v6(1).octets()).raw(&v6(2).octets()).u16(1000).u16(80).u8(2);
                    socket(v6(1).into(), v6(2).into())
                }
                5 => {
                    entry.raw(&v4(1).octets()).u16(22).u8(3);
                    FdDetail::Server { ip: v4(1).into(), port: 22, l4proto: 3 }
                }
                6 => {
                    entry.raw(&v6(1).octets()).u16(22).u8(3);
                    FdDetail::Server { ip: v6(1).into(), port: 22, l4proto: 3 }
                }
                8 => {
                    entry.u64(5).u64(6).text(b"/run/s");
                    FdDetail::Unix { source: 5, dest: 6, name: b"/run/s"[..].into() }
                }
                16 => {
                    entry.u32(4097).text(b"/etc/x");
                    if version == 2 {
                        entry.u32(9);
                    }
                    FdDetail::File { flags: 4097, name: b"/etc/x"[..].into(), dev: if version == 2 { 9 } else { 0 } }
                }
                _ => {
                    entry.text(b"name");
                    FdDetail::Name(b"name"[..].into())
                }
            });
            if version == 2 {
                entry.raw(b"future");
                body.raw(&entry.sized());
            } else {
                body.raw(&entry.0);
            }
        }
        let kind = if version == 2 { 0x218 } else { 0x203 };
        let head = read(&capture(&[block(kind, &body.0), close(1).block()])[..]).single().head;
        let (tid, fds) = &head.fds[0];
        assert_eq!(*tid, 77);
        assert_eq!(fds.iter().map(|fd| fd.detail.clone()).collect::<Vec<_>>(), expected);
        assert!(fds.iter().enumerate().all(|(at, fd)| usize::from(fd.kind) == at && fd.ino == 1000 + at as u64));
    }
}

#[test]
fn a_file_entry_without_a_device_has_device_0() {
    let mut entry = Bytes::default();
    entry.i64(3).u64(1).u8(16).u32(1).text(b"/x");
    let body = [&77i64.to_le_bytes()[..], &entry.sized()].concat();
    let head = read(&capture(&[block(0x218, &body), close(1).block()])[..]).single().head;
    assert_eq!(head.fds[0].1[0].detail, FdDetail::File { flags: 1, name: b"/x"[..].into(), dev: 0 });
}

#[test]
fn interfaces_and_users_of_both_versions_are_read_and_a_repeated_list_replaces() {
    let mut interface = Bytes::default();
    interface.u16(1).u16(4).raw(&[10, 0, 0, 5, 255, 0, 0, 0, 10, 255, 255, 255]).u64(1000).raw(b"eth0");
    let mut old = Bytes::default();
    old.u16(4).u16(2).raw(&[1; 16]).raw(&[2; 16]).raw(&[3; 16]).raw(b"lo");
    let mut user = Bytes::default();
    user.u8(0).u32(1000).u32(1001).text(b"alice").text(b"/home/alice").text(b"/bin/sh");
    let mut group = Bytes::default();
    group.u8(1).u32(1001).text(b"staff");
    // The interface list's entry length does not count itself.
    let sized = [&(interface.0.len() as u32 + 3).to_le_bytes()[..], &interface.0, b"new"].concat();
    let first = [
        block(0x205, &[interface.0.clone(), old.0].concat()),
        block(0x206, &[user.0.clone(), group.0.clone()].concat()),
    ];
    let head = read(&capture(&[first.concat(), close(1).block()])[..]).single().head;
    assert_eq!((head.interfaces.len(), head.users.len(), head.groups.len()), (2, 1, 1));
    assert_eq!(head.interfaces[0].linkspeed, Some(1000));
    assert_eq!((head.interfaces[1].linkspeed, &*head.interfaces[1].name), (None, &b"lo"[..]));
    assert_eq!(head.interfaces[1].mask, IpAddr::from([2; 16]));
    assert_eq!((&*head.users[0].name, &*head.groups[0].name), (&b"alice"[..], &b"staff"[..]));

    let second = [block(0x219, &sized), block(0x220, &[user.sized(), group.sized(), group.sized()].concat())];
    let blocks = [first.concat(), second.concat(), close(1).block()];
    let head = read(&capture(&blocks)[..]).single().head;
    assert_eq!((head.interfaces.len(), head.users.len(), head.groups.len()), (1, 1, 2));
    assert_eq!(&*head.interfaces[0].name, b"eth0");
}

#[test]
fn machine_info_is_read() {
    let mut body = Bytes::default();
    let mut hostname = [0; 128];
    hostname[..4].copy_from_slice(b"host");
    body.u32(4).u64(8).u64(32768).raw(&hostname).u64(123).u64(1).u64(2).u64(3);
    for kind in [builder::MACHINE, 0x8002_ABCD] {
        let head = read(&capture(&[block(kind, &body.0), close(1).block()])[..]).single().head;
        let machine = head.machine.unwrap();
        assert_eq!((machine.cpus, machine.memory, machine.max_pid, machine.boot_time), (4, 8, 32768, 123));
        assert_eq!((&*machine.hostname, machine.flags), (&b"host"[..], [1, 2, 3]));
    }
}

#[test]
fn unknown_blocks_before_the_events_are_skipped_and_counted() {
    let huge = block(0x999, &vec![7; 300_000]);
    let outcome = read(&capture(&[huge, block(0x4000, b"x"), close(1).block()])[..]);
    assert_eq!(outcome.unknown_blocks, 2);
    assert_eq!(outcome.single().rows.len(), 1);
}

#[test]
fn options_and_later_minor_versions_of_the_section_header_are_ignored() {
    let bytes = [builder::section_with(1, 9, b"a comment, as editcap adds"), close(1).block()].concat();
    assert_eq!(read(&bytes[..]).single().rows.len(), 1);
}

#[test]
fn both_versions_of_event_blocks_give_the_same_rows() {
    let mut event = close(42);
    event.flags = STATE_ONLY;
    for (kind, flags) in [
        (builder::EVENT_V1, 0),
        (0x8010_ABCD, 0),
        (builder::EVENT_FLAGS_V1, STATE_ONLY),
        (builder::EVENT_V2, 0),
        (builder::EVENT_FLAGS_V2, STATE_ONLY),
        (builder::EVENT_LARGE, 0),
        (0x222, STATE_ONLY),
    ] {
        let section = read(&capture(&[event.clone().kind(kind).block(), close(1).block()])[..]).single();
        let row = &section.rows[0];
        assert_eq!((row.ts, row.tid, row.ty, row.cpu, row.flags), (event.ts, 42, 5, 1, flags), "{kind:x}");
        assert_eq!(row.params, event.params);
    }
}

#[test]
fn old_notifications_say_three_bytes_too_many() {
    for ty in [ev::NOTIFICATION_E, ev::INFRASTRUCTURE_EVENT_E] {
        let count = falco_replay_format::schema::event_info(ty).unwrap().params.len();
        let mut event = Event::new(ty, 1, &vec![&b"x\0"[..]; count]).kind(builder::EVENT_V1);
        event.extra_length = 3;
        let section = read(&capture(&[close(1).block(), event.block()])[..]).single();
        assert_eq!(section.rows[1].params, event.params);
    }
}

#[test]
fn bytes_behind_the_parameters_and_event_trailers_do_not_matter() {
    let mut event = close(1);
    event.tail = b"an option that another tool has added".to_vec();
    let mut bytes = capture(&[event.block(), close(2).block()]);
    let length = bytes.len();
    bytes[length - 4..].copy_from_slice(&[0xee; 4]);
    let section = read(&bytes[..]).single();
    assert_eq!(section.rows.iter().map(|row| row.tid).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(section.rows[0].params, close(1).params);
}

#[test]
fn events_newer_than_the_schema_are_skipped_and_counted() {
    let newer = Event::new(454, 1, &[b"abc"]);
    let outcome = read(&capture(&[close(1).block(), newer.block(), close(2).block()])[..]);
    assert_eq!(outcome.unknown_events, 1);
    assert_eq!(outcome.single().rows.len(), 2);
}

#[test]
fn more_parameters_than_the_schema_are_cut_where_the_converter_does_not_mind() {
    // A switch event is not the converter's business.
    let event = Event::new(ev::SCHEDSWITCH_6_E, 1, &[&b"12345678"[..]; 9]);
    let section = read(&capture(&[close(1).block(), event.block()])[..]).single();
    assert_eq!(section.rows[1].params, vec![b"12345678".to_vec(); 6]);

    let mut event = close(1);
    event.params.push(vec![1]);
    let error = read(&capture(&[close(1).block(), event.block()])[..]).error.unwrap();
    assert!(matches!(error.problem, Problem::TooManyParams { ty: 5, found: 3, expected: 2 }), "{error}");
    assert_eq!(error.damage(), Damage::Corrupt);
}

#[test]
fn parameters_of_a_wrong_size_are_left_as_they_are() {
    let event = Event::new(5, 1, &[b"abc", b""]);
    assert_eq!(read(&capture(&[event.block()])[..]).single().rows[0].params, event.params);
}

#[test]
fn an_enter_event_is_dropped_and_its_parameters_move_to_the_exit() {
    let res = 5i64.to_le_bytes();
    let enter = Event::new(ev::SYSCALL_READ_E, 9, &[&3i64.to_le_bytes(), &100u32.to_le_bytes()]);
    let exit = Event::new(ev::SYSCALL_READ_X, 9, &[&res, b"data"]);
    let outcome = read(&capture(&[close(1).block(), enter.block(), close(2).block(), exit.block(), exit.block()])[..]);
    assert_eq!((outcome.dropped, outcome.converted), (1, 2));
    let section = outcome.single();
    assert_eq!(section.first_drop, Some(1));
    let rows = &section.rows;
    assert_eq!(section.types(), [5, 5, ev::SYSCALL_READ_X, ev::SYSCALL_READ_X]);
    assert_eq!(rows[2].params, [&res[..], b"data", &3i64.to_le_bytes(), &100u32.to_le_bytes()]);
    // The enter event is used once; without it there is descriptor 0.
    assert_eq!(rows[3].params, [&res[..], b"data", &[0; 8], &[0; 4]]);
}

#[test]
fn an_enter_event_of_another_type_is_an_error() {
    let enter = Event::new(ev::SYSCALL_WRITE_E, 9, &[&[0; 8], &[0; 4]]);
    let exit = Event::new(ev::SYSCALL_READ_X, 9, &[&[0; 8], b""]);
    let outcome = read(&capture(&[close(1).block(), enter.block(), exit.block()])[..]);
    let error = outcome.error.as_ref().unwrap();
    assert!(matches!(error.problem, Problem::EnterMismatch { .. }), "{error}");
    assert_eq!(outcome.rows().count(), 1);
}

#[test]
fn an_execve_goes_through_all_its_versions() {
    let old: Vec<Vec<u8>> = (0..8).map(|index| vec![index; 8]).collect();
    let params: Vec<&[u8]> = old.iter().map(Vec::as_slice).collect();
    let enter = Event::new(ev::SYSCALL_EXECVE_18_E, 9, &[b"/bin/true\0"]);
    let exit = Event::new(ev::SYSCALL_EXECVE_8_X, 9, &params);
    let outcome = read(&capture(&[exit.block(), enter.block()])[..]);
    let section = outcome.single();
    assert_eq!(section.types(), [ev::SYSCALL_EXECVE_19_X, ev::SYSCALL_EXECVE_19_E]);
    assert_eq!(section.rows[0].params.len(), 31);
    assert_eq!(section.rows[0].params[..8], old);
    assert!(section.rows[0].params[8..].iter().all(Vec::is_empty));
    assert_eq!(section.rows[1].params, [b"/bin/true\0"]);
}

#[test]
fn a_missing_row_of_the_conversion_table_is_an_error() {
    let exit = Event::new(ev::SYSCALL_READ_X, 9, &[b""]);
    let error = read(&capture(&[close(1).block(), exit.block()])[..]).error.unwrap();
    assert!(matches!(error.problem, Problem::NoConversion { nparams: 1, .. }), "{error}");
}

#[test]
fn old_container_events_become_json_with_wide_lengths() {
    let event = Event::new(ev::CONTAINER_E, 1, &[b"id\0", &1u32.to_le_bytes(), b"name\0", b"image\0"]);
    let section = read(&capture(&[event.block(), close(1).block()])[..]).single();
    assert_eq!(section.types(), [ev::CONTAINER_JSON_2_E, 5]);
    let json = br#"{"id":"id","type":1,"name":"name","image":"image"}"#;
    assert_eq!(section.rows[0].params, [[&json[..], b"\0"].concat()]);
}

#[test]
fn concatenated_captures_are_sections_and_forget_enter_events() {
    let enter = Event::new(ev::SYSCALL_READ_E, 9, &[&[3; 8], &[4; 4]]);
    let exit = Event::new(ev::SYSCALL_READ_X, 9, &[&[0; 8], b""]);
    let first = capture(&[block(0x202, &builder::process(1, 7).0), enter.block(), close(1).block()]);
    let second = capture(&[exit.block(), close(2).block(), enter.block()]);
    let outcome = read(&[first.clone(), second, first].concat()[..]);
    assert!(outcome.error.is_none());
    let heads: Vec<usize> = outcome.sections.iter().map(|section| section.head.threads.len()).collect();
    assert_eq!(heads, [1, 0, 1]);
    let rows: Vec<usize> = outcome.sections.iter().map(|section| section.rows.len()).collect();
    assert_eq!(rows, [1, 2, 1]);
    assert_eq!(outcome.sections[1].rows[0].params, [&[0; 8][..], b"", &[0; 8], &[0; 4]]);
    let drops: Vec<Option<usize>> = outcome.sections.iter().map(|section| section.first_drop).collect();
    // The last event of the second section is dropped behind its last row.
    assert_eq!(drops, [Some(0), Some(2), Some(0)]);
}

#[test]
fn a_section_header_among_the_lists_is_skipped() {
    let outcome = read(&capture(&[builder::section(), close(1).block()])[..]);
    assert_eq!(outcome.unknown_blocks, 1);
    assert_eq!(outcome.single().rows.len(), 1);
}

#[test]
fn a_damaged_first_event_is_swallowed_as_libsinsp_does() {
    let bad = Event::new(ev::SYSCALL_READ_X, 9, &[b""]);
    let user = Event::new(ev::USER_ADDED_E, 1, &[]);
    for (blocks, drop) in [
        (vec![bad.block(), close(1).block()], 0),
        // Still at the start: these events only describe it.
        (vec![user.block(), bad.block(), close(1).block()], 1),
    ] {
        let outcome = read(&capture(&blocks)[..]);
        assert_eq!(outcome.swallowed, 1);
        assert_eq!(outcome.single().first_drop, Some(drop));
    }
    let outcome = read(&capture(&[bad.block(), bad.block(), close(1).block()])[..]);
    assert!(outcome.error.is_some(), "only one is swallowed");
    let outcome = read(&capture(&[close(1).block(), bad.block()])[..]);
    assert!(outcome.error.is_some(), "only at the start");
}

#[test]
fn a_section_whose_events_are_all_dropped_has_a_head_only() {
    let enter = Event::new(ev::SYSCALL_READ_E, 9, &[&[3; 8], &[4; 4]]);
    let section = read(&capture(&[enter.block()])[..]).single();
    assert!(section.rows.is_empty());
}

#[test]
fn large_events_and_many_batches_come_whole_and_in_order() {
    let mut bytes = capture(&[]);
    let mut expected = Vec::new();
    let mut large = Event::new(ev::PLUGINEVENT_E, -1, &[&1u32.to_le_bytes(), &[]]).kind(builder::EVENT_LARGE);
    for number in 0..60_000i64 {
        let event = if number % 15_000 == 7_000 {
            large.params[1] = (0..5_000_000 + number).map(|at| (at % 251) as u8).collect();
            large.tid = number;
            large.clone()
        } else {
            close(number)
        };
        bytes.extend(event.block());
        expected.push((number, event.params));
    }
    let section = read(&bytes[..]).single();
    assert!(section.batches > 4);
    assert_eq!(section.rows.len(), expected.len());
    for (row, (tid, params)) in section.rows.iter().zip(&expected) {
        assert_eq!(row.tid, *tid);
        assert_eq!(&row.params, params);
    }
    assert_eq!(read(&write(&section.head, &section.rows).unwrap()[..]).single().rows, section.rows);
}

#[test]
fn thousands_of_tiny_sections_do_not_take_long() {
    // Quadratic reading would copy gigabytes here.
    let one = capture(&[close(1).block()]);
    let outcome = read(&one.repeat(50_000)[..]);
    assert!(outcome.error.is_none());
    assert_eq!(outcome.sections.len(), 50_000);
}
