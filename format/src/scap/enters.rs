//! The last enter event of each thread, for captures that have enter events.

use std::collections::VecDeque;
use std::mem::size_of;

use hashbrown::HashMap;

use crate::batch::Params;

/// Most memory that remembered enter events take, in bytes. A limit of this reader: beyond it the oldest are forgotten.
pub(crate) const MAX_BYTES: usize = 64 << 20;
/// Emptied events kept for reuse.
const MAX_SPARE: usize = 64;
/// Largest emptied event worth keeping.
const MAX_SPARE_BYTES: usize = 4096;

/// An event taken apart: its type and parameters, free of widths and limits.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub ty: u16,
    /// End of each parameter in `bytes`.
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Parts {
    pub fn load(&mut self, ty: u16, params: Params<'_>) {
        self.clear(ty);
        for value in params.iter() {
            self.push(value);
        }
    }

    pub fn clear(&mut self, ty: u16) {
        self.ty = ty;
        self.ends.clear();
        self.bytes.clear();
    }

    pub fn copy_from(&mut self, other: &Parts) {
        self.ty = other.ty;
        self.ends.clone_from(&other.ends);
        self.bytes.clone_from(&other.bytes);
    }

    pub fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        // An event has at most MAX_BLOCK bytes and is not converted beyond 64 KiB, so this never saturates.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all parameters.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        self.bytes.get(start..end)
    }

    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index).unwrap_or(&[]))
    }

    /// Memory held, with a share of the tables around it.
    fn cost(&self) -> usize {
        const SLOT: usize = 2 * (size_of::<Slot>() + size_of::<i64>()) + 2 * size_of::<(u64, i64)>();
        self.bytes.capacity() + self.ends.capacity() * size_of::<u32>() + SLOT
    }
}

#[derive(Debug)]
struct Slot {
    /// When it was stored, as a count of stores.
    when: u64,
    event: Parts,
}

/// One enter event a thread, the newest; bounded in memory.
#[derive(Debug)]
pub(super) struct Enters {
    slots: HashMap<i64, Slot, foldhash::fast::RandomState>,
    /// Stores in order, also those that are gone from `slots`.
    order: VecDeque<(u64, i64)>,
    stores: u64,
    cost: usize,
    limit: usize,
    spare: Vec<Parts>,
    /// Events forgotten to keep the limit.
    pub evictions: u64,
}

impl Enters {
    pub fn new(limit: usize) -> Self {
        Enters {
            slots: HashMap::default(),
            order: VecDeque::new(),
            stores: 0,
            cost: 0,
            limit,
            spare: Vec::new(),
            evictions: 0,
        }
    }

    pub fn clear(&mut self) {
        self.slots.clear();
        self.order.clear();
        self.cost = 0;
    }

    pub fn get(&self, tid: i64) -> Option<&Parts> {
        self.slots.get(&tid).map(|slot| &slot.event)
    }

    pub fn put(&mut self, tid: i64, event: &Parts) {
        self.remove(tid);
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.copy_from(event);
        self.stores += 1;
        self.cost += copy.cost();
        self.slots.insert(tid, Slot { when: self.stores, event: copy });
        self.order.push_back((self.stores, tid));
        while self.cost > self.limit {
            let Some((when, tid)) = self.order.pop_front() else { break };
            if self.slots.get(&tid).is_some_and(|slot| slot.when == when) {
                self.remove(tid);
                self.evictions += 1;
            }
        }
        // Without this an event that is never taken would keep every later store in the queue.
        if self.order.len() > 2 * self.slots.len() + 1024 {
            self.order.retain(|(when, tid)| self.slots.get(tid).is_some_and(|slot| slot.when == *when));
        }
    }

    pub fn remove(&mut self, tid: i64) {
        let Some(slot) = self.slots.remove(&tid) else { return };
        self.cost -= slot.event.cost();
        if self.spare.len() < MAX_SPARE && slot.event.bytes.capacity() <= MAX_SPARE_BYTES {
            self.spare.push(slot.event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(ty: u16, value: &[u8]) -> Parts {
        let mut parts = Parts::default();
        parts.clear(ty);
        parts.push(value);
        parts
    }

    #[test]
    fn newest_of_a_thread_wins_and_is_taken_once() {
        let mut enters = Enters::new(MAX_BYTES);
        enters.put(7, &parts(4, b"a"));
        enters.put(7, &parts(6, b"bc"));
        assert_eq!(enters.get(7).map(|event| event.ty), Some(6));
        assert_eq!(enters.get(7).and_then(|event| event.get(0)), Some(&b"bc"[..]));
        enters.remove(7);
        assert!(enters.get(7).is_none());
        assert_eq!(enters.cost, 0);
    }

    #[test]
    fn memory_stays_below_the_limit_and_the_oldest_go_first() {
        let mut enters = Enters::new(100_000);
        for tid in 0..1000 {
            enters.put(tid, &parts(4, &[0; 1000]));
            assert!(enters.cost <= 100_000);
        }
        assert!(enters.get(0).is_none());
        assert!(enters.get(999).is_some());
        assert_eq!(enters.evictions as usize, 1000 - enters.slots.len());
    }

    #[test]
    fn the_order_queue_does_not_grow_behind_a_stuck_event() {
        let mut enters = Enters::new(MAX_BYTES);
        enters.put(1, &parts(4, b"stuck"));
        for _ in 0..100_000 {
            enters.put(2, &parts(4, b"x"));
            enters.remove(2);
        }
        assert!(enters.order.len() < 5000);
        assert!(enters.get(1).is_some());
    }
}
