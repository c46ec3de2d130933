//! `merge`: captures of one host in the order of time.

use falco_replay_format::lists::{Head, Machine, ThreadEntry};
use falco_replay_format::scap::Writer;
use falco_replay_format::schema::ev;

use crate::captures::{START, cat, head};
use crate::program::Folder;

const SECOND: u64 = 1_000_000_000;

/// A capture in which thread `tid`, named `name`, removes a file at each of `seconds`.
fn removals(tid: i64, name: &str, host: &str, boot: u64, seconds: &[u64]) -> Vec<u8> {
    let thread = ThreadEntry { tid, pid: tid, vtid: tid, vpid: tid, comm: name.as_bytes().into(), ..cat() };
    let machine =
        head().machine.map(|machine| Machine { hostname: host.as_bytes().into(), boot_time: boot, ..machine });
    let head = Head { machine, threads: vec![thread], ..head() };
    let mut writer = Writer::new(Vec::new(), &head).unwrap();
    for second in seconds {
        let path = format!("/tmp/{second}\0");
        let params = [&[0; 8][..], path.as_bytes()];
        writer.event(START + second * SECOND, tid, ev::SYSCALL_UNLINK_2_X, 0, 0, params).unwrap();
    }
    writer.finish().unwrap()
}

fn merged(folder: &Folder, args: &[&str]) -> String {
    for name in ["m.scap", "m.fcap"] {
        let ran = folder.run(&[&["merge", "--force", "-o", name][..], args].concat());
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    let print = |name: &str| folder.run(&["print", "-p", "%evt.num %proc.name %evt.arg.path", name]).out;
    assert_eq!(print("m.scap"), print("m.fcap"));
    print("m.scap")
}

#[test]
fn captures_that_overlap() {
    let folder = Folder::new()
        .file("a.scap", removals(10, "one", "host", 1, &[0, 3, 6, 6]))
        .file("b.scap", removals(20, "two", "host", 1, &[1, 2, 6, 9]));
    let expected = [
        "1 one /tmp/0",
        "2 two /tmp/1",
        "3 two /tmp/2",
        "4 one /tmp/3",
        "5 one /tmp/6",
        "6 one /tmp/6",
        "7 two /tmp/6",
        "8 two /tmp/9",
    ];
    assert_eq!(merged(&folder, &["a.scap", "b.scap"]).lines().collect::<Vec<_>>(), expected);
    // At equal times the capture that was named first comes first.
    let other = merged(&folder, &["b.scap", "a.scap"]);
    assert_eq!(other.lines().nth(4), Some("5 two /tmp/6"));
}

#[test]
fn captures_that_follow_each_other_in_any_order() {
    let folder = Folder::new()
        .file("c.scap", removals(10, "third", "host", 1, &[20, 21]))
        .file("a.scap", removals(10, "first", "host", 1, &[0, 1]))
        .file("b.scap", removals(10, "second", "host", 1, &[10, 11]));
    let names: Vec<String> = merged(&folder, &["c.scap", "a.scap", "b.scap"])
        .lines()
        .map(|line| line.split(' ').nth(1).unwrap().to_owned())
        .collect();
    assert_eq!(names, ["first", "first", "second", "second", "third", "third"]);
    // Parts of a capture become it again.
    let ran = folder.run(&["convert", "-q", "m.fcap", "-o", "p.fcap", "--split-time", "5s"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let again = merged(&folder, &["p-0002.fcap", "p-0003.fcap", "p-0001.fcap"]);
    assert_eq!(again.lines().count(), 6);
    assert!(again.starts_with("1 first /tmp/0\n") && again.ends_with("6 third /tmp/21\n"), "{again}");
}

#[test]
fn events_of_a_capture_stay_in_their_order() {
    let folder = Folder::new()
        .file("a.scap", removals(10, "one", "host", 1, &[5, 4, 8]))
        .file("b.scap", removals(20, "two", "host", 1, &[3, 7]));
    let expected = ["1 two /tmp/3", "2 one /tmp/5", "3 one /tmp/4", "4 two /tmp/7", "5 one /tmp/8"];
    assert_eq!(merged(&folder, &["a.scap", "b.scap"]).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn other_hosts_are_refused() {
    let day = 86_400 * SECOND;
    let folder = Folder::new()
        .file("a.scap", removals(10, "one", "alpha", day, &[0, 10]))
        .file("b.scap", removals(20, "two", "beta", day, &[1, 11]))
        .file("c.scap", removals(20, "two", "alpha", 2 * day, &[1, 11]))
        .file("d.scap", removals(20, "two", "alpha", 2 * day, &[20, 21]));
    let refused = |names: [&str; 2], part: &str| {
        let ran = folder.run(&["merge", names[0], names[1], "-o", "m.scap"]);
        assert!(ran.code == 2 && ran.err.contains(part) && ran.err.contains("--force"), "{part} is not in {}", ran.err);
        assert!(!folder.path("m.scap").exists());
    };
    refused(["a.scap", "b.scap"], "a.scap is of the host alpha, b.scap of beta");
    refused(["a.scap", "c.scap"], "booted 86400 s apart");
    // After a new start of the host its captures still follow the old ones.
    let ran = folder.run(&["merge", "-q", "a.scap", "d.scap", "-o", "m.scap"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(merged(&folder, &["a.scap", "b.scap"]).lines().count(), 4);
}

#[test]
fn what_cannot_be_read_twice() {
    let folder = Folder::new().file("a.scap", removals(10, "one", "host", 1, &[0]));
    let ran = folder.run(&["merge", "a.scap", "-", "-o", "m.scap"]);
    assert!(ran.code == 2 && ran.err.contains("only files allow"), "{}", ran.err);
    let ran = folder.run(&["merge", "a.scap", "missing.scap", "-o", "m.scap"]);
    assert!(ran.code == 2 && ran.err.contains("cannot open missing.scap"), "{}", ran.err);
    let ran = folder.run(&["merge", "a.scap", "-o", "a.scap", "--force"]);
    assert!(ran.code == 2 && ran.err.contains("same file"), "{}", ran.err);
}
