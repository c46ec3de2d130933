//! Writes captures of any form, in one file or in parts.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use falco_replay_format::batch::{EventBatch, STATE_ONLY};
use falco_replay_format::block::Block;
use falco_replay_format::fcap::{self, FileAbout, Options, OwnEvent, Totals};
use falco_replay_format::lists::Head;
use falco_replay_format::scap::{self, prologue};
use falco_replay_format::schema::EVENT_TYPES;

use super::compress::Packed;
use super::fit::fit;
use super::form::{Form, part_path};
use super::gather::Gather;
use super::place::Unfinished;

/// zstd's level in an `.fcap` where none is asked for.
const FCAP_LEVEL: i32 = 6;

/// Where a capture goes, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its path; parts get numbers.
    pub path: PathBuf,
    /// Its form.
    pub form: Form,
    /// Level of compression.
    pub level: Option<i32>,
    /// Threads to use.
    pub threads: usize,
    /// Whether existing files are replaced.
    pub force: bool,
    /// When a new part begins.
    pub split: Split,
}

/// When a new part of an output begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Split {
    /// Bytes of events after which it does.
    pub size: Option<u64>,
    /// Nanoseconds after its first event.
    pub time: Option<u64>,
}

impl Split {
    /// Whether there are parts at all.
    pub fn is_wanted(self) -> bool {
        self.size.is_some() || self.time.is_some()
    }
}

/// What was written.
#[derive(Debug, Default)]
pub struct Made {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Their bytes.
    pub bytes: u64,
    /// Events that are delivered.
    pub events: u64,
    /// Events that only change state.
    pub state_only: u64,
    /// Texts that a `.scap` has no room for.
    pub shortened: u64,
    /// Events of falco-replay's own.
    pub own_events: u64,
}

/// The output of a conversion.
pub struct Output {
    settings: Settings,
    /// What is known of the recorder, of an `.fcap` source.
    about: Option<FileAbout>,
    part: Option<Part>,
    number: u32,
    /// The head that the next events begin with.
    head: Option<Head>,
    gather: Gather,
    /// Events of ours that came before the file was begun.
    own_events: Vec<OwnEvent>,
    made: Made,
}

/// A file being written.
struct Part {
    unfinished: Unfinished,
    /// Nothing after an error.
    target: Option<Target>,
    /// Bytes of its events before compression.
    size: u64,
    /// Time of its first delivered event.
    first: Option<u64>,
}

enum Target {
    /// A `.scap` without a section yet.
    Empty(Packed),
    Scap(scap::Writer<Packed>),
    Fcap(Box<fcap::Writer<File>>),
}

impl Output {
    /// An output without a file yet: that is made with the first event.
    pub fn new(settings: Settings) -> Output {
        let (gather, made) = (Gather::default(), Made::default());
        Output { settings, about: None, part: None, number: 0, head: None, gather, own_events: Vec::new(), made }
    }

    /// Its path, without the numbers of parts.
    pub fn path(&self) -> &Path {
        &self.settings.path
    }

    /// Its form.
    pub fn form(&self) -> Form {
        self.settings.form
    }

    /// Where a new part begins.
    pub fn split(&self) -> Split {
        self.settings.split
    }

    /// Takes over what an `.fcap` says of itself.
    pub fn set_about(&mut self, about: FileAbout) {
        self.about.get_or_insert(about);
    }

    /// Whether an event of this time and size begins a new part.
    pub fn is_due(&self, ts: u64, size: u64) -> bool {
        let Some(Part { size: so_far, first: Some(first), .. }) = &self.part else { return false };
        let Split { size: most, time: longest } = self.settings.split;
        most.is_some_and(|most| so_far + size > most)
            || longest.is_some_and(|longest| ts.saturating_sub(*first) >= longest)
    }

    /// Begins a section with the next event.
    pub fn head(&mut self, head: Head) -> anyhow::Result<()> {
        self.flush()?;
        self.head = Some(head);
        Ok(())
    }

