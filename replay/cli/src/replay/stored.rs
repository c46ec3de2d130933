//! Captures in our own format: blocks that hold their contexts, so that each is evaluated by itself, and those that an
//! index rules out are not read at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use falco_replay_engine::prune::Pruner;
use falco_replay_format::block::mark;
use falco_replay_format::fcap::block::{BlockAbout, Decoder, Rows, Select, StoredBlock};
use falco_replay_format::fcap::summary::Summary;
use falco_replay_format::fcap::{self, CaptureFile, Entry};
use falco_replay_format::schema::ev;

use super::evaluation::{Evaluation, Joining, Keep, Memory, Outcome, Search, Writing};
use super::lane::{Reading, Skipping};
use super::subject::Subject;
use crate::capture::CaptureError;
use crate::window::Window;

/// Blocks whose outcomes may wait for those before them.
const AHEAD: u64 = 64;

/// A capture in our own format, on its way.
pub struct Stored {
    file: Arc<CaptureFile>,
    path: PathBuf,
    /// Entries that were given out.
    given: usize,
    interrupted: bool,
    read: Arc<AtomicU64>,
    skipping: Skipping,
    /// What is wrong with the first damaged block, and how many are.
    damage: Option<(fcap::Error, u64)>,
}

/// A block to be evaluated.
pub struct Task {
    file: Arc<CaptureFile>,
    entry: usize,
}

/// What evaluating a block gave besides its outcome.
#[derive(Debug)]
pub struct Evaluated {
    bytes: u64,
    skipped: bool,
    error: Option<fcap::Error>,
}

impl Stored {
    /// Opens a capture.
    pub fn open(path: &Path, evaluation: &Evaluation) -> Result<Stored, CaptureError> {
        let fail = |error| CaptureError::Stored { path: path.to_owned(), error, damaged: 0 };
        if let Some(number) = evaluation.demand().fd_numbers.iter().find(|number| !(0..3).contains(*number)) {
            return Err(CaptureError::NotStored { path: path.to_owned(), number: *number });
        }
        let file = CaptureFile::open(path).map_err(fail)?;
        Ok(Stored {
            file: Arc::new(file),
            path: path.to_owned(),
            given: 0,
            interrupted: false,
            read: Arc::default(),
            skipping: Skipping::default(),
            damage: None,
        })
    }

    /// Bytes of the file, and how many were gone through.
    pub fn progress(&self) -> (u64, Arc<AtomicU64>) {
        (self.file.size(), Arc::clone(&self.read))
    }

    /// The next block, where not too many wait. `waiting`: blocks given out whose outcomes were not taken.
    pub fn next(&mut self, waiting: u64) -> Option<Task> {
        if waiting >= AHEAD || self.interrupted {
            return None;
        }
        while let Some(entry) = self.file.entries().get(self.given) {
            self.given += 1;
            if matches!(entry, Entry::Block { .. }) {
                return Some(Task { file: Arc::clone(&self.file), entry: self.given - 1 });
            }
        }
        None
    }

    /// No further block is given out.
    pub fn interrupt(&mut self) {
        if !self.is_over() {
            self.interrupted = true;
        }
    }

    /// Whether every block was given out that is wanted.
    pub fn is_over(&self) -> bool {
        self.interrupted || self.file.entries()[self.given..].iter().all(|entry| !matches!(entry, Entry::Block { .. }))
    }

    /// Takes note of what a block gave.
    pub fn put(&mut self, done: Evaluated) {
        self.read.fetch_add(done.bytes, Ordering::Relaxed);
        let (blocks, bytes) = if done.skipped {
            (&mut self.skipping.blocks_skipped, &mut self.skipping.bytes_skipped)
        } else {
            (&mut self.skipping.blocks_read, &mut self.skipping.bytes_read)
        };
        *blocks += 1;
        *bytes += done.bytes;
        if let Some(error) = done.error {
            let (_, count) = self.damage.get_or_insert((error, 0));
            *count += 1;
        }
    }

    /// What was read of its source when it was made.
    pub fn reading(&self) -> Reading {
        let totals = self.file.totals();
        Reading {
            bytes: totals.bytes,
            converted: totals.converted,
            unknown_blocks: totals.unknown_blocks,
            unknown_events: totals.unknown_events,
            dropped: totals.dropped,
            evictions: totals.evictions,
            swallowed: 0,
        }
    }

    /// What its index spared.
    pub fn skipping(&self) -> Skipping {
        self.skipping
    }

    /// What is wrong with it.
    pub fn error(&mut self) -> Option<CaptureError> {
        let path = self.path.clone();
        if self.interrupted {
            return Some(CaptureError::Interrupted { path });
        }
        if let Some((error, damaged)) = self.damage.take() {
            return Some(CaptureError::Stored { path, error, damaged });
        }
        if !self.file.was_closed() {
            return Some(CaptureError::Unclosed { path, damaged: self.file.damage().len() as u64 });
        }
        (!self.file.totals().complete).then_some(CaptureError::Incomplete { path })
    }
}

