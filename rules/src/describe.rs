//! What a rule set is, as Falco's `-L` tells it with JSON output, keys sorted. Facts: filter-language B9.

use crate::check::bare_field;
use crate::compile::{CompiledMacro, CompiledRule};
use crate::condition::{ConditionReport, describe_condition};
use crate::definitions::{Definitions, Macro, RuleDefinition};
use crate::load::Loaded;
use crate::parse::{RULE_NESTING, parse_condition};
use crate::resolve::resolve;
use crate::schema::Schema;
use crate::syntax::{Expr, Right, Value as Operand};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

impl Loaded {
    /// The whole rule set: requirements, rules, macros and lists, in the order of their definition.
    pub fn describe(&self, schema: &dyn Schema) -> Value {
        let definitions = &self.definitions;
        let requirements: Vec<_> = definitions
            .requirements
            .iter()
            .filter_map(|requirement| {
                let (first, alternatives) = requirement.plugins.split_first()?;
                let mut out = Map::new();
                if !alternatives.is_empty() {
                    let alternatives: Vec<_> = alternatives
                        .iter()
                        .map(|plugin| json!({ "name": plugin.name, "version": plugin.version }))
                        .collect();
                    out.insert("alternatives".to_owned(), alternatives.into());
                }
                out.insert("name".to_owned(), first.name.clone().into());
                out.insert("version".to_owned(), first.version.clone().into());
                Some(Value::Object(out))
            })
            .collect();
        let rules = self.compiled.rules.iter().filter_map(|compiled| {
            let rule = definitions.rules.get(compiled.place)?;
            Some(json!({ "details": self.rule_details(schema, rule, compiled), "info": rule_info(rule) }))
        });
        let macros = definitions.macros.iter().zip(&self.compiled.macros).filter_map(|(definition, compiled)| {
            let compiled = compiled.as_ref()?;
            Some(json!({
                "details": self.macro_details(schema, definition, compiled),
                "info": { "condition": definition.condition, "name": definition.name },
            }))
        });
        let lists = definitions.lists.iter().zip(&self.compiled.lists).map(|(list, resolved)| {
            let kept: Vec<_> = list.items.iter().filter(|item| resolved.items.contains(item)).collect();
            json!({
                "details": {
                    "items_compiled": resolved.items,
                    "lists": resolved.references,
                    "plugins": [],
                    "used": resolved.used,
                },
                "info": { "items": kept, "name": list.name },
            })
        });
        json!({
            "lists": lists.collect::<Vec<_>>(),
            "macros": macros.collect::<Vec<_>>(),
            "required_engine_version": definitions.engine_version.unwrap_or_default().to_string(),
            "required_plugin_versions": requirements,
            "rules": rules.collect::<Vec<_>>(),
        })
    }

    fn rule_details(&self, schema: &dyn Schema, rule: &RuleDefinition, compiled: &CompiledRule) -> Value {
        let parts = Parts::of(schema, &compiled.expr);
        let names = Names::of(&self.definitions, &rule.condition);
        let mut plugins: BTreeSet<&str> = parts.plugins.iter().copied().collect();
        for text in &compiled.output_fields {
            if let Ok(resolved) = resolve(schema, text.as_bytes()) {
                plugins.extend(resolved.info.plugin);
            }
        }
        let giving = schema.plugins().iter().filter(|plugin| plugin.source.as_deref() == Some(rule.source.as_str()));
        plugins.extend(giving.map(|plugin| plugin.name.as_ref()));
        let mut exception_names = BTreeSet::new();
        let mut exception_operators = BTreeSet::new();
        let mut exception_fields = BTreeSet::new();
        for exception in &rule.exceptions {
            exception_names.insert(exception.name.as_str());
            exception_operators.extend(exception.operators());
            if exception.values.as_ref().is_some_and(|values| !values.is_empty()) {
                exception_fields.extend(exception.field_texts());
            }
        }
        let output_fields: BTreeSet<_> = compiled.output_fields.iter().collect();
        json!({
            "condition_compiled": text(&compiled.expr),
            "condition_fields": parts.fields,
            "condition_operators": parts.operators,
            "events": self.index.described(schema, &compiled.computed, &compiled.expr, &rule.source),
            "exception_fields": exception_fields,
            "exception_names": exception_names,
            "exception_operators": exception_operators,
            "lists": names.lists,
            "macros": names.macros,
            "output_compiled": compiled.output,
            "output_fields": output_fields,
            "plugins": plugins,
        })
    }

