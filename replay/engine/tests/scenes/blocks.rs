//! Blocks put together at random, also of what no capture would hold.

use std::net::IpAddr;
use std::sync::Arc;

use falco_replay_format::block::{
    Block, Container, Ends, Fd, FdInfo, FdKind, L4Proto, MainThread, NONE, Process, Ref, RefKind, Role, ThreadInfo,
    User, World, mark,
};
use falco_replay_format::lists::{Interface, Text};
use proptest::prelude::*;
use proptest::sample::select;

use super::{ADDRESSES, EXE_PATHS, NAMES, PROGRAMS, Step, any_event, batch, name, step};

#[derive(Debug, Clone)]
struct MadeProcess {
    /// 0: itself, 1: missing, else that many before.
    main: usize,
    /// 0: none, else that many before.
    parent: usize,
    comm: usize,
    exe: usize,
    path: usize,
    uid: u32,
    loginuid: u32,
    user: usize,
    container_id: usize,
    container: usize,
    /// Whether the block's table holds it; others are there for their relations alone.
    listed: bool,
}

#[derive(Debug, Clone)]
struct MadeFd {
    kind: u8,
    name: usize,
    /// 0: none, 1: unix, else of these addresses and ports.
    ends: usize,
    from: usize,
    to: usize,
    port: u16,
    role: u8,
}

#[derive(Debug, Clone)]
struct MadeRow {
    step: Step,
    process: usize,
    fd: usize,
    marks: u8,
    refs: Vec<(usize, u16, u64)>,
}

/// A block in the making.
#[derive(Debug, Clone)]
pub struct MadeBlock {
    processes: Vec<MadeProcess>,
    fds: Vec<MadeFd>,
    rows: Vec<MadeRow>,
    world: bool,
}

const USERS: [&str; 4] = ["root", "alice", "<NA>", ""];
const CONTAINER_IDS: [&str; 4] = ["", "6c270ef2f251", "aaaabbbbcccc", "host"];
const KINDS: [RefKind; 8] = [
    RefKind::ParamFd,
    RefKind::ParamProcess,
    RefKind::FdNumber,
    RefKind::SessionLeader,
    RefKind::VgroupLeader,
    RefKind::GroupLeader,
    RefKind::EventContainer,
    RefKind::EventContainer,
];

fn process() -> impl Strategy<Value = MadeProcess> {
    let names = (0..PROGRAMS.len(), 0..PROGRAMS.len(), 0..EXE_PATHS.len());
    let users = (select(vec![0u32, 1000, 7]), select(vec![u32::MAX, 0, 1000]), 0usize..6);
    let containers = (0..CONTAINER_IDS.len(), 0usize..6);
    (0usize..4, 0usize..4, names, users, containers, any::<bool>()).prop_map(
        |(main, parent, (comm, exe, path), (uid, loginuid, user), (container_id, container), listed)| MadeProcess {
            main,
            parent,
            comm,
            exe,
            path,
            uid,
            loginuid,
            user,
            container_id,
            container,
            listed,
        },
    )
}

fn fd() -> impl Strategy<Value = MadeFd> {
    let kind = prop_oneof![2 => 0u8..22, 1 => 1u8..3, 2 => 3u8..7];
    (kind, name(), 0usize..5, 0..ADDRESSES.len(), 0..ADDRESSES.len(), 50u16..56, 0u8..3)
        .prop_map(|(kind, name, ends, from, to, port, role)| MadeFd { kind, name, ends, from, to, port, role })
}

fn row() -> impl Strategy<Value = MadeRow> {
    let refs = prop::collection::vec((0..KINDS.len(), 0u16..4, 0u64..6), 0..4);
    (prop_oneof![step(), any_event()], 0usize..5, 0usize..9, select(vec![1u8, 1, 1, 3, 0]), refs)
        .prop_map(|(step, process, fd, marks, refs)| MadeRow { step, process, fd, marks, refs })
}

/// A block at random.
pub fn block() -> impl Strategy<Value = MadeBlock> {
    let processes = prop::collection::vec(process(), 0..9);
    let fds = prop::collection::vec(fd(), 0..7);
    let rows = prop::collection::vec(row(), 1..16);
    (processes, fds, rows, any::<bool>()).prop_map(|(processes, fds, rows, world)| MadeBlock {
        processes,
        fds,
        rows,
        world,
    })
}

fn text(value: &str) -> Text {
    value.as_bytes().into()
}

fn containers() -> Vec<Arc<Container>> {
    let pod = |name: &str| {
        vec![
            (text("io.kubernetes.pod.name"), text(name)),
            (text("io.kubernetes.pod.namespace"), text("default")),
            (text("z"), text("")),
        ]
    };
    vec![
        Container { id: text("6c270ef2f251"), name: text("web"), image: text("nginx:1.2"), ..Container::default() },
        Container { id: text("aaaabbbbcccc"), name: text("db"), labels: pod("pod-1"), ..Container::default() },
        Container { id: text("host"), name: text("host"), user: text("app"), ..Container::default() },
        Container { image_repository: text("nginx"), image_tag: text("1.2"), user: text("x"), ..Container::default() },
    ]
    .into_iter()
    .map(Arc::new)
    .collect()
}

