//! Predicates made ready: what a check compares, over which table, and how.

use std::cell::Cell;
use std::net::IpAddr;

use falco_replay_format::block::{Fd, Process};
use falco_replay_format::schema::{EventInfo, ParamType};
use falco_replay_rules::program::{Constant, Modifier, Operator, Predicate, Rhs, ValueExpr};

use crate::catalogue::{Catalogue, Field};
use crate::comparison::{Test, compare, holds, membership, number_holds, single};
use crate::fields::{Arg, Domain, Extractor, both_ends, guessed_character, of_ancestor};
use crate::path_prefix::PathPrefixes;
use crate::sets::{SMALL, TextsWithin};
use crate::transform::Expression;
use crate::value::Value;
use crate::view::View;

/// How often the tests of a modifier must hold.
#[derive(Debug, Clone)]
pub(crate) enum Tests {
    One(Test),
    Modified(Modifier, Vec<Test>),
}

/// What is compared.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// The value of an expression.
    Value(Expression),
    /// Each ancestor's value of a field.
    Ancestors(Field),
    /// Each end of the event's inet socket.
    Ends(Field),
    /// The event's time around another: center and radius in nanoseconds.
    Around(u64, u64),
    /// A parameter with its own type, by name.
    RawParam(Expression, String),
}

/// A predicate made ready.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    pub(crate) subject: Subject,
    pub(crate) exists: bool,
    list: bool,
    op: Operator,
    pub(crate) tests: Tests,
    /// The other value of a comparison of two.
    pub(crate) other: Option<Expression>,
    pub(crate) domain: Domain,
}

impl Check {
    pub(crate) fn new(predicate: &Predicate, catalogue: &Catalogue, documented: bool) -> Check {
        let left = Expression::new(&predicate.left, catalogue);
        let mut domain = left.domain();
        let subject = match (&predicate.left, &left) {
            (ValueExpr::Field(_), Expression::Field(extractor)) => subject(extractor, predicate, &left, documented),
            _ => Subject::Value(left.clone()),
        };
        if let Subject::Ends(_) = subject {
            domain = Domain::Fd;
        }
        let other = match &predicate.rhs {
            Rhs::Value(expr) => Some(Expression::new(expr, catalogue)),
            _ => None,
        };
        if let Some(other) = &other {
            domain = match (domain, other.domain()) {
                (a, b) if a == b => a,
                (Domain::Type, b) => b,
                (a, Domain::Type) => a,
                _ => Domain::Event,
            };
        }
        let constants: &[Constant] = match &predicate.rhs {
            Rhs::Constants(constants) => constants,
            _ => &[],
        };
        let ends = matches!(subject, Subject::Ends(_));
        let op = match predicate.op {
            Operator::Intersects if ends && documented => Operator::In,
            op => op,
        };
        Check {
            exists: predicate.op == Operator::Exists,
            list: predicate.list,
            op,
            tests: tests(predicate, constants, &subject, documented),
            subject,
            other,
            domain,
        }
    }

    /// What the check is worth on every event of a type; `None` where the event decides.
    ///
    /// `fixed_name`: the type's name is that of its events. `about_fd`: fields of the fd class can have values.
    pub(crate) fn of_type(&self, info: &'static EventInfo, fixed_name: bool, about_fd: bool) -> Option<bool> {
        let missing = |domain: Domain| domain == Domain::Fd && !about_fd;
        if missing(self.domain) {
            return Some(false);
        }
        let Subject::Value(expression) = &self.subject else { return None };
        let undecided = Cell::new(false);
        let value =
            expression.evaluate_with(&|extractor: &Extractor| match extractor.of_type(info, fixed_name, about_fd) {
                Some(value) => value,
                None => {
                    undecided.set(true);
                    None
                }
            });
        if undecided.get() || self.other.is_some() {
            return None;
        }
        Some(value.is_some_and(|value| self.holds(&value)))
    }

