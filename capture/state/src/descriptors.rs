//! Descriptor tables and the interning of descriptor versions.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use falco_replay_format::block::{Fd, FdInfo};
use foldhash::fast::FixedState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};

/// Entries of one table; further ones are not added (libsinsp's limit).
pub(crate) const TABLE_LIMIT: usize = 4096;

/// Numbers below this live in an array, the rest in a map.
const DIRECT: usize = 1024;

/// Opens that are remembered before the oldest half is forgotten.
const INTERNED: usize = 1 << 16;

/// Bytes of names after which the same happens: a name can have 64 KiB.
const INTERNED_BYTES: usize = 1 << 25;

/// A descriptor of a table, with its row in the block being filled.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) fd: Arc<Fd>,
    /// Block that `row` belongs to.
    pub(crate) block: u32,
    pub(crate) row: u32,
    pub(crate) close_on_exec: bool,
}

/// The descriptors of a process.
#[derive(Debug, Clone, Default)]
pub(crate) struct FdTable {
    direct: Vec<Option<Slot>>,
    others: HashMap<i64, Slot, FixedState>,
    count: usize,
    /// See [`FdTable::kinds`]; `None` after a change.
    kinds: Option<u64>,
}

impl FdTable {
    #[inline]
    pub(crate) fn get(&self, fd: i64) -> Option<&Slot> {
        match usize::try_from(fd) {
            Ok(at) if at < DIRECT => self.direct.get(at)?.as_ref(),
            _ => self.others.get(&fd),
        }
    }

    /// Kinds of all descriptors, a bit each.
    pub(crate) fn kinds(&mut self) -> u64 {
        match self.kinds {
            Some(kinds) => kinds,
            None => {
                let kinds = self.iter().fold(0, |kinds, (_, slot)| kinds | 1 << (slot.fd.kind as u8));
                self.kinds = Some(kinds);
                kinds
            }
        }
    }

    /// The entry of a number, to note its row.
    #[inline]
    pub(crate) fn noting(&mut self, fd: i64) -> Option<&mut Slot> {
        match usize::try_from(fd) {
            Ok(at) if at < DIRECT => self.direct.get_mut(at)?.as_mut(),
            _ => self.others.get_mut(&fd),
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, fd: i64) -> Option<&mut Slot> {
        self.kinds = None;
        match usize::try_from(fd) {
            Ok(at) if at < DIRECT => self.direct.get_mut(at)?.as_mut(),
            _ => self.others.get_mut(&fd),
        }
    }

    /// Puts a descriptor in, over one of the same number; false where the table is full.
    pub(crate) fn insert(&mut self, fd: i64, slot: Slot) -> bool {
        self.kinds = None;
        if let Some(old) = self.get_mut(fd) {
            *old = slot;
            return true;
        }
        if self.count >= TABLE_LIMIT {
            return false;
        }
        match usize::try_from(fd) {
            Ok(at) if at < DIRECT => {
                if at >= self.direct.len() {
                    self.direct.resize_with(at + 1, || None);
                }
                self.direct[at] = Some(slot);
            }
            _ => {
                self.others.insert(fd, slot);
            }
        }
        self.count += 1;
        true
    }

    pub(crate) fn remove(&mut self, fd: i64) -> Option<Slot> {
        self.kinds = None;
        let old = match usize::try_from(fd) {
            Ok(at) if at < DIRECT => self.direct.get_mut(at)?.take(),
            _ => self.others.remove(&fd),
        };
        self.count -= usize::from(old.is_some());
        old
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Numbers and descriptors in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Slot)> {
        let direct = self.direct.iter().enumerate().filter_map(|(at, slot)| Some((at as i64, slot.as_ref()?)));
        direct.chain(self.others.iter().map(|(&fd, slot)| (fd, slot)))
    }

    /// Removes the descriptors that `gone` says.
    pub(crate) fn remove_slots(&mut self, mut gone: impl FnMut(&Slot) -> bool) {
        self.kinds = None;
        for entry in &mut self.direct {
            if entry.as_ref().is_some_and(&mut gone) {
                *entry = None;
                self.count -= 1;
            }
        }
        if !self.others.is_empty() {
            let before = self.others.len();
            self.others.retain(|_, slot| !gone(slot));
            self.count -= before - self.others.len();
        }
    }
}

/// What an open asked for and got: opens with the same key share one version.
#[derive(Debug)]
pub(crate) struct OpenKey<'a> {
    /// Directory that a relative name starts from; empty for an absolute name.
    pub(crate) base: &'a [u8],
    /// Whether a "/" goes between the two.
    pub(crate) slash: bool,
    pub(crate) name: &'a [u8],
    pub(crate) flags: u32,
    pub(crate) dev: u32,
    pub(crate) ino: u64,
    /// Anything else that decides the content.
    pub(crate) extra: u8,
}

