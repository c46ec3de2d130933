//! A block: a batch of events together with the context of each, the unit of parallel work.
//!
//! The context of an event is the state after its own effects and before removals: the descriptor being closed and the
//! thread that exits are still there. Contexts are versions: a new one is made only when something changed, and events
//! that share a context share its row in the block's tables.

use std::net::IpAddr;
use std::sync::Arc;

pub use crate::batch::EventBatch;
use crate::batch::Params;
pub use crate::descriptor::{Ends, Fd, FdInfo, FdKind, L4Proto, Role};
use crate::lists::Interface;
pub use crate::lists::Text;

/// No row: the event has no such context.
pub const NONE: u32 = u32::MAX;

/// Bits of [`Block::marks`].
pub mod mark {
    /// Rules and output see the event.
    pub const DELIVERED: u8 = 1;
    /// The event gave its descriptor another name.
    pub const NAME_CHANGED: u8 = 2;
    /// The event lost its thread to the table limit or has none by its type: only lookups by its tid apply.
    pub const NO_THREAD: u8 = 4;
}

/// Events and their contexts.
#[derive(Debug, Default)]
pub struct Block {
    /// The events.
    pub batch: EventBatch,
    /// Number of the first event (`evt.num`); the others follow one by one unless `nums` says otherwise.
    pub first_num: u64,
    /// Numbers of the events where they have gaps; else empty.
    pub nums: Vec<u64>,
    /// Bits of [`mark`], an entry an event.
    pub marks: Vec<u8>,
    /// Row of each event's thread in `processes`, or [`NONE`].
    pub process: Vec<u32>,
    /// Row of each event's descriptor in `fds`, or [`NONE`].
    pub fd: Vec<u32>,
    /// Number of the event's descriptor, -1 for none.
    pub fd_num: Vec<i64>,
    /// Distinct process versions.
    pub processes: Vec<Arc<Process>>,
    /// Distinct descriptor versions.
    pub fds: Vec<Arc<Fd>>,
    /// Distinct users that parameters name.
    pub users: Vec<Arc<User>>,
    /// Distinct groups that parameters name.
    pub groups: Vec<Arc<Group>>,
    /// Containers that container events describe.
    pub containers: Vec<Arc<Container>>,
    /// Whatever else an event mentions, in the order of rows.
    pub refs: Vec<Ref>,
    /// What is true of the whole host: (first row it holds for, what holds).
    pub worlds: Vec<(u32, Arc<World>)>,
    /// Time of the last delivered event before this block.
    pub previous_ts: Option<u64>,
    /// Where rows were left out: time of the last delivered event before each row, `u64::MAX` for none; else empty.
    pub before: Vec<u64>,
}

impl Block {
    /// Number of events.
    #[inline]
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there is no event.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// `evt.num` of row `row`.
    #[inline]
    pub fn num(&self, row: usize) -> u64 {
        match self.nums.get(row) {
            Some(&num) => num,
            None => self.first_num + row as u64,
        }
    }

    /// Whether rules and output see row `row`.
    #[inline]
    pub fn delivered(&self, row: usize) -> bool {
        self.marks[row] & mark::DELIVERED != 0
    }

