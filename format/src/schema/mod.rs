//! The Falco event schema: event types, parameters, flag names, syscall codes.
//!
//! The tables are made from `schema/schema.json` when the crate is built. Source of the facts: falcosecurity/libs
//! 48dfd53cd (2026-07), `driver/event_table.c`, `flags_table.c`, `dynamic_params_table.c`, and libscap's converter.

/// One event type.
#[derive(Debug)]
pub struct EventInfo {
    /// Number of the type, its place in [`EVENTS`]. Even: enter half or meta event; odd: exit half.
    pub id: u16,
    /// Symbol without the `PPME_` prefix, unique.
    pub symbol: &'static str,
    /// Name that rules use (`evt.type`); several types share one.
    pub name: &'static str,
    /// Category (low 9 bits) and event class (the bits above), see [`category`].
    pub category: u32,
    /// `EF_*` bits, see [`event_flag`].
    pub flags: u32,
    /// Which parameter carries the file descriptor the event uses; -1: none.
    pub fd_param: i8,
    /// Parameters in order.
    pub params: &'static [ParamInfo],
}

impl EventInfo {
    /// Whether all bits of `flag` are set.
    #[inline]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }

    /// Whether this is an exit half (odd number).
    #[inline]
    pub const fn is_exit(&self) -> bool {
        self.id % 2 == 1
    }

    /// Bytes of one entry of the parameter-length array: 4 for large-payload types, else 2.
    #[inline]
    pub const fn length_width(&self) -> usize {
        if self.has(event_flag::LARGE_PAYLOAD) { 4 } else { 2 }
    }

    /// The low part of the category, one of [`category`]'s values below 512.
    #[inline]
    pub const fn base_category(&self) -> u32 {
        self.category & 0x1ff
    }
}

/// One parameter of an event type.
#[derive(Debug)]
pub struct ParamInfo {
    /// Name, as in `evt.arg.NAME`.
    pub name: &'static str,
    /// Encoding on the wire.
    pub ty: ParamType,
    /// How its number is printed.
    pub format: PrintFormat,
    /// Names of its bits or values; empty where it has none.
    pub flags: &'static [FlagName],
    /// For [`ParamType::Dyn`]: type and format of each variant.
    pub variants: &'static [(ParamType, PrintFormat)],
    /// For [`ParamType::Fsrelpath`]: which parameter is the directory descriptor; -1: none.
    pub dirfd: i8,
}

/// A flag or enum value with its printed name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlagName {
    /// Printed name.
    pub name: &'static str,
    /// Value.
    pub value: u32,
}

/// One syscall code (`PPM_SC_*`).
#[derive(Debug)]
pub struct SyscallInfo {
    /// The code.
    pub id: u16,
    /// Name in lower case, cut to 31 characters as the library does.
    pub name: &'static str,
    /// Event types that stand for this syscall; [0, 1] is the generic pair.
    pub events: &'static [u16],
    /// Number of the syscall on x86_64, where it has one.
    pub x86_64: Option<u16>,
    /// Whether it changes the state that readers keep.
    pub modifies_state: bool,
}

/// How a parameter is encoded (`PT_*`).
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParamType {
    None,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Charbuf,
    Bytebuf,
    Errno,
    Sockaddr,
    Socktuple,
    Fd,
    Pid,
    Fdlist,
    Fspath,
    Syscallid,
    Sigtype,
    Reltime,
    Abstime,
    Port,
    L4proto,
    Sockfamily,
    Bool,
    Ipv4addr,
    Dyn,
    Flags8,
    Flags16,
    Flags32,
    Uid,
    Gid,
    Double,
    Sigset,
    Charbufarray,
    CharbufPairArray,
    Ipv4net,
    Ipv6addr,
    Ipv6net,
    Ipaddr,
    Ipnet,
    Mode,
    Fsrelpath,
    Enumflags8,
    Enumflags16,
    Enumflags32,
    Fd32,
    Pid32,
}

impl ParamType {
    /// Bytes of a value of fixed size; `None` where the size varies.
    pub const fn size(self) -> Option<usize> {
        use ParamType as T;
        match self {
            T::Int8 | T::Uint8 | T::Flags8 | T::Enumflags8 | T::Sigtype | T::L4proto | T::Sockfamily => Some(1),
            T::Int16 | T::Uint16 | T::Flags16 | T::Enumflags16 | T::Syscallid | T::Port => Some(2),
            T::Int32
            | T::Uint32
            | T::Flags32
            | T::Enumflags32
            | T::Uid
            | T::Gid
            | T::Mode
            | T::Sigset
            | T::Fd32
            | T::Pid32
            | T::Ipv4addr
            | T::Bool => Some(4),
            T::Int64
            | T::Uint64
            | T::Errno
            | T::Fd
            | T::Pid
            | T::Reltime
            | T::Abstime
            | T::Double
            | T::Charbufarray
            | T::CharbufPairArray => Some(8),
            T::Ipv6addr => Some(16),
            _ => None,
        }
    }
}

