//! Events to events in context: process, descriptor, user, group and container state.
//!
//! No input or output happens here: batches of raw events go in, blocks come out. The same code runs on import and live.
//! Rules of the state: falcosecurity/libs 48dfd53cd, as Falco 0.44 replays captures.

mod changes;
mod containers;
mod descriptors;
mod event;
mod families;
mod files;
mod head;
mod joined;
mod opening;
mod processes;
mod references;
mod sockets;
mod threads;
mod users;
mod versions;

use std::sync::Arc;

use falco_replay_format::batch::{EventBatch, STATE_ONLY};
use falco_replay_format::block::{Block, Fd, FdKind, NONE, Ref, RefKind, Text, User, World, mark};
use falco_replay_format::demand::Demand;
use falco_replay_format::lists::{Head, Machine};
use falco_replay_format::schema::{EVENT_TYPES, EVENTS, category, describes_start, ev, event_flag};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub use crate::changes::Changes;
use crate::containers::Containers;
pub use crate::containers::container_id_in;
use crate::descriptors::{Contents, Opened};
use crate::event::{Current, Event, legacy_text};
use crate::threads::{Enter, Thread, ThreadSlot, Threads};
use crate::users::Users;

pub use crate::joined::ContainerMetadata;

/// Threads kept at once: Falco's `falco_libs.thread_table_size`.
pub const THREAD_LIMIT: usize = 262_144;

/// Bytes of an enter event that are kept for its exit half.
const ENTER_LIMIT: usize = 4096;

/// How events of a type find their thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lookup {
    /// Not at all.
    Never,
    /// Only one that is known.
    Known,
    /// One that is known, else an unknown thread is made.
    OrMake,
}

/// What the loop must know of an event type.
#[derive(Debug, Clone, Copy)]
struct Kind {
    lookup: Lookup,
    exit: bool,
    meta: bool,
    /// Kept for its exit half and never delivered.
    hidden: bool,
    /// Processed in silence at the start of a section.
    initial: bool,
    /// Whether the thread's last event and descriptor are those of the event: a switch leaves them alone.
    remembered: bool,
    /// Which parameter is the descriptor; -1: none.
    fd_param: i8,
}

fn kinds() -> Vec<Kind> {
    EVENTS
        .iter()
        .map(|info| Kind {
            lookup: match info.id {
                ev::PROCINFO_E => Lookup::Known,
                _ if info.has(event_flag::SKIPPARSERESET) => Lookup::Never,
                ev::CONTAINER_JSON_2_E
                | ev::USER_ADDED_E
                | ev::USER_DELETED_E
                | ev::GROUP_ADDED_E
                | ev::GROUP_DELETED_E
                | ev::PLUGINEVENT_E
                | ev::ASYNCEVENT_E => Lookup::Never,
                ev::SCHEDSWITCH_6_E
                | ev::PROCEXIT_1_E
                | ev::SYSCALL_CLONE_20_X
                | ev::SYSCALL_CLONE3_X
                | ev::SYSCALL_FORK_20_X
                | ev::SYSCALL_VFORK_20_X => Lookup::Known,
                _ => Lookup::OrMake,
            },
            exit: info.is_exit(),
            meta: info.category & category::METAEVENT != 0,
            hidden: matches!(
                info.id,
                ev::SYSCALL_OPEN_E
                    | ev::SYSCALL_CREAT_E
                    | ev::SYSCALL_OPENAT_2_E
                    | ev::SYSCALL_OPENAT2_E
                    | ev::SYSCALL_EXECVE_19_E
                    | ev::SYSCALL_EXECVEAT_E
                    | ev::SOCKET_CONNECT_E
            ),
            initial: describes_start(info.id),
            remembered: info.id != ev::SCHEDSWITCH_6_E && !info.has(event_flag::SKIPPARSERESET),
            fd_param: if info.has(event_flag::USES_FD) { info.fd_param } else { -1 },
        })
        .collect()
}

/// Everything that is known of the host while a capture is read.
#[derive(Debug)]
pub struct State {
    threads: Threads,
    thread_limit: usize,
    users: Users,
    containers: Containers,
    opened: Opened,
    contents: Contents,
    /// Descriptor versions of the block being filled.
    fds: Vec<Arc<Fd>>,
    cgroup_texts: HashMap<Vec<u8>, Text, FixedState>,
    scratch: Vec<u8>,
    /// The lists of the section's head, as long as only its silent start was read.
    head: Option<Arc<Head>>,
    machine: Option<Machine>,
    world: Arc<World>,
    world_changed: bool,
    kinds: Vec<Kind>,
    demand: Demand,
    /// Number of the block being filled, from 1.
    block: u32,
    /// Raised when users or containers change.
    epoch: u32,
    /// Number of the next version.
    next_id: u64,
    /// Number of the last event.
    num: u64,
    initial: bool,
    origin_known: bool,
    previous_ts: Option<u64>,
    refused_fds: u64,
    changes: Option<Box<Changes>>,
}

