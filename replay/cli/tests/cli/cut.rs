//! `convert` with conditions and times: a cut capture gives its events what the whole one gave them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::program::Folder;
use crate::scenes::{Act, CAT, CURL, SHELL, scene};

fn numbers(folder: &Folder, args: &[&str]) -> Vec<String> {
    folder
        .run(&[&["print", "-p", "%evt.num"][..], args].concat())
        .lines()
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

fn info(folder: &Folder, name: &str) -> Value {
    let ran = folder.run(&["info", "--output", "json", name]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str::<Value>(&ran.out).unwrap()[0].take()
}

fn convert(folder: &Folder, args: &[&str]) -> String {
    let ran = folder.run(&[&["convert"][..], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran.err
}

#[test]
fn what_nothing_needs_is_removed() {
    let acts = [
        (0, SHELL, Act::Open("/etc/hosts")),
        (1, CURL, Act::Open("/etc/passwd")),
        (2, -1, Act::Describe("web")),
        (3, CAT, Act::Open("/etc/shadow")),
        (4, CURL, Act::Connect([1, 2, 3, 4])),
        (5, CAT, Act::Unlink("/tmp/x")),
        (6, CURL, Act::Unlink("/tmp/y")),
        (7, SHELL, Act::Unlink("/tmp/z")),
    ];
    let folder = Folder::with_capture(&scene(&acts));
    let summary = convert(&folder, &["a.scap", "-o", "b.scap", "--filter", "proc.name = curl and evt.type = unlink"]);
    assert!(summary.contains("1 event") && summary.contains("that nothing needs"), "{summary}");
    let about = info(&folder, "b.scap");
    assert_eq!((&about["processes_at_start"], &about["events"]), (&1.into(), &1.into()));
    assert_eq!(about["containers"].as_array().unwrap().len(), 0);
    // The file that curl opened and its connection are part of what it was.
    let fields = "%proc.name %evt.args %proc.fdopencount";
    let of = |name: &str, filter: &[&str]| folder.run(&[&["print", "-p", fields, name][..], filter].concat()).out;
    assert_eq!(of("b.scap", &[]), of("a.scap", &["proc.name = curl and evt.type = unlink"]));
    // A container that an event is of stays, with what was known of it.
    convert(&folder, &["a.scap", "-o", "c.scap", "--filter", "evt.arg.path = /tmp/z"]);
    let fields = "%proc.name %container.id %container.name";
    assert_eq!(folder.run(&["print", "-p", fields, "c.scap"]).out, "sh 6c270ef2f251 web\n");
}

#[test]
fn events_that_change_what_others_see_stay_hidden() {
    let acts = [
        (0, CAT, Act::Unlink("/tmp/0")),
        (1, CAT, Act::Open("/etc/shadow")),
        (2, CURL, Act::Open("/etc/passwd")),
        (3, CAT, Act::Unlink("/tmp/1")),
    ];
    let folder = Folder::with_capture(&scene(&acts));
    for name in ["b.scap", "b.fcap"] {
        let summary = convert(&folder, &["a.scap", "-o", name, "--filter", "proc.name = cat and evt.type = unlink"]);
        assert!(summary.contains("2 events and 1 that only changes state"), "{summary}");
        let ran = folder.run(&["print", "-p", "%evt.type %proc.fdopencount", name]);
        assert_eq!(ran.lines(), ["unlink 0", "unlink 1"], "{name}");
        let ran = folder.run(&["run", "-q", "-r", "rules.yaml", name]);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "no rule sees the open");
    }
    // The numbers of the whole capture, but where the form has none.
    assert_eq!(numbers(&folder, &["b.fcap"]), ["1", "4"]);
    assert_eq!(numbers(&folder, &["b.scap"]), ["1", "3"]);
    // Cut once more.
    convert(&folder, &["b.fcap", "-o", "c.fcap", "--filter", "evt.arg.path = /tmp/1"]);
    assert_eq!(numbers(&folder, &["c.fcap"]), ["4"]);
    assert_eq!(folder.run(&["print", "-p", "%proc.fdopencount", "c.fcap"]).out, "1\n");
}

#[test]
fn a_span_of_time() {
    let acts: Vec<_> = (0..100).map(|at| (at, CAT, Act::Unlink("/tmp/x"))).collect();
    let folder = Folder::with_capture(&scene(&acts));
    for name in ["b.scap", "b.fcap"] {
        convert(
            &folder,
            &["a.scap", "-o", name, "--from", "2026-05-01T12:00:00.020Z", "--to", "2026-05-01T12:00:00.030Z"],
        );
        let expected = if name == "b.scap" { (1..=10).collect::<Vec<u32>>() } else { (21..=30).collect() };
        assert!(numbers(&folder, &[name]).iter().map(|number| number.parse::<u32>().unwrap()).eq(expected), "{name}");
    }
}

fn captures() -> Vec<PathBuf> {
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/oracle");
    if !oracle.is_dir() {
        eprintln!("SKIPPED, NOT TESTED: no captures at {}", oracle.display());
        return Vec::new();
    }
    // Containers, an old recorder's, lost events, ids that are given again, many users.
    let guest =
        ["c-styles", "c-start-many", "h-namespaces", "n-ssh-session", "v-execs-k510v1", "v-lost-clone", "v-users"];
    // Of older schemas: enter and exit events, context switches, events about processors.
    let foreign = ["falco-connect_localhost", "libs-curl_google", "libs-sample", "sysdig_inspect-502_error"];
    let guest = guest.map(|name| oracle.join("guest").join(name).join("capture.scap"));
    let foreign = foreign.map(|name| oracle.join("foreign").join(format!("{name}.scap")));
    guest.into_iter().chain(foreign).collect()
}

/// Fields that every form can tell.
const FIELDS: &str = "%evt.rawtime %evt.cpu %evt.type %evt.args %thread.tid %proc.name %proc.exepath %proc.cmdline \
                      %proc.aname %proc.acmdline %proc.sname %proc.vpgid.name %proc.pgid.name %proc.env %fd.name %fd.type \
                      %fd.num %fd.l4proto %container.id %container.name %container.image %container.labels %k8s.pod.name \
                      %user.name %user.uid %group.name %user.loginname %proc.nthreads %proc.vmsize %proc.vmrss \
                      %thread.cap_effective %proc.fdlimit %proc.tty %proc.vpid %thread.vtid %proc.ppid \
                      %proc.is_exe_writable %fs.path.name %evt.abspath %fd.lip %proc.stdin.name %proc.stdout.type";
/// Fields that lists cannot tell of the time before.
const EXACT: &str = " %proc.cwd %evt.num %evt.reltime %proc.duration %proc.ppid.duration %container.duration %fd.cip %fd.sip \
                     %fd.nameraw %fd.connected %fd.dev %fd.types %proc.exe_ino.ctime_duration_proc_start %proc.pid.ts \
                     %proc.nchilds %proc.fdopencount %thread.vmsize %fdlist.names";

const FILTERS: [&str; 6] = [
    "proc.name in (bash, sh, curl, ls, sshd)",
    "evt.type in (execve, clone, connect, accept4)",
    "fd.name startswith /etc",
    "container.id != host",
    "proc.aname = sshd or user.name != root",
    "evt.type = close or proc.pid > 1000",
];

#[test]
fn real_captures_cut_by_conditions() {
    let folder = Folder::new();
    let path = |name: &str| folder.path(name).display().to_string();
    for (at, capture) in captures().into_iter().enumerate() {
        let capture = capture.to_str().unwrap();
        convert(&folder, &["-q", "--force", capture, "-o", "whole.fcap"]);
        // Each capture by half of the conditions: it takes its time.
        for filter in FILTERS.into_iter().skip(at % 2).step_by(2) {
            let exact = [FIELDS, EXACT].concat();
            let whole = print(&folder, &[&exact, capture, filter]);
            let plain = print(&folder, &[FIELDS, capture, filter]);
            if whole.is_empty() {
                continue;
            }
            for (input, output, fields, expected) in [
                (capture, "cut.fcap", exact.as_str(), &whole),
                (&path("whole.fcap"), "cut2.fcap", &exact, &whole),
                (capture, "cut.scap", FIELDS, &plain),
            ] {
                convert(&folder, &["-q", "--force", input, "-o", output, "--filter", filter]);
                let cut = print(&folder, &[fields, output]);
                assert_same(expected, &cut, &format!("{capture} to {output} by {filter}"));
            }
            // What was cut can be worked out again.
            let ran = folder.run(&["reindex", "-q", "--force", "cut.fcap", "-o", "again.fcap"]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert_same(&whole, &print(&folder, &[&exact, "again.fcap"]), &format!("{capture} again"));
        }
    }
}

/// What is printed of a capture, whose texts need not be UTF-8.
fn print(folder: &Folder, args: &[&str]) -> String {
    let output = folder.command(&[&["print", "-p"][..], args].concat()).output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{args:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_same(expected: &str, found: &str, about: &str) {
    for (expected, found) in expected.lines().zip(found.lines()) {
        assert_eq!(expected, found, "{about}");
    }
    assert_eq!(expected.lines().count(), found.lines().count(), "{about}");
}

#[test]
fn parts_of_real_captures() {
    let folder = Folder::new();
    for capture in captures() {
        let capture = capture.to_str().unwrap();
        let exact = [FIELDS, EXACT].concat();
        convert(&folder, &["-q", "--force", capture, "-o", "p.fcap", "--split-size", "300K"]);
        let mut parts: Vec<String> = fs::read_dir(folder.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        parts.sort();
        let print = |name: &str| print(&folder, &[&exact, name]);
        let all: String = parts.iter().map(|part| print(part)).collect();
        assert_same(&print(capture), &all, capture);
        // Worked out again from the snapshot of each part alone.
        for part in &parts {
            let ran = folder.run(&["reindex", "-q", part, "-o", "again.fcap", "--force"]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert_same(&print(part), &print("again.fcap"), part);
            fs::remove_file(folder.path(part)).unwrap();
        }
        fs::remove_file(folder.path("again.fcap")).unwrap();
    }
}
