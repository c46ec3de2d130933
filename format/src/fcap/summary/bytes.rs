//! Reading and writing the bytes of a summary.

use crate::fcap::error::{Error, Problem};

/// Writes a number: seven bits a byte, the lowest first, the highest bit set on all bytes but the last.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// What is left of the bytes of a summary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    at: u64,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Bytes<'a> {
        Bytes { rest: bytes, at: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn wrong(&self, detail: &str) -> Error {
        Error::new(self.at, Problem::Contents { what: "summary of a block", detail: detail.to_owned() })
    }

    fn cut(&self, expected: u64) -> Error {
        let found = self.rest.len() as u64;
        Error::new(self.at, Problem::Cut { what: "summary of a block", expected, found })
    }

    pub(super) fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = taken.ok_or_else(|| self.cut(length))?;
        self.rest = rest;
        self.at += length;
        Ok(taken)
    }

    /// The next `length` bytes, to be read apart.
    pub(super) fn part(&mut self, length: u64) -> Result<Bytes<'a>, Error> {
        let at = self.at;
        self.take(length).map(|rest| Bytes { rest, at })
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| self.cut(N as u64))?;
        self.rest = rest;
        self.at += N as u64;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Error> {
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            number |= low << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.wrong("a number of more than 64 bits"))
    }

    /// A number of entries of at least `size` bytes each.
    pub(super) fn count(&mut self, size: u64) -> Result<u64, Error> {
        let count = self.varint()?;
        match count.checked_mul(size) {
            Some(bytes) if bytes <= self.rest.len() as u64 => Ok(count),
            bytes => Err(self.cut(bytes.unwrap_or(u64::MAX))),
        }
    }
}
