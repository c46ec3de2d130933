//! Which references of an event are worked out: what costs something is done only where a reader asks for it.

use crate::schema::EVENT_TYPES;

/// Kinds of references, a bit each.
#[allow(missing_docs)]
pub mod want {
    /// Descriptors, threads, users and groups that parameters number.
    pub const PARAMS: u16 = 1;
    /// Descriptors 0, 1 and 2.
    pub const STDIO: u16 = 2;
    /// The entries of a poll list.
    pub const POLL: u16 = 4;
    /// Kinds of all open descriptors.
    pub const FD_KINDS: u16 = 8;
    /// Numbers of open descriptors and of threads.
    pub const COUNTS: u16 = 16;
    /// Leaders of the session and of the process groups.
    pub const LEADERS: u16 = 32;
    /// Memory and faults.
    pub const MEMORY: u16 = 64;
    /// Processor times.
    pub const CPU: u16 = 128;
    /// The time of the event before.
    pub const BEFORE: u16 = 256;
}

/// What a reader of blocks asks for, by event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    by_type: Vec<u16>,
    /// Descriptor numbers asked for one by one.
    pub fd_numbers: Vec<i64>,
    /// Of what mostly stays as it was for a thread only changes are told, and the first of each thread in a block.
    pub changes: bool,
}

impl Default for Demand {
    fn default() -> Self {
        Demand { by_type: vec![0; EVENT_TYPES], fd_numbers: Vec::new(), changes: false }
    }
}

impl Demand {
    /// Everything, for every event.
    pub fn everything() -> Demand {
        Demand { by_type: vec![u16::MAX; EVENT_TYPES], fd_numbers: Vec::new(), changes: false }
    }

    /// Everything, in the form in which a stored capture holds it.
    pub fn stored() -> Demand {
        Demand { changes: true, ..Demand::everything() }
    }

    /// Asks for the kinds in `bits` on events of type `ty`.
    pub fn ask(&mut self, ty: u16, bits: u16) {
        if let Some(entry) = self.by_type.get_mut(usize::from(ty)) {
            *entry |= bits;
        }
    }

    /// The kinds asked for on events of type `ty`.
    #[inline]
    pub fn of(&self, ty: u16) -> u16 {
        self.by_type.get(usize::from(ty)).copied().unwrap_or(0)
    }
}
