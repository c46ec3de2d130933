//! The references of an event: what it mentions besides its own thread and descriptor.

use std::sync::Arc;

use falco_replay_format::block::{Block, NONE, Process, Ref, RefKind};
use falco_replay_format::demand::want;
use falco_replay_format::schema::{EVENTS, ParamType, ev};

use crate::State;
use crate::event::{Current, Event};
use crate::families::MAX_CHAIN;
use crate::threads::ThreadSlot;

/// Entries of a poll list that are looked up.
const POLL_LIMIT: usize = 4096;

impl State {
    /// Works out what the demand asks for on this event.
    pub(crate) fn add_references(&mut self, event: &Event<'_>, current: &Current, bits: u16, block: &mut Block) {
        let thread = current.thread.or_else(|| self.threads.find(event.tid));
        if bits & want::PARAMS != 0 {
            self.param_references(event, current, thread, block);
        }
        if bits & want::CPU != 0 {
            self.cpu_references(event, thread, block);
        }
        let Some(thread) = thread else { return };
        let owner = self.threads.fds_of(thread);
        if bits & want::POLL != 0 && matches!(event.ty, ev::SYSCALL_POLL_X | ev::SYSCALL_PPOLL_X) {
            let list = event.params.get(1);
            for (at, entry) in list.get(2..).unwrap_or(&[]).chunks_exact(10).take(POLL_LIMIT).enumerate() {
                let fd = i64::from_le_bytes([
                    entry[0], entry[1], entry[2], entry[3], entry[4], entry[5], entry[6], entry[7],
                ]);
                if let Some(row) = owner.and_then(|owner| self.fd_row(owner, fd)) {
                    push(block, event.row, RefKind::PollFd, at as u16, u64::from(row));
                }
            }
        }
        if self.demand.changes {
            self.tell_changes(event.row, thread, owner, bits, block);
            return;
        }
        if bits & want::STDIO != 0 {
            let mut numbers = vec![0, 1, 2];
            numbers.extend(self.demand.fd_numbers.iter().copied());
            for number in numbers {
                let key = number as u16;
                if let Some(row) = owner.and_then(|owner| self.fd_row(owner, number)) {
                    push(block, event.row, RefKind::FdNumber, key, u64::from(row));
                }
            }
        }
        self.figures(thread, owner, bits, block, |block, kind, key, value| push(block, event.row, kind, key, value));
    }

    /// What can be told of a thread at any event: numbers and leaders.
    #[inline]
    fn figures(
        &mut self,
        thread: ThreadSlot,
        owner: Option<ThreadSlot>,
        bits: u16,
        block: &mut Block,
        mut tell: impl FnMut(&mut Block, RefKind, u16, u64),
    ) {
        if bits & want::FD_KINDS != 0 {
            let kinds = owner.map_or(0, |owner| self.threads.at_mut(owner).fds.kinds());
            tell(block, RefKind::FdKinds, 0, kinds);
        }
        if bits & want::COUNTS != 0 {
            let main = self.threads.main_of(thread);
            let fds = main.map_or(0, |main| self.threads.at(main).fds.len());
            let alive = self.threads.group(thread).map_or(0, |group| group.alive);
            let main_alive = main.is_some_and(|main| !self.threads.at(main).dead);
            tell(block, RefKind::FdCount, 0, fds as u64);
            tell(block, RefKind::Threads, 0, alive as u64);
            tell(block, RefKind::Children, 0, (alive as u64).saturating_sub(u64::from(main_alive)));
        }
        if bits & want::LEADERS != 0 {
            let info = &self.threads.at(thread).info;
            let ids = [
                (RefKind::SessionLeader, info.sid, true),
                (RefKind::VgroupLeader, info.vpgid, true),
                (RefKind::GroupLeader, info.pgid, false),
            ];
            for (kind, id, is_virtual) in ids {
                let leader = self.leader(thread, id, is_virtual, kind);
                let row = leader.map_or(NONE, |leader| self.process_row(leader, block));
                tell(block, kind, 0, u64::from(row));
            }
        }
        if bits & want::MEMORY != 0 {
            let memory = self.threads.at(thread).memory;
            let figures = [memory.size_kb, memory.resident_kb, memory.swap_kb, memory.major, memory.minor];
            for (key, figure) in figures.into_iter().enumerate() {
                tell(block, RefKind::Memory, key as u16, figure);
            }
        }
    }

