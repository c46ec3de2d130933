//! Redaction of heads: lists, and what is known beyond them.

use std::net::IpAddr;

use falco_replay_format::address::AddressText;
use falco_replay_format::block::{Container, Ends, FdInfo, FdKind, L4Proto, Text};
use falco_replay_format::lists::{FdDetail, GroupEntry, Head, Interface, UserEntry};

use super::kinds::Kinds;
use super::mask::Mask;
use super::params::Params;

/// Redacts a head.
pub fn redact(head: &mut Head, chosen: Kinds, params: &Params, mask: &mut Mask) {
    let mut at_work = AtWork { chosen, mask };
    if let Some(machine) = &mut head.machine {
        at_work.text(&mut machine.hostname, Kinds::HOSTNAME);
    }
    for thread in &mut head.threads {
        at_work.text(&mut thread.comm, Kinds::COMM);
        at_work.text(&mut thread.exe, Kinds::EXE);
        at_work.text(&mut thread.exepath, Kinds::EXEPATH);
        at_work.with(&mut thread.args, Kinds::ARGS, Mask::list);
        at_work.with(&mut thread.env, Kinds::ENV, Mask::environment);
        at_work.text(&mut thread.cwd, Kinds::CWD);
        at_work.text(&mut thread.root, Kinds::PATHS);
        let all = chosen.has(Kinds::CGROUPS);
        let kinds = Kinds::CGROUPS | Kinds::CONTAINER_ID;
        at_work.with(&mut thread.cgroups, kinds, |mask, cgroups| mask.cgroups(cgroups, all));
    }
    for entry in head.fds.iter_mut().flat_map(|(_, fds)| fds) {
        match &mut entry.detail {
            FdDetail::None => {}
            FdDetail::Name(name) | FdDetail::File { name, .. } => at_work.text(name, Kinds::PATHS),
            FdDetail::Unix { name, .. } => at_work.with(name, Kinds::PATHS, unix_name),
            FdDetail::Socket { source, dest, .. } => {
                at_work.ip(&mut source.0);
                at_work.ip(&mut dest.0);
            }
            FdDetail::Server { ip, .. } => at_work.ip(ip),
        }
    }
    head.interfaces.iter_mut().for_each(|interface| at_work.interface(interface));
    head.users.iter_mut().for_each(|user| at_work.user(user));
    head.groups.iter_mut().for_each(|group| at_work.group(group));
    let Some(exact) = &mut head.exact else { return };
    for thread in &mut exact.threads {
        at_work.with(&mut thread.env, Kinds::ENV, Mask::environment);
        at_work.text(&mut thread.cwd, Kinds::CWD);
        at_work.with(&mut thread.container_id, Kinds::CONTAINER_ID, Mask::id);
        if let Some((ty, values)) = &mut thread.enter {
            let mut masked: Vec<Vec<u8>> = values.iter().map(|value| value.to_vec()).collect();
            params.values(*ty, &mut masked, at_work.mask);
            *values = masked.into_iter().map(Text::from).collect();
        }
    }
    for fd in exact.fds.iter_mut().flatten() {
        at_work.fd(&mut fd.info);
    }
    for container in &mut exact.containers {
        at_work.container(container);
    }
    for (id, user) in &mut exact.users {
        at_work.with(id, Kinds::CONTAINER_ID, Mask::id);
        at_work.user(user);
    }
    for (id, group) in &mut exact.groups {
        at_work.with(id, Kinds::CONTAINER_ID, Mask::id);
        at_work.group(group);
    }
}

struct AtWork<'a> {
    chosen: Kinds,
    mask: &'a mut Mask,
}

