//! Decodes a file as `SPEC.md` draws it, with nothing of the library: neither its reader nor wincode.

// In a test a panic is the message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the message")]

use falco_replay_format::block::{Block, NONE, mark};
use falco_replay_format::fcap::{
    CaptureFile, Clock, Entry, FileAbout, MachineAbout, Options, OwnEvent, Totals, Writer, constants::own,
};
use falco_replay_format::lists::{GroupEntry, Head, Interface, Machine, Text, ThreadEntry, UserEntry};
use falco_replay_format::schema::ev;
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

/// Takes things off the front of some bytes.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self, width: usize) -> u64 {
        self.take(width).iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn u8(&mut self) -> u8 {
        self.number(1) as u8
    }

    fn u16(&mut self) -> u16 {
        self.number(2) as u16
    }

    fn u32(&mut self) -> u32 {
        self.number(4) as u32
    }

    fn u64(&mut self) -> u64 {
        self.number(8)
    }

    fn bool(&mut self) -> bool {
        match self.u8() {
            0 => false,
            1 => true,
            other => panic!("{other} is no bool"),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.u64() as usize;
        self.take(length).to_vec()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.u64();
        (0..count).map(|_| one(self)).collect()
    }

    fn maybe<T>(&mut self, one: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.bool().then(|| one(self))
    }

    fn varint(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = self.u8();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn zigzag(&mut self) -> i64 {
        let number = self.varint();
        (number >> 1) as i64 ^ -((number & 1) as i64)
    }

    /// The fields of the next record: (kind, fields).
    fn record(&mut self) -> (u16, Bytes<'a>) {
        let kind = self.u16();
        assert_eq!(self.u16(), 1, "version of record {kind}");
        let length = self.u32() as usize;
        (kind, Bytes(self.take(length)))
    }

    fn end(self) {
        assert_eq!(self.0, b"", "bytes are left over");
    }
}

/// A section as its header has it.
struct Section<'a> {
    kind: u16,
    place: usize,
    whole: &'a [u8],
    body: Vec<u8>,
}

fn section(file: &[u8], place: usize, number: u32) -> Section<'_> {
    let mut header = Bytes(&file[place..place + 48]);
    assert_eq!(header.take(4), b"\x1eFcS");
    let kind = header.u16();
    assert_eq!(header.u8(), 1, "version");
    let codec = header.u8();
    assert_eq!(header.u64(), place as u64);
    let length = header.u64() as usize;
    let raw = header.u64() as usize;
    let stored = &file[place + 48..place + 48 + length];
    assert_eq!(header.u64(), xxh3_64(stored));
    assert_eq!(header.u32(), number);
    assert_eq!(header.u32(), xxh3_64(&file[place..place + 44]) as u32);
    header.end();
    let body = match codec {
        0 => stored.to_vec(),
        1 => zstd::decode_all(stored).unwrap(),
        other => panic!("codec {other}"),
    };
    assert_eq!(body.len(), raw);
    Section { kind, place, whole: &file[place..place + 48 + length], body }
}

fn machine(fields: &mut Bytes<'_>) -> MachineAbout {
    MachineAbout {
        cpus: fields.u32(),
        memory: fields.u64(),
        max_pid: fields.u64(),
        hostname: fields.bytes(),
        boot_time: fields.u64(),
        flags: [fields.u64(), fields.u64(), fields.u64()],
    }
}

fn file_about(body: &[u8]) -> FileAbout {
    let mut body = Bytes(body);
    let (kind, mut fields) = body.record();
    body.end();
    assert_eq!(kind, 1);
    let about = FileAbout {
        recorder: fields.text(),
        recorder_version: fields.text(),
        source: fields.text(),
        hostname: fields.bytes(),
        kernel: fields.text(),
        boot_id: fields.maybe(|fields| fields.take(16).try_into().unwrap()),
        config_hash: fields.maybe(|fields| fields.take(32).try_into().unwrap()),
        clock: match fields.u32() {
            0 => Clock::Imported,
            1 => Clock::Boot { offset: fields.u64() },
            other => panic!("clock {other}"),
        },
        event_types: fields.u32(),
        machine: fields.maybe(machine),
    };
    fields.end();
    about
}