    /// The same, but only what differs from what was last told of the thread in this block.
    fn tell_changes(&mut self, row: u32, thread: ThreadSlot, owner: Option<ThreadSlot>, bits: u16, block: &mut Block) {
        let number = self.block;
        let mut told = std::mem::take(&mut self.threads.at_mut(thread).told);
        if told.block != number {
            told.block = number;
            told.known = 0;
        }
        let mut place = 0;
        let mut tell = |block: &mut Block, kind: RefKind, key: u16, value: u64| {
            if told.known >> place & 1 == 0 || told.values[place] != value {
                told.known |= 1 << place;
                told.values[place] = value;
                push(block, row, kind, key, value);
            }
            place += 1;
        };
        if bits & want::STDIO != 0 {
            for descriptor in 0..3 {
                let table = owner.and_then(|owner| self.fd_row(owner, i64::from(descriptor))).unwrap_or(NONE);
                tell(block, RefKind::FdNumber, descriptor, u64::from(table));
            }
        }
        self.figures(thread, owner, bits, block, tell);
        self.threads.at_mut(thread).told = told;
    }

    fn param_references(
        &mut self,
        event: &Event<'_>,
        current: &Current,
        thread: Option<ThreadSlot>,
        block: &mut Block,
    ) {
        let own_row = block.fd.get(event.row as usize).copied();
        let params = EVENTS[usize::from(event.ty)].params;
        let container = thread.map(|thread| self.threads.at(thread).info.container_id.clone()).unwrap_or_default();
        for (index, param) in params.iter().enumerate().take(event.params.len()) {
            let key = index as u16;
            match param.ty {
                ParamType::Fd => {
                    let Some(fd) = event.params.i64(index) else { continue };
                    let owner = thread.and_then(|thread| self.threads.fds_of(thread));
                    if let Some(row) = owner.and_then(|owner| self.fd_row(owner, fd)) {
                        // The event's own descriptor needs no reference.
                        if !(self.demand.changes && fd == current.last_fd && own_row == Some(row)) {
                            push(block, event.row, RefKind::ParamFd, key, u64::from(row));
                        }
                    }
                }
                ParamType::Dyn => {
                    // A bpf result is a descriptor or an error by its variant.
                    let bytes = event.params.get(index);
                    let Some((&variant, rest)) = bytes.split_first() else { continue };
                    if param.variants.get(usize::from(variant)).is_some_and(|(ty, _)| *ty == ParamType::Fd) {
                        let Ok(fd) = rest.try_into().map(i64::from_le_bytes) else { continue };
                        let owner = thread.and_then(|thread| self.threads.fds_of(thread));
                        if let Some(row) = owner.and_then(|owner| self.fd_row(owner, fd)) {
                            push(block, event.row, RefKind::ParamFd, key, u64::from(row));
                        }
                    }
                }
                ParamType::Pid => {
                    let Some(found) = event.params.i64(index).and_then(|tid| self.threads.find(tid)) else { continue };
                    let row = self.process_row(found, block);
                    push(block, event.row, RefKind::ParamProcess, key, u64::from(row));
                }
                ParamType::Uid => {
                    let Some(user) = event.params.u32(index).and_then(|uid| self.users.user(&container, uid)) else {
                        continue;
                    };
                    push(block, event.row, RefKind::ParamUser, key, block.users.len() as u64);
                    block.users.push(user);
                }
                ParamType::Gid => {
                    let Some(group) = event.params.u32(index).and_then(|gid| self.users.group(&container, gid)) else {
                        continue;
                    };
                    push(block, event.row, RefKind::ParamGroup, key, block.groups.len() as u64);
                    block.groups.push(group);
                }
                _ => {}
            }
        }
    }

