//! `hunt`: conditions and indicators over captures.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::captures::{long, two_alerts};
use crate::program::{Folder, Ran};
use crate::scenes::{Act, CAT, SHELL, incident, scene};

fn folder() -> Folder {
    Folder::new().file("a.scap", incident())
}

fn hunt(folder: &Folder, args: &[&str]) -> Ran {
    folder.run(&[&["hunt", "-q"][..], args].concat())
}

/// Numbers of the events found.
fn numbers(folder: &Folder, args: &[&str]) -> String {
    let ran = hunt(folder, &[&["-p", "%evt.num"][..], args].concat());
    assert!(ran.err.is_empty(), "{}", ran.err);
    // What comes before them says which indicator it was.
    let numbers: Vec<_> = ran.out.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    numbers.join(" ")
}

#[test]
fn events_that_match_a_condition() {
    let ran = hunt(&folder(), &["fd.name = /etc/shadow", "a.scap"]);
    assert_eq!(
        ran.lines(),
        [
            "2026-05-01 12:00:00.000000000 host/host root <NA> > cat (100) openat res=SUCCESS fd=/etc/shadow path=/etc/shadow cmd=cat"
        ]
    );
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    assert_eq!(numbers(&folder(), &["evt.type = openat and proc.name = sh", "a.scap"]), "4 8");
}

#[test]
fn json_has_the_fields_of_the_format() {
    let args =
        ["--output", "json", "--with-origin", "-p", "%proc.name %fd.sip %evt.arg.nosuch", "fd.sip exists", "a.scap"];
    let ran = hunt(&folder(), &args);
    assert!(ran.code == 2 && ran.err.contains("the format does not compile"), "{}", ran.err);
    let args =
        ["--output", "json", "--with-origin", "-p", "%proc.name %fd.sip %evt.arg.size", "fd.sip exists", "a.scap"];
    assert_eq!(
        hunt(&folder(), &args).out,
        "{\"capture\":\"a.scap\",\"evt_num\":3,\"proc.name\":\"sh\",\"fd.sip\":\"203.0.113.66\",\"evt.arg.size\":null}\n"
    );
    let ran =
        hunt(&folder(), &["--output", "json", "-p", "text", "--with-origin", "-n", "1", "proc.name exists", "a.scap"]);
    assert_eq!(ran.out, "{\"capture\":\"a.scap\",\"evt_num\":1}\n");
    let ran = hunt(&folder(), &["--output", "json", "fd.name = /etc/shadow", "a.scap"]);
    let found: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&found["proc.name"], &found["fd.name"]), (&json!("cat"), &json!("/etc/shadow")));
}

#[test]
fn exit_codes() {
    let folder = folder().file("cut.scap", &incident()[..incident().len() - 20]);
    let code = |args: &[&str]| hunt(&folder, args).code;
    assert_eq!(code(&["proc.name = cat", "a.scap"]), 1);
    assert_eq!(code(&["--exit-zero", "proc.name = cat", "a.scap"]), 0);
    assert_eq!(code(&["proc.name = nobody", "a.scap"]), 0);
    assert_eq!(code(&["proc.name = cat", "cut.scap"]), 2);
    assert_eq!(code(&["proc.name = cat", "missing.scap", "a.scap"]), 2);
    for (args, part) in [
        (&["proc.nam = cat", "a.scap"][..], "does not compile"),
        (&["a.scap", "proc.name = cat"], "the condition comes before the captures"),
        (&["proc.name = cat"], "no capture: name one after the condition"),
        (&["--ioc", "missing.txt", "a.scap"], "cannot read missing.txt"),
        (&["--count", "--first", "proc.name = cat", "a.scap"], "cannot be used with"),
    ] {
        let ran = hunt(&folder, args);
        assert!(ran.code == 2 && ran.err.contains(part), "{args:?}: {}", ran.err);
    }
}

#[test]
fn containers_are_known_from_what_comes_later() {
    let folder = folder();
    let args = ["-p", "%evt.num %container.name %container.image", "container.name = web", "a.scap"];
    assert_eq!(
        hunt(&folder, &args).lines(),
        ["2 web img", "3 web img", "4 web img", "5 web img", "7 web img", "8 web img"]
    );
    // The description itself shows what it describes.
    assert_eq!(numbers(&folder, &["--as-seen", "container.name = web", "a.scap"]), "7 8");
    let only_printed = ["-p", "%container.name", "fd.name contains evil", "a.scap"];
    assert_eq!(hunt(&folder, &only_printed).lines(), ["web"]);
    assert_eq!(hunt(&folder, &[&["--as-seen"][..], &only_printed].concat()).lines(), ["<NA>"]);
}

