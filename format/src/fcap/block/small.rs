//! The small tables of a block: users, groups, containers, and what is true of the host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::block::{Container, Group, Mount, User, World};
use crate::fcap::columns::{put_number, take_number, unzigzag, zigzag};
use crate::fcap::error::{Error, Problem};
use crate::lists::{Interface, Text};

/// Distinct users, groups and containers, by pointer; row numbers count from 1, 0 is none.
pub(super) struct SmallWriter<'a> {
    users: Distinct<'a, User>,
    groups: Distinct<'a, Group>,
    containers: Distinct<'a, Container>,
}

struct Distinct<'a, T> {
    rows: HashMap<*const T, u64, FixedState>,
    all: Vec<&'a T>,
}

impl<'a, T> Distinct<'a, T> {
    fn new() -> Self {
        Distinct { rows: HashMap::default(), all: Vec::new() }
    }

    fn row(&mut self, item: Option<&'a Arc<T>>) -> u64 {
        let Some(item) = item else { return 0 };
        let all = &mut self.all;
        *self.rows.entry(Arc::as_ptr(item)).or_insert_with(|| {
            all.push(item);
            all.len() as u64
        })
    }
}

impl<'a> SmallWriter<'a> {
    pub(super) fn new() -> Self {
        SmallWriter { users: Distinct::new(), groups: Distinct::new(), containers: Distinct::new() }
    }

    pub(super) fn user(&mut self, user: Option<&'a Arc<User>>) -> u64 {
        self.users.row(user)
    }

    pub(super) fn group(&mut self, group: Option<&'a Arc<Group>>) -> u64 {
        self.groups.row(group)
    }

    pub(super) fn container(&mut self, container: Option<&'a Arc<Container>>) -> u64 {
        self.containers.row(container)
    }

    /// Writes everything down.
    pub(super) fn finish(&self, worlds: &[(u32, Arc<World>)]) -> Vec<u8> {
        let mut out = Vec::new();
        put_number(&mut out, self.users.all.len() as u64);
        for user in &self.users.all {
            [&user.name, &user.home, &user.shell].into_iter().for_each(|text| put_text(&mut out, text));
        }
        put_number(&mut out, self.groups.all.len() as u64);
        for group in &self.groups.all {
            put_text(&mut out, &group.name);
        }
        put_number(&mut out, self.containers.all.len() as u64);
        for container in &self.containers.all {
            put_container(&mut out, container);
        }
        put_number(&mut out, worlds.len() as u64);
        for (row, world) in worlds {
            put_number(&mut out, u64::from(*row));
            put_world(&mut out, world);
        }
        out
    }
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn put_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(Text, Text)]) {
    put_number(out, pairs.len() as u64);
    for (key, value) in pairs {
        put_text(out, key);
        put_text(out, value);
    }
}

fn put_container(out: &mut Vec<u8>, container: &Container) {
    let texts = [
        &container.id,
        &container.full_id,
        &container.name,
        &container.image,
        &container.image_id,
        &container.image_repository,
        &container.image_tag,
        &container.image_digest,
        &container.user,
        &container.ip,
        &container.cni_json,
        &container.pod_sandbox_id,
    ];
    texts.into_iter().for_each(|text| put_text(out, text));
    put_number(out, zigzag(container.kind));
    let bits = [
        container.privileged,
        container.host_pid,
        container.host_network,
        container.host_ipc,
        container.is_pod_sandbox,
    ];
    out.push(bits.into_iter().enumerate().fold(0, |bits, (at, bit)| bits | u8::from(bit) << at));
    put_pairs(out, &container.labels);
    put_pairs(out, &container.pod_sandbox_labels);
    put_number(out, container.mounts.len() as u64);
    for mount in &container.mounts {
        [&mount.source, &mount.dest, &mount.mode, &mount.propagation].into_iter().for_each(|text| put_text(out, text));
        out.push(u8::from(mount.read_write));
    }
}

fn put_world(out: &mut Vec<u8>, world: &World) {
    put_number(out, world.origin);
    put_text(out, &world.hostname);
    put_number(out, world.interfaces.len() as u64);
    for interface in &world.interfaces {
        put_text(out, &interface.name);
        [interface.addr, interface.mask, interface.broadcast].into_iter().for_each(|ip| put_ip(out, ip));
        put_number(out, interface.linkspeed.map_or(0, |speed| speed.saturating_add(1)));
    }
    put_number(out, world.container_ips.len() as u64);
    world.container_ips.iter().for_each(|ip| put_ip(out, *ip));
}

/// The small tables as they were read.
#[derive(Debug, Default)]
pub(super) struct Small {
    pub(super) users: Vec<Arc<User>>,
    pub(super) groups: Vec<Arc<Group>>,
    pub(super) containers: Vec<Arc<Container>>,
    pub(super) worlds: Vec<(u32, Arc<World>)>,
}

