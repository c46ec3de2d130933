//! Any bytes as one or two rules files: loading ends, describing and rendering too, and nothing panics.
#![no_main]

#[path = "../../tests/toy/mod.rs"]
mod toy;

use falco_replay_rules::diagnostic::{json, text};
use falco_replay_rules::{Options, RulesFile, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let schema = toy::Toy::new();
    let middle = content.windows(4).position(|window| window == b"\n...").unwrap_or(content.len());
    let (first, second) = content.split_at(middle);
    let files = [RulesFile { name: "first", content: first }, RulesFile { name: "second", content: second }];
    let options = Options { warn_defects: true, compile_each: true, ..Options::default() };
    let loaded = load(&files, &schema, &options);
    for diagnostic in loaded.diagnostics() {
        text::render(diagnostic, false);
    }
    json::load_results(&loaded.results);
    loaded.describe(&schema);
});
