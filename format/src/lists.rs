//! What a capture says before its events: the host, and the state of its processes, descriptors, users and interfaces.

use std::net::IpAddr;

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
