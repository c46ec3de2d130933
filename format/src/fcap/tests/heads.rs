//! Heads survive a snapshot, and a large one stays small.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::columns::{Columns, ColumnsWriter, Inflate};
use super::super::snapshot::{decode, encode};
use crate::block::{Container, Mount};
use crate::descriptor::{Ends, FdInfo, FdKind, L4Proto, Role};
use crate::lists::{
    Exact, FdDetail, FdEntry, FdExact, GroupEntry, Head, Interface, Machine, Text, ThreadEntry, ThreadExact, UserEntry,
};

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![vec(any::<u8>(), 0..20), Just(b"same".to_vec()), Just(Vec::new())].prop_map(Text::from)
}

fn list() -> impl Strategy<Value = Text> {
    prop_oneof![
        vec(prop_oneof![Just(&b"A=1\0"[..]), Just(&b"PATH=/bin\0"[..]), Just(&b"\0"[..]), Just(&b"x"[..])], 0..6)
            .prop_map(|parts| parts.concat()),
        vec(any::<u8>(), 0..30),
    ]
    .prop_map(Text::from)
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|bytes| Ipv4Addr::from(bytes).into()),
        any::<[u8; 16]>().prop_map(|bytes| Ipv6Addr::from(bytes).into()),
    ]
}

fn machine() -> impl Strategy<Value = Machine> {
    (any::<(u32, u64, u64, u64, [u64; 3])>(), text()).prop_map(
        |((cpus, memory, max_pid, boot_time, flags), hostname)| Machine {
            cpus,
            memory,
            max_pid,
            boot_time,
            flags,
            hostname,
        },
    )
}

fn thread() -> impl Strategy<Value = ThreadEntry> {
    let texts = (text(), text(), text(), text(), text(), list(), list(), list());
    let numbers = (any::<[i64; 9]>(), any::<[u32; 8]>(), any::<[u64; 9]>(), any::<[bool; 4]>());
    (numbers, texts).prop_map(|((signed, words, longs, bits), (comm, exe, exepath, cwd, root, args, env, cgroups))| {
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
    })
}

fn fd() -> impl Strategy<Value = FdEntry> {
    let detail = prop_oneof![
        Just(FdDetail::None),
        text().prop_map(FdDetail::Name),
        (any::<(u32, u32)>(), text()).prop_map(|((flags, dev), name)| FdDetail::File { flags, name, dev }),
        (ip(), any::<u16>(), ip(), any::<(u16, u8)>()).prop_map(|(from, port, to, (other, l4proto))| {
            FdDetail::Socket { source: (from, port), dest: (to, other), l4proto }
        }),
        (ip(), any::<(u16, u8)>()).prop_map(|(ip, (port, l4proto))| FdDetail::Server { ip, port, l4proto }),
        (any::<(u64, u64)>(), text()).prop_map(|((source, dest), name)| FdDetail::Unix { source, dest, name }),
    ];
    (any::<(i64, u64, u8)>(), detail).prop_map(|((fd, ino, kind), detail)| FdEntry { fd, ino, kind, detail })
}

fn thread_exact() -> impl Strategy<Value = ThreadExact> {
    let numbers = (any::<u32>(), any::<[u64; 5]>(), any::<[i64; 2]>(), any::<u16>(), any::<[bool; 2]>());
    let enter = option::of((any::<u16>(), vec(text(), 0..4)));
    (numbers, list(), text(), text(), enter).prop_map(|(numbers, env, cwd, container_id, enter)| {
        let (flags, times, signed, last_enter, [dead, adopts]) = numbers;
        ThreadExact {
            env,
            cwd,
            flags,
            container_id,
            clone_ts: times[0],
            lastexec_ts: times[1],
            exe_ctime_duration_clone: times[2],
            exe_ctime_duration_pidns: times[3],
            last_fd: signed[0],
            last_enter,
            enter,
            dead,
            adopts,
            reaper: signed[1],
            last_cpu: times[4],
        }
    })
}

fn fd_exact() -> impl Strategy<Value = FdExact> {
    let ends = prop_oneof![
        Just(Ends::None),
        (ip(), any::<u16>(), ip(), any::<u16>())
            .prop_map(|(from, port, to, other)| Ends::Inet { source: (from, port), dest: (to, other) }),
        any::<(u64, u64)>().prop_map(|(source, dest)| Ends::Unix { source, dest }),
    ];
    let numbers = (0..22u8, any::<(u32, u32, u64, i64)>(), 0..6u8, 0..3u8, any::<[bool; 4]>());
    (numbers, text(), text(), ends).prop_map(|(numbers, name, raw_name, ends)| {
        let (kind, (open_flags, dev, ino, pid), protocol, role, bits) = numbers;
        let info = FdInfo {
            name,
            raw_name,
            open_flags,
            dev,
            ino,
            ends,
            l4proto: L4Proto::from_number(protocol),
            role: [Role::None, Role::Client, Role::Server][usize::from(role)],
            connected: bits[0],
            upper_layer: bits[1],
            lower_layer: bits[2],
            pid,
            ..FdInfo::new(FdKind::from_number(kind))
        };
        FdExact { info, close_on_exec: bits[3] }
    })
}

