//! Comparisons of values with constants and with each other.

use std::net::IpAddr;

use falco_replay_rules::posix_regex;
use falco_replay_rules::program::{Constant, Operator};
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use regex::bytes::Regex;

use crate::glob;
use crate::path_prefix::PathPrefixes;
use crate::sets::{AddressSet, NetworkSet, TextsWithin};
use crate::value::Value;

/// Lists up to this length are compared one by one.
const SMALL_LIST: usize = 6;

/// One comparison with a constant, or a membership.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    Equal(Vec<u8>),
    Less(Vec<u8>),
    LessEqual(Vec<u8>),
    Contains(Box<memchr::memmem::Finder<'static>>),
    ContainsNoCase(Vec<u8>),
    StartsWith(Vec<u8>),
    EndsWith(Vec<u8>),
    Glob(Vec<u8>),
    GlobNoCase(Vec<u8>),
    Regex(Option<Regex>),
    OneOf(Vec<Vec<u8>>),
    InSet(HashSet<Vec<u8>, FixedState>),
    PathPrefix(PathPrefixes),
    Number(Operator, i64),
    Numbers(Vec<i64>),
    Double(Operator, f64),
    Bool(bool),
    Bools(Vec<bool>),
    Address(IpAddr),
    Addresses(AddressSet),
    Networks(NetworkSet),
    /// At least one of many texts is within.
    ContainsAny(TextsWithin),
    /// The opposite of another test.
    Not(Box<Test>),
    Never,
}

pub(crate) fn membership(constants: &[Constant]) -> Test {
    match constants.first() {
        None => Test::Never,
        Some(Constant::Bytes(_)) => {
            let all = constants.iter().filter_map(|constant| match constant {
                Constant::Bytes(bytes) => Some(bytes.clone()),
                _ => None,
            });
            if constants.len() <= SMALL_LIST { Test::OneOf(all.collect()) } else { Test::InSet(all.collect()) }
        }
        Some(Constant::Int(_)) => Test::Numbers(
            constants.iter().filter_map(|c| if let Constant::Int(number) = c { Some(*number) } else { None }).collect(),
        ),
        Some(Constant::Bool(_)) => Test::Bools(
            constants.iter().filter_map(|c| if let Constant::Bool(value) = c { Some(*value) } else { None }).collect(),
        ),
        Some(Constant::Ip(_)) => Test::Addresses(AddressSet::new(
            constants.iter().filter_map(|c| if let Constant::Ip(ip) = c { Some(*ip) } else { None }).collect(),
        )),
        Some(Constant::Net(..)) => Test::Networks(NetworkSet::new(
            constants
                .iter()
                .filter_map(|c| if let Constant::Net(ip, length) = c { Some((*ip, *length)) } else { None })
                .collect(),
        )),
        Some(Constant::Double(_)) => Test::Never,
    }
}

pub(crate) fn single(op: Operator, constant: &Constant) -> Test {
    use Operator as O;
    if op == O::Ne && !matches!(constant, Constant::Int(_) | Constant::Double(_)) {
        return Test::Not(Box::new(single(O::Eq, constant)));
    }
    match constant {
        Constant::Bytes(bytes) => {
            let bytes = bytes.clone();
            match op {
                O::Eq => Test::Equal(bytes),
                O::Lt => Test::Less(bytes),
                O::Le => Test::LessEqual(bytes),
                O::Gt => Test::Not(Box::new(Test::LessEqual(bytes))),
                O::Ge => Test::Not(Box::new(Test::Less(bytes))),
                O::Contains | O::Bcontains => {
                    Test::Contains(Box::new(memchr::memmem::Finder::new(&bytes).into_owned()))
                }
                O::Icontains => Test::ContainsNoCase(bytes.to_ascii_lowercase()),
                O::Startswith | O::Bstartswith => Test::StartsWith(bytes),
                O::Endswith => Test::EndsWith(bytes),
                O::Glob => Test::Glob(bytes),
                O::Iglob => Test::GlobNoCase(bytes.to_ascii_lowercase()),
                O::Regex => {
                    let pattern = String::from_utf8_lossy(&bytes);
                    Test::Regex(posix_regex::to_rust_pattern(&pattern).ok().and_then(|p| Regex::new(&p).ok()))
                }
                O::In | O::Intersects => Test::OneOf(vec![bytes]),
                O::Ne | O::Exists | O::Pmatch => Test::Never,
            }
        }
        Constant::Int(number) => Test::Number(op, *number),
        Constant::Double(number) => Test::Double(op, *number),
        Constant::Bool(value) => Test::Bool(*value),
        Constant::Ip(ip) => Test::Address(*ip),
        Constant::Net(ip, length) => Test::Networks(NetworkSet::new(vec![(*ip, *length)])),
    }
}

