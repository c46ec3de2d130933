//! One capture on its way through its stages: read, put into context, evaluate.
//!
//! Reading and context are in turn, block after block; evaluation of different blocks is not. A lane holds what waits
//! between the stages. Whoever works takes a piece of work out of it and puts the result back.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::lists::Head;
use falco_replay_format::scap::{Item, Stats};
use falco_replay_state::{Refused, State};

use super::evaluation::{Evaluation, Memory, Outcome};
use super::stored::{self, Stored};
use super::subject::Subject;
use crate::capture::{Capture, CaptureError, is_stored, next_item};
use crate::interrupt::Interrupt;

/// Heads and batches that reading may be ahead of the state code.
const STEPS_AHEAD: usize = 2;

/// What was read of a capture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes of the uncompressed capture.
    pub bytes: u64,
    /// Events converted from an older schema.
    pub converted: u64,
    /// Blocks of an unknown kind that were skipped.
    pub unknown_blocks: u64,
    /// Events of an unknown type that were skipped.
    pub unknown_events: u64,
    /// Events that the conversion left out.
    pub dropped: u64,
    /// Enter events that were forgotten to bound memory.
    pub evictions: u64,
    /// Damaged events at the start that were skipped.
    pub swallowed: u64,
}

impl From<&Stats> for Reading {
    fn from(stats: &Stats) -> Reading {
        Reading {
            bytes: stats.bytes,
            converted: stats.converted,
            unknown_blocks: stats.unknown_blocks,
            unknown_events: stats.unknown_events,
            dropped: stats.dropped,
            evictions: stats.evictions,
            swallowed: stats.swallowed,
        }
    }
}

/// What an index spared, for a capture that has one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipping {
    /// Blocks that were evaluated.
    pub blocks_read: u64,
    /// Blocks that the index ruled out.
    pub blocks_skipped: u64,
    /// Bytes of the file that were read.
    pub bytes_read: u64,
    /// Bytes of the blocks that were not.
    pub bytes_skipped: u64,
}

/// How a capture ended.
#[derive(Debug, Default)]
pub struct End {
    /// Whether it could be opened.
    pub opened: bool,
    /// What was read.
    pub reading: Reading,
    /// What did not fit into the tables of the state.
    pub refused: Refused,
    /// What an index spared; `None` without one.
    pub skipping: Option<Skipping>,
    /// Why it was not read to its end.
    pub error: Option<CaptureError>,
}

/// What is shown of the progress of a capture.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its size as it lies on the disk, where that is known.
    pub size: Option<u64>,
    /// How much of that has been read.
    pub read: Arc<AtomicU64>,
}

/// What reading gives.
// A batch is moved a few times a megabyte; a box would be one more allocation to recycle.
#[allow(clippy::large_enum_variant, reason = "as for the items of a reader")]
enum Step {
    Head(Box<Head>),
    Batch(EventBatch),
}

/// A piece of work.
#[allow(clippy::large_enum_variant, reason = "moved a few times a megabyte, and blocks and batches are used again")]
pub enum Task {
    /// Open the capture at this path.
    Open(PathBuf),
    /// Read on, into memory that is used again.
    Read(Box<Capture>, EventBatch),
    /// Put a batch into context, after the heads before it.
    Context(Box<State>, Vec<Head>, EventBatch, Block),
    /// Evaluate the block of this number.
    Evaluate(u64, Box<Block>, Option<Memory>),
    /// Evaluate the block of this number of a capture in our own format.
    Stored(u64, stored::Task, Option<Memory>),
}

/// What a piece of work gave.
#[allow(clippy::large_enum_variant, reason = "moved a few times a megabyte, and blocks and batches are used again")]
pub enum Done {
    Opened(Result<(Box<Capture>, Box<State>), CaptureError>),
    OpenedStored(Box<Stored>),
    Read(Box<Capture>, Result<Item, CaptureError>),
    Context(Box<State>, Box<Block>),
    Evaluated(u64, Outcome, Memory, Box<Block>),
    EvaluatedStored(u64, Outcome, Memory, stored::Evaluated),
}

