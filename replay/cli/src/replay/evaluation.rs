//! What is done with each block: events are looked for, and what is found is written as bytes.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicU64, Ordering};

use falco_replay_engine::alert::Alerts;
use falco_replay_engine::evaluate::{Engine, Match, StoredMatches, Worker};
use falco_replay_engine::filter::Filter;
use falco_replay_engine::prune::Pruner;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::block::{Block, mark};
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::Decoder;
use falco_replay_format::schema::ev;

use super::lines::Lines;
use super::subject::Subject;
use crate::output::OutputFormat;
use crate::window::Window;

/// Everything that a replay evaluates with; shared by all threads.
pub struct Evaluation {
    /// What is looked for.
    pub search: Search,
    /// How values are printed.
    pub rendering: Rendering,
    /// Of what matches, only events that pass count.
    pub filter: Option<Filter>,
    /// Only events within count.
    pub window: Option<Window>,
    /// How what is found is written.
    pub writing: Writing,
    /// Whether it says which capture and event it is of.
    pub with_origin: bool,
    /// How many matches of a rule are written.
    pub limit: Option<Limit>,
    /// Which matches of a block are handed on; all are counted.
    pub keep: Keep,
    /// When container metadata of the whole capture are needed.
    pub joining: Joining,
    /// What tells from an index that a block cannot match: each of them must leave it open.
    pub pruners: Vec<Pruner>,
}

/// What is looked for.
pub enum Search {
    /// Events that match the rules of a program.
    Rules(Box<Engine>),
    /// Every delivered event, or those that pass a condition.
    Events(Option<Filter>),
}

/// How what is found is written.
pub enum Writing {
    /// Not at all: it is only counted.
    Nothing,
    /// As the alerts of its rule.
    Alerts(Box<Alerts>, OutputFormat),
    /// As lines of a format.
    Lines(Box<Lines>),
}

/// Which matches of a block are handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All.
    All,
    /// The earliest, the latest, or both.
    Ends {
        /// The earliest.
        first: bool,
        /// The latest.
        last: bool,
    },
    /// None.
    Nothing,
}

/// When container metadata of the whole capture take the place of what was known at an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// Never: as rules see them.
    Never,
    /// Only where something is written: the search does not look at them.
    ForOutput,
    /// Before the search.
    Always,
}

/// At most so many matches of each rule are written.
pub struct Limit {
    /// How many.
    pub most: u64,
    /// How many have been, by rule.
    pub printed: Vec<AtomicU64>,
}

impl Limit {
    /// A limit for this number of rules.
    pub fn new(most: u64, rules: usize) -> Limit {
        Limit { most, printed: (0..rules).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Whether no more matches of a rule are written.
    fn is_reached(&self, rule: u32) -> bool {
        self.printed.get(rule as usize).is_some_and(|printed| printed.load(Ordering::Relaxed) >= self.most)
    }

    /// Takes note of a match about to be written; false where there have been enough. Called in the order of output.
    pub fn admits(&self, rule: u32) -> bool {
        let Some(printed) = self.printed.get(rule as usize) else { return true };
        printed.fetch_add(1, Ordering::Relaxed) < self.most
    }
}

/// What one thread needs of its own for one capture.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) worker: Worker,
    pub(super) matches: Vec<Match>,
    chosen: Vec<Match>,
    /// For captures whose blocks hold their contexts.
    pub(super) decoder: Decoder,
    pub(super) stored: StoredMatches,
    pub(super) whole: Block,
}

/// A match that is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Place of the rule in its program.
    pub rule: u32,
    /// Time of the event.
    pub ts: u64,
    /// Where what is written of it ends in the text of the outcome.
    pub end: usize,
}

/// What a block gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Delivered events within the window.
    pub events: u64,
    /// Events that say that others were dropped.
    pub drops: u64,
    /// Matches.
    pub matches: u64,
    /// Least time of an event of the block; 0 unless the earliest match is asked for.
    pub least_ts: u64,
    /// The matches that are handed on, in the order of events.
    pub found: Vec<Found>,
    /// What is written of them, each with a line end. Of a rule that has reached its limit nothing is.
    pub text: Vec<u8>,
}

