//! From arguments to what a hunt needs: a program of one rule, and how its matches are written.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use falco_replay_engine::catalogue::{Catalogue, Field};
use falco_replay_engine::evaluate::{Engine, RuleMatching};
use falco_replay_engine::output::Printer;
use falco_replay_engine::prune::Pruner;
use falco_replay_rules::program::{
    Condition, EventTypes, FieldRef, Predicate, Priority, Program, Rhs, Rule, Template, ValueExpr,
};
use falco_replay_rules::{CompiledCondition, compile_condition, compile_template};

use super::ioc::mark::{IndicatorMark, templates};
use super::ioc::{Indicators, condition};
use super::{HuntArgs, Wanted};
use crate::capture::{can_be_read_again, is_stored};
use crate::output::OutputFormat;
use crate::rendering::Semantics;
use crate::replay::evaluation::{Evaluation, Joining, Keep, Search, Writing};
use crate::replay::lines::{Lines, Mark};
use crate::sources;
use crate::stderr;

/// What a line looks like where no format is given.
const DEFAULT_TEXT: &str = "%evt.datetime %container.id/%container.name %user.name %proc.pname > %proc.name (%proc.pid) %evt.type \
                            res=%evt.res fd=%fd.name path=%fs.path.name cmd=%proc.cmdline";

/// What JSON holds where no format is given.
const DEFAULT_JSON: &str = "%evt.num %evt.rawtime %evt.time.iso8601 %evt.type %evt.res %container.id %container.name \
                            %container.image.repository %k8s.ns.name %k8s.pod.name %user.name %proc.pid %proc.name \
                            %proc.exepath %proc.cmdline %proc.ppid %proc.pname %fd.name %fs.path.name %fs.path.source \
                            %fs.path.target";

/// Everything that a hunt needs.
pub struct Prepared {
    /// What is done with each block.
    pub evaluation: Evaluation,
    /// The captures in order.
    pub captures: Vec<PathBuf>,
}

/// Prepares a hunt.
pub fn prepare(args: &HuntArgs) -> anyhow::Result<Prepared> {
    let (filter, captures) = words(args)?;
    let captures = sources::captures(&captures)?;
    let catalogue = Catalogue::new();
    let rendering = args.rendering.rendering(args.base64, Semantics::Documented)?;
    let indicators = match args.ioc.is_empty() {
        true => None,
        false => Some(Indicators::read(&args.ioc)?),
    };
    let format = args.format.as_deref().unwrap_or(match args.output {
        OutputFormat::Text => DEFAULT_TEXT,
        OutputFormat::Json => DEFAULT_JSON,
    });
    let template = compile_template(format, &catalogue)
        .map_err(|error| anyhow!("the format does not compile: {} (see falco-replay list fields)", error.message))?;
    let printed = matches!(args.wanted(), Wanted::Events(_) | Wanted::Ends { .. });
    let mut program = program(filter, indicators.as_ref(), rendering.documented, &catalogue)?;
    let mut joining = Joining::Never;
    if printed {
        if template.fields.iter().any(|(_, field)| needs_metadata(field)) {
            joining = Joining::ForOutput;
        }
        // As part of the rule its fields are asked for on the events only that can match.
        for rule in &mut program.rules {
            rule.output = template.clone();
            if indicators.is_some() {
                rule.extra_fields = templates(&catalogue)?.into_iter().map(|field| (String::new(), field)).collect();
            }
        }
    }
    if program.predicates.iter().any(|predicate| fields(predicate).into_iter().any(needs_metadata)) {
        joining = Joining::Always;
    }
    if args.as_seen {
        joining = Joining::Never;
    }
    if joining != Joining::Never && !args.quiet && captures.iter().any(|path| is_stream(path)) {
        stderr::say("what can be read only once shows containers as they were known at each event (see --as-seen)");
    }
    let mark: Option<Box<dyn Mark>> = match indicators {
        Some(indicators) if printed => Some(Box::new(IndicatorMark::new(indicators, &catalogue)?)),
        _ => None,
    };
    let lines = Lines { printer: Printer::new(&template, &catalogue), form: args.output, escaped: true, mark };
    let engine = Engine::new(&program, &catalogue, RuleMatching::First, rendering.documented);
    let evaluation = Evaluation {
        search: Search::Rules(Box::new(engine)),
        filter: None,
        window: args.window.window()?,
        writing: if printed { Writing::Lines(Box::new(lines)) } else { Writing::Nothing },
        with_origin: args.with_origin,
        limit: None,
        keep: match args.wanted() {
            Wanted::Events(_) => Keep::All,
            Wanted::Ends { first, last } => Keep::Ends { first, last },
            Wanted::Count | Wanted::Captures => Keep::Nothing,
        },
        joining,
        // With many indicators they take as much memory as the engine.
        pruners: if args.replay.no_index || !captures.iter().any(|path| is_stored(path)) {
            Vec::new()
        } else {
            vec![Pruner::new(&program, &catalogue, rendering.documented)]
        },
        rendering,
    };
    Ok(Prepared { evaluation, captures })
}