#[test]
fn standard_input_is_seen_as_it_comes() {
    let args = ["hunt", "-p", "%evt.num", "container.name = web", "-"];
    let ran = folder().run_with_input(&args, &incident());
    assert_eq!(ran.lines(), ["7", "8"]);
    assert!(ran.err.contains("containers as they were known at each event"), "{}", ran.err);
    let ran =
        folder().run_with_input(&["hunt", "-p", "%evt.num", "--as-seen", "container.name = web", "-"], &incident());
    assert!(ran.lines() == ["7", "8"] && !ran.err.contains("known at each event"), "{}", ran.err);
    let ran = folder().run_with_input(&["hunt", "-p", "%evt.num", "proc.name = cat", "-"], &incident());
    assert!(ran.lines() == ["1"] && !ran.err.contains("known at each event"), "{}", ran.err);
}

#[test]
fn the_language_means_what_it_documents() {
    let either_end = "fd.ip in (203.0.113.66, 192.0.2.1)";
    assert_eq!(numbers(&folder(), &[either_end, "a.scap"]), "3");
    assert_eq!(numbers(&folder(), &["--semantics", "falco", either_end, "a.scap"]), "");
}

#[test]
fn every_type_of_indicator() {
    let folder = folder();
    let found = |indicators: &str| {
        let folder = Folder::new().file("a.scap", incident()).file("ioc", indicators);
        let documented = numbers(&folder, &["--ioc", "ioc", "a.scap"]);
        assert_eq!(numbers(&folder, &["--semantics", "falco", "--ioc", "ioc", "a.scap"]), documented, "{indicators}");
        documented
    };
    for (indicator, events) in [
        ("203[.]0[.]113[.]66", "3"),
        ("203.0.113.0/24", "3"),
        ("203.0.113.60-203.0.113.70", "3"),
        ("2001:db8::1", ""),
        ("/etc/shadow", "1"),
        ("/root/.ssh/id_rsa", "8"),
        ("/usr/bin/dash", "2 3 4 5 8"),
        ("/tmp/.x/", "4 5"),
        ("evil.so", "4 5"),
        ("file:evil.so", "4 5"),
        ("process:evil.so", ""),
        ("curl", "6"),
        ("process:dash", "2 3 4 5 8"),
        ("hxxps://evil[.]example[.]com/a", "6"),
        ("*.example.com", "6"),
        ("domain:other.example.com", ""),
    ] {
        assert_eq!(found(indicator), events, "{indicator}");
    }
    assert_eq!(found("# all\n\n/etc/shadow\r\n  curl # and this\n"), "1 6");
    let with_filter = folder.file("ioc", "evil.so\n203.0.113.66\n");
    assert_eq!(numbers(&with_filter, &["--ioc", "ioc", "evt.type = connect", "a.scap"]), "3");
    assert_eq!(numbers(&with_filter, &["--ioc", "ioc", "evt.type = connect or evt.type = unlink", "a.scap"]), "3 5");
}

#[test]
fn output_says_which_indicator_it_was() {
    let folder = folder().file("ioc", "evil.so\n/tmp/.x/\n203.0.113.0/24\nEvil.Example.com\n").file("more", "dash\n");
    let args = ["--ioc", "ioc", "--ioc", "more", "-p", "%evt.num"];
    let ran = hunt(&folder, &[&args[..], &["evt.type in (connect, unlink) or proc.name = curl", "a.scap"]].concat());
    assert_eq!(
        ran.lines(),
        [
            "[net:203.0.113.0/24 file:dash process:dash] 3",
            "[path:/tmp/.x/ file:dash file:evil.so process:dash] 5",
            "[domain:evil.example.com] 6"
        ]
    );
    let ran = hunt(&folder, &[&args[..], &["--output", "json", "evt.type = connect", "a.scap"]].concat());
    assert_eq!(ran.out, "{\"ioc\":[\"net:203.0.113.0/24\",\"file:dash\",\"process:dash\"],\"evt.num\":\"3\"}\n");
}

