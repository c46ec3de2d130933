//! Conditions as trees, and their normal form: how a condition is written back, macros expanded.
//!
//! Facts: filter-language A1 (grammar) and A10 (normal form).

use crate::program::{Modifier, Operator};

/// A condition as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expr {
    /// All hold.
    And(Vec<Expr>),
    /// At least one holds.
    Or(Vec<Expr>),
    /// It does not hold.
    Not(Box<Expr>),
    /// A macro by its name.
    Macro(MacroRef),
    /// A check of a value; apart, so that trees stay small to pass around.
    Check(Box<Check>),
}

/// A name that stands for a macro.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MacroRef {
    /// The name.
    pub name: String,
    /// Where it stands, in bytes from the start of the text.
    pub at: usize,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Left side.
    pub left: Value,
    /// The operator.
    pub operator: Operator,
    /// The operator as written: `==` stays.
    pub word: &'static str,
    /// Its modifier.
    pub modifier: Option<Modifier>,
    /// Right side.
    pub right: Right,
    /// Where it begins and ends, in bytes from the start of the text.
    pub span: (usize, usize),
    /// Number of the macro that the text is of; `None`: of the rule itself.
    pub macro_place: Option<usize>,
}

/// The right side of a check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Right {
    /// None: `exists`.
    None,
    /// One constant; an identifier in place of a list too.
    Constant(Vec<u8>),
    /// A list of constants.
    List(Vec<Vec<u8>>),
    /// Another value of the event.
    Value(Value),
}

/// What gives a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// A field, perhaps with an argument.
    Field {
        /// Dotted name.
        name: String,
        /// What stands between the brackets.
        arg: Option<Vec<u8>>,
    },
    /// A transformer, or `val( )`.
    Call {
        /// Which one.
        function: Function,
        /// Its arguments.
        args: Vec<Value>,
        /// What stands between the brackets after it.
        arg: Option<Vec<u8>>,
    },
    /// A quoted string or a number.
    Literal(Vec<u8>),
    /// A literal list.
    List(Vec<Value>),
}

/// Names that take arguments in parentheses.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    Val,
    ToLower,
    ToUpper,
    B64,
    Basename,
    Len,
    Join,
    Concat,
    Getopt,
}

impl Function {
    /// Every transformer; `val` is none.
    pub const TRANSFORMERS: [Self; 8] =
        [Self::ToLower, Self::ToUpper, Self::B64, Self::Basename, Self::Len, Self::Join, Self::Concat, Self::Getopt];

    /// The name as written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Val => "val",
            Self::ToLower => "tolower",
            Self::ToUpper => "toupper",
            Self::B64 => "b64",
            Self::Basename => "basename",
            Self::Len => "len",
            Self::Join => "join",
            Self::Concat => "concat",
            Self::Getopt => "getopt",
        }
    }
}

impl Operator {
    /// Every operator in the order in which they are listed, with its spellings, longest first.
    pub const ALL: [(Self, &'static str); 20] = [
        (Self::Eq, "=="),
        (Self::Eq, "="),
        (Self::Ne, "!="),
        (Self::Lt, "<"),
        (Self::Le, "<="),
        (Self::Gt, ">"),
        (Self::Ge, ">="),
        (Self::Contains, "contains"),
        (Self::Icontains, "icontains"),
        (Self::Bcontains, "bcontains"),
        (Self::Startswith, "startswith"),
        (Self::Bstartswith, "bstartswith"),
        (Self::Endswith, "endswith"),
        (Self::Glob, "glob"),
        (Self::Iglob, "iglob"),
        (Self::Regex, "regex"),
        (Self::In, "in"),
        (Self::Intersects, "intersects"),
        (Self::Pmatch, "pmatch"),
        (Self::Exists, "exists"),
    ];

    /// The usual spelling.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().rev().find(|(operator, _)| *operator == self).map_or("", |(_, word)| word)
    }

    /// Whether a list is what it is compared with.
    pub const fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::Intersects | Self::Pmatch)
    }
}

impl Modifier {
    /// Every modifier.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Oneof, "oneof"), (Self::Anyof, "anyof"), (Self::Allof, "allof")];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Oneof => "oneof",
            Self::Anyof => "anyof",
            Self::Allof => "allof",
        }
    }
}

impl Check {
    /// The operator with its modifier, as `condition_operators` lists it.
    pub fn operator_text(&self) -> String {
        match self.modifier {
            Some(modifier) => format!("{} {}", self.word, modifier.word()),
            None => self.word.to_owned(),
        }
    }
}

