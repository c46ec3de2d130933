//! What can be wrong with a capture.

use std::fmt;
use std::io;

use crate::schema;

/// A capture that cannot be read, or not any further.
#[derive(Debug)]
pub struct Error {
    /// Where in the uncompressed stream, in bytes from its start.
    pub offset: u64,
    /// What is wrong there.
    pub problem: Problem,
}

impl Error {
    pub(crate) fn new(offset: u64, problem: Problem) -> Self {
        Error { offset, problem }
    }

    /// What the error says about the capture.
    pub fn damage(&self) -> Damage {
        match &self.problem {
            Problem::Input(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof => Damage::Truncated,
                // The decompressors report bytes that they cannot decode with these two kinds.
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Damage::Corrupt,
                _ => Damage::Input,
            },
            Problem::Empty | Problem::CutBlock { .. } | Problem::NoEvents => Damage::Truncated,
            Problem::ByteOrder { .. }
            | Problem::Version { .. }
            | Problem::TooLarge { .. }
            | Problem::HeadTooLarge { .. } => Damage::Unsupported,
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

/// What an [`Error`] says about the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The operating system could not read it; the capture itself may be sound.
    Input,
    /// It ends too early.
    Truncated,
    /// Its bytes contradict each other or the format.
    Corrupt,
    /// It may be sound, but is of a kind or size that this reader refuses.
    Unsupported,
}

/// What is wrong at one place of a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Reading or decompressing failed.
    #[error("cannot read: {0}")]
    Input(#[source] io::Error),
    /// Not one byte.
    #[error("the capture is empty")]
    Empty,
    /// Another kind of file.
    #[error("not a .scap capture: it begins with 0x{found:08x}")]
    NotCapture {
        /// The first four bytes as a number.
        found: u32,
    },
    /// A section header of the other byte order, or no section header.
    #[error("section header: invalid magic number 0x{magic:08x}")]
    ByteOrder {
        /// What stands where 0x1a2b3c4d is expected.
        magic: u32,
    },
    /// A newer format.
    #[error("section header: major version {major} is newer than this reader")]
    Version {
        /// Version found.
        major: u16,
    },
    /// The input ended before the first event.
    #[error("no events in the capture")]
    NoEvents,
    /// The input ended within a block.
    #[error("the capture ends within a block: {expected} bytes expected, {found} found; is it truncated?")]
    CutBlock {
        /// Bytes that the block, or its header, has.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// A block length that its type cannot have.
    #[error("block 0x{block:x} has the impossible length {length}")]
    BlockLength {
        /// Block type.
        block: u32,
        /// Length found.
        length: u32,
    },
    /// The length after a block is not the one before it.
    #[error("block 0x{block:x}: wrong total length, {length} before and {trailer} after the block")]
    Trailer {
        /// Block type.
        block: u32,
        /// Length before the block.
        length: u32,
        /// Length after the block.
        trailer: u32,
    },
    /// A block above the limit.
    #[error("block 0x{block:x} has {length} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Block type.
        block: u32,
        /// Length found.
        length: u32,
        /// Limit of this reader.
        limit: u32,
    },
    /// More process, descriptor, user and interface lists than the limit.
    #[error("the lists before the events have more than {limit} bytes")]
    HeadTooLarge {
        /// Limit of this reader.
        limit: u64,
    },
    /// A list entry that does not fit.
    #[error("{list}: {field} reaches past the end of its entry")]
    ListOverrun {
        /// Which list.
        list: &'static str,
        /// Which field.
        field: &'static str,
    },
    /// A list entry with a value that cannot be.
    #[error("{list}: invalid {field} {value}")]
    ListValue {
        /// Which list.
        list: &'static str,
        /// Which field.
        field: &'static str,
        /// The value found.
        value: u64,
    },
    /// Something other than an event or a new section between events.
    #[error("block 0x{block:x} between events")]
    UnexpectedBlock {
        /// Block type.
        block: u32,
    },
    /// An event whose length is smaller than its header or larger than its block.
    #[error("event {}: invalid length {length}", name(*.ty))]
    EventLength {
        /// Event type.
        ty: u16,
        /// Length found.
        length: u32,
    },
    /// An event whose parameters do not fit into it.
    #[error("event {}: its {nparams} parameters reach past its end", name(*.ty))]
    ParamsLength {
        /// Event type.
        ty: u16,
        /// Number of parameters.
        nparams: u32,
    },
    /// An event of an old block whose number of parameters cannot be worked out.
    #[error("event {}: its lengths fit no number of parameters", name(*.ty))]
    ParamCount {
        /// Event type.
        ty: u16,
    },
    /// More parameters than the schema has.
    #[error("event {} (type: {ty}) has more parameters ({found}) than expected ({expected})", name(*.ty))]
    TooManyParams {
        /// Event type.
        ty: u16,
        /// Number found.
        found: u32,
        /// Number in the schema.
        expected: u32,
    },
    /// The conversion table has no row.
    #[error("event {} with {nparams} parameters: no conversion entry", name(*.ty))]
    NoConversion {
        /// Event type.
        ty: u16,
        /// Number of parameters.
        nparams: u32,
    },
    /// The remembered enter event belongs to another exit event.
    #[error("event {}: the enter event of its thread is {}", name(*.ty), name(*.stored))]
    EnterMismatch {
        /// Event type.
        ty: u16,
        /// Type of the remembered enter event.
        stored: u16,
    },
    /// An old event too long to be converted.
    #[error("event {}: {length} bytes are too many to be converted", name(*.ty))]
    ConversionLength {
        /// Event type.
        ty: u16,
        /// Bytes before or after the conversion.
        length: u64,
    },
    /// The conversion table leads in a circle.
    #[error("event {}: its conversion does not end", name(*.ty))]
    ConversionLoop {
        /// Event type.
        ty: u16,
    },
}

fn name(ty: u16) -> &'static str {
    schema::event_info(ty).map_or("(unknown)", |info| info.symbol)
}