    fn macro_details(&self, schema: &dyn Schema, definition: &Macro, compiled: &CompiledMacro) -> Value {
        let parts = Parts::of(schema, &compiled.expr);
        let names = Names::of(&self.definitions, &definition.condition);
        let events = match self.index.compute(schema, &compiled.expr) {
            Ok(computed) => self.index.described(schema, &computed, &compiled.expr, "syscall"),
            Err(_) => Vec::new(),
        };
        json!({
            "condition_compiled": text(&compiled.expr),
            "condition_fields": parts.fields,
            "condition_operators": parts.operators,
            "events": events,
            "lists": names.lists,
            "macros": names.macros,
            "plugins": parts.plugins,
            "used": compiled.used,
        })
    }
}

/// What `describe --condition` prints with JSON output.
pub fn condition_json(condition: &str, schema: &dyn Schema) -> Value {
    let ConditionReport { parses, compiles, normal_form, events, error } = describe_condition(condition, schema);
    let mut out = Map::new();
    out.insert("compiles".to_owned(), compiles.into());
    if let Some(text) = normal_form {
        out.insert("condition_compiled".to_owned(), String::from_utf8_lossy(&text).into());
    }
    if let Some(error) = error {
        out.insert("error".to_owned(), error.into());
    }
    if let Some(events) = events {
        out.insert("events".to_owned(), events.map_or_else(|| "all".into(), Value::from));
    }
    out.insert("parses".to_owned(), parses.into());
    out.into()
}

fn text(expr: &Expr) -> String {
    String::from_utf8_lossy(&expr.normal_form()).into_owned()
}

fn rule_info(rule: &RuleDefinition) -> Value {
    json!({
        "capture": rule.capture,
        "capture_duration": rule.capture_duration,
        "condition": rule.condition,
        "description": rule.description,
        "enabled": rule.enabled,
        "name": rule.name,
        "output": rule.output,
        "priority": rule.priority.name(),
        "source": rule.source,
        "tags": rule.tags,
    })
}

/// Fields, operators and plugins of a compiled condition.
#[derive(Default)]
struct Parts {
    fields: BTreeSet<String>,
    operators: BTreeSet<String>,
    plugins: BTreeSet<&'static str>,
}

impl Parts {
    fn of(schema: &dyn Schema, expr: &Expr) -> Self {
        let mut parts = Self::default();
        expr.for_each_check(&mut |check| {
            parts.operators.insert(check.operator_text());
            let mut visit = |field: &Operand| {
                parts.fields.insert(String::from_utf8_lossy(&field.field_text().unwrap_or_default()).into_owned());
                if let Some((info, _)) = bare_field(schema, field) {
                    parts.plugins.extend(info.plugin);
                }
            };
            check.left.for_each_field(&mut visit);
            if let Right::Value(value) = &check.right {
                value.for_each_field(&mut visit);
            }
        });
        parts
    }
}

/// The macros and lists that a condition names itself.
#[derive(Default)]
struct Names {
    lists: BTreeSet<String>,
    macros: BTreeSet<String>,
}

impl Names {
    fn of(definitions: &Definitions, condition: &str) -> Self {
        let mut names = Self::default();
        let Ok(expr) = parse_condition(condition, RULE_NESTING) else { return names };
        expr.for_each_macro(&mut |reference| {
            names.macros.insert(reference.name.clone());
        });
        expr.for_each_check(&mut |check| {
            let Right::List(items) = &check.right else { return };
            for item in items.iter().filter_map(|item| std::str::from_utf8(item).ok()) {
                if definitions.list(item).is_some() {
                    names.lists.insert(item.to_owned());
                }
            }
        });
        names
    }
}
