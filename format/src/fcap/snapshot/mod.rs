//! A snapshot of the host's state: a whole [`Head`] as a set of columns.
//!
//! Texts are stored once each, and so are lists such as an environment, as lists of texts. The small lists are records in
//! a column of their own.

mod columns;
mod fds;
mod records;
mod threads;

use self::columns::{ColumnsIn, ColumnsOut, TextsIn, TextsOut};
use super::constants::limit;
use super::error::{Error, Problem};
use crate::lists::{Exact, Head};

/// Numbers of the columns. They are part of the format: SPEC.md says what is in each.
mod id {
    pub const RECORDS: u32 = 1;
    pub const TEXT_LENGTHS: u32 = 2;
    pub const TEXTS: u32 = 3;
    pub const LIST_LENGTHS: u32 = 4;
    pub const LISTS: u32 = 5;
    /// Numbers of threads: the first of 27.
    pub const THREAD: u32 = 16;
    /// Texts of threads: the first of 8.
    pub const THREAD_TEXT: u32 = 48;
    pub const FD_LIST: u32 = 64;
    pub const FD_LIST_LENGTH: u32 = 65;
    pub const FD: u32 = 66;
    pub const FD_INO: u32 = 67;
    pub const FD_KIND: u32 = 68;
    pub const FD_DETAIL: u32 = 69;
    pub const FD_NAME: u32 = 70;
    pub const FD_FLAGS: u32 = 71;
    pub const FD_DEV: u32 = 72;
    pub const FD_ADDRESS: u32 = 73;
    pub const FD_PORT: u32 = 74;
    pub const FD_PROTOCOL: u32 = 75;
    pub const FD_POINTER: u32 = 76;
    /// What the process list leaves out: numbers, the first of 11.
    pub const EXACT_THREAD: u32 = 96;
    /// Environment, directory, container.
    pub const EXACT_THREAD_TEXT: u32 = 112;
    /// Parameters of waiting enter halves, plus one; 0 where none waits.
    pub const ENTER_LENGTH: u32 = 116;
    pub const ENTER_TYPE: u32 = 117;
    pub const ENTER_PARAM: u32 = 118;
    /// What the descriptor list leaves out: numbers, the first of 9.
    pub const EXACT_FD: u32 = 128;
    /// Name and name as given.
    pub const EXACT_FD_TEXT: u32 = 144;
    pub const EXACT_FD_ADDRESS: u32 = 146;
    pub const EXACT_FD_PORT: u32 = 147;
    pub const EXACT_FD_POINTER: u32 = 148;
    /// Above all others.
    pub const END: u32 = 160;
}

fn wrong(detail: impl Into<String>) -> Error {
    super::section::contents(0, "a snapshot", detail)
}

fn check_count(what: &'static str, count: usize, most: usize) -> Result<(), Error> {
    if count > most {
        return Err(Error::new(0, Problem::TooLarge { what, size: count as u64, limit: most as u64 }));
    }
    Ok(())
}

/// The body of a snapshot section. `level`: of zstd.
pub(super) fn encode(head: &Head, level: i32) -> Result<Vec<u8>, Error> {
    let fds: usize = head.fds.iter().map(|(_, fds)| fds.len()).sum();
    check_count("the process list of a snapshot", head.threads.len(), limit::SNAPSHOT_THREADS)?;
    check_count("the descriptor lists of a snapshot", head.fds.len(), limit::SNAPSHOT_THREADS)?;
    check_count("the descriptors of a snapshot", fds, limit::SNAPSHOT_FDS)?;
    let mut out = ColumnsOut::default();
    let mut texts = TextsOut::default();
    head.threads.iter().for_each(|thread| threads::put(&mut out, &mut texts, thread));
    for (tid, fds) in &head.fds {
        out.signed(id::FD_LIST, *tid);
        out.number(id::FD_LIST_LENGTH, fds.len() as u64);
        fds.iter().for_each(|entry| fds::put(&mut out, &mut texts, entry));
    }
    if let Some(exact) = &head.exact {
        let lengths = head.fds.iter().map(|(_, fds)| fds.len());
        if exact.threads.len() != head.threads.len() || !exact.fds.iter().map(Vec::len).eq(lengths) {
            return Err(wrong("what is known beyond the lists does not go with them"));
        }
        exact.threads.iter().try_for_each(|thread| threads::put_exact(&mut out, &mut texts, thread))?;
        exact.fds.iter().flatten().for_each(|fd| fds::put_exact(&mut out, &mut texts, fd));
    }
    let records = records::write(head, fds)?;
    check_count("the small lists of a snapshot", records.len(), limit::SNAPSHOT_RECORDS)?;
    *out.column(id::RECORDS) = records;
    texts.finish(&mut out)?;
    out.finish(level)
}

/// Reads the body of a snapshot section.
pub(super) fn decode(body: &[u8]) -> Result<Head, Error> {
    let mut columns = ColumnsIn::read(body)?;
    let records = columns.take_column(id::RECORDS);
    check_count("the small lists of a snapshot", records.len(), limit::SNAPSHOT_RECORDS)?;
    let (mut head, counts) = records::read(&records)?;
    check_count("the process list of a snapshot", counts.threads as usize, limit::SNAPSHOT_THREADS)?;
    check_count("the descriptor lists of a snapshot", counts.fd_lists as usize, limit::SNAPSHOT_THREADS)?;
    check_count("the descriptors of a snapshot", counts.fds as usize, limit::SNAPSHOT_FDS)?;
    let mut texts = TextsIn::read(&mut columns)?;
    for _ in 0..counts.threads {
        head.threads.push(threads::take(&mut columns, &mut texts)?);
    }
    let mut left = counts.fds;
    for _ in 0..counts.fd_lists {
        let tid = columns.signed(id::FD_LIST)?;
        let length = columns.number(id::FD_LIST_LENGTH)?;
        left = left.checked_sub(length).ok_or_else(|| wrong("more descriptors than announced"))?;
        let fds: Result<_, Error> = (0..length).map(|_| fds::take(&mut columns, &mut texts)).collect();
        head.fds.push((tid, fds?));
    }
    if left > 0 {
        return Err(wrong("fewer descriptors than announced"));
    }
    if let Some(exact) = &mut head.exact {
        let Exact { threads: exact_threads, fds: exact_fds, .. } = &mut **exact;
        for _ in 0..counts.threads {
            exact_threads.push(threads::take_exact(&mut columns, &mut texts)?);
        }
        for (_, fds) in &head.fds {
            let fds: Result<_, Error> = fds.iter().map(|_| fds::take_exact(&mut columns, &mut texts)).collect();
            exact_fds.push(fds?);
        }
    }
    columns.finish()?;
    Ok(head)
}
