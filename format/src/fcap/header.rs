//! What a file says of itself and of its source: the header record, and the totals that its index ends with.

use wincode::{SchemaRead, SchemaWrite};

use super::constants::record;
use super::error::Error;
use super::record::{Record, put};
use super::section::contents;
use crate::lists::Machine;
use crate::scap;

/// Who recorded a capture, where, and how. What an import cannot know is empty or `None`.
///
/// Nothing in it comes from the machine that converts a capture, so converting twice gives the same bytes.
// The order of the fields is the order of the bytes: see SPEC.md.
#[derive(Debug, Clone, PartialEq, Eq, Default, SchemaWrite, SchemaRead)]
pub struct FileAbout {
    /// Name of the program that wrote the file.
    pub recorder: String,
    /// Its version.
    pub recorder_version: String,
    /// Format that the events were imported from, such as `.scap`; empty where they were recorded.
    pub source: String,
    /// Host name, not always UTF-8.
    pub hostname: Vec<u8>,
    /// Release of the kernel.
    pub kernel: String,
    /// Id of the boot.
    pub boot_id: Option<[u8; 16]>,
    /// SHA-256 of the recorder's configuration.
    pub config_hash: Option<[u8; 32]>,
    /// What times mean.
    pub clock: Clock,
    /// Event types of the schema at the time of writing: all types are below.
    pub event_types: u32,
    /// The machine.
    pub machine: Option<MachineAbout>,
}

/// What the times of a capture's events are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, SchemaWrite, SchemaRead)]
pub enum Clock {
    /// As the imported capture had them.
    #[default]
    Imported,
    /// The kernel's boot clock plus an offset; changes of the offset are events of ours.
    Boot {
        /// Nanoseconds since the epoch at boot.
        offset: u64,
    },
}

/// The host's hardware and limits; the same as [`Machine`].
#[derive(Debug, Clone, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct MachineAbout {
    /// Number of processors.
    pub cpus: u32,
    /// Bytes of memory.
    pub memory: u64,
    /// Largest process id.
    pub max_pid: u64,
    /// Host name.
    pub hostname: Vec<u8>,
    /// Boot time, nanoseconds since the epoch; 0 where it is not known.
    pub boot_time: u64,
    /// Flags as the capture had them, and two reserved numbers.
    pub flags: [u64; 3],
}

impl From<&Machine> for MachineAbout {
    fn from(machine: &Machine) -> MachineAbout {
        let Machine { cpus, memory, max_pid, hostname, boot_time, flags } = machine;
        MachineAbout {
            cpus: *cpus,
            memory: *memory,
            max_pid: *max_pid,
            hostname: hostname.to_vec(),
            boot_time: *boot_time,
            flags: *flags,
        }
    }
}

impl From<&MachineAbout> for Machine {
    fn from(machine: &MachineAbout) -> Machine {
        let MachineAbout { cpus, memory, max_pid, hostname, boot_time, flags } = machine;
        Machine {
            cpus: *cpus,
            memory: *memory,
            max_pid: *max_pid,
            hostname: hostname.as_slice().into(),
            boot_time: *boot_time,
            flags: *flags,
        }
    }
}

impl FileAbout {
    /// The body of the header section.
    pub(super) fn body(&self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        put(&mut body, record::FILE_ABOUT, "the header record", self)?;
        Ok(body)
    }

    /// Reads the body of the header section.
    pub(super) fn read(body: &[u8]) -> Result<FileAbout, Error> {
        let (record, rest) = Record::take(body, 0)?;
        if !rest.is_empty() {
            return Err(contents((body.len() - rest.len()) as u64, "the header section", "bytes after its record"));
        }
        record.read(record::FILE_ABOUT, "the header record")
    }
}

/// What is known of the source of a capture when it has been read to its end.
// The order of the fields is the order of the bytes: see SPEC.md.
#[derive(Debug, Clone, PartialEq, Eq, Default, SchemaWrite, SchemaRead)]
pub struct Totals {
    /// Whether the source was read to its end.
    pub complete: bool,
    /// Bytes of the source before compression.
    pub bytes: u64,
    /// Its sections.
    pub sections: u64,
    /// Its blocks of each type, sorted by type.
    pub blocks: Vec<(u32, u64)>,
    /// Its blocks of unknown type, which were skipped.
    pub unknown_blocks: u64,
    /// Events of known types.
    pub events: u64,
    /// Events of types newer than the schema, which were skipped.
    pub unknown_events: u64,
    /// Events that were converted from an older schema.
    pub converted: u64,
    /// Events that the conversion dropped.
    pub dropped: u64,
    /// Remembered enter events that were forgotten to bound memory.
    pub evictions: u64,
    /// Damaged events that were skipped.
    pub swallowed: u64,
    /// Threads beyond the limit of the state.
    pub refused_threads: u64,
    /// Descriptors beyond that limit.
    pub refused_fds: u64,
    /// What was wrong with the source, in words.
    pub damage: Option<String>,
    /// What else there is to say, such as what a repair lost.
    pub notes: Vec<String>,
}

impl From<&scap::Stats> for Totals {
    fn from(stats: &scap::Stats) -> Totals {
        Totals {
            complete: true,
            bytes: stats.bytes,
            sections: stats.sections,
            blocks: stats.blocks.iter().map(|(&kind, &count)| (kind, count)).collect(),
            unknown_blocks: stats.unknown_blocks,
            events: stats.events,
            unknown_events: stats.unknown_events,
            converted: stats.converted,
            dropped: stats.dropped,
            evictions: stats.evictions,
            swallowed: stats.swallowed,
            damage: stats.first_swallowed.as_ref().map(ToString::to_string),
            ..Totals::default()
        }
    }
}