impl Task {
    /// Does it.
    pub fn run(self, evaluation: &Evaluation, capture: &Subject, interrupt: &Interrupt) -> Done {
        match self {
            Task::Open(path) if is_stored(&path) => match Stored::open(&path, evaluation) {
                Ok(stored) => Done::OpenedStored(Box::new(stored)),
                Err(error) => Done::Opened(Err(error)),
            },
            Task::Open(path) => Done::Opened(
                Capture::open(&path, interrupt)
                    .map(|capture| (Box::new(capture), Box::new(State::new(evaluation.demand())))),
            ),
            Task::Read(mut capture, batch) => {
                let item = next_item(&mut capture, batch, interrupt);
                Done::Read(capture, item)
            }
            Task::Context(mut state, heads, batch, spare) => {
                heads.iter().for_each(|head| state.start(head));
                let block = Box::new(state.apply(batch, spare));
                Done::Context(state, block)
            }
            Task::Evaluate(number, mut block, memory) => {
                let mut memory = memory.unwrap_or_else(|| evaluation.memory());
                let outcome = evaluation.evaluate(&mut memory, &mut block, capture);
                Done::Evaluated(number, outcome, memory, block)
            }
            Task::Stored(number, task, memory) => {
                let mut memory = memory.unwrap_or_else(|| evaluation.memory());
                let (outcome, evaluated) = task.run(evaluation, &mut memory, capture);
                Done::EvaluatedStored(number, outcome, memory, evaluated)
            }
        }
    }
}

/// Memory that is used again, by whatever capture needs it next.
#[derive(Debug, Default)]
pub struct Spares {
    batches: Vec<EventBatch>,
    blocks: Vec<Block>,
}

impl Spares {
    /// What is kept; what comes beyond is given up.
    const MOST: usize = 16;

    fn keep(&mut self, block: Block) {
        let (batch, block) = block.recycle();
        if self.batches.len() < Spares::MOST {
            self.batches.push(batch);
        }
        if self.blocks.len() < Spares::MOST {
            self.blocks.push(block);
        }
    }
}

/// A capture on its way.
pub struct Lane {
    /// What evaluation knows of it.
    pub subject: Arc<Subject>,
    opened: Option<Opened>,
    reader: Option<Box<Capture>>,
    /// In the place of reader and state.
    stored: Option<Box<Stored>>,
    steps: VecDeque<Step>,
    state: Option<Box<State>>,
    blocks: VecDeque<(u64, Box<Block>)>,
    memories: Vec<Memory>,
    /// Pieces of work that are being done.
    busy: usize,
    /// Blocks put into context.
    made: u64,
    /// Outcomes by number that were not taken yet.
    outcomes: BTreeMap<u64, Outcome>,
    /// Outcomes taken.
    taken: u64,
    /// Bytes of outcomes.
    held: usize,
    end: Option<End>,
    given_up: bool,
}

impl Lane {
    /// A capture about to be opened.
    pub fn open(path: PathBuf, interrupt: &Interrupt) -> (Lane, Task) {
        let lane = Lane {
            subject: Arc::new(Subject::new(path.clone(), interrupt.clone())),
            opened: None,
            reader: None,
            stored: None,
            steps: VecDeque::new(),
            state: None,
            blocks: VecDeque::new(),
            memories: Vec::new(),
            busy: 1,
            made: 0,
            outcomes: BTreeMap::new(),
            taken: 0,
            held: 0,
            end: None,
            given_up: false,
        };
        (lane, Task::Open(path))
    }

    /// A block to evaluate.
    pub fn evaluation(&mut self) -> Option<Task> {
        if self.given_up {
            return None;
        }
        let (number, block) = self.blocks.pop_front()?;
        self.busy += 1;
        Some(Task::Evaluate(number, block, self.memories.pop()))
    }

    /// A batch to put into context.
    pub fn context(&mut self, spares: &mut Spares) -> Option<Task> {
        if self.given_up || self.state.is_none() {
            return None;
        }
        let heads = self.steps.iter().take_while(|step| matches!(step, Step::Head(_))).count();
        if heads == self.steps.len() {
            return None;
        }
        let before = self.steps.drain(..heads);
        let heads = before.filter_map(|step| if let Step::Head(head) = step { Some(*head) } else { None }).collect();
        let (Some(Step::Batch(batch)), Some(state)) = (self.steps.pop_front(), self.state.take()) else { return None };
        self.busy += 1;
        Some(Task::Context(state, heads, batch, spares.blocks.pop().unwrap_or_default()))
    }

    /// More to read.
    pub fn reading(&mut self, spares: &mut Spares) -> Option<Task> {
        if self.given_up || self.steps.len() >= STEPS_AHEAD {
            return None;
        }
        if let Some(stored) = &mut self.stored {
            let task = stored.next(self.made - self.taken)?;
            self.busy += 1;
            self.made += 1;
            return Some(Task::Stored(self.made - 1, task, self.memories.pop()));
        }
        let reader = self.reader.take()?;
        self.busy += 1;
        Some(Task::Read(reader, spares.batches.pop().unwrap_or_default()))
    }

