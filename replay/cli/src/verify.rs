//! `falco-replay verify`: whether capture files are as they were written.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use falco_replay_engine::time::iso8601;
use falco_replay_format::fcap::{
    self, Access, Clock, Error, FileAbout, Finding, Problem, Repaired, Report, Totals, repair, verify,
};
use serde_json::{Value, json};

use crate::convert::place::{self, Unfinished};
use crate::exit::Exit;
use crate::output::OutputFormat;
use crate::run::{grouped, plural};
use crate::sink::{Sink, Stop};
use crate::sources;
use crate::stderr;

/// Findings shown as text; JSON has all.
const SHOWN: usize = 100;

/// Check that .fcap captures are as they were written
///
/// Checks every section, every column, that blocks hold what the index says, and the chained SHA-256. A .scap has no
/// checksums: there is nothing to verify.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  falco-replay verify captures/
  falco-replay verify --manifest capture.json capture.fcap
  falco-replay verify --repair whole.fcap torn.fcap

Exit codes: 0 all sound; 1 damaged, changed, or not closed; 2 not done.")]
pub struct VerifyArgs {
    /// Captures: files, folders of them, or patterns
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Write what a chain of custody needs, as JSON: size, SHA-256 of the file and of the chain, host, times, counts
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Write a new capture with all that is whole, and say exactly what is lost; one capture only
    #[arg(long, value_name = "FILE")]
    repair: Option<PathBuf>,
    /// Replace files that exist already
    #[arg(short, long)]
    force: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t, value_name = "FORM")]
    output: OutputFormat,
}

/// Runs the command.
pub fn exec_verify(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let captures: Vec<PathBuf> = sources::captures(&args.captures)?;
    if let Some(stdin) = captures.iter().find(|path| *path == Path::new("-")) {
        bail!("{} is standard input, which cannot be verified; name a file", stdin.display());
    }
    if args.repair.is_some() && captures.len() != 1 {
        bail!("--repair takes one capture, and {} are named; repair them one by one", captures.len());
    }
    for output in [&args.manifest, &args.repair].into_iter().flatten() {
        place::check(output, &captures, false, args.force)?;
    }
    let mut exit = Exit::Done;
    let mut sink = Sink::new().stdout();
    let mut found = Vec::new();
    for path in &captures {
        let verified = match &args.repair {
            Some(to) => repaired(path, to, args.force)?,
            None => verify(path, Access::Map).map(Verified::from),
        };
        let verified = match verified {
            Ok(verified) => verified,
            Err(error) => {
                stderr::say(not_verified(path, &error));
                exit = Exit::NotDone;
                continue;
            }
        };
        if !verified.report.is_sound() {
            exit = exit.max(Exit::Found);
        }
        if args.output == OutputFormat::Json || args.manifest.is_some() {
            found.push(as_json(path, &verified.report));
        }
        if args.output == OutputFormat::Text {
            sink.buffer().extend_from_slice(as_text(path, &verified, args.repair.as_deref()).as_bytes());
            if let Err(Stop::Failed(error)) = sink.flush() {
                return Err(error);
            }
        }
    }
    if args.output == OutputFormat::Json {
        sink.buffer().extend_from_slice(format!("{}\n", Value::Array(found.clone())).as_bytes());
        if let Err(Stop::Failed(error)) = sink.flush() {
            return Err(error);
        }
    }
    if let Some(path) = &args.manifest {
        let manifest = json!({ "manifest_version": 1, "captures": found });
        write_file(path, format!("{manifest:#}\n").as_bytes(), args.force)?;
    }
    Ok(exit)
}

/// A file that was checked.
struct Verified {
    report: Report,
    repaired: Option<(fcap::Written, u64)>,
}

impl From<Report> for Verified {
    fn from(report: Report) -> Verified {
        Verified { report, repaired: None }
    }
}

/// Writes what is whole of `path` to `to`. The inner error: it could not be read.
fn repaired(path: &Path, to: &Path, force: bool) -> anyhow::Result<Result<Verified, Error>> {
    let (unfinished, file) = Unfinished::create(to)?;
    match repair(path, Access::Map, std::io::BufWriter::new(file)) {
        Ok((out, Repaired { report, written, rescued })) => {
            let fail = || format!("cannot write {}", to.display());
            out.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all()).with_context(fail)?;
            unfinished.keep(force)?;
            Ok(Ok(Verified { report, repaired: Some((written, rescued)) }))
        }
        Err(error) if matches!(error.problem, Problem::Output(_)) => {
            Err(anyhow!(error).context(format!("cannot write {}", to.display())))
        }
        Err(error) => Ok(Err(error)),
    }
}

