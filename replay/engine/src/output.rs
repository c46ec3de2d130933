//! Values and templates as text and as JSON, as Falco prints them.

use std::borrow::Cow;
use std::io::Write as _;

use falco_replay_format::address::AddressText;
use falco_replay_format::schema::{ParamType, PrintFormat};
use falco_replay_rules::program::{FieldRef, Segment, Template, ValueExpr, ValueType};
use serde_json::Value as Json;

use crate::catalogue::{Catalogue, Field};
use crate::fields::{Arg, Extractor};
use crate::params;
use crate::transform::Expression;
use crate::value::Value;
use crate::view::View;

/// Longest text of a list; longer ones are cut (Falco's buffer).
const LIST_LIMIT: usize = 1023;

/// How the values of a field are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    ty: ValueType,
    format: PrintFormat,
}

impl Style {
    fn of(field: &FieldRef, catalogue: &Catalogue) -> Style {
        use falco_replay_rules::schema::Schema as _;
        let format = Field::from_id(field.id).map_or(PrintFormat::Na, |field| field.entry().format);
        Style { ty: catalogue.field(field.id).ty, format }
    }
}

fn is_signed(ty: ValueType) -> bool {
    use ValueType as T;
    matches!(ty, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Errno | T::Fd | T::Pid | T::Fd32 | T::Pid32)
}

fn bits(ty: ValueType) -> u32 {
    use ValueType as T;
    match ty {
        T::Int8 | T::Uint8 | T::Flags8 | T::Enumflags8 | T::Sigtype => 8,
        T::Int16 | T::Uint16 | T::Flags16 | T::Enumflags16 | T::Port | T::Syscallid => 16,
        T::Int32 | T::Uint32 | T::Flags32 | T::Enumflags32 | T::Uid | T::Gid | T::Mode | T::Sigset | T::Bool => 32,
        _ => 64,
    }
}

/// A value as text.
pub(crate) fn value_text<'v>(value: &'v Value<'_>, style: Style, view: &View<'_>) -> Cow<'v, [u8]> {
    match value {
        Value::Bytes(bytes) if style.ty == ValueType::Bytebuf => {
            params::buffer(bytes, view.rendering.base64_buffers).into()
        }
        Value::Bytes(bytes) => Cow::Borrowed(bytes),
        Value::Int(value) => params::number(*value, bits(style.ty), true, style.format).into_bytes().into(),
        Value::Uint(value) => {
            let text = params::number(*value as i64, bits(style.ty), is_signed(style.ty), style.format);
            text.into_bytes().into()
        }
        Value::Bool(true) => Cow::Borrowed(b"true"),
        Value::Bool(false) => Cow::Borrowed(b"false"),
        Value::Double(value) => format!("{value:.1}").into_bytes().into(),
        Value::Ip(ip) => AddressText(*ip).to_string().into_bytes().into(),
        Value::List(items) => {
            let mut out = vec![b'('];
            out.extend_from_slice(&items.join(&b","[..]));
            out.push(b')');
            out.truncate(LIST_LIMIT);
            out.into()
        }
    }
}

/// The text of bytes, damaged UTF-8 replaced.
pub(crate) fn lossy(bytes: &[u8]) -> Json {
    Json::String(String::from_utf8_lossy(bytes).into_owned())
}

/// A field of an output with its key, ready to be printed.
#[derive(Debug, Clone)]
pub(crate) struct OutputField {
    pub(crate) key: String,
    extractor: Extractor,
    style: Style,
    /// Keeps the time number of `evt.time` and its kin.
    time: Option<Time>,
}

/// What number stands for a time field in JSON.
#[derive(Debug, Clone, Copy)]
enum Time {
    Absolute,
    Relative,
}

impl OutputField {
    pub(crate) fn new(key: &str, field: &FieldRef, catalogue: &Catalogue) -> OutputField {
        let extractor = Extractor::new(field, catalogue);
        let time = match extractor.field {
            Some(
                Field::EvtTime | Field::EvtTimeS | Field::EvtTimeIso8601 | Field::EvtDatetime | Field::EvtDatetimeS,
            ) => Some(Time::Absolute),
            Some(
                Field::EvtRawtime
                | Field::EvtRawtimeS
                | Field::EvtRawtimeNs
                | Field::EvtReltime
                | Field::EvtReltimeS
                | Field::EvtReltimeNs,
            ) => Some(Time::Relative),
            _ => None,
        };
        OutputField { key: key.to_owned(), extractor, style: Style::of(field, catalogue), time }
    }

