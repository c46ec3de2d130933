//! Checks of fields, transformers, operators and constants: a written check → a predicate.
//!
//! Facts: filter-language A2 to A6.

use crate::constants::parse_constant;
use crate::posix_regex::check_posix;
use crate::program::{Argument, Constant, Operator, Predicate, Rhs, Transformer, ValueExpr, ValueType};
use crate::resolve::resolve;
use crate::schema::{FieldInfo, Role, Schema};
use crate::syntax::{Check, Function, Right, Value};
use crate::types::{Kind, check_operator};

/// A value with its type.
pub(crate) struct Typed<'s> {
    pub expr: ValueExpr,
    pub ty: ValueType,
    pub list: bool,
    /// The field at the bottom, where only transformers of one argument are around it.
    pub field: Option<&'s FieldInfo>,
    /// Type and list before those transformers: what `join`, `concat` and `getopt` judge by.
    base: (ValueType, bool),
}

impl<'s> Typed<'s> {
    fn new(expr: ValueExpr, ty: ValueType, list: bool, field: Option<&'s FieldInfo>) -> Self {
        Self { expr, ty, list, field, base: (ty, list) }
    }
}

/// Compiles one check; the error is Falco's message.
pub(crate) fn compile_check(schema: &dyn Schema, check: &Check) -> Result<Predicate, String> {
    let left = typed_value(schema, &check.left)?;
    check_operator(left.ty, left.list, check.operator, check.word)?;
    if check.modifier.is_some() && left.list {
        return Err(format!("filter error: '{}' operator not supported list filters", check.operator_text()));
    }
    let role = left.field.map_or(Role::Plain, |field| field.role);
    if role == Role::Around && check.operator != Operator::Eq {
        return Err(format!("filter error: '{}' operator not supported for evt.around", check.word));
    }
    let constants = |texts: &[&[u8]]| -> Result<Rhs, String> {
        let parsed = texts.iter().map(|text| constant(schema, text, &left, role, check.operator));
        parsed.collect::<Result<Vec<_>, _>>().map(Rhs::Constants)
    };
    let rhs = match &check.right {
        Right::None => Rhs::None,
        Right::Constant(text) => constants(&[text])?,
        Right::List(texts) => constants(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>())?,
        Right::Value(value) => Rhs::Value(right_value(schema, check, &left, value)?),
    };
    Ok(Predicate { left: left.expr, ty: left.ty, list: left.list, op: check.operator, modifier: check.modifier, rhs })
}

fn constant(
    schema: &dyn Schema,
    text: &[u8],
    left: &Typed<'_>,
    role: Role,
    operator: Operator,
) -> Result<Constant, String> {
    if role == Role::RawParam && left.ty == ValueType::Bytebuf {
        return Err("wrong parameter type BYTEBUF".to_owned());
    }
    let constant = parse_constant(schema, text, left.ty, operator)?;
    if operator == Operator::Regex {
        check_posix(text)?;
    }
    if role == Role::EventType && !is_event_name(schema, text) {
        return Err(format!("unknown event type {}", String::from_utf8_lossy(text)));
    }
    Ok(constant)
}

/// Whether a text names an event type or a syscall.
fn is_event_name(schema: &dyn Schema, text: &[u8]) -> bool {
    (0..schema.event_count()).any(|id| schema.event_name(id).as_bytes() == text)
        || schema.syscalls().iter().any(|call| call.name.as_bytes() == text)
        || schema.plugins().iter().any(|plugin| plugin.async_events.iter().any(|name| name.as_bytes() == text))
}

fn right_value(schema: &dyn Schema, check: &Check, left: &Typed<'_>, value: &Value) -> Result<ValueExpr, String> {
    let right = typed_value(schema, value)?;
    let name = |value: &Value| {
        let shown = match value {
            Value::Call { function: Function::Val, args, .. } => args.first().unwrap_or(value),
            _ => value,
        };
        String::from_utf8_lossy(&shown.normal_form()).into_owned()
    };
    let forbidden = |side: &Typed<'_>| side.field.is_some_and(|field| field.no_rhs);
    if matches!(check.operator, Operator::Pmatch | Operator::Regex) || left.ty.kind() == Kind::Network {
        return Err(format!("filter error: '{}' operator does not support a right-hand side field", check.word));
    }
    if forbidden(left) || forbidden(&right) {
        let side = if forbidden(left) { &check.left } else { value };
        return Err(format!("field '{}' can't be used in a comparison of two fields", name(side)));
    }
    if (left.ty, left.list) != (right.ty, right.list) {
        return Err(format!(
            "field '{}' has type '{}' while the right-hand side field '{}' has incompatible type '{}'",
            name(&check.left),
            type_name(left.ty, left.list),
            name(value),
            type_name(right.ty, right.list),
        ));
    }
    Ok(right.expr)
}

fn type_name(ty: ValueType, list: bool) -> String {
    if list { format!("LIST({})", ty.name()) } else { ty.name() }
}

