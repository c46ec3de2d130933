//! What a test asks of values that are not listed.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use falco_replay_format::fcap::summary::{Matcher, Part, Summary};
use falco_replay_rules::program::{Modifier, Operator};

use super::source::{Form, Source};
use crate::check::Tests;
use crate::comparison::Test;

/// One thing that a test is satisfied with.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Text(Matcher),
    Network(IpAddr, u8),
    Number(RangeInclusive<u32>),
}

impl Wanted {
    /// Whether some value of the field may be it.
    pub(super) fn may_be(&self, source: Source, summary: &Summary) -> bool {
        source.keys.iter().any(|&key| match self {
            Wanted::Text(matcher) => summary.may_have(key, matcher),
            Wanted::Network(ip, length) => summary.may_have_address(*ip, *length),
            Wanted::Number(range) => summary.may_have_number(key, range),
        })
    }
}

/// For a value to pass it must be one of each of these; empty where nothing can be said.
pub(super) fn wanted(tests: &Tests, form: Form) -> Vec<Vec<Wanted>> {
    match tests {
        Tests::One(test) => of_test(test, form).into_iter().collect(),
        Tests::Modified(Modifier::Allof, tests) if tests.is_empty() => vec![Vec::new()],
        Tests::Modified(Modifier::Allof, tests) => tests.iter().filter_map(|test| of_test(test, form)).collect(),
        Tests::Modified(Modifier::Anyof | Modifier::Oneof, tests) => {
            let all: Option<Vec<Vec<Wanted>>> = tests.iter().map(|test| of_test(test, form)).collect();
            all.map(|all| all.into_iter().flatten().collect()).into_iter().collect()
        }
    }
}

/// A value passes only where it is one of these; `None` where nothing can be said.
fn of_test(test: &Test, form: Form) -> Option<Vec<Wanted>> {
    match form {
        Form::Text(part) => of_text(test, part).map(|all| all.into_iter().map(Wanted::Text).collect()),
        Form::Address => of_address(test),
        Form::Number => of_number(test).map(|all| all.into_iter().map(Wanted::Number).collect()),
        Form::SignedNumber => None,
    }
}

fn of_text(test: &Test, part: Part) -> Option<Vec<Matcher>> {
    Some(match test {
        Test::Equal(text) => vec![Matcher::equal(part, text)],
        Test::OneOf(texts) => texts.iter().map(|text| Matcher::equal(part, text)).collect(),
        Test::InSet(texts) => texts.iter().map(|text| Matcher::equal(part, text)).collect(),
        Test::StartsWith(start) => vec![Matcher::starting_with(part, start)],
        Test::EndsWith(end) => vec![Matcher::ending_with(part, end)],
        Test::Contains(finder) => vec![Matcher::containing(part, finder.needle())],
        Test::ContainsAny(texts) if !texts.any_case() => {
            texts.iter().map(|text| Matcher::containing(part, text)).collect()
        }
        Test::Glob(pattern) => vec![Matcher::glob(part, pattern)],
        Test::ContainsAny(texts) if !texts.any_case() => {
            texts.iter().map(|text| Matcher::containing(part, text)).collect()
        }
        Test::PathPrefix(prefixes) => prefixes
            .paths()?
            .into_iter()
            .map(|path| {
                let pattern = |component: &[u8]| component.iter().any(|byte| b"?*[".contains(byte));
                let known: Vec<Option<&[u8]>> =
                    path.into_iter().map(|component| Some(component).filter(|part| !pattern(part))).collect();
                Matcher::under(part, &known)
            })
            .collect(),
        Test::Never => Vec::new(),
        _ => return None,
    })
}

fn of_address(test: &Test) -> Option<Vec<Wanted>> {
    let single = |ip: &IpAddr| Wanted::Network(*ip, if ip.is_ipv4() { 32 } else { 128 });
    Some(match test {
        Test::Address(ip) => vec![single(ip)],
        Test::Addresses(ips) => ips.iter().map(single).collect(),
        Test::Networks(networks) => networks.iter().map(|(ip, length)| Wanted::Network(*ip, *length)).collect(),
        Test::Never => Vec::new(),
        _ => return None,
    })
}

fn of_number(test: &Test) -> Option<Vec<RangeInclusive<u32>>> {
    let exactly = |constant: i64| u32::try_from(constant as u64).ok().map(|number| number..=number);
    Some(match test {
        Test::Numbers(constants) => constants.iter().filter_map(|&constant| exactly(constant)).collect(),
        Test::Number(Operator::Eq | Operator::In | Operator::Intersects, constant) => {
            exactly(*constant).into_iter().collect()
        }
        Test::Number(op, constant) => {
            // As unsigned numbers, cut to what the values can be.
            let constant = *constant as u64;
            let least = |number: u64| u32::try_from(number).ok().map(|number| number..=u32::MAX);
            let most = |number: u64| 0..=u32::try_from(number).unwrap_or(u32::MAX);
            match op {
                Operator::Lt => constant.checked_sub(1).map(most).into_iter().collect(),
                Operator::Le => vec![most(constant)],
                Operator::Gt => constant.checked_add(1).and_then(least).into_iter().collect(),
                Operator::Ge => least(constant).into_iter().collect(),
                _ => return None,
            }
        }
        Test::Never => Vec::new(),
        _ => return None,
    })
}
