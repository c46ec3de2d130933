//! What is kept of paths that are too many to be listed.
//!
//! A path is the sequence of its components, empty ones left out. Kept are filters over whole paths, over the
//! directories above them, and over single components, and a list of how they begin. So an absent path is ruled out
//! where any of its directories, its file name or itself is absent; a directory, a beginning, and a component that stands
//! between slashes can be asked for too.
//!
//! ```text
//! hash of a path: xxh3-64 of its last component, seeded with the hash of the path before it (0 at the start)
//! names:      hashes of whole paths
//! dirs:       hashes of what stands before each slash
//! components: hashes (seed 0) of each component that a slash stands before
//! heads:      the first bytes, at most HEAD
//! ```
//!
//! Other names (ends of sockets, pipes, …) are recognised by a `:` or `>` before their first slash. They stand in
//! `components` and `heads` alone.

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::bytes::{Bytes, put_varint};
use super::filter::Filter;
use super::lists::Texts;
use crate::fcap::error::Error;

/// Bytes of a head.
pub(super) const HEAD: usize = 6;

/// Bits of a value in each filter, and most bytes of the filter. Wholes are many and never asked for alone.
const NAMES: (u8, usize) = (4, 6144);
const DIRS: (u8, usize) = (8, 4096);
const COMPONENTS: (u8, usize) = (7, 6144);
const HEADS_BYTES: usize = 1024;

/// Filters over paths; one that would be too large is left out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paths {
    heads: Option<Texts>,
    names: Option<Filter>,
    dirs: Option<Filter>,
    components: Option<Filter>,
}

/// Whether a name is a path, by its beginning up to the first slash.
fn is_path(first: &[u8]) -> bool {
    !first.iter().any(|byte| matches!(byte, b':' | b'>'))
}

/// A component of a path.
struct Part<'a> {
    text: &'a [u8],
    /// Whether a slash stands before it.
    preceded: bool,
    /// Whether a slash stands behind it.
    followed: bool,
}

/// The components of a name; those of another kind than paths have none before their first slash.
fn parts(name: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(name);
    let mut preceded = false;
    std::iter::from_fn(move || {
        loop {
            let all = rest?;
            let end = all.iter().position(|&byte| byte == b'/');
            let text = &all[..end.unwrap_or(all.len())];
            rest = end.map(|end| &all[end + 1..]);
            let part = Part { text, preceded, followed: end.is_some() };
            preceded = true;
            if !text.is_empty() {
                return Some(part);
            }
        }
    })
}

fn first_part(name: &[u8]) -> &[u8] {
    &name[..name.iter().position(|&byte| byte == b'/').unwrap_or(name.len())]
}

fn component(text: &[u8]) -> u64 {
    xxh3_64(text)
}

fn below(before: u64, text: &[u8]) -> u64 {
    xxh3_64_with_seed(text, before)
}

type Hashes = HashSet<u64, FixedState>;

impl Paths {
    /// Keeps names.
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a [u8]>) -> Paths {
        let (mut heads, mut names, mut dirs, mut components) =
            (HashSet::<&[u8], FixedState>::default(), Hashes::default(), Hashes::default(), Hashes::default());
        // Names up to their last slash, each with its hash where they are paths: most share it with others.
        let mut above: HashMap<&[u8], Option<u64>, FixedState> = HashMap::default();
        for name in all {
            heads.insert(&name[..name.len().min(HEAD)]);
            let last = name.iter().rposition(|&byte| byte == b'/');
            let (directory, rest) = name.split_at(last.map_or(0, |at| at + 1));
            let above = *above.entry(directory).or_insert_with(|| {
                let path = is_path(first_part(directory));
                let mut hash = 0;
                for part in parts(directory) {
                    if part.preceded {
                        components.insert(component(part.text));
                    }
                    if path {
                        hash = below(hash, part.text);
                        dirs.insert(hash);
                    }
                }
                path.then_some(hash)
            });
            if !directory.is_empty() && !rest.is_empty() {
                components.insert(component(rest));
            }
            if let Some(hash) = above.filter(|_| !directory.is_empty() || is_path(rest)) {
                names.insert(if rest.is_empty() { hash } else { below(hash, rest) });
            }
        }
        let filter = |hashes: Hashes, (bits, most): (u8, usize)| {
            let hashes: Vec<u64> = hashes.into_iter().collect();
            Filter::of(&hashes, bits, most)
        };
        let mut heads: Vec<&[u8]> = heads.into_iter().collect();
        heads.sort_unstable();
        let size: usize = heads.iter().map(|head| head.len() + 2).sum();
        Paths {
            heads: (size <= HEADS_BYTES).then(|| Texts::of(heads.into_iter().map(|head| (head, 0)))),
            names: filter(names, NAMES),
            dirs: filter(dirs, DIRS),
            components: filter(components, COMPONENTS),
        }
    }

    pub(super) fn may_hold(&self, wanted: &Wanted) -> bool {
        let in_filter = |filter: &Option<Filter>, hash| filter.as_ref().is_none_or(|filter| filter.holds(hash));
        // What comes last is the least common.
        let all = |filter: &Option<Filter>, hashes: &[u64]| hashes.iter().rev().all(|&hash| in_filter(filter, hash));
        self.heads.as_ref().is_none_or(|heads| wanted.head.fits(heads))
            && all(&self.components, &wanted.components)
            && all(&self.dirs, &wanted.dirs)
            && all(&self.names, &wanted.names)
            && wanted.dir_or_name.is_none_or(|hash| in_filter(&self.dirs, hash) || in_filter(&self.names, hash))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let filters = [&self.names, &self.dirs, &self.components];
        let present = |at: usize, is: bool| u8::from(is) << at;
        out.push(
            present(0, self.heads.is_some())
                | filters.iter().enumerate().map(|(at, filter)| present(at + 1, filter.is_some())).sum::<u8>(),
        );
        if let Some(heads) = &self.heads {
            let mut list = Vec::new();
            heads.encode(&mut list);
            put_varint(out, list.len() as u64);
            out.extend_from_slice(&list);
        }
        filters.into_iter().flatten().for_each(|filter| filter.encode(out));
    }

    pub(super) fn decode(mut bytes: Bytes<'_>) -> Result<Paths, Error> {
        let present = bytes.byte()?;
        let has = |at: u8| present >> at & 1 == 1;
        let heads = if has(0) {
            let length = bytes.varint()?;
            Some(Texts::decode(bytes.part(length)?)?)
        } else {
            None
        };
        let mut filter = |at: u8| if has(at) { Filter::decode(&mut bytes).map(Some) } else { Ok(None) };
        let paths = Paths { heads, names: filter(1)?, dirs: filter(2)?, components: filter(3)? };
        if present > 15 || !bytes.is_empty() {
            return Err(bytes.wrong("something stands behind the filters of paths"));
        }
        Ok(paths)
    }
}

