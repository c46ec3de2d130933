//! Those who work: threads that take the next piece of work of whatever capture has one.
//!
//! Blocks that wait to be evaluated come first, then batches that wait for their context, then reading, then the next
//! capture: so little waits between the stages, and every thread has something to do while any capture has. Several
//! captures are read at once, at most one a thread. Outcomes wait until the last stage takes them; while too much waits,
//! nothing more is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::evaluation::{Evaluation, Outcome};
use super::lane::{Done, End, Lane, Opened, Spares, Task};
use super::subject::Subject;
use crate::interrupt::Interrupt;
use crate::sink::Stop;

/// Bytes of outcomes that may wait: of the captures whose turn has not come, and of the one whose turn it is.
const HELD: usize = 16 << 20;

/// Captures that may wait for their turn, done but for that.
const WAITING: usize = 4096;

/// What all threads share.
struct Shared {
    evaluation: Arc<Evaluation>,
    interrupt: Interrupt,
    desk: Mutex<Desk>,
    changed: Condvar,
}

/// The captures on their way.
struct Desk {
    /// In the order in which they are opened.
    captures: Vec<PathBuf>,
    lanes: BTreeMap<usize, Lane>,
    /// Captures opened so far.
    opened: usize,
    /// Captures that may be on their way at once.
    room: usize,
    /// Whether outcomes are taken of the first capture only.
    in_turn: bool,
    spares: Spares,
    /// No more work is given out.
    over: bool,
    /// A thread died: a defect of this program.
    died: bool,
}

/// News of a capture for the last stage.
#[derive(Debug, Default)]
pub struct News {
    /// It has just been opened.
    pub opened: Option<(String, Opened)>,
    /// The next outcomes.
    pub outcomes: Vec<Outcome>,
    /// It has ended, and these were the last.
    pub end: Option<End>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.opened.is_none() && self.outcomes.is_empty() && self.end.is_none()
    }
}

/// The threads, and the captures that they work on.
pub struct Crew {
    shared: Arc<Shared>,
    threads: usize,
}

impl Drop for Crew {
    fn drop(&mut self) {
        // The threads are not joined: one may be waiting for input that never comes.
        self.shared.lock().over = true;
        self.shared.changed.notify_all();
    }
}

impl Crew {
    /// Begins with the first of the captures. `in_turn`: what is found is taken capture after capture.
    pub fn start(
        captures: Vec<PathBuf>,
        evaluation: Arc<Evaluation>,
        threads: usize,
        in_turn: bool,
        interrupt: &Interrupt,
    ) -> Result<Crew, Stop> {
        let desk = Desk {
            captures,
            lanes: BTreeMap::new(),
            opened: 0,
            room: threads.max(1),
            in_turn,
            spares: Spares::default(),
            over: false,
            died: false,
        };
        let (desk, changed) = (Mutex::new(desk), Condvar::new());
        let shared = Arc::new(Shared { evaluation, interrupt: interrupt.clone(), desk, changed });
        let crew = Crew { shared: Arc::clone(&shared), threads };
        if threads > 1 {
            for _ in 0..threads {
                let shared = Arc::clone(&shared);
                let started = thread::Builder::new().name("replay".to_owned()).spawn(move || shared.work());
                if let Err(error) = started {
                    let error = anyhow::Error::new(error).context("cannot start a thread; try --threads 1");
                    return Err(Stop::Failed(error));
                }
            }
        }
        Ok(crew)
    }

    /// Waits for news of some capture, and gives them with its place. `None` once there are none any more. In turn these
    /// are the places one after the other; else any that is on its way.
    pub fn next(&self) -> Result<Option<(usize, News)>, Stop> {
        let mut desk = self.shared.lock();
        let mut idle = false;
        loop {
            if desk.died {
                return Err(defect());
            }
            if let Some(found) = desk.news() {
                // There is room again.
                self.shared.changed.notify_all();
                return Ok(Some(found));
            }
            if desk.lanes.is_empty() && (desk.opened == desk.captures.len() || self.shared.interrupt.asked()) {
                return Ok(None);
            }
            desk = match self.threads {
                0 | 1 => match desk.pick(&self.shared.interrupt) {
                    Some(job) => {
                        drop(desk);
                        self.shared.run(job)
                    }
                    // No work: then there are news, for an interrupt may have ended a capture.
                    None if idle => return Err(defect()),
                    None => {
                        idle = true;
                        desk
                    }
                },
                _ => self.shared.wait_a_moment(desk),
            };
        }
    }

