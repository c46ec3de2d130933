//! `falco-replay print`: events as text or JSON.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{anyhow, bail};
use clap::Args;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::filter::Filter;
use falco_replay_engine::output::Printer;
use falco_replay_engine::prune::Pruner;
use falco_replay_rules::{compile_condition, compile_template};

use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::OutputFormat;
use crate::rendering::{RenderingArgs, Semantics};
use crate::replay::evaluation::{Evaluation, Found, Joining, Keep, Outcome, Search, Writing};
use crate::replay::lines::Lines;
use crate::replay::{End, Flow, Job, Merge, Opened, ReplayArgs, replay};
use crate::sink::{Sink, Stop};
use crate::sources;
use crate::stderr;
use crate::window::WindowArgs;

/// What a line looks like where no format is given: as sysdig has it.
const DEFAULT_FORMAT: &str = "%evt.num %evt.outputtime %evt.cpu %proc.name (%thread.tid) %evt.dir %evt.type %evt.info";

const EXAMPLES: &str = "\
Examples:
  falco-replay print capture.scap
  falco-replay print capture.scap 'evt.type = execve and proc.pname = nginx'
  falco-replay print -p '%evt.time %proc.cmdline %fd.name' capture.scap fd.type = ipv4
  falco-replay print --output json -p '%evt.num %proc.name %user.name' capture.scap.gz

`falco-replay list fields` shows what can stand in a format or a condition.
Exit codes: 0 done, 2 not done or incomplete.";

/// Print the events of captures, like sysdig -r
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct PrintArgs {
    /// Captures (files, folders, patterns, or - for standard input), then a condition that events must pass
    ///
    /// The first is a capture; so is what follows it as long as it exists. The rest, joined by blanks, is the condition.
    #[arg(required = true, value_name = "CAPTURE… [FILTER]")]
    captures_and_filter: Vec<String>,
    /// What to print of an event: text with %fields; a field without a value prints as <NA>
    #[arg(short = 'p', long = "print", value_name = "FORMAT", default_value = DEFAULT_FORMAT)]
    format: String,
    /// Form of the output: a line of text, or a JSON object with the fields of the format
    #[arg(long, value_enum, default_value_t, value_name = "FORM")]
    output: OutputFormat,
    #[command(flatten)]
    window: WindowArgs,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    rendering: RenderingArgs,
    /// Print buffers (such as evt.buffer) as base64
    #[arg(short, long)]
    base64: bool,
}

/// Runs the command.
pub fn exec_print(args: &PrintArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let words = &args.captures_and_filter;
    let named = 1 + words.iter().skip(1).take_while(|word| sources::names_capture(word)).count();
    let (named, condition) = words.split_at(named.min(words.len()));
    let named: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
    let captures = sources::captures(&named)?;
    let evaluation = Arc::new(evaluation(args, &condition.join(" "))?);
    let mut print = Print { sink: Sink::new().stdout(), left: args.limit.unwrap_or(u64::MAX), exit: Exit::Done };
    if print.left == 0 {
        return Ok(Exit::Done);
    }
    let job = Job { captures, evaluation, order: args.replay.order, threads: args.replay.threads() };
    match replay(job, &interrupt, &mut print).and_then(|()| print.sink.flush()) {
        Ok(()) if interrupt.asked() => Ok(Exit::NotDone),
        Ok(()) | Err(Stop::Closed) => Ok(print.exit),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn evaluation(args: &PrintArgs, condition: &str) -> anyhow::Result<Evaluation> {
    let catalogue = Catalogue::new();
    let rendering = args.rendering.rendering(args.base64, Semantics::Falco)?;
    let template = compile_template(&args.format, &catalogue)
        .map_err(|error| anyhow!("the format does not compile: {} (see falco-replay list fields)", error.message))?;
    let mut pruners = Vec::new();
    let filter = match condition.trim() {
        "" => None,
        text => match compile_condition(text, &catalogue) {
            Ok(compiled) => {
                if !args.replay.no_index {
                    pruners.push(Pruner::of_condition(&compiled, &catalogue, rendering.documented));
                }
                Some(Filter::new(&compiled, &catalogue, rendering.documented))
            }
            Err(error) => bail!("'{text}' names no capture, and as a condition it does not compile: {error}"),
        },
    };
    let printer = Printer::new(&template, &catalogue);
    let lines = Lines { printer, form: args.output, escaped: false, mark: None };
    Ok(Evaluation {
        search: Search::Events(filter),
        rendering,
        filter: None,
        window: args.window.window()?,
        writing: Writing::Lines(Box::new(lines)),
        with_origin: false,
        limit: None,
        keep: Keep::All,
        joining: Joining::Never,
        pruners,
    })
}

/// The last stage: writes the events until there are enough.
struct Print {
    sink: Sink,
    left: u64,
    exit: Exit,
}

impl Merge for Print {
    fn opened(&mut self, _name: &str, _opened: &Opened) {}

    fn count(&mut self, _capture: usize, _outcome: &Outcome) {}

    fn found(&mut self, _capture: usize, _found: Found, text: &[u8]) -> Result<Flow, Stop> {
        self.sink.buffer().extend_from_slice(text);
        if self.sink.is_due() {
            self.sink.flush()?;
        }
        self.left -= 1;
        Ok(if self.left == 0 { Flow::Enough } else { Flow::On })
    }

    fn pause(&mut self, _capture: usize) -> Result<Flow, Stop> {
        if !self.sink.buffer().is_empty() {
            self.sink.flush()?;
        }
        Ok(Flow::On)
    }

    fn end(&mut self, _capture: usize, end: End) {
        if let Some(error) = end.error {
            stderr::say(error);
            self.exit = Exit::NotDone;
        }
    }
}
