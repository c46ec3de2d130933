//! The pass that writes: heads and events in turn, changed, put into context, cut and split as asked.

use std::ops::Range;

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::{FileAbout, OwnEvent, Totals};
use falco_replay_format::lists::Head;
use falco_replay_state::{Refused, State};

use super::edit::Edit;
use super::form::Form;
use super::gather::{FULL, FULL_BYTES};
use super::output::{Made, Output, event_size};
use super::survey::{Criteria, Kept};

/// Events that the state code is given at once where a new part may begin at any of them.
const STEP: usize = 4096;

/// What is to be done with the events.
#[derive(Debug, Clone, Copy, Default)]
pub struct Work {
    /// Whether only some events are kept.
    pub is_cut: bool,
    /// Whether contexts are taken as they were stored.
    pub stored_contexts: bool,
}

/// What nothing needs.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unneeded {
    /// Threads of snapshots.
    pub threads: u64,
    /// Containers of snapshots.
    pub containers: u64,
}

/// The writing pass over one or several inputs.
pub struct Writing {
    output: Output,
    edit: Edit,
    work: Work,
    /// `None` where events are only passed on.
    state: Option<State>,
    /// Where the input is cut: what is kept of its sections still to come.
    plan: Option<std::vec::IntoIter<Kept>>,
    section: Section,
    /// Number of the last event.
    num: u64,
    /// Number of the last event of the inputs before.
    num_base: u64,
    /// Events that were read and not yet put into context: blocks of a file have more than what is read at once.
    waiting: EventBatch,
    /// Memory to be used again.
    spare: Block,
    unneeded: Unneeded,
    totals: Totals,
}

/// The section at hand.
struct Section {
    /// What is kept of it, where it is cut.
    kept: Option<Kept>,
    /// Its head, as long as it was not written.
    head: Option<Head>,
    /// Place of the next event.
    place: u64,
}

impl Default for Section {
    fn default() -> Self {
        // An input that gives events before any head is damaged; they are kept all the same.
        Section { kept: None, head: Some(Head::default()), place: 0 }
    }
}

impl Section {
    /// Place of the first event that belongs into the output.
    fn start(&self) -> Option<u64> {
        match &self.kept {
            None => Some(0),
            // Events of a silent start go with the head as it was.
            Some(kept) => kept.first.map(|_| if kept.start <= kept.opening { 0 } else { kept.start }),
        }
    }

    fn is_over(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.first.is_none() || self.place > kept.last)
    }

    /// Whether the event at `place` is one of those that were asked for.
    fn keeps(&self, place: u64) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.holds(place))
    }
}

/// Numbers of events.
enum Numbers {
    /// One after the other.
    Next,
    /// As stored.
    Stored { first: u64, nums: Vec<u64> },
}

impl Writing {
    /// A pass that writes to `output`.
    pub fn new(output: Output, edit: Edit, work: Work) -> Writing {
        let demand = match output.form() {
            Form::Scap(_) => Demand::default(),
            _ if work.stored_contexts => Demand::default(),
            // Rows that are left out must not take with them what was told for those that follow.
            Form::Fcap if work.is_cut => Demand::everything(),
            Form::Fcap => Demand::stored(),
        };
        let works_out = output.form() == Form::Fcap && !work.stored_contexts;
        let mut state = (works_out || work.is_cut || output.split().is_wanted()).then(|| State::new(demand));
        if let Some(state) = state.as_mut().filter(|_| work.is_cut) {
            state.watch();
        }
        Writing {
            output,
            edit,
            work,
            state,
            plan: None,
            section: Section::default(),
            num: 0,
            num_base: 0,
            waiting: EventBatch::default(),
            spare: Block::default(),
            unneeded: Unneeded::default(),
            totals: Totals { complete: true, ..Totals::default() },
        }
    }

