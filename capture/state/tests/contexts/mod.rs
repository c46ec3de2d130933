//! Compares the contexts of two blocks of the same events.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use falco_replay_format::block::{Block, Process, Ref, RefKind, ThreadInfo};

/// `PPM_CL_*` bits that say which end of a pipe a descriptor became. No field shows them, and they do not void versions.
const PIPE_ENDS: u32 = 3 << 21;
/// Longest chain of ancestors that is compared.
const CHAIN: usize = 64;

/// What differs, how often, and an example of each.
#[derive(Default)]
pub struct Differences {
    /// Events compared.
    pub events: u64,
    found: BTreeMap<String, (u64, String)>,
    /// Pairs of process versions that were compared.
    pairs: HashSet<(u64, u64)>,
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.found.iter().try_for_each(|(what, (count, example))| writeln!(f, "{count:>8} {what}: {example}"))
    }
}

impl Differences {
    /// How often each kind of difference was found.
    pub fn kinds(&self) -> BTreeMap<String, u64> {
        self.found.iter().map(|(what, (count, _))| (what.clone(), *count)).collect()
    }

    fn same<T: PartialEq + fmt::Debug>(&mut self, what: &str, a: &T, b: &T, about: impl FnOnce() -> String) {
        if a != b {
            let entry = self.found.entry(what.to_owned());
            entry.or_insert_with(|| (0, format!("{}: {a:?} / {b:?}", about()))).0 += 1;
        }
    }

    /// Compares all events of two blocks.
    pub fn compare(&mut self, full: &Block, cut: &Block) {
        // Ids of versions are of one run.
        self.pairs.clear();
        for row in 0..full.len() {
            self.events += 1;
            let about =
                || format!("event {} {} of {}", full.num(row), full.batch.info(row).symbol, full.batch.tid[row]);
            self.same("marks", &full.marks[row], &cut.marks[row], about);
            self.same("fd number", &full.fd_num[row], &cut.fd_num[row], about);
            self.process("process", full.process(row), cut.process(row));
            self.fd("descriptor", full, cut, full.fd[row].into(), cut.fd[row].into());
            self.references(full, cut, row);
        }
    }

    fn references(&mut self, full: &Block, cut: &Block, row: usize) {
        let about = || format!("event {} {} of {}", full.num(row), full.batch.info(row).symbol, full.batch.tid[row]);
        let keys = |refs: &[Ref]| refs.iter().map(|r| (r.kind, r.key)).collect::<Vec<_>>();
        let (a, b) = (full.refs(row), cut.refs(row));
        if keys(a) != keys(b) {
            self.same("references", &keys(a), &keys(b), about);
            return;
        }
        for (a, b) in a.iter().zip(b) {
            let (x, y) = (a.value as usize, b.value as usize);
            match a.kind {
                RefKind::ParamFd | RefKind::FdNumber | RefKind::PollFd => {
                    self.fd("references", full, cut, a.value, b.value)
                }
                RefKind::ParamProcess | RefKind::SessionLeader | RefKind::VgroupLeader | RefKind::GroupLeader => {
                    self.process("reference to a process", full.processes.get(x), cut.processes.get(y));
                }
                RefKind::ParamUser => self.same("reference to a user", &full.users[x], &cut.users[y], about),
                RefKind::ParamGroup => self.same("reference to a group", &full.groups[x], &cut.groups[y], about),
                RefKind::EventContainer => {
                    self.same("reference to a container", &full.containers[x], &cut.containers[y], about);
                }
                kind => self.same(&format!("reference {kind:?}"), &x, &y, about),
            }
        }
    }

    fn fd(&mut self, what: &str, full: &Block, cut: &Block, a: u64, b: u64) {
        let (a, b) = (full.fds.get(a as usize), cut.fds.get(b as usize));
        let (Some(a), Some(b)) = (a, b) else {
            return self.same(what, &a.is_some(), &b.is_some(), || format!("{a:?}"));
        };
        macro_rules! same {
            ($($field:ident)*) => {
                $(self.same(concat!("fd ", stringify!($field)), &a.$field, &b.$field, || format!("{a:?}"));)*
            };
        }
        same!(kind name raw_name open_flags dev ino ends l4proto role connected upper_layer lower_layer pid);
    }

    fn process(&mut self, what: &str, a: Option<&Arc<Process>>, b: Option<&Arc<Process>>) {
        self.version(what, a.map(|a| &**a), b.map(|b| &**b), 0);
    }

    fn version(&mut self, what: &str, a: Option<&Process>, b: Option<&Process>, depth: usize) {
        let (Some(a), Some(b)) = (a, b) else {
            return self.same(what, &a.is_some(), &b.is_some(), || format!("{:?}", a.or(b).map(|found| &found.info)));
        };
        if depth > CHAIN || !self.pairs.insert((a.id, b.id)) {
            return;
        }
        self.info(&a.info, &b.info);
        let about = || format!("{:?}", a.info);
        self.same("container", &a.container, &b.container, about);
        self.same("sandbox", &a.sandbox, &b.sandbox, about);
        self.same("user", &a.user, &b.user, about);
        self.same("login user", &a.login_user, &b.login_user, about);
        self.same("group", &a.group, &b.group, about);
        if a.main().is_none_or(|main| !std::ptr::eq(main, a)) {
            self.version("main thread", a.main(), b.main(), depth + 1);
        }
        self.version("parent", a.parent.as_deref(), b.parent.as_deref(), depth + 1);
    }

    fn info(&mut self, a: &ThreadInfo, b: &ThreadInfo) {
        macro_rules! same {
            ($($field:ident)*) => {
                $(self.same(concat!("process ", stringify!($field)), &a.$field, &b.$field, || format!("{a:?}"));)*
            };
        }
        same!(tid pid ptid vtid vpid sid vpgid pgid comm exe exepath args env cwd root cgroups container_id uid gid loginuid
            tty fdlimit cap_inheritable cap_permitted cap_effective exe_writable exe_upper_layer exe_lower_layer
            exe_from_memfd exe_ino exe_ino_ctime exe_ino_mtime exe_ctime_duration_clone exe_ctime_duration_pidns clone_ts
            lastexec_ts pidns_init_start_ts);
        self.same("process flags", &(a.flags | PIPE_ENDS), &(b.flags | PIPE_ENDS), || format!("{a:?}"));
    }
}
