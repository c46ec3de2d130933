//! The small lists of a snapshot as records: machine, interfaces, users, groups, containers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use wincode::{SchemaRead, SchemaWrite};

use super::wrong;
use crate::block::{Container, Mount};
use crate::fcap::constants::record;
use crate::fcap::error::Error;
use crate::fcap::header::MachineAbout;
use crate::fcap::record::{all, put};
use crate::lists::{Exact, GroupEntry, Head, Interface, Text, UserEntry};

/// Entries of one record.
const CHUNK: usize = 1024;
/// Containers of one record: their JSON may be long.
const FEW: usize = 64;

/// What the columns hold.
#[derive(SchemaWrite, SchemaRead)]
pub(super) struct Counts {
    pub machine: Option<MachineAbout>,
    pub threads: u64,
    pub fd_lists: u64,
    pub fds: u64,
    /// Where the head was taken from a running state: time from which `evt.reltime` counts.
    pub exact: Option<u64>,
}

#[derive(SchemaWrite, SchemaRead)]
enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

#[derive(SchemaWrite, SchemaRead)]
struct WrittenInterface {
    name: Vec<u8>,
    addr: Address,
    mask: Address,
    broadcast: Address,
    linkspeed: Option<u64>,
}

#[derive(SchemaWrite, SchemaRead)]
struct WrittenUser {
    container: Vec<u8>,
    uid: u32,
    gid: u32,
    name: Vec<u8>,
    home: Vec<u8>,
    shell: Vec<u8>,
}

#[derive(SchemaWrite, SchemaRead)]
struct WrittenGroup {
    container: Vec<u8>,
    gid: u32,
    name: Vec<u8>,
}

#[derive(SchemaWrite, SchemaRead)]
struct WrittenContainer {
    id: Vec<u8>,
    full_id: Vec<u8>,
    name: Vec<u8>,
    image: Vec<u8>,
    image_id: Vec<u8>,
    image_repository: Vec<u8>,
    image_tag: Vec<u8>,
    image_digest: Vec<u8>,
    kind: i64,
    user: Vec<u8>,
    ip: Vec<u8>,
    cni_json: Vec<u8>,
    privileged: bool,
    host_pid: bool,
    host_network: bool,
    host_ipc: bool,
    labels: Vec<(Vec<u8>, Vec<u8>)>,
    mounts: Vec<WrittenMount>,
    pod_sandbox_id: Vec<u8>,
    is_pod_sandbox: bool,
    pod_sandbox_labels: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(SchemaWrite, SchemaRead)]
struct WrittenMount {
    source: Vec<u8>,
    dest: Vec<u8>,
    mode: Vec<u8>,
    read_write: bool,
    propagation: Vec<u8>,
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(address) => Address::V4(address.octets()),
            IpAddr::V6(address) => Address::V6(address.octets()),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> IpAddr {
        match address {
            Address::V4(octets) => Ipv4Addr::from(octets).into(),
            Address::V6(octets) => Ipv6Addr::from(octets).into(),
        }
    }
}

impl From<&Interface> for WrittenInterface {
    fn from(interface: &Interface) -> Self {
        let Interface { name, addr, mask, broadcast, linkspeed } = interface;
        WrittenInterface {
            name: name.to_vec(),
            addr: (*addr).into(),
            mask: (*mask).into(),
            broadcast: (*broadcast).into(),
            linkspeed: *linkspeed,
        }
    }
}

impl From<WrittenInterface> for Interface {
    fn from(interface: WrittenInterface) -> Self {
        let WrittenInterface { name, addr, mask, broadcast, linkspeed } = interface;
        Interface { name: name.into(), addr: addr.into(), mask: mask.into(), broadcast: broadcast.into(), linkspeed }
    }
}

fn write_user(container: &[u8], user: &UserEntry) -> WrittenUser {
    let UserEntry { uid, gid, name, home, shell } = user;
    WrittenUser {
        container: container.to_vec(),
        uid: *uid,
        gid: *gid,
        name: name.to_vec(),
        home: home.to_vec(),
        shell: shell.to_vec(),
    }
}

