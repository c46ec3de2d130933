//! Captures through their stages: read, put into context, evaluate, write in order.
//!
//! ```text
//! read ──batches──► context ──blocks──► evaluate ──outcomes──► write
//! ```
//!
//! Each capture has its own state and numbering. Several are worked on at once, each of its stages by whoever is free
//! ([`crew`]). The last stage is the only one with an order: outcomes come capture after capture in the order of blocks,
//! or, by time, merged over all captures ([`time_order`]). So the output is the same for any number of threads.

mod arguments;
mod crew;
pub mod evaluation;
mod lane;
pub mod lines;
mod spill;
mod stored;
mod subject;
mod time_order;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::arguments::{Order, ReplayArgs};
use self::crew::{Crew, News};
use self::evaluation::{Evaluation, Found, Outcome};
pub use self::lane::{End, Opened, Skipping};
pub use self::time_order::JITTER;
use self::time_order::TimeOrder;
use crate::capture::first_time;
use crate::interrupt::Interrupt;
use crate::sink::Stop;

/// How to go on after a match or an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// With what comes next.
    On,
    /// With the next capture: nobody wants more of this one.
    NextCapture,
    /// Not at all.
    Enough,
}

/// The last stage: the one owner of the output and of the counts.
pub trait Merge {
    /// A capture was opened whose turn it is.
    fn opened(&mut self, name: &str, opened: &Opened);
    /// Takes the counts of the next outcome of a capture.
    fn count(&mut self, capture: usize, outcome: &Outcome);
    /// Takes the next match in the order of output.
    fn found(&mut self, capture: usize, found: Found, text: &[u8]) -> Result<Flow, Stop>;
    /// No more matches are there at the moment: whoever waits for them wants to see those that were.
    fn pause(&mut self, capture: usize) -> Result<Flow, Stop>;
    /// Takes note of how a capture ended.
    fn end(&mut self, capture: usize, end: End);
}

/// What is replayed, and how.
pub struct Job {
    /// The captures in the order given.
    pub captures: Vec<PathBuf>,
    /// What is done with each block.
    pub evaluation: Arc<Evaluation>,
    /// Order of the output.
    pub order: Order,
    /// Threads to use.
    pub threads: usize,
}

/// Replays captures.
pub fn replay(job: Job, interrupt: &Interrupt, merge: &mut dyn Merge) -> Result<(), Stop> {
    match job.order {
        Order::Files => capture_by_capture(job, interrupt, merge),
        Order::Time => by_time(job, interrupt, merge),
    }
}

fn capture_by_capture(job: Job, interrupt: &Interrupt, merge: &mut dyn Merge) -> Result<(), Stop> {
    let crew = Crew::start(job.captures, job.evaluation, job.threads, true, interrupt)?;
    while let Some((capture, News { opened, outcomes, end })) = crew.next()? {
        if let Some((name, opened)) = opened {
            merge.opened(&name, &opened);
        }
        let flow = take(capture, &outcomes, merge)?;
        match (flow, end) {
            (Flow::On, None) => {}
            (_, Some(end)) => merge.end(capture, end),
            (_, None) => merge.end(capture, crew.give_up(capture)),
        }
        if flow == Flow::Enough {
            break;
        }
    }
    Ok(())
}

/// Takes outcomes of a capture in their order, until nobody wants more.
fn take(capture: usize, outcomes: &[Outcome], merge: &mut dyn Merge) -> Result<Flow, Stop> {
    for outcome in outcomes {
        merge.count(capture, outcome);
        for (found, text) in outcome.each() {
            let flow = merge.found(capture, *found, text)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        let flow = merge.pause(capture)?;
        if flow != Flow::On {
            return Ok(flow);
        }
    }
    Ok(Flow::On)
}

fn by_time(mut job: Job, interrupt: &Interrupt, merge: &mut dyn Merge) -> Result<(), Stop> {
    let alone = job.captures.len() == 1;
    let mut starts = Vec::with_capacity(job.captures.len());
    for path in &job.captures {
        if interrupt.asked() {
            return Ok(());
        }
        // Of a pipe it is not known.
        let start = if alone { None } else { first_time(path, interrupt) };
        starts.push(start.map_or(0, |ts| ts.saturating_sub(JITTER)));
    }
    let mut order = TimeOrder::new(&starts);
    // The earliest first, so that what they gave can be written while the others are not even begun.
    let mut files: Vec<usize> = (0..job.captures.len()).collect();
    files.sort_by_key(|&file| starts[file]);
    let captures = files.iter().map(|&file| std::mem::take(&mut job.captures[file])).collect();
    let crew = Crew::start(captures, job.evaluation, job.threads, false, interrupt)?;
    // What is said of captures comes in their order, too.
    let mut ends: BTreeMap<usize, Option<End>> = BTreeMap::new();
    let mut told = 0;
    let mut flow = Flow::On;
    while flow != Flow::Enough
        && let Some((place, News { opened, outcomes, end })) = crew.next()?
    {
        let capture = files[place];
        if let Some((name, opened)) = opened {
            merge.opened(&name, &opened);
            ends.insert(capture, None);
        }
        for outcome in outcomes {
            merge.count(capture, &outcome);
            order.add(capture, &outcome)?;
        }
        if let Some(end) = end {
            order.end(capture)?;
            ends.insert(capture, Some(end));
        }
        flow = write_due(&mut order, merge)?;
        while let Some(end) = ends.get_mut(&told).and_then(Option::take) {
            merge.end(told, end);
            ends.remove(&told);
            told += 1;
        }
    }
    if flow != Flow::Enough {
        // After an interrupt some were never begun: nothing waits for them any more.
        for &capture in &files {
            order.end(capture)?;
        }
        write_due(&mut order, merge)?;
    }
    for (capture, end) in ends {
        let place = files.iter().position(|&file| file == capture).unwrap_or_default();
        merge.end(capture, end.unwrap_or_else(|| crew.give_up(place)));
    }
    Ok(())
}

/// Writes the matches that no other can precede any more.
fn write_due(order: &mut TimeOrder, merge: &mut dyn Merge) -> Result<Flow, Stop> {
    let mut last = None;
    while let Some((capture, found, text)) = order.next()? {
        if merge.found(capture, found, &text)? == Flow::Enough {
            return Ok(Flow::Enough);
        }
        last = Some(capture);
    }
    match last {
        Some(capture) => merge.pause(capture),
        None => Ok(Flow::On),
    }
}