    /// The leader of a session or process group.
    ///
    /// Inside a pid namespace the ids are those of the namespace, so the table cannot be asked: the eldest ancestor
    /// with the same id is taken.
    fn leader(&self, thread: ThreadSlot, id: i64, is_virtual: bool, kind: RefKind) -> Option<ThreadSlot> {
        if id == -1 {
            return None;
        }
        let info = &self.threads.at(thread).info;
        let outside = info.tid == info.vtid && info.pid == info.vpid;
        if (!is_virtual || outside)
            && let Some(found) = self.threads.find(id)
        {
            return Some(found);
        }
        let id_of = |slot: ThreadSlot| {
            let info = &self.threads.at(slot).info;
            match kind {
                RefKind::SessionLeader => info.sid,
                RefKind::VgroupLeader => info.vpgid,
                _ => info.pgid,
            }
        };
        let parent = |slot: ThreadSlot| self.threads.find(self.threads.at(slot).info.ptid);
        let mut eldest = None;
        let mut at = parent(thread);
        // Looks ahead at twice the speed: where it is met the parents run in a circle.
        let mut ahead = at.and_then(parent);
        for _ in 0..MAX_CHAIN {
            let Some(slot) = at.filter(|&slot| self.threads.at(slot).tid != -1 && id_of(slot) == id) else { break };
            eldest = Some(slot);
            at = parent(slot);
            for _ in 0..2 {
                ahead = ahead.and_then(parent);
                if at.is_some() && (ahead == at || at.and_then(parent) == at) {
                    return eldest;
                }
            }
        }
        eldest
    }

    fn cpu_references(&mut self, event: &Event<'_>, thread: Option<ThreadSlot>, block: &mut Block) {
        let (Some(thread), ev::PROCINFO_E) = (thread, event.ty) else { return };
        let thread = self.threads.at_mut(thread);
        let user = event.params.u64(0).unwrap_or(0);
        let system = event.params.u64(1).unwrap_or(0);
        for (key, value) in [user.wrapping_add(system), user, system].into_iter().enumerate() {
            let percent = if thread.last_cpu == 0 { 0 } else { value.wrapping_sub(thread.last_cpu).min(100) };
            thread.last_cpu = value;
            push(block, event.row, RefKind::CpuPercent, key as u16, percent * 1000);
        }
    }

    /// The row of a thread's version in the block being filled.
    #[inline]
    pub(crate) fn process_row(&mut self, slot: ThreadSlot, block: &mut Block) -> u32 {
        let thread = self.threads.at(slot);
        if thread.row_block == self.block && thread.version_epoch == self.epoch && thread.version.is_some() {
            return thread.row;
        }
        let version: Arc<Process> = self.version(slot);
        let row = block.processes.len() as u32;
        block.processes.push(version);
        let number = self.block;
        let thread = self.threads.at_mut(slot);
        thread.row = row;
        thread.row_block = number;
        row
    }

    /// The row of a descriptor in the block being filled.
    #[inline]
    pub(crate) fn fd_row(&mut self, owner: ThreadSlot, fd: i64) -> Option<u32> {
        let number = self.block;
        let slot = self.threads.at_mut(owner).fds.noting(fd)?;
        if slot.block != number {
            slot.block = number;
            slot.row = self.fds.len() as u32;
            self.fds.push(slot.fd.clone());
        }
        Some(slot.row)
    }
}

fn push(block: &mut Block, row: u32, kind: RefKind, key: u16, value: u64) {
    block.refs.push(Ref { row, kind, key, value });
}