fn totals(mut fields: Bytes<'_>) -> Totals {
    let totals = Totals {
        complete: fields.bool(),
        bytes: fields.u64(),
        sections: fields.u64(),
        blocks: fields.list(|fields| (fields.u32(), fields.u64())),
        unknown_blocks: fields.u64(),
        events: fields.u64(),
        unknown_events: fields.u64(),
        converted: fields.u64(),
        dropped: fields.u64(),
        evictions: fields.u64(),
        swallowed: fields.u64(),
        refused_threads: fields.u64(),
        refused_fds: fields.u64(),
        damage: fields.maybe(Bytes::text),
        notes: fields.list(Bytes::text),
    };
    fields.end();
    totals
}

/// What is said of a block, as text, and its filter.
fn block_about(fields: &mut Bytes<'_>) -> (String, Vec<u8>) {
    let events = fields.u32();
    let [first, last, earliest, latest] = std::array::from_fn(|_| fields.u64());
    let types = fields.list(|fields| (fields.u16(), fields.u32()));
    let (delivered, raw_bytes) = (fields.u32(), fields.u64());
    (format!("{events} {first} {last} {earliest} {latest} {types:?} {delivered} {raw_bytes}"), fields.bytes())
}

/// The columns of a snapshot, by number.
fn columns(body: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut body = Bytes(body);
    let length = body.u32() as usize;
    let directory = body.take(length);
    assert_eq!(body.u64(), xxh3_64(directory));
    let mut directory = Bytes(directory);
    let count = directory.varint();
    let columns = (0..count)
        .map(|_| {
            let id = directory.varint();
            let codec = directory.u8();
            let (raw, stored) = (directory.varint() as usize, directory.varint() as usize);
            let stored = body.take(stored);
            assert_eq!(directory.u32(), xxh3_64(stored) as u32);
            let bytes = match codec {
                0 => stored.to_vec(),
                1 => zstd::decode_all(stored).unwrap(),
                2 => vec![stored[0]; raw],
                other => panic!("codec {other}"),
            };
            assert_eq!(bytes.len(), raw);
            (id, bytes)
        })
        .collect();
    directory.end();
    body.end();
    columns
}

fn address(fields: &mut Bytes<'_>) -> Vec<u8> {
    match fields.u32() {
        0 => fields.take(4).to_vec(),
        1 => fields.take(16).to_vec(),
        other => panic!("address {other}"),
    }
}

fn snapshot(body: &[u8], expected: &Head) {
    let columns = columns(body);
    let column = |id: u64| &columns.iter().find(|(other, _)| *other == id).unwrap().1[..];
    let mut records = Bytes(column(1));
    let (kind, mut fields) = records.record();
    assert_eq!(kind, 6);
    let found = fields.maybe(machine);
    assert_eq!(found, expected.machine.as_ref().map(MachineAbout::from));
    assert_eq!([fields.u64(), fields.u64(), fields.u64()], [2, 0, 0], "threads, descriptor lists, descriptors");
    assert_eq!(fields.maybe(Bytes::u64), None);
    fields.end();

    let (kind, mut fields) = records.record();
    assert_eq!(kind, 7);
    let interfaces = fields
        .list(|fields| (fields.bytes(), [address(fields), address(fields), address(fields)], fields.maybe(Bytes::u64)));
    let first = (b"eth0".to_vec(), [vec![10, 0, 0, 1], vec![255, 0, 0, 0], vec![10, 255, 255, 255]], Some(1_000));
    let second = (b"lo".to_vec(), [[vec![0; 15], vec![1]].concat(), vec![0xff; 16], vec![0; 16]], None);
    assert_eq!(interfaces, [first, second]);
    fields.end();

    let (kind, mut fields) = records.record();
    assert_eq!(kind, 8);
    let users = fields
        .list(|fields| (fields.bytes(), fields.u32(), fields.u32(), [fields.bytes(), fields.bytes(), fields.bytes()]));
    assert_eq!(users, [(Vec::new(), 7, 8, [b"ann".to_vec(), b"/home/ann".to_vec(), b"/bin/sh".to_vec()])]);
    fields.end();

    let (kind, mut fields) = records.record();
    assert_eq!(kind, 9);
    let groups = fields.list(|fields| (fields.bytes(), fields.u32(), fields.bytes()));
    assert_eq!(groups, [(Vec::new(), 8, b"staff".to_vec())]);
    fields.end();
    records.end();

    let (mut lengths, mut bytes) = (Bytes(column(2)), Bytes(column(3)));
    let mut texts = Vec::new();
    while !lengths.0.is_empty() {
        texts.push(bytes.take(lengths.varint() as usize).to_vec());
    }
    bytes.end();
    let (mut lengths, mut parts) = (Bytes(column(4)), Bytes(column(5)));
    let (mut lists, mut at) = (Vec::new(), 0);
    while !lengths.0.is_empty() {
        let list = (0..lengths.varint()).flat_map(|_| {
            at += parts.zigzag();
            texts[at as usize].clone()
        });
        lists.push(list.collect::<Vec<u8>>());
    }
    parts.end();

    let mut tids = Bytes(column(16));
    let mut uids = Bytes(column(26));
    let mut comms = (Bytes(column(48)), 0);
    let mut envs = (Bytes(column(54)), 0);
    for thread in &expected.threads {
        assert_eq!(tids.zigzag(), thread.tid);
        assert_eq!(uids.varint(), u64::from(thread.uid));
        comms.1 += comms.0.zigzag();
        assert_eq!(texts[comms.1 as usize], *thread.comm);
        envs.1 += envs.0.zigzag();
        assert_eq!(lists[envs.1 as usize], *thread.env);
    }
    tids.end();
    uids.end();
    comms.0.end();
    envs.0.end();
}

