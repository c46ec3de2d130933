//! `info`: what a capture is.

use serde_json::{Value, json};

use crate::captures::{Event, capture, gzip};
use crate::program::Folder;

#[test]
fn for_people() {
    let folder = Folder::with_capture(&gzip([Event::Open("/etc/shadow"), Event::Close, Event::Drop]));
    let ran = folder.run(&["info", "a.scap"]);
    for part in [
        "format       .scap, gzip\n",
        "host         node-test\n",
        "machine      4 CPUs, 8.0 GiB of memory\n",
        "booted       2026-05-01 11:00:00 UTC\n",
        "from         2026-05-01 12:00:00 UTC\n",
        "processes    1 at the start (1 thread), 1 seen\n",
        "losses       1 drop event\n",
        "           1 openat\n",
    ] {
        assert!(ran.out.contains(part), "{part} is not in\n{}", ran.out);
    }
    assert_eq!(ran.code, 0);
}

#[test]
fn for_programs() {
    let folder = Folder::with_capture(&capture([Event::Open("/etc/shadow"), Event::Close, Event::Close]));
    let ran = folder.run(&["info", "--output", "json", "a.scap"]);
    let info: Value = serde_json::from_str(&ran.out).unwrap();
    for (key, value) in [
        ("host", json!("node-test")),
        ("cpus", json!(4)),
        ("first_event", json!("2026-05-01T12:00:00.000000000Z")),
        ("duration_ns", json!(2_000_000)),
        ("events_by_type", json!({"close": 2, "openat": 1})),
        ("complete", json!(true)),
        ("users", json!(1)),
    ] {
        assert_eq!(info[0][key], value, "{key}");
    }
}
