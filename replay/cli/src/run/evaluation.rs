//! What is done with each block: rules are evaluated, and their alerts written as bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use falco_replay_engine::alert::Alerts;
use falco_replay_engine::evaluate::{Engine, Match, Worker};
use falco_replay_engine::filter::Filter;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::block::{Block, mark};
use falco_replay_format::demand::Demand;
use falco_replay_format::schema::ev;
use falco_replay_rules::program::Program;

use crate::output::OutputFormat;
use crate::window::Window;

/// Everything that a replay evaluates with; shared by all threads.
pub struct Evaluation {
    /// The rules.
    pub program: Program,
    /// The rules made ready.
    pub engine: Engine,
    /// How alerts are written.
    pub alerts: Alerts,
    /// How values are printed.
    pub rendering: Rendering,
    /// Only events that pass count.
    pub filter: Option<Filter>,
    /// Only events within count.
    pub window: Option<Window>,
    /// Form of the alerts; `None`: they are only counted.
    pub output: Option<OutputFormat>,
    /// Form of the summary.
    pub summary: OutputFormat,
    /// Whether alerts say which capture and event they are of.
    pub with_origin: bool,
    /// How many alerts of a rule are printed.
    pub limit: Option<Limit>,
}

/// At most so many alerts of each rule are printed.
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

    /// Whether no more alerts of a rule are printed.
    fn is_reached(&self, rule: u32) -> bool {
        self.printed.get(rule as usize).is_some_and(|printed| printed.load(Ordering::Relaxed) >= self.most)
    }

    /// Takes note of an alert about to be printed; false where there have been enough. Called in the order of alerts.
    pub fn admits(&self, rule: u32) -> bool {
        let Some(printed) = self.printed.get(rule as usize) else { return true };
        printed.fetch_add(1, Ordering::Relaxed) < self.most
    }
}

/// What one thread needs of its own.
pub struct Memory {
    worker: Worker,
    matches: Vec<Match>,
}

/// What a block gave.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Events that rules saw.
    pub events: u64,
    /// Events that say that others were dropped.
    pub drops: u64,
    /// Alerts in order: the rule, and where the alert ends in `text`.
    pub found: Vec<(u32, usize)>,
    /// The alerts as they are printed, each with a line end. Those of a rule that has reached its limit are empty.
    pub text: Vec<u8>,
}

impl Outcome {
    /// Empties it and keeps the memory.
    pub fn clear(&mut self) {
        self.events = 0;
        self.drops = 0;
        self.found.clear();
        self.text.clear();
    }
}

impl Evaluation {
    /// What one thread needs for one capture.
    pub fn memory(&self) -> Memory {
        Memory { worker: self.engine.worker(), matches: Vec::new() }
    }

    /// The references of events that are needed.
    pub fn demand(&self) -> Demand {
        let mut demand = self.engine.demand().clone();
        if let Some(filter) = &self.filter {
            filter.ask(&mut demand);
        }
        demand
    }

    /// Evaluates a block of the capture of this name and adds what it gives.
    pub fn evaluate(&self, memory: &mut Memory, block: &Block, capture: &str, outcome: &mut Outcome) {
        let drop_event = |ty: &&u16| matches!(**ty, ev::DROP_E | ev::DROP_X);
        outcome.drops += block.batch.ty.iter().filter(drop_event).count() as u64;
        outcome.events += match self.window {
            None => delivered(&block.marks),
            Some(window) => {
                if !window.touches(block) {
                    return;
                }
                (0..block.len()).filter(|&row| block.delivered(row) && window.holds(block.batch.ts[row])).count() as u64
            }
        };
        memory.matches.clear();
        self.engine.evaluate(&mut memory.worker, block, &self.rendering, &mut memory.matches);
        // The window and the filter are asked only about events that match: the outcome is the same, and mostly there are few.
        for &Match { row, rule } in &memory.matches {
            let view = View::new(block, row as usize, &self.rendering);
            if self.window.is_some_and(|window| !window.holds(view.ts()))
                || self.filter.as_ref().is_some_and(|filter| !filter.matches(&view))
            {
                continue;
            }
            if !self.limit.as_ref().is_some_and(|limit| limit.is_reached(rule)) {
                self.write(rule, &view, capture, &mut outcome.text);
            }
            outcome.found.push((rule, outcome.text.len()));
        }
    }

    fn write(&self, rule: u32, view: &View<'_>, capture: &str, out: &mut Vec<u8>) {
        let origin = self.with_origin.then_some(capture);
        match self.output {
            None => return,
            Some(OutputFormat::Text) => self.alerts.text(rule, view, origin, out),
            Some(OutputFormat::Json) => self.alerts.json(rule, view, origin, out),
        }
        out.push(b'\n');
    }
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
}
