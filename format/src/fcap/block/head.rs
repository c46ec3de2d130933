//! The small record of a block: counts, and the shapes of its events.

use wincode::{SchemaRead, SchemaWrite};

use super::column;
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate};
use crate::fcap::error::{Error, Problem};
use crate::schema::EVENT_TYPES;

/// Events of a block: more is refused.
pub(super) const MOST_EVENTS: u32 = 1 << 22;
/// Rows of a table of a block.
pub(super) const MOST_ROWS: u32 = 1 << 24;

/// Groups of references.
pub(super) const MOST_GROUPS: usize = 256;

/// What events with the same type and marks share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SchemaWrite, SchemaRead)]
pub(super) struct Shape {
    pub(super) ty: u16,
    pub(super) marks: u8,
    pub(super) nparams: u8,
    pub(super) flags: u32,
}

/// References of one kind and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub(super) struct RefGroup {
    pub(super) kind: u8,
    pub(super) key: u16,
    pub(super) count: u32,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Default, SchemaWrite, SchemaRead)]
pub(super) struct Head {
    pub(super) events: u32,
    pub(super) first_num: u64,
    pub(super) first_ts: u64,
    /// Nanoseconds of a step of the times.
    pub(super) ts_unit: u64,
    pub(super) previous_ts: Option<u64>,
    /// Row before which events were dropped on import, if any.
    pub(super) first_drop: Option<u32>,
    pub(super) gaps: bool,
    pub(super) shapes: Vec<Shape>,
    /// Process versions that events have come first, others after them.
    pub(super) processes: u32,
    pub(super) infos: u32,
    pub(super) process_texts: u32,
    pub(super) fds: u32,
    pub(super) fd_texts: u32,
    pub(super) odd_tids: u32,
    pub(super) refs: Vec<RefGroup>,
    /// (type, parameter, distinct byte strings) of parameters that have some.
    pub(super) distinct: Vec<(u16, u8, u32)>,
}

/// Version of the record.
const VERSION: u8 = 1;

impl Head {
    /// Writes the record, its version before it.
    pub(super) fn put(&self, out: &mut ColumnsWriter) {
        let mut bytes = vec![VERSION];
        // Its sequences are bounded by the event schema, far below what the encoder refuses.
        if let Ok(record) = wincode::serialize(self) {
            bytes.extend_from_slice(&record);
        }
        out.put(column::HEAD, &bytes);
    }

    /// Reads and checks the record.
    pub(super) fn read(columns: &Columns<'_>, zstd: &mut Inflate) -> Result<Head, Error> {
        let wrong = |detail: String| Error::new(0, Problem::Contents { what: "block record", detail });
        let mut bytes = Vec::new();
        if columns.raw_length(column::HEAD).is_some_and(|length| length > 1 << 22) {
            return Err(wrong("too long".to_owned()));
        }
        columns.read(zstd, column::HEAD, &mut bytes)?;
        let Some((&version, record)) = bytes.split_first() else { return Err(wrong("missing".to_owned())) };
        if version != VERSION {
            return Err(Error::new(0, Problem::Version { what: "block record", version: u32::from(version) }));
        }
        let head: Head = wincode::deserialize_exact(record).map_err(|error| wrong(error.to_string()))?;
        if head.events > MOST_EVENTS {
            return Err(wrong(format!("{} events are too many", head.events)));
        }
        let rows = [head.processes, head.infos, head.process_texts, head.fds, head.fd_texts];
        if rows.iter().any(|&rows| rows > MOST_ROWS) || head.odd_tids > head.events {
            return Err(wrong("a table is too long".to_owned()));
        }
        if head.events > 0 && head.shapes.is_empty() {
            return Err(wrong("no shapes".to_owned()));
        }
        if let Some(shape) = head.shapes.iter().find(|shape| {
            let info = crate::schema::event_info(shape.ty);
            info.is_none_or(|info| usize::from(shape.nparams) > info.params.len())
        }) {
            return Err(wrong(format!("event type {} with {} parameters", shape.ty, shape.nparams)));
        }
        if head.refs.len() > MOST_GROUPS || head.refs.iter().any(|group| group.count > MOST_ROWS) {
            return Err(wrong("too many references".to_owned()));
        }
        debug_assert!(head.shapes.iter().all(|shape| usize::from(shape.ty) < EVENT_TYPES));
        Ok(head)
    }
}
