//! Captures as blocks: a file or standard input through the reader and the state code.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Block;
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock};
use falco_replay_format::fcap::{self, CaptureFile, Entry};
use falco_replay_format::lists::Head;
use falco_replay_format::scap::{self, Damage, Input, Item, Reader, Stats};
use falco_replay_format::schema::ev;
use falco_replay_state::{ContainerMetadata, Refused, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::interrupt::Interrupt;

/// Why a capture could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("cannot open {}: {error}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is a folder.
    #[error("{} is a folder, not a capture", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
    },
    /// It is damaged, or no capture.
    #[error("{}: {error}{}", capture_name(path), remedy(error))]
    Read {
        /// Which.
        path: PathBuf,
        /// What is wrong, and where.
        error: scap::Error,
    },
    /// A capture in our own format is damaged, or none.
    #[error(
        "{}: {error}{}",
        capture_name(path),
        match damaged { 0 => String::new(), 1 => "; the block there was left out".to_owned(), more => format!("; {more} blocks were left out") }
    )]
    Stored {
        /// Which.
        path: PathBuf,
        /// What is wrong first, and where.
        error: fcap::Error,
        /// Blocks that were left out.
        damaged: u64,
    },
    /// One whose writer did not come to its end.
    #[error("{}: it was not closed, so it may lack its end; what is whole was read{}", capture_name(path), match damaged { 0 => "", _ => ", the rest is damaged" })]
    Unclosed {
        /// Which.
        path: PathBuf,
        /// Parts that could not be read.
        damaged: u64,
    },
    /// One that was made of a damaged capture.
    #[error("{}: it was made of a capture that could not be read to its end", capture_name(path))]
    Incomplete {
        /// Which.
        path: PathBuf,
    },
    /// Something is asked for that captures in our own format do not hold.
    #[error(
        "{}: it holds descriptors 0 to 2 of every event, but not {number}, which the rules ask for; convert it to .scap first",
        capture_name(path)
    )]
    NotStored {
        /// Which.
        path: PathBuf,
        /// The descriptor number.
        number: i64,
    },
    /// The user wants no more.
    #[error("{}: interrupted; what came after was not read", capture_name(path))]
    Interrupted {
        /// Which.
        path: PathBuf,
    },
}

/// The name of a capture in messages and alerts.
pub fn capture_name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// What can be said beyond what is wrong.
fn remedy(error: &scap::Error) -> &'static str {
    if error.offset == 0 {
        return "";
    }
    match error.damage() {
        Damage::Truncated => "; everything before the cut was read",
        Damage::Corrupt => "; everything before the damage was read",
        Damage::Input | Damage::Unsupported => "; everything before was read",
    }
}

/// A capture that was opened and begins like one.
#[derive(Debug)]
pub struct Capture {
    /// Its path, `-` for standard input.
    pub path: PathBuf,
    /// What reads it.
    pub reader: Reader<Input>,
    /// Its size as it lies on the disk, where that is known.
    pub size: Option<u64>,
    /// How much of that has been read.
    pub progress: Arc<AtomicU64>,
}

impl Capture {
    /// Opens a file, or standard input for `-`.
    pub fn open(path: &Path, interrupt: &Interrupt) -> Result<Capture, CaptureError> {
        let fail = |error| CaptureError::Open { path: path.to_owned(), error };
        let progress = Arc::new(AtomicU64::new(0));
        let mut size = None;
        let reader = if path == Path::new("-") {
            // Not `Stdin` itself: what its buffer holds would not show in `poll`.
            let input = File::from(io::stdin().as_fd().try_clone_to_owned().map_err(fail)?);
            scap::open(Patient { input, interrupt: interrupt.clone() })
        } else {
            let input = File::open(path).map_err(fail)?;
            let about = input.metadata().map_err(fail)?;
            if about.is_dir() {
                return Err(CaptureError::Folder { path: path.to_owned() });
            }
            if about.is_file() {
                size = Some(about.len());
                scap::open(Counted { input, read: Arc::clone(&progress) })
            } else {
                scap::open(Patient { input, interrupt: interrupt.clone() })
            }
        };
        let reader = reader.map_err(|error| read_error(path, error, interrupt))?;
        Ok(Capture { path: path.to_owned(), reader, size, progress })
    }

    /// The blocks of the capture. `demand`: which references of its events are worked out.
    pub fn blocks(self, demand: Demand, interrupt: &Interrupt) -> Blocks {
        Blocks {
            capture: self,
            state: State::new(demand),
            head: None,
            keep_head: false,
            spare: None,
            interrupt: interrupt.clone(),
        }
    }
}

/// The blocks of one capture, in order.
#[derive(Debug)]
pub struct Blocks {
    capture: Capture,
    state: State,
    head: Option<Box<Head>>,
    keep_head: bool,
    spare: Option<Block>,
    interrupt: Interrupt,
}

impl Blocks {
    /// The next block; `None` at the end. After an error the capture has ended too.
    pub fn next(&mut self) -> Result<Option<Block>, CaptureError> {
        loop {
            let (batch, spare) = match self.spare.take() {
                Some(block) => block.recycle(),
                None => (EventBatch::default(), Block::default()),
            };
            match next_item(&mut self.capture, batch, &self.interrupt)? {
                Item::Head(head) => {
                    self.state.start(&head);
                    if self.keep_head {
                        self.head.get_or_insert(head);
                    }
                    self.spare = Some(spare);
                }
                Item::Batch(batch) => return Ok(Some(self.state.apply(batch, spare))),
                Item::End => return Ok(None),
            }
        }
    }

    /// Gives a block back, so that its memory is used again.
    pub fn recycle(&mut self, block: Block) {
        self.spare = Some(block);
    }

