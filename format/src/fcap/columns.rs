//! The columns of a block: a directory, then each column's bytes, compressed by itself so that it can be read by itself.
//!
//! ```text
//! u32 length of the directory │ directory │ u64 xxh3-64 of the directory │ stored bytes of the columns, one after another
//! directory: count, then for each column: id, codec (1 byte), raw length, stored length, u32 checksum of the stored bytes
//! ```
//! Numbers without a width are LEB128.

use xxhash_rust::xxh3::xxh3_64;

use super::error::{Error, Problem};

/// Raw bytes of all columns of a block together: more is refused.
pub(crate) const MOST_RAW: u64 = 1 << 29;
/// Columns of a block.
const MOST_COLUMNS: u64 = 1 << 16;
/// Below so many bytes compression is not tried.
const SHORT: usize = 16;

/// How a column's bytes are stored.
mod codec {
    pub(super) const RAW: u8 = 0;
    pub(super) const ZSTD: u8 = 1;
    /// One byte, repeated.
    pub(super) const REPEAT: u8 = 2;
}

/// Appends a number in LEB128.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number in LEB128 off the front.
pub(crate) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Maps small numbers of either sign to small numbers.
#[inline]
pub(crate) fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

/// Undoes [`zigzag`].
#[inline]
pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// Collects the columns of a block.
pub(crate) struct ColumnsWriter {
    zstd: Option<zstd::bulk::Compressor<'static>>,
    directory: Vec<u8>,
    data: Vec<u8>,
    count: u64,
    spare: Vec<u8>,
    /// (id, raw length, stored length) of what was put.
    pub(crate) sizes: Vec<(u32, usize, usize)>,
}

impl ColumnsWriter {
    /// `level`: of zstd.
    pub(crate) fn new(level: i32) -> Self {
        ColumnsWriter {
            // Without a compressor, for want of memory, columns are stored as they are.
            zstd: zstd::bulk::Compressor::new(level).ok(),
            directory: Vec::new(),
            data: Vec::new(),
            count: 0,
            spare: Vec::new(),
            sizes: Vec::new(),
        }
    }

    /// Appends a column.
    pub(crate) fn put(&mut self, id: u32, bytes: &[u8]) {
        let mut stored = bytes;
        let mut codec = codec::RAW;
        if let Some((first, rest)) = bytes.split_first()
            && bytes.len() > 1
            && rest.iter().all(|byte| byte == first)
        {
            codec = codec::REPEAT;
            stored = &bytes[..1];
        } else if bytes.len() >= SHORT
            && let Some(zstd) = &mut self.zstd
        {
            self.spare.clear();
            self.spare.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
            if zstd.compress_to_buffer(bytes, &mut self.spare).is_ok() && self.spare.len() < bytes.len() {
                codec = codec::ZSTD;
                stored = &self.spare;
            }
        }
        put_number(&mut self.directory, u64::from(id));
        self.directory.push(codec);
        put_number(&mut self.directory, bytes.len() as u64);
        put_number(&mut self.directory, stored.len() as u64);
        self.directory.extend_from_slice(&(xxh3_64(stored) as u32).to_le_bytes());
        self.data.extend_from_slice(stored);
        self.sizes.push((id, bytes.len(), stored.len()));
        self.count += 1;
    }

    /// The payload.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut directory = Vec::with_capacity(self.directory.len() + 4);
        put_number(&mut directory, self.count);
        directory.extend_from_slice(&self.directory);
        let mut payload = Vec::with_capacity(12 + directory.len() + self.data.len());
        payload.extend_from_slice(&(directory.len() as u32).to_le_bytes());
        payload.extend_from_slice(&directory);
        payload.extend_from_slice(&xxh3_64(&directory).to_le_bytes());
        payload.extend_from_slice(&self.data);
        payload
    }
}

#[derive(Debug, Clone, Copy)]
struct Column {
    id: u32,
    codec: u8,
    raw: usize,
    start: usize,
    stored: usize,
    checksum: u32,
}

/// The columns of a block, unread.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    payload: &'a [u8],
    /// Sorted by id.
    directory: Vec<Column>,
}

fn contents(offset: usize, detail: impl Into<String>) -> Error {
    Error::new(offset as u64, Problem::Contents { what: "block", detail: detail.into() })
}

