//! What socket calls change: tuples, roles, names.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::address::AddressText;
use falco_replay_format::block::{Ends, FdInfo, FdKind, L4Proto, Role, Text};
use falco_replay_format::lists::Interface;
use falco_replay_format::schema::ev;

use crate::State;
use crate::event::{Address, Current, Event, Tuple, address, tuple, unmapped, unmapped_ends};
use crate::files::open_flag;

type End = (IpAddr, u16);

/// How a connection's name came about: names made by connect and the send and receive calls say what they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// From the list of open descriptors, or by accept.
    Listed,
    /// By connect, send or receive.
    Traffic,
}

/// The name of an inet connection.
pub(crate) fn connection_name(source: End, dest: End, l4proto: L4Proto, naming: Naming) -> Text {
    let mut out = Vec::with_capacity(48);
    let traffic = naming == Naming::Traffic;
    let v6 = source.0.is_ipv6();
    let result = match l4proto {
        L4Proto::Unknown | L4Proto::NotApplicable if traffic => out.write_all(b"<unknown>"),
        L4Proto::Raw if traffic && v6 => out.write_all(b"<unknown>"),
        L4Proto::Icmp | L4Proto::Raw => write!(out, "{}->{}", AddressText(source.0), AddressText(dest.0)),
        _ => write!(out, "{}:{}->{}:{}", AddressText(source.0), source.1, AddressText(dest.0), dest.1),
    };
    debug_assert!(result.is_ok(), "writing to memory does not fail");
    out.into()
}

/// The name of a unix connection.
pub(crate) fn unix_name(source: u64, dest: u64, path: &[u8]) -> Text {
    let mut out = format!("{source:x}->{dest:x} ").into_bytes();
    out.extend_from_slice(path);
    out.into()
}

/// The name of a listening socket.
pub(crate) fn server_name(ip: IpAddr, port: u16) -> Text {
    format!("{}:{port}", AddressText(ip)).into_bytes().into()
}

fn kind_of(ip: IpAddr) -> FdKind {
    if ip.is_ipv4() { FdKind::Ipv4 } else { FdKind::Ipv6 }
}

/// Makes an fd an inet connection between two ends; a change between IPv4 and IPv6 forgets the protocol.
fn set_inet(info: &mut FdInfo, source: End, dest: End) {
    let kind = kind_of(source.0);
    let was_v4 = matches!(info.kind, FdKind::Ipv4 | FdKind::Ipv4Server);
    let was_v6 = matches!(info.kind, FdKind::Ipv6 | FdKind::Ipv6Server);
    if was_v4 && kind == FdKind::Ipv6 || was_v6 && kind == FdKind::Ipv4 {
        info.l4proto = L4Proto::Unknown;
    }
    info.kind = kind;
    info.ends = Ends::Inet { source, dest };
}

fn is_v4_mask(mask: IpAddr) -> Option<u32> {
    match mask {
        IpAddr::V4(mask) => Some(u32::from(mask)),
        IpAddr::V6(_) => None,
    }
}

/// Whether two addresses are in one subnet of an interface; for IPv6 the first 64 bits count.
fn same_subnet(interface: &Interface, peer: IpAddr) -> bool {
    match (interface.addr, peer) {
        (IpAddr::V4(own), IpAddr::V4(peer)) => {
            is_v4_mask(interface.mask).is_some_and(|mask| u32::from(own) & mask == u32::from(peer) & mask)
        }
        (IpAddr::V6(own), IpAddr::V6(peer)) => own.octets()[..8] == peer.octets()[..8],
        _ => false,
    }
}

/// The local address that a zero one stands for, by its peer.
fn fill_local(interfaces: &[Interface], ip: IpAddr, peer: IpAddr) -> IpAddr {
    if !ip.is_unspecified() {
        return ip;
    }
    let own = || interfaces.iter().filter(|interface| interface.addr.is_ipv4() == ip.is_ipv4());
    let equal = own().find(|interface| interface.addr == peer);
    let subnet = || own().find(|interface| same_subnet(interface, peer));
    let outside = || own().find(|interface| !interface.addr.is_loopback());
    equal.or_else(subnet).or_else(outside).map_or(ip, |interface| interface.addr)
}

