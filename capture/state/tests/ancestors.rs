//! Walks over ancestors give what Falco's walks over its thread table give, circles of parents included, whichever
//! threads were asked for first. Facts: state §3.

#![allow(clippy::unwrap_used, reason = "tests may panic")]

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::{Block, Process};
use falco_replay_format::demand::Demand;
use falco_replay_format::lists::{Head, Text, ThreadEntry};
use falco_replay_format::schema::{EVENTS, ev};
use falco_replay_state::State;

const FIRST: i64 = 11;
const THREADS: usize = 4;

/// A thread as listed.
#[derive(Debug, Clone, Copy)]
struct Listed {
    tid: i64,
    pid: i64,
    ptid: i64,
}

fn entry(listed: &Listed) -> ThreadEntry {
    let empty = Text::from(&b""[..]);
    ThreadEntry {
        tid: listed.tid,
        pid: listed.pid,
        ptid: listed.ptid,
        sid: 0,
        vpgid: 0,
        pgid: 0,
        comm: listed.tid.to_string().as_bytes().into(),
        exe: empty.clone(),
        exepath: empty.clone(),
        args: empty.clone(),
        cwd: empty.clone(),
        fdlimit: 0,
        flags: 0,
        uid: 0,
        gid: 0,
        vmsize_kb: 0,
        vmrss_kb: 0,
        vmswap_kb: 0,
        pfmajor: 0,
        pfminor: 0,
        env: empty.clone(),
        vtid: listed.tid,
        vpid: listed.pid,
        cgroups: empty.clone(),
        root: empty,
        pidns_init_start_ts: 0,
        tty: 0,
        loginuid: 0,
        exe_writable: false,
        exe_upper_layer: false,
        exe_lower_layer: false,
        exe_from_memfd: false,
        cap_inheritable: 0,
        cap_permitted: 0,
        cap_effective: 0,
        exe_ino: 0,
        exe_ino_ctime: 0,
        exe_ino_mtime: 0,
    }
}

/// An event of each of these threads, in this order.
fn events(tids: &[i64]) -> EventBatch {
    let count = EVENTS[usize::from(ev::SYSCALL_CLOSE_X)].params.len();
    let mut batch = EventBatch::default();
    for &tid in tids {
        batch.ts.push(1);
        batch.tid.push(tid);
        batch.ty.push(ev::SYSCALL_CLOSE_X);
        batch.cpu.push(0);
        batch.flags.push(0);
        batch.nparams.push(count as u8);
        batch.offset.push(batch.data.len() as u32);
        batch.data.extend(vec![0; 2 * count]);
    }
    batch
}

/// The thread table as Falco walks it.
struct Table(Vec<Listed>);

impl Table {
    fn find(&self, tid: i64) -> Option<Listed> {
        self.0.iter().copied().find(|listed| listed.tid == tid)
    }

    fn main(&self, listed: Listed) -> Option<Listed> {
        self.find(listed.pid)
    }

    fn ancestor(&self, listed: Listed, n: usize) -> Option<i64> {
        let mut at = self.main(listed)?;
        for _ in 0..n {
            at = self.main(self.find(at.ptid)?)?;
        }
        Some(at.tid)
    }

    /// One pointer goes up by one thread, another by two; where they meet there is a circle.
    fn ancestors(&self, listed: Listed) -> Vec<i64> {
        let parent = |at: Option<Listed>| at.and_then(|at| self.find(at.ptid));
        let tid = |at: Option<Listed>| at.map(|at| at.tid);
        let mut slow = parent(self.main(listed));
        let mut fast = parent(slow);
        let mut seen = Vec::new();
        while let Some(at) = slow {
            seen.push(at.tid);
            slow = parent(slow);
            for _ in 0..2 {
                fast = parent(fast);
                if slow.is_some_and(|slow| Some(slow.tid) == tid(fast) || slow.tid == slow.ptid) {
                    return seen;
                }
            }
        }
        seen
    }
}

fn orders(tids: &[i64]) -> Vec<Vec<i64>> {
    if tids.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |at: usize| {
        let mut rest = tids.to_vec();
        let first = rest.remove(at);
        orders(&rest).into_iter().map(move |rest| [vec![first], rest].concat())
    };
    (0..tids.len()).flat_map(with_first).collect()
}

fn tids<'a>(processes: impl Iterator<Item = &'a Process>) -> Vec<i64> {
    processes.map(|process| process.info.tid).collect()
}

#[test]
fn walks_are_those_of_falco_over_any_parents() {
    let all: Vec<i64> = (FIRST..).take(THREADS).collect();
    let orders = orders(&all);
    // Parents of each thread: one of the threads, or one that is not known. Which of them belong to the first process.
    for number in 0..(THREADS + 1).pow(THREADS as u32) << (THREADS - 1) {
        let (members, mut parents) = (number & ((1 << (THREADS - 1)) - 1), number >> (THREADS - 1));
        let mut listed: Vec<Listed> = Vec::new();
        for &tid in &all {
            let place = (tid - FIRST) as usize;
            let member = place > 0 && members >> (place - 1) & 1 == 1;
            let parent = parents % (THREADS + 1);
            parents /= THREADS + 1;
            if member && parent > 0 {
                // The threads of a process have one parent: counted once.
                listed.clear();
                break;
            }
            let ptid = if parent == THREADS { 0 } else { all[parent] };
            let main = Listed { tid, pid: tid, ptid };
            listed.push(if member { Listed { tid, ..listed[0] } } else { main });
        }
        if listed.is_empty() {
            continue;
        }
        let head = Head { threads: listed.iter().map(entry).collect(), ..Head::default() };
        let table = Table(listed.clone());
        for order in &orders {
            let mut state = State::new(Demand::default());
            state.start(&head);
            let block = state.apply(events(order), Block::default());
            for (row, &tid) in order.iter().enumerate() {
                let process = block.process(row).unwrap();
                let own = table.find(tid).unwrap();
                let case = format!("{tid} in {listed:?}, asked in order {order:?}");
                assert_eq!(tids(process.ancestors()), table.ancestors(own), "ancestors of {case}");
                for n in 0..10 {
                    let found = process.ancestor(n).map(|found| found.info.tid);
                    assert_eq!(found, table.ancestor(own, n), "number {n} above {case}");
                }
            }
        }
    }
}
