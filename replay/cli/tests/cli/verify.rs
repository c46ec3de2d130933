//! `verify`: sound and damaged capture files, manifests, repairs.

use std::fs;

use serde_json::{Value, json};

use crate::captures::{Event, capture};
use crate::program::Folder;

/// A folder with `a.scap`, and `a.fcap` made of it.
fn folder() -> Folder {
    let folder = Folder::with_capture(&capture([Event::Open("/etc/shadow"), Event::Close, Event::Close]));
    let ran = folder.run(&["convert", "a.scap", "-o", "a.fcap"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    folder
}

/// The same with `b.fcap` besides, a copy that `damage` was done to.
fn damaged(damage: impl FnOnce(&mut Vec<u8>)) -> Folder {
    let folder = folder();
    let mut bytes = fs::read(folder.path("a.fcap")).unwrap();
    damage(&mut bytes);
    folder.file("b.fcap", bytes)
}

/// Flips a bit in the middle of the block.
fn in_the_block(bytes: &mut [u8]) {
    let index = bytes.len() - 120;
    let at = u64::from_le_bytes(bytes[index + 48..index + 56].try_into().unwrap());
    bytes[at as usize - 20] ^= 1;
}

#[test]
fn a_sound_capture() {
    let folder = folder();
    let ran = folder.run(&["verify", "a.fcap"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("a.fcap: sound ("), "{}", ran.out);
    assert!(ran.out.contains("1 block, 3 events"), "{}", ran.out);
    assert_eq!(ran.lines().len(), 1);
}

#[test]
fn damage_is_named_with_its_place_and_what_it_costs() {
    let folder = damaged(|bytes| in_the_block(bytes));
    let ran = folder.run(&["verify", "a.fcap", "b.fcap"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let lines = ran.lines();
    assert!(lines[0].starts_with("a.fcap: sound"), "{}", ran.out);
    assert!(
        lines[1].starts_with("b.fcap: DAMAGED (") && lines[1].ends_with("); whole are 0 blocks, 0 events"),
        "{}",
        ran.out
    );
    assert!(lines[2].contains("a block: the checksum is wrong"), "{}", ran.out);
    assert!(lines[2].ends_with("lost: 1 block, 3 events (numbers 1 to 3)"), "{}", ran.out);

    let ran = folder.run(&["verify", "--output", "json", "b.fcap"]);
    assert_eq!(ran.code, 1);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let report = &report[0];
    assert_eq!((&report["sound"], &report["closed"]), (&json!(false), &json!(true)));
    let finding = &report["findings"][0];
    assert_eq!(finding["lost"]["events"], json!(3));
    let place = finding["start"].as_u64().unwrap()..finding["end"].as_u64().unwrap();
    assert!(place.end - place.start > 48 && place.end < fs::metadata(folder.path("b.fcap")).unwrap().len());
}

#[test]
fn every_truncation_shows() {
    let folder = folder();
    let bytes = fs::read(folder.path("a.fcap")).unwrap();
    for part in [1, 2, 3] {
        let folder = Folder::new().file("b.fcap", &bytes[..bytes.len() * part / 4]);
        let ran = folder.run(&["verify", "b.fcap"]);
        assert_eq!(ran.code, 1, "{}{}", ran.out, ran.err);
        assert!(ran.out.contains("NOT CLOSED"), "{}", ran.out);
        assert!(ran.out.contains("nobody can tell whether anything came after"), "{}", ran.out);
    }
}

#[test]
fn what_is_no_fcap_cannot_be_verified() {
    let folder = folder().file("empty.fcap", []);
    for (name, part) in [
        ("a.scap", "not an .fcap capture"),
        ("empty.fcap", "the file mark is cut off"),
        ("missing.fcap", "cannot read"),
        ("-", "standard input"),
    ] {
        let ran = folder.run(&["verify", name]);
        assert_eq!(ran.code, 2, "{name}: {}", ran.out);
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    // The others are verified all the same, and what is worst decides.
    let ran = folder.run(&["verify", "a.scap", "a.fcap"]);
    assert_eq!(ran.code, 2);
    assert!(ran.out.starts_with("a.fcap: sound"), "{}", ran.out);
}

#[test]
fn a_manifest_for_the_chain_of_custody() {
    let folder = folder();
    let ran = folder.run(&["verify", "--manifest", "a.json", "a.fcap"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let manifest: Value = serde_json::from_slice(&fs::read(folder.path("a.json")).unwrap()).unwrap();
    assert_eq!(manifest["manifest_version"], json!(1));
    let capture = &manifest["captures"][0];
    for (key, value) in [
        ("file", json!("a.fcap")),
        ("sound", json!(true)),
        ("size", json!(fs::metadata(folder.path("a.fcap")).unwrap().len())),
        ("first_event", json!("2026-05-01T12:00:00.000000000Z")),
        ("last_event", json!("2026-05-01T12:00:00.002000000Z")),
        ("events", json!(3)),
        ("blocks", json!(1)),
        ("findings", json!([])),
    ] {
        assert_eq!(capture[key], value, "{key}");
    }
    assert_eq!(capture["recorded"]["host"], json!("node-test"));
    assert_eq!(capture["chain_sha256"], capture["chain_sha256_written"]);
    assert_eq!(capture["sha256"].as_str().unwrap().len(), 64);
    assert_ne!(capture["sha256"], capture["chain_sha256"]);

    // It is evidence: nothing overwrites it unasked.
    let ran = folder.run(&["verify", "--manifest", "a.json", "a.fcap"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("exists already"), "{}", ran.err);
    assert_eq!(folder.run(&["verify", "--force", "--manifest", "a.json", "a.fcap"]).code, 0);
    assert_eq!(folder.run(&["verify", "--force", "--manifest", "a.fcap", "a.fcap"]).code, 2);
}

#[test]
fn a_repair_keeps_what_is_whole() {
    // The bytes after the index are gone, and something else is there instead.
    let folder = damaged(|bytes| {
        bytes.truncate(bytes.len() - 130);
        bytes.extend_from_slice(b"something else");
    });
    let ran = folder.run(&["verify", "--repair", "c.fcap", "b.fcap"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("c.fcap: ") && ran.out.contains("1 block, 3 events"), "{}", ran.out);
    let ran = folder.run(&["verify", "c.fcap"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("1 block, 3 events"), "{}", ran.out);
    let alerts = |name| folder.run(&["run", "-r", "rules.yaml", name]).out;
    assert_eq!(alerts("c.fcap"), alerts("a.fcap"));
    assert!(alerts("c.fcap").contains("shadow of"));

    for args in [
        &["verify", "--repair", "c.fcap", "b.fcap"][..],
        &["verify", "--force", "--repair", "b.fcap", "b.fcap"],
        &["verify", "--repair", "d.fcap", "a.fcap", "b.fcap"],
        &["verify", "--repair", "no/such/folder.fcap", "b.fcap"],
        &["verify", "--repair", "d.fcap", "a.scap"],
    ] {
        let ran = folder.run(args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.out);
        assert!(!ran.err.is_empty());
    }
    assert!(!folder.path("d.fcap").exists());
}

#[test]
fn a_repair_of_a_sound_capture_is_the_capture() {
    let folder = folder();
    let ran = folder.run(&["verify", "--repair", "b.fcap", "a.fcap"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(fs::read(folder.path("a.fcap")).unwrap() == fs::read(folder.path("b.fcap")).unwrap());
}

#[test]
fn a_repair_says_what_it_lost() {
    let folder = damaged(|bytes| in_the_block(bytes));
    let ran = folder.run(&["verify", "--repair", "c.fcap", "b.fcap"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("lost: 1 block, 3 events (numbers 1 to 3)"), "{}", ran.out);
    assert!(ran.out.contains("c.fcap: ") && ran.out.contains("0 blocks, 0 events"), "{}", ran.out);
    let ran = folder.run(&["verify", "--output", "json", "c.fcap"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let source = &report[0]["source"];
    assert_eq!(source["complete"], json!(false));
    let notes = source["notes"].to_string();
    assert!(notes.contains("repaired from") && notes.contains("numbers 1 to 3"), "{notes}");
}
