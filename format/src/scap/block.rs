//! Blocks: the frame that everything in a capture stands in.
//!
//! A block is its type (u32), its total length L (u32), L − 12 bytes of body, and L again. The numbers of the types are
//! hexadecimal but skip as if decimal. Facts: scap-format §1.1 and §1.2.

/// Type and length.
pub(crate) const HEADER: usize = 8;
/// The repeated length.
pub(crate) const TRAILER: usize = 4;
/// What the length of an event block that is not a large one may be, its first eight bytes not counted.
pub(crate) const MAX_SMALL_EVENT: u32 = 65_536;
/// The largest block that is read; a limit of this reader, not of the format.
pub(crate) const MAX_BLOCK: u32 = 256 << 20;

pub(crate) const SECTION: u32 = 0x0A0D_0D0A;
pub(crate) const MAGIC: u32 = 0x1A2B_3C4D;
pub(crate) const MACHINE: u32 = 0x201;
pub(crate) const PROCESSES_V9: u32 = 0x215;
pub(crate) const FDS_V2: u32 = 0x218;
pub(crate) const INTERFACES_V2: u32 = 0x219;
pub(crate) const USERS_V2: u32 = 0x220;
pub(crate) const EVENT_V2: u32 = 0x216;
pub(crate) const EVENT_FLAGS_V2: u32 = 0x217;
pub(crate) const EVENT_LARGE: u32 = 0x221;
pub(crate) const EVENT_FLAGS_LARGE: u32 = 0x222;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Section,
    Machine,
    /// Process list, versions 1 to 9.
    Processes(u8),
    /// Descriptor list of one thread, versions 1 and 2.
    Fds(u8),
    /// Interface list, versions 1 and 2.
    Interfaces(u8),
    /// User list, versions 1 and 2.
    Users(u8),
    Event(EventLayout),
}

/// Which of the forms an event block has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventLayout {
    /// Whether a word of flags stands after the processor.
    pub flags: bool,
    /// Whether the event says how many parameters it has (version 2).
    pub counted: bool,
    /// Whether it may be longer than [`MAX_SMALL_EVENT`].
    pub large: bool,
}

impl EventLayout {
    /// Bytes from the block's start to the event's header: block header, processor, flags.
    pub const fn before_event(self) -> usize {
        HEADER + 2 + if self.flags { 4 } else { 0 }
    }

    /// Bytes of the event's own header.
    pub const fn event_header(self) -> usize {
        if self.counted { 26 } else { 22 }
    }
}

impl Kind {
    /// The kind of a block type, with the numbers that old captures used; `None` where it is unknown.
    pub const fn of(block: u32) -> Option<Kind> {
        const fn event(flags: bool, counted: bool, large: bool) -> Kind {
            Kind::Event(EventLayout { flags, counted, large })
        }
        Some(match block {
            SECTION => Kind::Section,
            MACHINE | 0x8002_ABCD => Kind::Machine,
            0x202 | 0x8000_ABCD => Kind::Processes(1),
            0x207 | 0x8013_ABCD => Kind::Processes(2),
            0x209 | 0x8014_ABCD => Kind::Processes(3),
            0x210 => Kind::Processes(4),
            0x211 => Kind::Processes(5),
            0x212 => Kind::Processes(6),
            0x213 => Kind::Processes(7),
            0x214 => Kind::Processes(8),
            PROCESSES_V9 => Kind::Processes(9),
            0x203 | 0x8001_ABCD => Kind::Fds(1),
            FDS_V2 => Kind::Fds(2),
            0x205 | 0x8011_ABCD => Kind::Interfaces(1),
            INTERFACES_V2 => Kind::Interfaces(2),
            0x206 | 0x8012_ABCD => Kind::Users(1),
            USERS_V2 => Kind::Users(2),
            0x204 | 0x8010_ABCD => event(false, false, false),
            0x208 => event(true, false, false),
            EVENT_V2 => event(false, true, false),
            EVENT_FLAGS_V2 => event(true, true, false),
            EVENT_LARGE => event(false, true, true),
            EVENT_FLAGS_LARGE => event(true, true, true),
            _ => return None,
        })
    }
}

/// The number at `at`; 0 where there are fewer bytes, which callers have excluded.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}
