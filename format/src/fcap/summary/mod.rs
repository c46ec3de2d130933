//! The distinct values of a block that people hunt by, so that a block that cannot match is skipped unread.
//!
//! A summary keeps for each [`Key`] a set that holds *every* value of that kind at any delivered event of the block: the
//! values themselves where they are few and short, else a filter that may say yes by mistake and never no. A key that is
//! not there, or whose set would have been too large, says nothing.
//!
//! ```text
//! version u8 = 1 │ sets in rising order of keys: key u8 │ kind u8 │ length varint │ that many bytes
//! kind: 0 texts, 1 words, 2 paths, 3 numbers, 4 many numbers, 5 addresses, 6 many addresses (see the modules);
//!       bit 7: every delivered event has a value
//! ```
//!
//! Varints have seven bits a byte, the lowest first. Keys and kinds that a reader does not know are passed over.
//!
//! Budget for a block of 65,536 events of which some 4 bytes each are stored: below 8 KB, three parts in a hundred. Most
//! goes to the names of descriptors (4 bits and 1.6 for each name, 8 for each directory, 6 for each component). Lists
//! are bounded at about a kilobyte a key, filters at 2 to 6 KB, and lose bits before they grow beyond that.

mod bytes;
mod filter;
mod lists;
mod matcher;
mod paths;
#[cfg(test)]
mod tests;
mod values;

use std::net::IpAddr;
use std::ops::RangeInclusive;

pub use matcher::{Matcher, Part};

use crate::block::{Block, Container, Text};
use crate::fcap::error::{Error, Problem};
use bytes::{Bytes, put_varint};
use filter::Filter;
use lists::{Addresses, Numbers, Texts};
use paths::Paths;

/// Version of the encoding.
const VERSION: u8 = 1;

/// Bit of a set's kind: every delivered event has a value.
const COMPLETE: u8 = 0x80;

/// What kind of values a set holds. Numbers are those of the file and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Key {
    /// Names of processes (`comm`): of the events' own threads, their parents, and all other threads that the block
    /// knows; see [`role`].
    Comm = 1,
    /// Their first argument.
    Exe = 2,
    /// Paths of their executables.
    ExePath = 3,
    /// Names of the events' descriptors. For an event that has none, what it names instead.
    FdName = 4,
    /// Addresses of the inet sockets among these.
    Address = 5,
    /// Ports of their sources; listening sockets have none.
    SourcePort = 6,
    /// Ports of their destinations, or that a socket listens on.
    DestPort = 7,
    /// Names of the threads' users as `user.name` shows them, `root` and `<NA>` included.
    UserName = 8,
    /// Numbers of the threads' users.
    Uid = 9,
    /// Names of the users that logged in, as `user.loginname` shows them.
    LoginName = 10,
    /// Their numbers, `u32::MAX` for none.
    LoginUid = 11,
    /// Containers of the threads, and those that events describe: their ids, `host` or nothing outside.
    ContainerId = 12,
    /// Names of these containers.
    ContainerName = 13,
    /// Full names of their images.
    Image = 14,
    /// Repositories of their images.
    ImageRepository = 15,
    /// Tags of their images.
    ImageTag = 16,
    /// Digests of their images.
    ImageDigest = 17,
    /// Names of their pods.
    PodName = 18,
    /// Namespaces of their pods.
    PodNamespace = 19,
}

impl Key {
    /// Every key in order.
    pub const ALL: [Key; 19] = [
        Key::Comm,
        Key::Exe,
        Key::ExePath,
        Key::FdName,
        Key::Address,
        Key::SourcePort,
        Key::DestPort,
        Key::UserName,
        Key::Uid,
        Key::LoginName,
        Key::LoginUid,
        Key::ContainerId,
        Key::ContainerName,
        Key::Image,
        Key::ImageRepository,
        Key::ImageTag,
        Key::ImageDigest,
        Key::PodName,
        Key::PodNamespace,
    ];

    /// What a container has of this kind.
    pub fn of_container(self, container: &Container) -> Option<&Text> {
        let label = |name: &[u8]| container.labels.iter().find(|(key, _)| **key == *name).map(|(_, value)| value);
        Some(match self {
            Key::ContainerId => &container.id,
            Key::ContainerName => &container.name,
            Key::Image => &container.image,
            Key::ImageRepository => &container.image_repository,
            Key::ImageTag => &container.image_tag,
            Key::ImageDigest => &container.image_digest,
            Key::PodName => return label(b"io.kubernetes.pod.name"),
            Key::PodNamespace => return label(b"io.kubernetes.pod.namespace"),
            // An event that describes a container shows the user of its thread's container.
            Key::UserName => &container.user,
            _ => return None,
        })
    }
}

