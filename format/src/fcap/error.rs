//! What can be wrong with an `.fcap` file.

use std::fmt;
use std::io;

pub use crate::scap::Damage;

/// A capture that cannot be read, or not any further.
#[derive(Debug)]
pub struct Error {
    /// Where in the file, in bytes from its start; inside a section that was handed over alone, from the start of that.
    pub offset: u64,
    /// What is wrong there.
    pub problem: Problem,
}

impl Error {
    pub(crate) fn new(offset: u64, problem: Problem) -> Self {
        Error { offset, problem }
    }

    /// The same error seen from the file that holds the section: `base` is where the section's bytes begin.
    pub fn within(mut self, base: u64) -> Self {
        self.offset = self.offset.saturating_add(base);
        self
    }

    /// What the error says about the capture.
    pub fn damage(&self) -> Damage {
        match &self.problem {
            Problem::Input(_) | Problem::Output(_) | Problem::Sealing => Damage::Input,
            Problem::Cut { .. } => Damage::Truncated,
            Problem::Version { .. } | Problem::TooLarge { .. } => Damage::Unsupported,
            _ => Damage::Corrupt,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.problem, self.offset)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The message of the problem is already part of this error's own.
        std::error::Error::source(&self.problem)
    }
}

/// What is wrong at one place of a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Input(#[source] io::Error),
    /// Writing failed.
    #[error("cannot write: {0}")]
    Output(#[source] io::Error),
    /// A thread that seals blocks broke off: a defect.
    #[error("a block could not be encoded; this is a defect")]
    Sealing,
    /// More than a file may hold, or than this reader takes.
    #[error("{what} has {size} bytes or entries, more than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Another kind of file.
    #[error("not an .fcap capture: it begins with {found:02x?}")]
    NotCapture {
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A newer format.
    #[error("{what} has version {version}, which is newer than this reader")]
    Version {
        /// What carries the version.
        what: &'static str,
        /// Version found.
        version: u32,
    },
    /// The file ends before what it announces.
    #[error("{what} is cut off: {expected} bytes expected, {found} found")]
    Cut {
        /// What is cut off.
        what: &'static str,
        /// Bytes announced.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// Bytes are not those that were written.
    #[error("{what}: the checksum is wrong")]
    Checksum {
        /// What was checked.
        what: &'static str,
    },
    /// Contents contradict the format.
    #[error("{what}: {detail}")]
    Contents {
        /// What is wrong.
        what: &'static str,
        /// In what way.
        detail: String,
    },
}