fn text(text: &str) -> Text {
    text.as_bytes().into()
}

fn thread(tid: i64, comm: &str) -> ThreadEntry {
    ThreadEntry {
        tid,
        pid: tid,
        ptid: 1,
        sid: 1,
        vpgid: 1,
        pgid: 1,
        comm: text(comm),
        exe: text(comm),
        exepath: text("/bin/tool"),
        args: text("-v\0"),
        cwd: text("/"),
        fdlimit: 1024,
        flags: 0,
        uid: 1000 + tid as u32,
        gid: 0,
        vmsize_kb: 0,
        vmrss_kb: 0,
        vmswap_kb: 0,
        pfmajor: 0,
        pfminor: 0,
        env: text("A=1\0PATH=/bin\0A=1\0unended"),
        vtid: tid,
        vpid: tid,
        cgroups: text(""),
        root: text("/"),
        pidns_init_start_ts: 0,
        tty: 0,
        loginuid: u32::MAX,
        exe_writable: true,
        exe_upper_layer: false,
        exe_lower_layer: false,
        exe_from_memfd: false,
        cap_inheritable: 0,
        cap_permitted: u64::MAX,
        cap_effective: 0,
        exe_ino: 1,
        exe_ino_ctime: 2,
        exe_ino_mtime: 3,
    }
}

fn head() -> Head {
    let machine = Machine {
        cpus: 4,
        memory: 1 << 33,
        max_pid: 1 << 22,
        hostname: text("node-1"),
        boot_time: 9,
        flags: [1, 2, 3],
    };
    let v4 = |octets: [u8; 4]| octets.into();
    Head {
        machine: Some(machine),
        threads: vec![thread(1, "init"), thread(70_000, "worker")],
        interfaces: vec![
            Interface {
                name: text("eth0"),
                addr: v4([10, 0, 0, 1]),
                mask: v4([255, 0, 0, 0]),
                broadcast: v4([10, 255, 255, 255]),
                linkspeed: Some(1_000),
            },
            Interface {
                name: text("lo"),
                addr: std::net::Ipv6Addr::LOCALHOST.into(),
                mask: [0xff; 16].into(),
                broadcast: [0; 16].into(),
                linkspeed: None,
            },
        ],
        users: vec![UserEntry { uid: 7, gid: 8, name: text("ann"), home: text("/home/ann"), shell: text("/bin/sh") }],
        groups: vec![GroupEntry { gid: 8, name: text("staff") }],
        ..Head::default()
    }
}

fn block(first: u64) -> Block {
    let mut block = Block { first_num: first, ..Block::default() };
    for row in 0..5 {
        let batch = &mut block.batch;
        batch.offset.push(batch.data.len() as u32);
        batch.data.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        batch.ts.push(1_000 * (first + row));
        batch.tid.push(1);
        batch.ty.push(ev::SYSCALL_CLOSE_X);
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(1);
        block.marks.push(if row == 0 { 0 } else { mark::DELIVERED });
        block.process.push(NONE);
        block.fd.push(NONE);
        block.fd_num.push(-1);
    }
    block
}