    /// The same for an event of a descriptor number of -1 and without descriptor.
    pub(crate) fn without_fd(&self, info: &'static EventInfo) -> Option<bool> {
        match &self.subject {
            Subject::Ends(_) => Some(false),
            Subject::Value(Expression::Field(extractor)) if self.other.is_none() => match extractor.field {
                Some(Field::FdNum) => Some(self.holds(&Value::Int(-1))),
                Some(Field::FdName | Field::FdDirectory | Field::FdNameraw) => None,
                Some(Field::FdTypechar) => Some(self.holds(&Value::text(guessed_character(info.id)))),
                _ => (self.domain == Domain::Fd).then_some(false),
            },
            _ => None,
        }
    }

    /// Whether the check is about the descriptor's number alone.
    pub(crate) fn is_fd_number(&self) -> bool {
        matches!(&self.subject, Subject::Value(Expression::Field(extractor)) if extractor.field == Some(Field::FdNum))
    }

    /// The expression that decides the check, where it alone does.
    pub(crate) fn plain(&self) -> Option<&Expression> {
        match (&self.subject, &self.other) {
            (Subject::Value(expression), None) => Some(expression),
            _ => None,
        }
    }

    /// The field whose values over the ancestors decide the check.
    pub(crate) fn ancestors(&self) -> Option<Field> {
        match self.subject {
            Subject::Ancestors(field) => Some(field),
            _ => None,
        }
    }

    /// Every field that the check looks at.
    pub(crate) fn extractors(&self) -> Vec<&Extractor> {
        let mut all = match &self.subject {
            Subject::Value(expression) | Subject::RawParam(expression, _) => expression.extractors(),
            _ => Vec::new(),
        };
        all.extend(self.other.iter().flat_map(Expression::extractors));
        all
    }

    /// Whether the check compares the event's time, apart from its fields.
    pub(crate) fn is_time(&self) -> bool {
        matches!(self.subject, Subject::Around(..))
    }

    /// Whether the check holds at an event.
    pub(crate) fn at_event(&self, view: &View<'_>) -> bool {
        match &self.subject {
            Subject::Value(expression) => {
                let Some(value) = expression.evaluate(view) else { return false };
                match &self.other {
                    None => self.holds(&value),
                    Some(other) => {
                        other.evaluate(view).is_some_and(|other| compare(self.op, &value, &other, self.list))
                    }
                }
            }
            Subject::Ancestors(_) => view.process.is_some_and(|process| self.of_process(process)),
            Subject::Ends(_) => view.fd.is_some_and(|fd| view.about_fd() && self.of_fd(fd)),
            Subject::Around(center, radius) => view.ts().abs_diff(*center) <= *radius,
            Subject::RawParam(expression, name) => self.raw_param(view, expression, name),
        }
    }

    /// Whether the check holds for a process version: only in [`Domain::Process`].
    pub(crate) fn of_process(&self, process: &Process) -> bool {
        match &self.subject {
            Subject::Ancestors(field) => process
                .ancestors()
                .any(|ancestor| of_ancestor(*field, ancestor).is_some_and(|value| self.holds(&value))),
            Subject::Value(expression) => {
                let field = |extractor: &'_ Extractor| extractor.of_process(process).map(detach);
                self.of_fields(expression, &field)
            }
            _ => false,
        }
    }

    /// Whether the check holds for a descriptor version: only in [`Domain::Fd`].
    pub(crate) fn of_fd(&self, fd: &Fd) -> bool {
        match &self.subject {
            Subject::Ends(field) => self.of_ends(*field, fd),
            Subject::Value(expression) => {
                let field = |extractor: &'_ Extractor| extractor.of_fd(fd).map(detach);
                self.of_fields(expression, &field)
            }
            _ => false,
        }
    }

