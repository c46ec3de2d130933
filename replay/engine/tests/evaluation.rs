//! Evaluation over blocks gives what evaluating one event at a time gives, for random conditions over random events with
//! missing values, failed calls, unknown threads and containers.

#![allow(clippy::expect_used, reason = "tests may panic")]

use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::evaluate::{Engine, Match, RuleMatching};
use falco_replay_engine::filter::Filter;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::lists::Head;
use falco_replay_format::schema::{EVENTS, ev};
use falco_replay_rules::program::{Condition, Predicate, PredicateId, Priority, Program, Rule, Template};
use falco_replay_rules::{CompiledCondition, compile_condition};
use falco_replay_state::State;
use proptest::prelude::*;

/// An event of a generated capture.
#[derive(Debug, Clone)]
enum Step {
    Open { tid: i64, fd: i64, name: usize, flags: u32, relative: bool },
    Close { tid: i64, fd: i64 },
    Read { tid: i64, fd: i64, result: i64 },
    Dup { tid: i64, from: i64, to: i64 },
    Connect { tid: i64, fd: i64, port: u16, v6: bool },
    Socket { tid: i64, fd: i64 },
    Exec { tid: i64, name: usize, result: i64 },
    Clone { tid: i64, child: i64, cgroup: usize },
    Born { tid: i64, pid: i64, ptid: i64 },
    Exit { tid: i64 },
    Generic { tid: i64, code: u16 },
    Container { id: usize },
    SetUid { tid: i64, uid: u32 },
    Rename { tid: i64, name: usize },
}

const CLONE_THREAD: u32 = 1 << 13;
const NAMES: [&str; 8] =
    ["/etc/shadow", "/etc/passwd", "tmp/x", "/usr/bin/id", "", "/proc/self/fd/3", "../a", "/dev/log"];
const PROGRAMS: [&str; 5] = ["sh", "nginx", "cat", "sshd", "runc"];
const CGROUPS: [&str; 2] =
    ["cpu=/\0", "cpu=/docker/6c270ef2f251d571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d\0"];

fn step() -> impl Strategy<Value = Step> {
    let tid = || 1i64..6;
    let fd = || -2i64..6;
    prop_oneof![
        6 => (tid(), fd(), 0..NAMES.len(), any::<u32>(), any::<bool>())
            .prop_map(|(tid, fd, name, flags, relative)| Step::Open { tid, fd, name, flags, relative }),
        2 => (tid(), fd()).prop_map(|(tid, fd)| Step::Close { tid, fd }),
        3 => (tid(), fd(), -3i64..9).prop_map(|(tid, fd, result)| Step::Read { tid, fd, result }),
        1 => (tid(), fd(), fd()).prop_map(|(tid, from, to)| Step::Dup { tid, from, to }),
        2 => (tid(), fd(), 50u16..60, any::<bool>()).prop_map(|(tid, fd, port, v6)| Step::Connect { tid, fd, port, v6 }),
        1 => (tid(), fd()).prop_map(|(tid, fd)| Step::Socket { tid, fd }),
        2 => (tid(), 0..PROGRAMS.len(), -1i64..1).prop_map(|(tid, name, result)| Step::Exec { tid, name, result }),
        2 => (tid(), 1i64..8, 0..CGROUPS.len()).prop_map(|(tid, child, cgroup)| Step::Clone { tid, child, cgroup }),
        2 => (tid(), tid(), tid()).prop_map(|(tid, pid, ptid)| Step::Born { tid, pid, ptid }),
        1 => tid().prop_map(|tid| Step::Exit { tid }),
        1 => (tid(), 0u16..20).prop_map(|(tid, code)| Step::Generic { tid, code }),
        1 => (0usize..2).prop_map(|id| Step::Container { id }),
        1 => (tid(), 0u32..3).prop_map(|(tid, uid)| Step::SetUid { tid, uid }),
        1 => (tid(), 0..NAMES.len()).prop_map(|(tid, name)| Step::Rename { tid, name }),
    ]
}

fn text(value: &str) -> Vec<u8> {
    if value.is_empty() { Vec::new() } else { [value.as_bytes(), b"\0"].concat() }
}

