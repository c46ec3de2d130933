//! A block whose summary rules a condition out holds no event that matches: for random conditions over random scenes and
//! over random blocks, with missing values, negations, lists, transformers and comparisons of two fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

mod scenes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::filter::Filter;
use falco_replay_engine::prune::Pruner;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::block::{Block, Container};
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::summary::Summary;
use falco_replay_format::lists::Head;
use falco_replay_state::{ContainerMetadata, State};
use proptest::prelude::*;

use scenes::conditions::{compiled, condition, program};
use scenes::{Step, batch, crowd, head, listed_fds, step};

/// A block with its summary, as a capture would hold it.
fn summarised(block: &Block) -> Summary {
    let summary = Summary::of(block);
    let bytes = summary.encode();
    let read = Summary::decode(&bytes).unwrap();
    assert_eq!(read, summary);
    assert_eq!(read.encode(), bytes);
    read
}

fn types(block: &Block) -> Vec<(u16, u32)> {
    let mut types: Vec<(u16, u32)> = Vec::new();
    for &ty in &block.batch.ty {
        match types.binary_search_by_key(&ty, |(ty, _)| *ty) {
            Ok(at) => types[at].1 += 1,
            Err(at) => types.insert(at, (ty, 1)),
        }
    }
    types
}

/// How often blocks were ruled out, matched, and neither.
static RULED_OUT: AtomicU64 = AtomicU64::new(0);
static MATCHED: AtomicU64 = AtomicU64::new(0);
static NEITHER: AtomicU64 = AtomicU64::new(0);

/// Conditions made ready to be held against blocks.
struct Conditions {
    texts: Vec<String>,
    filters: Vec<Filter>,
    /// A pruner for each condition, one for each as a rule, one for all rules.
    alone: Vec<Pruner>,
    as_rules: Vec<Pruner>,
    together: Pruner,
    documented: bool,
}

impl Conditions {
    fn new(texts: &[String], documented: bool, containers: Option<&[Arc<Container>]>) -> Conditions {
        let catalogue = Catalogue::new();
        let conditions = compiled(texts, &catalogue);
        let joined = |pruner: Pruner| match containers {
            Some(containers) => pruner.joined(containers),
            None => pruner,
        };
        let of_rules = |of: &[_]| joined(Pruner::new(&program(of), &catalogue, documented));
        Conditions {
            filters: conditions.iter().map(|one| Filter::new(one, &catalogue, documented)).collect(),
            alone: conditions.iter().map(|one| joined(Pruner::of_condition(one, &catalogue, documented))).collect(),
            as_rules: conditions.iter().map(|one| of_rules(std::slice::from_ref(one))).collect(),
            together: of_rules(&conditions),
            texts: texts.to_vec(),
            documented,
        }
    }

    /// Fails where a block is ruled out that has a match.
    fn hold_against(&self, block: &Block, summary: &Summary) -> Result<(), TestCaseError> {
        let rendering = Rendering { documented: self.documented, ..Rendering::default() };
        let types = types(block);
        let mut some_rule = false;
        for (at, filter) in self.filters.iter().enumerate() {
            let (mut any, mut as_rule) = (None, false);
            for row in (0..block.len()).filter(|&row| block.delivered(row)) {
                let view = View::new(block, row, &rendering);
                if filter.matches(&view) {
                    any = Some(row);
                    as_rule |= filter.event_types().contains(view.info.id);
                }
            }
            some_rule |= as_rule;
            let may = self.alone[at].may_match(&types, summary);
            let counter = match (any, may) {
                (Some(_), _) => &MATCHED,
                (None, true) => &NEITHER,
                (None, false) => &RULED_OUT,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            if let Some(row) = any {
                prop_assert!(may, "{} matches row {row}: {summary:?}", self.texts[at]);
            }
            if as_rule {
                prop_assert!(self.as_rules[at].may_match(&types, summary), "as a rule: {}", self.texts[at]);
            }
        }
        if some_rule {
            prop_assert!(self.together.may_match(&types, summary), "{:?}", self.texts);
        }
        Ok(())
    }
}

/// The blocks of a scene that is cut in two, and what all of it says of containers.
fn blocks(steps: &[Step], split: usize, with_head: bool) -> (Vec<Block>, ContainerMetadata) {
    let mut state = State::new(Demand::everything());
    let mut head = if with_head { head() } else { Head::default() };
    if with_head {
        head.fds.push((1, listed_fds()));
    }
    state.start(&head);
    let split = split.min(steps.len());
    let mut metadata = ContainerMetadata::default();
    let blocks = [(&steps[..split], 0), (&steps[split..], split as u64)].map(|(part, first)| {
        let batch = batch(part, 1_000_000 + first * 1_000_000);
        metadata.read(&batch);
        state.apply(batch, Block::default())
    });
    (blocks.into(), metadata)
}

/// `PROPTEST_CASES` asks for more.
fn config(cases: u32) -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases, ..config } }
}

