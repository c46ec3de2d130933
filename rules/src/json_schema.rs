//! The schema of rules files: a second opinion on their structure, which Falco reports but never fails on.
//!
//! Facts: filter-language B8, "JSON schema check", and the messages recorded in the oracle. Typing is weak: whatever reads
//! as a number or truth value is one.

use crate::yaml::{Node, NodeKind};
use std::rc::Rc;

/// What a value must look like.
enum Shape {
    Anything,
    Text,
    Flag,
    Whole,
    Choice(&'static [&'static str]),
    TextOrWhole,
    List(&'static Shape),
    Object(&'static [(&'static str, Shape)], &'static [&'static str]),
}

use Shape as S;

const PRIORITIES: &[&str] =
    &["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "INFORMATIONAL", "DEBUG"];
const OPERATION: Shape = S::Choice(&["append", "replace"]);

const OVERRIDE: Shape = S::Object(
    &[
        ("items", OPERATION),
        ("desc", OPERATION),
        ("condition", OPERATION),
        ("output", OPERATION),
        ("priority", OPERATION),
        ("enabled", OPERATION),
        ("exceptions", OPERATION),
        ("capture", OPERATION),
        ("capture_duration", OPERATION),
        ("tags", OPERATION),
        ("warn_evttypes", OPERATION),
        ("skip-if-unknown-filter", OPERATION),
    ],
    &[],
);

const EXCEPTION: Shape = S::Object(
    &[("name", S::Text), ("fields", S::Anything), ("comps", S::Anything), ("values", S::Anything)],
    &["name"],
);

const PLUGIN: Shape = S::Object(&[("name", S::Text), ("version", S::Text)], &["name", "version"]);

const PLUGIN_WITH_ALTERNATIVES: Shape =
    S::Object(&[("name", S::Text), ("version", S::Text), ("alternatives", S::List(&PLUGIN))], &["name", "version"]);

const ITEM: Shape = S::Object(
    &[
        ("required_engine_version", S::Text),
        ("required_plugin_versions", S::List(&PLUGIN_WITH_ALTERNATIVES)),
        ("macro", S::Text),
        ("condition", S::Text),
        ("list", S::Text),
        ("items", S::List(&S::TextOrWhole)),
        ("rule", S::Text),
        ("desc", S::Text),
        ("enabled", S::Flag),
        ("capture", S::Flag),
        ("capture_duration", S::Whole),
        ("append", S::Flag),
        ("output", S::Text),
        ("priority", S::Choice(PRIORITIES)),
        ("source", S::Text),
        ("exceptions", S::List(&EXCEPTION)),
        ("override", OVERRIDE),
        ("tags", S::List(&S::Text)),
        ("warn_evttypes", S::Flag),
        ("skip-if-unknown-filter", S::Flag),
    ],
    &[],
);

const FILE: Shape = S::List(&ITEM);

/// How many findings of a file are kept.
const MAX_WARNINGS: usize = 1000;

/// What the schema says of the documents of a file; nothing where there is none.
pub(crate) fn check_documents(documents: &[Rc<Node>]) -> Option<Vec<String>> {
    if documents.iter().all(|document| document.is_null()) {
        return None;
    }
    let mut warnings = Vec::new();
    for document in documents {
        check(&FILE, document, "<root>", &mut warnings);
    }
    warnings.truncate(MAX_WARNINGS);
    Some(warnings)
}

const WRONG_TYPE: &str = "Value type not permitted by 'type' constraint.";

/// Whether a value has a shape; findings go to `warnings`, the innermost first.
fn check(shape: &Shape, node: &Node, path: &str, warnings: &mut Vec<String>) -> bool {
    if warnings.len() >= MAX_WARNINGS {
        return true;
    }
    let mut fail = |message: String| {
        warnings.push(format!("failed for {path}: {message}"));
        false
    };
    let text = node.scalar().filter(|_| !node.is_null());
    match shape {
        S::Anything => true,
        S::Text if text.is_some() => true,
        S::Flag if matches!(text, Some("true" | "false")) => true,
        S::Whole if text.is_some_and(is_whole) => true,
        S::Text | S::Flag | S::Whole => fail(WRONG_TYPE.to_owned()),
        S::Choice(choices) => match node.scalar() {
            Some(text) if choices.contains(&text) => true,
            Some(_) if !node.is_null() => fail("Failed to match against any enum values.".to_owned()),
            _ => {
                fail(WRONG_TYPE.to_owned());
                fail("Failed to match against any enum values.".to_owned())
            }
        },
        S::TextOrWhole if text.is_some() => true,
        S::TextOrWhole => {
            for child in 0..2 {
                fail(WRONG_TYPE.to_owned());
                fail(format!("Failed to validate against child schema #{child}."));
            }
            fail("Failed to validate against any schemas allowed by anyOf constraint.".to_owned())
        }
        S::List(shape) => {
            let NodeKind::Sequence(members) = &node.kind else { return fail(WRONG_TYPE.to_owned()) };
            let mut good = true;
            for (place, member) in members.iter().enumerate() {
                if !check(shape, member, &format!("{path}[{place}]"), warnings) {
                    warnings.push(format!("failed for {path}: Failed to validate item #{place} in array."));
                    good = false;
                }
            }
            good
        }
        S::Object(properties, required) => {
            let NodeKind::Mapping(pairs) = &node.kind else { return fail(WRONG_TYPE.to_owned()) };
            let mut good = true;
            let mut unknown: Vec<&str> = Vec::new();
            for (key, value) in pairs {
                let name = key.scalar().unwrap_or_default();
                match properties.iter().find(|(property, _)| *property == name) {
                    Some((_, shape)) => {
                        if !check(shape, value, &format!("{path}[{name}]"), warnings) {
                            warnings.push(format!(
                                "failed for {path}: Failed to validate against schema associated with property name \
                                 '{name}'."
                            ));
                            good = false;
                        }
                    }
                    None => unknown.push(name),
                }
            }
            unknown.sort_unstable();
            unknown.dedup();
            if !unknown.is_empty() {
                let shown = unknown.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
                warnings.push(format!(
                    "failed for {path}: Object contains a property that could not be validated using 'properties' or \
                     'additionalProperties' constraints: {shown}."
                ));
                good = false;
            }
            for name in required.iter().filter(|name| node.get(name).is_none()) {
                warnings.push(format!("failed for {path}: Missing required property '{name}'."));
                good = false;
            }
            good
        }
    }
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
