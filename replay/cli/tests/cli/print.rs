//! `print`: events as text and JSON.

use crate::captures::{Event, capture, two_alerts};
use crate::program::Folder;

#[test]
fn events_as_sysdig_prints_them() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = folder.run(&["print", "a.scap"]);
    assert_eq!((ran.code, ran.lines().len(), ran.err.as_str()), (0, 4, ""));
    assert!(ran.out.starts_with(
        "1 12:00:00.000000000 0 cat (100) < openat fd=5(<f>/etc/shadow) dirfd=-100(AT_FDCWD) name=/etc/shadow"
    ));
}

#[test]
fn a_format_and_a_condition() {
    let folder = Folder::with_capture(&two_alerts());
    let ran = folder.run(&["print", "-p", "%evt.num %fd.name %evt.arg.size", "a.scap", "evt.type = openat"]);
    assert_eq!(ran.lines(), ["1 /etc/shadow <NA>", "3 /tmp/x <NA>"]);
    // As words, as sysdig takes them.
    let ran =
        folder.run(&["print", "-p", "%evt.num", "a.scap", "evt.type", "=", "openat", "and", "fd.name", "=", "/tmp/x"]);
    assert_eq!(ran.lines(), ["3"]);
}

#[test]
fn json_has_the_fields_of_the_format() {
    let folder = Folder::with_capture(&two_alerts());
    let ran =
        folder.run(&["print", "--output", "json", "-p", "%proc.name %evt.time %evt.arg.size", "-n", "1", "a.scap"]);
    assert_eq!(ran.out, "{\"proc.name\":\"cat\",\"evt.time\":\"12:00:00.000000000\",\"evt.arg.size\":null}\n");
}

#[test]
fn several_captures_and_limits() {
    let folder = Folder::with_capture(&two_alerts()).file("b.scap", capture([Event::Close]));
    let numbers = |args: &[&str]| folder.run(&[&["print", "-p", "%evt.num"][..], args].concat()).out.replace('\n', " ");
    assert_eq!(numbers(&["a.scap", "b.scap"]), "1 2 3 4 1 ");
    assert_eq!(numbers(&["b.scap", "a.scap", "evt.type = close"]), "1 2 4 ");
    assert_eq!(numbers(&["-n", "3", "a.scap"]), "1 2 3 ");
    assert_eq!(numbers(&["-n", "5", "a.scap", "b.scap"]), "1 2 3 4 1 ");
    assert_eq!(numbers(&["--from", "2026-05-01T12:00:00.002Z", "a.scap"]), "3 4 ");
    assert_eq!(numbers(&["--to", "1777636800.001", "a.scap"]), "1 ");
}

#[test]
fn what_does_not_compile() {
    let folder = Folder::with_capture(&two_alerts());
    for (args, part) in [
        (&["a.scap", "fd.nonsense = 1"][..], "it does not compile"),
        (&["a.scap", "b.scap"], "'b.scap' names no capture"),
        (&["-p", "%fd.nonsense", "a.scap"], "the format does not compile"),
    ] {
        let ran = folder.run(&[&["print"][..], args].concat());
        assert!(ran.code == 2 && ran.err.contains(part), "{part} is not in\n{}", ran.err);
    }
}

#[test]
fn names_of_addresses_come_from_a_file_only() {
    let folder =
        Folder::with_capture(&two_alerts()).file("hosts", "10.0.0.1 one # two\n\n::1 here\n").file("bad", "x y\n");
    assert_eq!(folder.run(&["print", "--resolve", "hosts", "a.scap"]).code, 0);
    let ran = folder.run(&["print", "--resolve", "bad", "a.scap"]);
    assert!(ran.code == 2 && ran.err.contains("bad:1: a line is ADDRESS NAME"), "{}", ran.err);
}