    fn of_fields(&self, expression: &Expression, field: &dyn Fn(&Extractor) -> Option<Value<'static>>) -> bool {
        let Some(value) = expression.evaluate_with(&|extractor| field(extractor)) else { return false };
        match &self.other {
            None => self.holds(&value),
            Some(other) => other
                .evaluate_with(&|extractor| field(extractor))
                .is_some_and(|other| compare(self.op, &value, &other, self.list)),
        }
    }

    fn of_ends(&self, field: Field, fd: &Fd) -> bool {
        if self.exists {
            return true;
        }
        let Some((first, second)) = both_ends(fd) else { return false };
        let value = |end: (IpAddr, u16)| match field {
            Field::FdPort | Field::FdProto => Value::Uint(u64::from(end.1)),
            _ => Value::Ip(end.0),
        };
        let all = self.op == Operator::Ne;
        let holds = |end| self.holds(&value(end));
        match second {
            None => holds(first),
            // Falco 0.44: listening sockets only.
            Some(_) if self.op == Operator::Intersects => false,
            Some(second) if all => holds(first) && holds(second),
            Some(second) => holds(first) || holds(second),
        }
    }

    fn raw_param(&self, view: &View<'_>, expression: &Expression, name: &str) -> bool {
        let Some(value) = expression.evaluate(view) else { return false };
        let Some(index) = view.info.params.iter().position(|param| param.name == name) else { return false };
        let text = matches!(view.info.params[index].ty, ParamType::Charbuf | ParamType::Fspath | ParamType::Fsrelpath);
        if view.params.get(index).is_empty() && !text {
            // Printed as 0, but nothing to compare.
            return false;
        }
        if self.exists {
            return true;
        }
        // The constant was read by the type of the first parameter of that name; the event's own type may be narrower.
        let width = view.info.params[index].ty.size().unwrap_or(8);
        let narrow = |constant: i64| match (&value, width) {
            (Value::Int(_), 1) => i64::from(constant as i8),
            (Value::Int(_), 2) => i64::from(constant as i16),
            (Value::Int(_), 4) => i64::from(constant as i32),
            (Value::Uint(_), 1) => i64::from(constant as u8),
            (Value::Uint(_), 2) => i64::from(constant as u16),
            (Value::Uint(_), 4) => i64::from(constant as u32),
            _ => constant,
        };
        let test = |test: &Test| match test {
            Test::Number(op, constant) => number_holds(*op, &value, narrow(*constant)),
            Test::Numbers(list) => list.iter().any(|&constant| number_holds(Operator::Eq, &value, narrow(constant))),
            other => holds(other, &value),
        };
        match &self.tests {
            Tests::One(one) => test(one),
            Tests::Modified(modifier, all) => modified(*modifier, all.iter().map(test)),
        }
    }

    /// Whether a value that is there passes.
    pub(crate) fn holds(&self, value: &Value<'_>) -> bool {
        if self.exists {
            return true;
        }
        if let Value::List(items) = value {
            let Tests::One(test) = &self.tests else { return false };
            let mut each = items.iter().map(|item| holds(test, &Value::text(item)));
            return match self.op {
                Operator::In => each.all(|holds| holds),
                Operator::Intersects => each.any(|holds| holds),
                _ => false,
            };
        }
        match &self.tests {
            Tests::One(test) => holds(test, value),
            Tests::Modified(modifier, tests) => modified(*modifier, tests.iter().map(|test| holds(test, value))),
        }
    }
}

/// A value on its own, so that it outlives the closure that gave it.
fn detach(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Bytes(bytes) => Value::owned(bytes.into_owned()),
        Value::Int(number) => Value::Int(number),
        Value::Uint(number) => Value::Uint(number),
        Value::Bool(value) => Value::Bool(value),
        Value::Double(value) => Value::Double(value),
        Value::Ip(ip) => Value::Ip(ip),
        Value::List(items) => Value::List(items.into_iter().map(|item| item.into_owned().into()).collect()),
    }
}

