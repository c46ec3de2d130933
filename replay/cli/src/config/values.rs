//! Values of a configuration as what they are needed as. YAML has more ways to write them than JSON.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// A truth value, quoted or not.
pub fn truth(key: &str, value: &Value) -> anyhow::Result<bool> {
    let word = match value {
        Value::Bool(value) => return Ok(*value),
        Value::String(word) => word.to_ascii_lowercase(),
        _ => String::new(),
    };
    match word.as_str() {
        "y" | "yes" | "true" | "on" => Ok(true),
        "n" | "no" | "false" | "off" => Ok(false),
        _ => bail!("{key}: true or false is expected, not {value}"),
    }
}

/// A text; numbers and truth values as they are written.
pub fn text(key: &str, value: &Value) -> anyhow::Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => bail!("{key}: a text is expected, not {value}"),
    }
}

/// A sequence; one value stands for itself, nothing for no value.
pub fn list<'a>(key: &str, value: &'a Value) -> anyhow::Result<&'a [Value]> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(members) => Ok(members),
        Value::Object(_) => bail!("{key}: a sequence is expected"),
        one => Ok(std::slice::from_ref(one)),
    }
}

/// A sequence of texts.
pub fn texts(key: &str, value: &Value) -> anyhow::Result<Vec<String>> {
    list(key, value)?.iter().map(|value| text(key, value)).collect()
}

/// Keys and values.
pub fn map<'a>(key: &str, value: &'a Value) -> anyhow::Result<&'a Map<String, Value>> {
    value.as_object().with_context(|| format!("{key}: keys and values are expected"))
}
