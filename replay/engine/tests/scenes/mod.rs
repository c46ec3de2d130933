//! Generated scenes: captures of a few processes that open, connect, execute, fail and die, and conditions about them.

#![allow(dead_code, reason = "each test uses what it needs")]

pub mod blocks;
pub mod conditions;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::lists::{FdDetail, FdEntry, GroupEntry, Head, Interface, Text, UserEntry};
use falco_replay_format::schema::{EVENTS, ev};
use proptest::prelude::*;
use proptest::sample::select;

/// An event of a generated capture; [`Step::Crowd`] stands for many.
#[derive(Debug, Clone)]
pub enum Step {
    /// `name` of [`NAMES`] by a call of [`OPENS`], from the working directory (0), descriptor 3 (1) or no directory (2).
    Open {
        tid: i64,
        fd: i64,
        name: usize,
        flags: u32,
        from: u8,
        call: usize,
    },
    Close {
        tid: i64,
        fd: i64,
    },
    Read {
        tid: i64,
        fd: i64,
        result: i64,
    },
    Dup {
        tid: i64,
        from: i64,
        to: i64,
    },
    /// By a call of [`CONNECTS`]: addresses of [`ADDRESSES`].
    Connect {
        tid: i64,
        fd: i64,
        result: i64,
        from: usize,
        to: usize,
        port: u16,
        call: usize,
    },
    UnixConnect {
        tid: i64,
        fd: i64,
        result: i64,
        name: usize,
    },
    Bind {
        tid: i64,
        fd: i64,
        at: usize,
        port: u16,
    },
    Socket {
        tid: i64,
        fd: i64,
        domain: u32,
    },
    Pipe {
        tid: i64,
        fd: i64,
    },
    Exec {
        tid: i64,
        name: usize,
        result: i64,
        loginuid: u32,
        path: usize,
    },
    Clone {
        tid: i64,
        child: i64,
        cgroup: usize,
    },
    /// A thread begins with this process and parent.
    Born {
        tid: i64,
        pid: i64,
        ptid: i64,
        cgroup: usize,
        uid: u32,
    },
    Exit {
        tid: i64,
    },
    Generic {
        tid: i64,
        code: u16,
    },
    /// The metadata `about` of a container of [`CONTAINERS`], as an event of this type.
    Container {
        tid: i64,
        id: usize,
        about: usize,
        ty: usize,
    },
    User {
        uid: u32,
        name: usize,
        container: usize,
    },
    SetUid {
        tid: i64,
        uid: u32,
    },
    SetSid {
        tid: i64,
    },
    Chdir {
        tid: i64,
        name: usize,
    },
    Rename {
        tid: i64,
        name: usize,
    },
    Poll {
        tid: i64,
        fd: i64,
    },
    /// An event of any type with these parameters cut to their sizes.
    Any {
        tid: i64,
        ty: u16,
        params: Vec<Vec<u8>>,
    },
    /// Many events of one kind, see [`crowd`].
    Crowd {
        tid: i64,
        kind: usize,
        first: u32,
        count: u32,
    },
}

pub const CLONE_THREAD: u32 = 1 << 13;

/// Paths and other names that calls give.
pub const NAMES: [&[u8]; 26] = [
    b"/etc/shadow",
    b"/etc/passwd",
    b"tmp/x",
    b"/usr/bin/id",
    b"",
    b"/proc/self/fd/3",
    b"../a",
    b"/dev/log",
    b"/etc//ssh/sshd_config",
    b"/root/.ssh/id_rsa",
    b"/home/u/.ssh/",
    b"/",
    b"//x",
    b"/a:b/c",
    b"c:d/e",
    b"./y",
    b"(NULL)",
    b"/var/log/../tmp/z",
    b"/etc",
    b"/ETC/Shadow",
    b"/tmp/[x]*?",
    b"name",
    b"/tmp/\xff\xfe",
    b"a>b/etc/passwd",
    b"/root/.ssh/authorized_keys",
    b"etc/passwd",
];

/// Names of programs, in part paths.
pub const PROGRAMS: [&str; 10] =
    ["sh", "nginx", "cat", "sshd", "runc", "-bash", "NGINX", "/usr/sbin/nginx", "kworker/0:1", ""];

