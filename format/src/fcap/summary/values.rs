//! Collecting the values of a block.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

use super::filter::Filter;
use super::lists::{Addresses, Numbers, Texts};
use super::matcher::word;
use super::paths::Paths;
use super::{Key, Set, Summary, Values, role};
use crate::block::{Block, Container, FdKind, MainThread, Process, Role, mark};
use crate::schema::{EVENT_TYPES, EVENTS, ev};
use crate::unopened;

/// How the values of a key are kept.
struct Keeping {
    /// Most bytes of a list.
    list: usize,
    /// Bits of a value in a filter.
    bits: u8,
    /// Most bytes of the filter.
    filter: usize,
}

const fn keeping(key: Key) -> Keeping {
    match key {
        Key::Comm => Keeping { list: 1024, bits: 8, filter: 2048 },
        Key::Exe | Key::ExePath => Keeping { list: 1536, bits: 8, filter: 2048 },
        Key::FdName => Keeping { list: 2048, bits: 8, filter: 0 },
        Key::Address => Keeping { list: 1024, bits: 8, filter: 4096 },
        Key::SourcePort | Key::DestPort => Keeping { list: 512, bits: 6, filter: 1024 },
        Key::UserName | Key::Uid | Key::LoginName | Key::LoginUid => Keeping { list: 512, bits: 8, filter: 1024 },
        _ => Keeping { list: 768, bits: 8, filter: 1024 },
    }
}

/// Lengths of the networks that a filter of addresses keeps besides the addresses.
const V4_LENGTHS: [u8; 3] = [8, 16, 24];
const V6_LENGTHS: [u8; 3] = [32, 48, 64];

/// Hash of a number in a filter.
pub(super) fn number(number: u32) -> u64 {
    xxh3_64(&number.to_le_bytes())
}

/// Hash of a network: of its length and its address, what lies behind the length taken as 0.
pub(super) fn network(ip: IpAddr, length: u8) -> u64 {
    match ip {
        IpAddr::V4(ip) => {
            let length = length.min(32);
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            let [a, b, c, d] = (u32::from(ip) & mask).to_be_bytes();
            xxh3_64(&[length, a, b, c, d])
        }
        IpAddr::V6(ip) => {
            let length = length.min(128);
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            let mut bytes = [length; 17];
            bytes[1..].copy_from_slice(&(u128::from(ip) & mask).to_be_bytes());
            xxh3_64(&bytes)
        }
    }
}

/// The longest length that a filter keeps and that is not longer than a network's.
pub(super) fn kept_length(ip: IpAddr, length: u8) -> Option<u8> {
    let (all, kept) = if ip.is_ipv4() { (32, V4_LENGTHS) } else { (128, V6_LENGTHS) };
    if length >= all { Some(all) } else { kept.into_iter().rev().find(|&kept| kept <= length) }
}

/// What must be known of an event type.
mod about {
    /// It is about descriptors.
    pub(super) const FD: u8 = 1;
    /// Without a descriptor it has an empty name.
    pub(super) const UNNAMED: u8 = 2;
    /// Without a descriptor its parameters name something.
    pub(super) const NAMES: u8 = 4;
    /// It may describe a container.
    pub(super) const CONTAINER: u8 = 8;
}

static ABOUT: LazyLock<[u8; EVENT_TYPES]> = LazyLock::new(|| {
    std::array::from_fn(|ty| {
        let info = &EVENTS[ty];
        let fd = match (unopened::about_fd(info), info.is_exit(), unopened::names_one(info.id)) {
            (false, ..) => 0,
            (true, false, _) => about::FD,
            (true, true, false) => about::FD | about::UNNAMED,
            (true, true, true) => about::FD | about::NAMES,
        };
        let describes = matches!(info.id, ev::CONTAINER_JSON_2_E | ev::ASYNCEVENT_E);
        fd | if describes { about::CONTAINER } else { 0 }
    })
});

/// What the delivered events of a block refer to.
struct Used {
    /// By row of `processes`.
    processes: Vec<bool>,
    /// By row of `fds`: whether events about descriptors have it.
    fds: Vec<bool>,
    /// Whether every event has a process.
    all_have_process: bool,
    /// Whether some event may describe a container.
    container_events: bool,
    /// What events without descriptor name.
    unopened: HashSet<Vec<u8>, FixedState>,
}

