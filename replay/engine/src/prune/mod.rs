//! Which blocks a program can match at all, by their summaries: the others are skipped unread.
//!
//! Over a whole block a predicate is worth `Never` (it holds for none of its delivered events), `Always` (for all of
//! them) or neither, which says nothing. A missing value makes a check false whatever its operator, so a check of a field
//! that has no value in the block is `Never`, that of `!=` too; and `not` turns the two around, nothing else. What the
//! event type decides is taken into account type by type, as the evaluation does.

mod source;
mod wanted;

use std::cell::Cell;
use std::sync::Arc;

use falco_replay_format::block::Container;
use falco_replay_format::fcap::summary::{Key, Matcher, Part, Summary, role};
use falco_replay_format::schema::EVENT_TYPES;
use falco_replay_rules::CompiledCondition;
use falco_replay_rules::program::{EventTypes, Priority, Program, Rule, Template};

use crate::catalogue::Catalogue;
use crate::check::{Check, Subject};
use crate::evaluate::plan::{NO_PLAN, Plan, plans};
use crate::fields::Extractor;
use crate::transform::Expression;
use crate::value::Value;
use source::{Source, of_ancestors, of_ends, source};
use wanted::{Wanted, wanted};

/// What a predicate is worth over the events of a block: `Some` where it is the same for all.
type Worth = Option<bool>;

/// What of a predicate can be looked up.
#[derive(Debug, Clone)]
enum Looked {
    /// Nothing.
    Nothing,
    /// The values that it compares.
    Values {
        source: Source,
        /// What a value must be to pass, where values are not listed.
        wanted: Vec<Vec<Wanted>>,
        /// Whether a field's values pass through transformers first.
        transformed: bool,
    },
    /// Only whether fields that it needs have any value.
    Presence(Vec<Source>),
    /// Whether any event has a descriptor.
    Descriptor,
}

/// A container that the capture describes elsewhere too, and by which it is found in a block.
#[derive(Debug, Clone)]
struct Known {
    id: Matcher,
    container: Arc<Container>,
}

/// Tells which blocks a program can match.
#[derive(Debug, Clone)]
pub struct Pruner {
    checks: Vec<Check>,
    looked: Vec<Looked>,
    plans: Vec<Plan>,
    plan_of: Vec<u16>,
    /// By predicate: containers whose values pass, where containers were made known.
    passing: Vec<Vec<u32>>,
    known: Vec<Known>,
    joined: bool,
}

impl Pruner {
    /// For the enabled rules of a program, as [`Engine`](crate::evaluate::Engine) evaluates them. `documented`: operators
    /// mean what the language documents.
    pub fn new(program: &Program, catalogue: &Catalogue, documented: bool) -> Pruner {
        let checks: Vec<Check> = program.predicates.iter().map(|p| Check::new(p, catalogue, documented)).collect();
        let looked = checks.iter().map(looked).collect();
        let (plans, plan_of) = plans(program, &checks);
        Pruner { looked, plans, plan_of, passing: Vec::new(), known: Vec::new(), joined: false, checks }
    }

    /// For a condition on events of every type, as [`Filter`](crate::filter::Filter) evaluates it.
    pub fn of_condition(compiled: &CompiledCondition, catalogue: &Catalogue, documented: bool) -> Pruner {
        let rule = Rule {
            name: String::new(),
            description: String::new(),
            condition: compiled.condition.clone(),
            event_types: EventTypes { words: vec![u64::MAX; EVENT_TYPES.div_ceil(64)] },
            output: Template::default(),
            extra_fields: Vec::new(),
            priority: Priority::Debug,
            tags: Vec::new(),
            source: "syscall".to_owned(),
            enabled: true,
        };
        let program = Program { predicates: compiled.predicates.clone(), rules: vec![rule] };
        Pruner::new(&program, catalogue, documented)
    }

    /// For events that are seen with the metadata of containers that the whole capture gives, not with what was known
    /// at the time: `containers` are all that it describes.
    pub fn joined(mut self, containers: &[Arc<Container>]) -> Pruner {
        let passes = |check: &Check, looked: &Looked, container: &Container| match looked {
            Looked::Values { source, transformed, .. } => source
                .container_key()
                .and_then(|key| key.of_container(container))
                .is_some_and(|text| holds(check, *transformed, &Value::text(text))),
            _ => false,
        };
        self.passing = self
            .checks
            .iter()
            .zip(&self.looked)
            .map(|(check, looked)| {
                let passing = containers.iter().enumerate().filter(|(_, container)| passes(check, looked, container));
                passing.map(|(at, _)| at as u32).collect()
            })
            .collect();
        let known = |container: &Arc<Container>| Known {
            id: Matcher::equal(Part::Whole, &container.id),
            container: Arc::clone(container),
        };
        self.known = containers.iter().map(known).collect();
        self.joined = true;
        self
    }