/// Paths of their executables.
pub const EXE_PATHS: [&str; 6] = ["/usr/bin/sh", "/usr/sbin/nginx", "/tmp/x", "", "/usr/bin/../bin/id", "<NA>"];

/// The host, a container known by its metadata, one that has a pod, and one that is only ever seen.
pub const CGROUPS: [&str; 4] = [
    "cpu=/\0",
    "cpu=/docker/6c270ef2f251d571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d\0",
    "cpu=/docker/aaaabbbbccccd571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d\0",
    "cpu=/docker/00001111222233334444555566667777888899990000aaaabbbbccccddddeeee\0",
];

/// Ids of containers that events describe.
pub const CONTAINERS: [&str; 4] = ["6c270ef2f251", "aaaabbbbcccc", "other", ""];

/// What they say of one.
pub const ABOUT_CONTAINERS: [&str; 4] = [
    r#""name":"web","image":"nginx:1.2","imagerepo":"nginx","imagetag":"1.2","imagedigest":"sha256:1","User":"app""#,
    r#""name":"db","image":"pg","imagerepo":"docker.io/pg","labels":{"io.kubernetes.pod.name":"pod-1","io.kubernetes.pod.namespace":"default"}"#,
    r#""name":"","image":"","User":"root","pod_sandbox_id":"aaaabbbbcccc0000","labels":{"io.kubernetes.pod.name":"pod-2"}"#,
    r#""name":"late","ip":"10.0.0.6","privileged":true"#,
];

/// Addresses of both kinds; the last of each are those of interfaces.
pub const ADDRESSES: [IpAddr; 10] = [
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V4(Ipv4Addr::new(2, 2, 2, 2)),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 6)),
    IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3)),
    IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0x0808, 0x0808)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
];

/// Calls that open.
pub const OPENS: [u16; 5] = [
    ev::SYSCALL_OPENAT_2_X,
    ev::SYSCALL_OPENAT2_X,
    ev::SYSCALL_OPEN_X,
    ev::SYSCALL_CREAT_X,
    ev::SYSCALL_OPEN_BY_HANDLE_AT_X,
];

/// Calls that connect or send.
pub const CONNECTS: [u16; 4] =
    [ev::SOCKET_CONNECT_X, ev::SOCKET_ACCEPT4_6_X, ev::SOCKET_ACCEPT_5_X, ev::SOCKET_SENDTO_X];

/// One of [`NAMES`], some of them more often than others.
pub fn name() -> impl Strategy<Value = usize> {
    prop_oneof![1 => 0..NAMES.len(), 1 => select(vec![0usize, 1, 2, 18, 9])]
}

