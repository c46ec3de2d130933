//! Text of a condition → tree, by recursive descent over the grammar of filter-language A1.
//!
//! Nesting is counted exactly as Falco counts it, since a condition that it refuses must be refused here too; the limit
//! also bounds the recursion.

use crate::program::{Modifier, Operator};
use crate::syntax::{Check, Expr, Function, MacroRef, Right, Value};
use crate::token::{is_argument, is_bare, is_blank, text_of, unescape};

/// How many levels may be open in a filter of its own (`print`, `hunt`, `describe --condition`).
pub const FILTER_NESTING: usize = 100;

/// How many levels may be open in a rule or macro.
pub const RULE_NESTING: usize = 1000;

/// Why a text is no condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong.
    pub message: String,
    /// Bytes from the start of the text.
    pub at: usize,
}

/// Parses a whole condition. `nesting`: [`FILTER_NESTING`] or [`RULE_NESTING`].
pub fn parse_condition(text: &str, nesting: usize) -> Result<Expr, SyntaxError> {
    let mut parser = Parser::new(text, nesting);
    if text.is_empty() {
        return Err(parser.error("filter input string is empty"));
    }
    let expr = parser.or()?;
    if parser.at < text.len() {
        let message = format!("unexpected token after '{}', expecting 'or', 'and'", parser.last_token());
        return Err(parser.error(message));
    }
    Ok(expr)
}

/// Parses a field or transformer at the beginning of `text`, as outputs hold them, and says how many bytes it takes.
pub(crate) fn parse_value_prefix(text: &str) -> Result<(Value, usize), SyntaxError> {
    let mut parser = Parser::new(text, FILTER_NESTING);
    let value = match parser.field()? {
        Some(field) => field,
        None => match parser.call()? {
            Some(call) => call,
            None => return Err(parser.error("expected a field or transformer")),
        },
    };
    Ok((value, parser.at))
}

/// Whether the whole of `text` is a field, its argument included.
pub(crate) fn is_field_text(text: &str) -> Option<Value> {
    let mut parser = Parser::new(text, FILTER_NESTING);
    let field = parser.field().ok()??;
    (parser.at == text.len()).then_some(field)
}

struct Parser<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Start and end of the last token read, for messages.
    last: (usize, usize),
    depth: usize,
    limit: usize,
}

type Parsed<T> = Result<T, SyntaxError>;

impl<'a> Parser<'a> {
    fn new(text: &'a str, limit: usize) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, last: (0, 0), depth: 0, limit }
    }

    fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { message: message.into(), at: self.at }
    }

    /// Opens a level around `parse`.
    fn level<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth >= self.limit {
            return Err(self.error(format!("exceeded max depth limit of {}", self.limit)));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    // ---- tokens

    fn last_token(&self) -> &'a str {
        self.text.get(self.last.0..self.last.1).unwrap_or_default()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        let start = self.at;
        self.at = (start + len).min(self.bytes.len());
        self.last = (start, self.at);
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Skips blanks; whether there were any.
    fn blanks(&mut self) -> bool {
        let count = self.rest().iter().take_while(|byte| is_blank(**byte)).count();
        self.at += count;
        count > 0
    }

    fn blank_at(&self, offset: usize) -> bool {
        self.bytes.get(self.at + offset).is_some_and(|byte| is_blank(*byte))
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        let found = self.rest().starts_with(symbol.as_bytes());
        if found {
            self.take(symbol.len());
        }
        found
    }

    /// Length of the identifier here, 0: none.
    fn identifier_len(&self, from: usize) -> usize {
        let bytes = self.bytes.get(from..).unwrap_or_default();
        if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            return 0;
        }
        bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
    }

    fn identifier(&mut self) -> Option<String> {
        let len = self.identifier_len(self.at);
        (len > 0).then(|| text_of(self.take(len)))
    }

    /// A dotted name: at least two identifiers.
    fn field_name(&mut self) -> Option<String> {
        let mut len = self.identifier_len(self.at);
        let first = len;
        while len > 0 && self.bytes.get(self.at + len) == Some(&b'.') {
            let next = self.identifier_len(self.at + len + 1);
            if next == 0 {
                break;
            }
            len += 1 + next;
        }
        (len > first).then(|| text_of(self.take(len)))
    }

    fn hex_number(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        if !(rest.starts_with(b"0x") || rest.starts_with(b"0X")) {
            return None;
        }
        let digits = rest.iter().skip(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
        (digits > 0).then(|| self.take(2 + digits).to_vec())
    }

    fn number(&mut self) -> Option<Vec<u8>> {
        let rest = self.rest();
        let digits = |from: usize| rest.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let mut len = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
        let whole = digits(len);
        if whole == 0 {
            return None;
        }
        len += whole;
        if rest.get(len) == Some(&b'.') {
            len += 1 + digits(len + 1);
        }
        if matches!(rest.get(len), Some(b'e' | b'E')) && matches!(rest.get(len + 1), Some(b'+' | b'-')) {
            let exponent = digits(len + 2);
            if exponent > 0 {
                len += 2 + exponent;
            }
        }
        Some(self.take(len).to_vec())
    }

    fn bare(&mut self) -> Option<Vec<u8>> {
        let len = self.rest().iter().take_while(|byte| is_bare(**byte)).count();
        (len > 0).then(|| self.take(len).to_vec())
    }

    /// A string in quotes, without them, its escapes replaced.
    fn quoted(&mut self) -> Parsed<Option<Vec<u8>>> {
        let Some(quote @ (b'"' | b'\'')) = self.peek() else { return Ok(None) };
        let rest = self.rest();
        // A quote after a backslash never closes, even where the backslash is itself escaped.
        let close = (1..rest.len()).find(|&place| rest[place] == quote && rest[place - 1] != b'\\');
        let Some(close) = close else {
            return Err(self.error(format!("expected a '{}' token closing the string", char::from(quote))));
        };
        let inner = &rest[1..close];
        let unescaped =
            unescape(inner, quote).map_err(|(place, message)| SyntaxError { message, at: self.at + 1 + place })?;
        self.take(close + 1);
        Ok(Some(unescaped))
    }

    fn constant(&mut self) -> Parsed<Option<Vec<u8>>> {
        Ok(match self.quoted()? {
            Some(text) => Some(text),
            None => self.bare(),
        })
    }

    // ---- expressions

    fn or(&mut self) -> Parsed<Expr> {
        self.level(|parser| {
            let first = parser.and()?;
            parser.chain("or", first, Self::and, Expr::Or)
        })
    }

    fn and(&mut self) -> Parsed<Expr> {
        self.level(|parser| {
            let first = parser.not()?;
            parser.chain("and", first, Self::not, Expr::And)
        })
    }

    /// The words after the first member of a chain, and what they join.
    fn chain(
        &mut self,
        word: &str,
        first: Expr,
        member: fn(&mut Self) -> Parsed<Expr>,
        join: fn(Vec<Expr>) -> Expr,
    ) -> Parsed<Expr> {
        let mut members = vec![first];
        self.blanks();
        while self.symbol(word) {
            let next = if self.blanks() {
                member(self)?
            } else if self.symbol("(") {
                self.embedded()?
            } else {
                return Err(self.error(format!("expected blank or '(' after '{word}'")));
            };
            members.push(next);
            self.blanks();
        }
        Ok(match members.len() {
            1 => members.remove(0),
            _ => join(members),
        })
    }

    /// What stands between parentheses; the opening one is read.
    fn embedded(&mut self) -> Parsed<Expr> {
        self.level(|parser| {
            parser.blanks();
            let expr = parser.or()?;
            parser.blanks();
            if parser.symbol(")") { Ok(expr) } else { Err(parser.error("expected a ')' token")) }
        })
    }

    fn not(&mut self) -> Parsed<Expr> {
        self.level(|parser| {
            let mut negated = false;
            parser.blanks();
            while parser.rest().starts_with(b"not") && parser.blank_at(3) {
                parser.take(3);
                negated = !negated;
                parser.blanks();
            }
            let child = if parser.symbol("not(") {
                negated = !negated;
                parser.embedded()?
            } else {
                parser.check()?
            };
            Ok(if negated { Expr::Not(Box::new(child)) } else { child })
        })
    }

    fn check(&mut self) -> Parsed<Expr> {
        self.level(|parser| {
            parser.blanks();
            if parser.symbol("(") {
                return parser.embedded();
            }
            let start = parser.at;
            let left = match parser.field()? {
                Some(field) => Some(field),
                None => parser.call()?,
            };
            if let Some(left) = left {
                parser.blanks();
                return parser.level(|parser| parser.condition(left, start));
            }
            match parser.identifier() {
                Some(name) => Ok(Expr::Macro(MacroRef { name, at: start })),
                None => Err(parser.error("expected a '(' token, a field check, a transformer or an identifier")),
            }
        })
    }

    // ---- values

    /// A field with its argument, where one stands here.
    fn field(&mut self) -> Parsed<Option<Value>> {
        let Some(name) = self.field_name() else { return Ok(None) };
        self.level(|parser| {
            let arg = parser.argument()?;
            Ok(Some(Value::Field { name, arg }))
        })
    }

    /// `[…]`, where it follows at once.
    fn argument(&mut self) -> Parsed<Option<Vec<u8>>> {
        if !self.symbol("[") {
            return Ok(None);
        }
        let arg = match self.quoted()? {
            Some(text) => text,
            None => {
                let len = self.rest().iter().take_while(|byte| is_argument(**byte)).count();
                if len == 0 {
                    return Err(self.error("expected a valid field argument: a quoted string or a bare string"));
                }
                self.take(len).to_vec()
            }
        };
        if !self.symbol("]") {
            return Err(self.error("expected a ']' token"));
        }
        Ok(Some(arg))
    }

    /// A transformer, where one stands here.
    fn call(&mut self) -> Parsed<Option<Value>> {
        let rest = self.rest();
        let called = |function: &Function| {
            let name = function.name().as_bytes();
            rest.starts_with(name) && rest.get(name.len()) == Some(&b'(')
        };
        let Some(&function) = Function::TRANSFORMERS.iter().find(|function| called(function)) else { return Ok(None) };
        self.take(function.name().len() + 1);
        self.level(|parser| {
            let args = parser.call_arguments()?;
            let arg = parser.argument()?;
            Ok(Some(Value::Call { function, args, arg }))
        })
    }

    fn call_arguments(&mut self) -> Parsed<Vec<Value>> {
        let mut args = Vec::new();
        loop {
            self.blanks();
            args.push(self.level(Self::call_argument)?);
            self.blanks();
            if self.symbol(")") {
                return Ok(args);
            }
            if !self.symbol(",") {
                return Err(self.error("expected a ')' token closing the transformer"));
            }
        }
    }

    fn call_argument(&mut self) -> Parsed<Value> {
        if self.symbol("(") {
            return self.call_list();
        }
        match self.call_item()? {
            Some(value) => Ok(value),
            None => Err(self
                .error("expected a valid transformer argument: a field, a transformer, a string, a number or a list")),
        }
    }

    fn call_item(&mut self) -> Parsed<Option<Value>> {
        if let Some(text) = self.quoted()? {
            return Ok(Some(Value::Literal(text)));
        }
        if let Some(text) = self.hex_number().or_else(|| self.number()) {
            return Ok(Some(Value::Literal(text)));
        }
        if let Some(call) = self.call()? {
            return Ok(Some(call));
        }
        self.field()
    }

    /// A literal list of a transformer; the opening parenthesis is read.
    fn call_list(&mut self) -> Parsed<Value> {
        let mut items = Vec::new();
        self.blanks();
        if self.symbol(")") {
            return Ok(Value::List(items));
        }
        loop {
            self.blanks();
            match self.call_item()? {
                Some(item) => items.push(item),
                None => return Err(self.error("expected a field, a transformer, a string or a number in the list")),
            }
            self.blanks();
            if self.symbol(")") {
                return Ok(Value::List(items));
            }
            if !self.symbol(",") {
                return Err(self.error("expected a ')' token closing the list"));
            }
        }
    }

    // ---- checks

    fn condition(&mut self, left: Value, start: usize) -> Parsed<Expr> {
        let Some((operator, word)) = self.operator() else {
            return Err(self.error(
                "expected a valid check operator: one of '=', '==', '!=', '<', '<=', '>', '>=', 'contains', 'icontains', \
                 'bcontains', 'startswith', 'bstartswith', 'endswith', 'glob', 'iglob', 'regex', 'in', 'intersects', \
                 'pmatch', 'exists'",
            ));
        };
        let (modifier, right) = match operator {
            Operator::Exists => (None, Right::None),
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
                self.blanks();
                (None, self.level(Self::numeric_right)?)
            }
            Operator::In | Operator::Intersects | Operator::Pmatch => {
                self.blanks();
                (None, self.level(Self::list_right)?)
            }
            _ => self.level(Self::string_right)?,
        };
        let span = (start, self.last.1);
        Ok(Expr::Check(Box::new(Check { left, operator, word, modifier, right, span, macro_place: None })))
    }

    fn operator(&mut self) -> Option<(Operator, &'static str)> {
        let rest = self.rest();
        let fits = |operator: Operator, word: &str| {
            rest.starts_with(word.as_bytes())
                && (word.len() < 3
                    || matches!(operator, Operator::Intersects | Operator::Pmatch | Operator::Exists)
                    || self.blank_at(word.len()))
        };
        let longest =
            Operator::ALL.iter().filter(|(operator, word)| fits(*operator, word)).max_by_key(|(_, word)| word.len());
        let &(operator, word) = longest?;
        self.take(word.len());
        Some((operator, word))
    }

    fn numeric_right(&mut self) -> Parsed<Right> {
        if let Some(value) = self.level(Self::right_value)? {
            return Ok(Right::Value(value));
        }
        match self.hex_number().or_else(|| self.number()) {
            Some(text) => Ok(Right::Constant(text)),
            None => Err(self.error("expected a number value or a field with a valid transformer")),
        }
    }

    fn list_right(&mut self) -> Parsed<Right> {
        if self.symbol("(") {
            return self.list();
        }
        if let Some(value) = self.level(Self::right_value)? {
            return Ok(Right::Value(value));
        }
        match self.identifier() {
            Some(name) => Ok(Right::Constant(name.into_bytes())),
            None => Err(self.error("expected a list, an identifier or a field with a valid transformer")),
        }
    }

    fn string_right(&mut self) -> Parsed<(Option<Modifier>, Right)> {
        let blank = self.blanks();
        if let Some(modifier) = self.modifier(blank) {
            if self.symbol("(") {
                return Ok((Some(modifier), self.list()?));
            }
            // What follows was seen to be an identifier.
            let name = self.identifier().unwrap_or_default();
            return Ok((Some(modifier), Right::Constant(name.into_bytes())));
        }
        if let Some(value) = self.level(Self::right_value)? {
            return Ok((None, Right::Value(value)));
        }
        match self.constant()? {
            Some(text) => Ok((None, Right::Constant(text))),
            None => Err(self.error(
                "expected a string value or a field with a valid transformer: 'val', 'tolower', 'toupper', 'b64', \
                 'basename', 'len', 'join', 'concat', 'getopt'",
            )),
        }
    }

    /// A modifier with the blanks around it, if a list or an identifier follows; else the word is a plain value.
    fn modifier(&mut self, blank: bool) -> Option<Modifier> {
        let rest = self.rest();
        let (modifier, word) = *Modifier::ALL
            .iter()
            .find(|(_, word)| blank && rest.starts_with(word.as_bytes()) && self.blank_at(word.len()))?;
        let blanks = rest.iter().skip(word.len()).take_while(|byte| is_blank(**byte)).count();
        let after = word.len() + blanks;
        if rest.get(after) != Some(&b'(') {
            let len = self.identifier_len(self.at + after);
            let name = rest.get(after..after + len).unwrap_or_default();
            let joins = ["and", "or", "not"].iter().any(|join| {
                name.starts_with(join.as_bytes()) && !name.get(join.len()).is_some_and(u8::is_ascii_alphanumeric)
            });
            if name.is_empty() || joins {
                return None;
            }
        }
        self.take(word.len());
        self.blanks();
        Some(modifier)
    }

    /// The constants of a list; the opening parenthesis is read.
    fn list(&mut self) -> Parsed<Right> {
        let mut items = Vec::new();
        self.blanks();
        if self.symbol(")") {
            return Ok(Right::List(items));
        }
        loop {
            self.blanks();
            match self.constant()? {
                Some(item) => items.push(item),
                None => return Err(self.error("expected a string value in the list")),
            }
            self.blanks();
            if self.symbol(")") {
                return Ok(Right::List(items));
            }
            if !self.symbol(",") {
                return Err(self.error("expected a ')' token"));
            }
        }
    }

    /// `val( )` or a transformer on the right.
    fn right_value(&mut self) -> Parsed<Option<Value>> {
        if !self.symbol("val(") {
            return self.call();
        }
        self.blanks();
        let Some(field) = self.field()? else { return Err(self.error("expected a field in 'val'")) };
        self.blanks();
        if !self.symbol(")") {
            return Err(self.error("expected a ')' token closing the transformer"));
        }
        let arg = self.argument()?;
        Ok(Some(Value::Call { function: Function::Val, args: vec![field], arg }))
    }
}
