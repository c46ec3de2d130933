//! Whole rules files: merging, exceptions, selection, outputs, and files that mean harm.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod toy;

use falco_replay_rules::diagnostic::{Code, Severity};
use falco_replay_rules::program::Priority;
use falco_replay_rules::{AppendOutput, ExtraField, Loaded, Options, RulesFile, Selection, Which, load};
use std::time::Instant;
use toy::Toy;

fn loaded_with(texts: &[&str], options: &Options) -> Loaded {
    let names: Vec<_> = (0..texts.len()).map(|place| format!("{place}.yaml")).collect();
    let files: Vec<_> =
        texts.iter().zip(&names).map(|(text, name)| RulesFile { name, content: text.as_bytes() }).collect();
    load(&files, &Toy::new(), options)
}

fn loaded(texts: &[&str]) -> Loaded {
    loaded_with(texts, &Options::default())
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.diagnostics().map(|diagnostic| diagnostic.code).collect()
}

fn rule(name: &str, condition: &str) -> String {
    format!("- rule: {name}\n  desc: d\n  condition: >\n    {condition}\n  output: o %proc.name\n  priority: INFO\n")
}

fn compiled(loaded: &Loaded, name: &str) -> String {
    let description = loaded.describe(&Toy::new());
    let rules = description["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["info"]["name"] == name).unwrap();
    rule["details"]["condition_compiled"].as_str().unwrap().to_owned()
}

#[test]
fn lists_and_macros_are_put_in_place() {
    let text = format!(
        "- list: a\n  items: [x, 'y z']\n- list: b\n  items: [a, w]\n- macro: m\n  condition: proc.name in (b) or evt.num > 3\n{}",
        rule("R", "evt.type = open and m and not proc.pname in (b, late)")
    ) + "- list: late\n  items: []\n";
    let loaded = loaded(&[&text]);
    assert_eq!(codes(&loaded), []);
    assert_eq!(
        compiled(&loaded, "R"),
        "(evt.type = open and (proc.name in (x, \"y z\", w) or evt.num > 3) and not proc.pname in (x, \"y z\", w))"
    );
}

#[test]
fn exceptions_are_appended_to_the_condition() {
    let text = rule("R", "evt.type=open")
        + "  exceptions:\n    - name: single\n      fields: proc.name\n      values: [a, 'b c']\n    - name: pairs\n      \
           fields: [proc.name, fd.name]\n      comps: [in, startswith]\n      values:\n        - [[d, e], /etc]\n    - name: none\n      fields: [proc.name]\n";
    let more = "- rule: R\n  exceptions:\n    - name: none\n      values: [[f]]\n  override:\n    exceptions: append\n";
    let loaded = loaded(&[&text, more]);
    assert_eq!(codes(&loaded), []);
    assert_eq!(
        compiled(&loaded, "R"),
        "(evt.type = open and not proc.name in (a, \"b c\") and not (proc.name in (d, e) and fd.name startswith /etc) and not proc.name = f)"
    );
}

#[test]
fn later_files_change_earlier_rules() {
    let first = rule("R", "evt.type = open") + &rule("S", "evt.type = connect");
    let second = "- rule: R\n  condition: and proc.name = a\n  priority: ERROR\n  tags: [t]\n  override:\n    condition: append\n    \
                  priority: replace\n    tags: append\n- rule: S\n  enabled: false\n";
    let loaded = loaded(&[&first, second]);
    assert_eq!(codes(&loaded), [Code::DeprecatedItem]);
    let [r, s] = loaded.program.rules.as_slice() else { panic!() };
    assert_eq!((r.priority, r.tags.as_slice(), s.enabled), (Priority::Error, ["t".to_owned()].as_slice(), false));
    assert_eq!(compiled(&loaded, "R"), "(evt.type = open and proc.name = a)");
}

#[test]
fn all_errors_are_told_and_good_rules_stay() {
    let text = "- rule: A\n  desc: d\n  condition: no.such = 1 and proc.pid = x\n  output: %no.such\n  priority: HIGH\n"
        .replace("%no.such", "'%no.such'")
        + &rule("B", "proc.name = ")
        + &rule("C", "nosuch_macro and evt.type = open") + &rule("D", "evt.type = open");
    let loaded = loaded(&[&text]);
    let errors: Vec<_> = loaded.diagnostics().filter(|diagnostic| diagnostic.severity() == Severity::Error).collect();
    assert_eq!(
        errors.iter().map(|error| error.code).collect::<Vec<_>>(),
        [Code::ErrYamlValidate, Code::ErrCompileCondition, Code::ErrValidate]
    );
    assert_eq!(loaded.program.rules.len(), 1);
    let text = text.replace("HIGH", "INFO");
    let loaded = self::loaded(&[&text]);
    assert_eq!(codes(&loaded).len(), 5, "{:?}", codes(&loaded));
}

#[test]
fn unknown_fields_can_be_asked_to_drop_the_rule() {
    let text = rule("A", "no.such = 1") + "  skip-if-unknown-filter: true\n" + &rule("B", "evt.type = open");
    let loaded = loaded(&[&text]);
    assert_eq!(codes(&loaded), [Code::UnknownFilter]);
    assert_eq!(loaded.program.rules.len(), 1);
}

#[test]
fn unknown_sources_and_missing_plugins_are_warnings() {
    let text =
        "- required_plugin_versions:\n    - {name: k8saudit, version: 0.1.0}\n    - {name: container, version: 0.4.0}\n"
            .to_owned()
            + &rule("A", "ka.verb = get") + "  source: k8s_audit\n";
    let loaded = loaded(&[&text]);
    assert_eq!(codes(&loaded), [Code::UnknownSource, Code::PluginMissing]);
    assert!(loaded.successful() && loaded.program.rules.is_empty());
}

#[test]
fn rules_are_selected_in_order() {
    let text = rule("Read a", "evt.type = open")
        + "  tags: [x]\n"
        + &rule("Read b", "evt.type = open")
        + &rule("Write", "evt.type = open");
    let mut program = loaded(&[&text]).program;
    let step = |enable, which| Selection { enable, which };
    program.select(&[
        step(false, Which::Name("*".to_owned())),
        step(true, Which::Name("Read*".to_owned())),
        step(false, Which::Tag("x".to_owned())),
    ]);
    assert_eq!(program.rules.iter().map(|rule| rule.enabled).collect::<Vec<_>>(), [false, true, false]);
    program.keep_priority(Priority::Warning);
    assert!(program.rules.is_empty());
}

#[test]
fn outputs_are_extended() {
    let addition = AppendOutput {
        source: Some("syscall".to_owned()),
        extra_output: "ip=%fd.sip".to_owned(),
        extra_fields: vec![
            ExtraField::Field("proc.pid".to_owned()),
            ExtraField::Format { key: "k".to_owned(), format: "<%evt.num>".to_owned() },
        ],
        suggested_output: true,
        ..AppendOutput::default()
    };
    let options = Options { append_output: vec![addition], ..Options::default() };
    let loaded = loaded_with(&[&rule("R", "evt.type = open")], &options);
    assert_eq!(codes(&loaded), []);
    let rule = &loaded.program.rules[0];
    let names: Vec<_> = rule.output.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["proc.name", "fd.sip", "container.id"]);
    assert_eq!(rule.extra_fields.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["proc.pid", "k"]);
}

