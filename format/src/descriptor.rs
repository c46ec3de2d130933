//! Descriptors as they are at an event: files, sockets and whatever else a number can stand for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lists::Text;

/// Kinds of descriptors, in the numbering of the capture file's fd list.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum FdKind {
    Unknown = 0,
    File = 1,
    Directory = 2,
    Ipv4 = 3,
    Ipv6 = 4,
    Ipv4Server = 5,
    Ipv6Server = 6,
    Fifo = 7,
    Unix = 8,
    Event = 9,
    Unsupported = 10,
    Signalfd = 11,
    Eventpoll = 12,
    Inotify = 13,
    Timerfd = 14,
    Netlink = 15,
    FileV2 = 16,
    Bpf = 17,
    Userfaultfd = 18,
    IoUring = 19,
    Memfd = 20,
    Pidfd = 21,
}

impl FdKind {
    /// Whether it is a file.
    #[inline]
    pub fn is_file(self) -> bool {
        matches!(self, FdKind::File | FdKind::FileV2)
    }

    /// Whether it is an IPv4 or IPv6 socket, listening or not.
    #[inline]
    pub fn is_inet(self) -> bool {
        matches!(self, FdKind::Ipv4 | FdKind::Ipv6 | FdKind::Ipv4Server | FdKind::Ipv6Server)
    }

    /// Whether it is a listening socket.
    #[inline]
    pub fn is_listening(self) -> bool {
        matches!(self, FdKind::Ipv4Server | FdKind::Ipv6Server)
    }

    /// The word of `fd.type`.
    pub fn word(self) -> &'static str {
        match self {
            FdKind::File | FdKind::FileV2 => "file",
            FdKind::Directory => "directory",
            FdKind::Ipv4 | FdKind::Ipv4Server => "ipv4",
            FdKind::Ipv6 | FdKind::Ipv6Server => "ipv6",
            FdKind::Fifo => "pipe",
            FdKind::Unix => "unix",
            FdKind::Event => "event",
            FdKind::Signalfd => "signalfd",
            FdKind::Eventpoll => "eventpoll",
            FdKind::Inotify => "inotify",
            FdKind::Timerfd => "timerfd",
            FdKind::Netlink => "netlink",
            FdKind::Bpf => "bpf",
            FdKind::Userfaultfd => "userfaultfd",
            FdKind::IoUring => "io_uring",
            FdKind::Memfd => "memfd",
            FdKind::Pidfd => "pidfd",
            FdKind::Unknown | FdKind::Unsupported => "<NA>",
        }
    }

    /// The character of `fd.typechar`.
    pub fn character(self) -> char {
        match self {
            FdKind::File | FdKind::FileV2 => 'f',
            FdKind::Directory => 'd',
            FdKind::Ipv4 | FdKind::Ipv4Server => '4',
            FdKind::Ipv6 | FdKind::Ipv6Server => '6',
            FdKind::Unix => 'u',
            FdKind::Fifo => 'p',
            FdKind::Event => 'e',
            FdKind::Signalfd => 's',
            FdKind::Eventpoll => 'l',
            FdKind::Inotify => 'i',
            FdKind::Timerfd => 't',
            FdKind::Netlink => 'n',
            FdKind::Bpf => 'b',
            FdKind::Userfaultfd => 'u',
            FdKind::IoUring => 'r',
            FdKind::Memfd => 'm',
            FdKind::Pidfd => 'P',
            FdKind::Unknown => 'o',
            FdKind::Unsupported => 'X',
        }
    }

    /// The kind with this number in a capture file; above 21 unsupported.
    pub fn from_number(number: u8) -> FdKind {
        use FdKind as K;
        const KINDS: [FdKind; 22] = [
            K::Unknown,
            K::File,
            K::Directory,
            K::Ipv4,
            K::Ipv6,
            K::Ipv4Server,
            K::Ipv6Server,
            K::Fifo,
            K::Unix,
            K::Event,
            K::Unsupported,
            K::Signalfd,
            K::Eventpoll,
            K::Inotify,
            K::Timerfd,
            K::Netlink,
            K::FileV2,
            K::Bpf,
            K::Userfaultfd,
            K::IoUring,
            K::Memfd,
            K::Pidfd,
        ];
        KINDS.get(usize::from(number)).copied().unwrap_or(K::Unsupported)
    }
}