impl Task {
    /// Evaluates the block.
    pub fn run(self, evaluation: &Evaluation, memory: &mut Memory, capture: &Subject) -> (Outcome, Evaluated) {
        let entry = &self.file.entries()[self.entry];
        let mut done = Evaluated { bytes: entry.len(), skipped: false, error: None };
        let Some(about) = entry.about() else { return (Outcome::default(), done) };
        let mut block = Read { file: &self.file, entry, about };
        let outcome = match block.evaluate(evaluation, memory, capture, &mut done.skipped) {
            Ok(outcome) => outcome,
            Err(error) => {
                done.error = Some(error.within(self.file.block_offset(entry)));
                Outcome::default()
            }
        };
        (outcome, done)
    }
}

/// A block of a file.
struct Read<'a> {
    file: &'a CaptureFile,
    entry: &'a Entry,
    about: &'a BlockAbout,
}

impl Read<'_> {
    fn evaluate(
        &mut self,
        evaluation: &Evaluation,
        memory: &mut Memory,
        capture: &Subject,
        skipped: &mut bool,
    ) -> Result<Outcome, fcap::Error> {
        let about = self.about;
        let mut outcome = Outcome { events: u64::from(about.delivered), ..Outcome::default() };
        let drops = about.types.iter().filter(|(ty, _)| matches!(*ty, ev::DROP_E | ev::DROP_X));
        outcome.drops = drops.map(|(_, count)| u64::from(*count)).sum();
        if let Keep::Ends { first: true, .. } = evaluation.keep {
            outcome.least_ts = about.min_ts;
        }
        let window = evaluation.window.filter(|window| !(window.holds(about.min_ts) && window.holds(about.max_ts)));
        if let Some(window) = window {
            outcome.events = 0;
            if !window.touches_times(about.min_ts, about.max_ts) {
                *skipped = true;
                return Ok(outcome);
            }
        }
        if self.is_ruled_out(evaluation, capture)? {
            *skipped = window.is_none();
            if let Some(window) = window {
                let mut decoder = Decoder::default();
                let mut stored = StoredBlock::new(self.file.block(self.entry)?, &mut decoder)?;
                outcome.events = delivered_within(&mut stored, &mut decoder, window)?;
            }
            return Ok(outcome);
        }
        let mut decoder = std::mem::take(&mut memory.decoder);
        let result = self.search(evaluation, memory, &mut decoder, capture, window, &mut outcome);
        memory.decoder = decoder;
        result.map(|()| outcome)
    }

    /// Whether the index says that nothing of the block can match.
    fn is_ruled_out(&self, evaluation: &Evaluation, capture: &Subject) -> Result<bool, fcap::Error> {
        let pruners = &evaluation.pruners;
        if pruners.is_empty() || self.about.summary.is_empty() {
            return Ok(false);
        }
        let summary = Summary::decode(&self.about.summary)?;
        let rules_out = |pruner: &Pruner| !pruner.may_match(&self.about.types, &summary);
        if evaluation.joining == Joining::Always {
            return Ok(capture.pruners(pruners).iter().any(rules_out));
        }
        Ok(pruners.iter().any(rules_out))
    }

    fn search(
        &self,
        evaluation: &Evaluation,
        memory: &mut Memory,
        decoder: &mut Decoder,
        capture: &Subject,
        window: Option<Window>,
        outcome: &mut Outcome,
    ) -> Result<(), fcap::Error> {
        let mut stored = StoredBlock::new(self.file.block(self.entry)?, decoder)?;
        if let Some(window) = window {
            outcome.events = delivered_within(&mut stored, decoder, window)?;
        }
        match &evaluation.search {
            Search::Rules(engine) if evaluation.joining != Joining::Always => {
                let everything = Select { demand: evaluation.demand(), ..Select::everything() };
                let of_rules = matches!(evaluation.writing, Writing::Alerts(..)) && evaluation.filter.is_none();
                let outputs = if of_rules { None } else { Some(&everything) };
                let mut found = std::mem::take(&mut memory.stored);
                let rendering = &evaluation.rendering;
                let result =
                    engine.evaluate_stored(&mut memory.worker, &mut stored, decoder, rendering, outputs, &mut found);
                memory.matches.clear();
                memory.matches.append(&mut found.matches);
                let mut block = std::mem::take(&mut found.block);
                memory.stored = found;
                result?;
                evaluation.narrow(&mut memory.matches, &block);
                evaluation.conclude(memory, &mut block, capture, outcome);
                memory.stored.block = block;
            }
            _ => {
                let select = Select { demand: evaluation.demand(), ..Select::everything() };
                let spare = std::mem::take(&mut memory.whole);
                let mut block = stored.select(decoder, None, &select, spare)?;
                evaluation.search(memory, &mut block, capture, outcome);
                memory.whole = block;
            }
        }
        Ok(())
    }
}

/// Number of delivered events within a window.
fn delivered_within(stored: &mut StoredBlock<'_>, decoder: &mut Decoder, window: Window) -> Result<u64, fcap::Error> {
    let delivered: Vec<bool> = stored.shapes().map(|(_, marks)| marks & mark::DELIVERED != 0).collect();
    let rows: Arc<Rows> = stored.shared_rows(decoder)?;
    let times = stored.times(decoder)?;
    let within = |(shape, ts): &(&u32, &u64)| delivered[**shape as usize] && window.holds(**ts);
    Ok(rows.shape.iter().zip(times).filter(within).count() as u64)
}
