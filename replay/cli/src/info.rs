//! `falco-replay info`: what a capture is and what is in it.

mod survey;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use falco_replay_format::demand::Demand;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::capture::{Capture, is_stored};
use crate::exit::Exit;
use crate::info::survey::{Survey, survey, survey_stored};
use crate::interrupt::Interrupt;
use crate::output::OutputFormat;
use crate::rendering::zone_named;
use crate::run::{grouped, plural};
use crate::sink::{Sink, Stop};
use crate::sources;
use crate::stderr;

/// Event types shown as text unless all are asked for.
const SHOWN_TYPES: usize = 20;

/// Show what a capture is: host, time range, events, processes, containers, losses
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  falco-replay info capture.scap
  falco-replay info --output json captures/ | jq '.[].host'

Exit codes: 0 done, 2 not done or incomplete.")]
pub struct InfoArgs {
    /// Captures: files, folders of them, patterns, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    output: OutputFormat,
    /// Zone of the times, such as Europe/Berlin or UTC [default: the local zone, TZ]; JSON has UTC
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Show every event type and container, not only the most frequent
    #[arg(long)]
    all: bool,
}

/// Runs the command.
pub fn exec_info(args: &InfoArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let zone = zone_named(args.tz.as_deref())?;
    let mut exit = Exit::Done;
    let mut sink = Sink::new().stdout();
    let mut found = Vec::new();
    for path in &sources::captures(&args.captures)? {
        let found_out = if is_stored(path) {
            survey_stored(path, &interrupt)
        } else {
            Capture::open(path, &interrupt).map(|capture| survey(capture.blocks(Demand::default(), &interrupt)))
        };
        let survey = match found_out {
            Ok(survey) => survey,
            Err(error) => {
                stderr::say(error);
                exit = Exit::NotDone;
                continue;
            }
        };
        if let Some(error) = &survey.error {
            stderr::say(error);
            exit = Exit::NotDone;
        }
        match args.output {
            OutputFormat::Json => found.push(as_json(&survey)),
            OutputFormat::Text => {
                sink.buffer().extend_from_slice(as_text(&survey, &zone, args.all).as_bytes());
                if let Some(exit) = write(&mut sink, exit)? {
                    return Ok(exit);
                }
            }
        }
        if interrupt.asked() {
            break;
        }
    }
    if args.output == OutputFormat::Json {
        sink.buffer().extend_from_slice(format!("{}\n", Value::Array(found)).as_bytes());
        write(&mut sink, exit)?;
    }
    Ok(exit)
}

