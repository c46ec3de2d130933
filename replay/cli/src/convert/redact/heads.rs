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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use falco_replay_format::block::Mount;
    use falco_replay_format::lists::{Exact, FdEntry, FdExact, Machine, ThreadEntry, ThreadExact};
    use falco_replay_format::schema::ev;

    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 77));

    fn secret() -> Text {
        b"/SECRET"[..].into()
    }

    /// All fields are named, so that a new one is not forgotten.
    fn thread() -> ThreadEntry {
        ThreadEntry {
            tid: 1,
            pid: 1,
            ptid: 1,
            sid: 1,
            vpgid: 1,
            pgid: 1,
            comm: secret(),
            exe: secret(),
            exepath: secret(),
            args: secret(),
            cwd: secret(),
            fdlimit: 1,
            flags: 0,
            uid: 0,
            gid: 0,
            vmsize_kb: 0,
            vmrss_kb: 0,
            vmswap_kb: 0,
            pfmajor: 0,
            pfminor: 0,
            env: secret(),
            vtid: 1,
            vpid: 1,
            cgroups: b"cpu=/SECRET/SECRET"[..].into(),
            root: secret(),
            pidns_init_start_ts: 0,
            tty: 0,
            loginuid: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
        }
    }

    fn container() -> Container {
        Container {
            id: secret(),
            full_id: secret(),
            name: secret(),
            image: secret(),
            image_id: secret(),
            image_repository: secret(),
            image_tag: secret(),
            image_digest: secret(),
            kind: 0,
            user: secret(),
            ip: IP.to_string().into_bytes().into(),
            cni_json: secret(),
            privileged: false,
            host_pid: false,
            host_network: false,
            host_ipc: false,
            labels: vec![(b"key"[..].into(), secret())],
            mounts: vec![Mount {
                source: secret(),
                dest: secret(),
                mode: Text::default(),
                read_write: false,
                propagation: Text::default(),
            }],
            pod_sandbox_id: secret(),
            is_pod_sandbox: false,
            pod_sandbox_labels: vec![(b"key"[..].into(), secret())],
        }
    }

    fn exact() -> Exact {
        let file = FdInfo { name: secret(), raw_name: secret(), ..FdInfo::new(FdKind::FileV2) };
        let name = format!("{IP}:1->{IP}:2").into_bytes().into();
        let ends = Ends::Inet { source: (IP, 1), dest: (IP, 2) };
        let socket = FdInfo { name, ends, ..FdInfo::new(FdKind::Ipv4) };
        let unix = FdInfo { name: b"ab->cd /SECRET"[..].into(), ..FdInfo::new(FdKind::Unix) };
        Exact {
            threads: vec![ThreadExact {
                env: secret(),
                cwd: secret(),
                flags: 0,
                container_id: secret(),
                clone_ts: 0,
                lastexec_ts: 0,
                exe_ctime_duration_clone: 0,
                exe_ctime_duration_pidns: 0,
                last_fd: 0,
                last_enter: 0,
                enter: Some((ev::SYSCALL_OPEN_E, vec![b"/SECRET\0"[..].into()])),
                dead: false,
                adopts: false,
                reaper: 0,
                last_cpu: 0,
            }],
            fds: vec![[file, socket, unix].map(|info| FdExact { info, close_on_exec: false }).into()],
            containers: vec![container()],
            users: vec![(secret(), user())],
            groups: vec![(secret(), GroupEntry { gid: 0, name: secret() })],
            exits: Vec::new(),
            origin: 0,
        }
    }

    fn user() -> UserEntry {
        UserEntry { uid: 0, gid: 0, name: secret(), home: secret(), shell: secret() }
    }

    #[test]
    fn no_text_of_a_head_is_forgotten() {
        let fd = |kind, detail| FdEntry { fd: 0, ino: 0, kind, detail };
        let mut head = Head {
            machine: Some(Machine { cpus: 1, memory: 1, max_pid: 1, hostname: secret(), boot_time: 1, flags: [0; 3] }),
            threads: vec![thread()],
            fds: vec![(
                1,
                vec![
                    fd(1, FdDetail::Name(secret())),
                    fd(16, FdDetail::File { flags: 0, name: secret(), dev: 0 }),
                    fd(3, FdDetail::Socket { source: (IP, 1), dest: (IP, 2), l4proto: 2 }),
                    fd(5, FdDetail::Server { ip: IP, port: 1, l4proto: 2 }),
                    fd(8, FdDetail::Unix { source: 0, dest: 0, name: secret() }),
                ],
            )],
            interfaces: vec![Interface { name: Text::default(), addr: IP, mask: IP, broadcast: IP, linkspeed: None }],
            users: vec![user()],
            groups: vec![GroupEntry { gid: 0, name: secret() }],
            exact: Some(Box::new(exact())),
        };
        head.interfaces[0].mask = [255, 255, 255, 0].into();
        redact(&mut head, Kinds::ALL, &Params::new(Kinds::ALL, &BTreeSet::new()), &mut Mask::new(b"key"));
        // Bytes show as numbers.
        let text = format!("{head:?}");
        let bytes = |text: &str| format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned();
        assert!(!text.contains(&bytes("SECRET")), "{text}");
        assert!(!text.contains(&IP.to_string()) && !text.contains(&bytes(&IP.to_string())), "{text}");
    }
}