impl<'a> Columns<'a> {
    /// Reads the directory of a payload.
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self, Error> {
        let cut = |expected: usize| {
            Error::new(
                0,
                Problem::Cut { what: "column directory", expected: expected as u64, found: payload.len() as u64 },
            )
        };
        let Some((length, rest)) = payload.split_first_chunk::<4>() else { return Err(cut(4)) };
        let length = u32::from_le_bytes(*length) as usize;
        if rest.len() < length.saturating_add(8) {
            return Err(cut(length.saturating_add(12)));
        }
        let (directory, rest) = rest.split_at(length);
        let (checksum, _) = rest.split_at(8);
        if xxh3_64(directory).to_le_bytes() != checksum {
            return Err(Error::new(0, Problem::Checksum { what: "column directory" }));
        }
        let mut left = directory;
        let mut start = 12 + length;
        let mut total = 0u64;
        let wrong = |left: &[u8]| contents(4 + length - left.len(), "the column directory ends early");
        let count = take_number(&mut left).ok_or_else(|| wrong(&[]))?;
        if count > MOST_COLUMNS || count > left.len() as u64 {
            return Err(contents(4, format!("{count} columns are too many")));
        }
        let mut columns = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let at = 4 + length - left.len();
            let mut entry = || {
                let id = u32::try_from(take_number(&mut left)?).ok()?;
                let (&codec, rest) = left.split_first()?;
                left = rest;
                let raw = take_number(&mut left)?;
                let stored = take_number(&mut left)?;
                let (checksum, rest) = left.split_first_chunk::<4>()?;
                left = rest;
                Some((id, codec, raw, stored, u32::from_le_bytes(*checksum)))
            };
            let (id, codec, raw, stored, checksum) =
                entry().ok_or_else(|| contents(at, "the column directory ends early"))?;
            total = total.saturating_add(raw);
            if total > MOST_RAW {
                return Err(contents(at, "its columns are too large"));
            }
            if stored > (payload.len() - start) as u64 {
                return Err(contents(at, format!("column {id} goes beyond the block")));
            }
            columns.push(Column { id, codec, raw: raw as usize, start, stored: stored as usize, checksum });
            start += stored as usize;
        }
        if !left.is_empty() || start != payload.len() {
            return Err(contents(start, "bytes that no column owns"));
        }
        columns.sort_by_key(|column| column.id);
        if columns.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(contents(4, "a column is there twice"));
        }
        Ok(Columns { payload, directory: columns })
    }

    fn find(&self, id: u32) -> Option<&Column> {
        self.directory.binary_search_by_key(&id, |column| column.id).ok().map(|at| &self.directory[at])
    }

    /// The raw length of a column, where it is there.
    pub(crate) fn raw_length(&self, id: u32) -> Option<usize> {
        self.find(id).map(|column| column.raw)
    }

    /// Ids of all columns, with raw and stored lengths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, usize, usize)> + '_ {
        self.directory.iter().map(|column| (column.id, column.raw, column.stored))
    }

    /// Appends a column's bytes; false where it is not there.
    pub(crate) fn read(&self, zstd: &mut Inflate, id: u32, out: &mut Vec<u8>) -> Result<bool, Error> {
        let Some(column) = self.find(id) else { return Ok(false) };
        let stored = &self.payload[column.start..column.start + column.stored];
        if xxh3_64(stored) as u32 != column.checksum {
            return Err(Error::new(column.start as u64, Problem::Checksum { what: "column" }));
        }
        let wrong = |detail: String| contents(column.start, detail);
        match column.codec {
            codec::RAW if stored.len() == column.raw => out.extend_from_slice(stored),
            codec::REPEAT if stored.len() == 1 => out.resize(out.len() + column.raw, stored[0]),
            codec::ZSTD => zstd.inflate(stored, column.raw, out).map_err(wrong)?,
            other => return Err(wrong(format!("column {id}: codec {other} does not fit its length"))),
        }
        Ok(true)
    }
}

/// A decompressor that is used again and again.
#[derive(Default)]
pub struct Inflate {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflate").finish_non_exhaustive()
    }
}

impl Inflate {
    /// Appends exactly `raw` bytes to `out`, or says what is wrong.
    pub(crate) fn inflate(&mut self, stored: &[u8], raw: usize, out: &mut Vec<u8>) -> Result<(), String> {
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?),
        };
        let wrong = |found: usize| (found != raw).then(|| format!("{found} bytes where {raw} were announced"));
        let read = |zstd: &mut zstd::bulk::Decompressor<'_>, target: &mut Vec<u8>| {
            target.clear();
            target.reserve_exact(raw);
            zstd.decompress_to_buffer(stored, target).map_err(|error| error.to_string())
        };
        // The crate writes from a buffer's start, so what is there already needs a detour.
        let found = if out.is_empty() {
            read(zstd, out)?
        } else {
            let found = read(zstd, &mut self.buffer)?;
            out.append(&mut self.buffer);
            found
        };
        wrong(found).map_or(Ok(()), Err)
    }
}
