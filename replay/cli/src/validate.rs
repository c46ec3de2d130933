//! `falco-replay validate`: what is wrong with rules files.

use crate::exit::Exit;
use crate::output::OutputFormat;
use crate::rules_files::read_rules_files;
use crate::stdout::{shows_colour, write_stdout};
use anyhow::Result;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_rules::diagnostic::{Diagnostic, json, text};
use falco_replay_rules::{FileResult, Options, RulesFile, load};
use std::path::PathBuf;

/// Check rules files: every error and warning of every file.
///
/// Files are loaded in order, as Falco loads them: later ones see and change what earlier ones define.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// Rules files, or folders of them.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// Exit with 0 even where rules are invalid.
    #[arg(long)]
    exit_zero: bool,
}

/// Runs the command.
pub fn exec_validate(args: &ValidateArgs) -> Result<Exit> {
    let read = read_rules_files(&args.files);
    let mut unreadable = Vec::new();
    let mut files = Vec::new();
    for (place, file) in read.iter().enumerate() {
        match &file.content {
            Ok(content) => files.push(RulesFile { name: &file.name, content }),
            Err(error) => unreadable.push((place, FileResult::unreadable(&file.name, &format!("{error:#}")))),
        }
    }
    let options = Options { warn_defects: true, compile_each: true, ..Options::default() };
    let mut results = load(&files, &Catalogue::new(), &options).results;
    let not_done = !unreadable.is_empty();
    for (place, result) in unreadable {
        results.insert(place, result);
    }
    let text = match args.output {
        OutputFormat::Json => format!("{}\n", json::load_results(&results)),
        OutputFormat::Text => in_text(&results, shows_colour()),
    };
    write_stdout(&text)?;
    Ok(if not_done {
        Exit::NotDone
    } else if args.exit_zero || results.iter().all(FileResult::successful) {
        Exit::Done
    } else {
        Exit::Found
    })
}

/// The status of each file, and below it what is new with it: a file's result repeats what is wrong before it. What is
/// said of many items in the same words is shown once, with the names of the others.
fn in_text(results: &[FileResult], colour: bool) -> String {
    let mut out = String::new();
    for (place, result) in results.iter().enumerate() {
        let earlier = &results[..place];
        let mut groups: Vec<Vec<&Diagnostic>> = Vec::new();
        for diagnostic in &result.diagnostics {
            if earlier.iter().any(|earlier| earlier.diagnostics.contains(diagnostic)) {
                continue;
            }
            let alike = |group: &&mut Vec<&Diagnostic>| {
                group
                    .first()
                    .is_some_and(|first| (first.code, &first.message) == (diagnostic.code, &diagnostic.message))
            };
            match groups.iter_mut().find(alike) {
                Some(group) => group.push(diagnostic),
                None => groups.push(vec![diagnostic]),
            }
        }
        out.push_str(&text::status(result, !groups.is_empty()));
        out.push('\n');
        for group in groups {
            let Some((first, others)) = group.split_first() else { continue };
            out.push_str(&text::render(first, colour));
            out.push('\n');
            if !others.is_empty() {
                let mut names: Vec<_> = others.iter().take(SHOWN_NAMES).map(|other| text::item_of(other)).collect();
                if others.len() > SHOWN_NAMES {
                    names.push(format!("{} more", others.len() - SHOWN_NAMES));
                }
                out.push_str(&format!("  the same for {}\n", names.join(", ")));
            }
            out.push('\n');
        }
    }
    out
}

/// How many items are named that have the same wrong.
const SHOWN_NAMES: usize = 5;
