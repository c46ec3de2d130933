//! The exit codes of every command: a promise.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, and nothing found; or all passed.
    Done = 0,
    /// Found: alerts, invalid rules, failed tests, a difference over its threshold.
    Found = 1,
    /// Not done, or not completely.
    NotDone = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