/// Writes what was gathered; the exit where nobody reads it.
fn write(sink: &mut Sink, exit: Exit) -> anyhow::Result<Option<Exit>> {
    match sink.flush() {
        Ok(()) => Ok(None),
        Err(Stop::Closed) => Ok(Some(exit)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn as_text(survey: &Survey, zone: &TimeZone, all: bool) -> String {
    let mut out = format!("{}\n", survey.name);
    let mut row = |title: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(out, "  {title:<12} {value}");
        }
    };
    let stats = &survey.totals;
    row(
        "format",
        format!(
            ".{}{}{}",
            survey.format,
            if survey.compression.is_empty() { String::new() } else { format!(", {}", survey.compression) },
            match stats.sections {
                0 | 1 => String::new(),
                sections => format!(", {sections} captures one after the other"),
            }
        ),
    );
    let on_disk = survey.size.map(|size| format!(", {} on disk", bytes(size))).unwrap_or_default();
    row("size", format!("{}{on_disk}", bytes(stats.bytes)));
    if let Some(about) = &survey.about {
        row("recorder", format!("{} {}", about.recorder, about.recorder_version).trim().to_owned());
        row("kernel", about.kernel.clone());
    }
    row("host", survey.hostname.clone());
    if let Some(machine) = &survey.machine {
        row("machine", format!("{}, {} of memory", plural(u64::from(machine.cpus), "CPU"), bytes(machine.memory)));
        if machine.boot_time > 0 {
            row("booted", time(machine.boot_time, zone));
        }
    }
    if let Some((first, last)) = survey.times {
        row("from", time(first, zone));
        row("to", format!("{} ({})", time(last, zone), duration(last - first)));
    }
    row("events", format!("{} delivered to rules, {} in all", grouped(survey.delivered), grouped(survey.events)));
    row(
        "processes",
        format!(
            "{} at the start ({}), {} seen",
            grouped(survey.processes_at_start),
            plural(survey.threads_at_start, "thread"),
            grouped(survey.processes.len() as u64)
        ),
    );
    row("users", format!("{}, {}", plural(survey.users, "user"), plural(survey.groups, "group")));
    let interfaces: Vec<_> = survey.interfaces.iter().map(|(name, address)| format!("{name} {address}")).collect();
    row("interfaces", interfaces.join(", "));
    let shown = if all { usize::MAX } else { SHOWN_TYPES };
    row("containers", survey.containers.len().to_string());
    for (id, (name, image)) in survey.containers.iter().take(shown) {
        let about: Vec<_> = [name, image].into_iter().filter(|text| !text.is_empty()).map(String::as_str).collect();
        row("", format!("{id} {}", about.join(" ")).trim_end().to_owned());
    }
    let more =
        |len: usize| if len > shown { format!("… {} more (--all shows them)", len - shown) } else { String::new() };
    row("", more(survey.containers.len()));
    row("losses", survey.losses().join(", "));
    row(
        "converted",
        match (stats.converted, stats.dropped) {
            (0, 0) => String::new(),
            (converted, 0) => format!("{} from an older schema", plural(converted, "event")),
            (converted, dropped) => {
                format!(
                    "{} from an older schema, {} without a counterpart left out",
                    plural(converted, "event"),
                    grouped(dropped)
                )
            }
        },
    );
    let blocks: Vec<_> =
        survey.blocks().into_iter().map(|(name, count)| format!("{} {name}", grouped(count))).collect();
    row("blocks", blocks.join(", "));
    let types = survey.by_type();
    row("types", types.len().to_string());
    for (name, count) in types.iter().take(shown) {
        row("", format!("{:>12} {name}", grouped(*count)));
    }
    row("", more(types.len()));
    out
}

fn as_json(survey: &Survey) -> Value {
    let machine = survey.machine.as_ref();
    let utc = |ts: u64| format!("{}Z", falco_replay_engine::time::iso8601(ts));
    json!({
        "capture": survey.name,
        "format": survey.format,
        "compression": survey.compression,
        "sections": survey.totals.sections,
        "bytes": survey.totals.bytes,
        "bytes_on_disk": survey.size,
        "complete": survey.error.is_none(),
        "error": survey.error.as_ref().map(ToString::to_string),
        "host": survey.hostname,
        // No .scap says which kernel it was recorded on.
        "kernel": survey.about.as_ref().map(|about| about.kernel.as_str()).filter(|kernel| !kernel.is_empty()),
        "recorder": survey.about.as_ref().map(|about| format!("{} {}", about.recorder, about.recorder_version)),
        "cpus": machine.map(|machine| machine.cpus),
        "memory_bytes": machine.map(|machine| machine.memory),
        "boot_time": machine.map(|machine| machine.boot_time).filter(|&ts| ts > 0).map(utc),
        "first_event": survey.times.map(|(first, _)| utc(first)),
        "last_event": survey.times.map(|(_, last)| utc(last)),
        "duration_ns": survey.times.map(|(first, last)| last - first),
        "events": survey.events,
        "events_delivered": survey.delivered,
        "events_by_type": survey.by_type().into_iter().map(|(name, count)| (name.to_owned(), count.into())).collect::<serde_json::Map<_, Value>>(),
        "processes_at_start": survey.processes_at_start,
        "threads_at_start": survey.threads_at_start,
        "processes_seen": survey.processes.len(),
        "containers": survey.containers.iter().map(|(id, (name, image))| json!({"id": id, "name": name, "image": image})).collect::<Vec<_>>(),
        "interfaces": survey.interfaces.iter().map(|(name, address)| json!({"name": name, "address": address.to_string()})).collect::<Vec<_>>(),
        "users": survey.users,
        "groups": survey.groups,
        "losses": {
            "drop_events": survey.drops,
            "unknown_blocks": survey.totals.unknown_blocks,
            "unknown_events": survey.totals.unknown_events,
            "damaged_events_skipped": survey.totals.swallowed,
            "threads_refused": survey.totals.refused_threads,
            "descriptors_refused": survey.totals.refused_fds,
        },
        "converted_events": survey.totals.converted,
        "converted_away": survey.totals.dropped,
        "enter_events_forgotten": survey.totals.evictions,
        "blocks": survey.blocks().into_iter().map(|(name, count)| (name, count.into())).collect::<serde_json::Map<_, Value>>(),
    })
}

fn time(ts: u64, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(ts)) {
        Ok(stamp) => zone.to_datetime(stamp).to_string().replacen('T', " ", 1) + &zone_suffix(zone, stamp),
        Err(_) => ts.to_string(),
    }
}

fn zone_suffix(zone: &TimeZone, stamp: jiff::Timestamp) -> String {
    format!(" {}", zone.to_offset_info(stamp).abbreviation())
}

/// A span of time in its two largest units.
fn duration(nanoseconds: u64) -> String {
    let seconds = nanoseconds / 1_000_000_000;
    match seconds {
        0..60 => format!("{:.3} s", nanoseconds as f64 / 1e9),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A size in its largest unit.
pub fn bytes(count: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration};

    #[test]
    fn sizes_and_spans() {
        assert_eq!([0, 1023, 1024, 5 << 30].map(bytes), ["0 bytes", "1023 bytes", "1.0 KiB", "5.0 GiB"]);
        let spans = [1_500_000, 61_000_000_000, 3_660_000_000_000, 90_000_000_000_000].map(duration);
        assert_eq!(spans, ["0.002 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }
}
