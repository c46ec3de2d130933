//! What a compiled condition is warned about. Facts: filter-language A7.

use crate::check::{bare_field, typed_value};
use crate::parse::{is_field_text, parse_value_prefix};
use crate::path_tree::PathTree;
use crate::posix_regex::is_plain;
use crate::program::Operator;
use crate::resolve::resolve;
use crate::schema::Schema;
use crate::syntax::{Check, Right, Value};

/// Messages about the constants of one check, one each.
pub(crate) fn constant_warnings(schema: &dyn Schema, check: &Check, warn: &mut dyn FnMut(String)) {
    let mut test = |text: &[u8]| {
        let Ok(shown) = std::str::from_utf8(text) else { return };
        if check.operator == Operator::Regex && is_plain(shown) {
            warn(format!(
                "regex check with '{shown}' may be optimized with simpler operators such as '=', 'contains', \
                 'startswith', 'endswith'"
            ));
        }
        let bare: String = shown.chars().filter(|c| !matches!(c, ' ' | '\t'..='\r')).collect();
        if is_field(schema, &bare) {
            warn(format!("'{shown}' may be a valid field misused as a const string value"));
        } else if is_transformer(&bare) {
            warn(format!("'{shown}' may be a valid field transformer misused as a const string value"));
        }
    };
    match &check.right {
        Right::Constant(text) => test(text),
        Right::List(texts) => texts.iter().for_each(|text| test(text)),
        Right::None | Right::Value(_) => {}
    }
}

/// Whether a text is a complete field, its argument included.
pub(crate) fn is_field(schema: &dyn Schema, text: &str) -> bool {
    is_field_text(text).and_then(|field| field.field_text()).is_some_and(|text| resolve(schema, &text).is_ok())
}

/// Whether a text is the call of a transformer, from start to end.
fn is_transformer(text: &str) -> bool {
    let Some((name, _)) = text.split_once('(') else { return false };
    let known = name == "val" || crate::syntax::Function::TRANSFORMERS.iter().any(|function| function.name() == name);
    known && text.ends_with(')')
}

/// Whether a text can stand as a field of an exception: a field, or a transformer that compiles.
pub(crate) fn is_exception_field(schema: &dyn Schema, text: &str) -> bool {
    if !text.contains('(') {
        return resolve(schema, text.as_bytes()).is_ok();
    }
    match parse_value_prefix(text.trim()) {
        Ok((value, used)) => used == text.trim().len() && typed_value(schema, &value).is_ok(),
        Err(_) => false,
    }
}

/// Fields that stay for old rules only.
pub(crate) const DEPRECATED_FIELDS: [&str; 6] =
    ["evt.dir", "evt.latency", "evt.latency.s", "evt.latency.ns", "evt.latency.human", "evt.wait_latency"];

/// The deprecated fields of a check, each with a message.
pub(crate) fn deprecated_fields(check: &Check) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let mut visit = |field: &Value| {
        let Value::Field { name, .. } = field else { return };
        let Some(deprecated) = DEPRECATED_FIELDS.into_iter().find(|deprecated| deprecated == name) else { return };
        let message = if deprecated == "evt.dir" {
            "due to the drop of enter events, 'evt.dir = <' always evaluates to true, and 'evt.dir = >' always evaluates \
             to false. The rule expression can be simplified by removing the condition on 'evt.dir'"
        } else {
            "field is not available due to the drop of enter events."
        };
        found.push((deprecated, message));
    };
    check.left.for_each_field(&mut visit);
    if let Right::Value(value) = &check.right {
        value.for_each_field(&mut visit);
    }
    found
}

/// Whether a check compares a field of a record source with the text of a missing value. Facts: filter-language B8.
pub(crate) fn is_unsafe_na_check(check: &Check) -> bool {
    use Operator as O;
    let mut record_field = false;
    check.left.for_each_field(&mut |field| {
        if let Value::Field { name, .. } = field {
            record_field |= name.starts_with("ka.") || name.starts_with("jevt.");
        }
    });
    let compared = matches!(check.operator, O::Eq | O::Ne | O::In | O::Intersects | O::Pmatch);
    let missing = |text: &[u8]| text == b"<NA>";
    record_field
        && compared
        && match &check.right {
            Right::Constant(text) => missing(text),
            Right::List(texts) => texts.iter().any(|text| missing(text)),
            Right::None | Right::Value(_) => false,
        }
}

/// What Falco does with a check against its own documentation, if anything. Facts: filter-language A4.
pub(crate) fn known_defect(schema: &dyn Schema, check: &Check) -> Option<&'static str> {
    use Operator as O;
    if let (O::Pmatch, Right::List(paths)) = (check.operator, &check.right) {
        let misleading = PathTree::new(paths.iter().map(|path| &path[..])).misleads_falco();
        return misleading.then_some(
            "in Falco `pmatch` can go wrong where paths of its list differ in a pattern: give each such path a check of \
             its own",
        );
    }
    let (field, arg) = bare_field(schema, &check.left)?;
    let several = matches!(&check.right, Right::List(texts) if texts.len() > 1);
    match (field.name.as_ref(), check.operator) {
        ("fd.ip", O::In) => {
            Some("in Falco `fd.ip in (…)` never matches: write `(fd.cip in (…) or fd.sip in (…))` instead")
        }
        ("fd.ip", O::Intersects) => Some(
            "in Falco `fd.ip intersects (…)` ends the run with an error: write `(fd.cip in (…) or fd.sip in (…))` instead",
        ),
        ("fd.port" | "fd.proto", O::Intersects) => {
            Some("in Falco `fd.port intersects (…)` ends the run with an error: write `fd.port in (…)` instead")
        }
        ("fd.net", O::Intersects) => Some(
            "in Falco `fd.net intersects (…)` matches listening sockets only, and looks at the first network only: write \
             `(fd.cnet in (…) or fd.snet in (…))` instead",
        ),
        ("fd.net", O::In) if several => Some(
            "in Falco `fd.net in (…)` looks at the first network only: write `(fd.cnet in (…) or fd.snet in (…))` instead",
        ),
        ("fd.ip" | "fd.net" | "fd.port" | "fd.proto", _) if several && check.modifier.is_some() => {
            Some("in Falco this field is compared with the first value only: write one comparison for each value")
        }
        ("proc.aenv", _) if matches!(arg, Some(crate::program::Argument::Index(_))) => {
            Some("in Falco `proc.aenv[N]` in a condition means any ancestor, whatever N")
        }
        _ => None,
    }
}