/// What the state code could not keep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refused {
    /// Threads beyond the table limit.
    pub threads: u64,
    /// Descriptors beyond the limit of a table.
    pub fds: u64,
}

impl State {
    /// A state that knows nothing yet and works out the references in `demand`.
    pub fn new(demand: Demand) -> State {
        State::with_thread_limit(demand, THREAD_LIMIT)
    }

    /// [`State::new`] with another limit of threads.
    pub fn with_thread_limit(demand: Demand, thread_limit: usize) -> State {
        debug_assert_eq!(EVENTS.len(), EVENT_TYPES);
        State {
            threads: Threads::new(thread_limit),
            thread_limit,
            users: Users::default(),
            containers: Containers::new(),
            opened: Opened::default(),
            contents: Contents::default(),
            fds: Vec::new(),
            cgroup_texts: HashMap::default(),
            scratch: Vec::new(),
            head: None,
            machine: None,
            world: Arc::new(World::default()),
            world_changed: true,
            kinds: kinds(),
            demand,
            block: 0,
            epoch: 1,
            next_id: 0,
            num: 0,
            initial: false,
            origin_known: false,
            previous_ts: None,
            refused_fds: 0,
            changes: None,
        }
    }

    /// What did not fit into the tables.
    pub fn refused(&self) -> Refused {
        Refused { threads: self.threads.refused, fds: self.refused_fds }
    }

    /// Number of threads known now.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Works out the context of every event of a batch. `spare` gives its memory to the new block.
    pub fn apply(&mut self, batch: EventBatch, spare: Block) -> Block {
        let (_, mut block) = spare.recycle();
        let count = batch.len();
        self.block = self.block.wrapping_add(1).max(1);
        self.fds = std::mem::take(&mut block.fds);
        block.first_num = self.num + 1;
        block.previous_ts = self.previous_ts;
        block.worlds.push((0, self.world.clone()));
        self.world_changed = false;
        block.marks.reserve(count);
        block.process.reserve(count);
        block.fd.reserve(count);
        block.fd_num.reserve(count);
        self.clear_changes();
        for row in 0..count {
            if batch.first_drop == Some(row) && self.initial {
                self.end_opening();
            }
            let event = Event {
                row: row as u32,
                ty: batch.ty[row],
                cpu: batch.cpu[row],
                ts: batch.ts[row],
                tid: batch.tid[row],
                params: batch.params(row),
            };
            self.event(&event, batch.flags[row], &mut block);
        }
        if batch.first_drop == Some(count) && self.initial {
            self.end_opening();
        }
        block.fds = std::mem::take(&mut self.fds);
        block.batch = batch;
        block
    }

    fn event(&mut self, event: &Event<'_>, flags: u32, block: &mut Block) {
        let kind = self.kinds[usize::from(event.ty)];
        self.num += 1;
        let silent = self.initial && kind.initial;
        if self.initial && !kind.initial {
            self.end_opening();
        }
        if !self.origin_known && !kind.meta {
            self.origin_known = true;
            self.change_world(|world| world.origin = event.ts);
            self.note_container(event.row, b"");
        }
        let mut current = Current { last_fd: -1, ..Current::default() };
        match kind.lookup {
            Lookup::Never => {}
            Lookup::Known => current.thread = self.threads.find_on(event.cpu, event.tid),
            Lookup::OrMake => {
                current.thread = self.threads.find_on(event.cpu, event.tid).or_else(|| self.add_unknown(event.tid));
            }
        }
        if let Some(slot) = current.thread {
            self.reset(event, kind, slot, &mut current);
        }
        self.effects(event, &mut current);
        if self.world_changed {
            self.world_changed = false;
            block.worlds.push((event.row, self.world.clone()));
        }
        let delivered = !(silent || kind.hidden || flags & STATE_ONLY != 0);
        self.record(event, &mut current, delivered, block);
        self.removals(kind, &current);
        self.note_changes(event.row);
        if delivered {
            self.previous_ts = Some(event.ts);
        }
    }

