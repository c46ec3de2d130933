//! Captures made in memory, never recorded on the machine that runs the tests.

use std::io::Write;

use falco_replay_format::lists::{Head, Machine, ThreadEntry, UserEntry};
use falco_replay_format::scap::{Output, Writer};
use falco_replay_format::schema::ev;

/// Time of the first event: 2026-05-01T12:00:00Z. The others follow a millisecond after each other.
pub const START: u64 = 1_777_636_800_000_000_000;
/// Between two events.
pub const STEP: u64 = 1_000_000;

/// What a test needs of an event.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// `openat` of this path gave descriptor 5.
    Open(&'static str),
    /// `close` of descriptor 5.
    Close,
    /// The recorder says that it dropped events.
    Drop,
}

/// A capture of the host `node-test`, on which the only process, `cat` (pid 100), does what `events` say.
pub fn capture(events: impl IntoIterator<Item = Event>) -> Vec<u8> {
    write(Vec::new(), events)
}

/// The same, compressed.
pub fn gzip(events: impl IntoIterator<Item = Event>) -> Vec<u8> {
    write(Output::gzip(Vec::new()), events).finish().unwrap()
}

/// Two alerts with [`RULES`](crate::program::RULES): events 1 and 3 of four.
pub fn two_alerts() -> Vec<u8> {
    capture([Event::Open("/etc/shadow"), Event::Close, Event::Open("/tmp/x"), Event::Close])
}

/// No alert.
pub fn no_alert() -> Vec<u8> {
    capture([Event::Close])
}

/// So many events that they fill several blocks; every 50th is an alert.
pub fn long() -> Vec<u8> {
    capture((0..60_000).map(|at| match at % 50 {
        0 => Event::Open(if at % 100 == 0 { "/etc/shadow" } else { "/tmp/x" }),
        _ => Event::Close,
    }))
}

fn write<W: Write>(output: W, events: impl IntoIterator<Item = Event>) -> W {
    let mut writer = Writer::new(output, &head()).unwrap();
    for (at, event) in (0..).zip(events) {
        let ts = START + at * STEP;
        match event {
            Event::Open(path) => {
                let (fd, dirfd, zero) = (5i64.to_le_bytes(), (-100i64).to_le_bytes(), 0u32.to_le_bytes());
                let (path, read_only) = ([path.as_bytes(), b"\0"].concat(), 1u32.to_le_bytes());
                let params = [&fd[..], &dirfd, &path, &read_only, &zero, &zero, &[0; 8]];
                writer.event(ts, 100, ev::SYSCALL_OPENAT_2_X, 0, 0, params).unwrap();
            }
            Event::Close => {
                let (zero, fd) = (0i64.to_le_bytes(), 5i64.to_le_bytes());
                writer.event(ts, 100, ev::SYSCALL_CLOSE_X, 1, 0, [&zero[..], &fd]).unwrap();
            }
            Event::Drop => writer.event(ts, -1, ev::DROP_E, 0, 0, [&1u32.to_le_bytes()[..]]).unwrap(),
        }
    }
    writer.finish().unwrap()
}

/// What the captures say before their events.
pub fn head() -> Head {
    Head {
        machine: Some(Machine {
            cpus: 4,
            memory: 8 << 30,
            max_pid: 32_768,
            hostname: b"node-test"[..].into(),
            boot_time: START - 3_600_000_000_000,
            flags: [0; 3],
        }),
        threads: vec![cat()],
        users: vec![UserEntry {
            uid: 0,
            gid: 0,
            name: b"root"[..].into(),
            home: b"/root"[..].into(),
            shell: b"/bin/sh"[..].into(),
        }],
        ..Head::default()
    }
}

/// Their only process.
pub fn cat() -> ThreadEntry {
    let none = || b""[..].into();
    ThreadEntry {
        tid: 100,
        pid: 100,
        ptid: 1,
        sid: 100,
        vpgid: 100,
        pgid: 100,
        comm: b"cat"[..].into(),
        exe: b"cat"[..].into(),
        exepath: b"/usr/bin/cat"[..].into(),
        args: none(),
        cwd: b"/"[..].into(),
        fdlimit: 1024,
        flags: 0,
        uid: 0,
        gid: 0,
        vmsize_kb: 0,
        vmrss_kb: 0,
        vmswap_kb: 0,
        pfmajor: 0,
        pfminor: 0,
        env: none(),
        vtid: 100,
        vpid: 100,
        cgroups: none(),
        root: b"/"[..].into(),
        pidns_init_start_ts: 0,
        tty: 0,
        loginuid: 0,
        exe_writable: false,
        exe_upper_layer: false,
        exe_lower_layer: false,
        exe_from_memfd: false,
        cap_inheritable: 0,
        cap_permitted: 0,
        cap_effective: 0,
        exe_ino: 0,
        exe_ino_ctime: 0,
        exe_ino_mtime: 0,
    }
}
