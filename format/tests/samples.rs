//! The captures of `samples/` are what `examples/make_samples` makes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::path::Path;

#[path = "../examples/make_samples/sample/mod.rs"]
mod sample;

#[test]
fn captures_are_what_the_generator_makes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    for (name, made) in sample::captures() {
        assert!(made.len() < 1 << 20, "{name} has {} bytes", made.len());
        let path = folder.join(name).join("capture.scap");
        let committed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(committed == made, "{name}: run `cargo run --release -p falco-replay-format --example make_samples`");
    }
}