fn write_file(path: &Path, contents: &[u8], force: bool) -> anyhow::Result<()> {
    let (unfinished, mut file) = Unfinished::create(path)?;
    let fail = || format!("cannot write {}", path.display());
    file.write_all(contents).and_then(|()| file.sync_all()).with_context(fail)?;
    unfinished.keep(force)
}

fn not_verified(path: &Path, error: &Error) -> String {
    let remedy = match &error.problem {
        Problem::NotCapture { .. } => "; only .fcap captures can be verified, 'falco-replay convert' makes them",
        Problem::Version { .. } => "; a newer falco-replay reads it",
        _ => "",
    };
    format!("{}: {error}{remedy}", path.display())
}

fn as_text(path: &Path, verified: &Verified, repaired_to: Option<&Path>) -> String {
    let report = &verified.report;
    let path = path.display();
    let size = plural(report.size, "byte");
    let contents = format!("{}, {}", plural(report.blocks, "block"), plural(report.events, "event"));
    let mut out = match (report.is_sound(), report.closed) {
        (true, _) => format!("{path}: sound ({size}, {contents}; SHA-256 of the chain {})\n", hex(&report.chain)),
        (false, true) => format!("{path}: DAMAGED ({size}); whole are {contents}\n"),
        (false, false) => format!("{path}: NOT CLOSED ({size}); whole are {contents}\n"),
    };
    if !report.closed {
        out += "  it has no index and no trailer at its end: nobody can tell whether anything came after\n";
    }
    for finding in report.findings.iter().take(SHOWN) {
        out += &format!("  {finding}\n");
    }
    if let Some(more) = report.findings.len().checked_sub(SHOWN).filter(|&more| more > 0) {
        out += &format!("  and {} more; --output json has all\n", grouped(more as u64));
    }
    if let (Some((written, rescued)), Some(to)) = (&verified.repaired, repaired_to) {
        out += &format!(
            "  {}: {}, {}, {}{}\n",
            to.display(),
            plural(written.bytes, "byte"),
            plural(written.block_count, "block"),
            plural(written.events, "event"),
            match rescued {
                0 => String::new(),
                count => format!("; {} had a damaged frame and whole contents", plural(*count, "section")),
            }
        );
    } else if !report.is_sound() {
        out += "  verify --repair writes a new capture with all that is whole\n";
    }
    out
}

fn as_json(path: &Path, report: &Report) -> Value {
    let utc = |ts: u64| format!("{}Z", iso8601(ts));
    let about = report.about.as_ref();
    json!({
        "file": path.display().to_string(),
        "sound": report.is_sound(),
        "closed": report.closed,
        "size": report.size,
        "sha256": hex(&report.sha256),
        "chain_sha256": hex(&report.chain),
        "chain_sha256_written": report.chain_written.as_ref().map(|chain| hex(chain)),
        "recorded": about.map(about_json),
        "first_event": report.times.map(|(first, _)| utc(first)),
        "last_event": report.times.map(|(_, last)| utc(last)),
        "first_event_number": report.nums.map(|(first, _)| first),
        "last_event_number": report.nums.map(|(_, last)| last),
        "events": report.events,
        "events_delivered": report.delivered,
        "own_events": report.own_events,
        "blocks": report.blocks,
        "snapshots": report.snapshots,
        "sections": report.sections,
        "source": report.totals.as_ref().map(totals_json),
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn about_json(about: &FileAbout) -> Value {
    json!({
        "recorder": about.recorder,
        "recorder_version": about.recorder_version,
        "imported_from": about.source,
        "host": String::from_utf8_lossy(&about.hostname),
        "kernel": about.kernel,
        "boot_id": about.boot_id.as_ref().map(|id| hex(id)),
        "configuration_sha256": about.config_hash.as_ref().map(|hash| hex(hash)),
        "clock": match about.clock {
            Clock::Imported => "as imported".to_owned(),
            Clock::Boot { offset } => format!("boot clock plus {offset} ns"),
        },
    })
}

fn totals_json(totals: &Totals) -> Value {
    json!({
        "complete": totals.complete,
        "events": totals.events,
        "events_dropped_by_conversion": totals.dropped,
        "unknown_events": totals.unknown_events,
        "unknown_blocks": totals.unknown_blocks,
        "damage": totals.damage,
        "notes": totals.notes,
    })
}

fn finding_json(finding: &Finding) -> Value {
    let Finding { start, end, error, lost } = finding;
    json!({
        "start": start,
        "end": end,
        "at": error.offset,
        "problem": error.problem.to_string(),
        "lost": {
            "blocks": lost.blocks,
            "events": lost.events,
            "first_event_number": lost.first_num,
            "last_event_number": lost.last_num,
            "snapshots": lost.snapshots,
            "own_events": lost.own_events,
        },
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