/// What a listed value is in its block, a bit each. Values of keys that are not named here have no bit.
pub mod role {
    /// Of [`Comm`](super::Key::Comm), [`Exe`](super::Key::Exe), [`ExePath`](super::Key::ExePath): of an event's thread.
    pub const OWN: u8 = 1;
    /// Of an event's parent process.
    pub const PARENT: u8 = 2;
    /// Of any thread that the block knows: those two, all ancestors, main threads, leaders.
    pub const ANY: u8 = 4;

    /// Of [`FdName`](super::Key::FdName): of a file.
    pub const FILE: u8 = 1;
    /// Of a directory.
    pub const DIRECTORY: u8 = 2;
    /// Of another kind of descriptor.
    pub const OTHER: u8 = 4;
    /// Named by an event that has no descriptor.
    pub const UNOPENED: u8 = 8;

    /// Of [`Address`](super::Key::Address): source of a connection whose two sides are known.
    pub const CLIENT: u8 = 1;
    /// Destination of such a connection, or listened on.
    pub const SERVER: u8 = 2;
    /// Either end of any inet socket.
    pub const END: u8 = 4;
}

/// The values of one key.
#[derive(Debug, Clone, PartialEq)]
enum Values {
    Texts(Texts),
    Words(Filter),
    Paths(Paths),
    Numbers(Numbers),
    ManyNumbers { least: u32, most: u32, filter: Filter },
    Addresses(Addresses),
    ManyAddresses(Filter),
}

#[derive(Debug, Clone, PartialEq)]
struct Set {
    values: Values,
    complete: bool,
}

/// The distinct values of a block.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// By key, less one.
    sets: [Option<Set>; Key::ALL.len()],
}

impl Summary {
    /// What is to be known of a block.
    pub fn of(block: &Block) -> Summary {
        values::of(block)
    }

    fn set(&self, key: Key) -> Option<&Set> {
        self.sets[key as usize - 1].as_ref()
    }

    /// Whether every delivered event has a value of this key.
    pub fn is_complete(&self, key: Key) -> bool {
        self.set(key).is_some_and(|set| set.complete)
    }

    /// The texts of a key with their [`role`]s, where they are listed.
    pub fn texts(&self, key: Key) -> Option<impl Iterator<Item = (&[u8], u8)>> {
        match &self.set(key)?.values {
            Values::Texts(texts) => Some(texts.iter()),
            _ => None,
        }
    }

    /// The numbers of a key, where they are listed.
    pub fn numbers(&self, key: Key) -> Option<&[u32]> {
        match &self.set(key)?.values {
            Values::Numbers(numbers) => Some(&numbers.0),
            _ => None,
        }
    }

    /// The addresses with their [`role`]s, where they are listed.
    pub fn addresses(&self) -> Option<&[(IpAddr, u8)]> {
        match &self.set(Key::Address)?.values {
            Values::Addresses(addresses) => Some(&addresses.0),
            _ => None,
        }
    }

    /// Whether some text of a key may be one that is asked for. It is not compared with texts that are listed.
    pub fn may_have(&self, key: Key, matcher: &Matcher) -> bool {
        match self.set(key).map(|set| &set.values) {
            Some(Values::Words(filter)) => matcher.word.is_none_or(|word| filter.holds(word)),
            Some(Values::Paths(paths)) => paths.may_hold(&matcher.wanted),
            Some(Values::Texts(texts)) => !texts.is_empty(),
            _ => true,
        }
    }

    /// Whether some number of a key may lie within a range.
    pub fn may_have_number(&self, key: Key, range: &RangeInclusive<u32>) -> bool {
        match self.set(key).map(|set| &set.values) {
            Some(Values::Numbers(numbers)) => {
                let at = numbers.0.partition_point(|number| number < range.start());
                numbers.0.get(at).is_some_and(|number| number <= range.end())
            }
            Some(Values::ManyNumbers { least, most, filter }) => {
                let meet = range.start().max(least)..=range.end().min(most);
                let single = (meet.start() == meet.end()).then(|| values::number(**meet.start()));
                meet.start() <= meet.end() && single.is_none_or(|hash| filter.holds(hash))
            }
            _ => true,
        }
    }