    /// Finds the event's descriptor and the enter half that belongs to it.
    #[inline]
    fn reset(&mut self, event: &Event<'_>, kind: Kind, slot: ThreadSlot, current: &mut Current) {
        let thread = self.threads.at_mut(slot);
        let waited = thread.enter.is_some();
        if !kind.remembered {
            current.last_fd = thread.last_fd;
        } else if kind.exit {
            let matches = event.ty == thread.last_enter.wrapping_add(1)
                || event.ty == ev::SYSCALL_EXECVE_19_X && thread.last_enter == ev::SYSCALL_EXECVEAT_E;
            if matches {
                current.last_fd = thread.last_fd;
                current.enter = thread.enter.take();
            } else {
                thread.enter = None;
            }
        } else {
            thread.last_enter = event.ty;
        }
        if waited && kind.remembered {
            self.threads.touch(slot);
        }
        if kind.fd_param >= 0
            && current.last_fd == -1
            && let Some(fd) = event.params.i64(kind.fd_param as usize)
        {
            current.last_fd = fd;
        }
        if current.last_fd != -1
            && let Some(owner) = self.threads.fds_of(slot)
            && self.threads.at(owner).fds.get(current.last_fd).is_some()
        {
            current.fd = Some((owner, current.last_fd));
        }
    }

    /// Puts an unknown thread into the table.
    pub(crate) fn add_unknown(&mut self, tid: i64) -> Option<ThreadSlot> {
        self.threads.add(Thread::new(Thread::unknown_info(tid)))
    }

    /// What the event changes.
    #[inline]
    fn effects(&mut self, event: &Event<'_>, current: &mut Current) {
        match event.ty {
            ev::SYSCALL_CLOSE_X => self.close_exit(event, current),
            ev::SYSCALL_FCNTL_X => self.fcntl_exit(event, current),
            ev::SYSCALL_OPENAT_2_X
            | ev::SYSCALL_OPEN_X
            | ev::SYSCALL_OPENAT2_X
            | ev::SYSCALL_CREAT_X
            | ev::SYSCALL_OPEN_BY_HANDLE_AT_X => self.open_exit(event, current),
            ev::SYSCALL_READ_X
            | ev::SYSCALL_READV_X
            | ev::SYSCALL_PREAD_X
            | ev::SYSCALL_PREADV_X
            | ev::SYSCALL_WRITE_X
            | ev::SYSCALL_WRITEV_X
            | ev::SYSCALL_PWRITE_X
            | ev::SYSCALL_PWRITEV_X => {
                self.traffic_exit(event, current);
            }
            ev::SOCKET_RECVFROM_X => self.message_exit(event, current, 2, true),
            ev::SOCKET_RECVMSG_X => self.message_exit(event, current, 3, true),
            ev::SOCKET_RECV_X | ev::SOCKET_RECVMMSG_X => self.message_exit(event, current, 4, true),
            ev::SOCKET_SEND_X | ev::SOCKET_SENDTO_X | ev::SOCKET_SENDMSG_X | ev::SOCKET_SENDMMSG_X => {
                self.message_exit(event, current, 4, false);
            }
            ev::SYSCALL_OPEN_E
            | ev::SYSCALL_CREAT_E
            | ev::SYSCALL_OPENAT_2_E
            | ev::SYSCALL_OPENAT2_E
            | ev::SYSCALL_EXECVE_19_E
            | ev::SYSCALL_EXECVEAT_E
            | ev::SOCKET_CONNECT_E => self.keep_enter(event, current),
            ev::SYSCALL_CLONE_20_X | ev::SYSCALL_CLONE3_X | ev::SYSCALL_FORK_20_X | ev::SYSCALL_VFORK_20_X => {
                self.clone_exit(event, current);
            }
            ev::SYSCALL_EXECVE_19_X | ev::SYSCALL_EXECVEAT_X => self.exec_exit(event, current),
            ev::PROCEXIT_1_E => self.exit(event, current),
            _ => self.rarer_effects(event, current),
        }
    }