impl MadeProcess {
    fn make(&self, at: usize, before: &[Arc<Process>], containers: &[Arc<Container>]) -> Process {
        let back = |count: usize| at.checked_sub(count).and_then(|at| before.get(at)).cloned();
        let info = ThreadInfo {
            tid: at as i64,
            pid: at as i64,
            ptid: 1,
            vtid: 1,
            vpid: 1,
            sid: 1,
            vpgid: 1,
            pgid: 1,
            comm: text(PROGRAMS[self.comm]),
            exe: text(PROGRAMS[self.exe]),
            exepath: text(EXE_PATHS[self.path]),
            args: Text::default(),
            env: Text::default(),
            cwd: text("/root/"),
            root: text("/"),
            cgroups: Text::default(),
            container_id: text(CONTAINER_IDS[self.container_id]),
            uid: self.uid,
            gid: 0,
            loginuid: self.loginuid,
            tty: 0,
            flags: 0,
            fdlimit: 0,
            cap_inheritable: 0,
            cap_permitted: 0,
            cap_effective: 0,
            exe_writable: false,
            exe_upper_layer: false,
            exe_lower_layer: false,
            exe_from_memfd: false,
            exe_ino: 0,
            exe_ino_ctime: 0,
            exe_ino_mtime: 0,
            exe_ctime_duration_clone: 0,
            exe_ctime_duration_pidns: 0,
            clone_ts: 0,
            lastexec_ts: 0,
            pidns_init_start_ts: 0,
        };
        let user =
            USERS.get(self.user).map(|name| Arc::new(User { name: text(name), home: text(""), shell: text("") }));
        Process {
            id: at as u64 + 1,
            info: Arc::new(info),
            main: match self.main {
                0 => MainThread::Itself,
                1 => MainThread::Missing,
                count => back(count - 1).map_or(MainThread::Missing, MainThread::Other),
            },
            parent: self.parent.checked_sub(1).and_then(|count| back(count + 1)),
            circle: None,
            container: containers.get(self.container).cloned(),
            sandbox: None,
            login_user: user.clone().filter(|_| self.loginuid != 0),
            user,
            group: None,
        }
    }
}

impl MadeFd {
    fn make(&self, at: usize) -> Fd {
        let ends = match self.ends {
            0 => Ends::None,
            1 => Ends::Unix { source: 1, dest: 2 },
            _ => {
                Ends::Inet { source: (ADDRESSES[self.from], 40000 + self.port), dest: (ADDRESSES[self.to], self.port) }
            }
        };
        Fd {
            id: at as u64 + 1,
            info: FdInfo {
                name: NAMES[self.name].into(),
                ends,
                role: [Role::None, Role::Client, Role::Server][usize::from(self.role)],
                l4proto: L4Proto::Tcp,
                ..FdInfo::new(FdKind::from_number(self.kind))
            },
        }
    }
}

impl MadeBlock {
    /// The block itself.
    pub fn make(&self) -> Block {
        let containers = containers();
        let mut processes: Vec<Arc<Process>> = Vec::new();
        for (at, made) in self.processes.iter().enumerate() {
            processes.push(Arc::new(made.make(at, &processes, &containers)));
        }
        let listed = |(_, made): &(_, &MadeProcess)| made.listed;
        let listed: Vec<Arc<Process>> =
            processes.into_iter().zip(&self.processes).filter(listed).map(|(process, _)| process).collect();
        let steps: Vec<Step> = self.rows.iter().map(|row| row.step.clone()).collect();
        let place = |at: usize, length: usize| if at < length { at as u32 } else { NONE };
        let mut block = Block {
            batch: batch(&steps, 1_000_000),
            first_num: 1,
            fds: self.fds.iter().enumerate().map(|(at, fd)| Arc::new(fd.make(at))).collect(),
            containers,
            ..Block::default()
        };
        for (at, row) in self.rows.iter().enumerate() {
            block.process.push(place(row.process, listed.len()));
            block.fd.push(place(row.fd, self.fds.len()));
            block.fd_num.push(row.fd as i64 - 1);
            block.marks.push(row.marks);
            let refs = row.refs.iter().map(|&(kind, key, value)| Ref { row: at as u32, kind: KINDS[kind], key, value });
            block.refs.extend(refs);
        }
        block.processes = listed;
        let interface =
            |ip: IpAddr| Interface { name: text("eth0"), addr: ip, mask: ip, broadcast: ip, linkspeed: None };
        let world = World { interfaces: vec![interface(ADDRESSES[5]), interface(ADDRESSES[9])], ..World::default() };
        block.worlds = if self.world { vec![(0, Arc::new(world))] } else { Vec::new() };
        debug_assert!(self.rows.iter().all(|row| row.marks & !(mark::DELIVERED | mark::NAME_CHANGED) == 0));
        block
    }
}