impl Small {
    pub(super) fn read(bytes: &[u8]) -> Result<Small, Error> {
        let mut left = bytes;
        let small = Small::take(&mut left).filter(|_| left.is_empty());
        small.ok_or_else(|| {
            let detail = "the tables of users, groups and containers end early".to_owned();
            Error::new(0, Problem::Contents { what: "block", detail })
        })
    }

    fn take(left: &mut &[u8]) -> Option<Small> {
        let mut small = Small::default();
        for _ in 0..take_count(left)? {
            let [name, home, shell] = take_texts(left)?;
            small.users.push(Arc::new(User { name, home, shell }));
        }
        for _ in 0..take_count(left)? {
            small.groups.push(Arc::new(Group { name: take_text(left)? }));
        }
        for _ in 0..take_count(left)? {
            small.containers.push(Arc::new(take_container(left)?));
        }
        for _ in 0..take_count(left)? {
            let row = u32::try_from(take_number(left)?).ok()?;
            small.worlds.push((row, Arc::new(take_world(left)?)));
        }
        Some(small)
    }

    /// Row `number` counted from 1.
    pub(super) fn user(&self, number: u64) -> Option<Arc<User>> {
        self.users.get((number as usize).checked_sub(1)?).cloned()
    }

    pub(super) fn group(&self, number: u64) -> Option<Arc<Group>> {
        self.groups.get((number as usize).checked_sub(1)?).cloned()
    }

    pub(super) fn container(&self, number: u64) -> Option<Arc<Container>> {
        self.containers.get((number as usize).checked_sub(1)?).cloned()
    }
}

/// A number of entries; each has a byte at least, which bounds what is allocated.
fn take_count(left: &mut &[u8]) -> Option<u64> {
    take_number(left).filter(|&count| count <= left.len() as u64)
}

fn take_byte(left: &mut &[u8]) -> Option<u8> {
    let (&byte, rest) = left.split_first()?;
    *left = rest;
    Some(byte)
}

fn take_text(left: &mut &[u8]) -> Option<Text> {
    let length = usize::try_from(take_number(left)?).ok()?;
    let (text, rest) = left.split_at_checked(length)?;
    *left = rest;
    Some(text.into())
}

fn take_texts<const N: usize>(left: &mut &[u8]) -> Option<[Text; N]> {
    let mut texts: [Text; N] = std::array::from_fn(|_| Text::default());
    for text in &mut texts {
        *text = take_text(left)?;
    }
    Some(texts)
}

fn take_ip(left: &mut &[u8]) -> Option<IpAddr> {
    match take_byte(left)? {
        4 => {
            let (octets, rest) = left.split_first_chunk::<4>()?;
            *left = rest;
            Some(IpAddr::V4(Ipv4Addr::from(*octets)))
        }
        6 => {
            let (octets, rest) = left.split_first_chunk::<16>()?;
            *left = rest;
            Some(IpAddr::V6(Ipv6Addr::from(*octets)))
        }
        _ => None,
    }
}

fn take_pairs(left: &mut &[u8]) -> Option<Vec<(Text, Text)>> {
    (0..take_count(left)?).map(|_| Some((take_text(left)?, take_text(left)?))).collect()
}

fn take_container(left: &mut &[u8]) -> Option<Container> {
    let [id, full_id, name, image, image_id, image_repository, image_tag, image_digest, user, ip, cni_json, pod] =
        take_texts(left)?;
    let kind = unzigzag(take_number(left)?);
    let bits = take_byte(left)?;
    let bit = |at: u32| bits >> at & 1 == 1;
    let labels = take_pairs(left)?;
    let pod_sandbox_labels = take_pairs(left)?;
    let mounts = (0..take_count(left)?)
        .map(|_| {
            let [source, dest, mode, propagation] = take_texts(left)?;
            Some(Mount { source, dest, mode, read_write: take_byte(left)? != 0, propagation })
        })
        .collect::<Option<_>>()?;
    Some(Container {
        id,
        full_id,
        name,
        image,
        image_id,
        image_repository,
        image_tag,
        image_digest,
        kind,
        user,
        ip,
        cni_json,
        privileged: bit(0),
        host_pid: bit(1),
        host_network: bit(2),
        host_ipc: bit(3),
        labels,
        mounts,
        pod_sandbox_id: pod,
        is_pod_sandbox: bit(4),
        pod_sandbox_labels,
    })
}

fn take_world(left: &mut &[u8]) -> Option<World> {
    let origin = take_number(left)?;
    let hostname = take_text(left)?;
    let interfaces = (0..take_count(left)?)
        .map(|_| {
            Some(Interface {
                name: take_text(left)?,
                addr: take_ip(left)?,
                mask: take_ip(left)?,
                broadcast: take_ip(left)?,
                linkspeed: take_number(left)?.checked_sub(1),
            })
        })
        .collect::<Option<_>>()?;
    let container_ips = (0..take_count(left)?).map(|_| take_ip(left)).collect::<Option<_>>()?;
    Some(World { interfaces, container_ips, origin, hostname })
}
