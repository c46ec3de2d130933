//! Values of the keys of an item: required and optional, text, truth values, numbers, sequences.
//!
//! Facts: filter-language B1, with the messages that Falco gives.

use crate::diagnostic::{Code, Context, Diagnostic};
use crate::yaml::Node;
use std::rc::Rc;

/// Reading stops at the first error of an item.
pub(crate) type Read<T> = Result<T, Box<Diagnostic>>;

/// An item with the context that its errors are reported in.
pub(crate) struct Item<'a> {
    pub node: &'a Node,
    pub ctx: Rc<Context>,
}

impl<'a> Item<'a> {
    pub fn error(&self, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(self.ctx.report(Code::ErrYamlValidate, message))
    }

    pub fn invalid(&self, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(self.ctx.report(Code::ErrValidate, message))
    }

    pub fn warning(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        self.ctx.report(code, message)
    }

    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.node.get(key).map(Rc::as_ref)
    }

    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// An error about the value of a key.
    fn value_error(&self, key: &str, node: &Node, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(self.ctx.within("value for", key, node.mark).report(Code::ErrYamlValidate, message))
    }

    fn required(&self, key: &str) -> Read<&'a Node> {
        self.get(key).ok_or_else(|| self.error(format!("Item has no mapping for key '{key}'")))
    }

    /// The text of a scalar that must not be empty.
    fn scalar_text(&self, key: &str, node: &'a Node) -> Read<&'a str> {
        if node.is_null() {
            return Err(self.error(format!("Mapping for key '{key}' is empty")));
        }
        let text = node.scalar().ok_or_else(|| self.value_error(key, node, "Value is not a scalar value"))?;
        if text.is_empty() {
            return Err(self.value_error(key, node, "Value must be non-empty"));
        }
        Ok(text)
    }

    pub fn text(&self, key: &str) -> Read<&'a str> {
        self.scalar_text(key, self.required(key)?)
    }

    pub fn optional_text(&self, key: &str) -> Read<Option<&'a str>> {
        self.get(key).map(|node| self.scalar_text(key, node)).transpose()
    }

    pub fn optional_bool(&self, key: &str) -> Read<Option<bool>> {
        self.decoded(key, boolean)
    }

    pub fn optional_number(&self, key: &str) -> Read<Option<u32>> {
        self.decoded(key, unsigned)
    }

    fn decoded<T>(&self, key: &str, decode: fn(&str) -> Option<T>) -> Read<Option<T>> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let value = decode(self.scalar_text(key, node)?);
        value.map(Some).ok_or_else(|| self.value_error(key, node, "Can't decode YAML scalar value"))
    }

    /// The texts of a sequence.
    pub fn texts(&self, key: &str) -> Read<Vec<String>> {
        self.texts_of(key, self.required(key)?)
    }

    pub fn optional_texts(&self, key: &str) -> Read<Option<Vec<String>>> {
        self.get(key).map(|node| self.texts_of(key, node)).transpose()
    }

    fn texts_of(&self, key: &str, node: &Node) -> Read<Vec<String>> {
        let Some(members) = node.sequence() else {
            return Err(self.value_error(key, node, "Value is not a sequence"));
        };
        let text = |member: &Rc<Node>| match member.scalar() {
            Some(text) if !member.is_null() => Ok(text.to_owned()),
            _ => {
                let ctx = self.ctx.within("value for", key, node.mark).within("list item", "", member.mark);
                Err(Box::new(ctx.report(Code::ErrYamlValidate, "sequence value is not scalar")))
            }
        };
        members.iter().map(text).collect()
    }

    /// Warns about keys that an item of its kind does not have.
    pub fn check_keys(&self, known: &[&str], warnings: &mut Vec<Diagnostic>) {
        for (key, _) in self.node.mapping().unwrap_or_default() {
            let name = key.scalar().unwrap_or_default();
            if !known.contains(&name) {
                let message = format!("Unknown key '{name}'. The key will be ignored.");
                let mut warning = self.warning(Code::UnknownKey, message);
                warning.label =
                    self.ctx.within("value for", name, key.mark).report(Code::UnknownKey, "").label.map(|mut label| {
                        label.span.1 = (label.span.0 + name.len()).min(label.text.len());
                        label
                    });
                warnings.push(warning);
            }
        }
    }
}

/// A truth value, quoted or not: each word in lower case, upper case or capitalised.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let capitalised = |word: &str| {
        let mut chars = word.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    if text != lower && text != text.to_ascii_uppercase() && Some(text) != capitalised(&lower).as_deref() {
        return None;
    }
    match lower.as_str() {
        "y" | "yes" | "true" | "on" => Some(true),
        "n" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// An unsigned number: decimal, `0x…` or octal `0…`.
pub(crate) fn unsigned(text: &str) -> Option<u32> {
    if text.starts_with(['+', '-']) {
        return None;
    }
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
    }
    match text.strip_prefix('0').filter(|rest| !rest.is_empty()) {
        Some(digits) => u32::from_str_radix(digits, 8).ok().filter(|_| !digits.starts_with('+')),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_values_have_three_cases() {
        for yes in ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"] {
            assert_eq!(boolean(yes), Some(true), "{yes}");
        }
        for other in ["1", "tRUE", "yEs", "", "t"] {
            assert_eq!(boolean(other), None, "{other}");
        }
        assert_eq!(boolean("Off"), Some(false));
    }

    #[test]
    fn numbers_have_three_bases() {
        assert_eq!(unsigned("10"), Some(10));
        assert_eq!(unsigned("0x10"), Some(16));
        assert_eq!(unsigned("010"), Some(8));
        assert_eq!(unsigned("0"), Some(0));
        for bad in ["-1", "1.5", "a", "08", "+3", ""] {
            assert_eq!(unsigned(bad), None, "{bad}");
        }
    }
}