fn tell() {
    if std::env::var_os("PRUNING_COUNTS").is_some() {
        let [out, matched, neither] = [&RULED_OUT, &MATCHED, &NEITHER].map(|count| count.load(Ordering::Relaxed));
        static TOLD: AtomicU64 = AtomicU64::new(0);
        if TOLD.fetch_add(1, Ordering::Relaxed) % 1000 == 999 {
            println!("ruled out {out}, matched {matched}, neither {neither}");
        }
    }
}

/// Steps with now and then a crowd among them.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let crowds = prop_oneof![5 => prop::collection::vec(crowd(), 0..1), 1 => prop::collection::vec(crowd(), 1..4)];
    (prop::collection::vec(step(), 1..60), crowds, any::<prop::sample::Index>()).prop_map(|(mut steps, crowds, at)| {
        let at = at.index(steps.len());
        steps.splice(at..at, crowds);
        steps
    })
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn nothing_that_matches_is_ruled_out(
        steps in steps(),
        split in 0usize..60,
        with_head in any::<bool>(),
        texts in prop::collection::vec(condition(), 1..6),
        documented in any::<bool>(),
        joined in any::<bool>(),
    ) {
        let (mut blocks, metadata) = blocks(&steps, split, with_head);
        let containers: Vec<Arc<Container>> = blocks.iter().flat_map(|block| block.containers.iter().cloned()).collect();
        let conditions = Conditions::new(&texts, documented, joined.then_some(&containers[..]));
        for block in &mut blocks {
            let summary = summarised(block);
            if joined {
                metadata.join(block);
            }
            conditions.hold_against(block, &summary)?;
        }
        tell();
    }

    #[test]
    fn nothing_that_matches_is_ruled_out_of_any_block(
        made in scenes::blocks::block(),
        texts in prop::collection::vec(condition(), 1..6),
        documented in any::<bool>(),
    ) {
        let block = made.make();
        Conditions::new(&texts, documented, None).hold_against(&block, &summarised(&block))?;
        tell();
    }
}

/// The conditions, each with whether a block may match it.
fn expect(block: &Block, documented: bool, expected: &[(&str, bool)]) {
    let summary = summarised(block);
    let types = types(block);
    let catalogue = Catalogue::new();
    for (text, may) in expected {
        let condition = &compiled(&[(*text).to_owned()], &catalogue)[0];
        let pruner = Pruner::of_condition(condition, &catalogue, documented);
        assert_eq!(pruner.may_match(&types, &summary), *may, "{text}");
        let rule = Pruner::new(&program(std::slice::from_ref(condition)), &catalogue, documented);
        assert_eq!(rule.may_match(&types, &summary), *may, "{text}, as a rule");
    }
}

fn born(tid: i64, ptid: i64, cgroup: usize) -> Step {
    Step::Born { tid, pid: tid, ptid, cgroup, uid: 1000 }
}

/// `name` of `NAMES`, opened by thread 1.
fn open(name: usize, fd: i64) -> Step {
    Step::Open { tid: 1, fd, name, flags: 1, from: 0, call: 0 }
}

fn connect(from: usize, to: usize) -> Step {
    Step::Connect { tid: 1, fd: 4, result: 0, from, to, port: 53, call: 0 }
}

const BLOCK: usize = 1;

