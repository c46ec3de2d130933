//! Every field of every event survives whatever a capture may hold: random types, sizes, ids and bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use falco_replay_engine::catalogue::{CLASSES, Catalogue};
use falco_replay_engine::output::Printer;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::batch::{EventBatch, STATE_ONLY};
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::lists::{FdDetail, FdEntry, Head, Interface, Text, ThreadEntry};
use falco_replay_format::schema::{EVENTS, ParamType};
use falco_replay_rules::compile_template;
use falco_replay_rules::schema::ArgumentKind;
use falco_replay_state::State;
use proptest::collection::vec;
use proptest::prelude::*;

/// What a value of a parameter is made from: the type decides what becomes of it.
#[derive(Debug, Clone)]
enum Raw {
    Missing,
    /// A number in the parameter's own size.
    Number(i64),
    /// A text with its NUL.
    Text(String),
    /// An address or a tuple of this family.
    Ends(u8, Vec<u8>),
    /// Anything.
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
struct Row {
    ty: u16,
    tid: i64,
    pause: u64,
    cpu: u16,
    hidden: bool,
    params: Vec<Raw>,
}

fn id() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 0i64..9,
        3 => Just(-100i64),
        2 => -3i64..0,
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX, 1 << 32, 4096, 1 << 40, 1023, 1024]),
        1 => any::<i64>(),
    ]
}

fn raw() -> impl Strategy<Value = Raw> {
    let word = prop_oneof![
        Just(String::new()),
        Just("/a/../../b//c".to_owned()),
        Just("x/../y".to_owned()),
        Just("container".to_owned()),
        Just("(NULL)".to_owned()),
        Just(
            r#"{"container":{"id":"6c270ef2f251d571","pod_sandbox_id":"é́é́é́é́é́é́é","ip":"::1","labels":{"a":""}}}"#
                .to_owned()
        ),
        Just("cpu_cgroup=/docker/6c270ef2f251d571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d".to_owned()),
        Just("mem=/lxc/é/bpm-.scope".to_owned()),
        Just("a;ID: é́é́é́é́é́é́é́é́;Image:@;name:".to_owned()),
        "\\PC{0,12}",
    ];
    prop_oneof![
        2 => Just(Raw::Missing),
        12 => id().prop_map(Raw::Number),
        5 => word.prop_map(Raw::Text),
        3 => (prop::sample::select(vec![1u8, 2, 10, 16]), vec(any::<u8>(), 40)).prop_map(|(f, b)| Raw::Ends(f, b)),
        2 => vec(any::<u8>(), 0..70).prop_map(Raw::Bytes),
        1 => (any::<u8>(), 1000usize..1100).prop_map(|(byte, size)| Raw::Bytes(vec![byte; size])),
    ]
}

fn row() -> impl Strategy<Value = Row> {
    let ty = prop_oneof![
        3 => 0..EVENTS.len() as u16,
        // Those that make and end threads and descriptors, often.
        2 => prop::sample::select(
            EVENTS
                .iter()
                .filter(|event| {
                    ["clone", "clone3", "vfork", "execve", "procexit", "openat", "dup3", "fcntl", "sendto", "connect", "bind",
                        "container", "asyncevent", "prctl", "poll", "close_range", "pidfd_getfd", "chdir"]
                        .contains(&event.name)
                })
                .map(|event| event.id)
                .collect::<Vec<_>>()
        ),
    ];
    let pause = prop_oneof![9 => 0u64..1000, 1 => Just(3_000_000_000), 1 => any::<u64>()];
    (ty, id(), pause, any::<u16>(), prop::bool::weighted(0.1), vec(raw(), 0..32))
        .prop_map(|(ty, tid, pause, cpu, hidden, params)| Row { ty, tid, pause, cpu, hidden, params })
}

fn bytes(raw: &Raw, ty: ParamType) -> Vec<u8> {
    match raw {
        Raw::Missing => Vec::new(),
        Raw::Number(number) => number.to_le_bytes()[..ty.size().unwrap_or(8).min(8)].to_vec(),
        Raw::Text(text) => [text.as_bytes(), b"\0"].concat(),
        Raw::Ends(family, bytes) => {
            let size = match (ty, family) {
                (ParamType::Socktuple, 2) => 12,
                (ParamType::Socktuple, 10) => 36,
                (ParamType::Socktuple, _) => 20,
                (_, 2) => 6,
                (_, 10) => 18,
                _ => 3,
            };
            [&[*family][..], &bytes[..size]].concat()
        }
        Raw::Bytes(bytes) => bytes.clone(),
    }
}

fn batch(rows: &[Row], ts: &mut u64) -> EventBatch {
    let mut batch = EventBatch::default();
    for row in rows {
        let info = &EVENTS[usize::from(row.ty)];
        let all: Vec<Vec<u8>> = info.params.iter().zip(&row.params).map(|(param, raw)| bytes(raw, param.ty)).collect();
        *ts = ts.wrapping_add(row.pause);
        batch.ts.push(*ts);
        batch.tid.push(row.tid);
        batch.ty.push(row.ty);
        batch.cpu.push(row.cpu);
        batch.flags.push(if row.hidden { STATE_ONLY } else { 0 });
        batch.nparams.push(all.len() as u8);
        batch.offset.push(batch.data.len() as u32);
        for param in &all {
            let length = (param.len() as u32).to_le_bytes();
            batch.data.extend(&length[..if info.length_width() == 4 { 4 } else { 2 }]);
        }
        all.iter().for_each(|param| batch.data.extend(param));
    }
    batch
}

