//! Any text as a condition, an output and a regular expression: nothing panics, and what compiles is whole.
#![no_main]

#[path = "../../tests/toy/mod.rs"]
mod toy;

use falco_replay_rules::condition::describe_condition;
use falco_replay_rules::parse::{RULE_NESTING, parse_condition};
use falco_replay_rules::posix_regex::to_rust_pattern;
use falco_replay_rules::{compile_condition, compile_template};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let schema = toy::Toy::new();
    let report = describe_condition(text, &schema);
    assert_eq!(report.compiles, compile_condition(text, &schema).is_ok());
    if let Ok(expr) = parse_condition(text, RULE_NESTING) {
        expr.normal_form();
    }
    let _ = compile_template(text, &schema);
    let _ = to_rust_pattern(text);
});
