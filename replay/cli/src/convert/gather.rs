//! Gathers events in context from many blocks into full ones.

use std::sync::Arc;

use falco_replay_format::batch::STATE_ONLY;
use falco_replay_format::block::{Block, NONE, Ref, RefKind, mark};

/// Events of a full block.
pub const FULL: usize = 1 << 16;
/// Bytes of parameters after which a block is full too.
pub const FULL_BYTES: usize = 64 << 20;

/// Descriptors 0, 1 and 2.
const STDIO: usize = 3;

/// The block being filled.
#[derive(Debug, Default)]
pub struct Gather {
    block: Block,
    /// Time of the last delivered event that went in, over all blocks of the output.
    previous_ts: Option<u64>,
}

/// For each row of a table of the source its row in the gathered block.
struct Places {
    processes: Vec<u32>,
    fds: Vec<u32>,
}

impl Gather {
    /// Adds some rows of a block, each with whether it is delivered. All blocks that are gathered are of one run, so that
    /// the ids of versions are distinct.
    pub fn add(&mut self, from: &Block, rows: &[(u32, bool)]) {
        let mut places = Places { processes: vec![NONE; from.processes.len()], fds: vec![NONE; from.fds.len()] };
        for &(row, delivered) in rows {
            self.row(from, row as usize, delivered, &mut places);
        }
    }

    /// Whether the block is to be written.
    pub fn is_full(&self) -> bool {
        self.block.len() >= FULL || self.block.batch.data.len() >= FULL_BYTES
    }

    /// The gathered block; a new one begins.
    pub fn take(&mut self) -> Block {
        std::mem::take(&mut self.block)
    }

    /// A new output begins: no event was before.
    pub fn begin_output(&mut self) {
        self.previous_ts = None;
    }

    fn row(&mut self, from: &Block, row: usize, delivered: bool, places: &mut Places) {
        let block = &mut self.block;
        if block.is_empty() {
            block.previous_ts = self.previous_ts;
            block.first_num = from.num(row);
        }
        let new = block.len() as u32;
        block.batch.push_row(&from.batch, row);
        block.nums.push(from.num(row));
        let mut marks = from.marks.get(row).copied().unwrap_or(0) & !mark::DELIVERED;
        if delivered {
            marks |= mark::DELIVERED;
            self.previous_ts = Some(from.batch.ts[row]);
        } else if from.delivered(row)
            && let Some(flags) = block.batch.flags.last_mut()
        {
            *flags |= STATE_ONLY;
        }
        block.marks.push(marks);
        let (process, fd) =
            (process_row(block, from, from.process[row], places), fd_row(block, from, from.fd[row], places));
        block.process.push(process);
        block.fd.push(fd);
        block.fd_num.push(from.fd_num[row]);
        if delivered {
            let mut stdio = [false; STDIO];
            for reference in from.refs(row) {
                if reference.kind == RefKind::FdNumber
                    && let Some(told) = stdio.get_mut(usize::from(reference.key))
                {
                    *told = true;
                }
                let value = moved(block, from, reference, places);
                block.refs.push(Ref { row: new, value, ..*reference });
            }
            // Stored is what differs from the event before, so that nothing is there must be told, too.
            let missing = (0..STDIO as u16).filter(|&key| process != NONE && !stdio[usize::from(key)]);
            let none = |key| Ref { row: new, kind: RefKind::FdNumber, key, value: u64::from(NONE) };
            block.refs.extend(missing.map(none));
        }
        if let Some(world) = from.world(row)
            && block.worlds.last().is_none_or(|(_, last)| !Arc::ptr_eq(last, world))
        {
            block.worlds.push((new, world.clone()));
        }
    }
}

fn process_row(block: &mut Block, from: &Block, row: u32, places: &mut Places) -> u32 {
    let (Some(place), Some(version)) = (places.processes.get_mut(row as usize), from.processes.get(row as usize))
    else {
        return NONE;
    };
    if *place == NONE {
        *place = block.processes.len() as u32;
        block.processes.push(version.clone());
    }
    *place
}

fn fd_row(block: &mut Block, from: &Block, row: u32, places: &mut Places) -> u32 {
    let (Some(place), Some(version)) = (places.fds.get_mut(row as usize), from.fds.get(row as usize)) else {
        return NONE;
    };
    if *place == NONE {
        *place = block.fds.len() as u32;
        block.fds.push(version.clone());
    }
    *place
}

/// The value of a reference in the gathered block.
fn moved(block: &mut Block, from: &Block, reference: &Ref, places: &mut Places) -> u64 {
    let row = reference.value as u32;
    let at = reference.value as usize;
    let add = |len: usize, found: bool| if found { len as u64 } else { u64::from(NONE) };
    match reference.kind {
        RefKind::ParamFd | RefKind::FdNumber | RefKind::PollFd => u64::from(fd_row(block, from, row, places)),
        RefKind::ParamProcess | RefKind::SessionLeader | RefKind::VgroupLeader | RefKind::GroupLeader => {
            u64::from(process_row(block, from, row, places))
        }
        RefKind::ParamUser => {
            let (len, found) = (block.users.len(), from.users.get(at));
            block.users.extend(found.cloned());
            add(len, found.is_some())
        }
        RefKind::ParamGroup => {
            let (len, found) = (block.groups.len(), from.groups.get(at));
            block.groups.extend(found.cloned());
            add(len, found.is_some())
        }
        RefKind::EventContainer => {
            let (len, found) = (block.containers.len(), from.containers.get(at));
            block.containers.extend(found.cloned());
            add(len, found.is_some())
        }
        RefKind::FdKinds
        | RefKind::FdCount
        | RefKind::Threads
        | RefKind::Children
        | RefKind::Memory
        | RefKind::CpuPercent => reference.value,
    }
}