fn container() -> impl Strategy<Value = Container> {
    let pairs = || vec((text(), text()), 0..3);
    let mount = (vec(text(), 4), any::<bool>()).prop_map(|(texts, read_write)| Mount {
        source: texts[0].clone(),
        dest: texts[1].clone(),
        mode: texts[2].clone(),
        propagation: texts[3].clone(),
        read_write,
    });
    (vec(text(), 12), any::<i64>(), any::<[bool; 5]>(), pairs(), pairs(), vec(mount, 0..3)).prop_map(
        |(texts, kind, bits, labels, pod_sandbox_labels, mounts)| {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().unwrap();
            Container {
                id: next(),
                full_id: next(),
                name: next(),
                image: next(),
                image_id: next(),
                image_repository: next(),
                image_tag: next(),
                image_digest: next(),
                kind,
                user: next(),
                ip: next(),
                cni_json: next(),
                privileged: bits[0],
                host_pid: bits[1],
                host_network: bits[2],
                host_ipc: bits[3],
                labels,
                mounts,
                pod_sandbox_id: next(),
                is_pod_sandbox: bits[4],
                pod_sandbox_labels,
            }
        },
    )
}

fn user() -> impl Strategy<Value = UserEntry> {
    (any::<(u32, u32)>(), text(), text(), text()).prop_map(|((uid, gid), name, home, shell)| UserEntry {
        uid,
        gid,
        name,
        home,
        shell,
    })
}

fn group() -> impl Strategy<Value = GroupEntry> {
    (any::<u32>(), text()).prop_map(|(gid, name)| GroupEntry { gid, name })
}

