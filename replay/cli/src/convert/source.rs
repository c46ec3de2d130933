//! Inputs of any form: heads and events in turn, and what reading them counted.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock};
use falco_replay_format::fcap::{self, CaptureFile, Entry, FileAbout, OwnEvent, Totals};
use falco_replay_format::lists::Head;
use falco_replay_format::scap::Item;

use crate::capture::{Capture, CaptureError, capture_name, next_item};
use crate::interrupt::Interrupt;
use crate::run::plural;
use crate::window::Window;

/// Why an input could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A `.scap`, or nothing that could be opened.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// An `.fcap`.
    #[error("{}: {error}; everything before was read", capture_name(path))]
    Stored {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        error: fcap::Error,
    },
    /// An `.fcap` whose writer did not come to its end.
    #[error(
        "{}: it was not closed, so it may lack its end{}; what is whole was read",
        capture_name(path),
        match damaged { 0 => String::new(), damaged => format!(", and {} of it cannot be read", plural(*damaged as u64, "part")) }
    )]
    Unclosed {
        /// Which.
        path: PathBuf,
        /// How many parts are damaged.
        damaged: usize,
    },
}

impl SourceError {
    /// What is wrong, without the name of the file.
    pub fn problem(&self) -> String {
        match self {
            SourceError::Capture(CaptureError::Read { error, .. }) => error.to_string(),
            SourceError::Capture(CaptureError::Open { error, .. }) => error.to_string(),
            SourceError::Capture(error) => error.to_string(),
            SourceError::Stored { error, .. } => error.to_string(),
            SourceError::Unclosed { .. } => "it was not closed".to_owned(),
        }
    }

    /// Whether the user wants no more.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, SourceError::Capture(CaptureError::Interrupted { .. }))
    }
}

/// What comes next of an input.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once for many thousand events")]
pub enum Step {
    /// A section begins.
    Head(Box<Head>),
    /// Events as read.
    Events(EventBatch),
    /// Events in context, as stored.
    Block(Block),
    /// Events of falco-replay's own.
    Own(Vec<OwnEvent>),
    /// Nothing more.
    End,
}

/// An input that was opened and begins like a capture.
#[derive(Debug)]
pub enum Source {
    /// A `.scap`.
    Scap(Box<Capture>),
    /// An `.fcap`.
    Fcap(Box<Stored>),
}

/// An `.fcap` that is read from its beginning to its end.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    file: CaptureFile,
    at: usize,
    decoder: Decoder,
    select: Select,
    /// Contexts of events outside of this time are left unread.
    window: Option<Window>,
    progress: Arc<AtomicU64>,
    /// Events of ours, which no other form has a place for.
    own_events: u64,
    events: u64,
    bytes: u64,
}

impl Source {
    /// Opens a file of either form, or standard input for `-`, which can be a `.scap` only.
    pub fn open(path: &Path, interrupt: &Interrupt) -> Result<Source, SourceError> {
        if !is_fcap(path) {
            return Ok(Source::Scap(Box::new(Capture::open(path, interrupt)?)));
        }
        let file = CaptureFile::open(path).map_err(|error| SourceError::Stored { path: path.to_owned(), error })?;
        Ok(Source::Fcap(Box::new(Stored {
            path: path.to_owned(),
            file,
            at: 0,
            decoder: Decoder::default(),
            select: Select::everything(),
            window: None,
            progress: Arc::default(),
            own_events: 0,
            events: 0,
            bytes: 0,
        })))
    }

    /// Calls it by another name in messages.
    pub fn rename(&mut self, path: &Path) {
        match self {
            Source::Scap(capture) => capture.path = path.to_owned(),
            Source::Fcap(stored) => stored.path = path.to_owned(),
        }
    }

    /// Leaves stored contexts unread.
    pub fn without_contexts(mut self) -> Source {
        if let Source::Fcap(stored) = &mut self {
            stored.select = Select::raw();
        }
        self
    }

    /// Leaves contexts unread of blocks that have no event within this time.
    pub fn within(mut self, window: Option<Window>) -> Source {
        if let Source::Fcap(stored) = &mut self {
            stored.window = window;
        }
        self
    }

