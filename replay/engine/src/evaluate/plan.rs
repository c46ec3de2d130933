//! What is left of each rule on each event type once the type is known.

use falco_replay_format::schema::{EVENT_TYPES, EVENTS, EventInfo, ev, event_flag};
use falco_replay_rules::program::{Condition, Program};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::check::Check;
use crate::fields::{Domain, describes_container, guessed_character};

/// A condition over predicate numbers, simplified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Constant(bool),
    And(Box<[Node]>),
    Or(Box<[Node]>),
    Not(Box<Node>),
    Check(u32),
}

impl Node {
    /// The condition where `known` says what some predicates are worth.
    pub(crate) fn simplify(condition: &Condition, known: &dyn Fn(u32) -> Option<bool>) -> Node {
        match condition {
            Condition::Check(predicate) => match known(predicate.0) {
                Some(value) => Node::Constant(value),
                None => Node::Check(predicate.0),
            },
            Condition::Not(inner) => match Node::simplify(inner, known) {
                Node::Constant(value) => Node::Constant(!value),
                Node::Not(inner) => *inner,
                other => Node::Not(Box::new(other)),
            },
            Condition::And(parts) => Node::chain(parts, known, true),
            Condition::Or(parts) => Node::chain(parts, known, false),
        }
    }

    /// An `and` (or, for `and` false, an `or`): parts of no effect go, nested chains of the same kind join.
    fn chain(parts: &[Condition], known: &dyn Fn(u32) -> Option<bool>, and: bool) -> Node {
        let mut kept = Vec::with_capacity(parts.len());
        for part in parts {
            match Node::simplify(part, known) {
                Node::Constant(value) if value == and => {}
                Node::Constant(value) => return Node::Constant(value),
                Node::And(inner) if and => kept.extend(inner),
                Node::Or(inner) if !and => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Node::Constant(and),
            1 => kept.remove(0),
            _ if and => Node::And(kept.into()),
            _ => Node::Or(kept.into()),
        }
    }

    /// What the condition is worth where `known` says what some predicates are; `None` where the rest decides.
    pub(crate) fn decide(&self, known: &mut dyn FnMut(u32) -> Option<bool>) -> Option<bool> {
        match self {
            Node::Constant(value) => Some(*value),
            Node::Check(predicate) => known(*predicate),
            Node::Not(inner) => inner.decide(known).map(|value| !value),
            Node::And(parts) => {
                let mut open = false;
                for part in parts {
                    match part.decide(known) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => open = true,
                    }
                }
                (!open).then_some(true)
            }
            Node::Or(parts) => {
                let mut open = false;
                for part in parts {
                    match part.decide(known) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => open = true,
                    }
                }
                (!open).then_some(false)
            }
        }
    }

    /// Whether the condition holds.
    pub(crate) fn holds(&self, check: &mut dyn FnMut(u32) -> bool) -> bool {
        match self {
            Node::Constant(value) => *value,
            Node::Check(predicate) => check(*predicate),
            Node::Not(inner) => !inner.holds(check),
            Node::And(parts) => parts.iter().all(|part| part.holds(check)),
            Node::Or(parts) => parts.iter().any(|part| part.holds(check)),
        }
    }

    /// Calls `with` on every predicate.
    pub(crate) fn holds_all(&self, with: &mut dyn FnMut(u32)) {
        let mut all = Vec::new();
        self.predicates(&mut all);
        all.into_iter().for_each(with);
    }

    fn predicates(&self, out: &mut Vec<u32>) {
        match self {
            Node::Constant(_) => {}
            Node::Check(predicate) => out.push(*predicate),
            Node::Not(inner) => inner.predicates(out),
            Node::And(parts) | Node::Or(parts) => parts.iter().for_each(|part| part.predicates(out)),
        }
    }
}