    /// Whether some address may lie within a network; an address is a network of its own length.
    pub fn may_have_address(&self, ip: IpAddr, length: u8) -> bool {
        match self.set(Key::Address).map(|set| &set.values) {
            Some(Values::Addresses(addresses)) => {
                addresses.0.iter().any(|(other, _)| values::network(*other, length) == values::network(ip, length))
            }
            Some(Values::ManyAddresses(filter)) => {
                values::kept_length(ip, length).is_none_or(|kept| filter.holds(values::network(ip, kept)))
            }
            _ => true,
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        let mut values = Vec::new();
        for (at, set) in self.sets.iter().enumerate() {
            let Some(set) = set else { continue };
            values.clear();
            let kind = match &set.values {
                Values::Texts(texts) => {
                    texts.encode(&mut values);
                    0
                }
                Values::Words(filter) => {
                    filter.encode(&mut values);
                    1
                }
                Values::Paths(paths) => {
                    paths.encode(&mut values);
                    2
                }
                Values::Numbers(numbers) => {
                    numbers.encode(&mut values);
                    3
                }
                Values::ManyNumbers { least, most, filter } => {
                    put_varint(&mut values, u64::from(*least));
                    put_varint(&mut values, u64::from(*most));
                    filter.encode(&mut values);
                    4
                }
                Values::Addresses(addresses) => {
                    addresses.encode(&mut values);
                    5
                }
                Values::ManyAddresses(filter) => {
                    filter.encode(&mut values);
                    6
                }
            };
            out.push(at as u8 + 1);
            out.push(kind | if set.complete { COMPLETE } else { 0 });
            put_varint(&mut out, values.len() as u64);
            out.extend_from_slice(&values);
        }
        out
    }

    /// Reads what [`Summary::encode`] wrote. No bytes at all say nothing.
    ///
    /// # Errors
    /// When the bytes are of a newer version, cut, or contradict themselves.
    pub fn decode(bytes: &[u8]) -> Result<Summary, Error> {
        if bytes.is_empty() {
            return Ok(Summary::default());
        }
        let mut bytes = Bytes::new(bytes);
        let version = bytes.byte()?;
        if version != VERSION {
            let problem = Problem::Version { what: "the summary of a block", version: version.into() };
            return Err(Error::new(0, problem));
        }
        let mut summary = Summary::default();
        let mut before = 0;
        while !bytes.is_empty() {
            let key = bytes.byte()?;
            if key <= before {
                return Err(bytes.wrong("keys are not in order"));
            }
            before = key;
            let kind = bytes.byte()?;
            let length = bytes.varint()?;
            let part = bytes.part(length)?;
            let Some(set) = summary.sets.get_mut(usize::from(key) - 1) else { continue };
            *set = decode_values(kind & !COMPLETE, part)?.map(|values| Set { values, complete: kind & COMPLETE != 0 });
        }
        Ok(summary)
    }
}

/// The values of a set; `None` for a kind that is not known.
fn decode_values(kind: u8, mut bytes: Bytes<'_>) -> Result<Option<Values>, Error> {
    Ok(Some(match kind {
        0 => Values::Texts(Texts::decode(bytes)?),
        1 => Values::Words(whole_filter(bytes)?),
        2 => Values::Paths(Paths::decode(bytes)?),
        3 => Values::Numbers(Numbers::decode(bytes)?),
        4 => {
            let mut bound = || bytes.varint().map(u32::try_from);
            let (Ok(least), Ok(most)) = (bound()?, bound()?) else {
                return Err(bytes.wrong("a number of more than 32 bits"));
            };
            Values::ManyNumbers { least, most, filter: whole_filter(bytes)? }
        }
        5 => Values::Addresses(Addresses::decode(bytes)?),
        6 => Values::ManyAddresses(whole_filter(bytes)?),
        _ => return Ok(None),
    }))
}

/// A filter that is all there is.
fn whole_filter(mut bytes: Bytes<'_>) -> Result<Filter, Error> {
    let filter = Filter::decode(&mut bytes)?;
    if bytes.is_empty() { Ok(filter) } else { Err(bytes.wrong("something stands behind a filter")) }
}
