//! Rules of the state, each on the shortest capture that shows it.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::{Block, FdKind, Process, RefKind, Role, mark};
use falco_replay_format::demand::Demand;
use falco_replay_format::lists::Head;
use falco_replay_format::schema::{EVENTS, ev};
use falco_replay_state::State;

const CLONE_THREAD: u32 = 1 << 13;
const O_CLOEXEC: u32 = 1 << 12;

/// Events under way into a batch.
#[derive(Default)]
struct Capture {
    batch: EventBatch,
    ts: u64,
}

impl Capture {
    /// Adds an event; parameters that are not named have no value.
    fn event(mut self, tid: i64, ty: u16, given: &[(usize, Vec<u8>)]) -> Capture {
        let mut params = vec![Vec::new(); EVENTS[usize::from(ty)].params.len()];
        for (at, value) in given {
            params[*at] = value.clone();
        }
        self.ts += 1000;
        let batch = &mut self.batch;
        batch.ts.push(self.ts);
        batch.tid.push(tid);
        batch.ty.push(ty);
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(params.len() as u8);
        batch.offset.push(batch.data.len() as u32);
        let width = EVENTS[usize::from(ty)].length_width();
        params.iter().for_each(|param| batch.data.extend(&(param.len() as u32).to_le_bytes()[..width]));
        params.iter().for_each(|param| batch.data.extend(param));
        self
    }

    fn exec(self, tid: i64, name: &str) -> Capture {
        let given = [
            (0, long(0)),
            (1, text(name)),
            (4, long(tid)),
            (5, long(1)),
            (13, text(name)),
            (15, text("A=1")),
            (27, text(name)),
        ];
        self.event(tid, ev::SYSCALL_EXECVE_19_X, &given)
    }

    /// The caller's side of a clone.
    fn clone(self, tid: i64, pid: i64, child: i64, flags: u32) -> Capture {
        let given = [
            (0, long(child)),
            (1, text("sh")),
            (4, long(pid)),
            (5, long(1)),
            (13, text("sh")),
            (15, word(flags)),
            (18, long(tid)),
            (19, long(pid)),
        ];
        self.event(tid, ev::SYSCALL_CLONE_20_X, &given)
    }

    /// The child's side of a clone.
    fn born(self, tid: i64, pid: i64, ptid: i64, flags: u32) -> Capture {
        let given = [
            (0, long(0)),
            (1, text("sh")),
            (4, long(pid)),
            (5, long(ptid)),
            (13, text("sh")),
            (15, word(flags)),
            (18, long(tid)),
            (19, long(pid)),
        ];
        self.event(tid, ev::SYSCALL_CLONE_20_X, &given)
    }

    fn open(self, tid: i64, fd: i64, name: &str, flags: u32) -> Capture {
        let given =
            [(0, long(fd)), (1, long(-100)), (2, text(name)), (3, word(flags)), (6, 7u64.to_le_bytes().to_vec())];
        self.event(tid, ev::SYSCALL_OPENAT_2_X, &given)
    }

    fn close(self, tid: i64, fd: i64) -> Capture {
        self.event(tid, ev::SYSCALL_CLOSE_X, &[(0, long(0)), (1, long(fd))])
    }

    fn exit(self, tid: i64) -> Capture {
        self.event(tid, ev::PROCEXIT_1_E, &[(0, long(0))])
    }

    fn block(self) -> Block {
        let mut state = State::new(Demand::everything());
        state.start(&Head::default());
        state.apply(self.batch, Block::default())
    }
}