    fn rarer_effects(&mut self, event: &Event<'_>, current: &mut Current) {
        let params = &event.params;
        let zero = event.result() == Some(0);
        match event.ty {
            ev::SYSCALL_DUP_1_X | ev::SYSCALL_DUP2_X | ev::SYSCALL_DUP3_X => self.dup_exit(event, current),
            ev::SYSCALL_CLOSE_RANGE_X => self.close_range_exit(event, current),
            ev::SYSCALL_PIPE_X | ev::SYSCALL_PIPE2_X => self.pipe_exit(event, current),
            ev::SOCKET_SOCKET_X => self.socket_exit(event, current),
            ev::SOCKET_SOCKETPAIR_X => self.socketpair_exit(event, current),
            ev::SOCKET_BIND_X => self.bind_exit(event, current),
            ev::SOCKET_CONNECT_X => self.connect_exit(event, current),
            ev::SOCKET_ACCEPT_5_X | ev::SOCKET_ACCEPT4_6_X => self.accept_exit(event, current),
            ev::SYSCALL_EVENTFD_X | ev::SYSCALL_EVENTFD2_X => self.anonymous_exit(event, current, FdKind::Event),
            ev::SYSCALL_SIGNALFD_X | ev::SYSCALL_SIGNALFD4_X => self.anonymous_exit(event, current, FdKind::Signalfd),
            ev::SYSCALL_TIMERFD_CREATE_X => self.anonymous_exit(event, current, FdKind::Timerfd),
            ev::SYSCALL_INOTIFY_INIT_X | ev::SYSCALL_INOTIFY_INIT1_X => {
                self.anonymous_exit(event, current, FdKind::Inotify);
            }
            ev::SYSCALL_BPF_2_X => self.anonymous_exit(event, current, FdKind::Bpf),
            ev::SYSCALL_USERFAULTFD_X => self.anonymous_exit(event, current, FdKind::Userfaultfd),
            ev::SYSCALL_IO_URING_SETUP_X => self.anonymous_exit(event, current, FdKind::IoUring),
            ev::SYSCALL_EPOLL_CREATE_X | ev::SYSCALL_EPOLL_CREATE1_X => {
                self.anonymous_exit(event, current, FdKind::Eventpoll);
            }
            ev::SYSCALL_MEMFD_CREATE_X => self.memfd_create_exit(event, current),
            ev::SYSCALL_PIDFD_OPEN_X => self.pidfd_open_exit(event, current),
            ev::SYSCALL_PIDFD_GETFD_X => self.pidfd_getfd_exit(event, current),
            ev::SYSCALL_CHDIR_X | ev::SYSCALL_GETCWD_X => self.chdir_exit(event, current),
            ev::SYSCALL_FCHDIR_X => self.fchdir_exit(event, current),
            ev::SYSCALL_SETRESUID_X | ev::SYSCALL_SETREUID_X if zero => self.set_uid(current, params.u32(2)),
            ev::SYSCALL_SETUID_X if zero => self.set_uid(current, params.u32(1)),
            ev::SYSCALL_SETRESGID_X | ev::SYSCALL_SETREGID_X if zero => self.set_gid(current, params.u32(2)),
            ev::SYSCALL_SETGID_X if zero => self.set_gid(current, params.u32(1)),
            ev::SYSCALL_SETSID_X if event.succeeded() => self.setsid_exit(event, current),
            ev::SYSCALL_CHROOT_X if zero => self.chroot_exit(event, current),
            ev::SYSCALL_PRCTL_X if event.succeeded() => self.prctl_exit(event, current),
            ev::SYSCALL_SETRLIMIT_X | ev::SYSCALL_GETRLIMIT_X if event.succeeded() => {
                if let (Some(slot), Some(NOFILE)) = (current.thread, params.u8(3)) {
                    self.set_fdlimit(slot, params.i64(1));
                }
            }
            ev::SYSCALL_PRLIMIT_X if zero && params.u8(6) == Some(NOFILE) => {
                let target = match params.i64(5) {
                    None | Some(0) => current.thread,
                    Some(pid) => self.threads.find(pid),
                };
                if let Some(slot) = target {
                    self.set_fdlimit(slot, params.i64(1));
                }
            }
            ev::SYSCALL_CAPSET_X if event.succeeded() => self.capset_exit(event, current),
            ev::SYSCALL_UNSHARE_X if event.succeeded() => self.new_user_namespace(params.u32(1), current),
            ev::SYSCALL_SETNS_X if event.succeeded() => self.new_user_namespace(params.u32(2), current),
            ev::SYSCALL_BRK_4_X | ev::SYSCALL_MMAP_X | ev::SYSCALL_MMAP2_X | ev::SYSCALL_MUNMAP_X => {
                self.memory_exit(event, current);
            }
            ev::SCHEDSWITCH_6_E => self.switch(event, current),
            ev::USER_ADDED_E | ev::USER_DELETED_E | ev::GROUP_ADDED_E | ev::GROUP_DELETED_E => self.account(event),
            ev::CONTAINER_JSON_2_E => self.container_event(event.row, params.get(0), current),
            ev::ASYNCEVENT_E => match params.text(1) {
                Some(b"container") => self.container_event(event.row, params.get(2), current),
                Some(b"container_removed") => self.container_removed(event.row, params.get(2)),
                _ => {}
            },
            _ => {}
        }
    }