impl Outcome {
    /// Bytes of memory that it takes, about.
    pub fn size(&self) -> usize {
        size_of::<Outcome>() + self.found.len() * size_of::<Found>() + self.text.len()
    }

    /// The matches that are handed on, with what is written of each.
    pub fn each(&self) -> impl Iterator<Item = (&Found, &[u8])> {
        let starts = std::iter::once(0).chain(self.found.iter().map(|found| found.end));
        self.found.iter().zip(starts).map(|(found, start)| (found, self.text.get(start..found.end).unwrap_or_default()))
    }
}

impl Evaluation {
    /// What one thread needs for one capture.
    pub fn memory(&self) -> Memory {
        match &self.search {
            Search::Rules(engine) => Memory { worker: engine.worker(), ..Memory::default() },
            Search::Events(_) => Memory::default(),
        }
    }

    /// The references of events that are needed.
    pub fn demand(&self) -> Demand {
        let mut demand = Demand::default();
        let mut filters = vec![&self.filter];
        match &self.search {
            Search::Rules(engine) => demand = engine.demand().clone(),
            Search::Events(filter) => {
                filters.push(filter);
                // What rules print is part of their engine's demand.
                if let Writing::Lines(lines) = &self.writing {
                    lines.printer.ask(&mut demand, |_| true);
                }
            }
        }
        filters.into_iter().flatten().for_each(|filter| filter.ask(&mut demand));
        demand
    }

    /// Evaluates a block of a capture.
    pub fn evaluate(&self, memory: &mut Memory, block: &mut Block, capture: &Subject) -> Outcome {
        let mut outcome = Outcome::default();
        let drop_event = |ty: &&u16| matches!(**ty, ev::DROP_E | ev::DROP_X);
        outcome.drops = block.batch.ty.iter().filter(drop_event).count() as u64;
        if let Keep::Ends { first: true, .. } = self.keep {
            outcome.least_ts = block.batch.ts.iter().copied().min().unwrap_or(0);
        }
        outcome.events = match self.window {
            None => delivered(&block.marks),
            Some(window) => {
                if !window.touches(block) {
                    return outcome;
                }
                (0..block.len()).filter(|&row| block.delivered(row) && window.holds(block.batch.ts[row])).count() as u64
            }
        };
        self.search(memory, block, capture, &mut outcome);
        outcome
    }

    /// Looks for events in a block whose own counts are known.
    pub(super) fn search(&self, memory: &mut Memory, block: &mut Block, capture: &Subject, outcome: &mut Outcome) {
        if self.joining == Joining::Always
            && let Some(metadata) = capture.metadata()
        {
            metadata.join(block);
        }
        self.find(memory, block);
        self.conclude(memory, block, capture, outcome);
    }

    /// Adds what the matches of a block in the memory come to.
    pub(super) fn conclude(&self, memory: &mut Memory, block: &mut Block, capture: &Subject, outcome: &mut Outcome) {
        outcome.matches = memory.matches.len() as u64;
        self.choose(memory, block);
        if self.joining == Joining::ForOutput
            && memory.chosen.iter().any(|found| in_container(block, found.row as usize))
            && let Some(metadata) = capture.metadata()
        {
            metadata.join(block);
        }
        for &Match { row, rule } in &memory.chosen {
            let view = View::new(block, row as usize, &self.rendering);
            if !self.limit.as_ref().is_some_and(|limit| limit.is_reached(rule)) {
                self.write(rule, &view, &capture.name, &mut outcome.text);
            }
            outcome.found.push(Found { rule, ts: view.ts(), end: outcome.text.len() });
        }
    }

