//! The map of ARCHITECTURE.md: what each crate may use and must never know.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Each crate of the project, where it lives, and the siblings that it may use.
const MAP: [(&str, &str, &[&str]); 5] = [
    ("falco-replay-format", "format", &[]),
    ("falco-replay-rules", "rules", &[]),
    ("falco-replay-state", "capture/state", &["falco-replay-format"]),
    ("falco-replay-engine", "replay/engine", &["falco-replay-format", "falco-replay-rules"]),
    (
        "falco-replay",
        "replay/cli",
        &["falco-replay-format", "falco-replay-rules", "falco-replay-state", "falco-replay-engine"],
    ),
];

/// What only the command may know: arguments, terminals, signals, and errors without a type.
const ONLY_THE_COMMAND: [&str; 9] = [
    "anyhow",
    "clap",
    "clap_complete",
    "clap_mangen",
    "glob",
    "indicatif",
    "rustix",
    "signal-hook",
    "tracing-subscriber",
];

/// Abandoned, unsound, or unfit for files that others made.
const BANNED: [&str; 5] = ["bincode", "rkyv", "rkvy", "serde_yaml", "serde_yml"];

/// Crates that see bytes and values only, and what their code must not name.
const WITHOUT_A_WORLD: [&str; 3] = ["rules", "capture/state", "replay/engine"];
const WORLD: [&str; 11] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "SystemTime",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "println!",
    "stdout()",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// Every crate of the project with the names of what it depends on, tests and build scripts aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = list(&metadata, "packages").iter();
    packages
        .map(|package| {
            let normal = list(package, "dependencies").iter().filter(|dependency| dependency["kind"].is_null());
            (name(package), normal.map(name).collect())
        })
        .collect()
}

/// Every package of the lock file with the names of what it depends on, tests included.
fn locked() -> BTreeMap<String, BTreeSet<String>> {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let mut packages: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut at = String::new();
    for line in lock.lines() {
        if let Some(name) = line.strip_prefix("name = \"") {
            at = name.trim_end_matches('"').to_owned();
            packages.entry(at.clone()).or_default();
        } else if let Some(dependency) = line.strip_prefix(" \"") {
            let name = dependency.trim_end_matches("\",").split(' ').next().unwrap();
            packages.entry(at.clone()).or_default().insert(name.to_owned());
        }
    }
    packages
}

/// Everything that a package depends on, at any distance.
fn tree_of(package: &str) -> BTreeSet<String> {
    let locked = locked();
    let mut tree = BTreeSet::new();
    let mut rest = vec![package.to_owned()];
    while let Some(name) = rest.pop() {
        for dependency in locked.get(&name).into_iter().flatten() {
            if tree.insert(dependency.clone()) {
                rest.push(dependency.clone());
            }
        }
    }
    tree
}

#[test]
fn the_workspace_is_the_map() {
    let found: BTreeSet<String> = dependencies().into_keys().collect();
    let known: BTreeSet<String> = MAP.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(found, known, "a crate is on no map, or a map shows none");
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (name, folder, _) in MAP {
        assert!(page.contains(&format!("`{folder}/`")), "ARCHITECTURE.md does not show {folder}/");
        assert!(page.contains(&format!("`{name}`")), "ARCHITECTURE.md does not name {name}");
    }
}

#[test]
fn crates_use_only_the_siblings_that_they_may() {
    let all = dependencies();
    for (name, _, may) in MAP {
        for dependency in all[name].iter().filter(|dependency| dependency.starts_with("falco-")) {
            assert!(may.contains(&dependency.as_str()), "{name} must know nothing of {dependency}");
        }
    }
}

#[test]
fn only_the_command_knows_arguments_and_terminals() {
    for (name, dependencies) in dependencies() {
        if name == "falco-replay" {
            assert!(dependencies.contains("clap"));
            continue;
        }
        for banned in ONLY_THE_COMMAND {
            assert!(!dependencies.contains(banned), "{name} must know nothing of {banned}");
        }
    }
}

#[test]
fn the_command_links_no_recorder() {
    let tree = tree_of("falco-replay");
    // The walk sees the siblings and what they use.
    assert!(tree.contains("falco-replay-rules") && tree.contains("granit-parser") && tree.contains("zstd-sys"));
    let aya: Vec<_> = tree.iter().filter(|name| *name == "aya" || name.starts_with("aya-")).collect();
    assert!(aya.is_empty(), "falco-replay links {aya:?}");
}

#[test]
fn nothing_that_is_banned_is_locked() {
    let locked = locked();
    for banned in BANNED {
        assert!(!locked.contains_key(banned), "{banned} is banned, see ARCHITECTURE.md");
    }
}

#[test]
fn inner_crates_know_no_world() {
    for folder in WITHOUT_A_WORLD {
        let mut folders = vec![root().join(folder).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let code = std::fs::read_to_string(&path).unwrap();
                for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                    for word in WORLD {
                        assert!(!line.contains(word), "{}: knows {word}: {line}", path.display());
                    }
                }
            }
        }
    }
}