    /// Keeps an enter event for its exit half.
    fn keep_enter(&mut self, event: &Event<'_>, current: &Current) {
        let Some(slot) = current.thread else { return };
        let named = !matches!(event.ty, ev::SOCKET_CONNECT_E | ev::SYSCALL_EXECVEAT_E);
        // Of the whole event: its header, lengths of two bytes, values.
        let size: usize = event.params.iter().map(|value| 2 + value.len()).sum::<usize>() + 26;
        self.threads.touch(slot);
        let keeps = size <= ENTER_LIMIT && !(named && event.params.get(0).is_empty());
        self.threads.at_mut(slot).enter =
            keeps.then(|| Box::new(Enter { ty: event.ty, params: event.params.iter().map(<[u8]>::to_vec).collect() }));
    }

    /// Users and groups that came or went.
    fn account(&mut self, event: &Event<'_>) {
        let params = &event.params;
        let id = params.u32(0).unwrap_or(u32::MAX);
        match event.ty {
            ev::USER_ADDED_E => {
                let user = User {
                    name: legacy_text(params, 2).into(),
                    home: legacy_text(params, 3).into(),
                    shell: legacy_text(params, 4).into(),
                };
                self.users.add_user(params.text(5).unwrap_or(b""), id, params.u32(1).unwrap_or(u32::MAX), user);
            }
            ev::USER_DELETED_E => self.users.remove_user(params.text(5).unwrap_or(b""), id),
            ev::GROUP_ADDED_E => {
                self.users.add_group(params.text(2).unwrap_or(b""), id, legacy_text(params, 1).into());
            }
            _ => self.users.remove_group(params.text(2).unwrap_or(b""), id),
        }
        let container = if matches!(event.ty, ev::USER_ADDED_E | ev::USER_DELETED_E) { 5 } else { 2 };
        self.note_container(event.row, params.text(container).unwrap_or(b""));
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Metadata of a container.
    fn container_event(&mut self, row: u32, json: &[u8], current: &mut Current) {
        let json = json.strip_suffix(b"\0").unwrap_or(json);
        if let Some(container) = containers::from_json(json) {
            let container = Arc::new(container);
            self.note_container(row, &container.id);
            current.container = Some(container.clone());
            self.containers.insert(container);
            self.containers_changed();
        }
    }

    fn container_removed(&mut self, row: u32, json: &[u8]) {
        let json = json.strip_suffix(b"\0").unwrap_or(json);
        if let Some(container) = containers::from_json(json)
            && self.containers.remove(&container.id)
        {
            self.note_container(row, &container.id);
            self.containers_changed();
        }
    }

    /// Writes the event's context into the block.
    #[inline]
    fn record(&mut self, event: &Event<'_>, current: &mut Current, delivered: bool, block: &mut Block) {
        let thread = current.thread.or_else(|| self.threads.find(event.tid));
        let row = thread.map_or(NONE, |slot| self.process_row(slot, block));
        let fd = current.fd.and_then(|(owner, fd)| self.fd_row(owner, fd)).unwrap_or(NONE);
        let mut marks = if delivered { mark::DELIVERED } else { 0 };
        if current.name_changed {
            marks |= mark::NAME_CHANGED;
        }
        if current.thread.is_none() {
            marks |= mark::NO_THREAD;
        }
        block.process.push(row);
        block.fd.push(fd);
        block.fd_num.push(current.last_fd);
        block.marks.push(marks);
        if let Some(container) = current.container.take() {
            let sandbox = self.sandbox_of(&container);
            for (key, container) in [Some(container), sandbox].into_iter().enumerate() {
                let Some(container) = container else { continue };
                let value = block.containers.len() as u64;
                block.containers.push(container);
                block.refs.push(Ref { row: event.row, kind: RefKind::EventContainer, key: key as u16, value });
            }
        }
        let bits = self.demand.of(event.ty);
        if bits != 0 && delivered {
            self.add_references(event, current, bits, block);
        }
    }

    /// What goes once the event is over.
    #[inline]
    fn removals(&mut self, kind: Kind, current: &Current) {
        let Some(slot) = current.thread else { return };
        if kind.remembered {
            self.threads.at_mut(slot).last_fd = current.last_fd;
        }
        if kind.exit && self.threads.at_mut(slot).enter.take().is_some() {
            self.threads.touch(slot);
        }
        if current.closes
            && let Some((owner, fd)) = current.fd
        {
            self.threads.fds_mut(owner).remove(fd);
        }
        if current.exits {
            self.threads.remove(slot);
        }
    }
}

/// `RLIMIT_NOFILE` in the numbering of the schema.
const NOFILE: u8 = 7;
