//! One capture through its stages: read, put into context, evaluate, write in order.
//!
//! With one thread all of it happens in turn. With more, reading, context and evaluation run beside each other:
//!
//! ```text
//! read ──batches──► context ──blocks──► evaluate (several) ──outcomes──► write, in the order of the blocks
//!   ▲                  ▲                                                   │
//!   └──────────────────┴──────── memory of finished blocks ◄───────────────┘
//! ```
//!
//! The memory that goes round bounds how far a stage can be ahead. The output is the same for any number of threads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::lists::Head;
use falco_replay_format::scap::{Item, Stats};
use falco_replay_state::{Refused, State};

use super::evaluation::{Evaluation, Outcome};
use crate::capture::{Capture, CaptureError, next_item};
use crate::interrupt::Interrupt;
use crate::sink::Stop;

/// Batches that the reader may be ahead of the state code.
const BATCHES_AHEAD: usize = 2;

/// How a capture ended.
pub struct End<'a> {
    /// What was read.
    pub stats: &'a Stats,
    /// What did not fit into the tables of the state.
    pub refused: Refused,
    /// Why it was not read to its end.
    pub error: Option<CaptureError>,
}

/// Takes what blocks gave, in order.
pub trait Merge {
    /// Takes the outcome of the next block.
    fn take(&mut self, outcome: &Outcome) -> Result<(), Stop>;
    /// Takes note of how the capture ended.
    fn end(&mut self, end: End<'_>);
}

/// Replays a capture. `name`: the capture's in alerts.
pub fn replay(
    capture: Capture,
    name: &str,
    evaluation: &Arc<Evaluation>,
    threads: usize,
    interrupt: &Interrupt,
    merge: &mut dyn Merge,
) -> Result<(), Stop> {
    match threads {
        0 | 1 => in_turn(capture, name, evaluation, interrupt, merge),
        _ => side_by_side(capture, name, evaluation, threads, interrupt, merge),
    }
}

fn in_turn(
    capture: Capture,
    name: &str,
    evaluation: &Evaluation,
    interrupt: &Interrupt,
    merge: &mut dyn Merge,
) -> Result<(), Stop> {
    let mut blocks = capture.blocks(evaluation.demand(), interrupt);
    let mut memory = evaluation.memory();
    let mut outcome = Outcome::default();
    let error = loop {
        match blocks.next() {
            Ok(Some(block)) => {
                outcome.clear();
                evaluation.evaluate(&mut memory, &block, name, &mut outcome);
                merge.take(&outcome)?;
                blocks.recycle(block);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    merge.end(End { stats: blocks.stats(), refused: blocks.refused(), error });
    Ok(())
}

/// Memory that goes round.
type Spare = (EventBatch, Block);

/// What the last stage is told.
enum News {
    /// The block at this place was evaluated.
    Block(u64, Outcome, Box<Spare>),
    /// There are no more than so many blocks.
    End(u64, Refused, Ended),
    /// A thread died: a defect of this program.
    Died,
}

/// What reading gives next.
enum Step {
    Head(Box<Head>),
    Batch(EventBatch),
    Ended(Ended),
}

/// A capture that has ended, and why if not at its end.
struct Ended {
    capture: Box<Capture>,
    error: Option<CaptureError>,
}

/// The first stage.
struct Reading {
    capture: Box<Capture>,
    interrupt: Interrupt,
}

impl Reading {
    /// The next step, and itself unless that was the last.
    fn step(mut self, batch: EventBatch) -> (Option<Reading>, Step) {
        match next_item(&mut self.capture, batch, &self.interrupt) {
            Ok(Item::Head(head)) => (Some(self), Step::Head(head)),
            Ok(Item::Batch(batch)) => (Some(self), Step::Batch(batch)),
            Ok(Item::End) => (None, Step::Ended(Ended { capture: self.capture, error: None })),
            Err(error) => (None, Step::Ended(Ended { capture: self.capture, error: Some(error) })),
        }
    }
}

fn side_by_side(
    capture: Capture,
    name: &str,
    evaluation: &Arc<Evaluation>,
    threads: usize,
    interrupt: &Interrupt,
    merge: &mut dyn Merge,
) -> Result<(), Stop> {
    // Two threads: read and context │ evaluate. More: read │ context │ evaluate …
    let workers = threads.saturating_sub(2).max(1);
    let room = 2 * workers + 2;
    let (tell, news) = unbounded();
    let (send_block, blocks) = bounded::<(u64, Block)>(room);
    let (give_back, spares) = bounded::<Spare>(room);
    for _ in 0..room {
        let _ = give_back.send(Spare::default());
    }
    // The threads are not joined: one may be waiting for input that never comes when the end is already known. Each ends
    // by itself once the channel to the next stage is closed.
    for _ in 0..workers {
        let (evaluation, name, blocks, tell) = (Arc::clone(evaluation), name.to_owned(), blocks.clone(), tell.clone());
        start("evaluate", &tell.clone(), move || evaluate(&evaluation, &name, &blocks, &tell))?;
    }
    drop(blocks);
    let context = Context { state: State::new(evaluation.demand()), spares, blocks: send_block, tell: tell.clone() };
    let mut reading = Some(Reading { capture: Box::new(capture), interrupt: interrupt.clone() });
    let mut read = move |batch| {
        let (rest, step) = reading.take()?.step(batch);
        reading = rest;
        Some(step)
    };
    if threads == 2 {
        start("context", &tell, move || context.run(read))?;
    } else {
        let (send_step, steps) = bounded(BATCHES_AHEAD);
        let (empty, empties) = bounded(BATCHES_AHEAD + 2);
        for _ in 0..=BATCHES_AHEAD {
            let _ = empty.send(EventBatch::default());
        }
        start("read", &tell, move || {
            for batch in empties {
                let Some(step) = read(batch) else { return };
                if send_step.send(step).is_err() {
                    return;
                }
            }
        })?;
        start("context", &tell, move || {
            context.run(|batch| {
                let _ = empty.send(batch);
                steps.recv().ok()
            });
        })?;
    }
    drop(tell);
    in_order(&news, &give_back, merge)
}

/// Starts a thread that tells the last stage if it dies.
fn start(name: &str, tell: &Sender<News>, work: impl FnOnce() + Send + 'static) -> Result<(), Stop> {
    struct Watch(Sender<News>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if thread::panicking() {
                let _ = self.0.send(News::Died);
            }
        }
    }
    let watch = Watch(tell.clone());
    let started = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _watch = watch;
        work();
    });
    match started {
        Ok(_) => Ok(()),
        Err(error) => Err(Stop::Failed(anyhow::Error::new(error).context("cannot start a thread; try --threads 1"))),
    }
}

/// The second stage: events in context.
struct Context {
    state: State,
    spares: Receiver<Spare>,
    blocks: Sender<(u64, Block)>,
    tell: Sender<News>,
}

impl Context {
    fn run(mut self, mut next: impl FnMut(EventBatch) -> Option<Step>) {
        for (place, (mut batch, spare)) in (0..).zip(&self.spares) {
            let batch = loop {
                match next(batch) {
                    Some(Step::Head(head)) => self.state.start(&head),
                    Some(Step::Batch(batch)) => break batch,
                    Some(Step::Ended(ended)) => {
                        let _ = self.tell.send(News::End(place, self.state.refused(), ended));
                        return;
                    }
                    None => return,
                }
                batch = EventBatch::default();
            };
            if self.blocks.send((place, self.state.apply(batch, spare))).is_err() {
                return;
            }
        }
    }
}

/// The third stage.
fn evaluate(evaluation: &Evaluation, name: &str, blocks: &Receiver<(u64, Block)>, tell: &Sender<News>) {
    let mut memory = evaluation.memory();
    for (place, block) in blocks {
        let mut outcome = Outcome::default();
        evaluation.evaluate(&mut memory, &block, name, &mut outcome);
        // Emptied here, so that the state code need not do it.
        if tell.send(News::Block(place, outcome, Box::new(block.recycle()))).is_err() {
            return;
        }
    }
}

/// The last stage: outcomes in the order of their blocks.
fn in_order(news: &Receiver<News>, give_back: &Sender<Spare>, merge: &mut dyn Merge) -> Result<(), Stop> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    let mut end = None;
    let died = || {
        Stop::Failed(anyhow::anyhow!("a thread ended unexpectedly; this is a defect of falco-replay, please report it"))
    };
    loop {
        match end.take() {
            Some((count, refused, Ended { capture, error })) if count == next => {
                merge.end(End { stats: capture.reader.stats(), refused, error });
                return Ok(());
            }
            other => end = other,
        }
        match news.recv().map_err(|_| died())? {
            News::Block(place, outcome, spare) => {
                early.insert(place, (outcome, spare));
            }
            News::End(count, refused, ended) => end = Some((count, refused, ended)),
            News::Died => return Err(died()),
        }
        while let Some((outcome, spare)) = early.remove(&next) {
            merge.take(&outcome)?;
            let _ = give_back.send(*spare);
            next += 1;
        }
    }
}
