//! `falco-replay convert`, `merge` and `reindex`: captures become other captures.

mod amount;
mod compress;
mod conversion;
mod cut;
mod edit;
mod fit;
mod form;
mod gather;
mod merge;
mod needs;
mod output;
pub mod place;
mod redact;
mod reindex;
mod source;
mod summary;
mod survey;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::filter::Filter;
use falco_replay_engine::view::Rendering;
use falco_replay_rules::compile_condition;

pub use self::merge::{MergeArgs, exec_merge};
pub use self::reindex::{ReindexArgs, exec_reindex};

use self::conversion::{Conversion, Input};
use self::cut::Work;
use self::edit::Edit;
use self::form::Form;
use self::output::{Settings, Split};
use self::place::Unfinished;
use self::redact::Redaction;
use self::source::is_fcap;
use self::survey::Criteria;
use crate::capture::{capture_name, patient};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::sources;
use crate::window::WindowArgs;

/// More threads than this are not used unless asked for.
const MOST_THREADS: usize = 8;

const EXAMPLES: &str = "\
Examples:
  falco-replay convert capture.scap.gz -o capture.fcap
  falco-replay convert capture.fcap -o capture.scap.gz
  falco-replay convert day.fcap -o incident.fcap --from 2026-05-01T12:00:00Z --to 2026-05-01T12:10:00Z
  falco-replay convert day.scap -o shell.scap --filter 'proc.name in (bash, sh) or proc.aname = sshd'
  falco-replay convert day.fcap -o part.scap.zst --split-time 10m --snaplen 80
  falco-replay convert day.fcap -o shared.fcap --redact 'proc.args' --redact 'proc.env' --redact evt.buffer --redact 'user.*'

A cut capture (--filter, --from, --to, --split-*) stands alone: it begins with a fresh snapshot of what its events need. Events
outside of it that change what those events see stay in it, marked so that rules and output do not see them. An .fcap keeps the
number of every event (evt.num) and its context as it was in the whole capture. A .scap numbers events from 1, and its lists do
not hold all that was known in the middle of a capture: when processes began and last executed, which end of a connection a
process is unless it listens, the name of an open file as it was given, which directories and sockets close on execve.

Exit codes: 0 done, 2 not done or incomplete: for example a damaged input (what comes before the damage is converted).";

/// What every command that writes captures is told.
#[derive(Debug, Args)]
pub struct WriteArgs {
    /// Capture to write; its ending says the form: .scap, .scap.gz, .scap.zst or .fcap
    #[arg(short, long, value_name = "OUT", help_heading = "Output")]
    output: PathBuf,
    /// Replace an output that exists
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Level of compression: 1 to 9 for .scap.gz, 1 to 19 for .scap.zst and .fcap
    #[arg(long, value_name = "N", help_heading = "Output")]
    level: Option<i32>,
    /// Threads to use; the output is the same for any number [default: one a processor, at most 8]
    #[arg(long, value_name = "N", help_heading = "Output")]
    threads: Option<NonZeroUsize>,
    /// Print nothing but errors
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

impl WriteArgs {
    fn settings(&self, split: Split) -> anyhow::Result<Settings> {
        let form = Form::of(&self.output)?;
        form.check_level(self.level)?;
        let threads = self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS),
            NonZeroUsize::get,
        );
        let (path, level, force) = (self.output.clone(), self.level, self.force);
        Ok(Settings { path, form, level, threads, force, split })
    }
}

