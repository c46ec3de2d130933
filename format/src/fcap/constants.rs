//! What may never change: the numbers that `.fcap` files on disk are made of. `SPEC.md` lists them; a test pins them.

/// The first bytes of every file. The high bit and the two line ends show damage by transfers that are not binary.
pub const MARK: [u8; 8] = *b"\x8aFCAP\r\n\x1a";
/// Version of the file's frame: a reader refuses a higher one.
pub const VERSION: u16 = 1;
/// Bytes before the first section: mark, version, reserved, checksum.
pub const FILE_MARK: usize = 16;

/// The first bytes of every section.
pub const SECTION_MARK: [u8; 4] = *b"\x1eFcS";
/// Bytes of a section's header.
pub const SECTION_HEADER: usize = 48;
/// Bytes of the trailer's body.
pub const TRAILER_BODY: usize = 72;
/// The trailer with its header: the last bytes of a file that was closed.
pub const TRAILER: usize = SECTION_HEADER + TRAILER_BODY;
/// The last bytes of every file that was closed.
pub const END_MARK: [u8; 8] = *b"\x1aFCAPend";

/// Kinds of sections.
pub mod kind {
    /// Who recorded what: the first section.
    pub const HEADER: u16 = 1;
    /// The state of the host at this place: a `Head`.
    pub const SNAPSHOT: u16 = 2;
    /// Events in context.
    pub const BLOCK: u16 = 3;
    /// Events of ours, which rules never see.
    pub const OWN_EVENTS: u16 = 4;
    /// What the file holds and where.
    pub const INDEX: u16 = 5;
    /// Where the index is, and the chained checksum: the last section.
    pub const TRAILER: u16 = 6;
    /// The block still being filled; reserved for the recorder.
    pub const JOURNAL: u16 = 7;
}

/// How a section's body is stored.
pub mod codec {
    /// As it is.
    pub const RAW: u8 = 0;
    /// One zstd frame.
    pub const ZSTD: u8 = 1;
}

/// Kinds of records.
pub mod record {
    /// Contents of the header section.
    pub const FILE_ABOUT: u16 = 1;
    /// What the source said and lost.
    pub const TOTALS: u16 = 2;
    /// Sections, in file order.
    pub const ENTRIES: u16 = 3;
    /// What the index says of a block.
    pub const BLOCK_ABOUT: u16 = 4;
    /// Our own events.
    pub const OWN_EVENTS: u16 = 5;
    /// Numbers of entries of a snapshot's lists, and the machine.
    pub const SNAPSHOT: u16 = 6;
    /// Network interfaces.
    pub const INTERFACES: u16 = 7;
    /// Users.
    pub const USERS: u16 = 8;
    /// Groups.
    pub const GROUPS: u16 = 9;
    /// Containers.
    pub const CONTAINERS: u16 = 10;
    /// Users inside containers.
    pub const CONTAINER_USERS: u16 = 11;
    /// Groups inside containers.
    pub const CONTAINER_GROUPS: u16 = 12;
    /// Threads that ended shortly before.
    pub const EXITS: u16 = 13;
}

/// Version of every section and record of today.
pub const FIRST_VERSION: u16 = 1;

/// Types of our own events. Falco's types stay below.
pub mod own {
    /// The first number of the range.
    pub const FIRST: u16 = 0x8000;
    /// The last.
    pub const LAST: u16 = 0x8fff;
    /// Events were lost.
    pub const LOSS: u16 = 0x8001;
    /// The offset between boot clock and time of day changed.
    pub const CLOCK: u16 = 0x8002;
    /// The recorder started.
    pub const START: u16 = 0x8003;
    /// The recorder stopped.
    pub const STOP: u16 = 0x8004;
    /// The arguments of a system call as the kernel had them.
    pub const SYSCALL: u16 = 0x8005;
    /// The hash of a file that was executed or written.
    pub const FILE_HASH: u16 = 0x8006;
}