fn is_stream(path: &std::path::Path) -> bool {
    path == std::path::Path::new("-") || path.exists() && !can_be_read_again(path)
}

/// The condition and the captures.
fn words(args: &HuntArgs) -> anyhow::Result<(Option<&str>, Vec<PathBuf>)> {
    let words = &args.filter_and_captures;
    let paths = |words: &[String]| words.iter().map(PathBuf::from).collect::<Vec<_>>();
    let Some((first, rest)) = words.split_first() else { bail!("no condition and no capture") };
    let (filter, captures) = if !args.ioc.is_empty() && sources::names_capture(first) {
        (None, paths(words))
    } else {
        (Some(first.as_str()), paths(rest))
    };
    if captures.is_empty() {
        bail!("no capture: name one after the condition, or - for standard input (falco-replay hunt FILTER CAPTURE)");
    }
    let stdin = |paths: &[PathBuf]| paths.iter().any(|path| path == std::path::Path::new("-"));
    if stdin(&args.ioc) && stdin(&captures) {
        bail!("standard input (-) cannot be both indicators and a capture");
    }
    Ok((filter, captures))
}

/// A program of one rule.
fn program(
    filter: Option<&str>,
    indicators: Option<&Indicators>,
    documented: bool,
    catalogue: &Catalogue,
) -> anyhow::Result<Program> {
    let everything = || EventTypes { words: vec![u64::MAX; usize::from(u16::MAX) / 64 + 1] };
    let mut compiled =
        CompiledCondition { predicates: Vec::new(), condition: Condition::And(Vec::new()), event_types: everything() };
    if let Some(text) = filter {
        compiled = compile_condition(text, catalogue).map_err(|error| {
            let swapped = if sources::names_capture(text) { "; the condition comes before the captures" } else { "" };
            anyhow!("the condition '{text}' does not compile: {error}{swapped}")
        })?;
        if documented {
            // A rule is not even tried on events that Falco leaves out; the language knows no such thing.
            compiled.event_types = everything();
        }
    }
    if let Some(indicators) = indicators {
        let found = condition::condition(indicators, documented, catalogue, &mut compiled.predicates)
            .context("the indicators give no condition; this is a defect of falco-replay, please report it")?;
        compiled.condition = Condition::And(vec![compiled.condition, found]);
    }
    let rule = Rule {
        name: "hunt".to_owned(),
        description: String::new(),
        condition: compiled.condition,
        event_types: compiled.event_types,
        output: Template::default(),
        extra_fields: Vec::new(),
        priority: Priority::Debug,
        tags: Vec::new(),
        source: "syscall".to_owned(),
        enabled: true,
    };
    Ok(Program { predicates: compiled.predicates, rules: vec![rule] })
}

/// Whether a field shows what is known of a container beyond its id.
fn needs_metadata(field: &FieldRef) -> bool {
    use Field as F;
    match Field::from_id(field.id) {
        Some(F::ContainerId | F::ContainerStartTs | F::ContainerDuration) | None => false,
        // Which end of a connection is the own one depends on the container's address.
        Some(
            F::FdLip
            | F::FdRip
            | F::FdLport
            | F::FdRport
            | F::FdLproto
            | F::FdRproto
            | F::FdLnet
            | F::FdRnet
            | F::FdLipName
            | F::FdRipName
            | F::FdIsServer,
        ) => true,
        Some(other) => other >= F::ContainerId,
    }
}

/// Every field of a check.
fn fields(predicate: &Predicate) -> Vec<&FieldRef> {
    fn add<'a>(value: &'a ValueExpr, out: &mut Vec<&'a FieldRef>) {
        match value {
            ValueExpr::Field(field) => out.push(field),
            ValueExpr::Transform { args, .. } | ValueExpr::List(args) => args.iter().for_each(|arg| add(arg, out)),
            ValueExpr::Literal(_) => {}
        }
    }
    let mut all = Vec::new();
    add(&predicate.left, &mut all);
    if let Rhs::Value(value) = &predicate.rhs {
        add(value, &mut all);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(condition: &str) -> bool {
        let compiled = compile_condition(condition, &Catalogue::new()).unwrap();
        compiled.predicates.iter().any(|predicate| fields(predicate).into_iter().any(needs_metadata))
    }

    #[test]
    fn conditions_that_need_metadata() {
        for condition in
            ["container.name = a", "k8s.pod.name exists", "fd.rip = 1.2.3.4", "proc.name = val(container.name)"]
        {
            assert!(joins(condition), "{condition}");
        }
        for condition in ["container.id != host", "proc.name = a", "fd.cip = 1.2.3.4", "container.duration > 1"] {
            assert!(!joins(condition), "{condition}");
        }
    }

    #[test]
    fn the_default_formats_compile() {
        for format in [DEFAULT_TEXT, DEFAULT_JSON] {
            assert!(compile_template(format, &Catalogue::new()).is_ok());
        }
    }
}