/// The rules that an event type can match, in the order of definition. Types with the same rules left share a plan.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// (place of the rule in the program, its condition on this type).
    pub(crate) rules: Vec<(u32, Node)>,
    /// Words of a set of these rules.
    pub(crate) words: usize,
    /// The set of all of them.
    pub(crate) all: Vec<u64>,
    /// Whether process predicates take part.
    pub(crate) of_process: bool,
    /// Whether descriptor predicates take part.
    pub(crate) of_fd: bool,
    /// Whether process predicates must be asked at the event: it may describe a container of its own.
    pub(crate) own_context: bool,
    /// An event type with this plan.
    pub(crate) sample: &'static EventInfo,
}

fn all(count: usize) -> Vec<u64> {
    let mut words = vec![u64::MAX; count.div_ceil(64)];
    if let Some(last) = words.last_mut().filter(|_| !count.is_multiple_of(64)) {
        *last = (1 << (count % 64)) - 1;
    }
    words
}

/// No plan: no rule can match the type.
pub(crate) const NO_PLAN: u16 = u16::MAX;

/// The plans, and which event type has which.
pub(crate) fn plans(program: &Program, checks: &[Check]) -> (Vec<Plan>, Vec<u16>) {
    type Key = (Vec<(u32, Node)>, bool, bool, &'static [u8]);
    let mut plans: Vec<Plan> = Vec::new();
    let mut known: HashMap<Key, u16, FixedState> = HashMap::default();
    let mut of_type = vec![NO_PLAN; EVENT_TYPES];
    for info in &EVENTS {
        let own_context = describes_container(info.id);
        let about_fd = info.flags & (event_flag::USES_FD | event_flag::CREATES_FD | event_flag::DESTROYS_FD) != 0;
        let fixed_name = !matches!(info.id, ev::GENERIC_E | ev::GENERIC_X | ev::ASYNCEVENT_E);
        let decided = |predicate: u32| checks.get(predicate as usize)?.of_type(info, fixed_name, about_fd);
        let mut rules = Vec::new();
        for (at, rule) in program.rules.iter().enumerate() {
            if !rule.enabled || rule.source != "syscall" || !rule.event_types.contains(info.id) {
                continue;
            }
            match Node::simplify(&rule.condition, &decided) {
                Node::Constant(false) => {}
                node => rules.push((at as u32, node)),
            }
        }
        if rules.is_empty() {
            continue;
        }
        // What a missing descriptor's type is taken for depends on the event type too.
        let key = (rules, own_context, about_fd, guessed_character(info.id));
        if let Some(&plan) = known.get(&key) {
            of_type[usize::from(info.id)] = plan;
            continue;
        }
        let mut predicates = Vec::new();
        key.0.iter().for_each(|(_, node)| node.predicates(&mut predicates));
        let some = |domain: Domain| predicates.iter().any(|&predicate| checks[predicate as usize].domain == domain);
        let plan = Plan {
            words: key.0.len().div_ceil(64),
            all: all(key.0.len()),
            of_process: !own_context && some(Domain::Process),
            of_fd: about_fd && (some(Domain::Fd) || predicates.iter().any(|&p| checks[p as usize].is_fd_number())),
            own_context,
            sample: info,
            rules: key.0.clone(),
        };
        let number = plans.len() as u16;
        of_type[usize::from(info.id)] = number;
        known.insert(key, number);
        plans.push(plan);
    }
    (plans, of_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use falco_replay_rules::program::PredicateId;

    fn check(number: u32) -> Condition {
        Condition::Check(PredicateId(number))
    }

    #[test]
    fn what_is_known_goes() {
        let condition =
            Condition::And(vec![check(0), Condition::Or(vec![check(1), Condition::Not(Box::new(check(2)))])]);
        let node = Node::simplify(&condition, &|p| (p == 0).then_some(true));
        assert_eq!(node, Node::Or(Box::new([Node::Check(1), Node::Not(Box::new(Node::Check(2)))])));
        assert_eq!(Node::simplify(&condition, &|p| (p == 0).then_some(false)), Node::Constant(false));
        assert_eq!(node.decide(&mut |p| (p == 2).then_some(false)), Some(true));
        assert_eq!(node.decide(&mut |p| (p == 2).then_some(true)), None);
    }
}
