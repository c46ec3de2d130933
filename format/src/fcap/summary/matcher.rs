//! What is asked of a set of texts.

use xxhash_rust::xxh3::xxh3_64;

use super::paths::Wanted;

/// Which part of the values of a set is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The values themselves.
    Whole,
    /// The directory of a name; of a directory its own name.
    Directory,
    /// The last component of a name.
    FileName,
}

/// A text, or texts of a form, made ready to be looked up in many summaries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    /// Hash of a whole value.
    pub(super) word: Option<u64>,
    /// What must be kept of paths.
    pub(super) wanted: Wanted,
}

pub(super) fn word(text: &[u8]) -> u64 {
    xxh3_64(text)
}

impl Matcher {
    fn of(wanted: Wanted) -> Matcher {
        Matcher { word: None, wanted }
    }

    /// This text.
    pub fn equal(part: Part, text: &[u8]) -> Matcher {
        match part {
            Part::Whole => Matcher { word: Some(word(text)), wanted: Wanted::equal(text) },
            Part::Directory => Matcher::of(Wanted::directory(text)),
            Part::FileName => Matcher::of(Wanted::file_name(text)),
        }
    }

    /// Texts that begin so.
    pub fn starting_with(part: Part, start: &[u8]) -> Matcher {
        Matcher::of(match part {
            Part::Whole => Wanted::starting_with(start),
            Part::Directory => Wanted::directory_starting_with(start),
            Part::FileName => Wanted::default(),
        })
    }

    /// Texts that end so.
    pub fn ending_with(part: Part, end: &[u8]) -> Matcher {
        Matcher::of(if part == Part::FileName { Wanted::default() } else { Wanted::ending_with(end) })
    }

    /// Texts that hold this.
    pub fn containing(part: Part, text: &[u8]) -> Matcher {
        Matcher::of(if part == Part::FileName { Wanted::default() } else { Wanted::containing(text) })
    }

    /// Paths whose first components are these; `None` stands for any component.
    pub fn under(part: Part, first: &[Option<&[u8]>]) -> Matcher {
        Matcher::of(if part == Part::FileName { Wanted::default() } else { Wanted::under(first) })
    }

    /// Texts that fit a shell pattern of `*`, `?`, bracket sets and backslashes.
    pub fn glob(part: Part, pattern: &[u8]) -> Matcher {
        let mut wanted = Wanted::default();
        let mut rest = pattern;
        let mut leading = true;
        loop {
            let end = rest.iter().position(|byte| b"*?[\\".contains(byte));
            let run = &rest[..end.unwrap_or(rest.len())];
            match (leading, end) {
                (true, None) => return Matcher::equal(part, run),
                (true, Some(_)) => wanted = Matcher::starting_with(part, run).wanted,
                (false, None) => wanted.add(Matcher::ending_with(part, run).wanted),
                (false, Some(_)) => wanted.add(Matcher::containing(part, run).wanted),
            }
            let Some(end) = end else { break };
            leading = false;
            rest = match rest[end] {
                // What a set takes is not looked into, nor what stands behind it.
                b'[' => break,
                b'\\' => rest.get(end + 2..).unwrap_or_default(),
                _ => &rest[end + 1..],
            };
        }
        Matcher::of(wanted)
    }
}
