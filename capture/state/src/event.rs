//! One event on its way through the state code, and how its parameters are read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use falco_replay_format::batch::{Params, until_nul};
use falco_replay_format::block::{Container, Text};

use crate::threads::{Enter, ThreadSlot};

/// The descriptor number that stands for the working directory in calls ending in `at`.
pub(crate) const AT_FDCWD: i64 = -100;

/// An event as read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) row: u32,
    pub(crate) ty: u16,
    pub(crate) cpu: u16,
    pub(crate) ts: u64,
    pub(crate) tid: i64,
    pub(crate) params: Params<'a>,
}

impl Event<'_> {
    /// The return value, where the event has one.
    #[inline]
    pub(crate) fn result(&self) -> Option<i64> {
        self.params.i64(0)
    }

    /// Whether the call succeeded.
    #[inline]
    pub(crate) fn succeeded(&self) -> bool {
        self.result().is_some_and(|result| result >= 0)
    }
}

/// What is known of the event while it is worked on.
#[derive(Debug, Default)]
pub(crate) struct Current {
    /// Its thread.
    pub(crate) thread: Option<ThreadSlot>,
    /// Its descriptor: the thread that owns the table, and the number.
    pub(crate) fd: Option<(ThreadSlot, i64)>,
    /// Number that `fd.num` shows.
    pub(crate) last_fd: i64,
    pub(crate) name_changed: bool,
    /// Whether the descriptor goes after the event.
    pub(crate) closes: bool,
    /// Whether the thread goes after the event.
    pub(crate) exits: bool,
    /// The enter half, where it was kept and belongs to this event.
    pub(crate) enter: Option<Box<Enter>>,
    /// The container that the event describes.
    pub(crate) container: Option<Arc<Container>>,
}

/// A string parameter as old code printed missing ones: absent and "(NULL)" both read as `<NA>`.
pub(crate) fn legacy(bytes: &[u8]) -> &[u8] {
    if bytes.is_empty() || bytes == b"(NULL)\0" { b"<NA>" } else { until_nul(bytes) }
}

/// [`legacy`] of parameter `index`.
#[inline]
pub(crate) fn legacy_text<'a>(params: &Params<'a>, index: usize) -> &'a [u8] {
    legacy(params.get(index))
}

/// The bytes as a text, the same allocation as `like` where it says the same.
#[inline]
pub(crate) fn share(bytes: &[u8], like: &Text) -> Text {
    if **like == *bytes { like.clone() } else { bytes.into() }
}

/// An address or tuple parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address<'a> {
    /// An inet address and port.
    Inet(IpAddr, u16),
    /// A unix path.
    Unix(&'a [u8]),
}

/// A connection tuple parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tuple<'a> {
    /// Source, destination.
    Inet((IpAddr, u16), (IpAddr, u16)),
    /// Source pointer, destination pointer, path.
    Unix(u64, u64, &'a [u8]),
}

const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

fn ip4(bytes: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn ip6(bytes: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.get(..16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}

fn port(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?))
}

fn pointer(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// Reads an address parameter; `None` for other families and wrong sizes.
pub(crate) fn address(bytes: &[u8]) -> Option<Address<'_>> {
    let (&family, rest) = bytes.split_first()?;
    match (family, rest.len()) {
        (AF_INET, 6) => Some(Address::Inet(ip4(rest)?, port(&rest[4..])?)),
        (AF_INET6, 18) => Some(Address::Inet(ip6(rest)?, port(&rest[16..])?)),
        (AF_UNIX, 1..) => Some(Address::Unix(until_nul(rest))),
        _ => None,
    }
}

/// Reads a tuple parameter; `None` for other families and wrong sizes.
pub(crate) fn tuple(bytes: &[u8]) -> Option<Tuple<'_>> {
    let (&family, rest) = bytes.split_first()?;
    match (family, rest.len()) {
        (AF_INET, 12) => Some(Tuple::Inet((ip4(rest)?, port(&rest[4..])?), (ip4(&rest[6..])?, port(&rest[10..])?))),
        (AF_INET6, 36) => Some(Tuple::Inet((ip6(rest)?, port(&rest[16..])?), (ip6(&rest[18..])?, port(&rest[34..])?))),
        (AF_UNIX, 17..) => Some(Tuple::Unix(pointer(rest)?, pointer(&rest[8..])?, until_nul(&rest[16..]))),
        _ => None,
    }
}

/// The IPv4 form of a mapped address (`::ffff:a.b.c.d`, and `::` as 0.0.0.0).
pub(crate) fn unmapped(ip: IpAddr) -> Option<IpAddr> {
    match ip {
        IpAddr::V4(_) => None,
        IpAddr::V6(ip) if ip.is_unspecified() => Some(Ipv4Addr::UNSPECIFIED.into()),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map(IpAddr::V4),
    }
}

/// Both ends of a connection, in IPv4 form where both are mapped.
pub(crate) fn unmapped_ends(source: (IpAddr, u16), dest: (IpAddr, u16)) -> ((IpAddr, u16), (IpAddr, u16)) {
    match (unmapped(source.0), unmapped(dest.0)) {
        (Some(from), Some(to)) => ((from, source.1), (to, dest.1)),
        _ => (source, dest),
    }
}
