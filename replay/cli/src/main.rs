//! `falco-replay`: evaluates Falco rules over captures.

mod capture;
mod config;
mod convert;
mod describe;
mod exit;
mod hunt;
mod info;
mod interrupt;
mod list;
mod manual;
mod output;
mod print;
mod progress;
mod rendering;
mod replay;
mod rules_files;
mod run;
mod sink;
mod sources;
mod stderr;
mod stdout;
mod validate;
mod verify;
mod window;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::exit::Exit;

/// Replay, test and explain Falco rules over captures
///
/// Captures are the .scap files of Falco and sysdig. Nothing of this machine enters the result but the local time zone, which
/// --tz replaces.
#[derive(Debug, Parser)]
#[command(name = "falco-replay", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done and nothing found, or all passed; 1 found (alerts, invalid rules); 2 not done, or incomplete.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<run::RunArgs>),
    Hunt(Box<hunt::HuntArgs>),
    Print(print::PrintArgs),
    Info(info::InfoArgs),
    Convert(Box<convert::ConvertArgs>),
    Merge(convert::MergeArgs),
    Reindex(convert::ReindexArgs),
    Verify(verify::VerifyArgs),
    Validate(validate::ValidateArgs),
    Describe(describe::DescribeArgs),
    List(list::ListArgs),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}

fn exec(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::exec_run(args),
        Command::Hunt(args) => hunt::exec_hunt(args),
        Command::Print(args) => print::exec_print(args),
        Command::Info(args) => info::exec_info(args),
        Command::Convert(args) => convert::exec_convert(args),
        Command::Merge(args) => convert::exec_merge(args),
        Command::Reindex(args) => convert::exec_reindex(args),
        Command::Verify(args) => verify::exec_verify(args),
        Command::Validate(args) => validate::exec_validate(args),
        Command::Describe(args) => describe::exec_describe(args),
        Command::List(args) => list::exec_list(args),
        Command::Completions(args) => manual::exec_completions(args, Cli::command()),
        Command::Man(args) => manual::exec_man(args, Cli::command()),
    }
}

/// Whether an error is a reader's that went away: no error at all for a command in a pipe.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic is a defect, but even then the exit code says that the work is not done.
    match catch_unwind(AssertUnwindSafe(|| exec(&cli.command))) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(error)) if is_closed_pipe(&error) => Exit::Done.into(),
        Ok(Err(error)) => {
            stderr::say(format_args!("{error:#}"));
            Exit::NotDone.into()
        }
        Err(_) => {
            stderr::say("this is a defect of falco-replay; please report it with the lines above");
            Exit::NotDone.into()
        }
    }
}