    pub(crate) fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// The style and value of the field at an event: `evt.rawarg` has the type of the event's own parameter.
    fn value<'a>(&'a self, view: &View<'a>) -> Option<(Value<'a>, Style)> {
        let value = self.extractor.extract(view)?;
        let mut style = self.style;
        if let (Some(Field::EvtRawarg), Arg::Name(name)) = (self.extractor.field, &self.extractor.arg)
            && let Some(param) = view.info.params.iter().find(|param| param.name == name)
        {
            style = Style { ty: crate::catalogue::value_type(param.ty).unwrap_or(style.ty), format: param.format };
            if param.ty == ParamType::Bytebuf {
                style.ty = ValueType::Bytebuf;
            }
        }
        Some((value, style))
    }

    /// The value as Falco's `output_fields` has it.
    pub(crate) fn json(&self, view: &View<'_>) -> Json {
        if let Some(Time::Absolute) = self.time {
            return Json::from(view.ts());
        }
        let Some((value, style)) = self.value(view) else { return Json::Null };
        match &value {
            Value::Bool(value) => Json::Bool(*value),
            Value::Double(value) => serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Value::Int(number) if matches!(style.format, PrintFormat::Dec | PrintFormat::Id) || self.time.is_some() => {
                Json::from(*number)
            }
            Value::Uint(number)
                if matches!(style.format, PrintFormat::Dec | PrintFormat::Id) || self.time.is_some() =>
            {
                Json::from(*number)
            }
            Value::List(items) => Json::Array(items.iter().map(|item| lossy(item)).collect()),
            other => lossy(&value_text(other, style, view)),
        }
    }

    /// The value as printed text; `Null` where it is missing, booleans and plain numbers as such.
    pub(crate) fn print_json(&self, view: &View<'_>) -> Json {
        match self.value(view) {
            None => Json::Null,
            Some((Value::Bool(value), _)) => Json::Bool(value),
            Some((value, style)) => lossy(&value_text(&value, style, view)),
        }
    }
}

#[derive(Debug, Clone)]
enum Piece {
    Text(Vec<u8>),
    Field { field: OutputField, width: Option<usize> },
    Expression { expression: Expression, style: Style, width: Option<usize> },
}

/// A template made ready to print.
#[derive(Debug, Clone)]
pub struct Printer {
    pieces: Vec<Piece>,
    fields: Vec<OutputField>,
}

impl Printer {
    /// Makes a template ready.
    pub fn new(template: &Template, catalogue: &Catalogue) -> Printer {
        let pieces = template
            .segments
            .iter()
            .map(|segment| match segment {
                Segment::Text(text) => Piece::Text(text.clone()),
                Segment::Value { expr: ValueExpr::Field(field), width, .. } => {
                    Piece::Field { field: OutputField::new("", field, catalogue), width: *width }
                }
                Segment::Value { expr, ty, width, .. } => Piece::Expression {
                    expression: Expression::new(expr, catalogue),
                    style: Style { ty: *ty, format: PrintFormat::Dec },
                    width: *width,
                },
            })
            .collect();
        let fields = template.fields.iter().map(|(key, field)| OutputField::new(key, field, catalogue)).collect();
        Printer { pieces, fields }
    }

    pub(crate) fn fields(&self) -> &[OutputField] {
        &self.fields
    }

    /// Every extractor, those of transformers included.
    pub(crate) fn extractors(&self) -> impl Iterator<Item = &Extractor> {
        self.fields.iter().map(OutputField::extractor)
    }

    /// Appends the text for an event; missing values print as `<NA>`.
    pub fn print(&self, view: &View<'_>, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Field { field, width } => match field.value(view) {
                    Some((value, style)) => put(out, &value_text(&value, style, view), *width),
                    None => put(out, b"<NA>", *width),
                },
                Piece::Expression { expression, style, width } => match expression.evaluate(view) {
                    Some(value) => put(out, &value_text(&value, *style, view), *width),
                    None => put(out, b"<NA>", *width),
                },
            }
        }
    }

    /// One JSON object an event: the fields of the template as written, missing ones `null`.
    pub fn print_json(&self, view: &View<'_>, out: &mut Vec<u8>) {
        let object: serde_json::Map<String, Json> =
            self.fields.iter().map(|field| (field.key.clone(), field.print_json(view))).collect();
        let written = serde_json::to_writer(&mut *out, &object);
        debug_assert!(written.is_ok(), "writing JSON to memory does not fail");
    }
}

/// Appends a text, padded or cut to `width` bytes.
fn put(out: &mut Vec<u8>, text: &[u8], width: Option<usize>) {
    match width {
        None => out.extend_from_slice(text),
        Some(width) => {
            out.extend_from_slice(&text[..text.len().min(width)]);
            out.extend(std::iter::repeat_n(b' ', width.saturating_sub(text.len())));
        }
    }
}

/// A line as Falco prints it: escaped like a JSON string body, damaged UTF-8 replaced.
pub fn escape_line(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    for character in String::from_utf8_lossy(line).chars() {
        let written = match character {
            '"' => out.write_all(b"\\\""),
            '\\' => out.write_all(b"\\\\"),
            '\n' => out.write_all(b"\\n"),
            '\r' => out.write_all(b"\\r"),
            '\t' => out.write_all(b"\\t"),
            '\u{8}' => out.write_all(b"\\b"),
            '\u{c}' => out.write_all(b"\\f"),
            control if u32::from(control) < 0x20 => write!(out, "\\u{:04x}", u32::from(control)),
            other => {
                let mut buffer = [0; 4];
                out.write_all(other.encode_utf8(&mut buffer).as_bytes())
            }
        };
        debug_assert!(written.is_ok(), "writing to memory does not fail");
    }
    out
}
