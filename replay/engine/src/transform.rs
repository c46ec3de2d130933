//! Transformers: values made of values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use falco_replay_format::address::AddressText;
use falco_replay_rules::program::{Transformer, ValueExpr};

use crate::catalogue::Catalogue;
use crate::fields::{Domain, Extractor};
use crate::value::Value;
use crate::view::View;

/// Base64 whose padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An expression made ready to be evaluated.
#[derive(Debug, Clone)]
pub(crate) enum Expression {
    Field(Extractor),
    Transform { transformer: Transformer, args: Vec<Expression>, letter: Option<u8> },
    Literal(Vec<u8>),
    List(Vec<Expression>),
}

impl Expression {
    pub(crate) fn new(expr: &ValueExpr, catalogue: &Catalogue) -> Expression {
        match expr {
            ValueExpr::Field(field) => Expression::Field(Extractor::new(field, catalogue)),
            ValueExpr::Transform { transformer, args, letter } => Expression::Transform {
                transformer: *transformer,
                args: args.iter().map(|arg| Expression::new(arg, catalogue)).collect(),
                letter: *letter,
            },
            ValueExpr::Literal(bytes) => Expression::Literal(bytes.clone()),
            ValueExpr::List(items) => {
                Expression::List(items.iter().map(|item| Expression::new(item, catalogue)).collect())
            }
        }
    }

    /// Every field in it.
    pub(crate) fn extractors(&self) -> Vec<&Extractor> {
        match self {
            Expression::Field(extractor) => vec![extractor],
            Expression::Literal(_) => Vec::new(),
            Expression::Transform { args: items, .. } | Expression::List(items) => {
                items.iter().flat_map(Expression::extractors).collect()
            }
        }
    }

    /// The table over which the expression can be evaluated: that of all its fields, else the event.
    pub(crate) fn domain(&self) -> Domain {
        let mut domain = Domain::Type;
        for extractor in self.extractors() {
            let other = extractor.domain();
            domain = match (domain, other) {
                (a, b) if a == b => a,
                (Domain::Type, other) | (other, Domain::Type) => other,
                _ => Domain::Event,
            };
        }
        domain
    }

    /// The value at an event.
    pub(crate) fn evaluate<'a>(&'a self, view: &View<'a>) -> Option<Value<'a>> {
        self.evaluate_with(&|extractor| extractor.extract(view))
    }

    /// The value where `field` gives that of each field.
    pub(crate) fn evaluate_with<'a>(&'a self, field: &dyn Fn(&'a Extractor) -> Option<Value<'a>>) -> Option<Value<'a>> {
        match self {
            Expression::Field(extractor) => field(extractor),
            Expression::Literal(bytes) => Some(Value::text(bytes)),
            Expression::List(items) => {
                let items = items.iter().map(|item| Some(element(item.evaluate_with(field)?)));
                Some(Value::List(items.collect::<Option<_>>()?))
            }
            Expression::Transform { transformer, args, letter } => {
                let first = || args.first()?.evaluate_with(field);
                match transformer {
                    Transformer::ToLower => each(first()?, |bytes| bytes.to_ascii_lowercase()),
                    Transformer::ToUpper => each(first()?, |bytes| bytes.to_ascii_uppercase()),
                    Transformer::Basename => each(first()?, |bytes| {
                        let start = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
                        bytes[start..].to_vec()
                    }),
                    Transformer::B64 => match first()? {
                        Value::Bytes(bytes) => BASE64.decode(&*bytes).ok().map(Value::owned),
                        _ => None,
                    },
                    Transformer::Len => Some(Value::Uint(match first()? {
                        Value::Bytes(bytes) => bytes.len() as u64,
                        Value::List(items) => items.len() as u64,
                        _ => return None,
                    })),
                    Transformer::Join => {
                        let separator = element(first()?);
                        let Value::List(items) = args.get(1)?.evaluate_with(field)? else { return None };
                        Some(Value::owned(items.join(&separator[..])))
                    }
                    Transformer::Concat => {
                        let mut out = Vec::new();
                        for arg in args {
                            out.extend_from_slice(&element(arg.evaluate_with(field)?));
                        }
                        Some(Value::owned(out))
                    }
                    Transformer::Getopt => {
                        let Value::List(items) = first()? else { return None };
                        let options = element(args.get(1)?.evaluate_with(field)?);
                        getopt(&items, &options, *letter)
                    }
                }
            }
        }
    }
}

