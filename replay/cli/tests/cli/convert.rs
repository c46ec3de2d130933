//! `convert` and `reindex`: forms, refusals, parts, what is left when something goes wrong.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use falco_replay_format::scap::Writer;
use falco_replay_format::schema::ev;

use crate::captures::{Event, START, STEP, capture, head, long, two_alerts};
use crate::program::{Folder, Ran};

/// What shows whether two captures hold the same.
const ALL: &str = "%evt.num %evt.rawtime %evt.cpu %thread.tid %evt.type %evt.args %proc.name %proc.exepath %proc.aname \
                   %fd.name %fd.num %user.name %evt.reltime";

fn printed(folder: &Folder, name: &str) -> String {
    let ran = folder.run(&["print", "-p", ALL, name]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
    ran.out
}

/// Names of the files of a folder, hidden ones too.
fn files(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fine(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.err);
}

#[test]
fn every_form_holds_the_same() {
    let folder = Folder::with_capture(&long());
    for name in ["b.scap", "b.scap.gz", "b.scap.zst", "b.fcap"] {
        let ran = folder.run(&["convert", "a.scap", "-o", name]);
        fine(&ran);
        assert!(ran.err.contains("60,000 events") && ran.err.contains(name), "{}", ran.err);
        assert!(printed(&folder, name) == printed(&folder, "a.scap"), "{name}");
        fine(&folder.run(&["convert", "-q", name, "-o", "back.scap", "--force"]));
        assert_eq!(fs::read(folder.path("back.scap")).unwrap(), fs::read(folder.path("b.scap")).unwrap(), "{name}");
    }
    let size = |name: &str| fs::metadata(folder.path(name)).unwrap().len();
    assert!(size("b.fcap") * 10 < size("b.scap.gz") * 9, "{} {}", size("b.fcap"), size("b.scap.gz"));
}

#[test]
fn the_same_bytes_every_time() {
    let folder = Folder::with_capture(&long());
    for ending in ["scap.gz", "scap.zst", "fcap"] {
        let outputs = ["1", "2", "4", "4"].map(|threads| {
            let name = format!("b.{ending}");
            fine(&folder.run(&["convert", "-q", "a.scap", "-o", &name, "--threads", threads, "--force"]));
            fs::read(folder.path(&name)).unwrap()
        });
        assert!(outputs.iter().all(|output| *output == outputs[0]), "{ending}");
    }
    fine(&folder.run(&["reindex", "-q", "b.fcap", "-o", "c.fcap"]));
    assert!(fs::read(folder.path("b.fcap")).unwrap() == fs::read(folder.path("c.fcap")).unwrap());
}

#[test]
fn what_is_refused() {
    let folder = Folder::with_capture(&two_alerts()).file("there.scap", "kept");
    fs::create_dir(folder.path("d.fcap")).unwrap();
    let before = files(&folder);
    for (args, part) in [
        (&["a.scap", "-o", "there.scap"][..], "there.scap exists already; --force replaces it"),
        (&["a.scap", "-o", "a.scap", "--force"], "both are the same file"),
        (&["a.scap", "-o", "./a.scap", "--force"], "both are the same file"),
        (&["a.scap", "-o", "d.fcap", "--force"], "it is a folder"),
        (&["a.scap", "-o", "no/such/b.scap"], "there is no folder no/such"),
        (&["a.scap", "-o", "b.pcap"], "it ends in .scap, .scap.gz, .scap.zst or .fcap"),
        (&["a.scap", "-o", "b.scap", "--level", "3"], "a .scap is not compressed"),
        (&["a.scap", "-o", "b.scap.gz", "--level", "10"], "from 1 to 9"),
        (&["a.scap", "-o", "b.scap", "--filter", "evt.nonsense = 1"], "--filter does not compile"),
        (&["a.scap", "-o", "b.scap", "--from", "2", "--to", "1"], "the wrong way round"),
        (&["a.scap", "-o", "b.scap", "--redact", "proc.nonsense"], "there is no such field"),
        (&["a.scap", "-o", "b.scap", "--redact", "proc.args", "--redact-key", "rules.nowhere"], "cannot read the key"),
        (&["missing.scap", "-o", "b.scap"], "cannot open missing.scap"),
        (&["there.scap", "-o", "b.scap"], "there.scap: "),
    ] {
        let ran = folder.run(&[&["convert"], args].concat());
        assert!(ran.code == 2 && ran.err.contains(part), "{args:?}: {part} is not in\n{}", ran.err);
        assert_eq!(files(&folder), before, "{args:?}");
    }
    assert_eq!(fs::read(folder.path("there.scap")).unwrap(), b"kept");
    let ran = folder.run(&["reindex", "a.scap", "-o", "b.scap"]);
    assert!(ran.code == 2 && ran.err.contains("only an .fcap has contexts"), "{}", ran.err);
    fine(&folder.run(&["convert", "-q", "a.scap", "-o", "there.scap", "--force"]));
    assert_eq!(printed(&folder, "there.scap"), printed(&folder, "a.scap"));
}

#[test]
fn quiet_says_nothing() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = folder.run(&["convert", "-q", "a.scap", "-o", "b.fcap"]);
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (0, "", ""));
}

