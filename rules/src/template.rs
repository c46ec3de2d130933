//! Output formats: text with `%field` placeholders → segments. Facts: filter-language C1.

use crate::check::typed_value;
use crate::parse::parse_value_prefix;
use crate::program::{FieldRef, Segment, Template, ValueExpr};
use crate::resolve::{resolve, resolve_prefix};
use crate::schema::Schema;
use crate::syntax::{Function, Value};

/// An output that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong, in Falco's words where the loader depends on them.
    pub message: String,
    /// Bytes from the start of the text.
    pub at: usize,
}

/// A compiled output with what a description says of it.
pub(crate) struct Compiled {
    pub template: Template,
    /// For each placeholder the field as written; for a transformer its fields, then its normal form.
    pub described: Vec<String>,
}

/// Compiles an output or print format.
pub fn compile_template(text: &str, schema: &dyn Schema) -> Result<Template, TemplateError> {
    compile(text, schema).map(|compiled| compiled.template)
}

pub(crate) fn compile(text: &str, schema: &dyn Schema) -> Result<Compiled, TemplateError> {
    let mut template = Template::default();
    let mut described = Vec::new();
    let mut at = 0;
    if text.starts_with('*') {
        template.lenient = true;
        at = 1;
    }
    let mut literal: Vec<u8> = Vec::new();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(percent) = rest.find('%') else {
            literal.extend_from_slice(rest.as_bytes());
            break;
        };
        literal.extend_from_slice(&rest.as_bytes()[..percent]);
        let start = at + percent;
        let after = &rest[percent + 1..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let width = (digits > 0).then(|| after[..digits].parse::<usize>().unwrap_or(usize::MAX).min(MAX_WIDTH));
        let name = &after[digits..];
        if name.is_empty() {
            let message = "invalid formatting syntax: formatting cannot end with a %".to_owned();
            return Err(TemplateError { message, at: start });
        }
        let fail = |message: String| TemplateError { message: format!("unknown filter: {message}"), at: start };
        let (placeholder, used) = placeholder(name, schema).map_err(fail)?;
        if !literal.is_empty() {
            template.segments.push(Segment::Text(std::mem::take(&mut literal)));
        }
        let Placeholder { expr, ty, list, fields, shown } = placeholder;
        template.segments.push(Segment::Value { expr, ty, list, width });
        for field in fields {
            described.push(field.0.clone());
            if !template.fields.contains(&field) {
                template.fields.push(field);
            }
        }
        described.extend(shown);
        at = start + 1 + digits + used;
    }
    if !literal.is_empty() {
        template.segments.push(Segment::Text(literal));
    }
    Ok(Compiled { template, described })
}

/// No output is padded further than this: a width is a few digits, a file may hold many.
const MAX_WIDTH: usize = 65_535;

struct Placeholder {
    expr: ValueExpr,
    ty: crate::program::ValueType,
    list: bool,
    /// The fields in it.
    fields: Vec<(String, FieldRef)>,
    /// Its normal form, if it is a transformer.
    shown: Option<String>,
}

/// The longest beginning of `text` that is a field or transformer, and how many bytes it takes.
fn placeholder(text: &str, schema: &dyn Schema) -> Result<(Placeholder, usize), String> {
    let parsed = parse_value_prefix(text);
    if let Ok((value @ Value::Call { .. }, used)) = &parsed {
        return transformer(value, schema).map(|placeholder| (placeholder, *used));
    }
    let is_call = |function: &Function| text.strip_prefix(function.name()).is_some_and(|rest| rest.starts_with('('));
    if let (Err(error), true) = (&parsed, Function::TRANSFORMERS.iter().any(is_call)) {
        return Err(error.message.clone());
    }
    let (shown, used) = match &parsed {
        // The whole text that reads as a field; its argument may have stood in quotes.
        Ok((value, used)) if value.field_text().is_some_and(|text| resolve(schema, &text).is_ok()) => {
            (String::from_utf8_lossy(&value.field_text().unwrap_or_default()).into_owned(), *used)
        }
        // A shorter beginning; the rest is plain text.
        _ => {
            let used = resolve_prefix(schema, text)?.used;
            (text[..used].to_owned(), used)
        }
    };
    let resolved = resolve(schema, shown.as_bytes())?;
    let placeholder = Placeholder {
        expr: ValueExpr::Field(resolved.field.clone()),
        ty: resolved.ty,
        list: resolved.info.list,
        fields: vec![(shown, resolved.field)],
        shown: None,
    };
    Ok((placeholder, used))
}

fn transformer(value: &Value, schema: &dyn Schema) -> Result<Placeholder, String> {
    let typed = typed_value(schema, value)?;
    let mut fields = Vec::new();
    value.for_each_field(&mut |field| {
        let text = field.field_text().unwrap_or_default();
        if let Ok(resolved) = resolve(schema, &text) {
            fields.push((String::from_utf8_lossy(&text).into_owned(), resolved.field));
        }
    });
    let shown = String::from_utf8_lossy(&value.normal_form()).into_owned();
    Ok(Placeholder { expr: typed.expr, ty: typed.ty, list: typed.list, fields, shown: Some(shown) })
}