fn head() -> impl Strategy<Value = Head> {
    let interface = (text(), ip(), ip(), ip(), option::of(any::<u64>()))
        .prop_map(|(name, addr, mask, broadcast, linkspeed)| Interface { name, addr, mask, broadcast, linkspeed });
    let lists = (vec(interface, 0..4), vec(user(), 0..4), vec(group(), 0..4));
    let exact = option::of((
        vec(container(), 0..3),
        vec((text(), user()), 0..3),
        vec((text(), group()), 0..3),
        vec(any::<(u64, i64, i64)>(), 0..3),
        any::<u64>(),
    ));
    let threads = vec((thread(), thread_exact()), 0..6);
    let fds = vec((any::<i64>(), vec((fd(), fd_exact()), 0..5)), 0..5);
    (option::of(machine()), threads, fds, lists, exact).prop_map(|(machine, threads, fds, lists, exact)| {
        let (threads, exact_threads) = threads.into_iter().unzip();
        let mut exact_fds = Vec::new();
        let fds = fds.into_iter().map(|(tid, list)| {
            let (list, exact) = list.into_iter().unzip();
            exact_fds.push(exact);
            (tid, list)
        });
        let fds = fds.collect();
        let exact = exact.map(|(containers, users, groups, exits, origin)| {
            Box::new(Exact { threads: exact_threads, fds: exact_fds, containers, users, groups, exits, origin })
        });
        let (interfaces, users, groups) = lists;
        Head { machine, threads, fds, interfaces, users, groups, exact }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn survive(head in head()) {
        let body = encode(&head, 3).unwrap();
        prop_assert_eq!(&body, &encode(&head, 3).unwrap());
        let read = decode(&body).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{head:?}"));
    }

    #[test]
    fn any_bytes_are_an_error_at_most(mut bytes in vec(any::<u8>(), 0..200), head in head(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        drop(decode(&bytes));
        bytes = encode(&head, 3).unwrap();
        // The columns have checksums, which is what a flipped byte meets first.
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        drop(decode(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Columns that were changed and have right checksums again: whatever they say, it is a head or an error.
    #[test]
    fn columns_that_lie(
        head in head(),
        changes in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), vec(any::<u8>(), 0..9)), 1..4),
    ) {
        let body = encode(&head, 3).unwrap();
        let columns = Columns::new(&body).unwrap();
        let mut columns: Vec<(u32, Vec<u8>)> = columns.iter().map(|(id, ..)| {
            let mut bytes = Vec::new();
            columns.read(&mut Inflate::default(), id, &mut bytes).unwrap();
            (id, bytes)
        }).collect();
        for (column, at, with) in changes {
            let (_, column) = column.get(&columns).clone();
            let place = columns.iter().position(|(_, other)| *other == column).unwrap();
            let column = &mut columns[place].1;
            let at = at.index(column.len() + 1);
            let end = column.len().min(at + with.len() / 2);
            column.splice(at..end, with);
        }
        let mut out = ColumnsWriter::new(3);
        columns.iter().for_each(|(id, bytes)| out.put(*id, bytes));
        if let Ok(read) = decode(&out.finish()) {
            // What can be read can be written again.
            let again = decode(&encode(&read, 3).unwrap()).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{read:?}"));
        }
    }
}

/// As on a large node: 10,000 threads of 2,500 processes, 200,000 descriptors.
fn large() -> Head {
    let env: Vec<String> = (0..40).map(|at| format!("SERVICE_{at}_PORT_443_TCP_ADDR=10.96.{at}.17\0")).collect();
    let threads = (0..10_000i64).map(|at| {
        let process = at / 4;
        let pod = process / 3;
        let text = |text: String| Text::from(text.into_bytes());
        ThreadEntry {
            tid: 1000 + 3 * at,
            pid: 1000 + 12 * process,
            ptid: 1,
            sid: 1000,
            vpgid: 1,
            pgid: 1000,
            comm: text(format!("worker-{}", process % 100)),
            exe: text(format!("/usr/bin/worker-{}", process % 100)),
            exepath: text(format!("/usr/local/bin/worker-{}", process % 100)),
            args: text(format!("--listen\0:80{}\0--name\0pod-{pod}\0", process % 100)),
            cwd: text(format!("/srv/{}/", process % 50)),
            fdlimit: 1 << 20,
            flags: 0,
            uid: 1000,
            gid: 1000,
            vmsize_kb: 100_000 + 37 * process as u32,
            vmrss_kb: 10_000 + 11 * process as u32,
            vmswap_kb: 0,
            pfmajor: process as u64 % 17,
            pfminor: 1000 + process as u64 * 7,
            env: text(format!("{}HOSTNAME=pod-{pod}-{}\0", env.concat(), pod * 7919 % 100_003)),
            vtid: at % 40,
            vpid: process % 10,
            cgroups: text(format!("cpuset=/kubepods/burstable/pod{:032x}/{:064x}\0", pod * 7_919, process * 104_729)),
            root: text(format!("/run/containerd/{:016x}/rootfs", process * 104_729)),
            pidns_init_start_ts: 1_700_000_000_000_000_000 + pod as u64 * 1_234_567,
            tty: 0,
            loginuid: u32::MAX,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: true,
            exe_from_memfd: false,
            cap_inheritable: 0,
            cap_permitted: 0xa80_425fb,
            cap_effective: 0xa80_425fb,
            exe_ino: 1_000_000 + process as u64 % 100,
            exe_ino_ctime: 1_690_000_000_000_000_000,
            exe_ino_mtime: 1_690_000_000_000_000_000,
        }
    });
    let fds = (0..2_500i64).map(|process| {
        let list = (0..80i64).map(|fd| {
            let number = process * 80 + fd;
            let detail = match fd % 4 {
                0 => FdDetail::File {
                    flags: 3,
                    name: format!("/var/lib/data/{process}/{:08x}.db", number * 7_919 % 100_000_007)
                        .into_bytes()
                        .into(),
                    dev: 0x801,
                },
                1 => FdDetail::Socket {
                    source: (
                        Ipv4Addr::new(10, 0, (process >> 8) as u8, process as u8).into(),
                        30_000 + fd as u16 * 131,
                    ),
                    dest: (Ipv4Addr::new(10, 96, fd as u8, (number * 31) as u8).into(), 443),
                    l4proto: 2,
                },
                2 => FdDetail::Unix {
                    source: 0xffff_9000_0000_0000 + number as u64 * 7_919 * 64,
                    dest: 0xffff_9000_0000_0000 + number as u64 * 104_729 * 64,
                    name: Text::default(),
                },
                _ => FdDetail::Name(format!("pipe:[{}]", 4_000_000 + number).into_bytes().into()),
            };
            FdEntry { fd, ino: 3_000_000 + number as u64 * 13, kind: [16, 3, 8, 7][fd as usize % 4], detail }
        });
        (1000 + 12 * process, list.collect())
    });
    Head { threads: threads.collect(), fds: fds.collect(), ..Head::default() }
}

#[test]
fn a_large_one_stays_small() {
    let head = large();
    assert_eq!((head.threads.len(), head.fds.iter().map(|(_, fds)| fds.len()).sum::<usize>()), (10_000, 200_000));
    let start = Instant::now();
    let body = encode(&head, 3).unwrap();
    let wrote = start.elapsed();
    let read = decode(&body).unwrap();
    println!("{} bytes, written in {wrote:?}, read in {:?}", body.len(), start.elapsed() - wrote);
    assert!(body.len() < 8 << 20, "{} bytes", body.len());
    assert_eq!(format!("{:?}", read.fds), format!("{:?}", head.fds));
    assert_eq!(read.threads, head.threads);
}