#[test]
fn what_is_absent_is_ruled_out() {
    let steps = [
        born(2, 1, 0),
        Step::Exec { tid: 1, name: 3, result: 0, loginuid: 1000, path: 0 },
        open(0, 5),
        open(8, -2),
        Step::Socket { tid: 1, fd: 4, domain: 2 },
        connect(5, 0),
    ];
    let (blocks, _) = blocks(&steps, 0, true);
    expect(
        &blocks[BLOCK],
        true,
        &[
            ("proc.name = sshd", true),
            ("proc.name = bash", false),
            ("proc.name in (bash, zsh)", false),
            ("proc.name in (bash, sshd)", true),
            ("proc.name contains xy", false),
            ("proc.name regex \"ss.d\"", true),
            ("proc.name regex \"ss.x\"", false),
            ("proc.aname = bash", false),
            ("tolower(proc.exepath) = /USR/BIN/SH", false),
            ("tolower(proc.exepath) = /usr/bin/sh", true),
            ("fd.name = /etc/shadow", true),
            ("fd.name = /etc/passwd", false),
            ("fd.name startswith /etc", true),
            ("fd.name startswith /root", false),
            ("fd.name endswith shadow", true),
            ("fd.name endswith passwd", false),
            ("fd.name pmatch (/etc/ssh)", true),
            ("fd.name pmatch (/etc/cron.d, /usr)", false),
            ("fd.name glob /etc/*/sshd_config", true),
            ("fd.name glob /etc/*/ssh_config", false),
            ("fd.directory = /etc", true),
            ("fd.directory = /usr", false),
            ("fd.filename = shadow", true),
            ("fd.filename = passwd", false),
            ("fd.ip = 1.1.1.1", true),
            ("fd.ip in (9.9.9.9, 8.8.8.8)", false),
            ("fd.ip in (9.9.9.9, 1.1.1.1)", true),
            ("fd.net = 1.0.0.0/8", true),
            ("fd.net in (2.0.0.0/8, 3.0.0.0/8)", false),
            ("fd.sip = 1.1.1.1", true),
            ("fd.cip = 1.1.1.1", false),
            ("fd.rip = 1.1.1.1", true),
            ("fd.rip = 2.2.2.2", false),
            ("fd.sport = 53", true),
            ("fd.sport = 54", false),
            ("fd.port > 40053", false),
            ("fd.port intersects (54, 55)", false),
            ("fd.cport > 40000", true),
            ("user.name = <NA>", true),
            ("user.name = mallory", false),
            ("user.uid = 77", false),
            ("container.id = host", true),
            ("container.id != host", false),
            ("not container.id = host", false),
            ("not proc.name = bash", true),
            ("k8s.pod.name exists", false),
            ("not k8s.pod.name exists", true),
            ("proc.name = sshd and fd.name = /etc/passwd", false),
            ("proc.name = bash or fd.name = /etc/shadow", true),
            ("proc.name = bash or fd.name = /etc/passwd", false),
            ("proc.name = sshd and not fd.name = /etc/passwd", true),
            ("evt.type = openat and proc.name = sshd", true),
            ("evt.type = unlink and proc.name = sshd", false),
            ("evt.type in (connect, accept) and fd.sip = 1.1.1.1", true),
            ("evt.type in (unlink, rename)", false),
            ("k8s.ns.name = val(container.name)", false),
            ("evt.arg.name = nothing", true),
        ],
    );
    // The threads that a block knows are not all those that act in it.
    expect(&blocks[BLOCK], true, &[("proc.aname = sshd", true), ("proc.pname = worker", false)]);
}

#[test]
fn falco_s_defects_are_kept() {
    let (blocks, _) = blocks(&[Step::Socket { tid: 1, fd: 4, domain: 2 }, connect(2, 0)], 0, true);
    let of_falco = [
        ("fd.ip in (1.1.1.1)", false),
        ("fd.ip = 1.1.1.1", true),
        ("fd.net in (1.0.0.0/8, 9.0.0.0/8)", true),
        ("fd.net in (9.0.0.0/8, 1.0.0.0/8)", false),
    ];
    expect(&blocks[BLOCK], false, &of_falco);
    expect(&blocks[BLOCK], true, &of_falco.map(|(text, _)| (text, true)));
}

