//! What a hunt prints, and what it says at its end.

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::Wanted;
use crate::capture::capture_name;
use crate::exit::Exit;
use crate::info::bytes;
use crate::output::OutputFormat;
use crate::progress::Progress;
use crate::replay::evaluation::{Found, Outcome};
use crate::replay::{End, Flow, JITTER, Merge, Opened, Skipping};
use crate::run::{Totals, grouped, plural};
use crate::sink::{Sink, Stop};
use crate::stderr;

/// A match that may turn out to be the first or last.
type Candidate = Option<(u64, Vec<u8>)>;

/// The last stage of a hunt: the one owner of its output.
pub struct Hunt {
    wanted: Wanted,
    by_capture: bool,
    form: OutputFormat,
    names: Vec<String>,
    sink: Sink,
    progress: Option<Progress>,
    shows_progress: bool,
    totals: Totals,
    matches: u64,
    /// Matches by capture.
    found_in: Vec<u64>,
    left: u64,
    first: Candidate,
    last: Candidate,
    /// Least time of an event of the outcome at hand.
    least_ts: u64,
    /// Matches that the outcome at hand handed on.
    seen: u64,
    skipping: Option<Skipping>,
    not_indexed: u64,
}

impl Hunt {
    /// Nothing found yet.
    pub fn new(
        wanted: Wanted,
        by_capture: bool,
        form: OutputFormat,
        captures: &[PathBuf],
        shows_progress: bool,
    ) -> Hunt {
        let most = match wanted {
            Wanted::Events(limit) => limit.map_or(u64::MAX, NonZeroU64::get),
            _ => u64::MAX,
        };
        Hunt {
            wanted,
            by_capture,
            form,
            names: captures.iter().map(|path| capture_name(path)).collect(),
            sink: Sink::new().stdout(),
            progress: None,
            shows_progress,
            totals: Totals::new(0),
            matches: 0,
            found_in: vec![0; captures.len()],
            left: most,
            first: None,
            last: None,
            least_ts: 0,
            seen: 0,
            skipping: None,
            not_indexed: 0,
        }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let sink = &mut self.sink;
        match &self.progress {
            Some(progress) if sink.is_live() => progress.aside(|| sink.flush()),
            _ => sink.flush(),
        }
    }

    fn line(&mut self, text: &str, json: &serde_json::Value) {
        let line = match self.form {
            OutputFormat::Text => format!("{text}\n"),
            OutputFormat::Json => format!("{json}\n"),
        };
        self.sink.buffer().extend_from_slice(line.as_bytes());
    }

    /// Number of captures with matches.
    fn captures(&self) -> u64 {
        self.found_in.iter().filter(|count| **count > 0).count() as u64
    }

    fn note(&mut self, capture: usize, matches: u64) {
        self.matches += matches;
        self.found_in[capture] += matches;
    }

    /// Prints what a capture, or all of them, came to.
    fn sum_up(&mut self, capture: Option<usize>) {
        match self.wanted {
            Wanted::Count => match capture {
                Some(capture) => {
                    let (name, count) = (self.names[capture].clone(), self.found_in[capture]);
                    self.line(&format!("{count} {name}"), &json!({ "capture": name, "count": count }));
                }
                None => {
                    let (count, captures) = (self.matches, self.captures());
                    self.line(&count.to_string(), &json!({ "count": count, "captures": captures }));
                }
            },
            Wanted::Ends { .. } => {
                for (_, line) in [self.first.take(), self.last.take()].into_iter().flatten() {
                    self.sink.buffer().extend_from_slice(&line);
                }
            }
            Wanted::Events(_) | Wanted::Captures => {}
        }
    }

    /// Prints what is known only at the end.
    pub fn conclude(&mut self) -> Result<(), Stop> {
        if !self.by_capture {
            self.sum_up(None);
        }
        self.sink.flush()
    }

    /// How it ended.
    pub fn exit(&self) -> Exit {
        if self.totals.incomplete > 0 {
            Exit::NotDone
        } else if self.matches > 0 {
            Exit::Found
        } else {
            Exit::Done
        }
    }

