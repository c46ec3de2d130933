//! Writes a capture as processes act.

use std::net::SocketAddrV4;

use falco_replay_format::lists::Head;
use falco_replay_format::scap::Writer;
use falco_replay_format::schema::{EVENTS, ParamType, ev};

use super::host::{BOOT, PIDNS_START};
use super::task::{Descriptor, Open, Task, inode, list};

/// Bytes of data that an event keeps, as Falco and sysdig do.
const SNAPLEN: usize = 80;
/// Seconds from boot to the first event.
const UPTIME: u64 = 7980;

const AT_FDCWD: i64 = -100;
pub const ENOENT: i64 = -2;
pub const EAGAIN: i64 = -11;

/// Flags as the schema has them, not as Linux does.
pub mod flag {
    pub const O_RDONLY: i64 = 1;
    pub const O_RDWR: i64 = 3;
    pub const O_CLOEXEC: i64 = 4096;
    pub const CLONE_CHILD_CLEARTID: i64 = 1 << 23;
    pub const CLONE_CHILD_SETTID: i64 = 1 << 24;
    pub const CLONE_CHILD_IN_PIDNS: i64 = 1 << 29;
    pub const EXE_LOWER_LAYER: i64 = 8;
    pub const FD_LOWER_LAYER: i64 = 1 << 16;
    pub const AF_INET: i64 = 2;
}

/// A parameter; its bytes are as the schema's type says.
enum Param<'a> {
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Missing,
}

use Param::{Bytes, Missing, Number, Text};

fn encode(ty: ParamType, param: &Param<'_>) -> Vec<u8> {
    match param {
        Missing => Vec::new(),
        Number(number) => {
            let size = ty.size().expect("a number has a size");
            number.to_le_bytes()[..size].to_vec()
        }
        Text(text) => {
            let mut bytes = text.as_bytes().to_vec();
            bytes.push(0);
            bytes
        }
        Bytes(bytes) => bytes.to_vec(),
    }
}

/// Family, address and port.
fn address(at: SocketAddrV4) -> Vec<u8> {
    let port = at.port().to_le_bytes();
    [&[flag::AF_INET as u8], &at.ip().octets()[..], &port].concat()
}

/// Family, then both ends.
fn tuple(source: SocketAddrV4, dest: SocketAddrV4) -> Vec<u8> {
    [&address(source)[..], &address(dest)[1..]].concat()
}

/// A capture in the making, and its clock.
pub struct Recording {
    writer: Writer<Vec<u8>>,
    now: u64,
    /// State of the numbers that look random and are not.
    seed: u64,
}

impl Recording {
    /// Begins with the state of the host.
    pub fn new(head: &Head) -> Recording {
        let writer = Writer::new(Vec::new(), head).expect("the head fits");
        Recording { writer, now: BOOT + UPTIME * 1_000_000_000, seed: 42 }
    }

    /// The bytes of the capture.
    pub fn finish(self) -> Vec<u8> {
        self.writer.finish().expect("memory does not fail")
    }

