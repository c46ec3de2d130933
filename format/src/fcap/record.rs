//! Small records: bincode encoding through `wincode`, in a frame of kind, version and length.
//!
//! ```text
//! u16 kind │ u16 version │ u32 length │ bytes
//! ```

use wincode::config::Configuration;
use wincode::{SchemaRead, SchemaWrite};

use super::constants::{FIRST_VERSION, limit};
use super::error::{Error, Problem};
use super::section::contents;

/// Bytes before a record.
pub(super) const FRAME: usize = 8;

/// What the SPEC draws: little-endian, fixed widths, lengths as u64, tags as u32. wincode's own limit on the memory of a
/// sequence is set rather than left to its default.
type Limited = Configuration<true, { limit::SEQUENCE }>;
const CONFIG: Limited = Configuration::default().with_preallocation_size_limit::<{ limit::SEQUENCE }>();

/// Appends a record.
pub(super) fn put<T>(out: &mut Vec<u8>, kind: u16, what: &'static str, record: &T) -> Result<(), Error>
where
    T: SchemaWrite<Limited, Src = T>,
{
    let offset = out.len() as u64;
    let bytes =
        wincode::config::serialize(record, CONFIG).map_err(|error| contents(offset, what, error.to_string()))?;
    if bytes.len() > limit::RECORD {
        let problem = Problem::TooLarge { what, size: bytes.len() as u64, limit: limit::RECORD as u64 };
        return Err(Error::new(offset, problem));
    }
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&FIRST_VERSION.to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&bytes);
    Ok(())
}

/// A record, still encoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub kind: u16,
    pub version: u16,
    pub bytes: &'a [u8],
    /// Where the frame begins, from the start of what the records were taken from.
    pub offset: u64,
}

impl<'a> Record<'a> {
    /// Takes the record at the front of `bytes`, which `offset` bytes stand before.
    pub fn take(bytes: &'a [u8], offset: u64) -> Result<(Record<'a>, &'a [u8]), Error> {
        let what = "a record";
        let cut = |expected: usize| {
            Error::new(offset, Problem::Cut { what, expected: expected as u64, found: bytes.len() as u64 })
        };
        let Some((frame, rest)) = bytes.split_first_chunk::<FRAME>() else { return Err(cut(FRAME)) };
        let [k0, k1, v0, v1, length @ ..] = *frame;
        let length = u32::from_le_bytes(length) as usize;
        if length > limit::RECORD {
            let problem = Problem::TooLarge { what, size: length as u64, limit: limit::RECORD as u64 };
            return Err(Error::new(offset, problem));
        }
        let Some((bytes, rest)) = rest.split_at_checked(length) else { return Err(cut(FRAME + length)) };
        let (kind, version) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([v0, v1]));
        Ok((Record { kind, version, bytes, offset }, rest))
    }

    /// Decodes the record, which is one of `kind`. Bytes that are left over are an error.
    pub fn read<T>(&self, kind: u16, what: &'static str) -> Result<T, Error>
    where
        T: SchemaRead<'a, Limited, Dst = T>,
    {
        if self.kind != kind {
            return Err(contents(self.offset, what, format!("a record of kind {} in its place", self.kind)));
        }
        if self.version != FIRST_VERSION {
            return Err(Error::new(self.offset, Problem::Version { what, version: self.version.into() }));
        }
        wincode::config::deserialize_exact(self.bytes, CONFIG)
            .map_err(|error| contents(self.offset + FRAME as u64, what, error.to_string()))
    }
}

/// All records that stand one after another.
pub(super) fn all(bytes: &[u8]) -> impl Iterator<Item = Result<Record<'_>, Error>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let taken = Record::take(rest, (bytes.len() - rest.len()) as u64);
        rest = taken.as_ref().map_or(&[], |(_, rest)| rest);
        Some(taken.map(|(record, _)| record))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

    use super::*;

    #[test]
    fn as_bincode_writes_them() {
        let mut out = Vec::new();
        let value: (u16, u64, Option<u32>, Vec<u8>, String, bool) =
            (0x0102, 3, Some(4), vec![5, 6], "a".to_owned(), true);
        put(&mut out, 9, "test", &value).unwrap();
        let mut expected = vec![9, 0, 1, 0, 33, 0, 0, 0];
        expected.extend([2, 1]);
        expected.extend([3, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([1, 4, 0, 0, 0]);
        expected.extend([2, 0, 0, 0, 0, 0, 0, 0, 5, 6]);
        expected.extend([1, 0, 0, 0, 0, 0, 0, 0, b'a']);
        expected.push(1);
        expected[4] = (expected.len() - FRAME) as u8;
        assert_eq!(out, expected);
    }

    #[test]
    fn bytes_left_over_are_an_error() {
        let mut out = Vec::new();
        put(&mut out, 1, "test", &7u32).unwrap();
        out.push(0);
        out[4] += 1;
        let (record, rest) = Record::take(&out, 0).unwrap();
        assert!(rest.is_empty());
        let error = record.read::<u32>(1, "test").unwrap_err();
        assert!(matches!(error.problem, Problem::Contents { what: "test", .. }), "{error}");
    }

    #[test]
    fn another_kind_or_version_is_an_error() {
        let mut out = Vec::new();
        put(&mut out, 1, "test", &7u32).unwrap();
        let (record, _) = Record::take(&out, 0).unwrap();
        assert_eq!(record.read::<u32>(1, "test").unwrap(), 7);
        assert!(record.read::<u32>(2, "test").is_err());
        out[2] = 2;
        let (record, _) = Record::take(&out, 0).unwrap();
        let error = record.read::<u32>(1, "test").unwrap_err();
        assert!(matches!(error.problem, Problem::Version { version: 2, .. }), "{error}");
    }

    /// wincode counts the memory of a sequence's elements, and refuses the same on both sides.
    #[test]
    fn sequences_are_limited_when_written_and_when_read() {
        let mut out = Vec::new();
        put(&mut out, 1, "test", &vec![0u8; limit::SEQUENCE]).unwrap();
        let (record, _) = Record::take(&out, 0).unwrap();
        assert_eq!(record.read::<Vec<u8>>(1, "test").unwrap().len(), limit::SEQUENCE);

        assert!(put(&mut Vec::new(), 1, "test", &vec![0u8; limit::SEQUENCE + 1]).is_err());
        let mut bytes = (limit::SEQUENCE as u64 + 1).to_le_bytes().to_vec();
        bytes.resize(8 + limit::SEQUENCE + 1, 0);
        let record = Record { kind: 1, version: 1, bytes: &bytes, offset: 0 };
        assert!(record.read::<Vec<u8>>(1, "test").is_err());

        let words = limit::SEQUENCE / 8;
        assert!(put(&mut Vec::new(), 1, "test", &vec![0u64; words]).is_ok());
        assert!(put(&mut Vec::new(), 1, "test", &vec![0u64; words + 1]).is_err());
    }

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        let bytes = [1, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0];
        assert!(matches!(Record::take(&bytes, 5).unwrap_err().problem, Problem::TooLarge { .. }));
        let bytes = [1, 0, 1, 0, 2, 0, 0, 0, 0];
        let error = Record::take(&bytes, 5).unwrap_err();
        assert!(matches!(error.problem, Problem::Cut { expected: 10, found: 9, .. }), "{error}");
        assert_eq!(error.offset, 5);
        assert_eq!(all(&bytes).count(), 1);
    }
}
