//! Events of ours, which Falco's schema has no place for. Rules never see them.

use wincode::{SchemaRead, SchemaWrite};

use super::constants::{limit, own, record};
use super::error::{Error, Problem};
use super::record::{all, put};
use super::section::contents;

const WHAT: &str = "own events";
/// Events of one record.
const CHUNK: usize = 4096;
/// Bytes of payload after which a record is full.
const CHUNK_BYTES: usize = 1 << 20;

/// An event of ours: see [`own`] for the kinds, and SPEC.md for their payloads.
// The order of the fields is the order of the bytes: see SPEC.md.
#[derive(Debug, Clone, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct OwnEvent {
    /// Time, nanoseconds since the epoch.
    pub ts: u64,
    /// Kind, from the range of [`own`].
    pub kind: u16,
    /// What the kind carries.
    pub payload: Vec<u8>,
}

impl OwnEvent {
    pub(super) fn check(&self) -> Result<(), Error> {
        if !(own::FIRST..=own::LAST).contains(&self.kind) {
            return Err(contents(0, WHAT, format!("{} is no kind of ours", self.kind)));
        }
        if self.payload.len() > limit::OWN_PAYLOAD {
            let (size, limit) = (self.payload.len() as u64, limit::OWN_PAYLOAD as u64);
            return Err(Error::new(0, Problem::TooLarge { what: "the payload of an own event", size, limit }));
        }
        Ok(())
    }

    /// About as many bytes as it takes.
    pub(super) fn size(&self) -> usize {
        self.payload.len() + 18
    }
}

/// The body of a section.
pub(super) fn body(events: &[OwnEvent]) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    let mut left = events;
    while !left.is_empty() {
        let mut bytes = 0;
        let fits = |event: &&OwnEvent| {
            let full = bytes >= CHUNK_BYTES;
            bytes += event.payload.len();
            !full
        };
        let (chunk, rest) = left.split_at(left.iter().take(CHUNK).take_while(fits).count());
        put(&mut body, record::OWN_EVENTS, WHAT, &chunk.to_vec())?;
        left = rest;
    }
    Ok(body)
}

/// Reads the body of a section.
pub(super) fn read(body: &[u8]) -> Result<Vec<OwnEvent>, Error> {
    let mut events = Vec::new();
    for record in all(body) {
        let record = record?;
        let chunk: Vec<OwnEvent> = record.read(record::OWN_EVENTS, WHAT)?;
        chunk.iter().try_for_each(|event| event.check().map_err(|error| error.within(record.offset)))?;
        events.extend(chunk);
    }
    Ok(events)
}