    /// Lets time pass.
    pub fn pause(&mut self, milliseconds: u64) {
        self.now += milliseconds * 1_000_000;
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    /// Writes an event a few microseconds after the one before.
    fn event(&mut self, ty: u16, tid: i64, params: &[Param<'_>]) {
        self.now += 900 + self.random(40_000);
        let info = &EVENTS[usize::from(ty)];
        assert_eq!(info.params.len(), params.len(), "{}", info.symbol);
        let bytes: Vec<_> = info.params.iter().zip(params).map(|(info, param)| encode(info.ty, param)).collect();
        let cpu = (tid % 2) as u16;
        self.writer.event(self.now, tid, ty, cpu, 0, bytes.iter().map(Vec::as_slice)).expect("the event fits");
    }

    /// Metadata of a container, as the container plugin gives them.
    pub fn container(&mut self, json: &str) {
        let data: Vec<u8> = json.bytes().chain([0]).collect();
        self.event(ev::ASYNCEVENT_E, -1, &[Number(0), Text("container"), Bytes(&data)]);
    }

    /// One side of a clone: `of` is the process at hand, `res` what the call gave it.
    fn clone_side(&mut self, of: &Task, res: i64, flags: i64) {
        let args = list(of.args.get(1..).unwrap_or_default());
        let exe = of.args.first().map_or("", String::as_str);
        let pidns_start = if of.contained() { PIDNS_START as i64 } else { 0 };
        self.event(
            ev::SYSCALL_CLONE_20_X,
            of.pid,
            &[
                Number(res),
                Text(exe),
                Bytes(&args),
                Number(of.pid),
                Number(of.pid),
                Number(of.ppid),
                Text(""),
                Number(1024),
                Number(0),
                Number(180),
                Number(4352),
                Number(1024),
                Number(0),
                Text(&of.comm),
                Bytes(&of.cgroups()),
                Number(flags),
                Number(of.uid.into()),
                Number(of.gid.into()),
                Number(of.vpid),
                Number(of.vpid),
                Number(pidns_start),
            ],
        );
    }

    /// A child process; both sides of the clone are recorded.
    pub fn fork(&mut self, parent: &Task, pid: i64, vpid: i64) -> Task {
        self.fork_into(parent, pid, vpid, &parent.cgroup)
    }

    /// A child process in another cgroup.
    pub fn fork_into(&mut self, parent: &Task, pid: i64, vpid: i64, cgroup: &str) -> Task {
        let mut child = parent.clone();
        (child.pid, child.ppid, child.vpid) = (pid, parent.pid, vpid);
        cgroup.clone_into(&mut child.cgroup);
        let mut flags = flag::CLONE_CHILD_CLEARTID | flag::CLONE_CHILD_SETTID;
        if child.contained() {
            flags |= flag::CLONE_CHILD_IN_PIDNS;
        }
        self.clone_side(parent, if parent.contained() { vpid } else { pid }, flags);
        self.clone_side(&child, 0, flags);
        child
    }

    /// Another program: the process does what every program does first, it loads its libraries.
    pub fn exec(&mut self, task: &mut Task, path: &str, args: &[&str]) {
        task.fds.retain(|_, descriptor| !descriptor.close_on_exec);
        task.comm = path.rsplit('/').next().unwrap_or(path).chars().take(15).collect();
        path.clone_into(&mut task.exepath);
        task.args = args.iter().map(|&arg| arg.to_owned()).collect();
        let capabilities = task.capabilities() as i64;
        let group = if task.contained() { task.vpid } else { task.sid };
        self.event(
            ev::SYSCALL_EXECVE_19_X,
            task.pid,
            &[
                Number(0),
                Text(args.first().copied().unwrap_or_default()),
                Bytes(&list(task.args.get(1..).unwrap_or_default())),
                Number(task.pid),
                Number(task.pid),
                Number(task.ppid),
                Text(""),
                Number(1024),
                Number(0),
                Number(30),
                Number(420),
                Number(4),
                Number(0),
                Text(&task.comm),
                Bytes(&task.cgroups()),
                Bytes(&list(&task.env)),
                Number(task.tty.into()),
                Number(group),
                Number(task.loginuid.into()),
                Number(if task.contained() { flag::EXE_LOWER_LAYER } else { 0 }),
                Number(0),
                Number(capabilities),
                Number(capabilities),
                Number(inode(path) as i64),
                Number(1_770_000_000_000_000_000),
                Number(1_760_000_000_000_000_000),
                Number(task.uid.into()),
                Text(path),
                Number(if task.contained() { task.pid } else { task.sid }),
                Number(task.gid.into()),
                Text(path),
            ],
        );
        self.map(task, -1, 8192);
        for library in ["/etc/ld.so.cache", "/lib/x86_64-linux-gnu/libc.so.6"] {
            let fd = self.open(task, library, flag::O_RDONLY | flag::O_CLOEXEC);
            self.stat(task, fd, "");
            self.map(task, fd, 1_974_096);
            self.close(task, fd);
        }
    }

    /// Opens a file that is there.
    pub fn open(&mut self, task: &mut Task, path: &str, flags: i64) -> i64 {
        let fd = task.free_fd();
        let close_on_exec = flags & flag::O_CLOEXEC != 0;
        task.fds.insert(fd, Descriptor { open: Open::File(path.to_owned()), close_on_exec });
        let flags = if task.contained() { flags | flag::FD_LOWER_LAYER } else { flags };
        self.openat(task, fd, path, flags, 0xfe00, inode(path) as i64);
        fd
    }

    /// Tries to open a file that is not there.
    pub fn open_missing(&mut self, task: &Task, path: &str) {
        self.openat(task, ENOENT, path, flag::O_RDONLY | flag::O_CLOEXEC, 0, 0);
    }

    fn openat(&mut self, task: &Task, res: i64, path: &str, flags: i64, dev: i64, ino: i64) {
        self.event(
            ev::SYSCALL_OPENAT_2_X,
            task.pid,
            &[Number(res), Number(AT_FDCWD), Text(path), Number(flags), Number(0), Number(dev), Number(ino)],
        );
    }

    /// Looks at a file: an open one by `fd`, or a path.
    pub fn stat(&mut self, task: &Task, fd: i64, path: &str) {
        let fd = if path.is_empty() { fd } else { AT_FDCWD };
        let flags = if path.is_empty() { 0x1000 } else { 0 };
        self.event(ev::SYSCALL_NEWFSTATAT_X, task.pid, &[Number(0), Number(fd), Text(path), Number(flags)]);
    }

    fn map(&mut self, task: &Task, fd: i64, length: i64) {
        let at = 0x7f3a_0000_0000 + (self.random(1 << 20) << 12) as i64;
        let numbers = [at, 2364, 1024, 0, 0, length, 1, if fd < 0 { 10 } else { 2 }, fd, 0];
        self.event(ev::SYSCALL_MMAP_X, task.pid, &numbers.map(Number));
    }

    /// Reads what is there, or gets an error.
    pub fn read(&mut self, task: &Task, fd: i64, data: Result<&str, i64>) {
        self.transfer(ev::SYSCALL_READ_X, task, fd, data, 4096);
    }

    /// Writes.
    pub fn write(&mut self, task: &Task, fd: i64, data: &str) {
        self.transfer(ev::SYSCALL_WRITE_X, task, fd, Ok(data), data.len() as i64);
    }

    fn transfer(&mut self, ty: u16, task: &Task, fd: i64, data: Result<&str, i64>, size: i64) {
        let bytes = data.map_or(&[][..], str::as_bytes);
        let res = data.map_or_else(|error| error, |data| data.len() as i64);
        let kept = &bytes[..bytes.len().min(SNAPLEN)];
        self.event(ty, task.pid, &[Number(res), Bytes(kept), Number(fd), Number(size)]);
    }

    /// Closes a descriptor.
    pub fn close(&mut self, task: &mut Task, fd: i64) {
        task.fds.remove(&fd);
        self.event(ev::SYSCALL_CLOSE_X, task.pid, &[Number(0), Number(fd)]);
    }

    /// Makes a TCP socket.
    pub fn socket(&mut self, task: &mut Task) -> i64 {
        let fd = task.free_fd();
        task.fds.insert(fd, Descriptor { open: Open::Socket, close_on_exec: false });
        self.event(
            ev::SOCKET_SOCKET_X,
            task.pid,
            &[Number(fd), Number(flag::AF_INET), Number(1), Number(6), Number(0)],
        );
        fd
    }

    /// Connects a socket.
    pub fn connect(&mut self, task: &Task, fd: i64, source: SocketAddrV4, dest: SocketAddrV4) {
        let (ends, dest) = (tuple(source, dest), address(dest));
        self.event(ev::SOCKET_CONNECT_X, task.pid, &[Number(0), Bytes(&ends), Number(fd), Bytes(&dest)]);
    }

    /// Accepts a connection.
    pub fn accept(&mut self, task: &mut Task, source: SocketAddrV4, dest: SocketAddrV4) -> i64 {
        let fd = task.free_fd();
        task.fds.insert(fd, Descriptor { open: Open::Socket, close_on_exec: true });
        let ends = tuple(source, dest);
        self.event(
            ev::SOCKET_ACCEPT4_6_X,
            task.pid,
            &[Number(fd), Bytes(&ends), Number(0), Number(0), Number(511), Number(flag::O_CLOEXEC)],
        );
        fd
    }

    /// Receives on a connected socket.
    pub fn receive(&mut self, task: &Task, fd: i64, data: &str) {
        let kept = &data.as_bytes()[..data.len().min(SNAPLEN)];
        let params = [Number(data.len() as i64), Bytes(kept), Missing, Number(fd), Number(1024)];
        self.event(ev::SOCKET_RECVFROM_X, task.pid, &params);
    }

    /// Writes several pieces at once, here one.
    pub fn write_vector(&mut self, task: &Task, fd: i64, data: &str) {
        self.transfer(ev::SYSCALL_WRITEV_X, task, fd, Ok(data), data.len() as i64);
    }

    /// Sends a file.
    pub fn send_file(&mut self, task: &Task, out: i64, from: i64, size: i64) {
        self.event(ev::SYSCALL_SENDFILE_X, task.pid, &[size, 0, out, from, size].map(Number));
    }

    /// Makes a number stand for what another does.
    pub fn dup2(&mut self, task: &mut Task, old: i64, new: i64) {
        if let Some(descriptor) = task.fds.get(&old).cloned() {
            task.fds.insert(new, Descriptor { close_on_exec: false, ..descriptor });
        }
        self.event(ev::SYSCALL_DUP2_X, task.pid, &[new, old, new].map(Number));
    }

    /// Waits for one of many descriptors.
    pub fn wait(&mut self, task: &Task, ready: i64) {
        self.event(ev::SYSCALL_EPOLLWAIT_X, task.pid, &[Number(ready), Number(512)]);
    }

    /// Ends a process. `reaper`: who takes its children.
    pub fn exit(&mut self, task: &Task, code: i64, reaper: i64) {
        self.event(
            ev::PROCEXIT_1_E,
            task.pid,
            &[Number(code << 8), Number(code), Number(0), Number(0), Number(reaper)],
        );
    }
}