impl Used {
    fn of(block: &Block) -> Used {
        let about = &*ABOUT;
        let mut used = Used {
            processes: vec![false; block.processes.len()],
            fds: vec![false; block.fds.len()],
            all_have_process: true,
            container_events: false,
            unopened: HashSet::default(),
        };
        // Absolute paths of failed opens, as they stand in the parameters.
        let mut met: HashSet<&[u8], FixedState> = HashSet::default();
        let mut all = 0;
        for (row, (&ty, &marks)) in block.batch.ty.iter().zip(&block.marks).enumerate() {
            if marks & mark::DELIVERED == 0 {
                continue;
            }
            match used.processes.get_mut(block.process[row] as usize) {
                Some(seen) => *seen = true,
                None => used.all_have_process = false,
            }
            let about = about[usize::from(ty)];
            if about & about::FD == 0 {
                all |= about;
                continue;
            }
            match used.fds.get_mut(block.fd[row] as usize) {
                Some(seen) => *seen = true,
                None => {
                    all |= about;
                    if about & about::NAMES != 0 {
                        used.unopened(block, row, ty, &mut met);
                    }
                }
            }
        }
        if all & about::UNNAMED != 0 {
            used.unopened.insert(Vec::new());
        }
        used.container_events = all & about::CONTAINER != 0;
        used
    }

    fn unopened<'a>(&mut self, block: &'a Block, row: usize, ty: u16, met: &mut HashSet<&'a [u8], FixedState>) {
        if matches!(ty, ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X) {
            // Of those each text has one name.
            let text = block.batch.params(row).get(2);
            if text.first() == Some(&b'/') && !met.insert(text) {
                return;
            }
        }
        self.unopened.extend(unopened::name(block, row));
    }
}

/// Texts of a key, each with its roles.
type Roles<'a> = HashMap<&'a [u8], u8, FixedState>;

/// What was collected.
#[derive(Default)]
struct Collected<'a> {
    /// By key, less one; of those keys that are texts.
    texts: [Roles<'a>; Key::ALL.len()],
    uids: HashSet<u32, FixedState>,
    login_uids: HashSet<u32, FixedState>,
    addresses: HashMap<IpAddr, u8, FixedState>,
    source_ports: HashSet<u32, FixedState>,
    dest_ports: HashSet<u32, FixedState>,
    /// Containers that were looked at, by address.
    containers: HashSet<usize, FixedState>,
    /// Whether every event has a container's metadata.
    all_have_container: bool,
}

/// What is to be known of a block.
pub(super) fn of(block: &Block) -> Summary {
    let used = Used::of(block);
    let mut collected = Collected { all_have_container: used.all_have_process, ..Collected::default() };
    for (process, _) in block.processes.iter().zip(&used.processes).filter(|(_, used)| **used) {
        collected.own(process, used.container_events);
    }
    collected.kin(block);
    for container in &block.containers {
        collected.container(container, used.container_events);
    }
    for (fd, _) in block.fds.iter().zip(&used.fds).filter(|(_, used)| **used) {
        let of_kind = match fd.kind {
            FdKind::Directory => role::DIRECTORY,
            kind if kind.is_file() => role::FILE,
            _ => role::OTHER,
        };
        collected.text(Key::FdName, &fd.name, of_kind);
        if let Some((source, dest)) = fd.inet_ends() {
            collected.ends(source, dest, fd.kind.is_listening(), fd.role != Role::None);
        }
    }
    for name in &used.unopened {
        collected.text(Key::FdName, name, role::UNOPENED);
    }
    collected.summary(used.all_have_process)
}

impl<'a> Collected<'a> {
    fn text(&mut self, key: Key, text: &'a [u8], roles: u8) {
        *self.texts[key as usize - 1].entry(text).or_default() |= roles;
    }

    fn thread(&mut self, process: &'a Process, roles: u8) {
        self.text(Key::Comm, &process.info.comm, roles);
        self.text(Key::Exe, &process.info.exe, roles);
        self.text(Key::ExePath, &process.info.exepath, roles);
    }

    /// The thread of an event.
    fn own(&mut self, process: &'a Process, container_events: bool) {
        let info = &*process.info;
        self.thread(process, role::OWN);
        if let Some(parent) = process.parent_process() {
            self.thread(parent, role::PARENT);
        }
        let name = |user: &'a Option<Arc<crate::block::User>>, id: u32| -> &'a [u8] {
            match user {
                Some(user) => &user.name,
                None if id == 0 => b"root",
                None => b"<NA>",
            }
        };
        self.text(Key::UserName, name(&process.user, info.uid), 0);
        self.text(Key::LoginName, name(&process.login_user, info.loginuid), 0);
        self.uids.insert(info.uid);
        self.login_uids.insert(info.loginuid);
        match &process.container {
            Some(container) => self.container(container, container_events),
            None => {
                self.text(Key::ContainerId, &info.container_id, 0);
                self.all_have_container = false;
            }
        }
    }

    /// Every thread that the block knows: those of its table, and from there main threads and parents.
    fn kin(&mut self, block: &'a Block) {
        let mut met: HashSet<usize, FixedState> = HashSet::default();
        let mut rest: Vec<&'a Process> = block.processes.iter().map(|process| &**process).collect();
        while let Some(process) = rest.pop() {
            if !met.insert(std::ptr::from_ref(process).addr()) {
                continue;
            }
            self.thread(process, role::ANY);
            rest.extend(process.parent.as_deref());
            if let MainThread::Other(main) = &process.main {
                rest.push(main);
            }
        }
    }

