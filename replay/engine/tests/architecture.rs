//! The table of `ARCHITECTURE.md` that says where each field comes from, held to the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use falco_replay_engine::catalogue::Field;
use falco_replay_engine::origin::source_of;

const HEADING: &str = "## Where each field comes from";

/// Fields, or beginnings of names with a `*` at the end, and what the page says that they come from.
fn table() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (_, section) = page.split_once(HEADING).expect("the page has the section");
    let section = section.split("\n## ").next().unwrap();
    let mut table = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let [_, source, fields, _] = row.split('|').collect::<Vec<_>>()[..] else {
            panic!("a row has two cells: {row}")
        };
        for name in fields.split('`').skip(1).step_by(2) {
            let before = table.insert(name.to_owned(), source.trim().to_owned());
            assert_eq!(before, None, "{name} stands in the table twice");
        }
    }
    table
}

#[test]
fn the_table_of_the_page_is_that_of_the_code() {
    let mut table = table();
    let mut used = Vec::new();
    let mut wrong = Vec::new();
    for field in Field::ALL {
        let name = field.entry().name();
        // The most specific entry counts.
        let entry = table
            .keys()
            .filter(|entry| match entry.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => *entry == name,
            })
            .max_by_key(|entry| (!entry.ends_with('*'), entry.len()))
            .cloned();
        let source = source_of(field);
        let said = entry.as_ref().map(|entry| table[entry].as_str());
        if said != Some(&source) {
            wrong.push(format!("{name}: comes from `{source}`, the page says {said:?}"));
        }
        used.extend(entry);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    table.retain(|entry, _| !used.contains(entry));
    assert!(table.is_empty(), "no field is meant by {:?}", table.keys());
}
