//! One condition evaluated event by event: for `print` and as the measure that block evaluation is held against.

use falco_replay_format::demand::Demand;
use falco_replay_format::schema::EVENT_TYPES;
use falco_replay_rules::CompiledCondition;
use falco_replay_rules::program::{Condition, EventTypes};

use crate::catalogue::Catalogue;
use crate::check::Check;
use crate::fields::Extractor;
use crate::output::Printer;
use crate::view::View;

/// A condition made ready.
#[derive(Debug, Clone)]
pub struct Filter {
    checks: Vec<Check>,
    condition: Condition,
    event_types: EventTypes,
}

impl Filter {
    /// Makes a condition ready. `documented`: operators mean what the language documents, not what Falco does.
    pub fn new(compiled: &CompiledCondition, catalogue: &Catalogue, documented: bool) -> Filter {
        let checks = compiled.predicates.iter().map(|p| Check::new(p, catalogue, documented)).collect();
        Filter { checks, condition: compiled.condition.clone(), event_types: compiled.event_types.clone() }
    }

    /// Whether an event passes.
    pub fn matches(&self, view: &View<'_>) -> bool {
        condition_holds(&self.condition, &|predicate| {
            self.checks.get(predicate as usize).is_some_and(|check| check.at_event(view))
        })
    }

    /// Event types that can pass where the condition is part of a rule.
    pub fn event_types(&self) -> &EventTypes {
        &self.event_types
    }

    /// Asks for the references that the condition needs.
    pub fn ask(&self, demand: &mut Demand) {
        for check in &self.checks {
            ask(demand, check.extractors().into_iter(), |_| true);
        }
    }
}

/// Evaluates a condition where `holds` says what its predicates are worth.
pub(crate) fn condition_holds(condition: &Condition, holds: &dyn Fn(u32) -> bool) -> bool {
    match condition {
        Condition::And(all) => all.iter().all(|part| condition_holds(part, holds)),
        Condition::Or(any) => any.iter().any(|part| condition_holds(part, holds)),
        Condition::Not(inner) => !condition_holds(inner, holds),
        Condition::Check(predicate) => holds(predicate.0),
    }
}

/// Asks for what some fields need on the event types that `on` names.
pub(crate) fn ask<'a>(demand: &mut Demand, extractors: impl Iterator<Item = &'a Extractor>, on: impl Fn(u16) -> bool) {
    for extractor in extractors {
        for ty in (0..EVENT_TYPES as u16).filter(|&ty| on(ty)) {
            let (bits, number) = extractor.wants_on(ty);
            if let Some(number) = number.filter(|number| !demand.fd_numbers.contains(number)) {
                demand.fd_numbers.push(number);
            }
            demand.ask(ty, bits);
        }
    }
}

impl Printer {
    /// Asks for the references that the template needs on the event types that `on` names.
    pub fn ask(&self, demand: &mut Demand, on: impl Fn(u16) -> bool) {
        ask(demand, self.extractors(), on);
    }
}
