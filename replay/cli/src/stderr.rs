//! Standard error. That nobody reads it is no reason to fail.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

/// Writes a line that says which program it is of.
pub fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "falco-replay: {message}");
}

/// Writes a text as it is.
pub fn write(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Whether it shows colours.
pub fn shows_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && io::stderr().is_terminal()
}
