//! `falco-replay reindex`: contexts worked out again.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::conversion::{Conversion, Input};
use super::cut::Work;
use super::edit::Edit;
use super::form::Form;
use super::output::Split;
use super::{WriteArgs, place};
use crate::exit::Exit;
use crate::interrupt::Interrupt;

/// Work out the contexts and the index of a capture again, from its snapshots and events
///
/// For captures that an older falco-replay wrote: what it knew less well of processes, files, users and containers is then as
/// today's falco-replay knows it. Events and their numbers stay as they are.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  falco-replay reindex old.fcap -o new.fcap

Exit codes: 0 done, 2 not done or incomplete: for example a damaged input (what comes before the damage is converted).")]
pub struct ReindexArgs {
    /// Capture
    #[arg(value_name = "IN")]
    capture: PathBuf,
    #[command(flatten)]
    write: WriteArgs,
}

/// Runs the command.
pub fn exec_reindex(args: &ReindexArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let settings = args.write.settings(Split::default())?;
    if settings.form != Form::Fcap {
        bail!("{}: only an .fcap has contexts and an index", settings.path.display());
    }
    if args.capture.is_dir() {
        bail!("{} is a folder; reindex takes one capture", args.capture.display());
    }
    place::check(&settings.path, std::slice::from_ref(&args.capture), false, settings.force)?;
    let edit = Edit::new(None, None);
    let mut conversion = Conversion::new(settings, edit, Work::default(), args.write.quiet, interrupt);
    conversion.input(&Input::of(args.capture.clone()), None)?;
    conversion.finish()
}
