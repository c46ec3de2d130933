//! `falco-replay run`: alerts of rules over captures.

mod prepare;
mod selection;
mod totals;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::{Args, ValueEnum};
use falco_replay_engine::evaluate::RuleMatching;
use falco_replay_rules::program::{Priority, Program};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::OutputFormat;
use crate::progress::Progress;
use crate::rendering::RenderingArgs;
use crate::replay::evaluation::{Evaluation, Found, Outcome};
use crate::replay::{End, Flow, Job, Merge, Opened, ReplayArgs, replay};
use crate::run::prepare::{Replay, prepare};
use crate::run::selection::SelectionArgs;
use crate::sink::{Sink, Stop};
use crate::stderr;
use crate::window::WindowArgs;

pub use totals::{Totals, grouped, plural};

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
/// state and event numbers; alerts come in the order of the captures as given, then of their events (see --order).
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
    #[command(flatten)]
    replay: ReplayArgs,
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
    let Replay { evaluation, program, summary, captures, sink } = prepare(args)?;
    let evaluation = Arc::new(evaluation);
    let totals = Totals::new(program.rules.len());
    let mut run = Run { evaluation: &evaluation, sink, totals, progress: None, quiet: args.quiet };
    let job =
        Job { captures, evaluation: Arc::clone(&evaluation), order: args.replay.order, threads: args.replay.threads() };
    let mut outcome = replay(job, &interrupt, &mut run);
    if outcome.is_ok() && args.summary {
        outcome = run.summarize(&program, summary);
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
        stderr::write(&totals.table(&program, start.elapsed()));
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
    quiet: bool,
}

impl Run<'_> {
    fn flush(&mut self) -> Result<(), Stop> {
        let sink = &mut self.sink;
        match &self.progress {
            Some(progress) if sink.is_live() => progress.aside(|| sink.flush()),
            _ => sink.flush(),
        }
    }

    fn summarize(&mut self, program: &Program, form: OutputFormat) -> Result<(), Stop> {
        let text = match form {
            OutputFormat::Text => self.totals.summary_text(program),
            OutputFormat::Json => self.totals.summary_json(program),
        };
        self.sink.buffer().extend_from_slice(text.as_bytes());
        self.sink.flush()
    }
}

impl Merge for Run<'_> {
    fn opened(&mut self, name: &str, opened: &Opened) {
        if let Some(progress) = self.progress.replace(Progress::new(name, opened, !self.quiet)) {
            progress.finish();
        }
    }

    fn count(&mut self, _capture: usize, outcome: &Outcome) {
        self.totals.events += outcome.events;
        self.totals.drops += outcome.drops;
        if let Some(progress) = &self.progress {
            progress.update();
        }
    }

    fn found(&mut self, _capture: usize, found: Found, text: &[u8]) -> Result<Flow, Stop> {
        self.totals.by_rule[found.rule as usize] += 1;
        if self.evaluation.limit.as_ref().is_some_and(|limit| !limit.admits(found.rule)) {
            self.totals.withheld += 1;
            return Ok(Flow::On);
        }
        self.sink.buffer().extend_from_slice(text);
        if self.sink.is_due() {
            self.flush()?;
        }
        Ok(Flow::On)
    }

    fn pause(&mut self, _capture: usize) -> Result<Flow, Stop> {
        // Whoever waits for alerts of a capture that is still being written sees them block by block.
        if !self.sink.buffer().is_empty() {
            self.flush()?;
        }
        Ok(Flow::On)
    }

    fn end(&mut self, _capture: usize, end: End) {
        self.totals.add(&end);
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        if let Some(error) = end.error {
            self.totals.incomplete += 1;
            stderr::say(error);
        }
    }
}