fn long(value: i64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn word(value: u32) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn text(value: &str) -> Vec<u8> {
    [value.as_bytes(), b"\0"].concat()
}

fn last(block: &Block) -> &Process {
    block.process(block.len() - 1).unwrap()
}

fn fd_name(block: &Block, row: usize) -> Option<&[u8]> {
    block.fd(row).map(|fd| &*fd.name)
}

#[test]
fn a_child_has_the_environment_of_the_very_thread_that_made_it() {
    let base = || Capture::default().exec(10, "app").clone(10, 10, 11, CLONE_THREAD);
    let of_main = base().clone(10, 10, 12, 0).close(12, 3).block();
    assert_eq!(&*last(&of_main).info.env, b"A=1\0");
    let of_thread = base().born(13, 13, 11, 0).block();
    assert_eq!(last(&of_thread).info.ptid, 11);
    assert_eq!(&*last(&of_thread).info.env, b"");
    assert_eq!(&*last(&of_thread).parent_process().unwrap().info.comm, b"app");
}

#[test]
fn an_unknown_parent_leaves_nothing() {
    let block = Capture::default().open(20, 3, "/x", 0).born(21, 21, 20, 0).close(21, 3).block();
    assert_eq!(&*last(&block).info.cwd, b"");
    assert_eq!(block.fd(block.len() - 1).map(|fd| fd.kind), None);
}

#[test]
fn a_dead_main_thread_that_executes_lives_again() {
    let block = Capture::default()
        .exec(10, "app")
        .clone(10, 10, 11, CLONE_THREAD)
        .exit(10)
        .exec(10, "again")
        .close(10, 3)
        .block();
    let row = block.len() - 1;
    assert_eq!(&*last(&block).info.comm, b"again");
    assert_eq!(block.reference(row, RefKind::Threads, 0), Some(1));
}

#[test]
fn orphans_go_to_a_living_thread_of_the_process() {
    let block = Capture::default()
        .exec(10, "app")
        .clone(10, 10, 11, CLONE_THREAD)
        .born(12, 12, 11, 0)
        .exit(11)
        .close(12, 3)
        .block();
    assert_eq!(last(&block).info.ptid, 10);
}

#[test]
fn a_thread_may_be_its_own_parent() {
    let own = [(0, long(0)), (1, text("loop")), (4, long(10)), (5, long(10)), (13, text("loop"))];
    let block = Capture::default().event(10, ev::SYSCALL_EXECVE_19_X, &own).block();
    let process = last(&block);
    assert_eq!(process.ancestor(3).map(|ancestor| ancestor.info.pid), Some(10));
    assert_eq!(process.ancestors().count(), 1);
}

#[test]
fn a_parent_that_changes_changes_its_children() {
    let exec =
        |name: &str, ptid: i64| [(0, long(0)), (1, text(name)), (4, long(20)), (5, long(ptid)), (13, text(name))];
    let block = Capture::default()
        .exec(10, "before")
        // Not yet known by its own events, so no child yet.
        .close(20, 3)
        .event(20, ev::SYSCALL_EXECVE_19_X, &exec("child", 10))
        .close(20, 3)
        .exec(10, "after")
        .close(20, 3)
        .block();
    let parent = |row: usize| block.process(row).and_then(|process| process.parent_process()).map(|p| &*p.info.comm);
    assert_eq!((parent(1), parent(3), parent(5)), (None, Some(&b"before"[..]), Some(&b"after"[..])));
}

#[test]
fn an_exec_closes_what_is_marked() {
    let block = Capture::default()
        .exec(10, "app")
        .open(10, 3, "/kept", 0)
        .open(10, 4, "/closed", O_CLOEXEC)
        .exec(10, "other")
        .close(10, 3)
        .close(10, 4)
        .block();
    assert_eq!(fd_name(&block, 4), Some(&b"/kept"[..]));
    assert_eq!(fd_name(&block, 5), None);
    assert_eq!(block.fd_num[5], 4);
}

#[test]
fn a_descriptor_is_there_at_its_close_and_gone_after() {
    let block = Capture::default().exec(10, "app").open(10, 3, "a/../b", 0).close(10, 3).close(10, 3).block();
    assert_eq!(fd_name(&block, 1), fd_name(&block, 2));
    assert!(block.marks[1] & mark::NAME_CHANGED != 0 && block.marks[2] & mark::NAME_CHANGED == 0);
    assert_eq!(fd_name(&block, 3), None);
}

#[test]
fn a_bound_socket_is_a_server() {
    let socket = [(0, long(3)), (1, word(2)), (2, word(2)), (3, word(17))];
    let address = [vec![2, 127, 0, 0, 1], 53u16.to_le_bytes().to_vec()].concat();
    let block = Capture::default()
        .exec(10, "dns")
        .event(10, ev::SOCKET_SOCKET_X, &socket)
        .event(10, ev::SOCKET_BIND_X, &[(0, long(0)), (1, address), (2, long(3))])
        .close(10, 9)
        .block();
    let fd = block.fd(2).unwrap();
    assert_eq!((fd.kind, fd.role, &*fd.name), (FdKind::Ipv4Server, Role::Server, &b"127.0.0.1:53"[..]));
    assert_eq!(block.fd(1).unwrap().role, Role::None);
}

#[test]
fn containers_take_their_sandbox_along() {
    let event = |json: &str| [(0, word(0)), (1, text("container")), (2, text(json))];
    let block = Capture::default()
        .exec(10, "app")
        .close(10, 3)
        .event(10, ev::ASYNCEVENT_E, &event(r#"{"container":{"id":"a","ip":"10.0.0.1"}}"#))
        .event(10, ev::ASYNCEVENT_E, &event(r#"{"container":{"id":"b","pod_sandbox_id":"a"}}"#))
        .event(10, ev::ASYNCEVENT_E, &event(r#"{"container":{"id":"c","pod_sandbox_id":"z"}}"#))
        .event(10, ev::ASYNCEVENT_E, &event(r#"{"container":{"id":"d","cpu_quota":null}}"#))
        .block();
    let sandbox = |row| {
        let at = block.reference(row, RefKind::EventContainer, 1)?;
        Some(&*block.containers[at as usize].id)
    };
    assert_eq!(sandbox(2), Some(&b"host"[..]));
    assert_eq!(sandbox(3), Some(&b"a"[..]));
    assert_eq!(sandbox(4), None);
    assert_eq!(block.reference(5, RefKind::EventContainer, 0), None);
}

#[test]
fn a_full_table_refuses_threads() {
    let mut capture = Capture::default();
    for tid in 0..100 {
        capture = capture.close(tid, 3);
    }
    let mut state = State::with_thread_limit(Demand::default(), 10);
    state.start(&Head::default());
    let block = state.apply(capture.batch, Block::default());
    assert_eq!((state.threads(), state.refused().threads), (10, 90));
    assert!(block.process(50).is_none());
}
