//! What several captures gave, merged by time.
//!
//! Events of one capture are not quite in the order of time: processors write theirs one after the other. So the matches
//! of each capture are first put in order as far as they are less than a second apart ([`JITTER`]); what comes later
//! counts as if it had the time of the match before it. These streams are merged: by time, then capture as given, then
//! event. A match is written once no capture can give one that comes before it: for one that was not begun that is known
//! by the time of its first event. Until then it waits, in memory or in a temporary file ([`super::spill`]). All this
//! depends on the matches alone, so the order is the same for any number of threads.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use super::evaluation::{Found, Outcome};
use super::spill::{Queue, Spill, Waiting};
use crate::sink::Stop;

/// How far, in nanoseconds, an event may lie behind one that the capture holds before it.
pub const JITTER: u64 = 1_000_000_000;

/// Bytes of the matches of one capture that wait to be put in order.
const SORTED_AT_ONCE: usize = 4 << 20;

/// Bytes of matches that wait in memory for other captures.
const IN_MEMORY: usize = 64 << 20;

/// A match that is to be put in order: time, number among those of its capture, rule, text.
type Unordered = Reverse<(u64, u64, u32, Box<[u8]>)>;

/// A match in order, with its capture.
type Next = (usize, Found, Box<[u8]>);

/// The matches of one capture.
#[derive(Default)]
struct Stream {
    /// Those that wait to be put in order.
    unordered: BinaryHeap<Unordered>,
    unordered_bytes: usize,
    /// Matches so far.
    count: u64,
    /// Latest time of a match so far.
    latest: u64,
    /// No match comes any more that is ordered before this.
    floor: u64,
    /// Those in order.
    queue: Queue,
}

/// The merge.
pub struct TimeOrder {
    streams: Vec<Stream>,
    /// Captures that may give more: (floor, capture).
    unfinished: BTreeSet<(u64, usize)>,
    /// The first match in order of each capture that has one: (key, capture).
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    /// Bytes of the queues in memory.
    held: usize,
    limit: usize,
    spill: Option<Spill>,
}

impl TimeOrder {
    /// A merge of captures of which none has a match before its time here.
    pub fn new(starts: &[u64]) -> TimeOrder {
        TimeOrder {
            streams: starts.iter().map(|&floor| Stream { floor, ..Stream::default() }).collect(),
            unfinished: starts.iter().copied().zip(0..).collect(),
            heads: BinaryHeap::new(),
            held: 0,
            limit: IN_MEMORY,
            spill: None,
        }
    }

    /// Adds what the next block of a capture gave.
    pub fn add(&mut self, capture: usize, outcome: &Outcome) -> Result<(), Stop> {
        for (found, text) in outcome.each() {
            let stream = &mut self.streams[capture];
            stream.count += 1;
            stream.latest = stream.latest.max(found.ts);
            stream.unordered_bytes += text.len();
            stream.unordered.push(Reverse((found.ts, stream.count, found.rule, text.into())));
            let before = stream.latest.saturating_sub(JITTER);
            self.put_in_order(capture, before, SORTED_AT_ONCE)?;
        }
        Ok(())
    }

    /// A capture has ended.
    pub fn end(&mut self, capture: usize) -> Result<(), Stop> {
        self.put_in_order(capture, u64::MAX, 0)?;
        self.unfinished.remove(&(self.streams[capture].floor, capture));
        Ok(())
    }

    /// Moves the matches of a capture before a time, and what is more than so many bytes, into its queue.
    fn put_in_order(&mut self, capture: usize, before: u64, most: usize) -> Result<(), Stop> {
        loop {
            let stream = &mut self.streams[capture];
            let due = |first: &Unordered| first.0.0 < before || stream.unordered_bytes > most;
            if !stream.unordered.peek().is_some_and(due) {
                return Ok(());
            }
            let Some(Reverse((ts, _, rule, text))) = stream.unordered.pop() else { return Ok(()) };
            stream.unordered_bytes -= text.len();
            let key = ts.max(stream.floor);
            if key > stream.floor && self.unfinished.remove(&(stream.floor, capture)) {
                self.unfinished.insert((key, capture));
            }
            stream.floor = key;
            let waiting = Waiting { key, rule, text };
            self.held += waiting.size();
            if stream.queue.is_empty() {
                self.heads.push(Reverse((key, capture)));
            }
            stream.queue.push(waiting);
            if self.held > self.limit {
                self.spill()?;
            }
        }
    }

    fn spill(&mut self) -> Result<(), Stop> {
        let spill = match &mut self.spill {
            Some(spill) => spill,
            None => self.spill.insert(Spill::create()?),
        };
        for stream in &mut self.streams {
            stream.queue.spill(spill)?;
        }
        self.held = 0;
        Ok(())
    }

