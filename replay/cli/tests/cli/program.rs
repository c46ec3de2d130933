//! Runs the program in a folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Two rules that match the opens of the test captures; on /etc/shadow both do.
pub const RULES: &str = "
- rule: shadow read
  desc: d
  condition: evt.type = openat and fd.name = /etc/shadow
  output: shadow of %proc.name at %evt.num
  priority: WARNING
  tags: [files, secret]
- rule: any open
  desc: d
  condition: evt.type = openat
  output: open %fd.name at %evt.num
  priority: NOTICE
  tags: [files]
";

/// The program that is tested.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_falco-replay");

/// A folder that goes away with the test.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// An empty folder.
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("falco-replay-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder { path }
    }

    /// A folder with `rules.yaml`, which holds [`RULES`], and `a.scap`.
    pub fn with_capture(capture: &[u8]) -> Folder {
        Folder::new().file("rules.yaml", RULES).file("a.scap", capture)
    }

    /// Adds a file.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Folder {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The program with these arguments, in the folder.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(PROGRAM, args)
    }

    /// Another program, such as one that starts it.
    pub fn command_of(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.path).env("TZ", "UTC").env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// Runs it with something on standard input.
    pub fn run_with_input(&self, args: &[&str], input: &[u8]) -> Ran {
        let mut child =
            self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input).unwrap();
        drop(stdin);
        Ran::of(child.wait_with_output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(Path::new(&self.path));
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Ran {
    /// Of what the operating system says.
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code().expect("ended by a signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The lines of its output.
    pub fn lines(&self) -> Vec<&str> {
        self.out.lines().collect()
    }
}