#[test]
fn what_is_absent_among_many_is_ruled_out() {
    let crowd = |kind: usize, count: u32| Step::Crowd { tid: 1, kind, first: 0, count };
    let steps = [
        open(0, 7),
        open(8, 8),
        open(2, -2),
        crowd(0, 400),
        crowd(1, 400),
        Step::Socket { tid: 1, fd: 4, domain: 2 },
        crowd(2, 400),
        crowd(4, 400),
    ];
    let (blocks, _) = blocks(&steps, 0, true);
    expect(
        &blocks[BLOCK],
        true,
        &[
            ("proc.name = worker-77", true),
            ("proc.name = bash", false),
            ("proc.name in (bash, zsh, fish)", false),
            ("fd.name = /etc/shadow", true),
            ("fd.name = /etc/passwd", false),
            ("fd.name = /srv/dir0/sub1/file7.txt", true),
            ("fd.name = /srv/dir9/sub1/file7.txt", false),
            ("fd.name startswith /etc", true),
            ("fd.name startswith /root", false),
            ("fd.name startswith /srv/dir3/", true),
            ("fd.name startswith /srv/dir8/", false),
            ("fd.name pmatch (/srv/dir3)", true),
            ("fd.name pmatch (/srv/dir8, /root)", false),
            ("fd.name pmatch (/srv/*/sub9)", false),
            ("fd.name contains /sub1/", true),
            ("fd.name contains /.ssh/", false),
            ("fd.name endswith /file399.txt", true),
            ("fd.name endswith /file400.txt", false),
            ("fd.name glob /srv/*/sub1/file7.txt", true),
            ("fd.name glob /srv/*/sub8/file7.txt", false),
            ("fd.name glob /etc/[/x/]ssh/*", true),
            ("fd.name pmatch (/etc/ssh/sshd_config)", true),
            ("fd.name pmatch (/etc/ssh/ssh_config)", false),
            // Relative paths are kept too, from where they are seen.
            ("fd.name = /tmp/x", false),
            ("fd.name = ./tmp/x", true),
            ("fd.directory = ./tmp", true),
            ("fd.name pmatch (./tmp)", true),
            ("fd.name pmatch (./root)", false),
            ("fd.directory = /srv/dir1/sub1", true),
            ("fd.directory = /srv/dir1/sub3", false),
            ("fd.directory pmatch (/srv/dir1/sub3)", false),
            ("fd.filename = file77.txt", true),
            ("fd.filename = file777.txt", false),
            // Nothing is kept of parts of a component.
            ("fd.name contains absent", true),
            ("fd.name regex \"absent\"", true),
            ("fd.ip = 11.0.0.0", true),
            ("fd.ip = 12.0.0.1", false),
            ("fd.ip in (12.0.0.1, 12.0.0.2)", false),
            ("fd.net = 11.0.0.0/8", true),
            ("fd.net = 12.0.0.0/12", false),
            ("fd.net = 11.0.80.0/20", true),
            ("fd.net = 0.0.0.0/0", true),
            ("fd.sip = 9.9.9.9", false),
            ("fd.sport = 899", false),
            ("fd.sport > 399", false),
            ("fd.sport > 398", true),
            ("fd.sport >= 399", true),
            ("fd.sport >= 400", false),
            ("fd.sport < 1", true),
            ("fd.sport < 0", false),
            ("fd.sport <= 0", true),
            ("proc.exepath = /srv/dir1/sub1/file1.txt", true),
            ("proc.exepath = /srv/dir1/sub1/file2.txt", false),
            ("proc.exepath startswith /usr/", false),
            ("user.loginuid = 399", true),
            ("user.loginuid = 401", false),
        ],
    );
}

#[test]
fn a_summary_that_says_nothing_rules_nothing_out() {
    let (blocks, _) = blocks(&[open(0, 5), born(2, 1, 1)], 0, true);
    let catalogue = Catalogue::new();
    let nothing = Summary::decode(&[]).unwrap();
    for text in ["proc.name = bash", "fd.ip = 9.9.9.9", "not container.id = host", "user.uid = 9", "k8s.ns.name exists"]
    {
        let condition = &compiled(&[text.to_owned()], &catalogue)[0];
        let pruner = Pruner::of_condition(condition, &catalogue, true);
        assert!(pruner.may_match(&types(&blocks[BLOCK]), &nothing), "{text}");
    }
}

/// An event that describes a container shows that one, and the user of the container that its thread is in.
#[test]
fn container_events_show_containers_of_their_own() {
    let steps = [
        born(1, 1, 1),
        Step::Container { tid: 1, id: 0, about: 0, ty: 0 },
        Step::Container { tid: 1, id: 2, about: 1, ty: 1 },
    ];
    let (blocks, _) = blocks(&steps, 0, true);
    expect(
        &blocks[BLOCK],
        true,
        &[
            ("user.name = app", true),
            ("user.name = root", false),
            ("container.id = other", true),
            ("container.id = unknown", false),
            ("k8s.pod.name = pod-1", true),
            ("container.image.tag = 1.2", true),
            ("container.image.tag = 1.3", false),
        ],
    );
}

/// What the capture says of a container after a block counts for that block too, where containers are joined.
#[test]
fn later_metadata_count_where_they_are_joined() {
    let steps = [born(1, 1, 2), open(0, 5), Step::Container { tid: 3, id: 1, about: 1, ty: 0 }];
    let (blocks, _) = blocks(&steps, 2, true);
    let first = &blocks[0];
    let (summary, types, catalogue) = (summarised(first), types(first), Catalogue::new());
    let containers = &blocks[BLOCK].containers;
    for (text, joined) in [
        ("k8s.pod.name = pod-1", true),
        ("k8s.pod.name = pod-2", false),
        ("container.name in (web, db)", true),
        ("tolower(container.image) = PG", false),
        ("not container.name = db", true),
    ] {
        let condition = &compiled(&[text.to_owned()], &catalogue)[0];
        let as_seen = Pruner::of_condition(condition, &catalogue, true);
        assert_eq!(as_seen.may_match(&types, &summary), text.starts_with("not"), "{text}, as seen");
        let pruner = Pruner::of_condition(condition, &catalogue, true).joined(containers);
        assert_eq!(pruner.may_match(&types, &summary), joined, "{text}");
    }
}