    /// Another input begins. `plan`: what is kept of each of its sections.
    pub fn input(&mut self, plan: Option<Vec<Kept>>) -> anyhow::Result<()> {
        self.work_off()?;
        self.num_base = self.num;
        self.plan = plan.map(Vec::into_iter);
        self.section = Section::default();
        Ok(())
    }

    /// A section begins.
    pub fn head(&mut self, mut head: Head) -> anyhow::Result<()> {
        self.work_off()?;
        self.edit.head(&mut head);
        if let Some(state) = &mut self.state {
            state.start(&head);
        }
        let mut kept = self.plan.as_mut().map(|plan| plan.next().unwrap_or_default());
        if let Some(kept) = &mut kept {
            kept.needed.rename_containers(|id| self.edit.container_id(id));
        }
        self.section = Section { kept, head: Some(head), place: 0 };
        Ok(())
    }

    /// Takes events of a `.scap`; gives memory back.
    pub fn events(&mut self, batch: EventBatch) -> anyhow::Result<EventBatch> {
        let mut batch = if self.edit.is_wanted() { self.edit.batch(batch) } else { batch };
        if self.state.is_none() || self.work.is_cut || self.output.split().is_wanted() {
            return self.pieces(batch, &Numbers::Next);
        }
        let bytes = self.waiting.data.len() + batch.data.len() + batch.converted.len();
        if self.waiting.len() + batch.len() > FULL || bytes > FULL_BYTES {
            self.work_off()?;
        }
        if self.waiting.is_empty() {
            std::mem::swap(&mut self.waiting, &mut batch);
        } else {
            self.waiting.append(&batch);
        }
        Ok(batch)
    }

    /// Takes a block of an `.fcap`.
    pub fn block(&mut self, mut block: Block) -> anyhow::Result<()> {
        self.work_off()?;
        if self.edit.is_wanted() {
            block.batch = self.edit.batch(std::mem::take(&mut block.batch));
        }
        if self.work.stored_contexts {
            return self.stored(block);
        }
        let numbers = Numbers::Stored { first: block.first_num, nums: std::mem::take(&mut block.nums) };
        self.pieces(block.batch, &numbers).map(drop)
    }

    /// Takes events of falco-replay's own: those of the time that is asked for.
    pub fn own_events(&mut self, events: Vec<OwnEvent>, criteria: Option<&Criteria>) -> anyhow::Result<()> {
        self.work_off()?;
        let window = criteria.and_then(|criteria| criteria.window);
        for event in events {
            if window.is_none_or(|window| window.holds(event.ts)) && self.edit.keeps(&event) {
                self.output.own_event(event)?;
            }
        }
        Ok(())
    }

    /// Takes over what an `.fcap` says of itself.
    pub fn about(&mut self, about: &FileAbout) {
        let mut about = about.clone();
        self.edit.about(&mut about);
        self.output.set_about(about);
    }

    /// Writes what waits and ends the output.
    pub fn finish(mut self, complete: bool) -> anyhow::Result<(Made, Edit, Unneeded)> {
        self.work_off()?;
        self.totals.complete &= complete;
        let totals = self.totals();
        Ok((self.output.finish(&totals)?, self.edit, self.unneeded))
    }

    /// What is said of the sources so far.
    pub fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    /// What an `.fcap` says of itself goes on with its events.
    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    fn totals(&self) -> Totals {
        let refused = self.state.as_ref().map_or(Refused::default(), State::refused);
        let mut totals = self.totals.clone();
        totals.refused_threads = totals.refused_threads.max(refused.threads);
        totals.refused_fds = totals.refused_fds.max(refused.fds);
        totals
    }