    /// The parameters of row `row`.
    #[inline]
    pub fn params(&self, row: usize) -> Params<'_> {
        self.batch.params(row)
    }

    /// The process version of row `row`.
    #[inline]
    pub fn process(&self, row: usize) -> Option<&Arc<Process>> {
        self.processes.get(self.process[row] as usize)
    }

    /// The descriptor version of row `row`.
    #[inline]
    pub fn fd(&self, row: usize) -> Option<&Arc<Fd>> {
        self.fds.get(self.fd[row] as usize)
    }

    /// The references of row `row`.
    pub fn refs(&self, row: usize) -> &[Ref] {
        let start = self.refs.partition_point(|r| (r.row as usize) < row);
        let end = start + self.refs[start..].iter().take_while(|r| r.row as usize == row).count();
        &self.refs[start..end]
    }

    /// The first reference of row `row` of this kind and key.
    pub fn reference(&self, row: usize, kind: RefKind, key: u16) -> Option<u64> {
        self.refs(row).iter().find(|r| r.kind == kind && r.key == key).map(|r| r.value)
    }

    /// The host at row `row`.
    pub fn world(&self, row: usize) -> Option<&Arc<World>> {
        let after = self.worlds.partition_point(|(first, _)| *first as usize <= row);
        after.checked_sub(1).map(|at| &self.worlds[at].1)
    }

    /// Empties the block and hands its batch back, so that the memory is used again.
    pub fn recycle(mut self) -> (EventBatch, Block) {
        let batch = std::mem::take(&mut self.batch);
        self.nums.clear();
        self.marks.clear();
        self.process.clear();
        self.fd.clear();
        self.fd_num.clear();
        self.processes.clear();
        self.fds.clear();
        self.users.clear();
        self.groups.clear();
        self.containers.clear();
        self.refs.clear();
        self.worlds.clear();
        self.previous_ts = None;
        self.before.clear();
        (batch, self)
    }
}

/// A reference from an event into a table of its block, or a number that changes too often for a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ref {
    /// The event.
    pub row: u32,
    /// What the value is.
    pub kind: RefKind,
    /// Which one: a parameter's number, a descriptor's place.
    pub key: u16,
    /// Row of a table, or a number.
    pub value: u64,
}

/// Kinds of references.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefKind {
    /// Row in `fds` of the descriptor that parameter `key` numbers.
    ParamFd,
    /// Row in `processes` of the thread that parameter `key` numbers.
    ParamProcess,
    /// Row in `users` of the user that parameter `key` numbers.
    ParamUser,
    /// Row in `groups` of the group that parameter `key` numbers.
    ParamGroup,
    /// Row in `fds` of descriptor `key` of the process (0–2, and those that `fd.types[N]` asks for).
    FdNumber,
    /// Row in `fds` of entry `key` of the event's poll list.
    PollFd,
    /// Set of descriptor kinds that the process has open, a bit a kind.
    FdKinds,
    /// Entries of the main thread's descriptor table.
    FdCount,
    /// Live threads of the process.
    Threads,
    /// Live threads of the process besides its main thread.
    Children,
    /// Row in `processes` of the session leader; `NONE` where it is not known.
    SessionLeader,
    /// Row in `processes` of the leader of the process group inside the pid namespace.
    VgroupLeader,
    /// Row in `processes` of the leader of the process group.
    GroupLeader,
    /// Memory and faults of the thread: key 0 size, 1 resident, 2 swap (kB), 3 major, 4 minor faults.
    Memory,
    /// Row in `containers`: key 0 of the container that the event describes, key 1 of its pod sandbox.
    EventContainer,
    /// Percent of a processor times 1000, key 0 all, 1 user, 2 system.
    CpuPercent,
}

/// What is true of the whole host at an event.
#[derive(Debug, Default)]
pub struct World {
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Addresses of known containers.
    pub container_ips: Vec<IpAddr>,
    /// Time from which `evt.reltime` counts; 0 before the first event that is no meta event.
    pub origin: u64,
    /// Host name of the capture.
    pub hostname: Text,
}