    /// What was read so far.
    pub fn stats(&self) -> &Stats {
        self.capture.reader.stats()
    }

    /// The capture itself.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }

    /// Makes [`Blocks::head`] known.
    pub fn keep_head(mut self) -> Blocks {
        self.keep_head = true;
        self
    }

    /// The head of the first section, once that is read.
    pub fn head(&self) -> Option<&Head> {
        self.head.as_deref()
    }

    /// What did not fit into the tables of the state.
    pub fn refused(&self) -> Refused {
        self.state.refused()
    }
}

/// The next item of a capture.
pub fn next_item(capture: &mut Capture, batch: EventBatch, interrupt: &Interrupt) -> Result<Item, CaptureError> {
    if interrupt.asked() {
        return Err(CaptureError::Interrupted { path: capture.path.clone() });
    }
    capture.reader.next(batch).map_err(|error| read_error(&capture.path, error, interrupt))
}

/// An input that failed because of an interrupt was not at fault.
fn read_error(path: &Path, error: scap::Error, interrupt: &Interrupt) -> CaptureError {
    let path = path.to_owned();
    match error.damage() {
        Damage::Input if interrupt.asked() => CaptureError::Interrupted { path },
        _ => CaptureError::Read { path, error },
    }
}

/// Whether a capture can be read more than once: pipes cannot.
pub fn can_be_read_again(path: &Path) -> bool {
    path != Path::new("-") && path.is_file()
}

/// What a whole capture says of its containers, as far as it can be read. `None` where it cannot be read more than once.
pub fn container_metadata(path: &Path, interrupt: &Interrupt) -> Option<ContainerMetadata> {
    if !can_be_read_again(path) {
        return None;
    }
    // What is wrong with the capture is said where its events are read.
    let mut metadata = ContainerMetadata::default();
    if is_stored(path) {
        if let Ok(file) = CaptureFile::open(path) {
            stored_metadata(&file, &mut metadata);
        }
        return Some(metadata);
    }
    let Ok(mut capture) = Capture::open(path, interrupt) else { return Some(metadata) };
    let mut spare = EventBatch::default();
    loop {
        match next_item(&mut capture, spare, interrupt) {
            Ok(Item::Head(_)) => spare = EventBatch::default(),
            Ok(Item::Batch(batch)) => {
                metadata.read(&batch);
                spare = batch;
            }
            Ok(Item::End) | Err(_) => return Some(metadata),
        }
    }
}

/// Adds what container events of a capture in our own format say.
fn stored_metadata(file: &CaptureFile, metadata: &mut ContainerMetadata) {
    let mut decoder = Decoder::default();
    let describes = |ty: u16| matches!(ty, ev::CONTAINER_JSON_2_E | ev::ASYNCEVENT_E);
    for entry in file.entries() {
        match entry.about() {
            Some(about) if about.types.iter().any(|(ty, _)| describes(*ty)) => {}
            Some(_) => continue,
            None => {
                // What a cut capture begins with.
                if let Ok(head) = file.snapshot(entry)
                    && let Some(exact) = head.exact
                {
                    exact.containers.into_iter().for_each(|container| metadata.add(container.into()));
                }
                continue;
            }
        }
        if let Ok(block) = raw_block(file, entry, &mut decoder) {
            metadata.read(&block.batch);
        }
    }
}

/// The events of a block as they were read, without contexts.
fn raw_block(file: &CaptureFile, entry: &Entry, decoder: &mut Decoder) -> Result<Block, fcap::Error> {
    let mut stored = StoredBlock::new(file.block(entry)?, decoder)?;
    stored.select(decoder, None, &Select::raw(), Block::default())
}

/// Whether a file begins like a capture in our own format.
pub fn is_stored(path: &Path) -> bool {
    let mut first = [0; 16];
    // A pipe would lose what is read here.
    path.is_file()
        && File::open(path).is_ok_and(|mut file| {
            let mut found = 0;
            while let Ok(count @ 1..) = file.read(&mut first[found..]) {
                found += count;
            }
            fcap::is_capture(&first[..found])
        })
}

/// The least time of the first events of a capture that can be read again.
pub fn first_time(path: &Path, interrupt: &Interrupt) -> Option<u64> {
    if !can_be_read_again(path) {
        return None;
    }
    if is_stored(path) {
        let file = CaptureFile::open(path).ok()?;
        return file.entries().iter().filter_map(|entry| Some(entry.about()?.min_ts)).min();
    }
    let mut capture = Capture::open(path, interrupt).ok()?;
    loop {
        match next_item(&mut capture, EventBatch::default(), interrupt).ok()? {
            Item::Head(_) => {}
            Item::Batch(batch) => return batch.ts.iter().copied().min(),
            Item::End => return None,
        }
    }
}

/// The bytes of an input that may keep a reader waiting, `-` for standard input.
pub fn patient(path: &Path, interrupt: &Interrupt) -> io::Result<impl Read + use<>> {
    let input = match path == Path::new("-") {
        true => File::from(io::stdin().as_fd().try_clone_to_owned()?),
        false => File::open(path)?,
    };
    Ok(Patient { input, interrupt: interrupt.clone() })
}

/// Counts what is read of a file, for the progress bar.
struct Counted {
    input: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An input that may keep a reader waiting, such as a pipe: it looks for an interrupt while it waits.
struct Patient {
    input: File,
    interrupt: Interrupt,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let moment = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        loop {
            if self.interrupt.asked() {
                return Err(io::Error::other("interrupted"));
            }
            match poll(&mut [PollFd::new(&self.input, PollFlags::IN)], Some(&moment)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.input.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