#[test]
fn nothing_left_to_write_is_no_capture() {
    let folder = Folder::with_capture(&two_alerts());
    for name in ["b.scap", "b.fcap"] {
        let ran = folder.run(&["convert", "a.scap", "-o", name, "--filter", "evt.type = execve"]);
        assert!(ran.code == 2 && ran.err.contains("no event is left to be written"), "{}", ran.err);
        assert!(!folder.path(name).exists());
    }
}

#[test]
fn what_comes_before_damage_is_converted() {
    let whole = long();
    let folder = Folder::with_capture(&whole[..whole.len() / 2 + 7]);
    for name in ["b.scap.gz", "b.fcap"] {
        let ran = folder.run(&["convert", "a.scap", "-o", name]);
        assert!(ran.code == 2 && ran.err.contains("the capture ends within a block"), "{}", ran.err);
        let before = folder.run(&["print", "-p", ALL, "a.scap"]);
        let after = folder.run(&["print", "-p", ALL, name]);
        assert!(before.lines().len() > 20_000 && after.out == before.out, "{name}");
        // An .fcap says that it is not all.
        assert_eq!(after.code, if name == "b.fcap" { 2 } else { 0 });
    }
    // An .fcap that was not closed: what is whole of it.
    let stored = fs::read(folder.path("b.fcap")).unwrap();
    let folder = folder.file("torn.fcap", &stored[..stored.len() - 200]);
    let ran = folder.run(&["convert", "torn.fcap", "-o", "c.fcap"]);
    assert!(ran.code == 2 && ran.err.contains("torn.fcap: it was not closed"), "{}", ran.err);
    assert!(folder.run(&["print", "-p", ALL, "c.fcap"]).out == folder.run(&["print", "-p", ALL, "b.fcap"]).out);
    assert!(files(&folder).iter().all(|name| !name.ends_with(".tmp")));
}