pub(crate) fn number_holds(op: Operator, value: &Value<'_>, constant: i64) -> bool {
    let order = match value {
        Value::Int(number) => number.cmp(&constant),
        Value::Uint(number) => number.cmp(&(constant as u64)),
        Value::Bool(value) => i64::from(*value).cmp(&constant),
        _ => return false,
    };
    ordered(op, order)
}

fn ordered(op: Operator, order: std::cmp::Ordering) -> bool {
    match op {
        Operator::Eq | Operator::In | Operator::Intersects => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        _ => false,
    }
}

pub(crate) fn holds(test: &Test, value: &Value<'_>) -> bool {
    match (test, value) {
        (Test::Not(test), value) => !holds(test, value),
        (Test::Number(op, constant), value) => number_holds(*op, value, *constant),
        (Test::Numbers(list), value) => list.iter().any(|&constant| number_holds(Operator::Eq, value, constant)),
        (Test::Double(op, constant), Value::Double(number)) => {
            number.partial_cmp(constant).is_some_and(|order| ordered(*op, order))
        }
        (Test::Bool(constant), Value::Bool(value)) => value == constant,
        (Test::Bools(list), Value::Bool(value)) => list.contains(value),
        (Test::Address(constant), Value::Ip(ip)) => ip == constant,
        (Test::Addresses(set), Value::Ip(ip)) => set.contains(*ip),
        (Test::Networks(set), Value::Ip(ip)) => set.holds(*ip),
        (test, Value::Bytes(bytes)) => text_holds(test, bytes),
        _ => false,
    }
}

fn text_holds(test: &Test, text: &[u8]) -> bool {
    match test {
        Test::Equal(constant) => text == &constant[..],
        Test::Less(constant) => text < &constant[..],
        Test::LessEqual(constant) => text <= &constant[..],
        Test::Contains(finder) => finder.find(text).is_some(),
        Test::ContainsNoCase(constant) => {
            let lower = text.to_ascii_lowercase();
            memchr::memmem::find(&lower, constant).is_some()
        }
        Test::StartsWith(constant) => text.starts_with(constant),
        Test::EndsWith(constant) => text.ends_with(constant),
        Test::Glob(pattern) => glob::matches(pattern, text),
        Test::GlobNoCase(pattern) => glob::matches(pattern, &text.to_ascii_lowercase()),
        Test::Regex(regex) => regex.as_ref().is_some_and(|regex| match std::str::from_utf8(text) {
            Ok(_) => regex.is_match(text),
            // Bytes that are no UTF-8 count as U+FFFD, as in RE2's text.
            Err(_) => regex.is_match(String::from_utf8_lossy(text).as_bytes()),
        }),
        Test::OneOf(list) => list.iter().any(|constant| text == &constant[..]),
        Test::InSet(set) => set.contains(text),
        Test::PathPrefix(prefixes) => prefixes.hold(text),
        Test::ContainsAny(texts) => texts.any_in(text),
        _ => false,
    }
}

/// Compares two values of the same event.
pub(crate) fn compare(op: Operator, left: &Value<'_>, right: &Value<'_>, list: bool) -> bool {
    use std::cmp::Ordering;
    if list {
        let (Value::List(left), Value::List(right)) = (left, right) else { return false };
        return match op {
            Operator::In => left.iter().all(|item| right.contains(item)),
            Operator::Intersects => left.iter().any(|item| right.contains(item)),
            _ => false,
        };
    }
    if let (Value::Bytes(left), Value::Bytes(right)) = (left, right) {
        return match op {
            Operator::Contains | Operator::Bcontains => memchr::memmem::find(left, right).is_some(),
            Operator::Icontains => {
                memchr::memmem::find(&left.to_ascii_lowercase(), &right.to_ascii_lowercase()).is_some()
            }
            Operator::Startswith | Operator::Bstartswith => left.starts_with(right),
            Operator::Endswith => left.ends_with(right),
            Operator::Glob => glob::matches(right, left),
            Operator::Iglob => glob::matches(&right.to_ascii_lowercase(), &left.to_ascii_lowercase()),
            op => ordered(op, left.cmp(right)),
        };
    }
    let order = match (left, right) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Uint(a), Value::Uint(b)) => a.cmp(b),
        (Value::Int(a), Value::Uint(b)) => i128::from(*a).cmp(&i128::from(*b)),
        (Value::Uint(a), Value::Int(b)) => i128::from(*a).cmp(&i128::from(*b)),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b).unwrap_or(Ordering::Less),
        (Value::Ip(a), Value::Ip(b)) => a.cmp(b),
        _ => return false,
    };
    ordered(op, order)
}