#[test]
fn as_the_spec_draws_it() {
    let about = FileAbout {
        recorder: "test".to_owned(),
        recorder_version: "1".to_owned(),
        source: ".scap".to_owned(),
        hostname: b"node-1".to_vec(),
        kernel: "6.1".to_owned(),
        boot_id: Some([7; 16]),
        config_hash: None,
        clock: Clock::Boot { offset: 12 },
        event_types: 400,
        machine: head().machine.as_ref().map(MachineAbout::from),
    };
    let end = Totals {
        complete: true,
        blocks: vec![(0x216, 10)],
        events: 10,
        damage: Some("none".to_owned()),
        notes: vec!["a".to_owned(), "b".to_owned()],
        ..Totals::default()
    };
    let own = OwnEvent { ts: 5, kind: own::CLOCK, payload: vec![1, 2, 3] };
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file, &about, Options::default()).unwrap();
    writer.head(&head()).unwrap();
    writer.block(block(1)).unwrap();
    writer.own_event(own.clone()).unwrap();
    writer.block(block(6)).unwrap();
    writer.finish(&end).unwrap();

    // The file mark.
    assert_eq!(file[..8], *b"\x8aFCAP\r\n\x1a");
    assert_eq!(file[8..12], [1, 0, 0, 0]);
    assert_eq!(file[12..16], (xxh3_64(&file[..12]) as u32).to_le_bytes());

    // All sections, one after another, and the chain over them.
    let mut sections = Vec::new();
    let (mut at, mut chain) = (16, Sha256::digest(&file[..16]));
    while at < file.len() {
        let section = section(&file, at, sections.len() as u32);
        at += section.whole.len();
        if section.kind != 6 {
            chain = Sha256::digest([&chain[..], section.whole].concat());
        }
        sections.push(section);
    }
    let kinds: Vec<u16> = sections.iter().map(|section| section.kind).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 3, 5, 6]);

    // The trailer.
    let trailer = sections.last().unwrap();
    assert_eq!(trailer.whole.len(), 120);
    let mut fields = Bytes(&trailer.body);
    let index = &sections[5];
    let expected = [index.place, index.whole.len(), 6, file.len()];
    assert_eq!([fields.u64(), fields.u64(), fields.u64(), fields.u64()], expected.map(|number| number as u64));
    assert_eq!(fields.take(32), &chain[..]);
    assert_eq!(fields.take(8), b"\x1aFCAPend");
    fields.end();

    assert_eq!(file_about(&sections[0].body), about);
    snapshot(&sections[1].body, &head());

    let mut body = Bytes(&sections[3].body);
    let (kind, mut fields) = body.record();
    body.end();
    assert_eq!(kind, 5);
    let own_events = fields.list(|fields| OwnEvent { ts: fields.u64(), kind: fields.u16(), payload: fields.bytes() });
    fields.end();
    assert_eq!(own_events, [own]);

    // The index, and the records of the blocks themselves.
    let mut body = Bytes(&index.body);
    let (kind, fields) = body.record();
    assert_eq!(kind, 2);
    assert_eq!(totals(fields), end);
    let (kind, mut fields) = body.record();
    assert_eq!(kind, 3);
    body.end();
    let entries = fields.list(|fields| (fields.u16(), fields.u64(), fields.u32(), fields.maybe(block_about)));
    fields.end();
    assert_eq!(entries.len(), 4);
    let read = CaptureFile::from_bytes(file.clone()).unwrap();
    for ((entry, section), read) in entries.iter().zip(&sections[1..]).zip(read.entries()) {
        let about = (section.kind == 3).then(|| {
            let mut body = Bytes(&section.body);
            let (kind, mut fields) = body.record();
            assert_eq!(kind, 4);
            let (about, filter) = block_about(&mut fields);
            fields.end();
            assert_eq!(filter, b"", "filters stand in the index alone");
            assert_eq!(body.0, read_block(&read_file(&file), read));
            about
        });
        let own_events = u32::from(section.kind == 4);
        let (kind, length, count, indexed) = entry;
        assert_eq!((*kind, *length, *count), (section.kind, section.whole.len() as u64, own_events));
        assert_eq!(indexed.as_ref().map(|(about, _)| about), about.as_ref());
        assert_eq!(indexed.as_ref().map(|(_, filter)| filter), read.about().map(|about| &about.summary));
    }
    let about = &entries[1].3.as_ref().unwrap().0;
    assert_eq!(*about, format!("5 1 5 1000 5000 [({}, 5)] 4 40", ev::SYSCALL_CLOSE_X));
}

fn read_file(file: &[u8]) -> CaptureFile {
    CaptureFile::from_bytes(file.to_vec()).unwrap()
}

fn read_block(file: &CaptureFile, entry: &Entry) -> Vec<u8> {
    file.block(entry).unwrap().to_vec()
}