impl State {
    pub(crate) fn socket_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        const AF_UNIX: u32 = 1;
        const AF_INET: u32 = 2;
        const AF_INET6: u32 = 10;
        const AF_NETLINK: u32 = 16;
        const SOCK_STREAM: u32 = 1;
        const SOCK_DGRAM: u32 = 2;
        const SOCK_RAW: u32 = 3;
        let params = &event.params;
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        let (domain, ty, proto) = (params.u32(1).unwrap_or(0), params.u32(2).unwrap_or(0), params.u32(3).unwrap_or(0));
        let kind = match domain {
            AF_UNIX => FdKind::Unix,
            AF_INET => FdKind::Ipv4,
            AF_INET6 => FdKind::Ipv6,
            AF_NETLINK => FdKind::Netlink,
            _ => FdKind::Unknown,
        };
        let mut info = FdInfo::new(kind);
        if kind.is_inet() {
            info.l4proto = match proto {
                6 => L4Proto::Tcp,
                17 => L4Proto::Udp,
                1 if ty == SOCK_RAW => L4Proto::Raw,
                1 => L4Proto::Icmp,
                255 => L4Proto::Raw,
                0 if ty & 0xff == SOCK_STREAM => L4Proto::Tcp,
                0 if ty & 0xff == SOCK_DGRAM => L4Proto::Udp,
                _ => L4Proto::Unknown,
            };
        }
        let mut slot = self.make_fd(info);
        slot.close_on_exec = params.u32(4).unwrap_or(0) & open_flag::CLOEXEC != 0;
        self.put_fd(current, fd, slot);
    }

    pub(crate) fn socketpair_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let params = &event.params;
        let (Some(first), Some(second)) = (params.i64(1), params.i64(2)) else { return };
        if !event.succeeded() || first == second {
            return;
        }
        let ends = Ends::Unix { source: params.u64(3).unwrap_or(0), dest: params.u64(4).unwrap_or(0) };
        let slot = self.make_fd(FdInfo { ends, ..FdInfo::new(FdKind::Unix) });
        self.put_fd(current, second, slot.clone());
        self.put_fd(current, first, slot);
        current.last_fd = second;
    }

    pub(crate) fn bind_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        if !event.succeeded() {
            return;
        }
        match address(event.params.get(1)) {
            Some(Address::Inet(ip, port)) => self.change_fd(current, |info| {
                info.name = server_name(ip, port);
                if port > 0 {
                    let ip = unmapped(ip).unwrap_or(ip);
                    info.kind = if ip.is_ipv4() { FdKind::Ipv4Server } else { FdKind::Ipv6Server };
                    info.ends = Ends::Inet { source: (ip, port), dest: (ip, port) };
                    info.role = Role::Server;
                }
            }),
            Some(Address::Unix(path)) => self.change_fd(current, |info| info.name = path.into()),
            None => {}
        }
    }

    pub(crate) fn connect_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        const EINPROGRESS: i64 = 115;
        if event.result().is_none_or(|result| result < 0 && result != -EINPROGRESS) || self.event_fd(current).is_none()
        {
            return;
        }
        let enter = current.enter.take();
        let entered = enter.as_ref().and_then(|enter| address(enter.params.get(1)?));
        match tuple(event.params.get(1)) {
            Some(Tuple::Inet(source, mut dest)) => {
                if let (Some(Address::Inet(ip, port)), Some(Address::Inet(exit_ip, exit_port))) =
                    (entered, address(event.params.get(3)))
                    && dest == (exit_ip, exit_port)
                    && ip.is_ipv4() == dest.0.is_ipv4()
                {
                    dest = (ip, port);
                }
                let (source, dest) = unmapped_ends(source, dest);
                self.change_fd(current, |info| {
                    let udp_server =
                        info.kind == FdKind::Ipv4 && info.l4proto == L4Proto::Udp && info.role == Role::Server;
                    let changed = info.ends != Ends::Inet { source, dest };
                    set_inet(info, source, dest);
                    if changed && udp_server {
                        info.ends = Ends::Inet { source: dest, dest: source };
                    }
                    if let Ends::Inet { source, dest } = info.ends {
                        info.name = connection_name(source, dest, info.l4proto, Naming::Traffic);
                    }
                    if info.role == Role::None {
                        info.role = Role::Client;
                    }
                    info.connected = true;
                });
            }
            Some(Tuple::Unix(source, dest, path)) => self.change_fd(current, |info| {
                if info.kind == FdKind::Unix {
                    info.ends = Ends::Unix { source, dest };
                    info.name = unix_name(source, dest, path);
                    if info.role == Role::None {
                        info.role = Role::Client;
                    }
                }
                info.connected = true;
            }),
            None => self.change_fd(current, |info| {
                info.connected = true;
                if let Some(Address::Inet(ip, port)) = entered {
                    let dest = (unmapped(ip).unwrap_or(ip), port);
                    let zero = if dest.0.is_ipv4() {
                        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
                    } else {
                        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                    };
                    let source = match info.ends {
                        Ends::Inet { source, .. } if source.0.is_ipv4() == dest.0.is_ipv4() => source,
                        _ => (zero, 0),
                    };
                    set_inet(info, source, dest);
                    info.name = connection_name(source, dest, info.l4proto, Naming::Traffic);
                    if info.role == Role::None {
                        info.role = Role::Client;
                    }
                }
            }),
        }
    }

    pub(crate) fn accept_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        let Some(fd) = event.result().filter(|&fd| fd >= 0) else { return };
        current.last_fd = fd;
        let close_on_exec = event.ty == ev::SOCKET_ACCEPT4_6_X
            && event.params.u32(5).is_some_and(|flags| flags & open_flag::CLOEXEC != 0);
        let mut info = match tuple(event.params.get(1)) {
            Some(Tuple::Inet(source, dest)) => {
                let (source, dest) = unmapped_ends(source, dest);
                FdInfo {
                    name: connection_name(source, dest, L4Proto::Tcp, Naming::Listed),
                    ends: Ends::Inet { source, dest },
                    l4proto: L4Proto::Tcp,
                    ..FdInfo::new(kind_of(source.0))
                }
            }
            Some(Tuple::Unix(source, dest, path)) => FdInfo {
                name: unix_name(source, dest, path),
                ends: Ends::Unix { source, dest },
                ..FdInfo::new(FdKind::Unix)
            },
            None => return,
        };
        info.role = Role::Server;
        info.connected = true;
        current.name_changed = !info.name.is_empty();
        let mut slot = self.make_fd(info);
        slot.close_on_exec = close_on_exec;
        self.put_fd(current, fd, slot);
    }

    /// Reads and writes connect a socket that was not known to be.
    pub(crate) fn traffic_exit(&mut self, event: &Event<'_>, current: &mut Current) {
        if !event.succeeded() {
            return;
        }
        let connects = self
            .event_fd(current)
            .is_some_and(|slot| matches!(slot.fd.kind, FdKind::Ipv4 | FdKind::Ipv6) && !slot.fd.connected);
        if connects {
            self.change_fd(current, |info| info.connected = true);
        }
    }

    /// The send and receive calls: they tell a socket's ends. `index`: the tuple's parameter.
    pub(crate) fn message_exit(&mut self, event: &Event<'_>, current: &mut Current, index: usize, received: bool) {
        if !event.succeeded() {
            return;
        }
        let found = tuple(event.params.get(index));
        if self.event_fd(current).is_none() {
            let creates = matches!(event.ty, ev::SOCKET_SEND_X | ev::SOCKET_SENDTO_X | ev::SOCKET_SENDMSG_X);
            let Some(Tuple::Inet(source, dest)) = found.filter(|_| creates) else { return };
            let (source, _) = unmapped_ends(source, dest);
            let slot = self.make_fd(FdInfo { l4proto: L4Proto::Udp, ..FdInfo::new(kind_of(source.0)) });
            let fd = current.last_fd;
            self.put_fd(current, fd, slot);
        }
        self.traffic_exit(event, current);
        let Some(fd) = self.event_fd(current).map(|slot| slot.fd.clone()) else { return };
        if !fd.name.is_empty() && fd.kind == FdKind::Ipv4 && fd.l4proto == L4Proto::Tcp {
            return;
        }
        match found {
            None => {}
            Some(Tuple::Unix(source, dest, path)) => self.change_fd(current, |info| {
                info.kind = FdKind::Unix;
                info.ends = Ends::Unix { source, dest };
                info.name = unix_name(source, dest, path);
            }),
            Some(Tuple::Inet(source, dest)) => {
                let (source, dest) = unmapped_ends(source, dest);
                self.message_ends(&fd, current, source, dest, received);
            }
        }
    }

    fn message_ends(&mut self, fd: &FdInfo, current: &mut Current, source: End, dest: End, received: bool) {
        let same = fd.ends == Ends::Inet { source, dest } && !fd.kind.is_listening();
        let mirrored = fd.ends == Ends::Inet { source: dest, dest: source } && !fd.kind.is_listening();
        if same || mirrored {
            return;
        }
        let interfaces = &self.world.interfaces;
        let source = (fill_local(interfaces, source.0, dest.0), source.1);
        let dest = (fill_local(interfaces, dest.0, source.0), dest.1);
        let role = if fd.role == Role::None {
            let probe = (fd.kind != FdKind::Ipv6 && source.0.is_ipv4()).then_some((source.1, dest.1));
            self.guess_role(current, probe, source.1, dest.1, received)
        } else {
            fd.role
        };
        self.change_fd(current, |info| {
            let listening_v6 = info.kind == FdKind::Ipv6Server;
            if listening_v6 && source.0.is_ipv6() {
                info.ends = Ends::Inet { source, dest };
            } else {
                set_inet(info, source, dest);
            }
            if info.l4proto == L4Proto::Unknown {
                info.l4proto = L4Proto::Udp;
            }
            info.role = role;
            if received && role == Role::Client || !received && role == Role::Server {
                info.ends = Ends::Inet { source: dest, dest: source };
            }
            if let Ends::Inet { source, dest } = info.ends {
                info.name = connection_name(source, dest, info.l4proto, Naming::Traffic);
            }
        });
    }

    /// Guesses which end a process is. `own`: ports of the socket itself where it is an IPv4 one, for it counts too.
    fn guess_role(
        &self,
        current: &Current,
        own: Option<(u16, u16)>,
        source_port: u16,
        dest_port: u16,
        received: bool,
    ) -> Role {
        let mut to_port = own.is_some_and(|(_, dest)| dest == dest_port);
        let mut from_port = own.is_some_and(|(source, _)| source == source_port);
        if let Some((owner, _)) = current.fd {
            for (_, slot) in self.threads.at(owner).fds.iter() {
                if let (FdKind::Ipv4 | FdKind::Ipv4Server, Ends::Inet { source, dest }) = (slot.fd.kind, slot.fd.ends) {
                    to_port |= dest.1 == dest_port;
                    from_port |= slot.fd.kind == FdKind::Ipv4 && source.1 == source_port;
                }
            }
        }
        match (to_port, from_port, received) {
            (false, _, _) => Role::Client,
            (true, false, _) => Role::Server,
            (true, true, true) => Role::Server,
            (true, true, false) => Role::Client,
        }
    }
}