/// A value as the element of a list: numbers as decimal text.
fn element(value: Value<'_>) -> Cow<'_, [u8]> {
    match value {
        Value::Bytes(bytes) => bytes,
        Value::Int(number) => number.to_string().into_bytes().into(),
        Value::Uint(number) => number.to_string().into_bytes().into(),
        Value::Bool(value) => value.to_string().into_bytes().into(),
        Value::Double(value) => value.to_string().into_bytes().into(),
        Value::Ip(ip) => AddressText(ip).to_string().into_bytes().into(),
        Value::List(items) => items.join(&b","[..]).into(),
    }
}

fn each<'a>(value: Value<'a>, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<Value<'a>> {
    match value {
        Value::Bytes(bytes) => Some(Value::owned(change(&bytes))),
        Value::List(items) => Some(Value::List(items.iter().map(|item| change(item).into()).collect())),
        _ => None,
    }
}

/// What came with an option.
enum Given {
    /// It takes no value.
    Flag,
    /// Its value; `None` where the words ended before it.
    Value(Option<Vec<u8>>),
}

/// POSIX short options: each option's letter, then its value if it takes one.
///
/// Unknown options give `?`, a value that is missing is empty. The walk ends at `--` and at the first word that is no
/// option; words that start with `--` are passed over.
fn getopt<'a>(items: &[Cow<'a, [u8]>], options: &[u8], letter: Option<u8>) -> Option<Value<'a>> {
    let mut found: Vec<(u8, Given)> = Vec::new();
    let mut at = 0;
    while let Some(word) = items.get(at) {
        at += 1;
        if **word == *b"--" || word.len() < 2 || word[0] != b'-' {
            break;
        }
        if word.starts_with(b"--") {
            continue;
        }
        let mut rest = &word[1..];
        while let Some((&option, after)) = rest.split_first() {
            rest = after;
            let place = options.iter().position(|&known| known == option && option != b':');
            let Some(place) = place else {
                found.push((b'?', Given::Flag));
                continue;
            };
            if options.get(place + 1) != Some(&b':') {
                found.push((option, Given::Flag));
                continue;
            }
            let value = if rest.is_empty() {
                at += 1;
                items.get(at - 1).map(|word| word.to_vec())
            } else {
                Some(rest.to_vec())
            };
            found.push((option, Given::Value(value)));
            break;
        }
    }
    match letter {
        None => {
            let mut out: Vec<Cow<'a, [u8]>> = Vec::new();
            for (option, given) in found {
                match given {
                    Given::Flag => out.push(vec![option].into()),
                    Given::Value(Some(value)) => out.extend([vec![option].into(), value.into()]),
                    // Falco: the letter goes with the value that is missing.
                    Given::Value(None) => out.push(Cow::Borrowed(b"")),
                }
            }
            Some(Value::List(out))
        }
        Some(letter) => {
            let (option, given) = found.into_iter().rfind(|(option, _)| *option == letter)?;
            Some(Value::owned(match given {
                Given::Flag => vec![option],
                Given::Value(value) => value.unwrap_or_default(),
            }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str], options: &str, letter: Option<u8>) -> Option<String> {
        let items: Vec<Cow<'_, [u8]>> = words.iter().map(|word| word.as_bytes().into()).collect();
        match getopt(&items, options.as_bytes(), letter)? {
            Value::List(items) => Some(String::from_utf8(items.join(&b","[..])).unwrap()),
            Value::Bytes(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        }
    }

    #[test]
    fn short_options() {
        assert_eq!(options(&["-ab", "x", "rest"], "ab:", None).as_deref(), Some("a,b,x"));
        assert_eq!(options(&["--long", "-bvalue"], "b:", Some(b'b')).as_deref(), Some("value"));
        assert_eq!(options(&["-z"], "a", None).as_deref(), Some("?"));
        assert_eq!(options(&["-b"], "b:", None).as_deref(), Some(""));
        assert_eq!(options(&["-b"], "b:", Some(b'b')).as_deref(), Some(""));
        assert_eq!(options(&["-b", ""], "b:", None).as_deref(), Some("b,"));
        assert_eq!(options(&["x", "-a"], "a", Some(b'a')), None);
    }
}
