//! `run`: alerts, their form, where they go, how many there are.

use std::fs;

use serde_json::{Value, json};

use crate::captures::{Event, capture, gzip, long, no_alert, two_alerts};
use crate::program::{Folder, RULES};

const SUGGESTED: &str = " container_id=host container_name=host container_image_repository= container_image_tag= \
                         k8s_pod_name=<NA> k8s_ns_name=<NA>";

/// Runs with the rules of the folder and no suggested fields.
fn run(folder: &Folder, args: &[&str]) -> crate::program::Ran {
    folder.run(&[&["run", "-q", "-r", "rules.yaml", "-o", "append_output=[]"][..], args].concat())
}

#[test]
fn alerts_as_text() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = run(&folder, &["a.scap"]);
    assert_eq!(
        ran.lines(),
        ["12:00:00.000000000: Warning shadow of cat at 1", "12:00:00.002000000: Notice open /tmp/x at 3"]
    );
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
}

#[test]
fn suggested_fields_are_appended_without_a_configuration() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = folder.run(&["run", "-q", "-r", "rules.yaml", "a.scap"]);
    assert_eq!(ran.lines()[1], format!("12:00:00.002000000: Notice open /tmp/x at 3{SUGGESTED}"));
}

#[test]
fn alerts_as_json() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = run(&folder, &["--output", "json", "--with-origin", "a.scap"]);
    assert_eq!(
        ran.lines()[0],
        concat!(
            r#"{"capture":"a.scap","evt_num":1,"hostname":"node-test","#,
            r#""output":"12:00:00.000000000: Warning shadow of cat at 1","#,
            r#""output_fields":{"evt.num":1,"evt.time":1777636800000000000,"proc.name":"cat"},"#,
            r#""priority":"Warning","rule":"shadow read","source":"syscall","tags":["files","secret"],"#,
            r#""time":"2026-05-01T12:00:00.000000000Z"}"#
        )
    );
}

#[test]
fn exit_codes() {
    let folder = Folder::with_capture(&two_alerts()).file("quiet.scap", no_alert());
    assert_eq!(run(&folder, &["a.scap"]).code, 1);
    assert_eq!(run(&folder, &["--exit-zero", "a.scap"]).code, 0);
    assert_eq!(run(&folder, &["quiet.scap"]).code, 0);
    assert_eq!(run(&folder, &["missing.scap"]).code, 2);
    assert_eq!(run(&folder, &["--exit-zero", "missing.scap"]).code, 2);
    assert_eq!(folder.run(&["run", "--no-such-flag"]).code, 2);
}

#[test]
fn several_captures_keep_their_order_and_numbering() {
    let folder = Folder::with_capture(&two_alerts())
        .file("day/2.scap", two_alerts())
        .file("day/1.scap.gz", gzip([Event::Open("/tmp/one")]))
        .file("day/notes.txt", "");
    let ran = run(&folder, &["--with-origin", "day", "a.scap"]);
    let places: Vec<_> = ran.lines().iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(places, ["day/1.scap.gz:1", "day/2.scap:1", "day/2.scap:3", "a.scap:1", "a.scap:3"]);
    let pattern = run(&folder, &["--with-origin", "day/*.scap*"]);
    assert_eq!(pattern.lines(), &ran.lines()[..3]);
}

#[test]
fn standard_input_of_any_compression() {
    let folder = Folder::with_capture(&two_alerts());
    let args = ["run", "-q", "-r", "rules.yaml", "-"];
    let plain = folder.run_with_input(&args, &two_alerts());
    let events = [Event::Open("/etc/shadow"), Event::Close, Event::Open("/tmp/x"), Event::Close];
    let packed = folder.run_with_input(&args, &gzip(events));
    assert_eq!((plain.code, plain.lines().len()), (1, 2));
    assert_eq!(plain.out, packed.out);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = Folder::with_capture(&long());
    for more in [&[][..], &["--output", "json", "--max-per-rule", "700"], &["--rule-matching", "all"]] {
        let one = run(&folder, &[&["--threads", "1"][..], more, &["a.scap", "a.scap"]].concat());
        assert!(one.lines().len() > 1000, "{}", one.err);
        for threads in ["2", "3", "8"] {
            let many = run(&folder, &[&["--threads", threads][..], more, &["a.scap", "a.scap"]].concat());
            assert!(one.out == many.out && one.code == many.code, "{threads} threads with {more:?}");
        }
    }
}

#[test]
fn rule_matching() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = run(&folder, &["--rule-matching", "all", "a.scap"]);
    let numbers: Vec<_> = ran.lines().iter().map(|line| &line[20..]).collect();
    assert_eq!(numbers, ["Warning shadow of cat at 1", "Notice open /etc/shadow at 1", "Notice open /tmp/x at 3"]);
}

