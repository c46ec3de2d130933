//! What a capture says before its events: the host, and the state of its processes, descriptors, users and interfaces.

use std::net::IpAddr;

use crate::block::Container;
use crate::descriptor::FdInfo;

/// Bytes of a name or path as recorded; not always UTF-8.
pub type Text = std::sync::Arc<[u8]>;

/// Everything a capture (or one section of it) says before its first event.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// The host, when the capture names it.
    pub machine: Option<Machine>,
    /// Threads alive at the start.
    pub threads: Vec<ThreadEntry>,
    /// Open descriptors at the start: (thread, its entries), in file order.
    pub fds: Vec<(i64, Vec<FdEntry>)>,
    /// Network interfaces.
    pub interfaces: Vec<Interface>,
    /// Users of the host.
    pub users: Vec<UserEntry>,
    /// Groups of the host.
    pub groups: Vec<GroupEntry>,
    /// What the lists leave out, where the head was taken from a running state.
    pub exact: Option<Box<Exact>>,
}

/// What a state knows beyond the lists, so that a capture can begin in the middle of another without any loss.
///
/// A `.scap` cannot hold it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exact {
    /// More of each thread, in the order of [`Head::threads`].
    pub threads: Vec<ThreadExact>,
    /// More of each descriptor, in the order of [`Head::fds`].
    pub fds: Vec<Vec<FdExact>>,
    /// Containers whose metadata are known, by id.
    pub containers: Vec<Container>,
    /// Users inside containers: (container id, user).
    pub users: Vec<(Text, UserEntry)>,
    /// Groups inside containers.
    pub groups: Vec<(Text, GroupEntry)>,
    /// Threads that ended shortly before: (time, parent, thread).
    pub exits: Vec<(u64, i64, i64)>,
    /// Time from which `evt.reltime` counts; 0 where no event has set it.
    pub origin: u64,
}

/// What the process list leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadExact {
    /// Environment and working directory, also of threads that are no main threads.
    pub env: Text,
    /// Working directory.
    pub cwd: Text,
    /// `PPM_CL_*` bits, the inner ones too.
    pub flags: u32,
    /// Its container as it is known at this moment, empty on the host.
    pub container_id: Text,
    /// When it began, nanoseconds since the epoch; 0 where that is not known.
    pub clone_ts: u64,
    /// When it last executed a program; 0 where that is not known.
    pub lastexec_ts: u64,
    /// From the change of its executable to its begin.
    pub exe_ctime_duration_clone: u64,
    /// From the begin of its pid namespace to the change of its executable.
    pub exe_ctime_duration_pidns: u64,
    /// Descriptor of its last event, -1 for none.
    pub last_fd: i64,
    /// Type of its last enter event, `u16::MAX` for none.
    pub last_enter: u16,
    /// The enter half that waits for its exit: type and parameters.
    pub enter: Option<(u16, Vec<Text>)>,
    /// Whether it has ended while others of its process live.
    pub dead: bool,
    /// Whether its process adopts orphans.
    pub adopts: bool,
    /// Which thread its children go to; 0 where none was named.
    pub reaper: i64,
    /// Processor time of its last report.
    pub last_cpu: u64,
}

/// What the descriptor list leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdExact {
    /// Everything known of it.
    pub info: FdInfo,
    /// Whether it goes with the next execution of a program.
    pub close_on_exec: bool,
}

/// The machine-info block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Number of processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Largest process id.
    pub max_pid: u64,
    /// Host name.
    pub hostname: Text,
    /// Boot time, nanoseconds since the epoch; 0 in old captures.
    pub boot_time: u64,
    /// Flags as written, and the two reserved numbers.
    pub flags: [u64; 3],
}

/// One thread of the process list, as written (facts: scap-format §4).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ThreadEntry {
    pub tid: i64,
    pub pid: i64,
    pub ptid: i64,
    pub sid: i64,
    pub vpgid: i64,
    pub pgid: i64,
    pub comm: Text,
    pub exe: Text,
    pub exepath: Text,
    /// Arguments after the first, each ended by a NUL.
    pub args: Text,
    pub cwd: Text,
    pub fdlimit: i64,
    pub flags: u32,
    pub uid: u32,
    pub gid: u32,
    pub vmsize_kb: u32,
    pub vmrss_kb: u32,
    pub vmswap_kb: u32,
    pub pfmajor: u64,
    pub pfminor: u64,
    /// Environment, each variable ended by a NUL.
    pub env: Text,
    pub vtid: i64,
    pub vpid: i64,
    /// `subsys=path` entries, each ended by a NUL.
    pub cgroups: Text,
    pub root: Text,
    pub pidns_init_start_ts: u64,
    pub tty: u32,
    pub loginuid: u32,
    pub exe_writable: bool,
    pub exe_upper_layer: bool,
    pub exe_lower_layer: bool,
    pub exe_from_memfd: bool,
    pub cap_inheritable: u64,
    pub cap_permitted: u64,
    pub cap_effective: u64,
    pub exe_ino: u64,
    pub exe_ino_ctime: u64,
    pub exe_ino_mtime: u64,
}

/// One open descriptor of the fd list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FdEntry {
    /// Number.
    pub fd: i64,
    /// Inode.
    pub ino: u64,
    /// Kind as numbered in the file (facts: scap-format §5).
    pub kind: u8,
    /// What the kind carries.
    pub detail: FdDetail,
}

/// The payload of an fd entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FdDetail {
    /// Nothing (kind 0, and kinds above 21).
    None,
    /// A name.
    Name(Text),
    /// A file with its open flags and device.
    File {
        /// `PPM_O_*` flags.
        flags: u32,
        /// Path.
        name: Text,
        /// Device number.
        dev: u32,
    },
    /// An IPv4 or IPv6 connection.
    Socket {
        /// Source address and port.
        source: (IpAddr, u16),
        /// Destination address and port.
        dest: (IpAddr, u16),
        /// Transport protocol as numbered in the file: 0 unknown, 1 not applicable, 2 TCP, 3 UDP, 4 ICMP, 5 raw.
        l4proto: u8,
    },
    /// A listening IPv4 or IPv6 socket.
    Server {
        /// Address.
        ip: IpAddr,
        /// Port.
        port: u16,
        /// As in `Socket`.
        l4proto: u8,
    },
    /// A unix socket.
    Unix {
        /// Kernel pointer of this end.
        source: u64,
        /// Kernel pointer of the other end.
        dest: u64,
        /// Path.
        name: Text,
    },
}

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: Text,
    /// Address.
    pub addr: IpAddr,
    /// Netmask.
    pub mask: IpAddr,
    /// Broadcast address.
    pub broadcast: IpAddr,
    /// Bits a second; `None` where the file's kind has none.
    pub linkspeed: Option<u64>,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct UserEntry {
    pub uid: u32,
    pub gid: u32,
    pub name: Text,
    pub home: Text,
    pub shell: Text,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct GroupEntry {
    pub gid: u32,
    pub name: Text,
}