/// How a number is printed (`PF_*`).
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrintFormat {
    Na,
    Dec,
    Hex,
    PaddedDec,
    Id,
    Dir,
    Oct,
}

/// `EF_*` bits of an event type.
#[allow(missing_docs)]
pub mod event_flag {
    pub const CREATES_FD: u32 = 1;
    pub const DESTROYS_FD: u32 = 2;
    pub const USES_FD: u32 = 4;
    pub const READS_FROM_FD: u32 = 8;
    pub const WRITES_TO_FD: u32 = 16;
    pub const MODIFIES_STATE: u32 = 32;
    pub const UNUSED: u32 = 64;
    pub const WAITS: u32 = 128;
    pub const SKIPPARSERESET: u32 = 256;
    pub const OLD_VERSION: u32 = 512;
    pub const LARGE_PAYLOAD: u32 = 2048;
    pub const CONVERTER_MANAGED: u32 = 4096;
}

/// Categories (`EC_*`) and event classes.
#[allow(missing_docs)]
pub mod category {
    pub const UNKNOWN: u32 = 0;
    pub const OTHER: u32 = 1;
    pub const FILE: u32 = 2;
    pub const NET: u32 = 3;
    pub const IPC: u32 = 4;
    pub const MEMORY: u32 = 5;
    pub const PROCESS: u32 = 6;
    pub const SLEEP: u32 = 7;
    pub const SYSTEM: u32 = 8;
    pub const SIGNAL: u32 = 9;
    pub const USER: u32 = 10;
    pub const TIME: u32 = 11;
    pub const PROCESSING: u32 = 12;
    pub const IO_READ: u32 = 32;
    pub const IO_WRITE: u32 = 33;
    pub const IO_OTHER: u32 = 34;
    pub const WAIT: u32 = 64;
    pub const SCHEDULER: u32 = 128;
    pub const INTERNAL: u32 = 256;
    pub const SYSCALL: u32 = 512;
    pub const TRACEPOINT: u32 = 1024;
    pub const PLUGIN: u32 = 2048;
    pub const METAEVENT: u32 = 4096;
    pub const ITER: u32 = 8192;
}

/// A row of the conversion table of older events.
#[derive(Debug)]
pub struct Conversion {
    /// Type of the event as read.
    pub event: u16,
    /// Number of its parameters as read.
    pub nparams: u32,
    /// What to do with it.
    pub action: Action,
    /// For [`Action::AddParams`] the appended, for [`Action::ChangeType`] all parameters: (index, where from).
    pub params: &'static [(u8, Source)],
}

/// What the converter does with an event.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    StoreAndDrop,
    StoreAndPass,
    Pass,
    AddParams,
    ChangeType(u16),
}

/// Where a converted parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Parameter of the event being converted.
    Old(u8),
    /// Parameter of the enter event stored for the same thread.
    Enter(u8, Fallback),
    /// No value.
    Empty,
    /// The smallest value of the type.
    Default,
    /// The JSON text made of an old container event.
    ContainerJson,
}

/// What a converted parameter is where no stored enter event has it.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    Empty,
    Default,
}

#[rustfmt::skip]
mod tables {
    use super::{Action, Conversion, EventInfo, Fallback, FlagName, ParamInfo, ParamType, PrintFormat, Source, SyscallInfo};
    include!(concat!(env!("OUT_DIR"), "/schema.rs"));
}
pub use tables::*;

/// Number of event types this schema knows.
pub const EVENT_TYPES: usize = EVENTS.len();

/// The event type with this number.
#[inline]
pub fn event_info(id: u16) -> Option<&'static EventInfo> {
    EVENTS.get(usize::from(id))
}

/// The syscall with this code.
pub fn syscall_info(id: u16) -> Option<&'static SyscallInfo> {
    SYSCALLS.binary_search_by_key(&id, |call| call.id).ok().map(|at| &SYSCALLS[at])
}

/// Whether events of this type may stand in front of all others to complete the state of a section's start (facts:
/// state.md §1).
pub fn describes_start(ty: u16) -> bool {
    matches!(
        ty,
        ev::CONTAINER_JSON_2_E
            | ev::USER_ADDED_E
            | ev::USER_DELETED_E
            | ev::GROUP_ADDED_E
            | ev::GROUP_DELETED_E
            | ev::ASYNCEVENT_E
    )
}