impl Expr {
    /// The normal form. Escapes may have made bytes that are no UTF-8.
    pub fn normal_form(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::And(children) => write_chain(children, b" and ", out),
            Self::Or(children) => write_chain(children, b" or ", out),
            Self::Not(child) => {
                out.extend_from_slice(b"not ");
                child.write(out);
            }
            Self::Macro(reference) => out.extend_from_slice(reference.name.as_bytes()),
            Self::Check(check) => check.write(out),
        }
    }

    /// Calls `visit` for every check, in order.
    pub fn for_each_check<'a>(&'a self, visit: &mut dyn FnMut(&'a Check)) {
        match self {
            Self::And(children) | Self::Or(children) => children.iter().for_each(|child| child.for_each_check(visit)),
            Self::Not(child) => child.for_each_check(visit),
            Self::Macro(_) => {}
            Self::Check(check) => visit(check),
        }
    }

    /// Notes that all checks are those of a macro.
    pub(crate) fn set_macro(&mut self, place: usize) {
        match self {
            Self::And(children) | Self::Or(children) => children.iter_mut().for_each(|child| child.set_macro(place)),
            Self::Not(child) => child.set_macro(place),
            Self::Macro(_) => {}
            Self::Check(check) => check.macro_place = Some(place),
        }
    }

    /// Calls `visit` for every macro name, in order.
    pub fn for_each_macro<'a>(&'a self, visit: &mut dyn FnMut(&'a MacroRef)) {
        match self {
            Self::And(children) | Self::Or(children) => children.iter().for_each(|child| child.for_each_macro(visit)),
            Self::Not(child) => child.for_each_macro(visit),
            Self::Macro(reference) => visit(reference),
            Self::Check(_) => {}
        }
    }
}

fn write_chain(children: &[Expr], word: &[u8], out: &mut Vec<u8>) {
    out.push(b'(');
    for (place, child) in children.iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(word);
        }
        child.write(out);
    }
    out.push(b')');
}

impl Check {
    /// The normal form.
    pub fn normal_form(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        self.left.write(out);
        out.push(b' ');
        out.extend_from_slice(self.operator_text().as_bytes());
        match &self.right {
            Right::None => {}
            Right::Constant(text) => {
                out.push(b' ');
                write_string(text, out);
            }
            Right::List(items) => {
                out.extend_from_slice(b" (");
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.extend_from_slice(b", ");
                    }
                    write_string(item, out);
                }
                out.push(b')');
            }
            Right::Value(value) => {
                out.push(b' ');
                value.write(out);
            }
        }
    }
}

impl Value {
    /// The normal form.
    pub fn normal_form(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// `name` or `name[arg]` without quotes, the text by which a field is resolved and listed.
    pub fn field_text(&self) -> Option<Vec<u8>> {
        let Self::Field { name, arg } = self else { return None };
        let mut text = name.clone().into_bytes();
        if let Some(arg) = arg {
            text.push(b'[');
            text.extend_from_slice(arg);
            text.push(b']');
        }
        Some(text)
    }

    /// Calls `visit` for every field within, in order.
    pub fn for_each_field<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        match self {
            Self::Field { .. } => visit(self),
            Self::Call { args, .. } | Self::List(args) => args.iter().for_each(|arg| arg.for_each_field(visit)),
            Self::Literal(_) => {}
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Field { name, arg } => {
                out.extend_from_slice(name.as_bytes());
                write_argument(arg.as_deref(), out);
            }
            Self::Call { function, args, arg } => {
                out.extend_from_slice(function.name().as_bytes());
                write_values(args, out);
                write_argument(arg.as_deref(), out);
            }
            Self::Literal(text) => write_string(text, out),
            Self::List(items) => write_values(items, out),
        }
    }
}

fn write_values(values: &[Value], out: &mut Vec<u8>) {
    out.push(b'(');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        value.write(out);
    }
    out.push(b')');
}

fn write_argument(arg: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(arg) = arg else { return };
    out.push(b'[');
    if arg.is_empty() {
        out.extend_from_slice(b"\"\"");
    }
    write_string(arg, out);
    out.push(b']');
}

/// Quotes only what a bare value could not hold. Parentheses and commas are forgotten, as Falco forgets them.
fn write_string(text: &[u8], out: &mut Vec<u8>) {
    if !text.iter().any(|byte| b" \t\n\r\x08\x0c\0=\\\"'".contains(byte)) {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    for &byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