    /// Takes a result back.
    pub fn put(&mut self, done: Done, spares: &mut Spares) {
        self.busy -= 1;
        match done {
            Done::Opened(Ok((capture, state))) => {
                self.opened = Some(Opened { size: capture.size, read: Arc::clone(&capture.progress) });
                self.reader = Some(capture);
                self.state = Some(state);
            }
            Done::OpenedStored(stored) => {
                let (size, read) = stored.progress();
                self.opened = Some(Opened { size: Some(size), read });
                self.stored = Some(stored);
            }
            Done::EvaluatedStored(number, outcome, memory, evaluated) => {
                self.memories.push(memory);
                if let Some(stored) = &mut self.stored {
                    stored.put(evaluated);
                }
                if !self.given_up {
                    self.held += outcome.size();
                    self.outcomes.insert(number, outcome);
                }
            }
            Done::Opened(Err(error)) => self.end = Some(End { error: Some(error), ..End::default() }),
            Done::Read(capture, Ok(Item::Head(head))) => {
                self.steps.push_back(Step::Head(head));
                self.reader = Some(capture);
            }
            Done::Read(capture, Ok(Item::Batch(batch))) => {
                self.steps.push_back(Step::Batch(batch));
                self.reader = Some(capture);
            }
            // The file is closed here, so that captures that wait for their turn keep none open.
            Done::Read(capture, Ok(Item::End)) => {
                self.end = Some(End { opened: true, reading: capture.reader.stats().into(), ..End::default() });
            }
            Done::Read(capture, Err(error)) => {
                let reading = capture.reader.stats().into();
                self.end = Some(End { opened: true, reading, error: Some(error), ..End::default() });
            }
            Done::Context(state, block) => {
                self.state = Some(state);
                self.blocks.push_back((self.made, block));
                self.made += 1;
            }
            Done::Evaluated(number, outcome, memory, block) => {
                spares.keep(*block);
                self.memories.push(memory);
                if !self.given_up {
                    self.held += outcome.size();
                    self.outcomes.insert(number, outcome);
                }
            }
        }
        self.settle();
    }

    /// The user wants no more: no further block of a capture in our own format is given out. Others ask for themselves.
    pub fn interrupt(&mut self) {
        if let Some(stored) = &mut self.stored {
            stored.interrupt();
            self.settle();
        }
    }

    /// Takes note of the end where nothing is left to do.
    fn settle(&mut self) {
        if let Some(stored) = self.stored.as_mut().filter(|stored| self.busy == 0 && stored.is_over())
            && self.end.is_none()
        {
            self.end = Some(End {
                opened: true,
                reading: stored.reading(),
                skipping: Some(stored.skipping()),
                error: stored.error(),
                ..End::default()
            });
            // The file is closed here, as above.
            self.stored = None;
        }
        if self.is_worked_off() {
            // What is left to do is to take the outcomes.
            if let (Some(end), Some(state)) = (&mut self.end, &self.state) {
                end.refused = state.refused();
            }
            self.state = None;
            self.memories = Vec::new();
        }
    }

    /// That it was opened and begins like a capture, once.
    pub fn take_opened(&mut self) -> Option<Opened> {
        self.opened.take()
    }

    /// Bytes of outcomes that wait to be taken.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Whether nothing is left to be worked on.
    pub fn is_worked_off(&self) -> bool {
        let over = self.end.is_some() && self.steps.iter().all(|step| matches!(step, Step::Head(_)));
        self.busy == 0 && (self.given_up || over && self.blocks.is_empty())
    }

    /// The outcomes that are next in order.
    pub fn take(&mut self) -> Vec<Outcome> {
        let mut taken = Vec::new();
        while let Some(outcome) = self.outcomes.remove(&self.taken) {
            self.held = self.held.saturating_sub(outcome.size());
            self.taken += 1;
            taken.push(outcome);
        }
        taken
    }

    /// How it ended, once it has and every outcome was taken.
    pub fn take_end(&mut self) -> Option<End> {
        if self.is_worked_off() && self.outcomes.is_empty() { self.end.take() } else { None }
    }

    /// Whether nobody wants more of it.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Nobody wants more of it. Gives how it ended so; how far it was read by then depends on the threads, so nothing is said
    /// of that.
    pub fn give_up(&mut self) -> End {
        self.given_up = true;
        self.outcomes = BTreeMap::new();
        self.blocks = VecDeque::new();
        self.steps = VecDeque::new();
        self.held = 0;
        let skipping = self.stored.as_ref().map(|stored| stored.skipping());
        End { opened: true, skipping, ..End::default() }
    }
}