/// What a thread is, apart from its relations: the part of a process version that is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ThreadInfo {
    pub tid: i64,
    pub pid: i64,
    pub ptid: i64,
    pub vtid: i64,
    pub vpid: i64,
    pub sid: i64,
    pub vpgid: i64,
    pub pgid: i64,
    pub comm: Text,
    pub exe: Text,
    pub exepath: Text,
    /// Arguments after the first, each ended by a NUL, see [`entries`].
    pub args: Text,
    /// Environment, likewise.
    pub env: Text,
    /// Working directory, with a final "/".
    pub cwd: Text,
    pub root: Text,
    /// `subsys=path` entries, each ended by a NUL, names normalised.
    pub cgroups: Text,
    /// Container id, empty on the host.
    pub container_id: Text,
    pub uid: u32,
    pub gid: u32,
    pub loginuid: u32,
    pub tty: u32,
    /// `PPM_CL_*` bits.
    pub flags: u32,
    pub fdlimit: i64,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub exe_writable: bool,
    pub exe_upper_layer: bool,
    pub exe_lower_layer: bool,
    pub exe_from_memfd: bool,
    pub exe_ino: u64,
    pub exe_ino_ctime: u64,
    pub exe_ino_mtime: u64,
    pub exe_ctime_duration_clone: u64,
    pub exe_ctime_duration_pidns: u64,
    /// Nanoseconds since the epoch; 0 for threads of the process list.
    pub clone_ts: u64,
    pub lastexec_ts: u64,
    pub pidns_init_start_ts: u64,
}

impl ThreadInfo {
    /// Whether this is the main thread of its process.
    #[inline]
    pub fn is_main(&self) -> bool {
        self.tid == self.pid
    }
}

/// The entries of a list whose elements each end with a NUL: one final NUL is dropped, what is then empty has no entry.
pub fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let list = list.strip_suffix(b"\0").unwrap_or(list);
    let taken = if list.is_empty() { 0 } else { usize::MAX };
    list.split(|&byte| byte == 0).take(taken)
}

/// The main thread of a thread.
#[derive(Debug, Clone)]
pub enum MainThread {
    /// The thread itself.
    Itself,
    /// Not known.
    Missing,
    /// Another thread.
    Other(Arc<Process>),
}

/// A circle among parents: damage, or numbers that were given again while events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circle {
    /// Parents up to the first thread of the circle; 0 within it.
    pub steps: u32,
    /// Threads of the circle; 1 for a thread that is its own parent.
    pub length: u32,
}

impl Circle {
    /// How many threads Falco looks at, this one and those above it.
    ///
    /// It sends one pointer up by one thread and another by two, and stops where they meet: on a circle before the
    /// thread that it came from, else somewhere on it.
    fn looked_at(self) -> usize {
        let (least, length) = (self.steps.max(1) as usize, self.length.max(1) as usize);
        let round = least.next_multiple_of(length);
        round - usize::from(round > least)
    }
}

/// A process version: a thread with the relations that rules ask for, as they were at an event.
#[derive(Debug)]
pub struct Process {
    /// Distinct for every version of a run, rising.
    pub id: u64,
    /// The thread's own part.
    pub info: Arc<ThreadInfo>,
    /// Its main thread.
    pub main: MainThread,
    /// The thread whose id is the parent id, where it is known. A circle is cut once it was gone round.
    pub parent: Option<Arc<Process>>,
    /// Where this thread or one above it is recorded as its own ancestor.
    pub circle: Option<Circle>,
    /// Its container's metadata, where an event gave them.
    pub container: Option<Arc<Container>>,
    /// Metadata of that container's pod sandbox.
    pub sandbox: Option<Arc<Container>>,
    /// The user of `uid`, where the capture knows one.
    pub user: Option<Arc<User>>,
    /// The user of `loginuid`.
    pub login_user: Option<Arc<User>>,
    /// The group of `gid`.
    pub group: Option<Arc<Group>>,
}

impl Process {
    /// The main thread, where it is known.
    #[inline]
    pub fn main(&self) -> Option<&Process> {
        match &self.main {
            MainThread::Itself => Some(self),
            MainThread::Missing => None,
            MainThread::Other(main) => Some(main),
        }
    }

    /// The thread whose id is the parent id.
    #[inline]
    pub fn parent_thread(&self) -> Option<&Process> {
        self.parent.as_deref()
    }

    /// The parent process: the main thread of the main thread's parent thread.
    #[inline]
    pub fn parent_process(&self) -> Option<&Process> {
        self.main()?.parent_thread()?.main()
    }

