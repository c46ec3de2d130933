//! `-c falco.yaml` and `-o key=value`.

use std::fs;

use crate::captures::two_alerts;
use crate::program::{Folder, Ran};

fn run(config: &str, args: &[&str]) -> Ran {
    let folder = Folder::with_capture(&two_alerts()).file("falco.yaml", config);
    folder.run(&[&["run", "-c", "falco.yaml"][..], args, &["a.scap"]].concat())
}

#[test]
fn what_a_configuration_says_is_taken_over() {
    let ran = run(
        "
rules_files: [rules.yaml, not_there.yaml]
rules:
  - disable: {rule: '*'}
  - enable: {tag: secret}
json_output: yes
json_include_output_property: false
json_include_message_property: true
json_include_tags_property: false
time_format_iso_8601: true
static_fields: {cluster: east}
append_output:
  - match: {source: syscall}
    extra_output: in %static.cluster
    extra_fields: [evt.num, number: 'n=%evt.num']
",
        &["-q"],
    );
    assert_eq!(
        ran.out,
        concat!(
            r#"{"hostname":"node-test","message":"shadow of cat at 1 in east","#,
            r#""output_fields":{"evt.num":1,"evt.time.iso8601":1777636800000000000,"number":"n=1","#,
            r#""proc.name":"cat","static.cluster":"east"},"priority":"Warning","rule":"shadow read","#,
            r#""source":"syscall","time":"2026-05-01T12:00:00.000000000Z"}"#,
            "\n"
        ),
        "{}",
        ran.err
    );
}

#[test]
fn options_and_flags_count_more() {
    let config = "rules_files: [rules.yaml]\njson_output: true\nrule_matching: all\npriority: warning\n";
    assert_eq!(run(config, &["-q"]).lines().len(), 1);
    let ran = run(config, &["-q", "-o", "priority=debug", "-o", "rules[].disable.rule=any*"]);
    assert_eq!(ran.lines().len(), 1);
    let ran = run(config, &["-q", "--output", "text", "--priority", "notice", "--rule-matching", "first"]);
    assert_eq!(
        ran.lines(),
        ["12:00:00.000000000: Warning shadow of cat at 1", "12:00:00.002000000: Notice open /tmp/x at 3"]
    );
}

#[test]
fn what_means_nothing_here_is_named_once() {
    let ran = run("rules_files: [rules.yaml]\nhttp_output: {enabled: true}\nlog_level: info\n", &[]);
    assert!(ran.err.contains("without meaning in a replay, ignored: http_output, log_level\n"), "{}", ran.err);
    assert_eq!(ran.code, 1);
}

#[test]
fn variables_and_further_files() {
    let folder = Folder::with_capture(&two_alerts())
        .file("falco.yaml", "rules_files: ['${WHERE}/rules.yaml']\nconfig_files: [more]\n")
        .file("more/1.yaml", "rules: [{disable: {rule: 'any*'}}]\n");
    let ran = folder.command(&["run", "-q", "-c", "falco.yaml", "a.scap"]).env("WHERE", ".").output().unwrap();
    assert_eq!(Ran::of(ran).lines(), ["12:00:00.000000000: Warning shadow of cat at 1"]);
}

#[test]
fn a_file_output_is_added_to() {
    let folder = Folder::with_capture(&two_alerts())
        .file("falco.yaml", "rules_files: [rules.yaml]\nfile_output: {enabled: true, filename: log}\n")
        .file("log", "before\n");
    let ran = folder.run(&["run", "-q", "-c", "falco.yaml", "a.scap"]);
    assert_eq!(ran.lines().len(), 2);
    assert_eq!(fs::read_to_string(folder.path("log")).unwrap(), format!("before\n{}", ran.out));
    let ran = folder.run(&["run", "-q", "-c", "falco.yaml", "-o", "stdout_output.enabled=false", "a.scap"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(folder.path("log")).unwrap().lines().count(), 5);
}

#[test]
fn the_capture_may_be_configured() {
    let folder = Folder::with_capture(&two_alerts())
        .file("falco.yaml", "rules_files: [rules.yaml]\nengine: {kind: replay, replay: {capture_file: a.scap}}\n");
    assert_eq!(folder.run(&["run", "-q", "-c", "falco.yaml"]).lines().len(), 2);
}

#[test]
fn wrong_configurations_say_what_is_wrong() {
    for (config, part) in [
        ("rules_files: [rules.yaml]\njson_output: perhaps\n", "json_output: true or false is expected"),
        ("rules_files: [nowhere.yaml]\n", "none of the configured rules files exists (nowhere.yaml)"),
        ("rules_files: [rules.yaml]\nrules: [{enable: {name: x}}]\n", "rule or tag is expected, not 'name'"),
        ("rules_files: [rules.yaml]\npriority: urgent\n", "unknown priority 'urgent'"),
        ("a: [", "falco.yaml is no valid configuration file"),
        ("just text", "keys and values are expected"),
    ] {
        let ran = run(config, &[]);
        assert!(ran.code == 2 && ran.err.contains(part), "{part} is not in\n{}", ran.err);
    }
}
