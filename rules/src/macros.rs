//! Macros: references in a condition are replaced by the macro's tree.
//!
//! Facts: filter-language B5. A macro sees those defined before its own latest definition, a rule sees all. Growth is
//! bounded: macros that double at each level would fill any memory.

use crate::definitions::Definitions;
use crate::syntax::Expr;
use std::rc::Rc;

/// How many nodes a condition may have once its macros are expanded.
const MAX_NODES: usize = 100_000;

/// How deep it may be nested then; also bounds every recursion over it.
const MAX_DEPTH: usize = 1200;

/// How long a chain of macros that refer to later ones may be.
const MAX_CHAIN: usize = 400;

/// Nodes of all expanded conditions together.
const MAX_TOTAL: usize = 4_000_000;

/// Why a condition cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExpandError {
    /// A name without macro: message and place.
    Undefined { message: String, at: usize, len: usize },
    /// A macro that contains itself.
    Loop(String),
    /// Too large.
    TooLarge(String),
    /// A macro in it is wrong by itself, which was said there.
    Broken,
}

/// An expanded condition with its size.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub expr: Expr,
    nodes: usize,
    depth: usize,
}

enum State {
    Waiting,
    Open,
    Done(Result<Rc<Expanded>, ExpandError>),
}

/// Expands macros, each once.
pub(crate) struct MacroTable<'a> {
    definitions: &'a Definitions,
    /// The trees of the macros as written; `None` where one does not parse.
    parsed: Vec<Option<Expr>>,
    states: Vec<State>,
    pub used: Vec<bool>,
    total: usize,
}

impl<'a> MacroTable<'a> {
    pub fn new(definitions: &'a Definitions, parsed: Vec<Option<Expr>>) -> Self {
        let states = parsed.iter().map(|_| State::Waiting).collect();
        let used = vec![false; parsed.len()];
        Self { definitions, parsed, states, used, total: 0 }
    }

    /// Expands a macro itself.
    pub fn expand_macro(&mut self, place: usize) -> Result<Rc<Expanded>, ExpandError> {
        self.macro_at(place, 0)
    }

    /// Expands the condition of a rule.
    pub fn expand_rule(&mut self, expr: &Expr) -> Result<Expanded, ExpandError> {
        self.expand(expr, usize::MAX, 0)
    }

    fn macro_at(&mut self, place: usize, chain: usize) -> Result<Rc<Expanded>, ExpandError> {
        let Some(definition) = self.definitions.macros.get(place) else { return Err(ExpandError::Broken) };
        match self.states.get(place) {
            Some(State::Done(result)) => return result.clone(),
            Some(State::Open) => {
                return Err(ExpandError::Loop(format!("reference loop in macro '{}'", definition.name)));
            }
            _ if chain > MAX_CHAIN => {
                return Err(ExpandError::TooLarge(format!("macro '{}' is nested too deep in others", definition.name)));
            }
            _ => {}
        }
        // Taken out while it is walked, and put back after.
        let Some(expr) = self.parsed.get_mut(place).and_then(Option::take) else { return Err(ExpandError::Broken) };
        self.states[place] = State::Open;
        let result = self.expand(&expr, definition.order.latest, chain).map(Rc::new);
        self.parsed[place] = Some(expr);
        self.states[place] = State::Done(result.clone());
        result
    }

    fn expand(&mut self, expr: &Expr, visible: usize, chain: usize) -> Result<Expanded, ExpandError> {
        let expanded = match expr {
            Expr::And(children) => self.expand_all(children, visible, chain, Expr::And)?,
            Expr::Or(children) => self.expand_all(children, visible, chain, Expr::Or)?,
            Expr::Not(child) => {
                let child = self.expand(child, visible, chain)?;
                Expanded { expr: Expr::Not(Box::new(child.expr)), nodes: child.nodes + 1, depth: child.depth + 1 }
            }
            Expr::Check(check) => Expanded { expr: Expr::Check(check.clone()), nodes: 1, depth: 1 },
            Expr::Macro(reference) => {
                let found = self.definitions.macro_place(&reference.name);
                let visible = |place: &usize| {
                    self.definitions.macros.get(*place).is_some_and(|definition| definition.order.first < visible)
                };
                let Some(place) = found.filter(visible) else {
                    let message = format!("Undefined macro '{}' used in filter.", reference.name);
                    return Err(ExpandError::Undefined { message, at: reference.at, len: reference.name.len() });
                };
                self.used[place] = true;
                let inner = match self.macro_at(place, chain + 1) {
                    Ok(inner) => inner,
                    Err(ExpandError::Undefined { .. }) => return Err(ExpandError::Broken),
                    Err(error) => return Err(error),
                };
                self.total += inner.nodes;
                if self.total > MAX_TOTAL {
                    return Err(ExpandError::TooLarge(format!(
                        "the conditions of all rules have more than {MAX_TOTAL} parts once their macros are expanded"
                    )));
                }
                Expanded { expr: inner.expr.clone(), nodes: inner.nodes, depth: inner.depth }
            }
        };
        self.bound(expanded)
    }

    fn expand_all(
        &mut self,
        children: &[Expr],
        visible: usize,
        chain: usize,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Result<Expanded, ExpandError> {
        let mut members = Vec::with_capacity(children.len());
        let (mut nodes, mut depth) = (1, 0);
        for child in children {
            let child = self.expand(child, visible, chain)?;
            nodes += child.nodes;
            depth = depth.max(child.depth);
            members.push(child.expr);
            if nodes > MAX_NODES {
                break;
            }
        }
        Ok(Expanded { expr: join(members), nodes, depth: depth + 1 })
    }

    fn bound(&self, expanded: Expanded) -> Result<Expanded, ExpandError> {
        let limit = if expanded.nodes > MAX_NODES {
            format!("the condition has more than {MAX_NODES} parts once its macros are expanded")
        } else if expanded.depth > MAX_DEPTH {
            format!("the condition is nested more than {MAX_DEPTH} deep once its macros are expanded")
        } else {
            return Ok(expanded);
        };
        Err(ExpandError::TooLarge(limit))
    }
}