    /// The next step. `batch`: memory to be used again.
    pub fn next(&mut self, batch: EventBatch, interrupt: &Interrupt) -> Result<Step, SourceError> {
        match self {
            Source::Scap(capture) => Ok(match next_item(capture, batch, interrupt)? {
                Item::Head(head) => Step::Head(head),
                Item::Batch(batch) => Step::Events(batch),
                Item::End => Step::End,
            }),
            Source::Fcap(stored) => stored.next(interrupt),
        }
    }

    /// The size of the file, where that is known.
    pub fn size(&self) -> Option<u64> {
        match self {
            Source::Scap(capture) => capture.size,
            Source::Fcap(stored) => Some(stored.file.size()),
        }
    }

    /// How much of it was read.
    pub fn progress(&self) -> Arc<AtomicU64> {
        match self {
            Source::Scap(capture) => capture.progress.clone(),
            Source::Fcap(stored) => stored.progress.clone(),
        }
    }

    /// What an `.fcap` says of itself.
    pub fn about(&self) -> Option<&FileAbout> {
        match self {
            Source::Scap(_) => None,
            Source::Fcap(stored) => Some(stored.file.about()),
        }
    }

    /// What reading counted; of an `.fcap` what its own source was like.
    pub fn totals(&self) -> Totals {
        match self {
            Source::Scap(capture) => Totals::from(capture.reader.stats()),
            Source::Fcap(stored) => stored.file.totals().clone(),
        }
    }

    /// Events that were read so far, and their bytes.
    pub fn read(&self) -> (u64, u64) {
        match self {
            Source::Scap(capture) => {
                let stats = capture.reader.stats();
                (stats.events.saturating_sub(stats.dropped), stats.bytes)
            }
            Source::Fcap(stored) => (stored.events, stored.bytes),
        }
    }

    /// Events of ours that were read.
    pub fn own_events(&self) -> u64 {
        match self {
            Source::Scap(_) => 0,
            Source::Fcap(stored) => stored.own_events,
        }
    }
}

/// Whether a file begins as an `.fcap` does.
pub fn is_fcap(path: &Path) -> bool {
    let mut begin = [0; 8];
    path.is_file()
        && File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok()
        && fcap::is_capture(&begin)
}

impl Stored {
    fn next(&mut self, interrupt: &Interrupt) -> Result<Step, SourceError> {
        loop {
            if interrupt.asked() {
                return Err(CaptureError::Interrupted { path: self.path.clone() }.into());
            }
            let Some(entry) = self.file.entries().get(self.at) else { return self.end() };
            self.at += 1;
            self.progress.store(entry.offset() + entry.len(), Ordering::Relaxed);
            let step = match entry {
                Entry::Snapshot { .. } => self.file.snapshot(entry).map(|head| Step::Head(Box::new(head))),
                Entry::Block { about, .. } => {
                    self.events += u64::from(about.events);
                    self.bytes += about.raw_bytes;
                    let raw = Select::raw();
                    let outside = |window: Window| !window.touches_times(about.min_ts, about.max_ts);
                    let select = if self.window.is_some_and(outside) { &raw } else { &self.select };
                    let read = self.file.block(entry).and_then(|payload| {
                        StoredBlock::new(payload, &mut self.decoder)?.select(
                            &mut self.decoder,
                            None,
                            select,
                            Block::default(),
                        )
                    });
                    self.file.release(entry);
                    read.map(Step::Block)
                }
                Entry::OwnEvents { count, .. } => {
                    self.own_events += u64::from(*count);
                    self.file.own_events(entry).map(Step::Own)
                }
                Entry::Other { .. } => continue,
            };
            return step.map_err(|error| {
                self.at = usize::MAX;
                SourceError::Stored { path: self.path.clone(), error }
            });
        }
    }

    /// At the end: damage that was found while opening comes after everything that is sound.
    fn end(&mut self) -> Result<Step, SourceError> {
        if self.at == usize::MAX || self.file.was_closed() {
            return Ok(Step::End);
        }
        self.at = usize::MAX;
        let path = self.path.clone();
        Err(SourceError::Unclosed { path, damaged: self.file.damage().len() })
    }
}