#[test]
fn macros_that_double_are_refused() {
    let mut text = String::from("- macro: m0\n  condition: evt.num > 3\n");
    for level in 1..64 {
        text.push_str(&format!("- macro: m{level}\n  condition: m{0} and m{0}\n", level - 1));
    }
    text.push_str(&rule("R", "m63"));
    let start = Instant::now();
    let loaded = loaded(&[&text]);
    assert!(!loaded.successful());
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn lists_that_double_are_refused() {
    let mut text = String::new();
    for level in 0..64 {
        text.push_str(&format!("- list: l{level}\n  items: [l{0}, l{0}, l{0}, l{0}]\n", level + 1));
    }
    text.push_str(&rule("R", "proc.name in (l0)"));
    assert!(!loaded(&[&text]).successful());
}

#[test]
fn chains_of_macros_are_bounded() {
    let mut text = String::new();
    for level in 0..5000 {
        text.push_str(&format!("- macro: m{level}\n  condition: evt.num > 3\n"));
    }
    for level in 0..4999 {
        text.push_str(&format!("- macro: m{level}\n  condition: not m{}\n", level + 1));
    }
    text.push_str(&rule("R", "m0"));
    assert!(!loaded(&[&text]).successful());
    let mut text = String::from("- macro: m0\n  condition: evt.num > 3\n");
    for level in 1..5000 {
        text.push_str(&format!(
            "- macro: m{level}\n  condition: evt.failed = true or (m{} and proc.pid > 1)\n",
            level - 1
        ));
    }
    assert!(!loaded(&[&text]).successful());
}

#[test]
fn files_that_are_no_rules_are_told_so() {
    for content in [
        &b"\x7fELF\0\0\0"[..],
        b"\xff\xff\xff",
        b"{",
        b"\t- rule",
        b"- - - -",
        b"%YAML 9.9",
        b"- &a [*a]",
        b"&a a: *a",
        b"\0",
        b"42",
        b"a: b",
    ] {
        let results = load(&[RulesFile { name: "x", content }], &Toy::new(), &Options::default()).results;
        assert!(!results[0].successful(), "{:?}", String::from_utf8_lossy(content));
    }
    for content in [&b""[..], b"# nothing", b"---\n---\n", b"- \n- ~\n", b"\xef\xbb\xbf- list: a\n  items: []\n"] {
        let results = load(&[RulesFile { name: "x", content }], &Toy::new(), &Options::default()).results;
        assert!(results[0].successful(), "{:?}", results[0].diagnostics);
    }
}

#[test]
fn utf16_is_read() {
    let text = rule("R", "evt.type = open");
    let mut content = vec![0xff, 0xfe];
    content.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    let loaded = load(&[RulesFile { name: "x", content: &content }], &Toy::new(), &Options::default());
    assert_eq!(loaded.program.rules.len(), 1);
}