/// How a wanted value begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Head {
    /// Not known.
    #[default]
    Any,
    /// With these bytes.
    With(Vec<u8>),
    /// It is not longer than a head, and this.
    Whole(Vec<u8>),
}

impl Head {
    fn fits(&self, heads: &Texts) -> bool {
        match self {
            Head::Any => true,
            Head::With(start) => {
                let start = &start[..start.len().min(HEAD)];
                heads.not_before(start).is_some_and(|head| head.starts_with(start))
            }
            Head::Whole(all) => heads.not_before(all).is_some_and(|head| head == all),
        }
    }
}

/// What must be in a set for a wanted path to be there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    head: Head,
    dirs: Vec<u64>,
    dir_or_name: Option<u64>,
    names: Vec<u64>,
    components: Vec<u64>,
}

impl Wanted {
    /// A name.
    pub(super) fn equal(name: &[u8]) -> Wanted {
        let head = if name.len() < HEAD { Head::Whole(name.to_vec()) } else { Head::With(name.to_vec()) };
        let mut wanted = Wanted { head, ..Wanted::default() };
        let hash = wanted.walk(name, |_| true);
        wanted.names.extend(hash);
        wanted
    }

    /// Names that begin so.
    pub(super) fn starting_with(start: &[u8]) -> Wanted {
        let mut wanted = Wanted { head: Head::With(start.to_vec()), ..Wanted::default() };
        wanted.walk(start, |part| part.followed);
        wanted
    }

    /// Names that end so.
    pub(super) fn ending_with(end: &[u8]) -> Wanted {
        let components = parts(end).filter(|part| part.preceded).map(|part| component(part.text)).collect();
        Wanted { components, ..Wanted::default() }
    }

    /// Names that hold this.
    pub(super) fn containing(text: &[u8]) -> Wanted {
        let inside = parts(text).filter(|part| part.preceded && part.followed);
        Wanted { components: inside.map(|part| component(part.text)).collect(), ..Wanted::default() }
    }

    /// Paths whose first components are these; `None` stands for a component that is not known.
    pub(super) fn under(first: &[Option<&[u8]>]) -> Wanted {
        let mut wanted = Wanted::default();
        let known = first.iter().map_while(|part| *part);
        if first.first().is_some_and(|part| part.is_some_and(is_path)) {
            let hashes = known.scan(0, |hash, part| {
                *hash = below(*hash, part);
                Some(*hash)
            });
            wanted.dirs.extend(hashes);
            if wanted.dirs.len() == first.len() {
                wanted.dir_or_name = wanted.dirs.pop();
            }
        }
        wanted.components.extend(first.iter().skip(1).flatten().map(|part| component(part)));
        wanted
    }

    /// The directory of a name, or the name of a directory.
    pub(super) fn directory(name: &[u8]) -> Wanted {
        if parts(name).next().is_none() {
            return Wanted::default();
        }
        let mut wanted = Wanted { head: Head::With(name.to_vec()), ..Wanted::default() };
        // One that stands before a slash of a name, or a whole name.
        wanted.dir_or_name = wanted.walk(name, |_| true);
        wanted
    }

    /// The same for a directory whose name begins so.
    pub(super) fn directory_starting_with(start: &[u8]) -> Wanted {
        // The directory of a name without slash is "/".
        if start == b"/" { Wanted::default() } else { Wanted::starting_with(start) }
    }

    /// The last component of a name.
    pub(super) fn file_name(name: &[u8]) -> Wanted {
        // A name without slash has "/" as its last component, one that ends with a slash itself.
        if name.is_empty() || name.contains(&b'/') {
            return Wanted::default();
        }
        Wanted { components: vec![component(name)], ..Wanted::default() }
    }

    /// Asks for what another form of the same name does too; its head is not looked at.
    pub(super) fn add(&mut self, other: Wanted) {
        self.dirs.extend(other.dirs);
        self.names.extend(other.names);
        self.components.extend(other.components);
        self.dir_or_name = self.dir_or_name.or(other.dir_or_name);
    }

    /// Asks for the components that `complete` says are not cut, and the directories that they make; gives the hash of
    /// a path.
    fn walk(&mut self, name: &[u8], complete: impl Fn(&Part<'_>) -> bool) -> Option<u64> {
        let path = is_path(first_part(name));
        let mut hash = 0;
        for part in parts(name).filter(complete) {
            if part.preceded {
                self.components.push(component(part.text));
            }
            hash = below(hash, part.text);
            if path && part.followed {
                self.dirs.push(hash);
            }
        }
        path.then_some(hash)
    }
}
