//! One event of a block as the field extractors see it.

use falco_replay_format::batch::Params;
use falco_replay_format::block::{Block, Fd, Process, RefKind, World};
use falco_replay_format::schema::{EventInfo, ParamType, category, event_flag};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::net::IpAddr;

/// What decides how values are printed; the same for every event.
#[derive(Debug, Clone)]
pub struct Rendering {
    /// Zone of local times.
    pub zone: TimeZone,
    /// Whether buffers print as base64.
    pub base64_buffers: bool,
    /// Names of addresses, from a file of the user's; nothing is ever asked of the network.
    pub names: HashMap<IpAddr, String>,
    /// Whether `in` on `fd.ip` and `fd.net` means what the language documents, not what Falco does.
    pub documented: bool,
}

impl Default for Rendering {
    fn default() -> Self {
        Rendering { zone: TimeZone::UTC, base64_buffers: false, names: HashMap::new(), documented: false }
    }
}

/// An event with its context.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The block it stands in.
    pub block: &'a Block,
    /// Its row.
    pub row: usize,
    /// Its type.
    pub info: &'static EventInfo,
    /// Its parameters.
    pub params: Params<'a>,
    /// Its thread.
    pub process: Option<&'a Process>,
    /// Its descriptor.
    pub fd: Option<&'a Fd>,
    /// How values are printed.
    pub rendering: &'a Rendering,
}

impl<'a> View<'a> {
    /// The event at `row`.
    #[inline]
    pub fn new(block: &'a Block, row: usize, rendering: &'a Rendering) -> View<'a> {
        View {
            block,
            row,
            info: block.batch.info(row),
            params: block.params(row),
            process: block.process(row).map(|process| &**process),
            fd: block.fd(row).map(|fd| &**fd),
            rendering,
        }
    }

    /// Its time, nanoseconds since the epoch.
    #[inline]
    pub fn ts(&self) -> u64 {
        self.block.batch.ts[self.row]
    }

    /// The thread id that it carries.
    #[inline]
    pub fn tid(&self) -> i64 {
        self.block.batch.tid[self.row]
    }

    /// Number of its descriptor, -1 for none.
    #[inline]
    pub fn fd_num(&self) -> i64 {
        self.block.fd_num[self.row]
    }

    /// The host.
    #[inline]
    pub fn world(&self) -> Option<&'a World> {
        self.block.world(self.row).map(|world| &**world)
    }

    /// Whether it is an event about descriptors: fields of the fd class have no value for all others.
    #[inline]
    pub fn about_fd(&self) -> bool {
        self.info.flags & (event_flag::USES_FD | event_flag::CREATES_FD | event_flag::DESTROYS_FD) != 0
    }

    /// The return value: parameter 0 of a syscall's exit, generic ones apart.
    #[inline]
    pub fn result(&self) -> Option<i64> {
        if !self.info.is_exit() || self.info.category & category::SYSCALL == 0 || self.info.id < 2 {
            return None;
        }
        match self.params.get(0) {
            bytes @ [_, _, _, _] => Some(i64::from(i32::from_le_bytes(bytes.try_into().ok()?))),
            bytes => Some(i64::from_le_bytes(bytes.try_into().ok()?)),
        }
    }

    /// The descriptor that parameter `index` numbers.
    pub fn param_fd(&self, index: usize) -> Option<&'a Fd> {
        let number = self.params.i64(index)?;
        if let Some(row) = self.block.reference(self.row, RefKind::ParamFd, index as u16) {
            return self.block.fds.get(row as usize).map(|fd| &**fd);
        }
        // The event's own descriptor needs no reference.
        self.fd.filter(|_| number == self.fd_num() && self.info.params[index].ty == ParamType::Fd)
    }

    /// The thread that parameter `index` numbers.
    pub fn param_process(&self, index: usize) -> Option<&'a Process> {
        let row = self.block.reference(self.row, RefKind::ParamProcess, index as u16)?;
        self.block.processes.get(row as usize).map(|process| &**process)
    }

    /// The directory that relative paths of the event's process start from.
    pub fn cwd(&self) -> Option<&'a [u8]> {
        match self.process?.main() {
            Some(main) => Some(&main.info.cwd),
            None => Some(b"./"),
        }
    }
}