    /// Puts the events that wait into context and writes them.
    fn work_off(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.waiting);
        self.waiting = self.pieces(batch, &Numbers::Next)?;
        self.waiting.clear();
        Ok(())
    }

    /// Events without contexts, in pieces, so that the state is known wherever a head has to be taken.
    fn pieces(&mut self, batch: EventBatch, numbers: &Numbers) -> anyhow::Result<EventBatch> {
        let rows = batch.len();
        let mut from = 0;
        while from < rows {
            self.begin(&batch, from)?;
            let to = self.next_stop(&batch, from);
            if from == 0 && to == rows {
                return self.run(batch, 0..rows, numbers);
            }
            self.run(batch.copy(from..to), from..to, numbers)?;
            from = to;
        }
        Ok(batch)
    }

    /// A block in the contexts that were stored.
    fn stored(&mut self, block: Block) -> anyhow::Result<()> {
        let rows = block.len();
        if rows == 0 {
            return Ok(());
        }
        self.num = block.num(rows - 1);
        if self.state.is_none() {
            self.begin(&block.batch, 0)?;
            self.section.place += rows as u64;
            return self.output.whole(block).map(drop);
        }
        let mut from = 0;
        while from < rows {
            self.begin(&block.batch, from)?;
            let to = self.next_stop(&block.batch, from);
            if !self.section.is_over()
                && let Some(state) = &mut self.state
            {
                // The state is only followed.
                let followed = state.apply(block.batch.copy(from..to), std::mem::take(&mut self.spare));
                let kept = self.choose(&followed, from);
                self.output.rows(&block, &kept)?;
                self.spare = followed;
            }
            self.section.place += (to - from) as u64;
            from = to;
        }
        Ok(())
    }

    /// Events without contexts; gives memory back.
    fn run(&mut self, batch: EventBatch, range: Range<usize>, numbers: &Numbers) -> anyhow::Result<EventBatch> {
        let place = self.section.place;
        let over = self.section.is_over();
        self.section.place += range.len() as u64;
        let spare = std::mem::take(&mut self.spare);
        let mut block = match &mut self.state {
            None => Block { batch, ..spare },
            Some(_) if over => {
                self.spare = spare;
                self.num = numbers.last(&range, self.num, self.num_base);
                return Ok(batch);
            }
            Some(state) => state.apply(batch, spare),
        };
        numbers.give(&mut block, &range, self.num, self.num_base);
        self.num = numbers.last(&range, self.num, self.num_base);
        let written = if self.work.is_cut {
            let kept = self.choose_from(&block, 0, place);
            self.output.rows(&block, &kept)?;
            block
        } else {
            self.output.whole(block)?.unwrap_or_default()
        };
        let (batch, spare) = written.recycle();
        self.spare = spare;
        Ok(batch)
    }

    fn choose(&self, block: &Block, offset: usize) -> Vec<(u32, bool)> {
        self.choose_from(block, offset, self.section.place)
    }

    /// The rows of a block that are kept, each with whether it is delivered. `offset`: is added to their numbers; `place`:
    /// of the first.
    fn choose_from(&self, block: &Block, offset: usize, place: u64) -> Vec<(u32, bool)> {
        let number = |row: usize| (offset + row) as u32;
        let Some(kept) = &self.section.kept else {
            return (0..block.len()).map(|row| (number(row), block.delivered(row))).collect();
        };
        let mut changed = vec![false; block.len()];
        if let Some(changes) = self.state.as_ref().and_then(State::changes) {
            let threads = changes.threads.iter().filter(|(_, tid)| kept.needed.thread(*tid)).map(|(row, _)| *row);
            let containers = changes.containers.iter().filter(|(_, id)| kept.needed.container(id)).map(|(row, _)| *row);
            threads.chain(containers).for_each(|row| changed[row as usize] = true);
        }
        let within = self.section.start().unwrap_or(u64::MAX)..=kept.last;
        (0..block.len())
            .filter_map(|row| {
                let place = place + row as u64;
                let asked_for = kept.holds(place);
                (asked_for || changed[row] && within.contains(&place)).then_some((number(row), asked_for))
            })
            .collect()
    }

    /// Before an event: hands over the head that it begins a section or a part with.
    fn begin(&mut self, batch: &EventBatch, row: usize) -> anyhow::Result<()> {
        if self.section.is_over() {
            return Ok(());
        }
        let place = self.section.place;
        let is_due = self.section.keeps(place) && self.output.is_due(batch.ts[row], event_size(batch, row));
        let head = match self.section.head.take() {
            head @ Some(_) if self.section.start() != Some(place) => {
                self.section.head = head;
                return Ok(());
            }
            Some(head) if place == 0 => Some(self.needed_of(head)),
            Some(_) => self.head_here(),
            // The silent start of a section is not taken apart.
            None if is_due => self.head_here().filter(|head| head.exact.is_some()),
            None => None,
        };
        let Some(head) = head else { return Ok(()) };
        if is_due {
            let totals = self.totals();
            self.output.end_part(&totals)?;
        }
        self.output.head(head)
    }

    /// The state of this moment, as far as it is needed.
    fn head_here(&mut self) -> Option<Head> {
        let head = self.state.as_ref()?.head();
        Some(self.needed_of(head))
    }

    fn needed_of(&mut self, mut head: Head) -> Head {
        let Some(Kept { needed, .. }) = &self.section.kept else { return head };
        let before = head.threads.len();
        let keep: Vec<bool> = head.threads.iter().map(|thread| needed.thread(thread.tid)).collect();
        let keep_fds: Vec<bool> = head.fds.iter().map(|(tid, _)| needed.thread(*tid)).collect();
        retain(&mut head.threads, &keep);
        retain(&mut head.fds, &keep_fds);
        self.unneeded.threads += (before - head.threads.len()) as u64;
        if let Some(exact) = &mut head.exact {
            retain(&mut exact.threads, &keep);
            retain(&mut exact.fds, &keep_fds);
            let before = exact.containers.len();
            exact.containers.retain(|container| needed.container(&container.id));
            self.unneeded.containers += (before - exact.containers.len()) as u64;
            exact.users.retain(|(id, _)| needed.container(id));
            exact.groups.retain(|(id, _)| needed.container(id));
            exact.exits.retain(|(_, ptid, tid)| needed.thread(*ptid) || needed.thread(*tid));
        }
        head
    }

    /// The row before which something has to be done: the first of the cut, or one that may begin a part.
    fn next_stop(&self, batch: &EventBatch, from: usize) -> usize {
        let mut to = batch.len();
        if self.section.head.is_some()
            && let Some(start) = self.section.start()
        {
            let ahead = usize::try_from(start.saturating_sub(self.section.place)).unwrap_or(usize::MAX);
            to = to.min(from.saturating_add(ahead.max(1)));
        }
        if !self.output.split().is_wanted() {
            return to;
        }
        // The part so far and what is gathered here decide where the next begins.
        to = to.min(from + STEP);
        let mut size = 0;
        for row in from..to {
            if self.section.keeps(self.section.place + (row - from) as u64) {
                size += event_size(batch, row);
                if row > from && self.output.is_due(batch.ts[row], size) {
                    return row;
                }
            }
        }
        to
    }
}

impl Numbers {
    /// Gives the events of a block, those at `range` of what was read, their numbers.
    fn give(&self, block: &mut Block, range: &Range<usize>, last: u64, base: u64) {
        block.nums.clear();
        block.first_num = match self {
            Numbers::Next => last + 1,
            Numbers::Stored { first, nums } => {
                block.nums.extend(nums.get(range.clone()).unwrap_or_default().iter().map(|num| base + num));
                block.nums.first().copied().unwrap_or(base + first + range.start as u64)
            }
        };
    }

    /// The number of the last of the events at `range`.
    fn last(&self, range: &Range<usize>, last: u64, base: u64) -> u64 {
        match self {
            Numbers::Next => last + range.len() as u64,
            Numbers::Stored { first, nums } => match range.end.checked_sub(1) {
                Some(at) => base + nums.get(at).copied().unwrap_or(first + at as u64),
                None => last,
            },
        }
    }
}

fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    list.retain(|_| keep.next().copied().unwrap_or(true));
}
