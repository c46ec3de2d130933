//! Golden tests of what people are told: each `diagnostics/NAME.yaml` has its text in `diagnostics/NAME.txt`.
//!
//! `UPDATE_GOLDEN=1 cargo test -p falco-replay-rules` writes the texts anew; the diff is the review.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod toy;

use falco_replay_rules::diagnostic::{json, text};
use falco_replay_rules::{Options, RulesFile, load};
use std::path::Path;
use toy::Toy;

fn rendered(name: &str, content: &[u8]) -> String {
    let options = Options { warn_defects: true, compile_each: true, ..Options::default() };
    let loaded = load(&[RulesFile { name, content }], &Toy::new(), &options);
    let mut out = String::new();
    for result in &loaded.results {
        out.push_str(&text::status(result, !result.diagnostics.is_empty()));
        out.push('\n');
        for diagnostic in &result.diagnostics {
            out.push_str(&text::render(diagnostic, false));
            out.push_str("\n\n");
        }
    }
    out
}

#[test]
fn diagnostics_read_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    let mut wrong = Vec::new();
    for path in names {
        let name = path.file_name().unwrap().to_str().unwrap();
        let got = rendered(name, &std::fs::read(&path).unwrap());
        let golden = path.with_extension("txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&golden, &got).unwrap();
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != got {
            wrong.push(format!("{name}:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_has_the_keys_of_falco_in_order() {
    let content = b"- rule: R\n  desc: d\n  condition: no.such = 1\n  output: o\n  priority: INFO\n";
    let loaded = load(&[RulesFile { name: "r.yaml", content }], &Toy::new(), &Options::default());
    assert_eq!(
        json::load_results(&loaded.results).to_string(),
        r#"{"falco_load_results":[{"errors":[{"code":"LOAD_ERR_COMPILE_CONDITION","codedesc":"Error compiling condition","context":{"locations":[{"item_name":"","item_type":"rules content","position":{"column":0,"line":0,"name":"r.yaml","offset":0}},{"item_name":"R","item_type":"rule","position":{"column":2,"line":0,"name":"r.yaml","offset":2}},{"item_name":"","item_type":"rule condition","position":{"column":13,"line":2,"name":"r.yaml","offset":33}},{"item_name":"","item_type":"condition expression","position":{"column":14,"line":3,"name":"no.such = 1","offset":33}}],"snippet":"no.such = 1\n^\n"},"message":"filter_check called with nonexistent field no.such"}],"name":"r.yaml","schema_valid":true,"schema_warnings":[],"successful":false,"warnings":[]}]}"#
    );
}
