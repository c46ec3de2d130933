//! `falco-replay describe`: what a rule set is once it is compiled.

use crate::exit::Exit;
use crate::output::OutputFormat;
use crate::rules_files::read_rules_files;
use crate::stdout::{shows_colour, write_stdout};
use anyhow::Result;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_rules::describe::condition_json;
use falco_replay_rules::diagnostic::{Severity, text};
use falco_replay_rules::{Options, RulesFile, load};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Show what rules files compile to: conditions with macros and lists in place, events, fields.
#[derive(Debug, clap::Args)]
pub struct DescribeArgs {
    /// Rules files, or folders of them.
    #[arg(required_unless_present = "condition", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Describe one condition instead of files.
    #[arg(long, value_name = "TEXT", conflicts_with = "files", allow_hyphen_values = true)]
    condition: Option<String>,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
}

/// Runs the command.
pub fn exec_describe(args: &DescribeArgs) -> Result<Exit> {
    let catalogue = Catalogue::new();
    if let Some(condition) = &args.condition {
        let description = condition_json(condition, &catalogue);
        let text = match args.output {
            OutputFormat::Json => format!("{description}\n"),
            OutputFormat::Text => condition_text(&description),
        };
        write_stdout(&text)?;
        return Ok(Exit::Done);
    }
    let read = read_rules_files(&args.files);
    let mut files = Vec::new();
    for file in &read {
        match &file.content {
            Ok(content) => files.push(RulesFile { name: &file.name, content }),
            Err(error) => {
                eprintln!("error: {error:#}");
                return Ok(Exit::NotDone);
            }
        }
    }
    let loaded = load(&files, &catalogue, &Options::default());
    for diagnostic in loaded.diagnostics().filter(|diagnostic| diagnostic.severity() == Severity::Error) {
        eprintln!("{}\n", text::render(diagnostic, shows_colour()));
    }
    let description = loaded.describe(&catalogue);
    let text = match args.output {
        OutputFormat::Json => format!("{description}\n"),
        OutputFormat::Text => rule_set_text(&description),
    };
    write_stdout(&text)?;
    Ok(if loaded.successful() { Exit::Done } else { Exit::Found })
}

fn condition_text(description: &Value) -> String {
    let mut out = String::new();
    let flag = |key: &str| description.get(key).and_then(Value::as_bool).unwrap_or_default();
    let outcome = match (flag("parses"), flag("compiles")) {
        (true, true) => "Ok",
        (true, false) => "does not compile",
        _ => "does not parse",
    };
    row(&mut out, "condition", outcome);
    for (title, key) in [("error", "error"), ("compiled", "condition_compiled"), ("events", "events")] {
        if let Some(value) = description.get(key) {
            row(&mut out, title, &plain(value));
        }
    }
    out
}

fn rule_set_text(description: &Value) -> String {
    let mut out = String::new();
    let section = |name: &str| description.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for rule in section("rules") {
        let (info, details) = (&rule["info"], &rule["details"]);
        let _ = writeln!(out, "rule {}", plain(&info["name"]));
        row(&mut out, "description", &plain(&info["description"]));
        row(&mut out, "priority", &plain(&info["priority"]));
        row(&mut out, "enabled", &plain(&info["enabled"]));
        for (title, value) in [
            ("tags", &info["tags"]),
            ("events", &details["events"]),
            ("fields", &details["condition_fields"]),
            ("macros", &details["macros"]),
            ("lists", &details["lists"]),
            ("exceptions", &details["exception_names"]),
            ("condition", &details["condition_compiled"]),
            ("output", &details["output_compiled"]),
        ] {
            row(&mut out, title, &plain(value));
        }
        out.push('\n');
    }
    for item in section("macros") {
        let _ = writeln!(out, "macro {}", plain(&item["info"]["name"]));
        row(&mut out, "events", &plain(&item["details"]["events"]));
        row(&mut out, "condition", &plain(&item["details"]["condition_compiled"]));
        out.push('\n');
    }
    for item in section("lists") {
        let _ = writeln!(out, "list {}", plain(&item["info"]["name"]));
        row(&mut out, "items", &plain(&item["details"]["items_compiled"]));
        out.push('\n');
    }
    out
}

/// An indented line, if there is something to say.
fn row(out: &mut String, title: &str, value: &str) {
    if !value.is_empty() {
        let _ = writeln!(out, "  {title:<12} {}", value.trim_end().replace('\n', "\n               "));
    }
}

/// How many names of a long list of events are shown.
const SHOWN_NAMES: usize = 24;

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(members) => {
            let mut names: Vec<_> = members.iter().take(SHOWN_NAMES).map(plain).collect();
            if members.len() > SHOWN_NAMES {
                names.push(format!("… {} more", members.len() - SHOWN_NAMES));
            }
            names.join(", ")
        }
        other => other.to_string(),
    }
}
