//! Diagnostics as `falco -V` gives them with JSON output, keys sorted. Facts: filter-language B9.

use super::{Diagnostic, Location, Severity};
use crate::load::FileResult;
use serde_json::{Map, Value, json};

/// The whole answer of a validation.
pub fn load_results(results: &[FileResult]) -> Value {
    json!({ "falco_load_results": results.iter().map(load_result).collect::<Vec<_>>() })
}

/// The result of one file.
pub fn load_result(result: &FileResult) -> Value {
    let of = |severity: Severity| -> Vec<Value> {
        result.diagnostics.iter().filter(|diagnostic| diagnostic.severity() == severity).map(diagnostic).collect()
    };
    let mut out = Map::new();
    out.insert("errors".to_owned(), of(Severity::Error).into());
    out.insert("name".to_owned(), result.name.clone().into());
    if let Some(warnings) = &result.schema_warnings {
        out.insert("schema_valid".to_owned(), warnings.is_empty().into());
        out.insert("schema_warnings".to_owned(), warnings.clone().into());
    }
    out.insert("successful".to_owned(), result.successful().into());
    out.insert("warnings".to_owned(), of(Severity::Warning).into());
    out.into()
}

/// One diagnostic.
pub fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let mut out = Map::new();
    out.insert("code".to_owned(), diagnostic.code.name().into());
    out.insert("codedesc".to_owned(), diagnostic.code.description().into());
    let locations: Vec<_> = diagnostic.locations.iter().map(location).collect();
    out.insert("context".to_owned(), json!({ "locations": locations, "snippet": diagnostic.snippet }));
    if let Some(field) = diagnostic.deprecated_field {
        out.insert("deprecated_field".to_owned(), field.into());
    }
    out.insert("message".to_owned(), diagnostic.message.clone().into());
    out.into()
}

fn location(location: &Location) -> Value {
    json!({
        "item_name": location.item_name,
        "item_type": location.item_type,
        "position": {
            "column": location.mark.column,
            "line": location.mark.line,
            "name": location.source,
            "offset": location.mark.offset,
        },
    })
}