    /// The process `n` steps up; 0 is the main thread. In a circle it goes round.
    pub fn ancestor(&self, n: usize) -> Option<&Process> {
        let start = self.main()?;
        let (mut at, mut left) = (start, n);
        while left > 0 {
            left -= 1;
            at = match at.parent_thread() {
                Some(parent) => parent.main()?,
                None => {
                    // Cut: the next is a thread that was passed.
                    left %= at.circle?.length.max(1) as usize;
                    let mut passed = std::iter::successors(start.parent_thread(), |at| at.main()?.parent_thread());
                    passed.find(|passed| passed.info.tid == at.info.ptid)?.main()?
                }
            };
        }
        Some(at)
    }

    /// The main thread's parent thread and those above it, nearest first; those of a circle may come again.
    pub fn lineage(&self) -> impl Iterator<Item = &Process> {
        std::iter::successors(self.main().and_then(Process::parent_thread), |at| at.parent_thread())
    }

    /// The next of the [ancestors](Process::ancestors) of a thread outside of circles. They end before number -1.
    #[inline]
    pub fn above(&self) -> Option<&Process> {
        self.parent_thread().filter(|parent| parent.info.tid != -1)
    }

    /// Those of the [lineage](Process::lineage) that fields about all ancestors look at, each once.
    pub fn ancestors(&self) -> impl Iterator<Item = &Process> {
        let main = self.main();
        let circle = main.and_then(Process::parent_thread).and_then(|first| first.circle);
        let count = circle.map_or(usize::MAX, Circle::looked_at);
        std::iter::successors(main.and_then(Process::above), |at| at.above()).take(count)
    }
}

impl Drop for Process {
    /// Takes long chains of ancestors apart one by one: dropping them by recursion could exhaust the stack.
    fn drop(&mut self) {
        let mut rest: Vec<Arc<Process>> = Vec::new();
        rest.extend(self.parent.take());
        if let MainThread::Other(main) = std::mem::replace(&mut self.main, MainThread::Missing) {
            rest.push(main);
        }
        while let Some(next) = rest.pop() {
            if let Some(mut alone) = Arc::into_inner(next) {
                rest.extend(alone.parent.take());
                if let MainThread::Other(main) = std::mem::replace(&mut alone.main, MainThread::Missing) {
                    rest.push(main);
                }
            }
        }
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct User {
    pub name: Text,
    pub home: Text,
    pub shell: Text,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Group {
    pub name: Text,
}

/// Metadata of a container, as its event gave them. A missing text is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Container {
    pub id: Text,
    pub full_id: Text,
    pub name: Text,
    pub image: Text,
    pub image_id: Text,
    pub image_repository: Text,
    pub image_tag: Text,
    pub image_digest: Text,
    /// Number of the type (0 docker, 1 lxc, … 0xfffe host), -1 for none.
    pub kind: i64,
    pub user: Text,
    pub ip: Text,
    pub cni_json: Text,
    pub privileged: bool,
    pub host_pid: bool,
    pub host_network: bool,
    pub host_ipc: bool,
    /// Sorted by key.
    pub labels: Vec<(Text, Text)>,
    pub mounts: Vec<Mount>,
    pub pod_sandbox_id: Text,
    pub is_pod_sandbox: bool,
    /// Sorted by key.
    pub pod_sandbox_labels: Vec<(Text, Text)>,
}

impl Container {
    /// The word of `container.type`; empty for a type without one.
    pub fn kind_word(&self) -> &'static str {
        match self.kind {
            0 => "docker",
            1 => "lxc",
            2 => "libvirt-lxc",
            3 => "mesos",
            4 => "rkt",
            5 => "custom",
            6 => "cri",
            7 => "containerd",
            8 => "cri-o",
            9 => "bpm",
            10 => "static",
            11 => "podman",
            0xfffe => "host",
            _ => "",
        }
    }
}

/// A mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Mount {
    pub source: Text,
    pub dest: Text,
    pub mode: Text,
    pub read_write: bool,
    pub propagation: Text,
}