#[test]
fn only_events_of_a_span_of_time() {
    let folder = Folder::with_capture(&two_alerts());
    let numbers = |args: &[&str]| {
        let ran = run(&folder, &[args, &["a.scap"]].concat());
        ran.lines().iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&["--from", "2026-05-01T12:00:00.001Z"]), ["3"]);
    assert_eq!(numbers(&["--to", "2026-05-01T14:00:00.002+02:00"]), ["1"]);
    assert_eq!(numbers(&["--from", "1777636800.002", "--to", "1777636800002000001"]), ["3"]);
    assert!(numbers(&["--from", "2027-01-01T00:00:00Z"]).is_empty());
    let ran = run(&folder, &["--from", "5", "--to", "4", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("wrong way round"), "{}", ran.err);
}

#[test]
fn only_events_that_pass_a_condition() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = run(&folder, &["--filter", "fd.name startswith /tmp", "a.scap"]);
    assert_eq!(ran.lines(), ["12:00:00.002000000: Notice open /tmp/x at 3"]);
    let ran = run(&folder, &["--filter", "fd.nonsense = 1", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("--filter does not compile"), "{}", ran.err);
}

#[test]
fn at_most_so_many_alerts_of_a_rule() {
    let opens = [Event::Open("/tmp/1"), Event::Open("/etc/shadow"), Event::Open("/tmp/2"), Event::Open("/tmp/3")];
    let folder = Folder::with_capture(&capture(opens));
    let ran = folder.run(&["run", "-r", "rules.yaml", "-o", "append_output=[]", "--max-per-rule", "1", "a.scap"]);
    assert_eq!(
        ran.lines(),
        ["12:00:00.000000000: Notice open /tmp/1 at 1", "12:00:00.001000000: Warning shadow of cat at 2"]
    );
    assert!(ran.err.contains("4 alerts\n") && ran.err.contains("2 alerts not printed"), "{}", ran.err);
}

#[test]
fn the_summary_is_what_falco_prints_at_the_end() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = run(&folder, &["--summary", "a.scap"]);
    assert_eq!(
        ran.out,
        "Events detected: 2\nRule counts by severity:\n   WARNING: 1\n   NOTICE: 1\n\
         Triggered rules by rule name:\n   shadow read: 1\n   any open: 1\n"
    );
    let ran = run(&folder, &["--summary", "--output", "json", "a.scap"]);
    assert_eq!(
        serde_json::from_str::<Value>(&ran.out).unwrap(),
        json!({
            "alerts": 2, "events": 4, "captures": 1, "complete": true,
            "priorities": {"Warning": 1, "Notice": 1}, "rules": {"shadow read": 1, "any open": 1},
        })
    );
}

#[test]
fn totals_go_to_standard_error() {
    let folder = Folder::with_capture(&capture([Event::Open("/etc/shadow"), Event::Drop, Event::Close]));
    let ran = folder.run(&["run", "-r", "rules.yaml", "a.scap"]);
    for part in ["3 events of 1 capture in ", "1 alert\n", "1 Warning\n", "1 shadow read\n", "note: 1 drop event in"] {
        assert!(ran.err.contains(part), "{part} is not in\n{}", ran.err);
    }
    assert_eq!(ran.lines().len(), 1);
}

#[test]
fn times_follow_the_zone() {
    let folder = Folder::with_capture(&two_alerts());
    assert!(run(&folder, &["--tz", "Europe/Berlin", "a.scap"]).out.starts_with("14:00:00.000000000: "));
    let local =
        folder.command(&["run", "-q", "-r", "rules.yaml", "a.scap"]).env("TZ", "America/New_York").output().unwrap();
    assert!(local.stdout.starts_with(b"08:00:00.000000000: "));
    let ran = run(&folder, &["--tz", "Nowhere/None", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("unknown time zone 'Nowhere/None'"), "{}", ran.err);
    let json = run(&folder, &["--tz", "Europe/Berlin", "--output", "json", "a.scap"]);
    assert!(json.out.contains(r#""time":"2026-05-01T12:00:00.000000000Z""#));
}

#[test]
fn an_output_file_takes_the_place_of_standard_output() {
    let folder = Folder::with_capture(&two_alerts()).file("alerts.txt", "what was there before");
    let ran = run(&folder, &["--output-file", "alerts.txt", "a.scap"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(fs::read_to_string(folder.path("alerts.txt")).unwrap().lines().count(), 2);
}

#[test]
fn rules_files_are_loaded_in_order_and_folders_by_name() {
    let change = "- rule: any open\n  override: {output: replace}\n  output: changed %evt.num\n";
    let folder = Folder::with_capture(&two_alerts()).file("rules/1.yaml", RULES).file("rules/2.yml", change);
    for rules in [&["-r", "rules"][..], &["-r", "rules/1.yaml", "-r", "rules/2.yml"]] {
        let ran = folder.run(&[&["run", "-q", "-o", "append_output=[]"][..], rules, &["a.scap"]].concat());
        assert_eq!(ran.lines().last(), Some(&"12:00:00.002000000: Notice changed 3"), "{}", ran.err);
    }
}