impl OpenKey<'_> {
    /// The key as bytes, so that two are compared at once.
    fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&self.ino.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.dev.to_le_bytes());
        out.extend_from_slice(&(self.base.len() as u32).to_le_bytes());
        out.push(self.extra);
        out.push(u8::from(self.slash));
        out.extend_from_slice(self.base);
        out.extend_from_slice(self.name);
    }
}

#[derive(Debug)]
struct Interned {
    hash: u64,
    key: Box<[u8]>,
    slot: Slot,
}

/// Versions of files that were opened, so that one opened a thousand times is one version.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    hasher: FixedState,
    key: Vec<u8>,
    recent: HashTable<Interned>,
    /// Bytes of the keys in `recent`.
    bytes: usize,
    older: HashTable<Interned>,
}

impl Opened {
    /// The version for `key`, made by `make` where there is none yet.
    #[inline]
    pub(crate) fn get_or_make(&mut self, key: &OpenKey<'_>, make: impl FnOnce() -> Slot) -> &mut Slot {
        key.write(&mut self.key);
        let bytes = &self.key[..];
        let mut hasher = self.hasher.build_hasher();
        hasher.write(bytes);
        let hash = hasher.finish();
        let same = |entry: &Interned| entry.hash == hash && *entry.key == *bytes;
        if self.recent.len() >= INTERNED || self.bytes >= INTERNED_BYTES {
            self.older = std::mem::take(&mut self.recent);
            self.bytes = 0;
        }
        match self.recent.entry(hash, same, |entry| entry.hash) {
            Entry::Occupied(entry) => &mut entry.into_mut().slot,
            Entry::Vacant(entry) => {
                self.bytes += bytes.len();
                let interned = match self.older.find_entry(hash, same) {
                    Ok(old) => old.remove().0,
                    Err(_) => Interned { hash, key: bytes.into(), slot: make() },
                };
                &mut entry.insert(interned).into_mut().slot
            }
        }
    }
}

/// Versions of other descriptors with equal contents, within a short memory.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    hasher: FixedState,
    known: HashTable<(u64, Slot)>,
    /// Bytes of the names in `known`.
    bytes: usize,
}

impl Contents {
    /// The version with this content, new where none is remembered.
    pub(crate) fn intern(&mut self, info: FdInfo, next_id: &mut u64) -> Slot {
        let hash = self.hasher.hash_one(&info);
        if let Some((_, slot)) = self.known.find(hash, |(other, slot)| *other == hash && slot.fd.info == info) {
            return slot.clone();
        }
        self.bytes += info.name.len() + info.raw_name.len();
        if self.known.len() >= INTERNED / 4 || self.bytes >= INTERNED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        *next_id += 1;
        let slot = Slot { fd: Arc::new(Fd { id: *next_id, info }), block: 0, row: 0, close_on_exec: false };
        self.known.insert_unique(hash, (hash, slot.clone()), |entry| entry.0);
        slot
    }
}