#[test]
fn wrong_indicators_are_named_with_their_lines() {
    let hash = "d41d8cd98f00b204e9800998ecf8427e";
    let folder = folder().file("ioc", format!("1.2.3.4\n\n{hash}\nok\n1.2.3.4/40\n")).file("none", "# nothing\n");
    let ran = hunt(&folder, &["--ioc", "ioc", "a.scap"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    for part in [
        format!("ioc:3: '{hash}' cannot be searched for: hashes"),
        "ioc:5: '1.2.3.4/40'".to_owned(),
        "2 lines".to_owned(),
    ] {
        assert!(ran.err.contains(&part), "{part} is not in\n{}", ran.err);
    }
    let ran = hunt(&folder, &["--ioc", "none", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("no indicator in none"), "{}", ran.err);
}

#[test]
fn indicators_from_standard_input() {
    let ran = folder().run_with_input(&["hunt", "-q", "--ioc", "-", "-p", "%evt.num", "a.scap"], b"/etc/shadow\n");
    assert_eq!(ran.lines(), ["[path:/etc/shadow] 1"]);
    let ran = folder().run_with_input(&["hunt", "-q", "--ioc", "-", "-"], b"/etc/shadow\n");
    assert!(ran.code == 2 && ran.err.contains("cannot be both"), "{}", ran.err);
}

#[test]
fn many_indicators() {
    let all: Vec<String> = (0..60_000u32)
        .flat_map(|at| {
            let [_, a, b, c] = at.to_be_bytes();
            [format!("198.{a}.{b}.{c}"), format!("n{at}.example.net"), format!("/opt/{at}/x")]
        })
        .chain(["203.0.113.66".to_owned(), "evil.example.com".to_owned(), "/etc/shadow".to_owned()])
        .collect();
    let folder = folder().file("ioc", all.join("\n"));
    let ran = hunt(&folder, &["--ioc", "ioc", "-p", "%evt.num", "a.scap"]);
    assert_eq!(ran.lines(), ["[path:/etc/shadow] 1", "[ip:203.0.113.66] 3", "[domain:evil.example.com] 6"]);
}

/// Two captures that overlap in time, and one far before them.
fn several() -> Folder {
    let open = |after| (after, CAT, Act::Open("/etc/shadow"));
    Folder::new()
        .file("day/node-a/1.scap", scene(&[open(0), open(20), open(40)]))
        .file("day/node-b/1.scap", scene(&[open(10), (15, SHELL, Act::Open("/tmp/x")), open(30)]))
        .file("day/z.scap", scene(&[(0, CAT, Act::Open("/tmp/x"))]))
        .file("day/notes.txt", "")
}

#[test]
fn what_is_counted() {
    let folder = several();
    let out = |args: &[&str]| hunt(&folder, &[args, &["fd.name = /etc/shadow", "day"]].concat()).out;
    assert_eq!(out(&["--count"]), "5\n");
    assert_eq!(out(&["--count", "--output", "json"]), "{\"count\":5,\"captures\":2}\n");
    assert_eq!(out(&["--count", "--by-capture"]), "3 day/node-a/1.scap\n2 day/node-b/1.scap\n");
    assert_eq!(
        out(&["--count", "--by-capture", "--output", "json"]),
        "{\"capture\":\"day/node-a/1.scap\",\"count\":3}\n{\"capture\":\"day/node-b/1.scap\",\"count\":2}\n"
    );
    assert_eq!(out(&["--files-only"]), "day/node-a/1.scap\nday/node-b/1.scap\n");
    assert_eq!(out(&["-l", "--output", "json"]).lines().count(), 2);
    assert_eq!(hunt(&folder, &["--count", "proc.name = nobody", "day"]).out, "0\n");
    assert_eq!(hunt(&folder, &["--files-only", "proc.name = nobody", "day"]).code, 0);
}

#[test]
fn first_and_last() {
    let folder = several();
    let format = ["--with-origin", "-p", "%evt.num"];
    let lines = |args: &[&str]| {
        let ran = hunt(&folder, &[args, &format, &["fd.name = /etc/shadow", "day/node-b", "day/node-a"]].concat());
        ran.out.lines().map(|line| line.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines(&["--first"]), ["day/node-a/1.scap:1"]);
    assert_eq!(lines(&["--last"]), ["day/node-a/1.scap:3"]);
    assert_eq!(lines(&["--first", "--last"]), ["day/node-a/1.scap:1", "day/node-a/1.scap:3"]);
    assert_eq!(lines(&["--first", "--by-capture"]), ["day/node-b/1.scap:1", "day/node-a/1.scap:1"]);
    assert_eq!(
        lines(&["--first", "--last", "--by-capture"]),
        ["day/node-b/1.scap:1", "day/node-b/1.scap:3", "day/node-a/1.scap:1", "day/node-a/1.scap:3"]
    );
    assert!(hunt(&folder, &["--first", "proc.name = nobody", "day"]).out.is_empty());
}

#[test]
fn by_time_over_several_captures() {
    let folder = several();
    for threads in ["1", "2", "4"] {
        let args = ["--threads", threads, "--with-origin", "-p", "%evt.num", "fd.name = /etc/shadow", "day"];
        let places = |args: &[&str]| {
            let ran = hunt(&folder, args);
            ran.lines()
                .iter()
                .map(|line| line["day/node-".len()..].split(": ").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let files = ["a/1.scap:1", "a/1.scap:2", "a/1.scap:3", "b/1.scap:1", "b/1.scap:3"];
        assert_eq!(places(&args), files);
        let by_time = ["a/1.scap:1", "b/1.scap:1", "a/1.scap:2", "b/1.scap:3", "a/1.scap:3"];
        assert_eq!(places(&[&["--order", "time"][..], &args].concat()), by_time);
        assert_eq!(places(&[&["--order", "time", "-n", "3"][..], &args].concat()), by_time[..3]);
        assert_eq!(places(&[&["-n", "4"][..], &args].concat()), files[..4]);
    }
}

#[test]
fn every_command_can_order_by_time() {
    let folder = Folder::with_capture(&two_alerts()).file("b.scap", two_alerts());
    let ran = folder.run(&["print", "--order", "time", "-p", "%evt.num", "a.scap", "b.scap"]);
    assert_eq!(ran.out.replace('\n', ""), "11223344");
    let run = ["run", "-q", "-r", "rules.yaml", "--order", "time", "--with-origin", "b.scap", "missing.scap", "a.scap"];
    let ran = folder.run(&run);
    let origins: Vec<_> = ran.lines().iter().map(|line| &line[..8]).collect();
    assert_eq!(origins, ["b.scap:1", "a.scap:1", "b.scap:3", "a.scap:3"]);
    assert!(ran.code == 2 && ran.err.contains("cannot open missing.scap"), "{}", ran.err);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = several().file("day/long.scap", long()).file("day/longer.scap", long());
    for more in
        [&[][..], &["--order", "time"], &["--count", "--by-capture"], &["-l"], &["--first", "--last"], &["-n", "900"]]
    {
        let out = |threads: &str| {
            let ran = hunt(
                &folder,
                &[&["--threads", threads, "--with-origin"][..], more, &["evt.type = openat", "day"]].concat(),
            );
            (ran.out, ran.code)
        };
        let one = out("1");
        assert!(!one.0.is_empty());
        for threads in ["2", "3", "8"] {
            assert_eq!(out(threads), one, "{threads} threads with {more:?}");
        }
    }
}

#[test]
fn a_span_of_time() {
    let folder = several();
    let args = ["--from", "2026-05-01T12:00:00.010Z", "--to", "2026-05-01T12:00:00.030Z"];
    let ran = hunt(&folder, &[&args[..], &["--count", "--by-capture", "fd.name = /etc/shadow", "day"]].concat());
    assert_eq!(ran.out, "1 day/node-a/1.scap\n1 day/node-b/1.scap\n");
}

#[test]
fn totals_go_to_standard_error() {
    let ran = several().run(&["hunt", "fd.name = /etc/shadow", "day"]);
    for part in ["7 events of 3 captures in ", "5 matches in 2 captures\n", "3 captures without an index\n"] {
        assert!(ran.err.contains(part), "{part} is not in\n{}", ran.err);
    }
}

#[test]
fn a_folder_of_thousands_of_captures() {
    let mut folder = Folder::new();
    for at in 0..2_000u64 {
        let path = if at % 500 == 0 { "/etc/shadow" } else { "/tmp/x" };
        // Captures of many nodes that overlap, each later than the one before.
        let capture = scene(&[(at, CAT, Act::Open(path)), (at + 1_000, CAT, Act::Open("/tmp/y"))]);
        folder = folder.file(&format!("many/{at:04}.scap"), capture);
    }
    for order in ["files", "time"] {
        let ran =
            hunt(&folder, &["--order", order, "--with-origin", "-p", "%evt.num", "fd.name = /etc/shadow", "many"]);
        let expected = [0, 500, 1_000, 1_500].map(|at| format!("many/{at:04}.scap:1: 1"));
        assert_eq!(ran.lines(), expected, "{}", ran.err);
    }
    let ran = hunt(&folder, &["--order", "time", "-p", "%evt.rawtime", "evt.type = openat", "many"]);
    let times: Vec<u64> = ran.lines().iter().map(|line| line.parse().unwrap()).collect();
    assert!(times.len() == 4_000 && times.is_sorted());
    let ran = folder.run(&["info", "--output", "json", "many"]);
    let captures: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    let names: BTreeSet<_> = captures.iter().map(|capture| capture["capture"].to_string()).collect();
    assert_eq!(names.len(), 2_000);
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let folder = Folder::new().file("a.scap", scene(&[(0, CAT, Act::Open("/tmp/\u{1b}[2J\nx"))]));
    let ran = hunt(&folder, &["-p", "%fd.name", "evt.type = openat", "a.scap"]);
    assert_eq!(ran.lines(), ["/tmp/\\u001b[2J\\nx"]);
}

#[test]
fn our_own_format_gives_the_same_and_reads_less() {
    let folder =
        several().file("b.scap", incident()).file("ioc", "/etc/shadow\nevil.so\nevil.example.com\n10.0.0.0/8\n");
    for name in ["day/node-a/1", "day/node-b/1", "day/z", "b"] {
        let (from, to) = (format!("{name}.scap"), format!("own/{name}.fcap"));
        std::fs::create_dir_all(folder.path(&to).parent().unwrap()).unwrap();
        assert_eq!(folder.run(&["convert", "-q", &from, "-o", &to]).code, 0);
    }
    let own = ["own/day/node-a/1.fcap", "own/day/node-b/1.fcap", "own/day/z.fcap", "own/b.fcap"];
    let scap = ["day/node-a/1.scap", "day/node-b/1.scap", "day/z.scap", "b.scap"];
    for args in [
        &["fd.name = /etc/shadow"][..],
        &["--output", "json", "container.name = web"],
        &["--as-seen", "container.name = web"],
        &["--ioc", "ioc"],
        &["--ioc", "ioc", "--order", "time"],
        &["--count", "fd.name startswith /tmp"],
        &["--first", "--last", "--by-capture", "evt.type = openat"],
        &["--from", "2026-05-01T12:00:00.002Z", "not proc.name = cat"],
    ] {
        let of_scap = hunt(&folder, &[args, &scap].concat());
        assert!(!of_scap.out.is_empty() && of_scap.err.is_empty(), "{args:?}: {}", of_scap.err);
        for more in [&[][..], &["--no-index"], &["--threads", "3"]] {
            let ran = hunt(&folder, &[more, args, &own].concat());
            assert_eq!((&ran.out, ran.code), (&of_scap.out, 1), "{args:?} {more:?}: {}", ran.err);
        }
    }
    let ran = folder.run(&[&["hunt", "proc.exepath = /usr/bin/nobody"][..], &own].concat());
    assert!(ran.err.contains("0 blocks read (0 bytes), 4 blocks skipped by their index ("), "{}", ran.err);
    let ran = folder.run(&[&["hunt", "--no-index", "proc.exepath = /usr/bin/nobody"][..], &own].concat());
    assert!(ran.err.contains("4 blocks read (") && ran.err.contains(", 0 blocks skipped"), "{}", ran.err);
    // The rest of a capture need not be read.
    let ran = folder.run(&["hunt", "-l", "proc.name = cat", own[0], "b.scap"]);
    assert!(ran.err.contains("1 block read (") && ran.err.contains("1 capture without an index"), "{}", ran.err);
}
