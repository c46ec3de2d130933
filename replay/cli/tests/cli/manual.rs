//! Help, completions and man pages.

use std::fs;

use crate::program::Folder;

const COMMANDS: [&str; 8] = ["run", "print", "info", "validate", "describe", "list", "completions", "man"];

#[test]
fn every_command_has_help() {
    let folder = Folder::new();
    let all = folder.run(&["--help"]);
    for command in COMMANDS {
        assert!(all.out.contains(&format!("  {command} ")), "{command}");
        let ran = folder.run(&[command, "--help"]);
        assert!(ran.code == 0 && ran.out.contains("Usage: falco-replay "), "{command}");
    }
    assert!(folder.run(&["run", "--help"]).out.contains("Examples:\n  falco-replay run -r "));
}

#[test]
fn completions_know_the_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]);
        assert!(ran.code == 0 && ran.out.contains("rule-matching") && ran.out.contains("validate"), "{shell}");
    }
}

#[test]
fn man_pages_are_made() {
    let folder = Folder::new();
    assert!(folder.run(&["man"]).out.contains(".TH falco-replay 1"));
    assert_eq!(folder.run(&["man", "pages"]).code, 0);
    for command in COMMANDS {
        let page = fs::read_to_string(folder.path(&format!("pages/falco-replay-{command}.1"))).unwrap();
        assert!(page.contains(&format!("falco\\-replay {command}")), "{command}");
    }
}