    /// What is said at the end.
    pub fn table(&self, elapsed: Duration) -> String {
        let mut out = self.totals.pace(elapsed);
        let captures = plural(self.captures(), "capture");
        let _ = match self.wanted {
            Wanted::Captures => writeln!(out, "found in {captures}"),
            _ if self.matches == 1 => writeln!(out, "1 match in {captures}"),
            _ => writeln!(out, "{} matches in {captures}", grouped(self.matches)),
        };
        if let Some(Skipping { blocks_read, blocks_skipped, bytes_read, bytes_skipped }) = self.skipping {
            let _ = writeln!(
                out,
                "{} read ({}), {} skipped by their index ({})",
                plural(blocks_read, "block"),
                bytes(bytes_read),
                plural(blocks_skipped, "block"),
                bytes(bytes_skipped)
            );
        }
        if self.not_indexed > 0 {
            let _ = writeln!(out, "{} without an index", plural(self.not_indexed, "capture"));
        }
        out.push_str(&self.totals.notes());
        out
    }
}

impl Merge for Hunt {
    fn opened(&mut self, name: &str, opened: &Opened) {
        if let Some(progress) = self.progress.replace(Progress::new(name, opened, self.shows_progress)) {
            progress.finish();
        }
    }

    fn count(&mut self, capture: usize, outcome: &Outcome) {
        self.totals.events += outcome.events;
        self.totals.drops += outcome.drops;
        if !matches!(self.wanted, Wanted::Events(_)) {
            self.note(capture, outcome.matches);
        }
        self.least_ts = outcome.least_ts;
        self.seen = 0;
        if let Some(progress) = &self.progress {
            progress.update();
        }
    }

    fn found(&mut self, capture: usize, found: Found, text: &[u8]) -> Result<Flow, Stop> {
        let Wanted::Ends { first, .. } = self.wanted else {
            self.note(capture, 1);
            self.sink.buffer().extend_from_slice(text);
            if self.sink.is_due() {
                self.flush()?;
            }
            self.left -= 1;
            return Ok(if self.left == 0 { Flow::Enough } else { Flow::On });
        };
        self.seen += 1;
        if first && self.seen == 1 {
            if self.first.as_ref().is_none_or(|(ts, _)| found.ts < *ts) {
                self.first = Some((found.ts, text.to_vec()));
            }
        } else if self.last.as_ref().is_none_or(|(ts, _)| found.ts >= *ts) {
            self.last = Some((found.ts, text.to_vec()));
        }
        Ok(Flow::On)
    }

    fn pause(&mut self, capture: usize) -> Result<Flow, Stop> {
        let flow = match self.wanted {
            Wanted::Captures if self.found_in[capture] > 0 => {
                let name = self.names[capture].clone();
                self.line(&name, &json!({ "capture": name }));
                Flow::NextCapture
            }
            // Nothing that comes now can be earlier.
            Wanted::Ends { first: true, last: false }
                if self.first.as_ref().is_some_and(|(ts, _)| self.least_ts > ts.saturating_add(JITTER)) =>
            {
                Flow::NextCapture
            }
            _ => Flow::On,
        };
        if !self.sink.buffer().is_empty() {
            self.flush()?;
        }
        Ok(flow)
    }

    fn end(&mut self, capture: usize, end: End) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        self.totals.add(&end);
        match end.skipping {
            Some(skipping) => {
                let all = self.skipping.get_or_insert_default();
                all.blocks_read += skipping.blocks_read;
                all.blocks_skipped += skipping.blocks_skipped;
                all.bytes_read += skipping.bytes_read;
                all.bytes_skipped += skipping.bytes_skipped;
            }
            None => self.not_indexed += u64::from(end.opened),
        }
        if self.by_capture && self.found_in[capture] > 0 {
            self.sum_up(Some(capture));
        }
        if let Some(error) = end.error {
            self.totals.incomplete += 1;
            stderr::say(error);
        }
    }
}
