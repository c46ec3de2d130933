//! From arguments and configuration to what a replay needs: rules loaded and chosen, outputs opened.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use falco_replay_engine::alert::Alerts;
use falco_replay_engine::catalogue::Catalogue;
use falco_replay_engine::evaluate::Engine;
use falco_replay_engine::filter::Filter;
use falco_replay_engine::prune::Pruner;
use falco_replay_rules::diagnostic::{Severity, text};
use falco_replay_rules::program::Program;
use falco_replay_rules::{Options, RulesFile, compile_condition, load};

use super::RunArgs;
use crate::config::Config;
use crate::output::OutputFormat;
use crate::rendering::Semantics;
use crate::replay::evaluation::{Evaluation, Joining, Keep, Limit, Search, Writing};
use crate::rules_files::read_rules_files;
use crate::sink::Sink;
use crate::sources;
use crate::stderr;

/// Everything that a replay needs.
pub struct Replay {
    /// What is evaluated.
    pub evaluation: Evaluation,
    /// The rules.
    pub program: Program,
    /// Form of the summary.
    pub summary: OutputFormat,
    /// The captures in order.
    pub captures: Vec<PathBuf>,
    /// Where alerts go.
    pub sink: Sink,
}

/// Prepares a replay.
pub fn prepare(args: &RunArgs) -> anyhow::Result<Replay> {
    let config = Config::load(args.config.as_deref(), &args.option)?;
    if !config.ignored.is_empty() && !args.quiet {
        stderr::say(format_args!("without meaning in a replay, ignored: {}", config.ignored.join(", ")));
    }
    let named = match (&config.capture, args.captures.is_empty()) {
        (Some(capture), true) => std::slice::from_ref(capture),
        _ => &args.captures,
    };
    if named.is_empty() {
        bail!("no capture: name one, or - for standard input (falco-replay run -r RULES CAPTURE)");
    }
    let captures = sources::captures(named)?;
    let catalogue = Catalogue::with_static_fields(config.static_fields.iter().cloned());
    let rendering = args.rendering.rendering(args.base64 || config.base64_buffers, Semantics::Falco)?;
    let program = program(args, &config, &catalogue)?;
    let mut pruners = vec![Pruner::new(&program, &catalogue, rendering.documented)];
    let filter = match &args.filter {
        None => None,
        Some(text) => match compile_condition(text, &catalogue) {
            Ok(compiled) => {
                pruners.push(Pruner::of_condition(&compiled, &catalogue, rendering.documented));
                Some(Filter::new(&compiled, &catalogue, rendering.documented))
            }
            Err(error) => bail!("--filter does not compile: {error}"),
        },
    };
    let matching = args.rule_matching.map_or(config.rule_matching, Into::into);
    let form = args.output.unwrap_or(if config.json_output { OutputFormat::Json } else { OutputFormat::Text });
    let alerts = Box::new(Alerts::new(&program, &catalogue, config.style));
    let evaluation = Evaluation {
        search: Search::Rules(Box::new(Engine::new(&program, &catalogue, matching, rendering.documented))),
        filter,
        window: args.window.window()?,
        writing: if args.summary { Writing::Nothing } else { Writing::Alerts(alerts, form) },
        with_origin: args.with_origin,
        limit: args.max_per_rule.map(|most| Limit::new(most.get(), program.rules.len())),
        keep: Keep::All,
        // Rules see what was known at the time.
        joining: Joining::Never,
        pruners: if args.replay.no_index { Vec::new() } else { pruners },
        rendering,
    };
    Ok(Replay { evaluation, program, summary: form, captures, sink: sink(args, &config)? })
}

/// The rules that run, and those that are switched off.
fn program(args: &RunArgs, config: &Config, catalogue: &Catalogue) -> anyhow::Result<Program> {
    let paths = if args.rules.is_empty() { &config.rules_files } else { &args.rules };
    if paths.is_empty() {
        if !config.missing_rules_files.is_empty() {
            let missing: Vec<_> = config.missing_rules_files.iter().map(|path| path.display().to_string()).collect();
            bail!("none of the configured rules files exists ({}); name some with -r", missing.join(", "));
        }
        bail!("no rules: name a rules file with -r, or a configuration with -c");
    }
    let read = read_rules_files(paths);
    let mut files = Vec::new();
    for file in read {
        files.push((file.name, file.content?));
    }
    let files: Vec<_> = files.iter().map(|(name, content)| RulesFile { name, content }).collect();
    let options = Options { append_output: config.append_output.clone(), ..Options::default() };
    let loaded = load(&files, catalogue, &options);
    let errors = loaded.diagnostics().filter(|diagnostic| diagnostic.severity() == Severity::Error);
    let mut count = 0;
    for diagnostic in errors {
        count += 1;
        stderr::write(&format!("{}\n\n", text::render(diagnostic, stderr::shows_colour())));
    }
    if count > 0 {
        bail!("the rules do not load: {}", super::plural(count, "error"));
    }
    let warnings = loaded.diagnostics().count() as u64;
    if warnings > 0 && !args.quiet {
        let warnings = super::plural(warnings, "warning");
        stderr::say(format_args!("the rules load with {warnings}; falco-replay validate shows them"));
    }
    let mut program = loaded.program;
    let all = program.rules.len();
    if let Some(least) = args.priority.or(config.priority) {
        program.keep_priority(least);
    }
    program.select(&config.selections);
    program.select(&args.selection.steps);
    if !program.rules.iter().any(|rule| rule.enabled) {
        bail!(
            "no rule is left to run: of {}, {} too little severe and {} switched off",
            super::plural(all as u64, "rule"),
            all - program.rules.len(),
            program.rules.len()
        );
    }
    Ok(program)
}

fn sink(args: &RunArgs, config: &Config) -> anyhow::Result<Sink> {
    if let Some(path) = &args.output_file {
        return Sink::new().file(path, false);
    }
    let mut sink = Sink::new();
    if let Some(path) = &config.file_output {
        sink = sink.file(path, true).context("file_output of the configuration")?;
    }
    if config.stdout_output || args.summary {
        sink = sink.stdout();
    }
    Ok(sink)
}
