//! Which rules run: flags in their order, priority.

use crate::captures::two_alerts;
use crate::program::Folder;

/// The rules that alert with these arguments.
fn rules(args: &[&str]) -> Vec<String> {
    let folder = Folder::with_capture(&two_alerts());
    let ran = folder.run(&[&["run", "-q", "-r", "rules.yaml", "--output", "json"][..], args, &["a.scap"]].concat());
    let rule = |line: &str| {
        let alert: serde_json::Value = serde_json::from_str(line).unwrap();
        alert["rule"].as_str().unwrap().to_owned()
    };
    ran.lines().into_iter().map(rule).collect()
}

#[test]
fn flags_apply_in_the_order_given() {
    assert_eq!(rules(&["--disable", "shadow*"]), ["any open", "any open"]);
    assert_eq!(rules(&["--disable", "*", "--enable-tag", "secret"]), ["shadow read"]);
    assert_eq!(rules(&["--disable-tag", "files", "--enable", "any*"]), ["any open", "any open"]);
    assert_eq!(rules(&["--enable", "any*", "--disable-tag", "secret"]), ["any open", "any open"]);
}

#[test]
fn a_priority_leaves_out_less_severe_rules() {
    assert_eq!(rules(&["--priority", "warning"]), ["shadow read"]);
    assert_eq!(rules(&["--priority", "INFO"]), ["shadow read", "any open"]);
}

#[test]
fn no_rule_left_is_an_error() {
    let folder = Folder::with_capture(&two_alerts());
    for args in [&["--disable", "*"][..], &["--priority", "emergency"]] {
        let ran = folder.run(&[&["run", "-r", "rules.yaml"][..], args, &["a.scap"]].concat());
        assert!(ran.code == 2 && ran.err.contains("no rule is left to run"), "{}", ran.err);
    }
}