    /// Whether some delivered event of a block may match. `types`: its event types with their counts.
    pub fn may_match(&self, types: &[(u16, u32)], summary: &Summary) -> bool {
        let memo: Vec<Cell<Option<Worth>>> = vec![Cell::new(None); self.checks.len()];
        let mut tried = vec![false; self.plans.len()];
        types.iter().filter(|(_, count)| *count > 0).any(|(ty, _)| {
            let plan = self.plan_of.get(usize::from(*ty)).copied().unwrap_or(NO_PLAN);
            let Some(tried) = tried.get_mut(usize::from(plan)).filter(|tried| !**tried) else { return false };
            *tried = true;
            self.plans[usize::from(plan)].rules.iter().any(|(_, node)| {
                let worth = node.decide(&mut |predicate| {
                    let memo = &memo[predicate as usize];
                    memo.get().unwrap_or_else(|| {
                        let worth = self.worth(predicate as usize, summary);
                        memo.set(Some(worth));
                        worth
                    })
                });
                worth != Some(false)
            })
        })
    }

    fn worth(&self, predicate: usize, summary: &Summary) -> Worth {
        let check = &self.checks[predicate];
        let looked = &self.looked[predicate];
        if !self.joined || !looked.of_containers() {
            return worth(check, looked, summary);
        }
        // What is known of containers now may replace what the block saw, or stand where it saw nothing.
        let never = matches!(looked, Looked::Values { .. }) && worth(check, looked, summary) == Some(false);
        let passing = || self.passing[predicate].iter().any(|&at| self.known[at as usize].may_be_in(summary));
        (never && !passing()).then_some(false)
    }
}

impl Known {
    fn may_be_in(&self, summary: &Summary) -> bool {
        match summary.texts(Key::ContainerId) {
            Some(mut ids) => ids.any(|(id, _)| id == &self.container.id[..]),
            None => summary.may_have(Key::ContainerId, &self.id),
        }
    }
}

impl Looked {
    /// Whether it is about values that containers have.
    fn of_containers(&self) -> bool {
        match self {
            Looked::Values { source, .. } => source.container_key().is_some(),
            Looked::Presence(sources) => sources.iter().any(|source| source.container_key().is_some()),
            Looked::Nothing | Looked::Descriptor => false,
        }
    }
}

/// What of a check can be looked up.
fn looked(check: &Check) -> Looked {
    let values = |source: Option<Source>, transformed: bool| match source {
        None => Looked::Nothing,
        Some(source) => {
            let wanted = if transformed || check.exists { Vec::new() } else { wanted(&check.tests, source.form) };
            Looked::Values { source, wanted, transformed }
        }
    };
    match &check.subject {
        Subject::Ancestors(field) => values(of_ancestors(*field), false),
        // Any descriptor has it.
        Subject::Ends(_) if check.exists => Looked::Descriptor,
        Subject::Ends(field) => values(of_ends(*field), false),
        Subject::Value(expression) if check.other.is_none() => {
            let fields = expression.extractors();
            match &fields[..] {
                [first, rest @ ..] if rest.iter().all(|other| same(first, other)) => {
                    values(source(first), !matches!(expression, Expression::Field(_)))
                }
                all => presence(all),
            }
        }
        Subject::Value(_) => presence(&check.extractors()),
        Subject::Around(..) | Subject::RawParam(..) => Looked::Nothing,
    }
}

fn same(one: &Extractor, other: &Extractor) -> bool {
    one.field.is_some() && one.field == other.field && format!("{:?}", one.arg) == format!("{:?}", other.arg)
}

/// An expression has a value only where all of its fields have.
fn presence(fields: &[&Extractor]) -> Looked {
    let sources: Vec<Source> = fields.iter().filter_map(|field| source(field)).collect();
    if sources.is_empty() { Looked::Nothing } else { Looked::Presence(sources) }
}

fn worth(check: &Check, looked: &Looked, summary: &Summary) -> Worth {
    match looked {
        Looked::Nothing => None,
        Looked::Descriptor => {
            let names = summary.texts(Key::FdName);
            names.is_some_and(|mut names| names.all(|(_, roles)| roles & !role::UNOPENED == 0)).then_some(false)
        }
        Looked::Presence(sources) => {
            let absent = |source: &Source| {
                let mut some = false;
                let listed = source.each(summary, &mut |_| {
                    some = true;
                    false
                });
                listed && !some
            };
            sources.iter().any(absent).then_some(false)
        }
        Looked::Values { source, wanted, transformed } => {
            let (mut some, mut all) = (false, true);
            let mut ask = |value: Value<'_>| {
                let holds = holds(check, *transformed, &value);
                some |= holds;
                all &= holds;
                some == all
            };
            let listed = source.each(summary, &mut ask);
            if listed {
                return match (some, all) {
                    (false, _) => Some(false),
                    (true, true) if source.is_complete(summary) => Some(true),
                    _ => None,
                };
            }
            let also = source.also.is_some_and(|also| holds(check, *transformed, &Value::text(also)));
            let possible = wanted.iter().all(|one_of| one_of.iter().any(|wanted| wanted.may_be(*source, summary)));
            (!also && !possible).then_some(false)
        }
    }
}

/// Whether a value of the field passes, once it is transformed.
fn holds(check: &Check, transformed: bool, value: &Value<'_>) -> bool {
    match &check.subject {
        Subject::Value(expression) if transformed => {
            expression.evaluate_with(&|_| Some(value.clone())).is_some_and(|value| check.holds(&value))
        }
        _ => check.holds(value),
    }
}