impl AtWork<'_> {
    fn with(&mut self, text: &mut Text, kinds: Kinds, mask: impl FnOnce(&mut Mask, &[u8]) -> Vec<u8>) {
        if self.chosen.has(kinds) && !text.is_empty() {
            *text = mask(self.mask, text).into();
        }
    }

    fn text(&mut self, text: &mut Text, kinds: Kinds) {
        self.with(text, kinds, Mask::text);
    }

    fn ip(&mut self, ip: &mut IpAddr) {
        if self.chosen.has(Kinds::ADDRESSES) {
            *ip = self.mask.ip(*ip);
        }
    }

    fn interface(&mut self, interface: &mut Interface) {
        let Interface { addr, mask, broadcast, .. } = interface;
        self.ip(addr);
        match (addr, mask) {
            // All ones after the net, as before.
            (IpAddr::V4(addr), IpAddr::V4(mask)) if self.chosen.has(Kinds::ADDRESSES) && broadcast.is_ipv4() => {
                if !broadcast.is_unspecified() {
                    *broadcast = IpAddr::V4((u32::from(*addr) | !u32::from(*mask)).into());
                }
            }
            _ => self.ip(broadcast),
        }
    }

    fn user(&mut self, user: &mut UserEntry) {
        for text in [&mut user.name, &mut user.home, &mut user.shell] {
            self.text(text, Kinds::USERS);
        }
    }

    fn group(&mut self, group: &mut GroupEntry) {
        self.text(&mut group.name, Kinds::GROUPS);
    }

    fn fd(&mut self, fd: &mut FdInfo) {
        self.text(&mut fd.raw_name, Kinds::PATHS);
        if let Ends::Inet { source, dest } = &mut fd.ends {
            self.ip(&mut source.0);
            self.ip(&mut dest.0);
        }
        match fd.kind {
            kind if kind.is_inet() => {
                let has_ports = !matches!(fd.l4proto, L4Proto::Icmp | L4Proto::Raw) || kind.is_listening();
                self.with(&mut fd.name, Kinds::ADDRESSES, |mask, name| socket_name(mask, name, has_ports));
            }
            FdKind::Unix => self.with(&mut fd.name, Kinds::PATHS, unix_name),
            // Their names are numbers of processes.
            FdKind::Pidfd => {}
            _ => self.text(&mut fd.name, Kinds::PATHS),
        }
    }

    fn container(&mut self, container: &mut Container) {
        for id in [&mut container.id, &mut container.full_id, &mut container.pod_sandbox_id] {
            self.with(id, Kinds::CONTAINER_ID, Mask::id);
        }
        self.text(&mut container.name, Kinds::CONTAINER_NAME);
        let Container { image, image_id, image_repository, image_tag, image_digest, .. } = container;
        for text in [image, image_id, image_repository, image_tag, image_digest] {
            self.text(text, Kinds::CONTAINER_IMAGE);
        }
        self.text(&mut container.user, Kinds::USERS | Kinds::CONTAINER_OTHER);
        self.text(&mut container.cni_json, Kinds::CONTAINER_CNI);
        self.with(&mut container.ip, Kinds::ADDRESSES, address_text);
        for (_, value) in container.labels.iter_mut().chain(&mut container.pod_sandbox_labels) {
            self.text(value, Kinds::CONTAINER_LABELS);
        }
        for mount in &mut container.mounts {
            self.text(&mut mount.source, Kinds::CONTAINER_MOUNTS);
            self.text(&mut mount.dest, Kinds::CONTAINER_MOUNTS);
        }
    }
}

/// `source->dest path`, both ends as numbers; or a path alone.
fn unix_name(mask: &mut Mask, name: &[u8]) -> Vec<u8> {
    let is_pair = |ends: &[u8]| ends.iter().all(|byte| byte.is_ascii_hexdigit() || b"->".contains(byte));
    match name.iter().position(|&byte| byte == b' ') {
        Some(at) if is_pair(&name[..at]) => [&name[..=at], &mask.text(&name[at + 1..])[..]].concat(),
        _ => mask.text(name),
    }
}

/// `ip:port->ip:port`, or a part of that.
fn socket_name(mask: &mut Mask, name: &[u8], has_ports: bool) -> Vec<u8> {
    if name == b"<unknown>" {
        return name.to_vec();
    }
    let text = String::from_utf8_lossy(name);
    let ends: Vec<Vec<u8>> = text
        .split("->")
        .map(|end| {
            let with_port = end.rsplit_once(':').filter(|_| has_ports);
            match (with_port.and_then(|(ip, port)| Some((ip.parse().ok()?, port))), end.parse::<IpAddr>()) {
                (Some((ip, port)), _) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                    format!("{}:{port}", ip_text(mask.ip(ip))).into_bytes()
                }
                (_, Ok(ip)) => ip_text(mask.ip(ip)).into_bytes(),
                _ => mask.text(end.as_bytes()),
            }
        })
        .collect();
    ends.join(&b"->"[..])
}

fn ip_text(ip: IpAddr) -> String {
    AddressText(ip).to_string()
}

fn address_text(mask: &mut Mask, text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
        Some(ip) => mask.ip(ip).to_string().into_bytes(),
        None => mask.text(text),
    }
}
