//! Redaction of the parameters of events.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::schema::{EVENTS, EventInfo, ParamInfo, ParamType, ev};

use super::json;
use super::kinds::{Kinds, of_param};
use super::mask::Mask;

const AF_UNIX: u8 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// What is done with a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    /// A text that ends with a NUL.
    Text,
    /// A list of texts.
    List,
    Environment,
    Cgroups {
        all: bool,
    },
    Buffer,
    ContainerId,
    ContainerJson,
    /// The data of an asynchronous event: of a container where its name says so.
    Async,
    /// A socket address or two: addresses, paths.
    Socket {
        ips: bool,
        paths: bool,
        /// Whether it is two.
        pair: bool,
    },
    Ip,
    /// A value of one of several types.
    Variant,
}

/// For each event type the parameters to be redacted.
#[derive(Debug)]
pub struct Params {
    by_type: Vec<Vec<(usize, Treatment)>>,
    chosen: Kinds,
}

impl Params {
    /// Parameters of the kinds in `chosen`, and those named.
    pub fn new(chosen: Kinds, named: &BTreeSet<&'static str>) -> Params {
        let of_type = |info: &EventInfo| {
            let of_param = |(index, param): (usize, &ParamInfo)| {
                let kinds = of_param(info, index);
                let wanted = chosen.has(kinds) || kinds == Kinds::OTHER && named.contains(param.name);
                wanted.then(|| Some((index, treatment(info, index, chosen)?)))?
            };
            info.params.iter().enumerate().filter_map(of_param).collect()
        };
        Params { by_type: EVENTS.iter().map(of_type).collect(), chosen }
    }

    /// Redacts the events of a batch.
    pub fn redact(&self, batch: EventBatch, mask: &mut Mask) -> EventBatch {
        // All of it anew: what was redacted must not be left anywhere.
        let mut out = EventBatch { first_drop: batch.first_drop, ..EventBatch::default() };
        let mut values = Vec::new();
        for row in 0..batch.len() {
            let ty = batch.ty[row];
            if self.by_type.get(usize::from(ty)).is_none_or(Vec::is_empty) {
                out.push_row(&batch, row);
                continue;
            }
            values.clear();
            values.extend(batch.params(row).iter().map(<[u8]>::to_vec));
            self.values(ty, &mut values, mask);
            let (ts, tid, cpu, flags) = (batch.ts[row], batch.tid[row], batch.cpu[row], batch.flags[row]);
            out.push(ts, tid, ty, cpu, flags, values.iter().map(Vec::as_slice));
        }
        out
    }

    /// Redacts the parameters of one event.
    pub fn values(&self, ty: u16, values: &mut [Vec<u8>], mask: &mut Mask) {
        for &(index, treatment) in self.by_type.get(usize::from(ty)).map_or(&[][..], Vec::as_slice) {
            let of_container =
                treatment == Treatment::Async && values.get(1).is_some_and(|name| name.starts_with(b"container"));
            let Some(value) = values.get_mut(index).filter(|value| !value.is_empty()) else { continue };
            *value = match treatment {
                Treatment::Text => mask.terminated(value),
                Treatment::List => mask.list(value),
                Treatment::Environment => mask.environment(value),
                Treatment::Cgroups { all } => mask.cgroups(value, all),
                Treatment::Buffer => mask.buffer(value),
                Treatment::ContainerId => match value.strip_suffix(b"\0") {
                    Some(id) => [&mask.id(id)[..], b"\0"].concat(),
                    None => mask.id(value),
                },
                Treatment::ContainerJson => json::redact(value, self.chosen, mask),
                Treatment::Async if of_container => json::redact(value, self.chosen, mask),
                Treatment::Async if self.chosen.has(Kinds::BUFFERS) => mask.buffer(value),
                Treatment::Async => continue,
                Treatment::Socket { ips, paths, pair } => socket(value, (ips, paths), pair, mask),
                Treatment::Ip => ip(value, mask),
                Treatment::Variant => variant(&EVENTS[usize::from(ty)].params[index], value, mask),
            };
        }
    }
}