fn head(ids: &[(i64, i64, i64)], fds: &[(i64, u8)]) -> Head {
    let text = |text: &str| Text::from(text.as_bytes());
    let threads = ids
        .iter()
        .map(|&(tid, pid, ptid)| ThreadEntry {
            tid,
            pid,
            ptid,
            sid: pid,
            vpgid: tid,
            pgid: ptid,
            comm: text("bash"),
            exe: text("/bin/bash"),
            exepath: text("/bin/bash (deleted)"),
            args: text("-c\0\0x"),
            cwd: text("/home/../x"),
            fdlimit: i64::MIN,
            flags: (tid as u32) << 13 | pid as u32,
            uid: 0,
            gid: 0,
            vmsize_kb: u32::MAX,
            vmrss_kb: 0,
            vmswap_kb: 0,
            pfmajor: u64::MAX,
            pfminor: 0,
            env: text("A=1\0=\0"),
            vtid: ptid,
            vpid: pid,
            cgroups: text("=\0cpu=/a\0x"),
            root: text("/"),
            pidns_init_start_ts: u64::MAX,
            tty: 0,
            loginuid: 0,
            exe_writable: false,
            exe_upper_layer: true,
            exe_lower_layer: false,
            exe_from_memfd: false,
            cap_inheritable: u64::MAX,
            cap_permitted: 1,
            cap_effective: 0,
            exe_ino: 1,
            exe_ino_ctime: u64::MAX,
            exe_ino_mtime: 1,
        })
        .collect();
    let v6 = "fe80::1".parse().unwrap();
    let v4 = "10.0.0.1".parse().unwrap();
    let listed = fds.iter().map(|&(fd, kind)| FdEntry {
        fd,
        ino: 1,
        kind,
        detail: match kind % 5 {
            0 => FdDetail::None,
            1 => FdDetail::Name(text("x")),
            2 => FdDetail::Socket { source: (v6, 1), dest: (v4, 2), l4proto: kind },
            3 => FdDetail::Server { ip: v6, port: 22, l4proto: 2 },
            _ => FdDetail::Socket { source: (v4, 22), dest: (v4, 2), l4proto: 2 },
        },
    });
    let interface = Interface { name: text("eth0"), addr: v4, mask: v6, broadcast: v4, linkspeed: None };
    let owner = ids.first().map_or(1, |ids| ids.0);
    Head { threads, fds: vec![(owner, listed.collect())], interfaces: vec![interface], ..Head::default() }
}

/// A template with every field of the catalogue, arguments where they are needed.
fn every_field() -> String {
    let mut out = String::new();
    for entry in CLASSES.iter().flat_map(|class| class.entries) {
        let arguments: &[&str] = match entry.info.argument.map(|rule| rule.kind) {
            None => &[""],
            Some(ArgumentKind::Index) => &["[0]", "[3]", "[99999999999]"],
            Some(ArgumentKind::Key) => &["[HOME]"],
            Some(ArgumentKind::IndexOrKey) => &["[0]", "[a.*]", "[(]"],
            Some(ArgumentKind::ParamIndexOrName) => &["[0]", "[1]", "[31]", ".fd", ".tuple", ".res", ".uid", ".data"],
            Some(ArgumentKind::ParamName) => &[".fd", ".tuple", ".res", ".uid", ".data", ".name", ".flags"],
            Some(ArgumentKind::EventNameOrId) => &[".open", ".65535"],
            Some(ArgumentKind::SourceOrTarget) => &["", ".src", ".dst"],
            Some(_) => &[".cpu"],
        };
        for argument in arguments {
            let field = format!("%{}{argument}\n", entry.name());
            if compile_template(&field, &Catalogue::new()).is_ok() {
                out.push_str(&field);
            }
        }
        if entry.info.argument.is_some_and(|rule| !rule.required) {
            out.push_str(&format!("%{}\n", entry.name()));
        }
    }
    out
}

#[test]
fn the_template_has_the_catalogue() {
    let fields = CLASSES.iter().map(|class| class.entries.len()).sum::<usize>();
    // Nothing but evt.around, and fields whose argument is not known here, may be left out.
    assert!(every_field().lines().count() > fields - 3);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        rows in vec(row(), 1..60),
        more in vec(row(), 0..20),
        ids in vec((id(), id(), id()), 0..6),
        fds in vec((id(), 0u8..24), 0..12),
        base64_buffers in any::<bool>(),
        limit in prop::sample::select(vec![0usize, 1, 4, 262_144]),
    ) {
        let catalogue = Catalogue::new();
        let rendering = Rendering { base64_buffers, ..Rendering::default() };
        let printer = Printer::new(&compile_template(&every_field(), &catalogue).unwrap(), &catalogue);
        let mut demand = Demand::everything();
        demand.fd_numbers.extend([3, -1, i64::MIN]);
        let mut state = State::with_thread_limit(demand, limit);
        let mut ts = 1;
        let mut spare = Block::default();
        let mut out = Vec::new();
        state.start(&head(&ids, &fds));
        for part in [&rows[..], &more[..]] {
            let block = state.apply(batch(part, &mut ts), spare);
            prop_assert!(state.threads() <= limit);
            for row in 0..block.len() {
                let view = View::new(&block, row, &rendering);
                out.clear();
                printer.print(&view, &mut out);
                printer.print_json(&view, &mut out);
            }
            spare = block;
        }
    }
}