    fn container(&mut self, container: &'a Arc<Container>, container_events: bool) {
        if !self.containers.insert(Arc::as_ptr(container).addr()) {
            return;
        }
        for key in Key::ALL.into_iter().filter(|key| container_events || *key != Key::UserName) {
            if let Some(text) = key.of_container(container) {
                self.text(key, text, 0);
            }
        }
    }

    /// The ends of an inet socket.
    fn ends(&mut self, source: (IpAddr, u16), dest: (IpAddr, u16), listening: bool, has_role: bool) {
        let server = if has_role { role::SERVER } else { 0 };
        *self.addresses.entry(dest.0).or_default() |= role::END | server;
        self.dest_ports.insert(dest.1.into());
        if !listening {
            let client = if has_role { role::CLIENT } else { 0 };
            *self.addresses.entry(source.0).or_default() |= role::END | client;
            self.source_ports.insert(source.1.into());
        }
    }

    fn summary(mut self, all_have_process: bool) -> Summary {
        let mut summary = Summary::default();
        for key in Key::ALL {
            let values = match key {
                Key::Address => kept_addresses(&self.addresses),
                Key::SourcePort => kept_numbers(key, &self.source_ports),
                Key::DestPort => kept_numbers(key, &self.dest_ports),
                Key::Uid => kept_numbers(key, &self.uids),
                Key::LoginUid => kept_numbers(key, &self.login_uids),
                _ => kept_texts(key, std::mem::take(&mut self.texts[key as usize - 1])),
            };
            let complete = match key {
                Key::FdName | Key::Address | Key::SourcePort | Key::DestPort | Key::PodName | Key::PodNamespace => {
                    false
                }
                Key::ContainerName | Key::Image | Key::ImageRepository | Key::ImageTag | Key::ImageDigest => {
                    self.all_have_container
                }
                _ => all_have_process,
            };
            summary.sets[key as usize - 1] = values.map(|values| Set { values, complete });
        }
        summary
    }
}

fn kept_texts(key: Key, texts: Roles<'_>) -> Option<Values> {
    let keeping = keeping(key);
    let size: usize = texts.keys().map(|text| text.len() + 2).sum();
    if size <= keeping.list {
        let mut sorted: Vec<(&[u8], u8)> = texts.into_iter().collect();
        sorted.sort_unstable();
        return Some(Values::Texts(Texts::of(sorted.into_iter())));
    }
    if matches!(key, Key::Exe | Key::ExePath | Key::FdName) {
        return Some(Values::Paths(Paths::of(texts.into_keys())));
    }
    let hashes: Vec<u64> = texts.keys().map(|text| word(text)).collect();
    Filter::of(&hashes, keeping.bits, keeping.filter).map(Values::Words)
}

fn kept_numbers(key: Key, numbers: &HashSet<u32, FixedState>) -> Option<Values> {
    let keeping = keeping(key);
    let mut sorted: Vec<u32> = numbers.iter().copied().collect();
    sorted.sort_unstable();
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
        return Some(Values::Numbers(Numbers::default()));
    };
    let hashes: Vec<u64> = sorted.iter().copied().map(number).collect();
    let numbers = Numbers(sorted);
    let mut list = Vec::new();
    numbers.encode(&mut list);
    if list.len() <= keeping.list {
        return Some(Values::Numbers(numbers));
    }
    Filter::of(&hashes, keeping.bits, keeping.filter).map(|filter| Values::ManyNumbers { least, most, filter })
}

fn kept_addresses(addresses: &HashMap<IpAddr, u8, FixedState>) -> Option<Values> {
    let keeping = keeping(Key::Address);
    let size: usize = addresses.keys().map(|ip| if ip.is_ipv4() { 5 } else { 17 }).sum();
    if size <= keeping.list {
        let mut sorted: Vec<(IpAddr, u8)> = addresses.iter().map(|(ip, roles)| (*ip, *roles)).collect();
        sorted.sort_unstable();
        return Some(Values::Addresses(Addresses(sorted)));
    }
    let mut hashes: HashSet<u64, FixedState> = HashSet::default();
    for &ip in addresses.keys() {
        let lengths = if ip.is_ipv4() { V4_LENGTHS } else { V6_LENGTHS };
        hashes.extend(lengths.into_iter().chain([128]).map(|length| network(ip, length)));
    }
    let hashes: Vec<u64> = hashes.into_iter().collect();
    Filter::of(&hashes, keeping.bits, keeping.filter).map(Values::ManyAddresses)
}
