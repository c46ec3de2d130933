//! `falco-replay run`: alerts of rules over captures.

mod evaluation;
mod pipeline;
mod prepare;
mod selection;
mod totals;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use falco_replay_engine::evaluate::RuleMatching;
use falco_replay_rules::program::Priority;

use crate::capture::{Capture, CaptureError, capture_name};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::OutputFormat;
use crate::progress::Progress;
use crate::rendering::RenderingArgs;
use crate::run::evaluation::{Evaluation, Outcome};
use crate::run::pipeline::{End, Merge, replay};
use crate::run::prepare::{Replay, prepare};
use crate::run::selection::SelectionArgs;
use crate::run::totals::Totals;
use crate::sink::{Sink, Stop};
use crate::stderr;
use crate::window::WindowArgs;

pub use totals::{grouped, plural};

/// More threads than this are not used unless asked for: reading is in turn, and sets the pace.
const MOST_THREADS: usize = 8;

const EXAMPLES: &str = "\
Examples:
  falco-replay run -r falco_rules.yaml capture.scap
  falco-replay run -r falco_rules.yaml -r local.yaml --output json captures/ > alerts.jsonl
  falco-replay run -c /etc/falco/falco.yaml -o json_output=true capture.scap.gz
  falco-replay run -r rules/ --disable '*' --enable-tag network --summary 'node-*.scap'
  ssh node cat capture.scap.gz | falco-replay run -r falco_rules.yaml -

Exit codes: 0 no alert, 1 alerts (0 with --exit-zero), 2 not done or incomplete: for example
rules that do not load, or a capture that is cut off (what came before is evaluated).";

/// Evaluate Falco rules over captures and print the alerts, as Falco would have
///
/// Captures are .scap files of Falco or sysdig, of any version, plain or compressed with gzip, zstd or lz4. Each has its own
/// state and event numbers; alerts come in the order of the captures as given, then of their events.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RunArgs {
    /// Captures: files, folders of them, patterns, or - for standard input
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Rules file, or folder of them; may be given several times, loaded in the order given
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Falco's configuration (falco.yaml): rules files, rule selection, output settings are taken over
    ///
    /// What has no meaning in a replay is named once and ignored. Flags given here count more than the configuration; -r
    /// replaces its rules_files. Without a configuration outputs end with the suggested fields (container.id and so on), as
    /// Falco comes; -o append_output=[] leaves them out.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one option of the configuration, such as json_output=true or rules[].disable.rule=NAME
    #[arg(short, long = "option", value_name = "KEY=VALUE")]
    option: Vec<String>,
    /// Form of the alerts: Falco's text line or Falco's JSON [default: text]
    #[arg(long, value_enum, value_name = "FORM")]
    output: Option<OutputFormat>,
    /// Add to each alert which capture and event it is of
    ///
    /// As text `CAPTURE:NUMBER: ` at the beginning of the line, as JSON the keys `capture` and `evt_num`.
    #[arg(long)]
    with_origin: bool,
    /// Write the alerts to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
    #[command(flatten)]
    window: WindowArgs,
    /// Only events that pass this condition, in the language of rules
    #[arg(long, value_name = "CONDITION")]
    filter: Option<String>,
    /// Print how many alerts there are of each priority and rule, in place of the alerts
    #[arg(long)]
    summary: bool,
    /// Print at most so many alerts of each rule; the others are still counted
    #[arg(long, value_name = "N")]
    max_per_rule: Option<NonZeroU64>,
    /// Which rules alert on an event that several match: the first in definition order, or all [default: first]
    #[arg(long, value_enum, value_name = "WHICH")]
    rule_matching: Option<Matching>,
    /// Leave out rules less severe than this: emergency, alert, critical, error, warning, notice, informational, debug
    #[arg(long, value_name = "PRIORITY", value_parser = crate::config::priority, help_heading = "Choosing rules")]
    priority: Option<Priority>,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    rendering: RenderingArgs,
    /// Print buffers (such as evt.buffer) as base64
    #[arg(short, long)]
    base64: bool,
    /// Threads to use; the output is the same for any number [default: one a processor, at most 8]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Print nothing but alerts and errors
    #[arg(short, long)]
    quiet: bool,
    /// Exit with 0 even where there are alerts
    #[arg(long)]
    exit_zero: bool,
}

/// Which rules alert on an event that several match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Matching {
    /// The first in definition order
    First,
    /// All of them
    All,
}

