//! The normal form of a condition reads back as the same condition, where its strings are such that it can.

use falco_replay_rules::parse::{RULE_NESTING, parse_condition};
use falco_replay_rules::program::{Modifier, Operator};
use falco_replay_rules::syntax::{Check, Expr, Function, MacroRef, Right, Value};
use proptest::prelude::*;

/// Strings that the normal form keeps apart: not empty, no parentheses, no commas, no quote that would begin one.
fn string() -> impl Strategy<Value = Vec<u8>> {
    "[a-z/.*:<>_0-9 \t\\\\=-]{0,8}[a-z0-9]".prop_map(String::into_bytes)
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,5}_[a-z0-9]{1,4}"
}

fn field() -> impl Strategy<Value = Value> {
    (name(), name(), proptest::option::of(string()))
        .prop_map(|(first, second, arg)| Value::Field { name: format!("{first}.{second}"), arg })
}

fn value() -> impl Strategy<Value = Value> {
    field().prop_recursive(4, 16, 3, |inner| {
        let call =
            prop_oneof![Just(Function::ToLower), Just(Function::Len), Just(Function::Concat), Just(Function::Getopt)];
        (call, proptest::collection::vec(inner, 1..3), proptest::option::of(string()))
            .prop_map(|(function, args, arg)| Value::Call { function, args, arg })
    })
}

fn check() -> impl Strategy<Value = Expr> {
    let words = prop_oneof![Just((Operator::Eq, "==")), Just((Operator::Ne, "!=")), Just((Operator::Glob, "glob"))];
    let lists = prop_oneof![Just((Operator::In, "in")), Just((Operator::Pmatch, "pmatch"))];
    let list = || proptest::collection::vec(string(), 0..4).prop_map(Right::List);
    let plain = (words.clone(), string().prop_map(Right::Constant)).prop_map(|(word, right)| (word, None, right));
    let modified = (words.clone(), list()).prop_map(|(word, right)| (word, Some(Modifier::Anyof), right));
    let listed = (lists, list()).prop_map(|(word, right)| (word, None, right));
    let exists = Just(((Operator::Exists, "exists"), None, Right::None));
    let fields = (words, value()).prop_map(|(word, right)| {
        let right = match right {
            Value::Field { .. } => Value::Call { function: Function::Val, args: vec![right], arg: None },
            other => other,
        };
        (word, None, Right::Value(right))
    });
    (value(), prop_oneof![plain, modified, listed, exists, fields]).prop_map(
        |(left, ((operator, word), modifier, right))| {
            Expr::Check(Box::new(Check { left, operator, word, modifier, right, span: (0, 0), macro_place: None }))
        },
    )
}

fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![check(), name().prop_map(|name| Expr::Macro(MacroRef { name, at: 0 }))];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let chain = || proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            chain().prop_map(Expr::And),
            chain().prop_map(Expr::Or),
            // An even number of nots vanishes.
            inner
                .clone()
                .prop_filter("not not", |child| !matches!(child, Expr::Not(_)))
                .prop_map(|child| Expr::Not(Box::new(child))),
        ]
    })
}

/// Positions are not part of what is compared.
fn erase(expr: &mut Expr) {
    match expr {
        Expr::And(children) | Expr::Or(children) => children.iter_mut().for_each(erase),
        Expr::Not(child) => erase(child),
        Expr::Macro(reference) => reference.at = 0,
        Expr::Check(check) => check.span = (0, 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn normal_forms_read_back(expr in expr()) {
        let text = String::from_utf8(expr.normal_form()).unwrap();
        let mut parsed = parse_condition(&text, RULE_NESTING).map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        erase(&mut parsed);
        prop_assert_eq!(parsed, expr, "{}", text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "[ a-z.()'\"=<>!,\\[\\]0-9\\\\x\n]{0,60}") {
        if let Ok(expr) = parse_condition(&text, RULE_NESTING) {
            // What parses has a normal form, and where that parses it is its own.
            let once = String::from_utf8_lossy(&expr.normal_form()).into_owned();
            if let Ok(again) = parse_condition(&once, RULE_NESTING) {
                let twice = String::from_utf8_lossy(&again.normal_form()).into_owned();
                if parse_condition(&twice, RULE_NESTING).is_ok() && !once.contains(['"', '\'']) && !text.contains(['"', '\'']) {
                    prop_assert_eq!(once, twice);
                }
            }
        }
    }
}
