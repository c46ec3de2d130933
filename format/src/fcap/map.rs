//! The bytes of a capture: mapped into memory, or read where that cannot be done.
//!
//! This is the only place that maps a file, and the only unsafe code of the format.
//!
//! # What can happen to a mapped file
//! - *It is appended to.* The mapping has the length that the file had when it was opened; what comes after is not seen.
//!   Our own writers only append, so a file can be read while it is recorded.
//! - *It is truncated.* Touching a page behind the new end raises SIGBUS, which ends the process. Nothing that a program
//!   can do in safe Rust prevents that. Our own programs never truncate a capture: rotation deletes whole files, and a
//!   deleted file stays readable for as long as it is mapped. Who reads files that others may truncate (a network file
//!   system, a copy still under way) opens them with [`Access::Read`].
//! - *It is overwritten in place.* Then the bytes change under the reader. Every length and offset is used from the copy
//!   that was checked, slices keep their bounds, and every column has a checksum; so the reader may report damage or
//!   give what was written last, but it never leaves the mapping. By the letter of the language, bytes behind a `&[u8]`
//!   must not change: the promise that they do not is made by whoever runs the program, as with every mapped file.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memmap2::{Mmap, UncheckedAdvice};

/// How a capture's bytes are come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Mapped; read where that cannot be done.
    #[default]
    Map,
    /// Read into memory as a whole, once: nothing that happens to the file afterwards matters.
    Read,
}

/// Most bytes that are read into memory.
const MOST_READ: u64 = 8 << 30;

/// All bytes of a capture.
#[derive(Debug)]
pub(super) enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Bytes {
    pub fn open(path: &Path, access: Access) -> io::Result<Bytes> {
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // An empty file cannot be mapped, and a pipe has no length.
        if access == Access::Map && about.is_file() && about.len() > 0 {
            // SAFETY: the mapping is private to this module, read-only, and handed out as `&[u8]` that cannot outlive it.
            // What is left is that nobody changes the file, see above.
            if let Ok(map) = unsafe { Mmap::map(&file) } {
                return Ok(Bytes::Mapped(map));
            }
        }
        let mut bytes = Vec::new();
        // A pipe may never end.
        (&mut file).take(MOST_READ).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == MOST_READ {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large to be read into memory"));
        }
        Ok(Bytes::Owned(bytes))
    }

    /// Says that these bytes will not be needed soon, so that a large file does not fill the process's memory. They can
    /// still be read.
    pub fn release(&self, start: usize, end: usize) {
        let Bytes::Mapped(map) = self else { return };
        const PAGE: usize = 4096;
        // Only whole pages, and never the ones that a neighbour shares.
        let start = start.div_ceil(PAGE).saturating_mul(PAGE);
        let end = end.min(map.len()) / PAGE * PAGE;
        if start < end {
            // SAFETY: the mapping is of a file, shared and read-only: pages that are let go of come back from the file
            // with the same contents when they are touched, so no `&[u8]` sees other bytes. (Only for anonymous or
            // private mappings would they come back as zeros.) The range is within the mapping.
            let advised = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start) };
            // Advice: when it fails, the memory is only used for longer.
            drop(advised);
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

    use super::*;

    #[test]
    fn mapped_and_read_bytes_are_the_same() {
        let path = std::env::temp_dir().join(format!("fcap-map-{}", std::process::id()));
        let expected: Vec<u8> = (0..50_000u32).map(|at| at as u8).collect();
        std::fs::write(&path, &expected).unwrap();
        let mapped = Bytes::open(&path, Access::Map).unwrap();
        assert!(matches!(mapped, Bytes::Mapped(_)));
        let read = Bytes::open(&path, Access::Read).unwrap();
        assert!(matches!(read, Bytes::Owned(_)));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(*mapped, *expected);
        assert_eq!(*read, *expected);
        mapped.release(100, 40_000);
        read.release(100, 40_000);
        mapped.release(usize::MAX - 8192, usize::MAX);
        assert_eq!(*mapped, *expected);
    }

    #[test]
    fn an_empty_file_is_no_error_and_a_folder_is() {
        let path = std::env::temp_dir().join(format!("fcap-empty-{}", std::process::id()));
        std::fs::write(&path, []).unwrap();
        assert!(Bytes::open(&path, Access::Map).unwrap().is_empty());
        std::fs::remove_file(&path).unwrap();
        assert!(Bytes::open(&std::env::temp_dir(), Access::Map).is_err());
    }
}
