//! The field catalogue against the facts that it was made from, where those are at hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

use falco_replay_engine::catalogue::{CLASSES, Catalogue, Entry, Field};
use falco_replay_format::schema::PrintFormat;
use falco_replay_rules::schema::{ArgumentKind, Schema};
use serde_json::Value;
use std::path::Path;

/// The facts, or a loud word that they are not there.
fn facts(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/facts").join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            eprintln!("SKIPPED: the catalogue is not compared with the facts: {}: {error}", path.display());
            None
        }
    }
}

fn print_format(format: PrintFormat) -> &'static str {
    match format {
        PrintFormat::Na => "PF_NA",
        PrintFormat::Dec => "PF_DEC",
        PrintFormat::Hex => "PF_HEX",
        PrintFormat::PaddedDec => "PF_10_PADDED_DEC",
        PrintFormat::Id => "PF_ID",
        PrintFormat::Dir => "PF_DIR",
        PrintFormat::Oct => "PF_OCT",
    }
}

/// What both kinds of fields have.
fn compare(entry: &Entry, fact: &Value) {
    let name = entry.name();
    assert_eq!(fact["name"], name);
    assert_eq!(fact["type"], format!("PT_{}", entry.info.ty.name()), "{name}");
    assert_eq!(fact["list"], entry.info.list, "{name}");
    assert_eq!(fact["deprecated"], entry.deprecated, "{name}");
    assert_eq!(fact["arg"].is_null(), entry.info.argument.is_none(), "{name}");
    if let Some(rule) = entry.info.argument {
        // The facts say of evt.abspath that its flag asks for an argument and its parser does not.
        assert_eq!(fact["arg"]["mode"] == "required", rule.required, "{name}");
    }
    assert!(!entry.description.is_empty() && !entry.description.to_lowercase().contains("upstream"), "{name}");
}

#[test]
fn fields_are_those_of_the_facts() {
    let Some(facts) = facts("fields.json") else { return };
    let classes = facts["classes"].as_array().unwrap();
    assert_eq!(classes.len() + 1, CLASSES.len());
    for (class, fact) in CLASSES.iter().zip(classes) {
        assert_eq!(fact["listing_class"], class.name);
        let fields = fact["fields"].as_array().unwrap();
        assert_eq!(fields.len(), class.entries.len());
        for (entry, fact) in class.entries.iter().zip(fields) {
            compare(entry, fact);
            let name = entry.name();
            assert_eq!(fact["print_format"], print_format(entry.format), "{name}");
            assert_eq!(fact["hidden"], entry.hidden, "{name}");
            assert_eq!(fact["filter_only"], entry.filter_only, "{name}");
            assert_eq!(fact["print_only"], entry.print_only, "{name}");
            let flags: Vec<_> = fact["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert_eq!(flags.contains(&"EPF_NO_TRANSFORMER"), entry.info.no_transformer, "{name}");
            assert_eq!(flags.contains(&"EPF_NO_RHS"), entry.info.no_rhs, "{name}");
            let kind = match entry.info.argument.map(|rule| rule.kind) {
                None => Value::Null,
                Some(ArgumentKind::Index) => "index".into(),
                Some(ArgumentKind::Key) => "key".into(),
                Some(ArgumentKind::IndexOrKey) => "index-or-key".into(),
                Some(ArgumentKind::ParamIndexOrName) => "index-or-name".into(),
                Some(ArgumentKind::ParamName | ArgumentKind::Word) => "name".into(),
                Some(ArgumentKind::EventNameOrId) => "name-or-id".into(),
                Some(ArgumentKind::SourceOrTarget) => "fixed-suffix".into(),
            };
            assert_eq!(fact["arg"]["kind"], kind, "{name}");
        }
    }
}

#[test]
fn container_fields_are_those_of_the_plugin() {
    let Some(facts) = facts("fields.json") else { return };
    let plugin = &facts["plugins"]["container"];
    let fields = plugin["fields"].as_array().unwrap();
    let class = CLASSES.last().unwrap();
    assert_eq!(fields.len(), class.entries.len());
    for (entry, fact) in class.entries.iter().zip(fields) {
        compare(entry, fact);
        let name = entry.name();
        assert_eq!(fact["suggested_output"], entry.info.suggested, "{name}");
        assert_eq!(entry.info.plugin, Some("container"), "{name}");
    }
    let catalogue = Catalogue::new();
    let container = catalogue.plugins().iter().find(|plugin| plugin.name == "container").unwrap();
    assert_eq!(plugin["version"], container.version.to_string());
}

#[test]
fn names_and_types_of_event_parameters_are_those_of_the_facts() {
    let Some(facts) = facts("fields.json") else { return };
    let catalogue = Catalogue::new();
    for (name, fact) in facts["evt_arg_names"].as_object().unwrap() {
        let ty = catalogue.param_type(name).unwrap();
        assert_eq!(fact["first_type"], format!("PT_{}", ty.name()), "{name}");
        assert_eq!(catalogue.param_prefix(name), Some(name.as_str()));
    }
}

#[test]
fn every_field_resolves_to_itself() {
    let catalogue = Catalogue::new();
    for field in Field::ALL {
        assert_eq!(catalogue.find_field(field.entry().name()), Some(field.id()), "{field:?}");
    }
}
