//! Counts of a replay: the table at its end, and the summary in place of alerts.

use std::fmt::Write as _;
use std::time::Duration;

use falco_replay_rules::program::{Priority, Program};
use serde_json::{Map, Value, json};

use crate::replay::End;

/// What has been counted.
#[derive(Debug, Default)]
pub struct Totals {
    /// Captures that were read, in whole or in part.
    pub captures: u64,
    /// Captures that could not be read, or not to their end.
    pub incomplete: u64,
    /// Events that rules saw.
    pub events: u64,
    /// Alerts by rule of the program.
    pub by_rule: Vec<u64>,
    /// Alerts that a limit kept from being printed.
    pub withheld: u64,
    /// Events that say that others were dropped.
    pub drops: u64,
    /// Bytes of the uncompressed captures.
    pub bytes: u64,
    /// Events converted from an older schema.
    converted: u64,
    unknown_blocks: u64,
    unknown_events: u64,
    dropped: u64,
    evictions: u64,
    swallowed: u64,
    threads_refused: u64,
    fds_refused: u64,
}

impl Totals {
    /// Nothing yet, for this number of rules.
    pub fn new(rules: usize) -> Totals {
        Totals { by_rule: vec![0; rules], ..Totals::default() }
    }

    /// Number of alerts.
    pub fn alerts(&self) -> u64 {
        self.by_rule.iter().sum()
    }

    /// Adds what reading a capture counted.
    pub fn add(&mut self, end: &End) {
        let End { opened, reading: stats, refused, .. } = end;
        self.captures += u64::from(*opened);
        self.bytes += stats.bytes;
        self.converted += stats.converted;
        self.unknown_blocks += stats.unknown_blocks;
        self.unknown_events += stats.unknown_events;
        self.dropped += stats.dropped;
        self.evictions += stats.evictions;
        self.swallowed += stats.swallowed;
        self.threads_refused += refused.threads;
        self.fds_refused += refused.fds;
    }

    /// Priorities with alerts, most severe first.
    fn by_priority(&self, program: &Program) -> Vec<(Priority, u64)> {
        let of =
            |priority| self.rules(program).filter(|(rule, _)| rule.priority == priority).map(|(_, count)| count).sum();
        Priority::ALL.into_iter().map(|priority| (priority, of(priority))).filter(|(_, count)| *count > 0).collect()
    }

    /// Rules with alerts, in their order.
    fn rules<'a>(&'a self, program: &'a Program) -> impl Iterator<Item = (&'a falco_replay_rules::program::Rule, u64)> {
        program.rules.iter().zip(self.by_rule.iter().copied()).filter(|(_, count)| *count > 0)
    }

    /// What Falco prints at the end of a capture.
    pub fn summary_text(&self, program: &Program) -> String {
        let mut out = format!("Events detected: {}\nRule counts by severity:\n", self.alerts());
        for (priority, count) in self.by_priority(program) {
            let _ = writeln!(out, "   {}: {count}", priority.short_name());
        }
        out.push_str("Triggered rules by rule name:\n");
        for (rule, count) in self.rules(program) {
            let _ = writeln!(out, "   {}: {count}", rule.name);
        }
        out
    }

    /// The summary as JSON.
    pub fn summary_json(&self, program: &Program) -> String {
        let counted = |pairs: Vec<(String, u64)>| -> Map<String, Value> {
            pairs.into_iter().map(|(name, count)| (name, count.into())).collect()
        };
        let priorities = self.by_priority(program).into_iter().map(|(priority, count)| (priority.to_string(), count));
        let rules = self.rules(program).map(|(rule, count)| (rule.name.clone(), count));
        let summary = json!({
            "alerts": self.alerts(),
            "events": self.events,
            "captures": self.captures,
            "complete": self.incomplete == 0,
            "priorities": counted(priorities.collect()),
            "rules": counted(rules.collect()),
        });
        format!("{summary}\n")
    }

    /// The table at the end.
    pub fn table(&self, program: &Program, elapsed: Duration) -> String {
        let mut out = self.pace(elapsed);
        let _ = writeln!(out, "{}", plural(self.alerts(), "alert"));
        let wide = grouped(self.by_rule.iter().copied().max().unwrap_or(0)).len();
        for (priority, count) in self.by_priority(program) {
            let _ = writeln!(out, "{:>8} {priority}", grouped(count));
            for (rule, count) in self.rules(program).filter(|(rule, _)| rule.priority == priority) {
                let _ = writeln!(out, "          {:>wide$} {}", grouped(count), rule.name);
            }
        }
        if self.withheld > 0 {
            let _ = writeln!(out, "{} not printed because of --max-per-rule", plural(self.withheld, "alert"));
        }
        out + &self.notes()
    }

    /// How much was gone through, and how fast.
    pub fn pace(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { self.events as f64 / seconds } else { 0.0 };
        format!(
            "{} of {} in {seconds:.2} s ({} events per second)\n",
            plural(self.events, "event"),
            plural(self.captures, "capture"),
            grouped(rate as u64)
        )
    }

    /// What is unusual about the captures.
    pub fn notes(&self) -> String {
        let mut out = String::new();
        for (count, what, meaning) in self.unusual() {
            if count > 0 {
                let _ = writeln!(out, "note: {} {meaning}", plural(count, what));
            }
        }
        out
    }

    fn unusual(&self) -> [(u64, &'static str, &'static str); 9] {
        [
            (self.drops, "drop event", "in the captures: the recorder lost or left out events there"),
            (self.incomplete, "capture", "could not be read, or not to the end: see the errors above"),
            (self.unknown_blocks, "block", "of an unknown kind skipped"),
            (self.unknown_events, "event", "of a type newer than the event schema skipped"),
            (self.swallowed, "damaged event", "at the start of a capture skipped, as Falco does"),
            (self.dropped, "old event", "without a counterpart in today's schema left out"),
            (self.evictions, "enter event", "forgotten to bound memory: the arguments of those calls are missing"),
            (self.threads_refused, "thread", "beyond Falco's table limit not followed"),
            (self.fds_refused, "descriptor", "beyond the table limit of a process not followed"),
        ]
    }
}

/// A count with its noun.
pub fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{grouped, plural};

    #[test]
    fn numbers_for_people() {
        assert_eq!([0, 12, 123, 1234, 1_234_567].map(grouped), ["0", "12", "123", "1,234", "1,234,567"]);
        assert_eq!(plural(1, "event"), "1 event");
        assert_eq!(plural(2000, "event"), "2,000 events");
    }
}