fn read_user(user: WrittenUser) -> (Text, UserEntry) {
    let WrittenUser { container, uid, gid, name, home, shell } = user;
    (container.into(), UserEntry { uid, gid, name: name.into(), home: home.into(), shell: shell.into() })
}

fn write_group(container: &[u8], group: &GroupEntry) -> WrittenGroup {
    let GroupEntry { gid, name } = group;
    WrittenGroup { container: container.to_vec(), gid: *gid, name: name.to_vec() }
}

fn read_group(group: WrittenGroup) -> (Text, GroupEntry) {
    (group.container.into(), GroupEntry { gid: group.gid, name: group.name.into() })
}

fn write_pairs(pairs: &[(Text, Text)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    pairs.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn read_pairs(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<(Text, Text)> {
    pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

impl From<&Container> for WrittenContainer {
    fn from(container: &Container) -> Self {
        let c = container;
        WrittenContainer {
            id: c.id.to_vec(),
            full_id: c.full_id.to_vec(),
            name: c.name.to_vec(),
            image: c.image.to_vec(),
            image_id: c.image_id.to_vec(),
            image_repository: c.image_repository.to_vec(),
            image_tag: c.image_tag.to_vec(),
            image_digest: c.image_digest.to_vec(),
            kind: c.kind,
            user: c.user.to_vec(),
            ip: c.ip.to_vec(),
            cni_json: c.cni_json.to_vec(),
            privileged: c.privileged,
            host_pid: c.host_pid,
            host_network: c.host_network,
            host_ipc: c.host_ipc,
            labels: write_pairs(&c.labels),
            mounts: c
                .mounts
                .iter()
                .map(|mount| WrittenMount {
                    source: mount.source.to_vec(),
                    dest: mount.dest.to_vec(),
                    mode: mount.mode.to_vec(),
                    read_write: mount.read_write,
                    propagation: mount.propagation.to_vec(),
                })
                .collect(),
            pod_sandbox_id: c.pod_sandbox_id.to_vec(),
            is_pod_sandbox: c.is_pod_sandbox,
            pod_sandbox_labels: write_pairs(&c.pod_sandbox_labels),
        }
    }
}

impl From<WrittenContainer> for Container {
    fn from(container: WrittenContainer) -> Self {
        let c = container;
        Container {
            id: c.id.into(),
            full_id: c.full_id.into(),
            name: c.name.into(),
            image: c.image.into(),
            image_id: c.image_id.into(),
            image_repository: c.image_repository.into(),
            image_tag: c.image_tag.into(),
            image_digest: c.image_digest.into(),
            kind: c.kind,
            user: c.user.into(),
            ip: c.ip.into(),
            cni_json: c.cni_json.into(),
            privileged: c.privileged,
            host_pid: c.host_pid,
            host_network: c.host_network,
            host_ipc: c.host_ipc,
            labels: read_pairs(c.labels),
            mounts: c
                .mounts
                .into_iter()
                .map(|mount| Mount {
                    source: mount.source.into(),
                    dest: mount.dest.into(),
                    mode: mount.mode.into(),
                    read_write: mount.read_write,
                    propagation: mount.propagation.into(),
                })
                .collect(),
            pod_sandbox_id: c.pod_sandbox_id.into(),
            is_pod_sandbox: c.is_pod_sandbox,
            pod_sandbox_labels: read_pairs(c.pod_sandbox_labels),
        }
    }
}

/// Writes everything but threads and descriptors, of which `fds` is the number.
pub(super) fn write(head: &Head, fds: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    let counts = Counts {
        machine: head.machine.as_ref().map(MachineAbout::from),
        threads: head.threads.len() as u64,
        fd_lists: head.fds.len() as u64,
        fds: fds as u64,
        exact: head.exact.as_ref().map(|exact| exact.origin),
    };
    put(&mut out, record::SNAPSHOT, "the machine", &counts)?;
    for chunk in head.interfaces.chunks(CHUNK) {
        let written: Vec<WrittenInterface> = chunk.iter().map(Into::into).collect();
        put(&mut out, record::INTERFACES, "interfaces", &written)?;
    }
    for chunk in head.users.chunks(CHUNK) {
        let written: Vec<WrittenUser> = chunk.iter().map(|user| write_user(b"", user)).collect();
        put(&mut out, record::USERS, "users", &written)?;
    }
    for chunk in head.groups.chunks(CHUNK) {
        let written: Vec<WrittenGroup> = chunk.iter().map(|group| write_group(b"", group)).collect();
        put(&mut out, record::GROUPS, "groups", &written)?;
    }
    if let Some(exact) = &head.exact {
        for chunk in exact.containers.chunks(FEW) {
            let written: Vec<WrittenContainer> = chunk.iter().map(Into::into).collect();
            put(&mut out, record::CONTAINERS, "containers", &written)?;
        }
        for chunk in exact.users.chunks(CHUNK) {
            let written: Vec<WrittenUser> = chunk.iter().map(|(id, user)| write_user(id, user)).collect();
            put(&mut out, record::CONTAINER_USERS, "users of containers", &written)?;
        }
        for chunk in exact.groups.chunks(CHUNK) {
            let written: Vec<WrittenGroup> = chunk.iter().map(|(id, group)| write_group(id, group)).collect();
            put(&mut out, record::CONTAINER_GROUPS, "groups of containers", &written)?;
        }
        for chunk in exact.exits.chunks(CHUNK) {
            put(&mut out, record::EXITS, "ended threads", &chunk.to_vec())?;
        }
    }
    Ok(out)
}

/// Reads what [`write`] wrote.
pub(super) fn read(bytes: &[u8]) -> Result<(Head, Counts), Error> {
    let mut records = all(bytes);
    let first = records.next().ok_or_else(|| wrong("it is empty"))??;
    let counts: Counts = first.read(record::SNAPSHOT, "the machine")?;
    let mut head = Head { machine: counts.machine.as_ref().map(Into::into), ..Head::default() };
    head.exact = counts.exact.map(|origin| Box::new(Exact { origin, ..Exact::default() }));
    for record in records {
        let record = record?;
        match (record.kind, &mut head.exact) {
            (kind @ record::INTERFACES, _) => {
                let chunk: Vec<WrittenInterface> = record.read(kind, "interfaces")?;
                head.interfaces.extend(chunk.into_iter().map(Interface::from));
            }
            (kind @ record::USERS, _) => {
                let chunk: Vec<WrittenUser> = record.read(kind, "users")?;
                head.users.extend(chunk.into_iter().map(|user| read_user(user).1));
            }
            (kind @ record::GROUPS, _) => {
                let chunk: Vec<WrittenGroup> = record.read(kind, "groups")?;
                head.groups.extend(chunk.into_iter().map(|group| read_group(group).1));
            }
            (kind @ record::CONTAINERS, Some(exact)) => {
                let chunk: Vec<WrittenContainer> = record.read(kind, "containers")?;
                exact.containers.extend(chunk.into_iter().map(Container::from));
            }
            (kind @ record::CONTAINER_USERS, Some(exact)) => {
                let chunk: Vec<WrittenUser> = record.read(kind, "users of containers")?;
                exact.users.extend(chunk.into_iter().map(read_user));
            }
            (kind @ record::CONTAINER_GROUPS, Some(exact)) => {
                let chunk: Vec<WrittenGroup> = record.read(kind, "groups of containers")?;
                exact.groups.extend(chunk.into_iter().map(read_group));
            }
            (kind @ record::EXITS, Some(exact)) => {
                let chunk: Vec<(u64, i64, i64)> = record.read(kind, "ended threads")?;
                exact.exits.extend(chunk);
            }
            (kind, _) => return Err(wrong(format!("an unexpected record of kind {kind}"))),
        }
    }
    Ok((head, counts))
}