/// Transport protocol of a socket, in the numbering of the capture file.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum L4Proto {
    #[default]
    Unknown,
    NotApplicable,
    Tcp,
    Udp,
    Icmp,
    Raw,
}

impl L4Proto {
    /// The protocol with this number.
    pub fn from_number(number: u8) -> L4Proto {
        match number {
            1 => L4Proto::NotApplicable,
            2 => L4Proto::Tcp,
            3 => L4Proto::Udp,
            4 => L4Proto::Icmp,
            5 => L4Proto::Raw,
            _ => L4Proto::Unknown,
        }
    }
}

/// Which end of a connection the process is.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    #[default]
    None,
    Client,
    Server,
}

/// What a socket descriptor knows of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ends {
    /// Nothing.
    #[default]
    None,
    /// An inet connection, the client first. Listening sockets have their own address as `dest`.
    Inet {
        /// Address and port of the source (client).
        source: (IpAddr, u16),
        /// Address and port of the destination (server).
        dest: (IpAddr, u16),
    },
    /// A unix connection: kernel pointers of the two ends.
    Unix {
        /// Source.
        source: u64,
        /// Destination.
        dest: u64,
    },
}

/// What a descriptor is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FdInfo {
    /// Kind.
    pub kind: FdKind,
    /// Path, tuple or other name.
    pub name: Text,
    /// Path as given to the syscall.
    pub raw_name: Text,
    /// `PPM_O_*` flags.
    pub open_flags: u32,
    /// Device number.
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// Ends of a socket.
    pub ends: Ends,
    /// Transport protocol of a socket.
    pub l4proto: L4Proto,
    /// Role of a socket.
    pub role: Role,
    /// Whether a socket is connected.
    pub connected: bool,
    /// In the upper layer of an overlay file system.
    pub upper_layer: bool,
    /// In a lower layer.
    pub lower_layer: bool,
    /// Process that a pidfd refers to; 0 for others.
    pub pid: i64,
}

impl FdInfo {
    /// A descriptor of this kind that knows nothing else.
    pub fn new(kind: FdKind) -> FdInfo {
        FdInfo {
            kind,
            name: Text::default(),
            raw_name: Text::default(),
            open_flags: 0,
            dev: 0,
            ino: 0,
            ends: Ends::None,
            l4proto: L4Proto::Unknown,
            role: Role::None,
            connected: false,
            upper_layer: false,
            lower_layer: false,
            pid: 0,
        }
    }
}

impl FdInfo {
    /// Source and destination of an inet socket, zero addresses before it has any; `None` for other kinds.
    pub fn inet_ends(&self) -> Option<((IpAddr, u16), (IpAddr, u16))> {
        let zero: IpAddr = match (self.ends, self.kind) {
            (Ends::Inet { source, dest }, kind) if kind.is_inet() => return Some((source, dest)),
            (_, FdKind::Ipv4 | FdKind::Ipv4Server) => Ipv4Addr::UNSPECIFIED.into(),
            (_, FdKind::Ipv6 | FdKind::Ipv6Server) => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        Some(((zero, 0), (zero, 0)))
    }
}

/// A descriptor version.
#[derive(Debug)]
pub struct Fd {
    /// Distinct for every version of a run; equal contents share a version where the recorder still knows it.
    pub id: u64,
    /// What it is.
    pub info: FdInfo,
}

impl std::ops::Deref for Fd {
    type Target = FdInfo;

    fn deref(&self) -> &FdInfo {
        &self.info
    }
}
