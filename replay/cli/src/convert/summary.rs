//! What a conversion did, in words.

use std::fmt::Write as _;

use falco_replay_format::fcap::Totals;

use super::cut::Unneeded;
use super::edit::Edit;
use super::output::Made;
use crate::run::{grouped, plural};

/// What went in.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Captures.
    pub captures: u64,
    /// Their bytes on the disk, where all of them are files.
    pub on_disk: Option<u64>,
    /// Their events.
    pub events: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Events of ours, which a `.scap` has no place for.
    pub own_events: u64,
}

/// The lines of the summary.
pub fn summary(inputs: &Inputs, totals: &Totals, made: &Made, unneeded: Unneeded, edit: &Edit) -> String {
    let mut out = String::new();
    let on_disk = inputs.on_disk.map(|size| format!(", {} on disk", bytes(size))).unwrap_or_default();
    let _ = writeln!(
        out,
        "in:  {}, {}, {} of events{on_disk}",
        plural(inputs.captures, "capture"),
        plural(inputs.events, "event"),
        bytes(inputs.bytes)
    );
    let name = match &made.files[..] {
        [only] => only.display().to_string(),
        [first, .., last] => {
            format!("{} … {} ({})", first.display(), last.display(), plural(made.files.len() as u64, "file"))
        }
        [] => "nothing".to_owned(),
    };
    let all = made.events + made.state_only;
    let state_only = match made.state_only {
        0 => String::new(),
        count => format!(" and {} that only change{} state", grouped(count), if count == 1 { "s" } else { "" }),
    };
    let each = if all == 0 { 0.0 } else { made.bytes as f64 / all as f64 };
    let share = match inputs.on_disk.filter(|&size| size > 0) {
        Some(size) => format!(", {:.3} of the input", made.bytes as f64 / size as f64),
        None => String::new(),
    };
    let _ = writeln!(
        out,
        "out: {name}: {}{state_only}, {} ({each:.2} bytes an event{share})",
        plural(made.events, "event"),
        bytes(made.bytes)
    );
    let left_out = [
        (inputs.events.saturating_sub(all), "event", "not asked for, and without an effect on what was"),
        (unneeded.threads, "thread", "of a snapshot that nothing needs"),
        (unneeded.containers, "container", "of a snapshot that nothing needs"),
        (edit.cut_bytes, "byte", "of data buffers beyond --snaplen"),
        (totals.dropped, "event", "of an older schema without a counterpart in today's"),
        (totals.unknown_events, "event", "of types newer than the schema"),
        (totals.unknown_blocks, "block", "of unknown kinds"),
        (totals.swallowed, "event", "damaged at the start, as Falco skips them"),
        (
            inputs.own_events.saturating_sub(made.own_events),
            "event",
            "of falco-replay's own, which Falco's schema has no place for",
        ),
        (made.shortened, "text", "cut to the length that a .scap has room for"),
    ];
    for (count, noun, what) in left_out.into_iter().filter(|(count, ..)| *count > 0) {
        let _ = writeln!(out, "left out: {} {what}", plural(count, noun));
    }
    if edit.redacted() > 0 {
        let _ = writeln!(out, "redacted: {}", plural(edit.redacted(), "value"));
    }
    out
}

/// A size in its largest unit.
fn bytes(count: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} bytes") } else { format!("{value:.1} {}", units[unit]) }
}