/// Resolves a value and works out its type; the error is Falco's message.
pub(crate) fn typed_value<'s>(schema: &'s dyn Schema, value: &Value) -> Result<Typed<'s>, String> {
    match value {
        Value::Field { .. } => {
            let resolved = resolve(schema, &value.field_text().unwrap_or_default())?;
            let expr = ValueExpr::Field(resolved.field);
            Ok(Typed::new(expr, resolved.ty, resolved.info.list, Some(resolved.info)))
        }
        Value::Literal(text) => Ok(Typed::new(ValueExpr::Literal(text.clone()), ValueType::Charbuf, false, None)),
        Value::List(items) => {
            let items = items.iter().map(|item| typed_value(schema, item).map(|item| item.expr));
            let items = items.collect::<Result<Vec<_>, _>>()?;
            Ok(Typed::new(ValueExpr::List(items), ValueType::Charbuf, true, None))
        }
        Value::Call { function, args, arg } => call(schema, *function, args, arg.as_deref()),
    }
}

fn call<'s>(
    schema: &'s dyn Schema,
    function: Function,
    args: &[Value],
    arg: Option<&[u8]>,
) -> Result<Typed<'s>, String> {
    let transformer = match function {
        Function::Val => {
            let [field] = args else { return Err("'val' takes one field".to_owned()) };
            if arg.is_some() {
                return Err("'val' takes no argument in brackets".to_owned());
            }
            return typed_value(schema, field);
        }
        Function::ToLower => Transformer::ToLower,
        Function::ToUpper => Transformer::ToUpper,
        Function::B64 => Transformer::B64,
        Function::Basename => Transformer::Basename,
        Function::Len => Transformer::Len,
        Function::Join => Transformer::Join,
        Function::Concat => Transformer::Concat,
        Function::Getopt => Transformer::Getopt,
    };
    if arg.is_some() && transformer != Transformer::Getopt {
        return Err(format!("'{}' transformer takes no argument in brackets", function.name()));
    }
    let typed = args.iter().map(|value| typed_value(schema, value)).collect::<Result<Vec<_>, _>>()?;
    match transformer {
        Transformer::Join | Transformer::Concat | Transformer::Getopt => several(transformer, function, typed, arg),
        _ => single(transformer, function, args, typed),
    }
}

/// `join`, `concat` and `getopt`.
fn several<'s>(
    transformer: Transformer,
    function: Function,
    typed: Vec<Typed<'s>>,
    arg: Option<&[u8]>,
) -> Result<Typed<'s>, String> {
    let text = (ValueType::Charbuf, false);
    let bases: Vec<_> = typed.iter().map(|value| value.base).collect();
    let fits = match (transformer, bases.as_slice()) {
        (Transformer::Join, [separator, (_, list)]) => *separator == text && *list,
        (Transformer::Concat, values) => values.len() >= 2 && values.iter().all(|value| *value == text),
        (Transformer::Getopt, [list, options]) => *list == (ValueType::Charbuf, true) && *options == text,
        _ => false,
    };
    if !fits {
        return Err(match transformer {
            Transformer::Join => "join() takes a separator and a list".to_owned(),
            Transformer::Concat => "concat() takes two or more single strings".to_owned(),
            _ => "getopt() takes a list of strings and a string of options".to_owned(),
        });
    }
    let letter = match arg {
        None => None,
        Some([letter]) => Some(*letter),
        Some(_) => return Err(format!("'{}' takes one option letter in brackets", function.name())),
    };
    let list = transformer == Transformer::Getopt && letter.is_none();
    let args = typed.into_iter().map(|value| value.expr).collect();
    let expr = ValueExpr::Transform { transformer, args, letter };
    // An enclosing join, concat or getopt sees a single string, whatever this gives.
    Ok(Typed { expr, ty: ValueType::Charbuf, list, field: None, base: text })
}

/// The transformers of one argument.
fn single<'s>(
    transformer: Transformer,
    function: Function,
    args: &[Value],
    mut typed: Vec<Typed<'s>>,
) -> Result<Typed<'s>, String> {
    let count = typed.len();
    let (Some(inner), 1) = (typed.pop(), count) else {
        return Err(format!("'{}' transformer takes one argument", function.name()));
    };
    let shown =
        || args.first().map(|value| String::from_utf8_lossy(&value.normal_form()).into_owned()).unwrap_or_default();
    if inner.field.is_some_and(|field| field.no_transformer) {
        return Err(format!("can't add field transformer: field '{}' does not support transformers", shown()));
    }
    let kind = inner.ty.kind();
    let fits = match transformer {
        Transformer::B64 => matches!(inner.ty, ValueType::Charbuf | ValueType::Bytebuf),
        Transformer::Len => inner.list || matches!(kind, Kind::Text | Kind::Buffer),
        _ => kind == Kind::Text,
    };
    if !fits {
        return Err(format!(
            "can't add field transformer: type '{}' is not supported by '{}' transformer applied on field '{}'",
            inner.ty.name(),
            function.name(),
            shown(),
        ));
    }
    let (ty, list) = match transformer {
        Transformer::Len => (ValueType::Uint64, false),
        _ => (inner.ty, inner.list),
    };
    let expr = ValueExpr::Transform { transformer, args: vec![inner.expr], letter: None };
    Ok(Typed { expr, ty, list, field: inner.field, base: inner.base })
}

/// Whether a value is a field with nothing around it, and which argument it has.
pub(crate) fn bare_field<'s>(schema: &'s dyn Schema, value: &Value) -> Option<(&'s FieldInfo, Option<Argument>)> {
    let Value::Field { .. } = value else { return None };
    let resolved = resolve(schema, &value.field_text()?).ok()?;
    Some((resolved.info, resolved.field.arg))
}