/// Convert captures between .scap and .fcap, cut them, split them
///
/// Several captures are written one after the other, each with its own start. Parameters are kept byte for byte, events that only
/// change state too; those of an older schema are converted to today's.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ConvertArgs {
    /// Captures: files, folders of them, patterns, or - for standard input
    #[arg(required = true, value_name = "IN")]
    captures: Vec<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
    /// Only events that pass this condition, in the language of rules
    #[arg(long, value_name = "CONDITION", help_heading = "What is kept")]
    filter: Option<String>,
    #[command(flatten, next_help_heading = "What is kept")]
    window: WindowArgs,
    /// Bytes to keep of each data buffer (read, write, send, receive …); names and paths stay whole
    #[arg(long, value_name = "BYTES", help_heading = "What is kept")]
    snaplen: Option<usize>,
    /// Replace the values of these fields by keyed hashes; * stands for any text; may be given several times
    ///
    /// A field's value is replaced wherever the capture has what it is made of: in parameters of events, in snapshots, in
    /// the metadata of containers; so other fields that are made of the same change with it (proc.args: proc.cmdline too).
    /// The same value becomes the same hash, so that captures redacted with one key can be compared. Paths stay paths, lists
    /// lists, environments keep the names of their variables, data their length, addresses their class and nets. Numbers,
    /// times and flags stay. Conditions see the values as they were.
    #[arg(long, value_name = "FIELD-GLOB", help_heading = "Redaction")]
    redact: Vec<String>,
    /// File whose bytes are the key of the hashes, 16 at least [default: a random key that nobody learns]
    #[arg(long, value_name = "FILE", requires = "redact", help_heading = "Redaction")]
    redact_key: Option<PathBuf>,
    /// Begin another file (OUT-0001, OUT-0002 …) after so many bytes of events, counted before compression: 500K, 100M, 2G
    #[arg(long, value_name = "SIZE", value_parser = amount::parse_size, help_heading = "Parts")]
    split_size: Option<u64>,
    /// Begin another file after this time from its first event: 30s, 10m, 1h, 1d
    #[arg(long, value_name = "SPAN", value_parser = amount::parse_span, help_heading = "Parts")]
    split_time: Option<u64>,
}

/// Runs the command.
pub fn exec_convert(args: &ConvertArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let split = Split { size: args.split_size, time: args.split_time };
    let settings = args.write.settings(split)?;
    let criteria = criteria(args)?;
    let paths = sources::captures(&args.captures)?;
    place::check(&settings.path, &paths, split.is_wanted(), settings.force)?;
    let redaction = match args.redact.is_empty() {
        true => None,
        false => Some(Redaction::new(&args.redact, &redact::key(args.redact_key.as_deref())?)?),
    };
    let edit = Edit::new(args.snaplen, redaction);
    let is_cut = criteria.is_some();
    let inputs = paths
        .into_iter()
        .map(|path| if is_cut { spooled(path, &settings.path, &interrupt) } else { Ok(Input::of(path)) })
        .collect::<anyhow::Result<Vec<_>>>()?;
    // Contexts of several files are numbered by each of them alone.
    let stored_contexts =
        settings.form == Form::Fcap && !edit.voids_contexts() && matches!(&inputs[..], [only] if is_fcap(&only.path));
    let work = Work { is_cut, stored_contexts };
    let mut conversion = Conversion::new(settings, edit, work, args.write.quiet, interrupt);
    for input in &inputs {
        conversion.input(input, criteria.as_ref())?;
    }
    conversion.finish()
}

fn criteria(args: &ConvertArgs) -> anyhow::Result<Option<Criteria>> {
    let window = args.window.window()?;
    if args.filter.is_none() && window.is_none() {
        return Ok(None);
    }
    let catalogue = Catalogue::new();
    let rendering = Rendering::default();
    let filter = match &args.filter {
        None => None,
        Some(text) => match compile_condition(text, &catalogue) {
            Ok(compiled) => Some(Filter::new(&compiled, &catalogue, rendering.documented)),
            Err(error) => bail!("--filter does not compile: {error}"),
        },
    };
    Ok(Some(Criteria { filter, window, rendering }))
}

/// An input that can be read twice: a copy beside the output where it is none by itself.
fn spooled(path: PathBuf, output: &Path, interrupt: &Interrupt) -> anyhow::Result<Input> {
    if path != Path::new("-") && (path.is_file() || !path.exists()) {
        return Ok(Input::of(path));
    }
    let (copy, mut file) = Unfinished::create(&output.with_file_name("input"))?;
    let named = path.clone();
    let fail = || format!("cannot copy {} to read it twice", capture_name(&named));
    let mut input = patient(&path, interrupt).with_context(fail)?;
    match std::io::copy(&mut input, &mut file) {
        Ok(_) => Ok(Input::copied(copy, path)),
        Err(_) if interrupt.asked() => bail!("interrupted"),
        Err(error) => Err(error).with_context(fail),
    }
}