    /// Fills the memory with the matches of a block.
    fn find(&self, memory: &mut Memory, block: &Block) {
        let matches = &mut memory.matches;
        matches.clear();
        let within = |row: usize| self.window.is_none_or(|window| window.holds(block.batch.ts[row]));
        match &self.search {
            Search::Rules(engine) => {
                engine.evaluate(&mut memory.worker, block, &self.rendering, matches);
                self.narrow(matches, block);
                return;
            }
            Search::Events(filter) => {
                let wanted = |row: usize| {
                    let passes = |filter: &Filter| filter.matches(&View::new(block, row, &self.rendering));
                    block.delivered(row) && within(row) && filter.as_ref().is_none_or(passes)
                };
                let rows = (0..block.len()).filter(|&row| wanted(row));
                matches.extend(rows.map(|row| Match { row: row as u32, rule: 0 }));
            }
        }
        self.narrow(matches, block);
    }

    /// Leaves those of the matches that are within the window and pass the filter.
    ///
    /// Both are asked only about events that match: the outcome is the same, and mostly there are few.
    pub(super) fn narrow(&self, matches: &mut Vec<Match>, block: &Block) {
        if let Some(window) = self.window {
            matches.retain(|found| window.holds(block.batch.ts[found.row as usize]));
        }
        if let Some(filter) = &self.filter {
            matches.retain(|found| filter.matches(&View::new(block, found.row as usize, &self.rendering)));
        }
    }

    /// Fills the memory with those of the matches that are handed on.
    fn choose(&self, memory: &mut Memory, block: &Block) {
        let Memory { matches, chosen, .. } = memory;
        chosen.clear();
        let ts = |found: &&Match| block.batch.ts[found.row as usize];
        match self.keep {
            Keep::All => std::mem::swap(matches, chosen),
            Keep::Nothing => {}
            Keep::Ends { first, last } => {
                if first {
                    chosen.extend(matches.iter().min_by_key(ts));
                }
                if last {
                    // Of several at the same time the last.
                    chosen.extend(matches.iter().rev().min_by_key(|found| Reverse(ts(found))));
                }
            }
        }
    }

    fn write(&self, rule: u32, view: &View<'_>, capture: &str, out: &mut Vec<u8>) {
        let origin = self.with_origin.then_some(capture);
        match &self.writing {
            Writing::Nothing => return,
            Writing::Alerts(alerts, OutputFormat::Text) => alerts.text(rule, view, origin, out),
            Writing::Alerts(alerts, OutputFormat::Json) => alerts.json(rule, view, origin, out),
            Writing::Lines(lines) => lines.write(view, origin, out),
        }
        out.push(b'\n');
    }
}

/// Whether an event is of a process in a container.
fn in_container(block: &Block, row: usize) -> bool {
    block.process(row).is_some_and(|process| !process.info.container_id.is_empty())
}

/// Number of delivered events. In chunks whose count fits a byte, which the compiler turns into vector code.
fn delivered(marks: &[u8]) -> u64 {
    let count = |chunk: &[u8]| u64::from(chunk.iter().map(|marks| marks & mark::DELIVERED).sum::<u8>());
    const _: () = assert!(mark::DELIVERED == 1);
    marks.chunks(255).map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivered_events_are_counted() {
        let marks: Vec<u8> = (0..1000u32)
            .map(|at| {
                if at % 3 == 0 {
                    4
                } else if at % 2 == 0 {
                    1
                } else {
                    3
                }
            })
            .collect();
        assert_eq!(delivered(&marks), 666);
        assert_eq!(delivered(&[1; 600]), 600);
        assert_eq!(delivered(&[]), 0);
    }

    #[test]
    fn a_limit_admits_so_many() {
        let limit = Limit::new(2, 1);
        assert_eq!([(); 3].map(|()| limit.admits(0)), [true, true, false]);
        assert!(limit.is_reached(0));
    }

    #[test]
    fn each_match_has_its_text() {
        let found = |end| Found { rule: 0, ts: 0, end };
        let outcome =
            Outcome { found: vec![found(2), found(2), found(5)], text: b"a\nbc\n".into(), ..Outcome::default() };
        let texts: Vec<_> = outcome.each().map(|(_, text)| text).collect();
        assert_eq!(texts, [&b"a\n"[..], b"", b"bc\n"]);
    }
}