/// One event.
pub fn step() -> impl Strategy<Value = Step> {
    let tid = || 1i64..6;
    let fd = || -2i64..6;
    let result = || select(vec![0i64, 0, 0, 5, -2, -115, -111]);
    let flags = prop_oneof![4 => Just(1u32), 4 => Just(0x1001u32), 1 => any::<u32>(), 3 => Just(1 << 10 | 1)];
    prop_oneof![
        9 => (tid(), fd(), name(), flags, 0u8..3, 0..OPENS.len() + 3)
            .prop_map(|(tid, fd, name, flags, from, call)| {
                Step::Open { tid, fd, name, flags, from, call: call.saturating_sub(3) }
            }),
        2 => (tid(), fd()).prop_map(|(tid, fd)| Step::Close { tid, fd }),
        3 => (tid(), fd(), -3i64..9).prop_map(|(tid, fd, result)| Step::Read { tid, fd, result }),
        1 => (tid(), fd(), fd()).prop_map(|(tid, from, to)| Step::Dup { tid, from, to }),
        4 => (tid(), fd(), result(), 0..ADDRESSES.len(), 0..ADDRESSES.len(), 50u16..60, 0..CONNECTS.len())
            .prop_map(|(tid, fd, result, from, to, port, call)| {
                Step::Connect { tid, fd, result, from, to, port, call }
            }),
        1 => (tid(), fd(), result(), name())
            .prop_map(|(tid, fd, result, name)| Step::UnixConnect { tid, fd, result, name }),
        1 => (tid(), fd(), 0..ADDRESSES.len(), select(vec![0u16, 53, 80]))
            .prop_map(|(tid, fd, at, port)| Step::Bind { tid, fd, at, port }),
        2 => (tid(), fd(), select(vec![1u32, 2, 2, 10, 16])).prop_map(|(tid, fd, domain)| Step::Socket { tid, fd, domain }),
        1 => (tid(), fd()).prop_map(|(tid, fd)| Step::Pipe { tid, fd }),
        3 => (tid(), 0..PROGRAMS.len(), -1i64..1, select(vec![u32::MAX, 0, 1000]), 0..EXE_PATHS.len())
            .prop_map(|(tid, name, result, loginuid, path)| Step::Exec { tid, name, result, loginuid, path }),
        2 => (tid(), 1i64..8, 0..CGROUPS.len()).prop_map(|(tid, child, cgroup)| Step::Clone { tid, child, cgroup }),
        3 => (tid(), tid(), tid(), 0..CGROUPS.len(), select(vec![0u32, 1, 1000]))
            .prop_map(|(tid, pid, ptid, cgroup, uid)| Step::Born { tid, pid, ptid, cgroup, uid }),
        1 => tid().prop_map(|tid| Step::Exit { tid }),
        1 => (tid(), 0u16..20).prop_map(|(tid, code)| Step::Generic { tid, code }),
        2 => (tid(), 0..CONTAINERS.len(), 0..ABOUT_CONTAINERS.len(), 0usize..3)
            .prop_map(|(tid, id, about, ty)| Step::Container { tid, id, about, ty }),
        1 => (select(vec![0u32, 1, 1000]), 0..PROGRAMS.len(), 0..CONTAINERS.len())
            .prop_map(|(uid, name, container)| Step::User { uid, name, container }),
        1 => (tid(), 0u32..3).prop_map(|(tid, uid)| Step::SetUid { tid, uid }),
        1 => tid().prop_map(|tid| Step::SetSid { tid }),
        1 => (tid(), name()).prop_map(|(tid, name)| Step::Chdir { tid, name }),
        1 => (tid(), 0..NAMES.len()).prop_map(|(tid, name)| Step::Rename { tid, name }),
        1 => (tid(), fd()).prop_map(|(tid, fd)| Step::Poll { tid, fd }),
        2 => any_event(),
    ]
}

/// An event of any type.
fn any_event() -> impl Strategy<Value = Step> {
    let value = prop_oneof![
        2 => Just(Vec::new()),
        4 => (-2i64..9).prop_map(|number| number.to_le_bytes().to_vec()),
        2 => select(NAMES.to_vec()).prop_map(text),
        1 => prop::collection::vec(any::<u8>(), 0..24),
    ];
    (1i64..6, 2u16..EVENTS.len() as u16, prop::collection::vec(value, 0..8)).prop_map(|(tid, ty, params)| Step::Any {
        tid,
        ty,
        params,
    })
}

/// A crowd: so many that a summary does not list the values.
pub fn crowd() -> impl Strategy<Value = Step> {
    (1i64..6, 0usize..6, 0u32..300, 100u32..420).prop_map(|(tid, kind, first, count)| Step::Crowd {
        tid,
        kind,
        first,
        count,
    })
}

/// Name `at` of a crowd of paths.
pub fn crowd_name(at: u32) -> String {
    format!("/srv/dir{}/sub{}/file{at}.txt", at % 7, at % 3)
}

/// Address `at` of a crowd.
pub fn crowd_address(at: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0b00_0000 + at * 7919)
}

/// Name `at` of a crowd of programs.
pub fn crowd_program(at: u32) -> String {
    format!("worker-{at}")
}

fn text(value: &[u8]) -> Vec<u8> {
    if value.is_empty() { Vec::new() } else { [value, b"\0"].concat() }
}