    /// Nobody wants more of the capture at this place. Gives how it ended so.
    pub fn give_up(&self, place: usize) -> End {
        let mut desk = self.shared.lock();
        let end = desk.lanes.get_mut(&place).map(Lane::give_up).unwrap_or_default();
        desk.clear_away(place);
        drop(desk);
        self.shared.changed.notify_all();
        end
    }
}

fn defect() -> Stop {
    Stop::Failed(anyhow::anyhow!("a thread ended unexpectedly; this is a defect of falco-replay, please report it"))
}

/// A piece of work, and what it is for.
struct Job {
    place: usize,
    subject: Arc<Subject>,
    task: Task,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, but no longer than an interrupt may go unnoticed.
    fn wait_a_moment<'a>(&self, desk: MutexGuard<'a, Desk>) -> MutexGuard<'a, Desk> {
        let moment = Duration::from_millis(100);
        self.changed.wait_timeout(desk, moment).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Does a piece of work and puts the result back.
    fn run(&self, Job { place, subject, task }: Job) -> MutexGuard<'_, Desk> {
        let done = task.run(&self.evaluation, &subject, &self.interrupt);
        let mut desk = self.lock();
        desk.put(place, done);
        desk
    }

    /// What a thread does.
    fn work(&self) {
        struct Watch<'a>(&'a Shared);
        impl Drop for Watch<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.lock().died = true;
                    self.0.changed.notify_all();
                }
            }
        }
        let _watch = Watch(self);
        let mut desk = self.lock();
        while !desk.over {
            desk = match desk.pick(&self.interrupt) {
                Some(job) => {
                    drop(desk);
                    let desk = self.run(job);
                    self.changed.notify_all();
                    desk
                }
                None => self.wait(desk),
            };
        }
    }
}

impl Desk {
    /// The next piece of work.
    fn pick(&mut self, interrupt: &Interrupt) -> Option<Job> {
        let Desk { lanes, spares, .. } = self;
        if interrupt.asked() {
            lanes.values_mut().for_each(Lane::interrupt);
        }
        let job =
            |place: &usize, lane: &Lane, task| Some(Job { place: *place, subject: Arc::clone(&lane.subject), task });
        for (place, lane) in lanes.iter_mut() {
            if let Some(task) = lane.evaluation() {
                return job(place, lane, task);
            }
        }
        for (place, lane) in lanes.iter_mut() {
            if let Some(task) = lane.context(spares) {
                return job(place, lane, task);
            }
        }
        let held: usize = lanes.values().map(Lane::held).sum();
        let mut first = self.in_turn;
        for (place, lane) in lanes.iter_mut().filter(|(_, lane)| !lane.is_given_up()) {
            // The first in turn goes on whatever waits behind it.
            let waits = if first { lane.held() } else { held };
            first = false;
            if waits < HELD
                && let Some(task) = lane.reading(spares)
            {
                return job(place, lane, task);
            }
        }
        let underway = lanes.values().filter(|lane| !lane.is_worked_off()).count();
        if underway >= self.room || held >= HELD || lanes.len() >= WAITING || interrupt.asked() {
            return None;
        }
        let place = self.opened;
        let (lane, task) = Lane::open(self.captures.get(place)?.clone(), interrupt);
        let subject = Arc::clone(&lane.subject);
        self.lanes.insert(place, lane);
        self.opened += 1;
        Some(Job { place, subject, task })
    }

    fn put(&mut self, place: usize, done: Done) {
        if let Some(lane) = self.lanes.get_mut(&place) {
            lane.put(done, &mut self.spares);
        }
        self.clear_away(place);
    }

    /// Removes a capture that was given up, once nobody works on it.
    fn clear_away(&mut self, place: usize) {
        if self.lanes.get(&place).is_some_and(|lane| lane.is_given_up() && lane.is_worked_off()) {
            self.lanes.remove(&place);
        }
    }

    /// News of the first capture, or where order does not matter of any.
    fn news(&mut self) -> Option<(usize, News)> {
        let count = if self.in_turn { 1 } else { usize::MAX };
        let wanted = self.lanes.iter_mut().filter(|(_, lane)| !lane.is_given_up()).take(count);
        for (&place, lane) in wanted {
            let opened = lane.take_opened().map(|opened| (lane.subject.name.clone(), opened));
            let news = News { opened, outcomes: lane.take(), end: lane.take_end() };
            if news.is_empty() {
                continue;
            }
            if news.end.is_some() {
                self.lanes.remove(&place);
            }
            return Some((place, news));
        }
        None
    }
}