fn number(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

/// Parameters by number; those that are not named have no value.
fn params(ty: u16, given: Vec<(usize, Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new(); EVENTS[usize::from(ty)].params.len()];
    for (at, value) in given {
        all[at] = value;
    }
    all
}

fn event(step: &Step) -> (i64, u16, Vec<Vec<u8>>) {
    match step {
        Step::Open { tid, fd, name, flags, relative } => {
            let dirfd = if *relative { -100i64 } else { 3 };
            let given = vec![
                (0, number(*fd)),
                (1, number(dirfd)),
                (2, text(NAMES[*name])),
                (3, flags.to_le_bytes().to_vec()),
                (6, 7u64.to_le_bytes().to_vec()),
            ];
            (*tid, ev::SYSCALL_OPENAT_2_X, params(ev::SYSCALL_OPENAT_2_X, given))
        }
        Step::Close { tid, fd } => {
            (*tid, ev::SYSCALL_CLOSE_X, params(ev::SYSCALL_CLOSE_X, vec![(0, number(0)), (1, number(*fd))]))
        }
        Step::Read { tid, fd, result } => {
            let given = vec![(0, number(*result)), (1, b"data".to_vec()), (2, number(*fd))];
            (*tid, ev::SYSCALL_READ_X, params(ev::SYSCALL_READ_X, given))
        }
        Step::Dup { tid, from, to } => {
            (*tid, ev::SYSCALL_DUP2_X, params(ev::SYSCALL_DUP2_X, vec![(0, number(*to)), (1, number(*from))]))
        }
        Step::Connect { tid, fd, port, v6 } => {
            let (family, length) = if *v6 { (10u8, 16) } else { (2, 4) };
            let mut tuple = vec![family];
            tuple.extend(vec![1; length]);
            tuple.extend(40000u16.to_le_bytes());
            tuple.extend(vec![2; length]);
            tuple.extend(port.to_le_bytes());
            let given = vec![(0, number(0)), (1, tuple), (2, number(*fd))];
            (*tid, ev::SOCKET_CONNECT_X, params(ev::SOCKET_CONNECT_X, given))
        }
        Step::Socket { tid, fd } => {
            let word = |value: u32| value.to_le_bytes().to_vec();
            let given = vec![(0, number(*fd)), (1, word(2)), (2, word(1)), (3, word(0))];
            (*tid, ev::SOCKET_SOCKET_X, params(ev::SOCKET_SOCKET_X, given))
        }
        Step::Exec { tid, name, result } => {
            let given = vec![
                (0, number(*result)),
                (1, text(PROGRAMS[*name])),
                (2, b"-c\0run me\0".to_vec()),
                (4, number(*tid)),
                (5, number(1)),
                (13, text(PROGRAMS[*name])),
                (15, b"A=1\0".to_vec()),
                (27, text(&format!("/usr/bin/{}", PROGRAMS[*name]))),
            ];
            (*tid, ev::SYSCALL_EXECVE_19_X, params(ev::SYSCALL_EXECVE_19_X, given))
        }
        Step::Clone { tid, child, cgroup } => {
            let given = vec![
                (0, number(if *child == 7 { 0 } else { *child })),
                (1, text("sh")),
                (4, number(*tid)),
                (5, number(1)),
                (13, text("sh")),
                (14, CGROUPS[*cgroup].as_bytes().to_vec()),
                (15, 0u32.to_le_bytes().to_vec()),
                (16, 0u32.to_le_bytes().to_vec()),
                (18, number(*tid)),
                (19, number(*tid)),
            ];
            (*tid, ev::SYSCALL_CLONE_20_X, params(ev::SYSCALL_CLONE_20_X, given))
        }
        Step::Born { tid, pid, ptid } => {
            let flags = if tid == pid { 0 } else { CLONE_THREAD };
            let given = vec![
                (0, number(0)),
                (1, text(PROGRAMS[*tid as usize % PROGRAMS.len()])),
                (4, number(*pid)),
                (5, number(*ptid)),
                (13, text(PROGRAMS[*tid as usize % PROGRAMS.len()])),
                (14, CGROUPS[0].as_bytes().to_vec()),
                (15, flags.to_le_bytes().to_vec()),
                (18, number(*tid)),
                (19, number(*pid)),
            ];
            (*tid, ev::SYSCALL_CLONE_20_X, params(ev::SYSCALL_CLONE_20_X, given))
        }
        Step::Exit { tid } => (*tid, ev::PROCEXIT_1_E, params(ev::PROCEXIT_1_E, vec![(0, number(0))])),
        Step::Generic { tid, code } => {
            (*tid, ev::GENERIC_X, params(ev::GENERIC_X, vec![(0, code.to_le_bytes().to_vec())]))
        }
        Step::Container { id } => {
            let id = ["6c270ef2f251", "other"][*id];
            let json = format!(
                r#"{{"container":{{"id":"{id}","type":0,"name":"web","image":"nginx","imagerepo":"nginx","User":"app","privileged":true}}}}"#
            );
            let given = vec![(0, 0u32.to_le_bytes().to_vec()), (1, text("container")), (2, json.into_bytes())];
            (3, ev::ASYNCEVENT_E, params(ev::ASYNCEVENT_E, given))
        }
        Step::SetUid { tid, uid } => {
            let given = vec![(0, number(0)), (1, uid.to_le_bytes().to_vec())];
            (*tid, ev::SYSCALL_SETUID_X, params(ev::SYSCALL_SETUID_X, given))
        }
        Step::Rename { tid, name } => {
            let given = vec![(0, number(0)), (1, text(NAMES[*name])), (2, text("/tmp/y"))];
            (*tid, ev::SYSCALL_RENAME_X, params(ev::SYSCALL_RENAME_X, given))
        }
    }
}

fn batch(steps: &[Step], first_ts: u64) -> EventBatch {
    let mut batch = EventBatch::default();
    for (at, step) in steps.iter().enumerate() {
        let (tid, ty, params) = event(step);
        batch.ts.push(first_ts + at as u64 * 1000);
        batch.tid.push(tid);
        batch.ty.push(ty);
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(params.len() as u8);
        batch.offset.push(batch.data.len() as u32);
        let wide = EVENTS[usize::from(ty)].length_width() == 4;
        for param in &params {
            if wide {
                batch.data.extend((param.len() as u32).to_le_bytes());
            } else {
                batch.data.extend((param.len() as u16).to_le_bytes());
            }
        }
        params.iter().for_each(|param| batch.data.extend(param));
    }
    batch
}

const CHECKS: &[&str] = &[
    "proc.name = sh",
    "proc.name != sh",
    "proc.name in (cat, nginx)",
    "proc.name exists",
    "proc.pname = runc",
    "proc.aname = nginx",
    "proc.aname in (sshd, sh)",
    "proc.aname exists",
    "proc.cmdline contains run",
    "proc.exepath startswith /usr",
    "proc.args intersects (-c)",
    "proc.name = val(proc.pname)",
    "proc.pid >= 3",
    "proc.env contains A",
    "proc.cwd endswith /",
    "proc.duration exists",
    "proc.duration > 2000",
    "proc.vpid = 1",
    "proc.tty = 0",
    "proc.is_exe_upper_layer = true",
    "proc.aname[1] = sh",
    "proc.aname[3] = nginx",
    "proc.aname contains ngi",
    "proc.apid = 1",
    "proc.apid[2] = 1",
    "proc.acmdline contains run",
    "proc.aenv contains A",
    "proc.aenv[A] = 1",
    "proc.aenv[1] contains A",
    "proc.sname exists",
    "proc.pvpid > 1",
    "proc.loginshellid exists",
    "fd.name startswith /etc",
    "fd.name != /etc/shadow",
    "fd.name exists",
    "fd.name contains shadow",
    "fd.name pmatch (/etc, /usr/*)",
    "fd.name pmatch (/*/none, /e*/passwd)",
    "fd.name glob *a*",
    "fd.name in (/etc/passwd, /dev/log)",
    "fd.directory = /etc",
    "fd.filename = shadow",
    "fd.num >= 0",
    "fd.num < 0",
    "fd.num exists",
    "fd.typechar = f",
    "fd.type = ipv4",
    "fd.type != file",
    "fd.port = 53",
    "fd.port != 53",
    "fd.port = anyof (52, 53)",
    "fd.port intersects (52, 53)",
    "fd.ip in (1.1.1.1, 2.2.2.2)",
    "fd.ip intersects (1.1.1.1)",
    "fd.ip = 1.1.1.1",
    "fd.ip exists",
    "fd.ip != 2.2.2.2",
    "fd.net = 2.0.0.0/8",
    "fd.sip = 2.2.2.2",
    "fd.sport in (53, 54)",
    "fd.l4proto = tcp",
    "fd.connected = true",
    "fd.name = val(proc.name)",
    "fd.ino = 7",
    "fd.name_changed = true",
    "fd.uid exists",
    "fd.lport exists",
    "fd.nameraw contains x",
    "toupper(fd.name) startswith /ETC",
    "basename(fd.name) = shadow",
    "len(fd.name) > 9",
    "evt.type = openat",
    "evt.type != openat",
    "evt.type in (open, openat, execve)",
    "evt.type = read",
    "evt.type startswith read",
    "evt.is_open_read = true",
    "evt.is_open_write = true",
    "evt.rawres >= 0",
    "evt.rawres < 0",
    "evt.rawres exists",
    "evt.failed = false",
    "evt.dir = <",
    "evt.arg.name contains shadow",
    "evt.arg.fd exists",
    "evt.arg[1] exists",
    "evt.arg.res = 0",
    "evt.rawarg.uid = 1",
    "evt.res = SUCCESS",
    "evt.num > 5",
    "evt.cpu = 0",
    "evt.is_io_read = true",
    "evt.category = file",
    "evt.buflen > 2",
    "evt.is_async = true",
    "evt.deltatime > 500",
    "evt.arg.oldpath exists",
    "syscall.type = read",
    "syscall.type exists",
    "evt.type.is.read = 1",
    "evt.count = 1",
    "container.id = host",
    "container.id != host",
    "container.image.repository = nginx",
    "container.name exists",
    "container.privileged = true",
    "container.duration exists",
    "k8s.pod.name exists",
    "user.name = app",
    "user.name = root",
    "user.uid = 0",
    "user.loginuid = -1",
    "group.gid exists",
    "thread.tid = 2",
    "fs.path.name startswith /etc",
    "fs.path.source exists",
    "proc.fdopencount > 1",
    "proc.nthreads > 0",
    "proc.stdin.type exists",
    "fd.types in (file)",
    "fd.types intersects (ipv4, file)",
    "evt.source = syscall",
];

/// A random condition as text.
fn condition() -> impl Strategy<Value = String> {
    let leaf = (0..CHECKS.len()).prop_map(|at| CHECKS[at].to_owned());
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn shifted(condition: &Condition, by: u32) -> Condition {
    match condition {
        Condition::And(parts) => Condition::And(parts.iter().map(|part| shifted(part, by)).collect()),
        Condition::Or(parts) => Condition::Or(parts.iter().map(|part| shifted(part, by)).collect()),
        Condition::Not(inner) => Condition::Not(Box::new(shifted(inner, by))),
        Condition::Check(predicate) => Condition::Check(PredicateId(predicate.0 + by)),
    }
}

fn program(compiled: &[CompiledCondition]) -> Program {
    let mut predicates: Vec<Predicate> = Vec::new();
    let mut rules = Vec::new();
    for (at, one) in compiled.iter().enumerate() {
        rules.push(Rule {
            name: format!("r{at}"),
            description: String::new(),
            condition: shifted(&one.condition, predicates.len() as u32),
            event_types: one.event_types.clone(),
            output: Template::default(),
            extra_fields: Vec::new(),
            priority: Priority::Warning,
            tags: Vec::new(),
            source: "syscall".to_owned(),
            enabled: true,
        });
        predicates.extend(one.predicates.iter().cloned());
    }
    Program { predicates, rules }
}

fn naive(filters: &[Filter], block: &Block, rendering: &Rendering) -> Vec<Match> {
    let mut matches = Vec::new();
    for row in (0..block.len()).filter(|&row| block.delivered(row)) {
        let view = View::new(block, row, rendering);
        for (rule, filter) in filters.iter().enumerate() {
            if filter.event_types().contains(view.info.id) && filter.matches(&view) {
                matches.push(Match { row: row as u32, rule: rule as u32 });
            }
        }
    }
    matches
}

fn compiled(texts: &[String], catalogue: &Catalogue) -> Vec<CompiledCondition> {
    texts.iter().map(|text| compile_condition(text, catalogue).expect(text)).collect()
}

#[test]
fn every_check_compiles() {
    let catalogue = Catalogue::new();
    for text in CHECKS {
        compiled(&[(*text).to_owned()], &catalogue);
    }
}

/// The matches of each block of a capture cut in two: by evaluating blocks, and by evaluating one event at a time.
fn matches(steps: &[Step], split: usize, texts: &[String], documented: bool) -> (Vec<Vec<Match>>, Vec<Vec<Match>>) {
    let catalogue = Catalogue::new();
    let rendering = Rendering { documented, ..Rendering::default() };
    let conditions = compiled(texts, &catalogue);
    let program = program(&conditions);
    let engine = Engine::new(&program, &catalogue, RuleMatching::All, documented);
    let filters: Vec<Filter> = conditions.iter().map(|one| Filter::new(one, &catalogue, documented)).collect();
    let mut worker = engine.worker();
    let run = |demand: Demand, check: &mut dyn FnMut(&Block)| {
        let mut state = State::new(demand);
        state.start(&Head::default());
        let split = split.min(steps.len());
        for (part, first) in [(&steps[..split], 0), (&steps[split..], split as u64)] {
            let block = state.apply(batch(part, 1_000_000 + first * 1000), Block::default());
            check(&block);
        }
    };
    let mut one_by_one = Vec::new();
    run(Demand::everything(), &mut |block| one_by_one.push(naive(&filters, block, &rendering)));
    let mut by_blocks = Vec::new();
    run(engine.demand().clone(), &mut |block| {
        let mut matches = Vec::new();
        engine.evaluate(&mut worker, block, &rendering, &mut matches);
        by_blocks.push(matches);
    });
    (by_blocks, one_by_one)
}

/// What a rule finds must not hang on what else was asked for: here the parents of two processes run in a circle.
#[test]
fn circles_of_parents_do_not_depend_on_the_demand() {
    let steps = [
        Step::Clone { tid: 5, child: 1, cgroup: 0 },
        Step::Clone { tid: 1, child: 5, cgroup: 0 },
        Step::Container { id: 0 },
        Step::Exec { tid: 2, name: 0, result: -1 },
        Step::Read { tid: 5, fd: 0, result: 0 },
    ];
    let texts = ["not ((proc.aname in (sshd, sh) or fd.name contains shadow))".to_owned()];
    let (by_blocks, one_by_one) = matches(&steps, 0, &texts, false);
    assert_eq!(by_blocks, one_by_one);
    // At the second and the last event each of the two is the other's ancestor.
    let rows: Vec<u32> = by_blocks.iter().flatten().map(|found| found.row).collect();
    assert_eq!(rows, [0, 2, 3]);
}

/// Falco's defects are there by default, and gone with the documented semantics.
#[test]
fn defects_are_a_choice() {
    let steps = [
        Step::Born { tid: 1, pid: 1, ptid: 5 },
        Step::Exec { tid: 1, name: 0, result: 0 },
        Step::Clone { tid: 3, child: 4, cgroup: 0 },
        Step::Socket { tid: 4, fd: 3 },
        // From 1.1.1.1:40000 to 2.2.2.2:53.
        Step::Connect { tid: 4, fd: 3, port: 53, v6: false },
        Step::Open { tid: 4, fd: 5, name: 1, flags: 0, relative: false },
    ];
    let found = |condition: &str, documented: bool| {
        let condition = format!("evt.type in (connect, openat) and {condition}");
        let (by_blocks, one_by_one) = matches(&steps, 0, std::slice::from_ref(&condition), documented);
        assert_eq!(by_blocks, one_by_one, "{condition}");
        by_blocks.iter().flatten().map(|found| found.row).collect::<Vec<u32>>()
    };
    let (connect, open) = (&[4][..], &[5][..]);
    let both = [connect, open].concat();
    for (condition, falco, documented) in [
        ("fd.ip in (2.2.2.2)", &[][..], connect),
        ("fd.ip intersects (2.2.2.2)", &[], connect),
        ("fd.ip = anyof (3.3.3.3, 2.2.2.2)", &[], connect),
        ("fd.ip = anyof (2.2.2.2, 3.3.3.3)", connect, connect),
        ("fd.port in (52, 53)", connect, connect),
        ("fd.port intersects (52, 53)", &[], connect),
        ("fd.port = anyof (52, 53)", &[], connect),
        ("fd.port != allof (52, 53)", connect, &[]),
        ("fd.net in (3.0.0.0/8, 2.0.0.0/8)", &[], connect),
        ("fd.net in (2.0.0.0/8, 3.0.0.0/8)", connect, connect),
        ("fd.net intersects (2.0.0.0/8)", &[], connect),
        ("fd.name pmatch (/e*/passwd, /*/none)", &[], open),
        ("fd.name pmatch (/*/none, /e*/passwd)", open, open),
        // The parent has no environment, the parent's parent has one.
        ("proc.aenv[1] contains A", &both, &[]),
        ("proc.aenv[2] contains A", &both, &both),
        ("proc.aenv contains A", &both, &both),
    ] {
        assert_eq!((&found(condition, false)[..], &found(condition, true)[..]), (falco, documented), "{condition}");
    }
}

/// `PROPTEST_CASES` asks for more. Failures are kept as tests of their own.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases: 2000, ..config } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn blocks_agree_with_events(
        steps in prop::collection::vec(step(), 1..60),
        split in 0usize..60,
        texts in prop::collection::vec(condition(), 1..6),
        documented in any::<bool>(),
    ) {
        let (by_blocks, one_by_one) = matches(&steps, split, &texts, documented);
        prop_assert_eq!(by_blocks, one_by_one, "{:?}", texts);
    }
}