fn number(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn word(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

type Raw = (i64, u16, Vec<Vec<u8>>);

/// Parameters by number; those that are not named have no value.
fn raw(tid: i64, ty: u16, given: Vec<(usize, Vec<u8>)>) -> Raw {
    let mut all = vec![Vec::new(); EVENTS[usize::from(ty)].params.len()];
    for (at, value) in given {
        all[at] = value;
    }
    (tid, ty, all)
}

/// A parameter of type SOCKTUPLE; addresses of two kinds become one.
fn tuple(from: (IpAddr, u16), to: (IpAddr, u16)) -> Vec<u8> {
    let mut out = Vec::new();
    match (from.0, to.0) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            out.push(2);
            out.extend(one.octets());
            out.extend(from.1.to_le_bytes());
            out.extend(other.octets());
        }
        (one, other) => {
            let wide = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            };
            out.push(10);
            out.extend(wide(one).octets());
            out.extend(from.1.to_le_bytes());
            out.extend(wide(other).octets());
        }
    }
    out.extend(to.1.to_le_bytes());
    out
}

fn open(tid: i64, fd: i64, name: &[u8], flags: u32, from: u8, call: u16) -> Raw {
    let dirfd = [-100i64, 3, 77][usize::from(from)];
    let given = match call {
        ev::SYSCALL_OPENAT_2_X => {
            vec![(0, number(fd)), (1, number(dirfd)), (2, text(name)), (3, word(flags)), (6, number(7))]
        }
        ev::SYSCALL_OPENAT2_X => vec![(0, number(fd)), (1, number(dirfd)), (2, text(name)), (3, word(flags))],
        ev::SYSCALL_OPEN_X => vec![(0, number(fd)), (1, text(name)), (2, word(flags))],
        ev::SYSCALL_CREAT_X => vec![(0, number(fd)), (1, text(name))],
        _ => vec![(0, number(fd)), (1, number(dirfd)), (2, word(flags)), (3, text(name))],
    };
    raw(tid, call, given)
}

fn connect(tid: i64, fd: i64, result: i64, from: (IpAddr, u16), to: (IpAddr, u16), call: u16) -> Raw {
    let tuple = tuple(from, to);
    let given = match call {
        ev::SOCKET_CONNECT_X => vec![(0, number(result)), (1, tuple), (2, number(fd))],
        ev::SOCKET_SENDTO_X => vec![(0, number(result)), (1, b"data".to_vec()), (2, number(fd)), (4, tuple)],
        _ => vec![(0, number(if result < 0 { result } else { fd })), (1, tuple)],
    };
    raw(tid, call, given)
}

fn exec(tid: i64, name: &str, path: &str, result: i64, loginuid: u32) -> Raw {
    let given = vec![
        (0, number(result)),
        (1, text(name.as_bytes())),
        (2, b"-c\0run me\0".to_vec()),
        (4, number(tid)),
        (5, number(1)),
        (13, text(name.as_bytes())),
        (15, b"A=1\0".to_vec()),
        (18, word(loginuid)),
        (27, text(path.as_bytes())),
    ];
    raw(tid, ev::SYSCALL_EXECVE_19_X, given)
}

