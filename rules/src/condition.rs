//! A condition of its own, without rules: for `print CAPTURE FILTER`, `--filter` and `hunt`.

use crate::check::compile_check;
use crate::event_types::EventTypeIndex;
use crate::parse::{FILTER_NESTING, SyntaxError, parse_condition};
use crate::program::{Condition, EventTypes, Predicate, PredicateId};
use crate::schema::Schema;
use crate::syntax::{Check, Expr};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// A condition compiled alone, with the predicates that it names.
#[derive(Debug, Clone)]
pub struct CompiledCondition {
    /// Every distinct check once.
    pub predicates: Vec<Predicate>,
    /// The condition over them.
    pub condition: Condition,
    /// Event types that it can match.
    pub event_types: EventTypes,
}

/// Why a condition does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// It is no condition.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// A field, operator or constant in it is wrong.
    #[error("{message}")]
    Check {
        /// What is wrong.
        message: String,
        /// The check that is wrong, in bytes from the start of the text.
        span: (usize, usize),
        /// Number of the macro that the text is of; `None`: of the condition itself.
        macro_place: Option<usize>,
    },
}

impl ConditionError {
    /// Where the error is, in bytes from the start of the text.
    pub fn span(&self) -> (usize, usize) {
        match self {
            Self::Syntax(error) => (error.at, error.at + 1),
            Self::Check { span, .. } => *span,
        }
    }
}

/// Compiles a condition that stands for itself. Macros cannot be used in it.
pub fn compile_condition(text: &str, schema: &dyn Schema) -> Result<CompiledCondition, ConditionError> {
    let expr = parse_condition(text, FILTER_NESTING)?;
    let mut table = PredicateTable::default();
    let mut errors = Vec::new();
    let condition = table.compile(&expr, schema, &mut errors);
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let index = EventTypeIndex::new(schema);
    // Where the set cannot be worked out, as for a transformed event type, every event is tried.
    let event_types = match index.compute(schema, &expr) {
        Ok(computed) => index.plain(&computed),
        Err(_) => index.all(),
    };
    Ok(CompiledCondition { predicates: table.predicates, condition, event_types })
}

/// What a condition of its own is, as `describe --condition` shows it.
#[derive(Debug, Clone, Default)]
pub struct ConditionReport {
    /// Whether it is a condition.
    pub parses: bool,
    /// Whether its fields, operators and constants are right too.
    pub compiles: bool,
    /// Its normal form, if it parses.
    pub normal_form: Option<Vec<u8>>,
    /// Names of the events that it can match, sorted; `None` within for all. Only where it compiles and the set exists.
    pub events: Option<Option<Vec<&'static str>>>,
    /// The first error.
    pub error: Option<String>,
}

/// Looks at a condition of its own.
pub fn describe_condition(text: &str, schema: &dyn Schema) -> ConditionReport {
    let mut report = ConditionReport::default();
    let expr = match parse_condition(text, FILTER_NESTING) {
        Ok(expr) => expr,
        Err(error) => {
            report.error = Some(error.message);
            return report;
        }
    };
    report.parses = true;
    report.normal_form = Some(expr.normal_form());
    let mut errors = Vec::new();
    PredicateTable::default().compile(&expr, schema, &mut errors);
    if let Some(error) = errors.first() {
        report.error = Some(error.to_string());
        return report;
    }
    report.compiles = true;
    let index = EventTypeIndex::new(schema);
    match index.compute(schema, &expr) {
        Ok(computed) => report.events = Some(index.names(&computed)),
        Err(message) => report.error = Some(message),
    }
    report
}

/// Every distinct predicate of a program, each with its number.
#[derive(Debug, Default)]
pub(crate) struct PredicateTable {
    pub predicates: Vec<Predicate>,
    /// Checks with their numbers, by hash. The normal form would not do as a key: it forgets where strings end.
    seen: HashMap<u64, Vec<(Check, PredicateId)>>,
    hasher: RandomState,
}

impl PredicateTable {
    /// Compiles a condition whose macros are expanded; all errors go to `errors`.
    pub fn compile(&mut self, expr: &Expr, schema: &dyn Schema, errors: &mut Vec<ConditionError>) -> Condition {
        match expr {
            Expr::And(children) => Condition::And(self.compile_all(children, schema, errors)),
            Expr::Or(children) => Condition::Or(self.compile_all(children, schema, errors)),
            Expr::Not(child) => Condition::Not(Box::new(self.compile(child, schema, errors))),
            Expr::Macro(reference) => {
                let message = format!("unexpected identifier '{}'", reference.name);
                let span = (reference.at, reference.at + reference.name.len());
                errors.push(ConditionError::Check { message, span, macro_place: None });
                Condition::Or(Vec::new())
            }
            Expr::Check(check) => match self.check(check, schema) {
                Ok(id) => Condition::Check(id),
                Err(message) => {
                    let macro_place = check.macro_place;
                    errors.push(ConditionError::Check { message, span: check.span, macro_place });
                    Condition::Or(Vec::new())
                }
            },
        }
    }

    fn check(&mut self, check: &Check, schema: &dyn Schema) -> Result<PredicateId, String> {
        let hash = self.hasher.hash_one((&check.left, check.operator, check.modifier, &check.right));
        let alike = |other: &Check| {
            (&other.left, other.operator, other.modifier, &other.right)
                == (&check.left, check.operator, check.modifier, &check.right)
        };
        let seen = self.seen.entry(hash).or_default();
        if let Some((_, id)) = seen.iter().find(|(other, _)| alike(other)) {
            return Ok(*id);
        }
        let predicate = compile_check(schema, check)?;
        let id = PredicateId(u32::try_from(self.predicates.len()).unwrap_or(u32::MAX));
        self.predicates.push(predicate);
        seen.push((check.clone(), id));
        Ok(id)
    }

    fn compile_all(
        &mut self,
        children: &[Expr],
        schema: &dyn Schema,
        errors: &mut Vec<ConditionError>,
    ) -> Vec<Condition> {
        children.iter().map(|child| self.compile(child, schema, errors)).collect()
    }
}