    /// The next match in order, with its capture, where no other can come before it.
    pub fn next(&mut self) -> Result<Option<Next>, Stop> {
        let Some(&Reverse(head)) = self.heads.peek() else { return Ok(None) };
        if self.unfinished.first().is_some_and(|barrier| head > *barrier) {
            return Ok(None);
        }
        self.heads.pop();
        let (_, capture) = head;
        self.load(capture)?;
        let queue = &mut self.streams[capture].queue;
        let Some(Waiting { key, rule, text }) = queue.pop() else { return Ok(None) };
        self.held = self.held.saturating_sub(size_of::<Waiting>() + text.len());
        self.load(capture)?;
        if let Some(next) = self.streams[capture].queue.key() {
            self.heads.push(Reverse((next, capture)));
        }
        Ok(Some((capture, Found { rule, ts: key, end: text.len() }, text)))
    }

    fn load(&mut self, capture: usize) -> Result<(), Stop> {
        // All captures may have a first part in memory at the same time.
        let amount = (self.limit / 2 / self.streams.len()).clamp(4 << 10, 256 << 10);
        self.held += self.streams[capture].queue.load(self.spill.as_ref(), amount)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Matches of a capture: time, text.
    type Matches = Vec<u64>;

    fn outcome(capture: usize, first: usize, times: &[u64]) -> Outcome {
        let mut outcome = Outcome::default();
        for (at, &ts) in times.iter().enumerate() {
            outcome.text.extend_from_slice(format!("{capture}:{}", first + at).as_bytes());
            outcome.found.push(Found { rule: 0, ts, end: outcome.text.len() });
        }
        outcome
    }

    fn drain(order: &mut TimeOrder, out: &mut Vec<(usize, String)>) {
        while let Some((capture, _, text)) = order.next().ok().flatten() {
            out.push((capture, String::from_utf8_lossy(&text).into_owned()));
        }
    }

    /// Merges captures whose blocks arrive in an order that `turns` decides.
    fn merged(captures: &[Matches], turns: &[usize], limit: usize) -> Vec<(usize, String)> {
        let starts: Vec<u64> = captures.iter().map(|times| times.iter().copied().min().unwrap_or(0)).collect();
        let mut order = TimeOrder::new(&starts);
        order.limit = limit;
        let mut at = vec![0; captures.len()];
        let mut out = Vec::new();
        let mut turns = turns.iter().cycle();
        while at.iter().zip(captures).any(|(&at, times)| at <= times.len()) {
            let capture = turns.next().unwrap() % captures.len();
            let times = &captures[capture];
            if at[capture] < times.len() {
                let end = (at[capture] + 3).min(times.len());
                assert!(order.add(capture, &outcome(capture, at[capture], &times[at[capture]..end])).is_ok());
                at[capture] = end;
            } else if at[capture] == times.len() {
                assert!(order.end(capture).is_ok());
                at[capture] += 1;
            }
            drain(&mut order, &mut out);
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn by_time_then_capture_then_event(
            captures in prop::collection::vec(prop::collection::vec(0u64..40, 0..30), 1..6),
            turns in prop::collection::vec(0usize..6, 12),
            limit in prop_oneof![Just(usize::MAX), 0usize..2000],
        ) {
            // Every capture has its turn, and none is more than a jitter out of order.
            let turns: Vec<usize> = turns.into_iter().chain(0..6).collect();
            let captures: Vec<Matches> = captures
                .into_iter()
                .map(|steps| {
                    let mut times: Vec<u64> = steps.iter().scan(0, |at, step| { *at += step * JITTER / 20; Some(*at) }).collect();
                    times.iter_mut().zip(&steps).for_each(|(time, step)| *time -= (*time).min(step % 20 * JITTER / 20));
                    times
                })
                .collect();
            let mut expected: Vec<(u64, usize, usize)> = captures
                .iter()
                .enumerate()
                .flat_map(|(capture, times)| times.iter().enumerate().map(move |(at, &ts)| (ts, capture, at)))
                .collect();
            expected.sort_unstable();
            let expected: Vec<_> = expected.into_iter().map(|(_, capture, at)| (capture, format!("{capture}:{at}"))).collect();
            prop_assert_eq!(merged(&captures, &turns, limit), expected);
        }
    }

    #[test]
    fn what_cannot_be_preceded_is_not_held_back() {
        let second = JITTER;
        let mut order = TimeOrder::new(&[0, 100 * second]);
        assert!(order.add(0, &outcome(0, 0, &[second, 2 * second, 5 * second])).is_ok());
        let mut out = Vec::new();
        drain(&mut order, &mut out);
        // The last could still be preceded by an event less than a second before it.
        assert_eq!(out.len(), 2);
        assert!(order.end(0).is_ok());
        drain(&mut order, &mut out);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn too_late_a_match_comes_next() {
        let second = JITTER;
        let mut order = TimeOrder::new(&[0]);
        assert!(order.add(0, &outcome(0, 0, &[5 * second, 10 * second, second, 11 * second])).is_ok());
        assert!(order.end(0).is_ok());
        let mut out = Vec::new();
        drain(&mut order, &mut out);
        assert_eq!(out.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), ["0:0", "0:2", "0:1", "0:3"]);
    }
}