fn events(step: &Step, out: &mut Vec<Raw>) {
    out.push(match step {
        Step::Open { tid, fd, name, flags, from, call } => open(*tid, *fd, NAMES[*name], *flags, *from, OPENS[*call]),
        Step::Close { tid, fd } => raw(*tid, ev::SYSCALL_CLOSE_X, vec![(0, number(0)), (1, number(*fd))]),
        Step::Read { tid, fd, result } => {
            raw(*tid, ev::SYSCALL_READ_X, vec![(0, number(*result)), (1, b"data".to_vec()), (2, number(*fd))])
        }
        Step::Dup { tid, from, to } => raw(*tid, ev::SYSCALL_DUP2_X, vec![(0, number(*to)), (1, number(*from))]),
        Step::Connect { tid, fd, result, from, to, port, call } => {
            connect(*tid, *fd, *result, (ADDRESSES[*from], 40000 + *port), (ADDRESSES[*to], *port), CONNECTS[*call])
        }
        Step::UnixConnect { tid, fd, result, name } => {
            let mut tuple = vec![1];
            tuple.extend(number(0x10));
            tuple.extend(number(0x20));
            tuple.extend(text(NAMES[*name]));
            raw(*tid, ev::SOCKET_CONNECT_X, vec![(0, number(*result)), (1, tuple), (2, number(*fd))])
        }
        Step::Bind { tid, fd, at, port } => {
            let mut address = match ADDRESSES[*at] {
                IpAddr::V4(ip) => [&[2][..], &ip.octets()].concat(),
                IpAddr::V6(ip) => [&[10][..], &ip.octets()].concat(),
            };
            address.extend(port.to_le_bytes());
            raw(*tid, ev::SOCKET_BIND_X, vec![(0, number(0)), (1, address), (2, number(*fd))])
        }
        Step::Socket { tid, fd, domain } => {
            let given = vec![(0, number(*fd)), (1, word(*domain)), (2, word(1)), (3, word(0))];
            raw(*tid, ev::SOCKET_SOCKET_X, given)
        }
        Step::Pipe { tid, fd } => {
            let given = vec![(0, number(0)), (1, number(*fd)), (2, number(*fd + 1)), (3, number(99))];
            raw(*tid, ev::SYSCALL_PIPE2_X, given)
        }
        Step::Exec { tid, name, result, loginuid, path } => {
            exec(*tid, PROGRAMS[*name], EXE_PATHS[*path], *result, *loginuid)
        }
        Step::Clone { tid, child, cgroup } => {
            let given = vec![
                (0, number(if *child == 7 { 0 } else { *child })),
                (1, text(b"sh")),
                (4, number(*tid)),
                (5, number(1)),
                (13, text(b"sh")),
                (14, CGROUPS[*cgroup].as_bytes().to_vec()),
                (15, word(0)),
                (16, word(0)),
                (18, number(*tid)),
                (19, number(*tid)),
            ];
            raw(*tid, ev::SYSCALL_CLONE_20_X, given)
        }
        Step::Born { tid, pid, ptid, cgroup, uid } => {
            let program = PROGRAMS[*tid as usize % PROGRAMS.len()].as_bytes();
            let given = vec![
                (0, number(0)),
                (1, text(program)),
                (4, number(*pid)),
                (5, number(*ptid)),
                (13, text(program)),
                (14, CGROUPS[*cgroup].as_bytes().to_vec()),
                (15, word(if tid == pid { 0 } else { CLONE_THREAD })),
                (16, word(*uid)),
                (18, number(*tid)),
                (19, number(*pid)),
            ];
            raw(*tid, ev::SYSCALL_CLONE_20_X, given)
        }
        Step::Exit { tid } => raw(*tid, ev::PROCEXIT_1_E, vec![(0, number(0))]),
        Step::Generic { tid, code } => raw(*tid, ev::GENERIC_X, vec![(0, code.to_le_bytes().to_vec())]),
        Step::Container { tid, id, about, ty } => {
            let (id, about) = (CONTAINERS[*id], ABOUT_CONTAINERS[*about]);
            let json = format!(r#"{{"container":{{"id":"{id}","type":0,{about}}}}}"#);
            let named = |name: &[u8], json: String| {
                raw(*tid, ev::ASYNCEVENT_E, vec![(0, word(0)), (1, text(name)), (2, json.into_bytes())])
            };
            match ty {
                0 => named(b"container", json),
                1 => raw(*tid, ev::CONTAINER_JSON_2_E, vec![(0, text(json.as_bytes()))]),
                _ => named(b"container_removed", json),
            }
        }
        Step::User { uid, name, container } => {
            let given = vec![
                (0, word(*uid)),
                (1, word(0)),
                (2, text(PROGRAMS[*name].as_bytes())),
                (3, text(b"/home")),
                (4, text(b"/bin/sh")),
                (5, text(CONTAINERS[*container].as_bytes())),
            ];
            raw(1, ev::USER_ADDED_E, given)
        }
        Step::SetUid { tid, uid } => raw(*tid, ev::SYSCALL_SETUID_X, vec![(0, number(0)), (1, word(*uid))]),
        Step::SetSid { tid } => raw(*tid, ev::SYSCALL_SETSID_X, vec![(0, number(*tid))]),
        Step::Chdir { tid, name } => raw(*tid, ev::SYSCALL_CHDIR_X, vec![(0, number(0)), (1, text(NAMES[*name]))]),
        Step::Rename { tid, name } => {
            raw(*tid, ev::SYSCALL_RENAME_X, vec![(0, number(0)), (1, text(NAMES[*name])), (2, text(b"/tmp/y"))])
        }
        Step::Poll { tid, fd } => {
            let list = [&1u16.to_le_bytes()[..], &number(*fd), &[1, 0]].concat();
            raw(*tid, ev::SYSCALL_POLL_X, vec![(0, number(1)), (1, list)])
        }
        Step::Any { tid, ty, params } => {
            let mut event = raw(*tid, *ty, Vec::new());
            for (param, (given, info)) in event.2.iter_mut().zip(params.iter().zip(EVENTS[usize::from(*ty)].params)) {
                *param = given.clone();
                if let Some(size) = info.ty.size().filter(|_| !given.is_empty()) {
                    param.resize(size, 0);
                }
            }
            event
        }
        Step::Crowd { tid, kind, first, count } => {
            out.extend((*first..first + count).map(|at| one_of_crowd(*tid, *kind, at)));
            return;
        }
    });
}

/// Event `at` of a crowd: files opened, files missing, connections, failed ones, programs, users.
fn one_of_crowd(tid: i64, kind: usize, at: u32) -> Raw {
    let call = ev::SYSCALL_OPENAT_2_X;
    match kind {
        0 => open(tid, 5, crowd_name(at).as_bytes(), if at.is_multiple_of(5) { 1 << 10 | 1 } else { 1 }, 0, call),
        1 => open(tid, -2, crowd_name(at).as_bytes(), 1, 0, call),
        2 | 3 => {
            let result = if kind == 2 { 0 } else { -111 };
            let from = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 5)), 30000 + (at * 13 % 20000) as u16);
            connect(tid, 4, result, from, (crowd_address(at).into(), (at % 900) as u16), ev::SOCKET_CONNECT_X)
        }
        4 => exec(tid, &crowd_program(at), &crowd_name(at), 0, at),
        _ => raw(tid, ev::SYSCALL_SETUID_X, vec![(0, number(0)), (1, word(5000 + at * 1000))]),
    }
}

