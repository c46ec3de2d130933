//! `falco-replay hunt`: one condition over captures, without a rules file.

mod ioc;
mod output;
mod prepare;

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;

use self::output::Hunt;
use self::prepare::{Prepared, prepare};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::OutputFormat;
use crate::rendering::RenderingArgs;
use crate::replay::{Job, ReplayArgs, replay};
use crate::sink::Stop;
use crate::stderr;
use crate::window::WindowArgs;

const EXAMPLES: &str = "\
Examples:
  falco-replay hunt 'evt.type = execve and proc.name in (nc, ncat)' captures/
  falco-replay hunt --ioc indicators.txt captures/
  falco-replay hunt --ioc indicators.txt 'container.name startswith checkout' --output json captures/ > found.jsonl
  falco-replay hunt --files-only 'fd.sip = 203.0.113.66' captures/
  falco-replay hunt --count --by-capture 'fd.name startswith /etc/shadow' 'node-*.scap'
  falco-replay hunt --first --by-capture --with-origin 'proc.name = xmrig' captures/
  falco-replay hunt -p '%evt.time %proc.cmdline %fd.name' 'fd.sport = 4444' capture.scap

Exit codes: 0 nothing found, 1 found (0 with --exit-zero), 2 not done or incomplete.";

/// Find events in captures by a condition, or by indicators
///
/// The condition is one of the rules language, without macros and lists. Unlike rules, which see what was known at an event,
/// a hunt knows of a container what the capture says of it anywhere.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct HuntArgs {
    /// A condition, then captures (files, folders, patterns, or - for standard input)
    ///
    /// With --ioc the condition may be left out; where there is one, both must hold.
    #[arg(required = true, value_name = "FILTER CAPTURE…")]
    filter_and_captures: Vec<String>,
    /// File of indicators, one a line: addresses, ranges, paths, names of files and processes, domains; may be repeated
    ///
    /// The type of a line is found out, or named by ip:, net:, path:, file:, process: or domain: before it. What may be
    /// several things is searched as each of them. A # begins a comment. The file - is standard input.
    #[arg(long, value_name = "FILE")]
    ioc: Vec<PathBuf>,
    /// What to print of an event: text with %fields; a field without a value prints as <NA>
    #[arg(short = 'p', long = "print", value_name = "FORMAT")]
    format: Option<String>,
    /// Form of the output: a line of text, or a JSON object with the fields of the format
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: OutputFormat,
    /// Add to each event which capture and event it is
    ///
    /// As text `CAPTURE:NUMBER: ` at the beginning of the line, as JSON the keys `capture` and `evt_num`.
    #[arg(long)]
    with_origin: bool,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "N", conflicts_with_all = ["count", "first", "last", "files_only"])]
    limit: Option<NonZeroU64>,
    /// Print only how many events there are
    #[arg(long, conflicts_with_all = ["first", "last", "files_only"])]
    count: bool,
    /// Print only the earliest event
    #[arg(long, conflicts_with = "files_only")]
    first: bool,
    /// Print only the latest event; with --first both
    #[arg(long, conflicts_with = "files_only")]
    last: bool,
    /// With --count, --first or --last: for each capture that has any, not over all
    #[arg(long)]
    by_capture: bool,
    /// Print only the names of captures that have such an event
    #[arg(short = 'l', long)]
    files_only: bool,
    /// Know of containers only what was known at the event, as rules do
    #[arg(long)]
    as_seen: bool,
    #[command(flatten)]
    window: WindowArgs,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    rendering: RenderingArgs,
    /// Print buffers (such as evt.buffer) as base64
    #[arg(short, long)]
    base64: bool,
    /// Print nothing but events and errors
    #[arg(short, long)]
    quiet: bool,
    /// Exit with 0 even where there are events
    #[arg(long)]
    exit_zero: bool,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Every event, or so many.
    Events(Option<NonZeroU64>),
    /// How many there are.
    Count,
    /// The earliest, the latest, or both.
    Ends { first: bool, last: bool },
    /// The captures that have any.
    Captures,
}

impl HuntArgs {
    fn wanted(&self) -> Wanted {
        match (self.count, self.files_only, self.first || self.last) {
            (true, ..) => Wanted::Count,
            (_, true, _) => Wanted::Captures,
            (.., true) => Wanted::Ends { first: self.first, last: self.last },
            _ => Wanted::Events(self.limit),
        }
    }
}

/// Runs the command.
pub fn exec_hunt(args: &HuntArgs) -> anyhow::Result<Exit> {
    let start = Instant::now();
    let interrupt = Interrupt::watch()?;
    let Prepared { evaluation, captures } = prepare(args)?;
    let mut hunt = Hunt::new(args.wanted(), args.by_capture, args.output, &captures, !args.quiet);
    // Only the order of events is a matter of choice: counts and captures come as the captures do.
    let order = match args.wanted() {
        Wanted::Events(_) => args.replay.order,
        _ => crate::replay::Order::Files,
    };
    let job = Job { captures, evaluation: Arc::new(evaluation), order, threads: args.replay.threads() };
    let outcome = replay(job, &interrupt, &mut hunt).and_then(|()| hunt.conclude());
    let exit = match hunt.exit() {
        Exit::Found if args.exit_zero => Exit::Done,
        exit => exit,
    };
    match outcome {
        Ok(()) => {}
        // Whoever reads the output has seen enough.
        Err(Stop::Closed) => return Ok(exit),
        Err(Stop::Failed(error)) => return Err(error),
    }
    if !args.quiet {
        stderr::write(&hunt.table(start.elapsed()));
    }
    Ok(if interrupt.asked() { Exit::NotDone } else { exit })
}
