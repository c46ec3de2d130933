//! What goes wrong: each has a clear message and the documented exit code.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::captures::{long, no_alert, two_alerts};
use crate::program::{Folder, PROGRAM, Ran};

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
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65534;

    let folder = Folder::with_capture(&two_alerts()).file("locked.scap", no_alert()).file("locked.yaml", "");
    let allow =
        |name: &str, mode| std::fs::set_permissions(folder.path(name), PermissionsExt::from_mode(mode)).unwrap();
    for (name, mode) in [(".", 0o755), ("a.scap", 0o644), ("rules.yaml", 0o644), ("locked.scap", 0), ("locked.yaml", 0)]
    {
        allow(name, mode);
    }
    // The superuser reads everything, so another user must try; one who may not see where the program was built.
    let superuser = File::open(folder.path("locked.scap")).is_ok();
    if superuser {
        // By `cp`: a file that this process had open for writing could not be run.
        assert!(folder.command_of("cp", &[PROGRAM, "program"]).status().unwrap().success());
        allow("program", 0o755);
    }
    let run = |args: &[&str]| {
        let mut command =
            if superuser { folder.command_of(folder.path("program"), args) } else { folder.command(args) };
        if superuser {
            command.uid(NOBODY).gid(NOBODY);
        }
        Ran::of(command.output().unwrap())
    };
    let ran = run(&["run", "-r", "rules.yaml", "locked.scap", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("cannot open locked.scap: Permission denied"), "{}", ran.err);
    assert_eq!(ran.lines().len(), 2, "{}", ran.out);
    let ran = run(&["run", "-r", "locked.yaml", "a.scap"]);
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
        (&["hunt", "evt.type = openat", "a.scap"], 1),
        (&["print", "a.scap"], 0),
        (&["print", "--order", "time", "a.scap"], 0),
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
        &["hunt", "-q", "evt.type = openat", "a.scap"],
        &["hunt", "-q", "--count", "evt.type = openat", "a.scap"],
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

/// The program at work on standard input and on `a.scap`, which comes after that.
#[cfg(unix)]
struct AtWork {
    child: Child,
    /// What it printed so far.
    text: String,
    output: BufReader<ChildStdout>,
    /// What holds its input open.
    _input: JoinHandle<Option<ChildStdin>>,
    /// Gone when the test is over.
    _over: mpsc::Sender<()>,
}

#[cfg(unix)]
impl AtWork {
    /// Starts it. `ints`: what it inherits for Ctrl-C, `default` or `ignore`; for the tests themselves a shell may have
    /// it ignored. `waiting`: its input never ends.
    fn new(folder: &Folder, ints: &str, threads: &str, waiting: bool) -> AtWork {
        let inherits = format!("--{ints}-signal=INT");
        let args = [&inherits, PROGRAM, "run", "-r", "rules.yaml", "--threads", threads, "-", "a.scap"];
        let mut command = folder.command_of("env", &args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let (over, is_over) = mpsc::channel();
        std::thread::spawn(move || {
            // A program that does not end lets the test fail, not wait.
            if is_over.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                signal("-KILL", id);
            }
        });
        // Both pipes are short, so writing must not wait for reading.
        let mut input = child.stdin.take().unwrap();
        let input = std::thread::spawn(move || {
            let _ = input.write_all(&long());
            waiting.then_some(input)
        });
        let mut output = BufReader::new(child.stdout.take().unwrap());
        // Alerts arrive, so the program is at work.
        let mut text = String::new();
        output.read_line(&mut text).unwrap();
        AtWork { child, text, output, _input: input, _over: over }
    }

    fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    /// Waits for its end.
    fn end(mut self) -> Ran {
        self.output.read_to_string(&mut self.text).unwrap();
        let mut ended = self.child.wait_with_output().unwrap();
        assert!(ended.status.code().is_some(), "it did not end within {LIMIT:?}");
        ended.stdout = self.text.into_bytes();
        Ran::of(ended)
    }
}

#[cfg(unix)]
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(unix)]
fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// What was found until Ctrl-C or `kill` is printed, even where the input keeps the program waiting.
#[test]
#[cfg(unix)]
fn an_interrupt_ends_in_order() {
    let folder = Folder::with_capture(&two_alerts());
    for (signal, threads) in [("-INT", "1"), ("-TERM", "1"), ("-INT", "2"), ("-INT", "4")] {
        let at_work = AtWork::new(&folder, "default", threads, true);
        at_work.signal(signal);
        let ended = at_work.end();
        assert_eq!(ended.code, 2, "{}", ended.err);
        assert!(ended.err.contains("standard input: interrupted"), "{}", ended.err);
        assert!(ended.err.contains(&format!("\n{} alert", grouped(ended.lines().len()))), "{}", ended.err);
    }
}

/// In the background of a script Ctrl-C is for others.
#[test]
#[cfg(target_os = "linux")]
fn an_ignored_interrupt_stays_ignored() {
    let folder = Folder::with_capture(&two_alerts());
    let at_work = AtWork::new(&folder, "ignore", "2", false);
    at_work.signal("-INT");
    let ended = at_work.end();
    assert!(ended.code == 1 && !ended.err.contains("interrupted"), "{}", ended.err);
}

fn grouped(number: usize) -> String {
    if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
}