    /// Writes some rows of a block, each with whether it is delivered.
    pub fn rows(&mut self, block: &Block, rows: &[(u32, bool)]) -> anyhow::Result<()> {
        let Some(&(first, _)) = rows.first() else { return Ok(()) };
        self.open(block.batch.ts[first as usize])?;
        for &(row, delivered) in rows {
            let row = row as usize;
            self.count(&block.batch, row, delivered);
            if let Some(Part { target: Some(Target::Scap(writer)), unfinished, .. }) = &mut self.part {
                let flags = block.batch.flags[row];
                let hidden = block.marks.get(row).is_some_and(|_| !block.delivered(row));
                let flags = if delivered || hidden { flags } else { flags | STATE_ONLY };
                write_event(writer, &block.batch, row, flags, unfinished.becomes())?;
            }
        }
        if self.settings.form == Form::Fcap {
            self.gather.add(block, rows);
            if self.gather.is_full() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes all rows of a block as they are; gives a block back whose memory can be used again.
    pub fn whole(&mut self, block: Block) -> anyhow::Result<Option<Block>> {
        if block.is_empty() {
            return Ok(Some(block));
        }
        self.open(block.batch.ts[0])?;
        for row in 0..block.len() {
            let delivered = match block.marks.is_empty() {
                true => block.batch.flags[row] & STATE_ONLY == 0,
                false => block.delivered(row),
            };
            self.count(&block.batch, row, delivered);
        }
        self.flush()?;
        let Some(Part { target, unfinished, .. }) = &mut self.part else { return Ok(Some(block)) };
        match target {
            Some(Target::Scap(writer)) => {
                for row in 0..block.len() {
                    write_event(writer, &block.batch, row, block.batch.flags[row], unfinished.becomes())?;
                }
                Ok(Some(block))
            }
            Some(Target::Fcap(writer)) => {
                writer.block(block).with_context(|| cannot_write(unfinished.becomes()))?;
                Ok(writer.spare())
            }
            _ => Ok(Some(block)),
        }
    }

    /// Writes an event of falco-replay's own, where the form has a place for it.
    pub fn own_event(&mut self, event: OwnEvent) -> anyhow::Result<()> {
        self.flush()?;
        match &mut self.part {
            Some(Part { target: Some(Target::Fcap(writer)), unfinished, .. }) => {
                self.made.own_events += 1;
                writer.own_event(event).with_context(|| cannot_write(unfinished.becomes()))
            }
            // They come with the first events.
            _ if self.settings.form == Form::Fcap => {
                self.own_events.push(event);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Ends the file at hand; the next event begins another.
    pub fn end_part(&mut self, totals: &Totals) -> anyhow::Result<()> {
        self.flush()?;
        self.gather.begin_output();
        let Some(Part { unfinished, target, .. }) = self.part.take() else { return Ok(()) };
        let path = unfinished.becomes().to_owned();
        let fail = || cannot_write(&path);
        let mut file = match target {
            Some(Target::Empty(output)) => output.finish().with_context(fail)?,
            Some(Target::Scap(writer)) => {
                writer.finish().map_err(output_error).with_context(fail)?.finish().with_context(fail)?
            }
            Some(Target::Fcap(writer)) => writer.finish(totals).with_context(fail)?.0,
            None => return Ok(()),
        };
        file.flush().with_context(fail)?;
        self.made.bytes += file.metadata().with_context(fail)?.len();
        unfinished.keep(self.settings.force)?;
        self.made.files.push(path);
        Ok(())
    }

    /// Ends the output.
    pub fn finish(mut self, totals: &Totals) -> anyhow::Result<Made> {
        self.end_part(totals)?;
        Ok(self.made)
    }

    fn count(&mut self, batch: &EventBatch, row: usize, delivered: bool) {
        if delivered {
            self.made.events += 1;
        } else {
            self.made.state_only += 1;
        }
        if let Some(part) = &mut self.part {
            if self.settings.split.size.is_some() {
                part.size += event_size(batch, row);
            }
            if delivered {
                part.first.get_or_insert(batch.ts[row]);
            }
        }
    }

    /// Writes the block that is being gathered.
    fn flush(&mut self) -> anyhow::Result<()> {
        let block = self.gather.take();
        match &mut self.part {
            Some(Part { target: Some(Target::Fcap(writer)), unfinished, .. }) if !block.is_empty() => {
                writer.block(block).with_context(|| cannot_write(unfinished.becomes()))
            }
            _ => Ok(()),
        }
    }

    /// Opens a file and begins a section where that is due. `ts`: of the event that comes.
    fn open(&mut self, ts: u64) -> anyhow::Result<()> {
        let Some(mut head) = self.head.take() else { return Ok(()) };
        if self.settings.form != Form::Fcap {
            self.made.shortened += fit(&mut head);
        }
        let mut part = match self.part.take() {
            Some(part) => part,
            None => self.begin(&head)?,
        };
        let path = part.unfinished.becomes().to_owned();
        let fail = || cannot_write(&path);
        part.target = match part.target.take() {
            Some(Target::Empty(output)) => Some(Target::Scap(section(output, &head, ts, &path)?)),
            Some(Target::Scap(writer)) => {
                let output = writer.finish().map_err(output_error).with_context(fail)?;
                Some(Target::Scap(section(output, &head, ts, &path)?))
            }
            Some(Target::Fcap(mut writer)) => {
                writer.head(&head).with_context(fail)?;
                for event in self.own_events.drain(..) {
                    self.made.own_events += 1;
                    writer.own_event(event).with_context(fail)?;
                }
                Some(Target::Fcap(writer))
            }
            None => None,
        };
        self.part = Some(part);
        Ok(())
    }

    fn begin(&mut self, head: &Head) -> anyhow::Result<Part> {
        self.number += 1;
        let path = match self.settings.split.is_wanted() {
            true => part_path(&self.settings.path, self.number),
            false => self.settings.path.clone(),
        };
        let (unfinished, file) = Unfinished::create(&path)?;
        let fail = || cannot_write(&path);
        let Settings { form, level, threads, .. } = self.settings;
        let target = match form {
            Form::Scap(packing) => Target::Empty(Packed::new(file, packing, level, threads > 1).with_context(fail)?),
            Form::Fcap => {
                let about = self.about.clone().unwrap_or_else(|| imported(head));
                let options = Options { level: level.unwrap_or(FCAP_LEVEL), threads: threads.saturating_sub(1) };
                Target::Fcap(Box::new(fcap::Writer::new(file, &about, options).with_context(fail)?))
            }
        };
        Ok(Part { unfinished, target: Some(target), size: 0, first: None })
    }
}

/// Begins a section of a `.scap`: lists, and the events that say what they cannot.
fn section(output: Packed, head: &Head, ts: u64, path: &Path) -> anyhow::Result<scap::Writer<Packed>> {
    let begun = scap::Writer::new(output, head).map_err(output_error);
    let mut writer = begun.with_context(|| cannot_write(path))?;
    let prologue = prologue(head, ts);
    for row in 0..prologue.len() {
        write_event(&mut writer, &prologue, row, prologue.flags[row], path)?;
    }
    Ok(writer)
}

/// What an `.fcap` says of itself that was made of a `.scap`.
fn imported(head: &Head) -> FileAbout {
    let machine = head.machine.as_ref();
    FileAbout {
        recorder: "falco-replay".to_owned(),
        recorder_version: env!("CARGO_PKG_VERSION").to_owned(),
        source: ".scap".to_owned(),
        hostname: machine.map(|machine| machine.hostname.to_vec()).unwrap_or_default(),
        event_types: EVENT_TYPES as u32,
        machine: machine.map(Into::into),
        ..FileAbout::default()
    }
}

fn write_event(
    writer: &mut scap::Writer<Packed>,
    batch: &EventBatch,
    row: usize,
    flags: u32,
    path: &Path,
) -> anyhow::Result<()> {
    let (ts, tid, ty, cpu) = (batch.ts[row], batch.tid[row], batch.ty[row], batch.cpu[row]);
    let params = batch.params(row);
    writer.event(ts, tid, ty, cpu, flags, params.iter()).map_err(output_error).with_context(|| cannot_write(path))
}

/// The error of the output itself says what the writer's error would say once more.
fn output_error(error: scap::WriteError) -> anyhow::Error {
    match error {
        scap::WriteError::Output(error) => error.into(),
        other => other.into(),
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// Bytes of an event in an uncompressed `.scap`.
pub fn event_size(batch: &EventBatch, row: usize) -> u64 {
    // Block header, processor, event header.
    let fixed = 8 + 2 + 26 + if batch.flags[row] == 0 { 0 } else { 4 };
    ((fixed + batch.params(row).encoded().len()).next_multiple_of(4) + 4) as u64
}
