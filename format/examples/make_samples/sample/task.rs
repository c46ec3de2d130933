//! A process with one thread, and what a capture says of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use falco_replay_format::lists::{FdDetail, FdEntry, Text, ThreadEntry};

/// All capabilities of Linux 6.1.
const EVERY_CAPABILITY: u64 = (1 << 41) - 1;

/// What an open descriptor is.
#[derive(Debug, Clone)]
pub enum Open {
    /// A file, by its path.
    File(String),
    /// A pipe, by its inode.
    Pipe(u64),
    /// A unix socket, by its path.
    Unix(String),
    /// A listening TCP socket.
    Listening(Ipv4Addr, u16),
    /// A TCP socket that events, not the list at the start, tell about.
    Socket,
}

/// An open descriptor.
#[derive(Debug, Clone)]
pub struct Descriptor {
    /// What it is.
    pub open: Open,
    /// Whether execve closes it.
    pub close_on_exec: bool,
}

/// A process with one thread.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Task {
    pub pid: i64,
    pub ppid: i64,
    /// Its id in its own pid namespace.
    pub vpid: i64,
    pub sid: i64,
    pub comm: String,
    pub exepath: String,
    /// With the name at place 0.
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub cwd: String,
    pub uid: u32,
    pub gid: u32,
    pub loginuid: u32,
    pub tty: u32,
    pub cgroup: String,
    pub fds: BTreeMap<i64, Descriptor>,
}

/// A stable number for a path: its inode, in a world without disks.
pub fn inode(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0193) & 0xf_ffff)
}

fn text(text: &str) -> Text {
    text.as_bytes().into()
}

/// Texts, each ended by a NUL.
pub fn list(texts: &[String]) -> Vec<u8> {
    texts.iter().flat_map(|text| text.bytes().chain([0])).collect()
}

impl Task {
    /// A service of the host, started by systemd: the words of its command line.
    pub fn service(pid: i64, path: &str, args: &[&str]) -> Task {
        let name = path.rsplit('/').next().unwrap_or(path);
        let null = Descriptor { open: Open::File("/dev/null".into()), close_on_exec: false };
        let journal = Descriptor { open: Open::Unix("/run/systemd/journal/stdout".into()), close_on_exec: false };
        Task {
            pid,
            ppid: i64::from(pid != 1),
            vpid: pid,
            sid: pid,
            comm: name.chars().take(15).collect(),
            exepath: path.into(),
            args: std::iter::once(path).chain(args.iter().copied()).map(str::to_owned).collect(),
            env: ["LANG=C.UTF-8", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"].map(str::to_owned).to_vec(),
            cwd: "/".into(),
            uid: 0,
            gid: 0,
            loginuid: u32::MAX,
            tty: 0,
            cgroup: if pid == 1 { "/init.scope".into() } else { format!("/system.slice/{name}.service") },
            fds: BTreeMap::from([(0, null), (1, journal.clone()), (2, journal)]),
        }
    }

    /// The same with a user and a group.
    pub fn owned_by(mut self, uid: u32, gid: u32) -> Task {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    /// The same as a child of another process than systemd.
    pub fn child_of(mut self, ppid: i64) -> Task {
        self.ppid = ppid;
        self
    }

    /// The same with a descriptor.
    pub fn with_fd(mut self, fd: i64, open: Open) -> Task {
        self.fds.insert(fd, Descriptor { open, close_on_exec: true });
        self
    }

    /// The lowest number that is free.
    pub fn free_fd(&self) -> i64 {
        (0..).find(|fd| !self.fds.contains_key(fd)).unwrap_or_default()
    }

    /// Whether it lives in a pid namespace of its own.
    pub fn contained(&self) -> bool {
        self.pid != self.vpid
    }

    /// `subsys=path` of each controller.
    pub fn cgroups(&self) -> Vec<u8> {
        list(&["cpuset", "cpu", "io", "memory", "pids"].map(|subsystem| format!("{subsystem}={}", self.cgroup)))
    }

    /// Its capabilities.
    pub fn capabilities(&self) -> u64 {
        match (self.uid, self.contained()) {
            (0, false) => EVERY_CAPABILITY,
            (0, true) => 0xa804_25fb,
            _ => 0,
        }
    }

    /// Its entry of the process list. `pidns_start`: when its pid namespace began, since boot.
    pub fn entry(&self, pidns_start: u64) -> ThreadEntry {
        ThreadEntry {
            tid: self.pid,
            pid: self.pid,
            ptid: self.ppid,
            sid: self.sid,
            vpgid: self.sid,
            pgid: if self.contained() { self.pid } else { self.sid },
            comm: text(&self.comm),
            exe: text(self.args.first().map_or("", String::as_str)),
            exepath: text(&self.exepath),
            args: list(self.args.get(1..).unwrap_or_default()).into(),
            cwd: text(&self.cwd),
            fdlimit: 1024,
            flags: 0,
            uid: self.uid,
            gid: self.gid,
            vmsize_kb: 9216,
            vmrss_kb: 4096,
            vmswap_kb: 0,
            pfmajor: 3,
            pfminor: 900,
            env: list(&self.env).into(),
            vtid: self.vpid,
            vpid: self.vpid,
            cgroups: self.cgroups().into(),
            root: text("/"),
            pidns_init_start_ts: pidns_start,
            tty: self.tty,
            loginuid: self.loginuid,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: self.contained(),
            exe_from_memfd: false,
            cap_inheritable: 0,
            cap_permitted: self.capabilities(),
            cap_effective: self.capabilities(),
            exe_ino: inode(&self.exepath),
            exe_ino_ctime: 1_770_000_000_000_000_000,
            exe_ino_mtime: 1_760_000_000_000_000_000,
        }
    }

    /// Its entries of the descriptor list.
    pub fn fd_entries(&self) -> Vec<FdEntry> {
        let entry = |(&fd, descriptor): (&i64, &Descriptor)| {
            let (kind, ino, detail) = match &descriptor.open {
                Open::File(path) => (16, inode(path), FdDetail::File { flags: 3, name: text(path), dev: 0xfe00 }),
                Open::Pipe(ino) => (7, *ino, FdDetail::Name(text(&format!("pipe:[{ino}]")))),
                Open::Unix(path) => {
                    (8, inode(path), FdDetail::Unix { source: 0xffff_8880_0a11_c000, dest: 0, name: text(path) })
                }
                Open::Listening(ip, port) => {
                    (5, 20_000 + u64::from(*port), FdDetail::Server { ip: (*ip).into(), port: *port, l4proto: 2 })
                }
                Open::Socket => return None,
            };
            Some(FdEntry { fd, ino, kind, detail })
        };
        self.fds.iter().filter_map(entry).collect()
    }
}
