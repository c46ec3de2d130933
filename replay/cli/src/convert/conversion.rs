//! A conversion under way: inputs one after the other into one output.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use falco_replay_format::batch::EventBatch;
use falco_replay_format::fcap::Totals;

use super::cut::{Work, Writing};
use super::edit::Edit;
use super::output::{Output, Settings};
use super::place::Unfinished;
use super::source::{Source, SourceError, Step};
use super::summary::{Inputs, summary};
use super::survey::{Criteria, Kept, survey};
use crate::capture::capture_name;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::stderr;

/// An input: where it is read, and what it is called.
pub struct Input {
    /// Where it is read.
    pub path: PathBuf,
    /// What it is called.
    pub named: PathBuf,
    /// Goes away with this: a copy of what can be read only once.
    _copy: Option<Unfinished>,
}

impl Input {
    /// A file, or `-` for standard input.
    pub fn of(path: PathBuf) -> Input {
        Input { named: path.clone(), path, _copy: None }
    }

    /// A copy of what is called otherwise; it goes away with this.
    pub fn copied(copy: Unfinished, named: PathBuf) -> Input {
        Input { path: copy.path().to_owned(), named, _copy: Some(copy) }
    }

    /// Opens it.
    pub fn open(&self, interrupt: &Interrupt) -> Result<Source, SourceError> {
        let mut source = Source::open(&self.path, interrupt)?;
        source.rename(&self.named);
        Ok(source)
    }
}

/// A conversion under way.
pub struct Conversion {
    writing: Writing,
    work: Work,
    inputs: Inputs,
    complete: bool,
    quiet: bool,
    interrupt: Interrupt,
}

impl Conversion {
    /// A conversion that has read nothing yet.
    pub fn new(settings: Settings, edit: Edit, work: Work, quiet: bool, interrupt: Interrupt) -> Conversion {
        Conversion {
            writing: Writing::new(Output::new(settings), edit, work),
            work,
            inputs: Inputs { on_disk: Some(0), ..Inputs::default() },
            complete: true,
            quiet,
            interrupt,
        }
    }

    /// The pass that writes.
    pub fn writing(&mut self) -> &mut Writing {
        &mut self.writing
    }

    /// Notes that an input was opened.
    pub fn begin(&mut self, source: &Source) {
        self.inputs.captures += 1;
        self.inputs.on_disk = self.inputs.on_disk.zip(source.size()).map(|(all, size)| all + size);
        if let Some(about) = source.about() {
            self.writing.about(about);
        }
    }

    /// Notes what reading an input counted.
    pub fn end(&mut self, source: &Source) {
        self.inputs.own_events += source.own_events();
        let (events, bytes) = source.read();
        self.inputs.events += events;
        self.inputs.bytes += bytes;
        add(self.writing.totals_mut(), source.totals());
    }

    /// Converts an input. Damage is said, and what comes before it is kept.
    pub fn input(&mut self, input: &Input, criteria: Option<&Criteria>) -> anyhow::Result<()> {
        let plan = match criteria {
            None => None,
            Some(criteria) => match self.survey(input, criteria)? {
                Some(plan) => Some(plan),
                None => return Ok(()),
            },
        };
        let mut source = match input.open(&self.interrupt) {
            Ok(source) => source,
            Err(error) => return self.fail(error),
        };
        self.begin(&source);
        if !self.work.stored_contexts {
            source = source.without_contexts();
        }
        self.writing.input(plan)?;
        let progress = Progress::over(&capture_name(&input.named), source.size(), source.progress(), !self.quiet);
        let mut spare = EventBatch::default();
        let outcome = loop {
            progress.update();
            match source.next(std::mem::take(&mut spare), &self.interrupt) {
                Ok(Step::Head(head)) => self.writing.head(*head)?,
                Ok(Step::Events(batch)) => spare = self.writing.events(batch)?,
                Ok(Step::Block(block)) => self.writing.block(block)?,
                Ok(Step::Own(events)) => self.writing.own_events(events, criteria)?,
                Ok(Step::End) => break None,
                Err(error) => break Some(error),
            }
        };
        progress.finish();
        self.end(&source);
        outcome.map_or(Ok(()), |error| self.fail(error))
    }

    /// The first pass over an input that is cut. `None`: it cannot be read at all, which was said.
    fn survey(&mut self, input: &Input, criteria: &Criteria) -> anyhow::Result<Option<Vec<Kept>>> {
        let source = match input.open(&self.interrupt) {
            Ok(source) => source,
            Err(error) => return self.fail(error).map(|()| None),
        };
        let progress = Progress::over(&capture_name(&input.named), source.size(), source.progress(), !self.quiet);
        let plan = survey(source, criteria, &self.interrupt, || progress.update());
        progress.finish();
        match plan {
            Ok(plan) => Ok(Some(plan)),
            Err(error) => self.fail(error).map(|()| None),
        }
    }

    /// Says why an input could not be read to its end. An interrupt ends everything.
    pub fn fail(&mut self, error: SourceError) -> anyhow::Result<()> {
        if error.is_interrupt() {
            bail!("interrupted; nothing was written under the name of the output");
        }
        self.complete = false;
        self.writing.totals_mut().damage.get_or_insert_with(|| error.problem());
        stderr::say(error);
        Ok(())
    }

    /// Ends the output and says what was done.
    pub fn finish(self) -> anyhow::Result<Exit> {
        let Conversion { mut writing, inputs, complete, quiet, .. } = self;
        let totals = writing.totals_mut().clone();
        let path = writing.output().path().to_owned();
        let (made, edit, unneeded) = writing.finish(complete)?;
        if made.files.is_empty() {
            return Err(anyhow!("no event is left to be written, so {} was not made", path.display()));
        }
        if !quiet {
            stderr::write(&summary(&inputs, &totals, &made, unneeded, &edit));
        }
        Ok(if complete { Exit::Done } else { Exit::NotDone })
    }
}

/// Adds what one more source said.
fn add(all: &mut Totals, one: Totals) {
    all.complete &= one.complete;
    all.bytes += one.bytes;
    all.sections += one.sections;
    for (kind, count) in one.blocks {
        match all.blocks.binary_search_by_key(&kind, |(kind, _)| *kind) {
            Ok(at) => all.blocks[at].1 += count,
            Err(at) => all.blocks.insert(at, (kind, count)),
        }
    }
    all.unknown_blocks += one.unknown_blocks;
    all.events += one.events;
    all.unknown_events += one.unknown_events;
    all.converted += one.converted;
    all.dropped += one.dropped;
    all.evictions += one.evictions;
    all.swallowed += one.swallowed;
    all.refused_threads += one.refused_threads;
    all.refused_fds += one.refused_fds;
    if all.damage.is_none() {
        all.damage = one.damage;
    }
    all.notes.extend(one.notes);
}