/// Limits of what a file may hold; a reader refuses more before it allocates anything.
pub mod limit {
    /// Bytes of the memory of one sequence in a record: wincode's limit, on both sides.
    pub const SEQUENCE: usize = 4 << 20;
    /// Bytes of a record.
    pub const RECORD: usize = 16 << 20;
    /// Bytes of an index section after decompression.
    pub const INDEX_SECTION: u64 = 32 << 20;
    /// Bytes of all index sections after decompression.
    pub const INDEX: u64 = 192 << 20;
    /// Bytes of the filters in the index; blocks after that have none there.
    pub const INDEX_SUMMARIES: u64 = 96 << 20;
    /// Bytes of the filter of one block.
    pub const SUMMARY: usize = 1 << 20;
    /// Events of a block.
    pub const BLOCK_EVENTS: usize = 1 << 20;
    /// Bytes of a section's body as stored, apart from the journal's.
    pub const SECTION: u64 = 1 << 30;
    /// Bytes of an own-events section.
    pub const OWN_EVENTS_SECTION: u64 = 16 << 20;
    /// Bytes of the payload of one own event.
    pub const OWN_PAYLOAD: usize = 1 << 20;
    /// Threads of a snapshot, and lists of descriptors.
    pub const SNAPSHOT_THREADS: usize = 1 << 20;
    /// Descriptors of a snapshot.
    pub const SNAPSHOT_FDS: usize = 1 << 22;
    /// Distinct texts of a snapshot, and distinct lists.
    pub const SNAPSHOT_TEXTS: usize = 1 << 23;
    /// Bytes of the small lists of a snapshot.
    pub const SNAPSHOT_RECORDS: usize = 128 << 20;
    /// Parameters of an enter half that waits for its exit.
    pub const ENTER_PARAMS: usize = 64;
    /// Bytes of all lists (arguments, environments, cgroups) of a snapshot, put together.
    pub const SNAPSHOT_LISTS: usize = 1 << 29;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If this fails, files on disk can no longer be read: add a number, never change one.
    #[test]
    fn never_change() {
        assert_eq!(MARK, [0x8a, 0x46, 0x43, 0x41, 0x50, 0x0d, 0x0a, 0x1a]);
        assert_eq!(SECTION_MARK, [0x1e, 0x46, 0x63, 0x53]);
        assert_eq!(END_MARK, [0x1a, 0x46, 0x43, 0x41, 0x50, 0x65, 0x6e, 0x64]);
        assert_eq!((VERSION, FIRST_VERSION), (1, 1));
        assert_eq!((FILE_MARK, SECTION_HEADER, TRAILER_BODY, TRAILER), (16, 48, 72, 120));
        let kinds =
            [kind::HEADER, kind::SNAPSHOT, kind::BLOCK, kind::OWN_EVENTS, kind::INDEX, kind::TRAILER, kind::JOURNAL];
        assert_eq!(kinds, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!([codec::RAW, codec::ZSTD], [0, 1]);
        let records = [
            record::FILE_ABOUT,
            record::TOTALS,
            record::ENTRIES,
            record::BLOCK_ABOUT,
            record::OWN_EVENTS,
            record::SNAPSHOT,
            record::INTERFACES,
            record::USERS,
            record::GROUPS,
            record::CONTAINERS,
            record::CONTAINER_USERS,
            record::CONTAINER_GROUPS,
            record::EXITS,
        ];
        assert_eq!(records, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!((own::FIRST, own::LAST), (0x8000, 0x8fff));
        let own = [own::LOSS, own::CLOCK, own::START, own::STOP, own::SYSCALL, own::FILE_HASH];
        assert_eq!(own, [0x8001, 0x8002, 0x8003, 0x8004, 0x8005, 0x8006]);
        // Falco's event types may grow, but never into ours.
        assert!(crate::schema::EVENT_TYPES < usize::from(own::FIRST));
    }

    /// Limits may be raised, never lowered: what was written stays readable.
    #[test]
    fn limits_never_shrink() {
        let least = [
            (limit::SEQUENCE as u64, 4 << 20),
            (limit::RECORD as u64, 16 << 20),
            (limit::INDEX_SECTION, 32 << 20),
            (limit::INDEX, 192 << 20),
            (limit::SUMMARY as u64, 1 << 20),
            (limit::BLOCK_EVENTS as u64, 1 << 20),
            (limit::SECTION, 1 << 30),
            (limit::OWN_EVENTS_SECTION, 16 << 20),
            (limit::OWN_PAYLOAD as u64, 1 << 20),
            (limit::SNAPSHOT_LISTS as u64, 1 << 29),
            (limit::SNAPSHOT_THREADS as u64, 1 << 20),
            (limit::SNAPSHOT_FDS as u64, 1 << 22),
            (limit::SNAPSHOT_TEXTS as u64, 1 << 23),
            (limit::SNAPSHOT_RECORDS as u64, 128 << 20),
            (limit::ENTER_PARAMS as u64, 64),
        ];
        for (place, (limit, least)) in least.into_iter().enumerate() {
            assert!(limit >= least, "limit {place}");
        }
    }
}
