//! `override`: which keys of an item are appended to, which are replaced. Facts: filter-language B6.

use crate::diagnostic::Code;
use crate::item::{Item, Read};
use crate::yaml::NodeKind;

/// What happens to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Append,
    Replace,
}

impl Operation {
    const fn word(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }
}

/// The operations of an item.
#[derive(Debug, Default)]
pub(crate) struct Overrides(Vec<(String, Operation)>);

impl Overrides {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn operation(&self, key: &str) -> Option<Operation> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, operation)| *operation)
    }

    pub fn any(&self, operation: Operation) -> bool {
        self.0.iter().any(|(_, other)| *other == operation)
    }

    /// Every overridable key that the item has must be named, and every key that is named must be there.
    pub fn check_present(&self, item: &Item<'_>, overridable: &[&str]) -> Read<()> {
        if self.is_empty() {
            return Ok(());
        }
        for key in overridable {
            if let (Some(node), None) = (item.get(key), self.operation(key)) {
                let message = format!("Unexpected key '{key}': no corresponding entry under 'override' is defined.");
                let ctx = item.ctx.within("overrides", key, node.mark);
                return Err(Box::new(ctx.report(Code::ErrYamlValidate, message)));
            }
        }
        match self.0.iter().find(|(key, _)| !item.has(key)) {
            Some((key, operation)) => Err(item.error(format!(
                "An {} override for '{key}' was specified but '{key}' is not defined",
                operation.word()
            ))),
            None => Ok(()),
        }
    }
}

/// Reads the operations of an item. Nothing, null, a scalar or an empty mapping is none.
pub(crate) fn read_overrides(item: &Item<'_>, appendable: &[&str], replaceable: &[&str]) -> Read<Overrides> {
    let mut overrides = Overrides::default();
    let Some(node) = item.get("override") else { return Ok(overrides) };
    let pairs = match &node.kind {
        NodeKind::Scalar { .. } => return Ok(overrides),
        NodeKind::Sequence(_) => return Err(item.invalid("override must be a mapping of keys to append or replace")),
        NodeKind::Mapping(pairs) => pairs,
    };
    let ctx = item.ctx.within("overrides", "", item.ctx.mark());
    for (key, value) in pairs {
        let name = key.scalar().unwrap_or_default();
        let value_ctx = ctx.within("value for", name, value.mark);
        let wrong_value = |message: String| Err(Box::new(value_ctx.report(Code::ErrYamlValidate, message)));
        let key_ctx = ctx.within("overrides", name, key.mark);
        let wrong_key = |message: String| Err(Box::new(key_ctx.report(Code::ErrYamlValidate, message)));
        let operation = match value.scalar() {
            Some("append") => Operation::Append,
            Some("replace") => Operation::Replace,
            Some(other) => {
                let mut allowed = String::new();
                if appendable.contains(&name) {
                    allowed.push_str("append ");
                }
                if replaceable.contains(&name) {
                    allowed.push_str("replace ");
                }
                return wrong_value(format!(
                    "Invalid override operation for key '{name}': '{other}'. Allowed values are: {allowed}"
                ));
            }
            None => return wrong_value("Value is not a scalar value".to_owned()),
        };
        match operation {
            Operation::Append if !appendable.contains(&name) => {
                return wrong_key(format!("Key '{name}' cannot be appended to, use 'replace' instead"));
            }
            Operation::Replace if !replaceable.contains(&name) => {
                return wrong_key(format!("Key '{name}' cannot be replaced"));
            }
            _ => {}
        }
        if overrides.operation(name).is_none() {
            overrides.0.push((name.to_owned(), operation));
        }
    }
    Ok(overrides)
}