fn treatment(info: &EventInfo, index: usize, chosen: Kinds) -> Option<Treatment> {
    let param = &info.params[index];
    Some(match (param.ty, param.name) {
        (ParamType::Sockaddr | ParamType::Socktuple, _) => {
            let pair = param.ty == ParamType::Socktuple;
            Treatment::Socket { ips: chosen.has(Kinds::ADDRESSES), paths: chosen.has(Kinds::PATHS), pair }
        }
        (ParamType::Ipv4addr | ParamType::Ipv6addr | ParamType::Ipaddr, _) => Treatment::Ip,
        (ParamType::Dyn, _) => Treatment::Variant,
        (ParamType::Bytebuf, "args") => Treatment::List,
        (ParamType::Bytebuf, "env") => Treatment::Environment,
        (ParamType::Bytebuf, "cgroups") => Treatment::Cgroups { all: chosen.has(Kinds::CGROUPS) },
        (ParamType::Bytebuf, _) if info.id == ev::ASYNCEVENT_E => Treatment::Async,
        (ParamType::Bytebuf, _) => Treatment::Buffer,
        (ParamType::Charbuf, _) if info.id == ev::CONTAINER_JSON_2_E => Treatment::ContainerJson,
        (ParamType::Charbuf, "container_id") => Treatment::ContainerId,
        (ParamType::Charbuf | ParamType::Fspath | ParamType::Fsrelpath, _) => Treatment::Text,
        _ => return None,
    })
}

/// A socket address or a pair of them. What is of no known family or length is replaced but for the family.
fn socket(value: &[u8], (ips, paths): (bool, bool), pair: bool, mask: &mut Mask) -> Vec<u8> {
    let Some((&family, rest)) = value.split_first() else { return Vec::new() };
    let mut out = vec![family];
    match (family, rest.len()) {
        (_, 0) => {}
        (AF_INET, 6 | 12) | (AF_INET6, 18 | 36) => {
            let size = if family == AF_INET { 4 } else { 16 };
            for end in rest.chunks(size + 2) {
                let (address, port) = end.split_at(size);
                out.extend_from_slice(&if ips { ip(address, mask) } else { address.to_vec() });
                out.extend_from_slice(port);
            }
        }
        (AF_UNIX, _) if paths => {
            // A pair has two kernel pointers before the path.
            let pointers = if pair { rest.len().min(16) } else { 0 };
            out.extend_from_slice(&rest[..pointers]);
            out.extend_from_slice(&mask.terminated(&rest[pointers..]));
        }
        (AF_UNIX, _) => out.extend_from_slice(rest),
        _ => out.extend_from_slice(&mask.buffer(rest)),
    }
    out
}

fn ip(bytes: &[u8], mask: &mut Mask) -> Vec<u8> {
    let ip = match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|octets| IpAddr::V4(Ipv4Addr::from(*octets))),
        _ => bytes.first_chunk::<16>().map(|octets| IpAddr::V6(Ipv6Addr::from(*octets))),
    };
    match ip.filter(|_| matches!(bytes.len(), 4 | 16)).map(|ip| mask.ip(ip)) {
        Some(IpAddr::V4(ip)) => ip.octets().to_vec(),
        Some(IpAddr::V6(ip)) => ip.octets().to_vec(),
        None => mask.buffer(bytes),
    }
}

/// A value that begins with the number of its type.
fn variant(param: &ParamInfo, value: &[u8], mask: &mut Mask) -> Vec<u8> {
    let Some((&number, rest)) = value.split_first() else { return Vec::new() };
    let masked = match param.variants.get(usize::from(number)).map(|(ty, _)| *ty) {
        Some(ParamType::Charbuf | ParamType::Fspath | ParamType::Fsrelpath) => mask.terminated(rest),
        Some(ParamType::Bytebuf) | None => mask.buffer(rest),
        Some(_) => rest.to_vec(),
    };
    [&[number][..], &masked[..]].concat()
}
