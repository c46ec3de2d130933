//! What goes wrong: each has a clear message and the documented exit code.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::captures::{long, no_alert, two_alerts};
use crate::program::{Folder, Ran};

fn run(folder: &Folder, args: &[&str]) -> Ran {
    folder.run(&[&["run", "-r", "rules.yaml"][..], args].concat())
}

#[test]
fn what_comes_before_a_cut_is_evaluated() {
    let whole = long();
    let folder = Folder::with_capture(&whole[..whole.len() / 2 + 7]).file("b.scap", two_alerts());
    for threads in ["1", "2", "4"] {
        let ran = run(&folder, &["--threads", threads, "--with-origin", "a.scap", "b.scap"]);
        assert_eq!(ran.code, 2);
        let of = |name: &str| ran.lines().iter().filter(|line| line.starts_with(name)).count();
        assert_eq!((of("a.scap:"), of("b.scap:")), (600, 2), "with {threads} threads");
        assert!(ran.err.contains("falco-replay: a.scap: the capture ends within a block"), "{}", ran.err);
        assert!(ran.err.contains("(at byte ") && ran.err.contains("before the cut was read"), "{}", ran.err);
    }
}

#[test]
fn what_comes_before_damage_is_evaluated() {
    let mut capture = long();
    let middle = capture.len() / 2;
    capture[middle..middle + 200].fill(0xff);
    let folder = Folder::with_capture(&capture);
    for command in [&["run", "-r", "rules.yaml", "a.scap"][..], &["print", "a.scap"], &["info", "a.scap"]] {
        let ran = folder.run(command);
        assert!(ran.code == 2 && ran.err.contains("(at byte ") && !ran.out.is_empty(), "{command:?} {}", ran.err);
    }
}

#[test]
fn inputs_that_are_no_captures() {
    let folder = Folder::with_capture(&two_alerts())
        .file("empty.scap", "")
        .file("text.scap", "this is no capture at all, but long enough to be one")
        .file("folder/notes.txt", "");
    for (name, part) in [
        ("empty.scap", "empty.scap: the capture is empty"),
        ("text.scap", "text.scap: not a .scap capture"),
        ("missing.scap", "cannot open missing.scap: No such file"),
        ("missing*.scap", "nothing matches missing*.scap"),
        ("folder", "the folder folder holds no capture"),
    ] {
        for command in [&["run", "-q", "-r", "rules.yaml", name][..], &["print", name], &["info", name]] {
            let ran = folder.run(command);
            assert!(ran.code == 2 && ran.err.contains(part), "{command:?}: {part} is not in\n{}", ran.err);
        }
    }
}

#[test]
fn a_capture_that_fails_does_not_hide_the_others() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = run(&folder, &["missing.scap", "a.scap"]);
    assert_eq!((ran.code, ran.lines().len()), (2, 2));
    assert!(ran.err.contains("note: 1 capture could not be read"), "{}", ran.err);
}

#[test]
#[cfg(unix)]
fn unreadable_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::with_capture(&two_alerts()).file("locked.scap", no_alert()).file("locked.yaml", "");
    for name in ["locked.scap", "locked.yaml"] {
        std::fs::set_permissions(folder.path(name), PermissionsExt::from_mode(0o0)).unwrap();
    }
    if File::open(folder.path("locked.scap")).is_ok() {
        // The superuser reads everything.
        return;
    }
    let ran = run(&folder, &["locked.scap"]);
    assert!(ran.code == 2 && ran.err.contains("cannot open locked.scap: Permission denied"), "{}", ran.err);
    let ran = folder.run(&["run", "-r", "locked.yaml", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("cannot read locked.yaml"), "{}", ran.err);
}

#[test]
fn rules_that_do_not_load() {
    let folder = Folder::with_capture(&two_alerts())
        .file("binary.yaml", [0x7f, b'E', b'L', b'F', 0, 1, 2, 3])
        .file("wrong.yaml", "- rule: r\n  desc: d\n  condition: evt.type = opne\n  output: o\n  priority: INFO\n");
    for (args, part) in [
        (&["-r", "binary.yaml", "a.scap"][..], "binary.yaml is a binary file"),
        (&["-r", "wrong.yaml", "a.scap"], "the rules do not load: 1 error"),
        (&["-r", "missing.yaml", "a.scap"], "cannot read missing.yaml"),
        (&["-r", ".", "a.scap"], "the rules do not load"),
        (&["a.scap"], "no rules: name a rules file with -r"),
        (&["-r", "rules.yaml"], "no capture: name one"),
    ] {
        let ran = folder.run(&[&["run", "-q"][..], args].concat());
        let binary = part.starts_with("the rules do not load") && ran.err.contains("binary.yaml is a binary file");
        assert!(ran.code == 2 && (ran.err.contains(part) || binary), "{part} is not in\n{}", ran.err);
        assert_eq!(ran.out, "");
    }
    let ran = folder.run(&["run", "-q", "-r", "wrong.yaml", "a.scap"]);
    assert!(ran.err.contains("LOAD_ERR_COMPILE_CONDITION") && ran.err.contains("wrong.yaml:3"), "{}", ran.err);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = Folder::with_capture(&long());
    for (args, code) in [
        (&["run", "-r", "rules.yaml", "--threads", "1", "a.scap"][..], 1),
        (&["run", "-r", "rules.yaml", "--threads", "4", "a.scap"], 1),
        (&["print", "a.scap"], 0),
    ] {
        let mut child = folder.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let ended = Ran::of(child.wait_with_output().unwrap());
        assert_eq!((ended.code, ended.err.as_str()), (code, ""), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let folder = Folder::with_capture(&two_alerts());
    for args in [
        &["run", "-q", "-r", "rules.yaml", "--threads", "1", "a.scap"][..],
        &["run", "-q", "-r", "rules.yaml", "--threads", "4", "a.scap"],
        &["run", "-q", "-r", "rules.yaml", "--summary", "a.scap"],
        &["print", "a.scap"],
        &["info", "a.scap"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = Ran::of(folder.command(args).stdout(full).output().unwrap());
        let message = "falco-replay: cannot write to standard output: No space left on device";
        assert!(ran.code == 2 && ran.err.starts_with(message), "{args:?}: {}", ran.err);
    }
    let ran = run(&folder, &["-q", "--output-file", "/dev/full", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("cannot write to /dev/full: No space left"), "{}", ran.err);
    let ran = run(&folder, &["-q", "--output-file", "no/such/folder", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("cannot write to no/such/folder"), "{}", ran.err);
}

/// What was found until Ctrl-C or `kill` is printed, even where the input keeps the program waiting.
#[test]
#[cfg(unix)]
fn an_interrupt_ends_in_order() {
    use std::io::{BufRead as _, BufReader, Write as _};

    let folder = Folder::with_capture(&two_alerts());
    for (signal, threads) in [("-INT", "1"), ("-TERM", "1"), ("-INT", "2"), ("-INT", "4")] {
        let mut child = folder
            .command(&["run", "-r", "rules.yaml", "--threads", threads, "-", "a.scap"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Both pipes are short, so one side must not wait for the other.
        let mut input = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || {
            let _ = input.write_all(&long());
            input
        });
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Alerts arrive, so the program is at work. Its input stays open.
        let mut text = String::new();
        output.read_line(&mut text).unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        output.read_to_string(&mut text).unwrap();
        let ended = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains("standard input: interrupted"), "{}", ended.err);
        assert!(ended.err.contains(&format!("\n{} alert", grouped(text.lines().count()))), "{}", ended.err);
        drop(writing.join());
    }
}

fn grouped(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}
