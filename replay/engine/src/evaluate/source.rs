//! Where evaluation takes contexts from: a block in memory, or one in a file whose contexts are made only where needed.

use std::sync::Arc;

use falco_replay_format::block::{Block, Fd, Process};

/// The contexts of a block's events, by row of the event or of a table.
pub(super) trait Source {
    /// Row of the event's process version, or `NONE`.
    fn process_row(&self, row: usize) -> u32;
    /// Rows of the table of process versions.
    fn processes(&self) -> usize;
    /// Id of a process version.
    fn process_id(&self, table: u32) -> u64;
    /// A process version; `None` for `NONE`.
    fn process(&mut self, table: u32) -> Option<Arc<Process>>;
    /// Row of the event's descriptor version, or `NONE`.
    fn fd_row(&self, row: usize) -> u32;
    /// Rows of the table of descriptor versions.
    fn fds(&self) -> usize;
    /// Id of a descriptor version.
    fn fd_id(&self, table: u32) -> u64;
    /// A descriptor version; `None` for `NONE`.
    fn fd(&mut self, table: u32) -> Option<Arc<Fd>>;
    /// Number of the event's descriptor, -1 for none.
    fn fd_num(&self, row: usize) -> i64;
}

/// A block in memory.
pub(super) struct Decoded<'a>(pub(super) &'a Block);

impl Source for Decoded<'_> {
    #[inline]
    fn process_row(&self, row: usize) -> u32 {
        self.0.process[row]
    }

    #[inline]
    fn processes(&self) -> usize {
        self.0.processes.len()
    }

    fn process_id(&self, table: u32) -> u64 {
        self.0.processes[table as usize].id
    }

    fn process(&mut self, table: u32) -> Option<Arc<Process>> {
        self.0.processes.get(table as usize).cloned()
    }

    #[inline]
    fn fd_row(&self, row: usize) -> u32 {
        self.0.fd[row]
    }

    #[inline]
    fn fds(&self) -> usize {
        self.0.fds.len()
    }

    #[inline]
    fn fd_id(&self, table: u32) -> u64 {
        self.0.fds[table as usize].id
    }

    fn fd(&mut self, table: u32) -> Option<Arc<Fd>> {
        self.0.fds.get(table as usize).cloned()
    }

    #[inline]
    fn fd_num(&self, row: usize) -> i64 {
        self.0.fd_num[row]
    }
}
