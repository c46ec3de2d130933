//! The frame of a file: its mark, and the header before each section.
//!
//! A section's header names its own place in the file and has a checksum over itself, so that a copy of a capture inside
//! a capture (someone wrote one to a socket) is never taken for a section when a damaged file is walked.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::columns::Inflate;
use super::constants::{
    FILE_MARK, FIRST_VERSION, MARK, SECTION_HEADER, SECTION_MARK, TRAILER_BODY, VERSION, codec, kind, limit,
};
use super::error::{Error, Problem};

/// What is wrong with the contents of `what`.
pub(super) fn contents(offset: u64, what: &'static str, detail: impl Into<String>) -> Error {
    Error::new(offset, Problem::Contents { what, detail: detail.into() })
}

/// The bytes before the first section.
pub(super) fn file_mark() -> [u8; FILE_MARK] {
    let mut mark = [0; FILE_MARK];
    mark[..8].copy_from_slice(&MARK);
    mark[8..10].copy_from_slice(&VERSION.to_le_bytes());
    let checksum = xxh3_64(&mark[..12]) as u32;
    mark[12..].copy_from_slice(&checksum.to_le_bytes());
    mark
}

/// Whether a file that begins with these bytes means to be an `.fcap` capture.
pub fn is_capture(begin: &[u8]) -> bool {
    begin.starts_with(&MARK)
}

/// Checks the bytes before the first section.
pub(super) fn check_file_mark(bytes: &[u8]) -> Result<(), Error> {
    let Some(mark) = bytes.first_chunk::<FILE_MARK>() else {
        let problem = if !bytes.is_empty() && !MARK.starts_with(&bytes[..bytes.len().min(MARK.len())]) {
            Problem::NotCapture { found: bytes.to_vec() }
        } else {
            Problem::Cut { what: "the file mark", expected: FILE_MARK as u64, found: bytes.len() as u64 }
        };
        return Err(Error::new(0, problem));
    };
    if !is_capture(mark) {
        return Err(Error::new(0, Problem::NotCapture { found: mark[..8].to_vec() }));
    }
    if mark[12..] != (xxh3_64(&mark[..12]) as u32).to_le_bytes() {
        return Err(Error::new(0, Problem::Checksum { what: "the file mark" }));
    }
    let version = u16::from_le_bytes([mark[8], mark[9]]);
    if version > VERSION {
        return Err(Error::new(8, Problem::Version { what: "the file", version: version.into() }));
    }
    Ok(())
}

/// The header of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SectionHeader {
    pub kind: u16,
    pub version: u8,
    pub codec: u8,
    /// Where the header begins.
    pub place: u64,
    /// Bytes of the body as stored.
    pub length: u64,
    /// Bytes of the body after decompression.
    pub raw: u64,
    /// xxh3-64 of the body as stored.
    pub checksum: u64,
    /// Number of the section in its file, from 0.
    pub number: u32,
}

impl SectionHeader {
    pub fn bytes(&self) -> [u8; SECTION_HEADER] {
        let mut bytes = [0; SECTION_HEADER];
        bytes[..4].copy_from_slice(&SECTION_MARK);
        bytes[4..6].copy_from_slice(&self.kind.to_le_bytes());
        bytes[6] = self.version;
        bytes[7] = self.codec;
        bytes[8..16].copy_from_slice(&self.place.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.raw.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.number.to_le_bytes());
        let checksum = xxh3_64(&bytes[..44]) as u32;
        bytes[44..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the header at `place` of `file` and checks that its section fits into the file.
    pub fn read(file: &[u8], place: u64) -> Result<SectionHeader, Error> {
        let what = "a section header";
        let rest = usize::try_from(place).ok().and_then(|place| file.get(place..)).unwrap_or(&[]);
        let Some(bytes) = rest.first_chunk::<SECTION_HEADER>() else {
            let found = rest.len() as u64;
            return Err(Error::new(place, Problem::Cut { what, expected: SECTION_HEADER as u64, found }));
        };
        if bytes[..4] != SECTION_MARK {
            return Err(contents(place, what, format!("it begins with {:02x?}", &bytes[..4])));
        }
        if bytes[44..] != (xxh3_64(&bytes[..44]) as u32).to_le_bytes() {
            return Err(Error::new(place, Problem::Checksum { what }));
        }
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from(u16_at(at)) | u32::from(u16_at(at + 2)) << 16;
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let header = SectionHeader {
            kind: u16_at(4),
            version: bytes[6],
            codec: bytes[7],
            place: u64_at(8),
            length: u64_at(16),
            raw: u64_at(24),
            checksum: u64_at(32),
            number: u32_at(40),
        };
        if header.place != place {
            return Err(contents(place, what, format!("it was written for byte {}", header.place)));
        }
        let found = (rest.len() - SECTION_HEADER) as u64;
        if header.length > found {
            let what = header.name();
            return Err(Error::new(place, Problem::Cut { what, expected: header.length, found }));
        }
        if header.codec == codec::RAW && header.raw != header.length {
            return Err(contents(place, what, "its two lengths differ, but it is not compressed"));
        }
        Ok(header)
    }

    /// What such a section is called in messages.
    pub fn name(&self) -> &'static str {
        name(self.kind)
    }

    /// The whole section's length.
    pub fn total(&self) -> u64 {
        SECTION_HEADER as u64 + self.length
    }

    /// Where the section ends.
    pub fn end(&self) -> u64 {
        self.place + self.total()
    }

    /// The body as stored; `file` is the one that the header was read from.
    pub fn body<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        let start = self.place as usize + SECTION_HEADER;
        // Read from this file, so within it.
        file.get(start..start + self.length as usize).unwrap_or(&[])
    }

