//! Every sample gives the alerts that it expects. `UPDATE_GOLDEN=1` writes them anew: read the difference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: [&str; 4] = ["about.md", "capture.scap", "expected.jsonl", "rules.yaml"];

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut samples: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    samples.retain(|path| path.is_dir());
    samples.sort();
    assert!(samples.len() >= 2, "no samples in {}", folder.display());
    samples
}

fn alerts(sample: &Path, threads: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_falco-replay"))
        .args(["run", "-q", "--output", "json", "--tz", "UTC", "--threads", threads, "-r"])
        .args([sample.join("rules.yaml"), sample.join("capture.scap")])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{}: every sample has alerts: {errors}", sample.display());
    assert!(errors.is_empty(), "{}: {errors}", sample.display());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn samples_give_the_alerts_expected() {
    for sample in samples() {
        let path = sample.join("expected.jsonl");
        let found = alerts(&sample, "1");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap();
        let differs = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert_eq!(differs, None, "{} (found, expected)", sample.display());
        assert_eq!(found, expected, "{}", sample.display());
        assert_eq!(alerts(&sample, "3"), expected, "{} with three threads", sample.display());
    }
}

#[test]
fn samples_are_whole() {
    for sample in samples() {
        let mut files: Vec<_> = std::fs::read_dir(&sample)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        assert_eq!(files, FILES, "{}", sample.display());
        let about = std::fs::read_to_string(sample.join("about.md")).unwrap();
        assert!(about.starts_with("# "), "{}: about.md begins with a title", sample.display());
    }
}
