//! The first pass over an input that is cut: which events are kept, and what those need.

use std::collections::HashMap;

use falco_replay_engine::filter::Filter;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::schema::{describes_start, ev};
use falco_replay_state::State;

use super::needs::{self, Needed, Needs, Seen};
use super::source::{Source, SourceError, Step};
use crate::interrupt::Interrupt;
use crate::window::Window;

/// Which events are kept.
pub struct Criteria {
    /// Those that pass this condition.
    pub filter: Option<Filter>,
    /// Those within this span of time.
    pub window: Option<Window>,
    /// How values are made for the condition.
    pub rendering: Rendering,
}

impl Criteria {
    fn holds(&self, block: &Block, row: usize) -> bool {
        block.delivered(row)
            && self.window.is_none_or(|window| window.holds(block.batch.ts[row]))
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&View::new(block, row, &self.rendering)))
    }
}

/// What is kept of a section.
#[derive(Debug, Default)]
pub struct Kept {
    /// A bit for each event.
    bits: Vec<u64>,
    /// Its events.
    pub events: u64,
    /// Place of the first event that is kept.
    pub first: Option<u64>,
    /// Place from which on events are looked at: at the first that is kept or a little before.
    pub start: u64,
    /// Place of the last.
    pub last: u64,
    /// Events of its silent start.
    pub opening: u64,
    /// What the kept events need.
    pub needed: Needed,
}

impl Kept {
    /// Whether the event at this place is kept.
    #[inline]
    pub fn holds(&self, place: u64) -> bool {
        self.bits.get((place / 64) as usize).is_some_and(|bits| bits >> (place % 64) & 1 != 0)
    }

    fn keep(&mut self, place: u64) {
        let word = (place / 64) as usize;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (place % 64);
        self.first.get_or_insert(place);
        self.last = place;
    }
}

/// Reads an input to its end, or as far as it is sound: what is kept of each of its sections. Damage is no error here: it is
/// said when the events are written.
///
/// # Errors
/// When the user wants no more.
pub fn survey(
    source: Source,
    criteria: &Criteria,
    interrupt: &Interrupt,
    mut progress: impl FnMut(),
) -> Result<Vec<Kept>, SourceError> {
    let mut source = source.within(criteria.window);
    let mut demand = Demand::default();
    needs::ask(&mut demand);
    if let Some(filter) = &criteria.filter {
        filter.ask(&mut demand);
    }
    let mut state = State::new(demand);
    state.watch();
    let mut kept = Vec::new();
    let mut section: Option<Section> = None;
    let mut spare = EventBatch::default();
    let mut memory = Block::default();
    loop {
        progress();
        let (batch, stored) = match source.next(std::mem::take(&mut spare), interrupt) {
            Ok(Step::Head(head)) => {
                kept.extend(section.take().map(Section::close));
                state.start(&head);
                section = Some(Section { is_opening: head.exact.is_none(), ..Section::default() });
                continue;
            }
            Ok(Step::Events(batch)) => (batch, None),
            Ok(Step::Own(_)) => continue,
            Ok(Step::Block(mut block)) => (std::mem::take(&mut block.batch), Some(block)),
            Err(error) if error.is_interrupt() => return Err(error),
            Ok(Step::End) | Err(_) => break,
        };
        let section = section.get_or_insert_default();
        let mut block = state.apply(batch, memory);
        if let Some(changes) = state.changes() {
            section.needs.link(changes);
        }
        memory = Block::default();
        match stored {
            None => {
                section.add(&block, criteria);
                let (batch, rest) = block.recycle();
                (spare, memory) = (batch, rest);
            }
            Some(mut stored) => {
                // The contexts that were stored are those that count.
                stored.batch = std::mem::take(&mut block.batch);
                section.add(&stored, criteria);
                spare = std::mem::take(&mut stored.batch);
            }
        }
    }
    kept.extend(section.map(Section::close));
    Ok(kept)
}

#[derive(Debug, Default)]
struct Section {
    kept: Kept,
    needs: Needs,
    is_opening: bool,
    /// Threads whose clone event was seen on the side of the caller alone: place and time of that.
    unborn: HashMap<i64, (u64, u64)>,
}

/// How long the two sides of a clone can lie apart.
const SAME_CLONE_NS: u64 = 2_000_000_000;

impl Section {
    fn add(&mut self, block: &Block, criteria: &Criteria) {
        let mut seen = Seen::of(block);
        for row in 0..block.len() {
            let place = self.kept.events;
            self.kept.events += 1;
            if self.is_opening {
                self.is_opening = !block.delivered(row) && describes_start(block.batch.ty[row]);
                self.kept.opening += u64::from(self.is_opening);
            }
            let is_first = self.kept.first.is_none();
            if criteria.holds(block, row) {
                if is_first {
                    self.kept.start = self.start(place, block.batch.ts[row]);
                }
                self.kept.keep(place);
                self.needs.event(block, row, &mut seen);
            }
            if is_first {
                self.note_birth(block, row, place);
            }
        }
    }

    /// Where the capture is cut. A snapshot between the two sides of a clone could not say that they belong together: a
    /// `.scap` has no time for its threads. So it is taken before the first.
    fn start(&self, first: u64, ts: u64) -> u64 {
        let recent = self.unborn.values().filter(|(_, then)| ts.saturating_sub(*then) < SAME_CLONE_NS);
        recent.map(|(place, _)| *place).min().unwrap_or(first)
    }

    fn note_birth(&mut self, block: &Block, row: usize, place: u64) {
        let batch = &block.batch;
        if !self.unborn.is_empty() {
            self.unborn.remove(&batch.tid[row]);
        }
        let is_clone = matches!(
            batch.ty[row],
            ev::SYSCALL_CLONE_20_X | ev::SYSCALL_CLONE3_X | ev::SYSCALL_FORK_20_X | ev::SYSCALL_VFORK_20_X
        );
        if let Some(child) = is_clone.then(|| batch.params(row).i64(0)).flatten().filter(|&child| child > 0) {
            self.unborn.insert(child, (place, batch.ts[row]));
        }
    }

    fn close(self) -> Kept {
        Kept { needed: self.needs.close(), ..self.kept }
    }
}
