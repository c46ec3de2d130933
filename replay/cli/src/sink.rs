//! Where alerts and events go. Its reader may leave at any time, and a disk may be full.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context as _;

/// Bytes gathered before they are written.
const GATHERED: usize = 64 << 10;

/// Why nothing more is written.
#[derive(Debug)]
pub enum Stop {
    /// The reader of standard output has gone: it has seen enough.
    Closed,
    /// Writing failed.
    Failed(anyhow::Error),
}

/// Standard output, a file, or both.
pub struct Sink {
    outputs: Vec<(String, Box<dyn Write>)>,
    gathered: Vec<u8>,
    /// Whether somebody watches.
    live: bool,
}

impl Sink {
    /// A sink without any output.
    pub fn new() -> Sink {
        Sink { outputs: Vec::new(), gathered: Vec::new(), live: false }
    }

    /// Adds standard output.
    pub fn stdout(mut self) -> Sink {
        let stdout = io::stdout();
        self.live = stdout.is_terminal();
        self.outputs.push(("standard output".to_owned(), Box::new(stdout)));
        self
    }

    /// Adds a file, emptied or written on at its end.
    pub fn file(mut self, path: &Path, append: bool) -> anyhow::Result<Sink> {
        let mut options = OpenOptions::new();
        options.create(true).append(append).write(true).truncate(!append);
        let file = options.open(path).with_context(|| format!("cannot write to {}", path.display()))?;
        self.outputs.push((path.display().to_string(), Box::new(file)));
        Ok(self)
    }

    /// Whether what is written shows on a terminal.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Where the next line is to be put.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// Whether enough has been gathered to be written.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.gathered.len() >= GATHERED || self.live && !self.gathered.is_empty()
    }

    /// Writes what has been gathered.
    pub fn flush(&mut self) -> Result<(), Stop> {
        for (name, output) in &mut self.outputs {
            if let Err(error) = output.write_all(&self.gathered).and_then(|()| output.flush()) {
                self.gathered.clear();
                return Err(match error.kind() {
                    ErrorKind::BrokenPipe => Stop::Closed,
                    _ => Stop::Failed(anyhow::Error::new(error).context(format!("cannot write to {name}"))),
                });
            }
        }
        self.gathered.clear();
        Ok(())
    }
}
