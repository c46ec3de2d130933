//! `falco-replay print`: events as text or JSON.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::Args;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::filter::Filter;
use falco_replay_engine::output::Printer;
use falco_replay_engine::view::{Rendering, View};
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_rules::{compile_condition, compile_template};

use crate::capture::{Capture, CaptureError};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::OutputFormat;
use crate::rendering::RenderingArgs;
use crate::sink::{Sink, Stop};
use crate::sources;
use crate::stderr;
use crate::window::{Window, WindowArgs};

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
    rendering: RenderingArgs,
    /// Print buffers (such as evt.buffer) as base64
    #[arg(short, long)]
    base64: bool,
}

/// What is printed of which events.
struct Print {
    printer: Printer,
    filter: Option<Filter>,
    window: Option<Window>,
    rendering: Rendering,
    output: OutputFormat,
}

/// Runs the command.
pub fn exec_print(args: &PrintArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let words = &args.captures_and_filter;
    let named = 1 + words.iter().skip(1).take_while(|word| sources::names_capture(word)).count();
    let (named, condition) = words.split_at(named.min(words.len()));
    let named: Vec<PathBuf> = named.iter().map(PathBuf::from).collect();
    let captures = sources::captures(&named)?;
    let print = prepare(args, &condition.join(" "))?;
    let mut demand = Demand::default();
    print.printer.ask(&mut demand, |_| true);
    if let Some(filter) = &print.filter {
        filter.ask(&mut demand);
    }
    let mut sink = Sink::new().stdout();
    let mut exit = Exit::Done;
    let mut left = args.limit.unwrap_or(u64::MAX);
    for path in &captures {
        let outcome = match Capture::open(path, &interrupt) {
            Ok(capture) => one(capture, &demand, &print, &mut sink, &mut left, &interrupt),
            Err(error) => Ok(Some(error)),
        };
        // What was printed before an error stands before it.
        match outcome.and_then(|error| sink.flush().map(|()| error)) {
            Ok(None) => {}
            Ok(Some(error)) => {
                stderr::say(error);
                exit = Exit::NotDone;
            }
            Err(Stop::Closed) => return Ok(exit),
            Err(Stop::Failed(error)) => return Err(error),
        }
        if left == 0 || interrupt.asked() {
            break;
        }
    }
    Ok(exit)
}

fn prepare(args: &PrintArgs, condition: &str) -> anyhow::Result<Print> {
    let catalogue = Catalogue::new();
    let rendering = args.rendering.rendering(args.base64)?;
    let template = compile_template(&args.format, &catalogue)
        .map_err(|error| anyhow!("the format does not compile: {} (see falco-replay list fields)", error.message))?;
    let filter = match condition.trim() {
        "" => None,
        text => match compile_condition(text, &catalogue) {
            Ok(compiled) => Some(Filter::new(&compiled, &catalogue, rendering.documented)),
            Err(error) => bail!("'{text}' names no capture, and as a condition it does not compile: {error}"),
        },
    };
    let printer = Printer::new(&template, &catalogue);
    Ok(Print { printer, filter, window: args.window.window()?, rendering, output: args.output })
}

/// Prints one capture; gives what kept it from being read to its end.
fn one(
    capture: Capture,
    demand: &Demand,
    print: &Print,
    sink: &mut Sink,
    left: &mut u64,
    interrupt: &Interrupt,
) -> Result<Option<CaptureError>, Stop> {
    let mut blocks = capture.blocks(demand.clone(), interrupt);
    while *left > 0 {
        match blocks.next() {
            Ok(Some(block)) => {
                print.block(&block, sink, left)?;
                blocks.recycle(block);
            }
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        }
    }
    Ok(None)
}

impl Print {
    fn block(&self, block: &Block, sink: &mut Sink, left: &mut u64) -> Result<(), Stop> {
        for row in 0..block.len() {
            if !block.delivered(row) || self.window.is_some_and(|window| !window.holds(block.batch.ts[row])) {
                continue;
            }
            let view = View::new(block, row, &self.rendering);
            if self.filter.as_ref().is_some_and(|filter| !filter.matches(&view)) {
                continue;
            }
            let out = sink.buffer();
            match self.output {
                OutputFormat::Text => self.printer.print(&view, out),
                OutputFormat::Json => self.printer.print_json(&view, out),
            }
            out.push(b'\n');
            if sink.is_due() {
                sink.flush()?;
            }
            *left -= 1;
            if *left == 0 {
                break;
            }
        }
        Ok(())
    }
}
