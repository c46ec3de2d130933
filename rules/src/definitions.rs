//! What rules files define, merged over all files: lists, macros, rules, requirements.
//!
//! Facts: filter-language B4 to B6. Redefinition keeps the place; `visibility` says since when an item stands as it does.

use crate::diagnostic::Context;
use crate::exceptions::Exception;
use crate::program::Priority;
use crate::version::Version;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// A list.
#[derive(Debug)]
pub(crate) struct List {
    pub name: String,
    pub items: Vec<String>,
    pub ctx: Rc<Context>,
    pub order: Order,
}

/// A macro.
#[derive(Debug)]
pub(crate) struct Macro {
    pub name: String,
    pub condition: String,
    pub ctx: Rc<Context>,
    pub condition_ctx: Rc<Context>,
    pub order: Order,
}

/// When an item was first defined, and when it was last changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub first: usize,
    pub latest: usize,
}

/// A rule.
#[derive(Debug)]
pub(crate) struct RuleDefinition {
    pub name: String,
    pub condition: String,
    pub output: String,
    pub description: String,
    pub priority: Priority,
    pub source: String,
    pub known_source: bool,
    pub enabled: bool,
    pub tags: BTreeSet<String>,
    pub exceptions: Vec<Exception>,
    pub warn_evttypes: bool,
    pub skip_if_unknown_filter: bool,
    pub capture: bool,
    pub capture_duration: u32,
    pub ctx: Rc<Context>,
    pub condition_ctx: Rc<Context>,
    pub output_ctx: Rc<Context>,
}

/// A plugin that rules ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginVersion {
    pub name: String,
    pub version: String,
}

/// Plugins of which one must be there.
#[derive(Debug)]
pub(crate) struct PluginRequirement {
    /// The first named, then its alternatives.
    pub plugins: Vec<PluginVersion>,
    pub ctx: Rc<Context>,
}

/// Everything that was defined.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub lists: Vec<List>,
    pub macros: Vec<Macro>,
    pub rules: Vec<RuleDefinition>,
    pub engine_version: Option<Version>,
    pub requirements: Vec<PluginRequirement>,
    list_places: HashMap<String, usize>,
    macro_places: HashMap<String, usize>,
    rule_places: HashMap<String, usize>,
    next: usize,
}

impl Definitions {
    fn tick(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    pub fn list(&self, name: &str) -> Option<&List> {
        self.list_places.get(name).and_then(|place| self.lists.get(*place))
    }

    pub fn macro_place(&self, name: &str) -> Option<usize> {
        self.macro_places.get(name).copied()
    }

    pub fn rule_mut(&mut self, name: &str) -> Option<&mut RuleDefinition> {
        self.rule_places.get(name).and_then(|place| self.rules.get_mut(*place))
    }

    pub fn define_list(&mut self, name: &str, items: Vec<String>, ctx: Rc<Context>) {
        let now = self.tick();
        let places = self.list_places.get(name).and_then(|place| self.lists.get_mut(*place));
        match places {
            Some(list) => {
                list.items = items;
                list.ctx = ctx;
                list.order.latest = now;
            }
            None => {
                self.list_places.insert(name.to_owned(), self.lists.len());
                self.lists.push(List { name: name.to_owned(), items, ctx, order: Order { first: now, latest: now } });
            }
        }
    }

    /// Whether there was a list to append to.
    pub fn append_list(&mut self, name: &str, items: Vec<String>) -> bool {
        let now = self.tick();
        let Some(list) = self.list_places.get(name).and_then(|place| self.lists.get_mut(*place)) else { return false };
        list.items.extend(items);
        list.order.latest = now;
        true
    }

    pub fn define_macro(&mut self, name: &str, condition: String, ctx: Rc<Context>, condition_ctx: Rc<Context>) {
        let now = self.tick();
        match self.macro_places.get(name).and_then(|place| self.macros.get_mut(*place)) {
            Some(found) => {
                found.condition = condition;
                found.ctx = ctx;
                found.condition_ctx = condition_ctx;
                found.order.latest = now;
            }
            None => {
                self.macro_places.insert(name.to_owned(), self.macros.len());
                let order = Order { first: now, latest: now };
                self.macros.push(Macro { name: name.to_owned(), condition, ctx, condition_ctx, order });
            }
        }
    }

    /// Whether there was a macro to append to.
    pub fn append_macro(&mut self, name: &str, condition: &str) -> bool {
        let now = self.tick();
        let Some(found) = self.macro_places.get(name).and_then(|place| self.macros.get_mut(*place)) else {
            return false;
        };
        found.condition.push(' ');
        found.condition.push_str(condition);
        found.order.latest = now;
        true
    }

    pub fn define_rule(&mut self, rule: RuleDefinition) {
        match self.rule_places.get(&rule.name).and_then(|place| self.rules.get_mut(*place)) {
            Some(found) => *found = rule,
            None => {
                self.rule_places.insert(rule.name.clone(), self.rules.len());
                self.rules.push(rule);
            }
        }
    }
}