#[test]
fn several_captures_one_after_the_other() {
    let folder = Folder::with_capture(&two_alerts()).file("b.scap", capture([Event::Open("/tmp/y"), Event::Close]));
    for name in ["c.scap", "c.fcap"] {
        fine(&folder.run(&["convert", "-q", "a.scap", "b.scap", "-o", name]));
        let ran = folder.run(&["print", "-p", "%evt.num %fd.name", name]);
        assert_eq!(
            ran.lines(),
            ["1 /etc/shadow", "2 /etc/shadow", "3 /tmp/x", "4 /tmp/x", "5 /tmp/y", "6 /tmp/y"],
            "{name}"
        );
    }
    fine(&folder.run(&["convert", "-q", "c.fcap", "a.scap", "-o", "d.fcap"]));
    let ran = folder.run(&["print", "-p", "%evt.num", "d.fcap"]);
    assert_eq!(ran.lines(), (1..=10).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn standard_input_can_be_cut() {
    let folder = Folder::new();
    let args = ["convert", "-q", "-", "-o", "b.fcap", "--filter", "fd.name = /tmp/x"];
    fine(&folder.run_with_input(&args, &two_alerts()));
    let ran = folder.run(&["print", "-p", "%evt.num %evt.type", "b.fcap"]);
    assert_eq!(ran.lines(), ["3 openat", "4 close"]);
    assert_eq!(files(&folder), ["b.fcap"]);
    fine(&folder.run_with_input(&["convert", "-q", "-", "-o", "c.scap"], &two_alerts()));
    assert_eq!(folder.run(&["print", "c.scap"]).lines().len(), 4);
}

#[test]
fn parts_stand_alone_and_make_the_whole() {
    let folder = Folder::with_capture(&long());
    let time = ["--split-time", "10s"];
    for (ending, args) in
        [("scap", time), ("fcap", time), ("scap.gz", ["--split-size", "600K"]), ("fcap", ["--split-size", "600K"])]
    {
        let name = format!("p.{ending}");
        let convert = [&["convert", "a.scap", "-o", &name][..], &args].concat();
        let ran = folder.run(&convert);
        fine(&ran);
        let parts: Vec<_> = files(&folder).into_iter().filter(|name| name.starts_with("p-")).collect();
        assert!(parts.len() >= 5 && parts[0] == format!("p-0001.{ending}"), "{parts:?}");
        assert!(ran.err.contains(&parts[0]) && ran.err.contains(parts.last().unwrap()), "{}", ran.err);
        let format = "%evt.rawtime %evt.type %fd.name %proc.name %proc.exepath %user.name";
        let of = |names: &[&str]| folder.run(&[&["print", "-p", format][..], names].concat()).out;
        let all: Vec<&str> = parts.iter().map(String::as_str).collect();
        assert!(of(&all) == of(&["a.scap"]), "{ending}");
        if ending == "fcap" {
            let numbers = folder.run(&[&["print", "-p", "%evt.num"][..], &all].concat()).out;
            assert!(numbers.lines().map(|line| line.parse::<u32>().unwrap()).eq(1..=60_000));
        }
        // Once more: the parts are in the way.
        let ran = folder.run(&convert);
        assert!(ran.code == 2 && ran.err.contains("exists already"), "{}", ran.err);
        fine(&folder.run(&[&convert[..], &["--force"]].concat()));
        parts.iter().for_each(|part| fs::remove_file(folder.path(part)).unwrap());
    }
}

#[test]
fn data_buffers_are_cut_and_nothing_else() {
    let mut writer = Writer::new(Vec::new(), &head()).unwrap();
    let (size, fd) = (100u32.to_le_bytes(), 5i64.to_le_bytes());
    let path = [&b"/"[..], &[b'p'; 100], b"\0"].concat();
    writer.event(START, 100, ev::SYSCALL_READ_X, 0, 0, [&100i64.to_le_bytes()[..], &[b'd'; 100], &fd, &size]).unwrap();
    writer.event(START + STEP, 100, ev::SYSCALL_UNLINK_2_X, 0, 0, [&[0; 8][..], &path]).unwrap();
    let folder = Folder::with_capture(&writer.finish().unwrap());
    for name in ["b.scap", "b.fcap"] {
        let ran = folder.run(&["convert", "a.scap", "-o", name, "--snaplen", "7"]);
        fine(&ran);
        assert!(ran.err.contains("93 bytes of data buffers beyond --snaplen"), "{}", ran.err);
        let ran = folder.run(&["print", "-p", "%evt.arg.data %evt.rawres %evt.arg.path", name]);
        assert_eq!(ran.lines(), ["ddddddd 100 <NA>", &format!("<NA> 0 /{}", "p".repeat(100))], "{name}");
    }
}

/// Neither a file that looks whole nor the one that was being written is left when writing fails.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_nothing() {
    let folder = Folder::with_capture(&long());
    let before = files(&folder);
    for name in ["b.scap", "b.scap.gz", "b.fcap"] {
        for threads in ["1", "3"] {
            // A limit on the size of files fails as a full disk does.
            let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" convert -q a.scap -o \"$1\" --threads \"$2\"";
            let program = env!("CARGO_BIN_EXE_falco-replay");
            let mut command = Command::new("sh");
            command.args(["-c", script, program, name, threads]).current_dir(folder.path(""));
            let ran = Ran::of(command.output().unwrap());
            let message = format!("cannot write {name}: ");
            assert!(ran.code == 2 && ran.err.contains(&message), "{name} {threads}: {}", ran.err);
            assert_eq!(files(&folder), before, "{name} {threads}");
        }
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_leaves_nothing() {
    use std::io::Write as _;

    let folder = Folder::new();
    for (name, filter) in [("b.scap.gz", None), ("b.fcap", None), ("b.fcap", Some("evt.type = close"))] {
        let mut args = vec!["convert", "-", "-o", name];
        args.extend(filter.iter().flat_map(|filter| ["--filter", filter]));
        let mut child = folder.command(&args).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || {
            let _ = input.write_all(&capture((0..200_000).map(|_| Event::Close)));
            input
        });
        let start = Instant::now();
        while files(&folder).is_empty() {
            assert!(start.elapsed() < Duration::from_secs(60), "{name}: nothing is written");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(files(&folder).iter().all(|file| file != name));
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let ended = Ran::of(child.wait_with_output().unwrap());
        assert!(ended.code == 2 && ended.err.contains("interrupted"), "{}", ended.err);
        drop(writing.join());
        assert_eq!(files(&folder), [""; 0], "{name}");
    }
}