fn subject(extractor: &Extractor, predicate: &Predicate, left: &Expression, documented: bool) -> Subject {
    let exists = predicate.op == Operator::Exists;
    match (extractor.field, &extractor.arg) {
        (
            Some(
                field @ (Field::ProcAname
                | Field::ProcAexe
                | Field::ProcAexepath
                | Field::ProcAcmdline
                | Field::ProcApid
                | Field::ProcAenv),
            ),
            Arg::None,
        ) if !exists => Subject::Ancestors(field),
        // Falco 0.44: the index counts in outputs only.
        (Some(Field::ProcAenv), Arg::Index(_)) if !exists && !documented => Subject::Ancestors(Field::ProcAenv),
        (Some(field @ (Field::FdIp | Field::FdPort | Field::FdProto | Field::FdNet)), _) => Subject::Ends(field),
        (Some(Field::EvtAround), arg) => {
            let center = match arg {
                Arg::Index(center) => *center as u64,
                _ => 0,
            };
            let radius = match &predicate.rhs {
                Rhs::Constants(constants) => match constants.first() {
                    Some(Constant::Int(ms)) => (*ms as u64).saturating_mul(1_000_000),
                    _ => 0,
                },
                _ => 0,
            };
            Subject::Around(center, radius)
        }
        (Some(Field::EvtRawarg), Arg::Name(name)) => Subject::RawParam(left.clone(), name.clone()),
        _ => Subject::Value(left.clone()),
    }
}

fn modified(modifier: Modifier, mut each: impl Iterator<Item = bool>) -> bool {
    match modifier {
        Modifier::Anyof => each.any(|holds| holds),
        Modifier::Allof => {
            let mut some = false;
            let all = each.all(|holds| {
                some = true;
                holds
            });
            all && some
        }
        Modifier::Oneof => each.filter(|&holds| holds).count() == 1,
    }
}

/// What the constants of a predicate ask for. `documented`: without the defects of Falco 0.44.
fn tests(predicate: &Predicate, constants: &[Constant], subject: &Subject, documented: bool) -> Tests {
    let (mut constants, mut modifier) = (constants, predicate.modifier);
    if let (Subject::Ends(field), false) = (subject, documented) {
        match (field, predicate.op) {
            (Field::FdPort | Field::FdProto, Operator::In) => {}
            // It lost the length of the value that it looks for; the others end the run.
            (Field::FdIp, Operator::In) | (Field::FdIp | Field::FdPort | Field::FdProto, Operator::Intersects) => {
                return Tests::One(Test::Never);
            }
            // All else looks at the first constant.
            _ => (constants, modifier) = (&constants[..constants.len().min(1)], None),
        }
    }
    if let Some(modifier) = modifier {
        if let Some(test) = any_within(modifier, predicate.op, constants) {
            return Tests::One(test);
        }
        let each = constants.iter().map(|constant| single(predicate.op, constant)).collect();
        return Tests::Modified(modifier, each);
    }
    Tests::One(match predicate.op {
        Operator::In | Operator::Intersects => membership(constants),
        Operator::Pmatch => {
            let paths = constants.iter().filter_map(|constant| match constant {
                Constant::Bytes(path) => Some(&path[..]),
                _ => None,
            });
            Test::PathPrefix(PathPrefixes::new(paths, documented))
        }
        op => constants.first().map_or(Test::Never, |constant| single(op, constant)),
    })
}

/// The test that at least one of many texts is within, by all of them at once.
fn any_within(modifier: Modifier, op: Operator, constants: &[Constant]) -> Option<Test> {
    let within = modifier == Modifier::Anyof && matches!(op, Operator::Contains | Operator::Icontains);
    if !within || constants.len() <= SMALL {
        return None;
    }
    let texts = constants.iter().filter_map(|constant| match constant {
        Constant::Bytes(text) => Some(text.clone()),
        _ => None,
    });
    Some(Test::ContainsAny(TextsWithin::new(texts, op == Operator::Icontains)))
}
