//! Names of fields and their arguments → numbers of the schema.
//!
//! Facts: filter-language A2. A field class takes the longest prefix of a text that it understands; what is left over is
//! an error in a condition and plain text in an output.

use crate::program::{Argument, FieldRef, ValueType};
use crate::schema::{ArgumentKind, FieldInfo, Role, Schema};

/// A field that the beginning of a text names.
pub(crate) struct Resolved<'s> {
    /// Number and argument.
    pub field: FieldRef,
    /// What the schema knows of it.
    pub info: &'s FieldInfo,
    /// Type of its values.
    pub ty: ValueType,
    /// How many bytes of the text name it.
    pub used: usize,
}

/// Finds the field that `text` begins with; the error is Falco's message.
pub(crate) fn resolve_prefix<'s>(schema: &'s dyn Schema, text: &str) -> Result<Resolved<'s>, String> {
    let Some(id) = schema.find_field(text) else { return Err(nonexistent(text)) };
    let info = schema.field(id);
    let name_len = info.name.len();
    let after = text.get(name_len..).unwrap_or_default();
    let (arg, arg_len) = match info.argument {
        None => (None, 0),
        Some(rule) => match argument(schema, rule.kind, after)? {
            Some((arg, len)) => (Some(arg), len),
            None if rule.required => return Err(format!("filter syntax error: {text}")),
            None => (None, 0),
        },
    };
    let mut ty = info.ty;
    if let (Role::RawParam, Some(Argument::Name(name))) = (info.role, &arg) {
        ty = schema.param_type(name).unwrap_or(ty);
    }
    Ok(Resolved { field: FieldRef { id, arg }, info, ty, used: name_len + arg_len })
}

/// Finds the field that the whole of `text` names.
pub(crate) fn resolve<'s>(schema: &'s dyn Schema, text: &[u8]) -> Result<Resolved<'s>, String> {
    let text = String::from_utf8_lossy(text);
    let resolved = resolve_prefix(schema, &text)?;
    if resolved.used == text.len() { Ok(resolved) } else { Err(nonexistent(&text)) }
}

fn nonexistent(text: &str) -> String {
    format!("filter_check called with nonexistent field {text}")
}

/// The argument that `after` begins with and how many bytes it takes; `None` where it is absent or malformed.
fn argument(schema: &dyn Schema, kind: ArgumentKind, after: &str) -> Result<Option<(Argument, usize)>, String> {
    let bracketed = || {
        let inner = after.strip_prefix('[')?;
        let close = inner.find(']')?;
        Some((inner.get(..close)?, close + 2))
    };
    let indexed = || bracketed().and_then(|(text, len)| Some((Argument::Index(index(text)?), len)));
    let keyed = || bracketed().map(|(text, len)| (Argument::Key(text.to_owned()), len));
    let dotted = after.strip_prefix('.');
    Ok(match kind {
        ArgumentKind::Index => indexed(),
        ArgumentKind::Key => keyed(),
        ArgumentKind::IndexOrKey => match bracketed() {
            Some((text, _)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => indexed(),
            _ => keyed(),
        },
        ArgumentKind::ParamIndexOrName | ArgumentKind::ParamName => match dotted {
            Some(rest) => match schema.param_prefix(rest) {
                Some(name) => Some((Argument::Name(name.to_owned()), 1 + name.len())),
                None => return Err(format!("unknown event argument {rest}")),
            },
            None if kind == ArgumentKind::ParamIndexOrName => indexed(),
            None => None,
        },
        ArgumentKind::EventNameOrId => match dotted {
            Some(rest) => {
                let len = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
                let name = rest.get(..len).unwrap_or_default();
                let number = name.parse::<u16>().is_ok_and(|id| id < schema.event_count());
                let known = number || (0..schema.event_count()).any(|id| schema.event_name(id) == name);
                if !known {
                    return Err(format!("unknown event type {name}"));
                }
                Some((Argument::Name(name.to_owned()), 1 + len))
            }
            None => None,
        },
        ArgumentKind::SourceOrTarget => dotted.and_then(|rest| {
            let word = ["src", "dst"].into_iter().find(|word| rest.starts_with(word))?;
            Some((Argument::Name(word.to_owned()), 1 + word.len()))
        }),
        ArgumentKind::Word => dotted.and_then(|rest| {
            let len = rest.bytes().take_while(|byte| byte.is_ascii_alphabetic() || *byte == b'_').count();
            (len > 0).then(|| (Argument::Name(rest.get(..len).unwrap_or_default().to_owned()), 1 + len))
        }),
    })
}

/// Decimal digits, a sign allowed.
fn index(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    decimal.then(|| text.parse().ok()).flatten()
}