impl From<Matching> for RuleMatching {
    fn from(matching: Matching) -> RuleMatching {
        match matching {
            Matching::First => RuleMatching::First,
            Matching::All => RuleMatching::All,
        }
    }
}

/// Runs the command.
pub fn exec_run(args: &RunArgs) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let interrupt = Interrupt::watch()?;
    let Replay { evaluation, captures, sink } = prepare(args)?;
    let evaluation = Arc::new(evaluation);
    let threads = args.threads.map_or_else(
        || std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS),
        NonZeroUsize::get,
    );
    let mut run =
        Run { evaluation: &evaluation, sink, totals: Totals::new(evaluation.program.rules.len()), progress: None };
    let mut outcome = Ok(());
    for path in &captures {
        match Capture::open(path, &interrupt) {
            Ok(capture) => {
                run.progress = Some(Progress::new(&capture, !args.quiet));
                outcome = replay(capture, &capture_name(path), &evaluation, threads, &interrupt, &mut run);
                if outcome.is_ok() {
                    outcome = run.flush();
                }
                if let Some(progress) = run.progress.take() {
                    progress.finish();
                }
            }
            Err(error) => run.fail(&error),
        }
        if outcome.is_err() || interrupt.asked() {
            break;
        }
    }
    if outcome.is_ok() && args.summary {
        outcome = run.summarize();
    }
    let totals = run.totals;
    let exit = match outcome {
        // Whoever reads the output has seen enough: what was found until then counts.
        Err(Stop::Closed) => return Ok(exit_of(&totals, args.exit_zero)),
        Err(Stop::Failed(error)) => return Err(error),
        Ok(()) if interrupt.asked() => Exit::NotDone,
        Ok(()) => exit_of(&totals, args.exit_zero),
    };
    if !args.quiet {
        stderr::write(&totals.table(&evaluation.program, start.elapsed()));
    }
    Ok(exit)
}

fn exit_of(totals: &Totals, exit_zero: bool) -> Exit {
    if totals.incomplete > 0 {
        Exit::NotDone
    } else if totals.alerts() > 0 && !exit_zero {
        Exit::Found
    } else {
        Exit::Done
    }
}

/// The last stage: the one owner of the output and of the counts.
struct Run<'a> {
    evaluation: &'a Evaluation,
    sink: Sink,
    totals: Totals,
    progress: Option<Progress>,
}

impl Run<'_> {
    fn fail(&mut self, error: &CaptureError) {
        self.totals.incomplete += 1;
        self.aside(|| stderr::say(error));
    }

    /// Does something that may write to the terminal on which the progress is shown.
    fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.progress {
            Some(progress) => progress.aside(work),
            None => work(),
        }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let sink = &mut self.sink;
        match &self.progress {
            Some(progress) if sink.is_live() => progress.aside(|| sink.flush()),
            _ => sink.flush(),
        }
    }

    fn summarize(&mut self) -> Result<(), Stop> {
        let text = match self.evaluation.summary {
            OutputFormat::Text => self.totals.summary_text(&self.evaluation.program),
            OutputFormat::Json => self.totals.summary_json(&self.evaluation.program),
        };
        self.sink.buffer().extend_from_slice(text.as_bytes());
        self.sink.flush()
    }
}

impl Merge for Run<'_> {
    fn take(&mut self, outcome: &Outcome) -> Result<(), Stop> {
        self.totals.events += outcome.events;
        self.totals.drops += outcome.drops;
        if let Some(progress) = &self.progress {
            progress.update();
        }
        let mut start = 0;
        for &(rule, end) in &outcome.found {
            self.totals.by_rule[rule as usize] += 1;
            let text = outcome.text.get(start..end).unwrap_or_default();
            start = end;
            if self.evaluation.limit.as_ref().is_some_and(|limit| !limit.admits(rule)) {
                self.totals.withheld += 1;
                continue;
            }
            self.sink.buffer().extend_from_slice(text);
            if self.sink.is_due() {
                self.flush()?;
            }
        }
        // Whoever waits for alerts of a capture that is still being written sees them block by block.
        if outcome.found.is_empty() { Ok(()) } else { self.flush() }
    }

    fn end(&mut self, end: End<'_>) {
        self.totals.add(end.stats, end.refused);
        if let Some(error) = end.error {
            self.fail(&error);
        }
    }
}
