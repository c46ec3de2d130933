//! Standard output, whose reader may leave at any time.

use std::io::{self, ErrorKind, IsTerminal, Write};

/// Writes a text. A closed pipe is no error: the reader has seen enough.
pub fn write_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Whether standard output shows colours.
pub fn shows_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && io::stdout().is_terminal()
}