    /// Refuses a version that is newer than today's.
    pub fn check_version(&self) -> Result<(), Error> {
        if self.version == 0 || u16::from(self.version) > FIRST_VERSION {
            return Err(Error::new(self.place, Problem::Version { what: self.name(), version: self.version.into() }));
        }
        Ok(())
    }

    /// The body as stored, whose checksum is right.
    pub fn checked<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], Error> {
        let body = self.body(file);
        if xxh3_64(body) != self.checksum {
            return Err(Error::new(self.place, Problem::Checksum { what: self.name() }));
        }
        Ok(body)
    }

    /// The body, checked and decompressed, of at most `most` bytes.
    pub fn unpacked<'a>(&self, file: &'a [u8], most: u64) -> Result<Body<'a>, Error> {
        self.check_version()?;
        if self.raw > most {
            let problem = Problem::TooLarge { what: self.name(), size: self.raw, limit: most };
            return Err(Error::new(self.place, problem));
        }
        let stored = self.checked(file)?;
        match self.codec {
            codec::RAW => Ok(Body::Stored(stored)),
            codec::ZSTD => {
                let mut body = Vec::new();
                let wrong = |detail| contents(self.place, self.name(), detail);
                Inflate::default().inflate(stored, self.raw as usize, &mut body).map_err(wrong)?;
                Ok(Body::Unpacked(body))
            }
            other => Err(contents(self.place, self.name(), format!("unknown codec {other}"))),
        }
    }
}

/// The body of a section.
pub(super) enum Body<'a> {
    Stored(&'a [u8]),
    Unpacked(Vec<u8>),
}

impl std::ops::Deref for Body<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Body::Stored(body) => body,
            Body::Unpacked(body) => body,
        }
    }
}

/// What a section of this kind is called in messages.
pub(super) fn name(kind: u16) -> &'static str {
    match kind {
        kind::HEADER => "the header section",
        kind::SNAPSHOT => "a snapshot",
        kind::BLOCK => "a block",
        kind::OWN_EVENTS => "a section of own events",
        kind::INDEX => "the index",
        kind::TRAILER => "the trailer",
        kind::JOURNAL => "the journal",
        _ => "a section of unknown kind",
    }
}

/// The header for a body in several parts that are written one after another.
pub(super) fn header_for(kind: u16, codec: u8, place: u64, number: u32, parts: &[&[u8]], raw: u64) -> SectionHeader {
    let mut hash = Xxh3Default::new();
    parts.iter().for_each(|part| hash.update(part));
    let length = parts.iter().map(|part| part.len() as u64).sum();
    SectionHeader {
        kind,
        version: FIRST_VERSION as u8,
        codec,
        place,
        length,
        raw: if codec == codec::RAW { length } else { raw },
        checksum: hash.digest(),
        number,
    }
}

/// Where the next section may begin at or after `from`: its header is sound, what it announces may still be cut off.
pub(super) fn find_section(file: &[u8], from: u64) -> Option<u64> {
    let mut at = usize::try_from(from).ok()?;
    loop {
        let rest = file.get(at..)?;
        let found = rest.windows(4).position(|four| four == SECTION_MARK)?;
        at += found;
        match SectionHeader::read(file, at as u64) {
            Ok(_) => return Some(at as u64),
            Err(Error { problem: Problem::Cut { found, .. }, .. })
                if found > 0 && file.len() - at >= SECTION_HEADER =>
            {
                return Some(at as u64);
            }
            Err(_) => at += 1,
        }
    }
}

/// The body of the last section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Where the first index section begins.
    pub index: u64,
    /// Bytes of all index sections.
    pub index_length: u64,
    /// Sections before the trailer.
    pub sections: u64,
    /// Bytes of the whole file.
    pub size: u64,
    /// SHA-256 chained over the file mark and the sections before the trailer.
    pub chain: [u8; 32],
}

impl Trailer {
    pub fn bytes(&self) -> [u8; TRAILER_BODY] {
        let mut bytes = [0; TRAILER_BODY];
        for (place, number) in [self.index, self.index_length, self.sections, self.size].into_iter().enumerate() {
            bytes[8 * place..][..8].copy_from_slice(&number.to_le_bytes());
        }
        bytes[32..64].copy_from_slice(&self.chain);
        bytes[64..].copy_from_slice(&super::constants::END_MARK);
        bytes
    }

    /// Reads the trailer whose header was read from `file`.
    pub fn read(header: &SectionHeader, file: &[u8]) -> Result<Trailer, Error> {
        let wrong = |detail: &str| contents(header.place, header.name(), detail);
        if header.kind != kind::TRAILER {
            return Err(wrong("there is another section in its place"));
        }
        let body = header.unpacked(file, limit::SECTION)?;
        let body: &[u8; TRAILER_BODY] = (*body).try_into().map_err(|_| wrong("its length is wrong"))?;
        let number = |at: usize| body[8 * at..][..8].iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte));
        let mut chain = [0; 32];
        chain.copy_from_slice(&body[32..64]);
        let trailer =
            Trailer { index: number(0), index_length: number(1), sections: number(2), size: number(3), chain };
        if body[64..] != super::constants::END_MARK {
            return Err(wrong("its end mark is wrong"));
        }
        if trailer.size != header.end() || trailer.index.checked_add(trailer.index_length) != Some(header.place) {
            return Err(wrong("its places contradict each other"));
        }
        Ok(trailer)
    }
}