/// The events of steps as a batch.
pub fn batch(steps: &[Step], first_ts: u64) -> EventBatch {
    let mut all = Vec::new();
    steps.iter().for_each(|step| events(step, &mut all));
    let mut batch = EventBatch::default();
    for (at, (tid, ty, params)) in all.into_iter().enumerate() {
        batch.ts.push(first_ts + at as u64 * 1000);
        batch.tid.push(tid);
        batch.ty.push(ty);
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(params.len() as u8);
        batch.offset.push(batch.data.len() as u32);
        let wide = EVENTS[usize::from(ty)].length_width() == 4;
        for param in &params {
            if wide {
                batch.data.extend((param.len() as u32).to_le_bytes());
            } else {
                batch.data.extend((param.len() as u16).to_le_bytes());
            }
        }
        params.iter().for_each(|param| batch.data.extend(param));
    }
    batch
}

fn bytes(value: &str) -> Text {
    Text::from(value.as_bytes())
}

/// Users, groups and interfaces of the host.
pub fn head() -> Head {
    let user = |uid: u32, name: &str| UserEntry {
        uid,
        gid: uid,
        name: bytes(name),
        home: bytes("/home"),
        shell: bytes("/bin/sh"),
    };
    let interface =
        |addr: IpAddr, mask: IpAddr| Interface { name: bytes("eth0"), addr, mask, broadcast: addr, linkspeed: None };
    let mask = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);
    Head {
        users: vec![user(0, "root"), user(1000, "alice")],
        groups: vec![GroupEntry { gid: 0, name: bytes("root") }],
        interfaces: vec![
            interface(ADDRESSES[5], Ipv4Addr::new(255, 255, 255, 0).into()),
            interface(ADDRESSES[9], mask.into()),
        ],
        ..Head::default()
    }
}

/// Descriptors of a process that was there before the capture.
pub fn listed_fds() -> Vec<FdEntry> {
    let entry = |fd: i64, kind: u8, detail: FdDetail| FdEntry { fd, ino: 1, kind, detail };
    vec![
        entry(0, 1, FdDetail::File { flags: 1, name: bytes("/dev/null"), dev: 0 }),
        entry(1, 2, FdDetail::Name(bytes("/var/lib"))),
        entry(2, 5, FdDetail::Server { ip: ADDRESSES[5], port: 443, l4proto: 2 }),
        entry(3, 8, FdDetail::Unix { source: 1, dest: 2, name: bytes("/run/docker.sock") }),
    ]
}
