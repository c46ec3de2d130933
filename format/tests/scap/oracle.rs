//! Captures of other people and of libsinsp's own tests, where the folder `shared` stands beside this repository.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use falco_replay_format::batch::STATE_ONLY;
use falco_replay_format::scap::Input;
use falco_replay_format::schema::ev;

use crate::outcome::{Outcome, Section, read, write};

fn oracle() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracle");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED, NOT TESTED: no captures at {}", folder.display());
    None
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { path.join("capture.scap") } else { path })
        .filter(|path| path.extension().is_some_and(|extension| extension == "scap") && path.exists())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no captures in {}", folder.display());
    paths
}

fn read_file(path: &Path) -> Outcome {
    read(Input::open(File::open(path).unwrap()).unwrap())
}

/// Enter events that feed the state but are not delivered (facts: state.md §2).
const HIDDEN: [u16; 7] = [
    ev::SYSCALL_OPEN_E,
    ev::SYSCALL_CREAT_E,
    ev::SYSCALL_OPENAT_2_E,
    ev::SYSCALL_OPENAT2_E,
    ev::SYSCALL_EXECVE_19_E,
    ev::SYSCALL_EXECVEAT_E,
    ev::SOCKET_CONNECT_E,
];
/// Events that are not delivered while nothing else came before them (facts: state.md §1).
const INITIAL: [u16; 6] = [
    ev::CONTAINER_JSON_2_E,
    ev::USER_ADDED_E,
    ev::USER_DELETED_E,
    ev::GROUP_ADDED_E,
    ev::GROUP_DELETED_E,
    ev::ASYNCEVENT_E,
];

/// How many events libsinsp would deliver.
fn delivered(section: &Section) -> usize {
    let initial = section.rows.iter().take_while(|row| INITIAL.contains(&row.ty)).count();
    let initial = section.first_drop.map_or(initial, |drop| initial.min(drop));
    let rows = section.rows[initial..].iter();
    rows.filter(|row| row.flags & STATE_ONLY == 0 && !HIDDEN.contains(&row.ty)).count()
}

#[test]
fn foreign_captures_have_as_many_events_as_libsinsp_delivers() {
    let Some(oracle) = oracle() else { return };
    let counts = fs::read_to_string(oracle.join("foreign/events.json")).unwrap();
    let counts: serde_json::Value = serde_json::from_str(&counts).unwrap();
    for path in captures(&oracle.join("foreign")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let section = read_file(&path).single();
        assert_eq!(Some(delivered(&section) as u64), counts[name].as_u64(), "{name}");
    }
}

#[test]
fn every_capture_comes_back_from_the_writer() {
    let Some(oracle) = oracle() else { return };
    let (mut all, mut same) = (0, 0);
    for kind in ["guest", "foreign", "unit"] {
        for path in captures(&oracle.join(kind)) {
            // The largest is there for benchmarks; the others have all that it has.
            if path.metadata().unwrap().len() > 4 << 20 {
                continue;
            }
            let outcome = read_file(&path);
            let converted = outcome.converted + outcome.dropped > 0;
            let section = outcome.single();
            let written = write(&section.head, &section.rows).unwrap();
            let again = read(&written[..]).single();
            assert_eq!(format!("{:?}", section.head), format!("{:?}", again.head), "{}", path.display());
            assert_eq!(section.rows, again.rows, "{}", path.display());
            all += 1;
            // Today's own blocks come back to the byte.
            let mut bytes = Vec::new();
            Input::open(File::open(&path).unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
            same += usize::from(bytes == written);
            assert!(bytes == written || converted || kind == "foreign", "{}", path.display());
        }
    }
    assert!(same > 350, "{same} of {all} captures came back to the byte");
}
