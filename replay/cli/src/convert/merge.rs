//! `falco-replay merge`: several captures of one host become one, in the order of time.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use clap::Args;
use falco_replay_format::batch::{EventBatch, STATE_ONLY};
use falco_replay_format::lists::{Exact, Head};
use falco_replay_format::schema::describes_start;

use super::conversion::{Conversion, Input};
use super::cut::Work;
use super::edit::Edit;
use super::output::Split;
use super::source::{Source, SourceError, Step};
use super::{WriteArgs, place};
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::sources;

/// By how much captures that follow each other may overlap: events of one capture are not quite in the order of time.
const JITTER: u64 = 1_000_000_000;
/// How far apart two captures may say that one host was booted: they work it out from clocks.
const SAME_BOOT: u64 = 60_000_000_000;
/// Events that are handed on at once.
const GATHERED: usize = 1 << 14;

const EXAMPLES: &str = "\
Examples:
  falco-replay merge monday.fcap tuesday.fcap -o week.fcap
  falco-replay merge 'falco-*.scap.gz' -o all.fcap

Captures that follow each other stay what they are, each with its own start. Of those that overlap in time by more than a
second the starts are put together (what the earliest says counts), and their events are merged: each capture's own events stay
in their order, at equal times the capture that was named first comes first. An event that several captures have comes as often.
Events are numbered anew, from 1. Captures of different hosts are refused unless --force is given.

Exit codes: 0 done, 2 not done or incomplete: for example captures of different hosts.";

/// Merge captures of one host in the order of time
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct MergeArgs {
    /// Captures: files, folders of them, patterns
    #[arg(required = true, value_name = "IN")]
    captures: Vec<PathBuf>,
    #[command(flatten)]
    write: WriteArgs,
}

/// A section of a capture: one recording.
#[derive(Debug)]
struct Recording {
    /// Place of its capture among those given.
    capture: usize,
    /// Its place in the capture.
    section: usize,
    head: Head,
    /// Times of its first and its last event.
    first: u64,
    last: u64,
}

/// Runs the command.
pub fn exec_merge(args: &MergeArgs) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::watch()?;
    let settings = args.write.settings(Split::default())?;
    let paths = sources::captures(&args.captures)?;
    if let Some(path) = paths.iter().find(|path| path.exists() && !path.is_file() || path.as_os_str() == "-") {
        bail!("{}: captures to be merged are read twice, which only files allow; save it first", path.display());
    }
    place::check(&settings.path, &paths, false, settings.force)?;
    let force = settings.force;
    let inputs: Vec<Input> = paths.into_iter().map(Input::of).collect();
    let mut merge = Merge {
        conversion: Conversion::new(
            settings,
            Edit::new(None, None),
            Work::default(),
            args.write.quiet,
            interrupt.clone(),
        ),
        inputs: &inputs,
        interrupt,
        quiet: args.write.quiet,
    };
    let recordings = merge.survey()?;
    let groups = groups(recordings);
    if !force {
        check_hosts(&groups, &inputs)?;
    }
    for group in groups {
        merge.group(group)?;
    }
    merge.conversion.finish()
}

/// Recordings by time; those that overlap together.
fn groups(mut recordings: Vec<Recording>) -> Vec<Vec<Recording>> {
    recordings.sort_by_key(|recording| (recording.first, recording.capture, recording.section));
    let mut groups: Vec<Vec<Recording>> = Vec::new();
    let mut last = 0;
    for recording in recordings {
        let overlaps = !groups.is_empty() && recording.first.saturating_add(JITTER) < last;
        last = last.max(recording.last);
        match groups.last_mut().filter(|_| overlaps) {
            Some(group) => group.push(recording),
            None => groups.push(vec![recording]),
        }
    }
    groups
}

fn check_hosts(groups: &[Vec<Recording>], inputs: &[Input]) -> anyhow::Result<()> {
    let name = |recording: &Recording| inputs[recording.capture].named.display().to_string();
    let mut known: Option<(&Recording, &[u8])> = None;
    for recording in groups.iter().flatten() {
        let Some(machine) = &recording.head.machine else { continue };
        match known {
            None => known = Some((recording, &machine.hostname)),
            Some((other, hostname)) if *hostname != *machine.hostname => bail!(
                "{} is of the host {}, {} of {}; --force merges them all the same",
                name(other),
                String::from_utf8_lossy(hostname),
                name(recording),
                String::from_utf8_lossy(&machine.hostname)
            ),
            Some(_) => {}
        }
    }
    for group in groups {
        let boots: Vec<(&Recording, u64)> = group
            .iter()
            .filter_map(|recording| Some((recording, recording.head.machine.as_ref()?.boot_time)))
            .filter(|(_, boot)| *boot > 0)
            .collect();
        let first = boots.iter().min_by_key(|(_, boot)| *boot);
        let last = boots.iter().max_by_key(|(_, boot)| *boot);
        if let (Some((a, first)), Some((b, last))) = (first, last)
            && last - first > SAME_BOOT
        {
            bail!(
                "{} and {} overlap in time, but their hosts were booted {} apart, so they are two; --force merges them all the same",
                name(a),
                name(b),
                format_args!("{} s", (last - first) / 1_000_000_000)
            );
        }
    }
    Ok(())
}

struct Merge<'a> {
    conversion: Conversion,
    inputs: &'a [Input],
    interrupt: Interrupt,
    quiet: bool,
}

impl Merge<'_> {
    /// Looks through all captures: which recordings there are, and of which time.
    fn survey(&mut self) -> anyhow::Result<Vec<Recording>> {
        let mut found = Vec::new();
        for (capture, input) in self.inputs.iter().enumerate() {
            let source = match input.open(&self.interrupt) {
                Ok(source) => source,
                Err(error) => {
                    self.conversion.fail(error)?;
                    continue;
                }
            };
            self.conversion.begin(&source);
            let progress = self.progress(input, &source);
            let mut source = source.without_contexts();
            let mut spare = EventBatch::default();
            let outcome = loop {
                progress.update();
                let batch = match source.next(std::mem::take(&mut spare), &self.interrupt) {
                    Ok(Step::Head(head)) => {
                        let section = found.iter().filter(|other: &&Recording| other.capture == capture).count();
                        found.push(Recording { capture, section, head: *head, first: u64::MAX, last: 0 });
                        continue;
                    }
                    Ok(Step::Events(batch)) => batch,
                    Ok(Step::Block(block)) => block.batch,
                    Ok(Step::Own(_)) => continue,
                    Ok(Step::End) => break Ok(()),
                    Err(error) => break Err(error),
                };
                if let Some(recording) = found.last_mut() {
                    if recording.first == u64::MAX {
                        recording.first = batch.ts.first().copied().unwrap_or(u64::MAX);
                    }
                    recording.last = recording.last.max(batch.ts.iter().copied().max().unwrap_or(0));
                }
                spare = batch;
            };
            progress.finish();
            self.conversion.end(&source);
            if let Err(error) = outcome {
                self.conversion.fail(error)?;
            }
        }
        found.retain(|recording| recording.first != u64::MAX);
        Ok(found)
    }

    fn progress(&self, input: &Input, source: &Source) -> Progress {
        Progress::over(&input.named.display().to_string(), source.size(), source.progress(), !self.quiet)
    }

    /// Writes recordings that overlap as one, or one as it is.
    fn group(&mut self, group: Vec<Recording>) -> anyhow::Result<()> {
        let alone = group.len() == 1;
        let mut cursors = Vec::new();
        let mut heads = Vec::new();
        let (mut size, read) = (0, Arc::new(AtomicU64::new(0)));
        for recording in group {
            let Some(cursor) = self.cursor(&recording, alone)? else { continue };
            size += cursor.source.size().unwrap_or(0);
            cursors.push((recording.capture, recording.section, cursor));
            heads.push(recording.head);
        }
        cursors.sort_by_key(|(capture, section, _)| (*capture, *section));
        let mut cursors: Vec<Cursor> = cursors.into_iter().map(|(.., cursor)| cursor).collect();
        let progress = Progress::over("merging", Some(size), read.clone(), !self.quiet);
        self.conversion.writing().input(None)?;
        self.conversion.writing().head(together(heads))?;
        let mut merged = EventBatch::default();
        loop {
            // The cursor with the earliest event; of equal ones the first.
            let mut order: Vec<usize> = (0..cursors.len()).filter(|&at| cursors[at].key().is_some()).collect();
            order.sort_by_key(|&at| (cursors[at].key(), at));
            let Some(&first) = order.first() else { break };
            let until = order.get(1).and_then(|&next| Some((cursors[next].key()?, next)));
            cursors[first].take(first, until, &mut merged);
            if merged.len() >= GATHERED {
                merged = self.conversion.writing().events(merged)?;
                merged.clear();
            }
            if cursors[first].is_used_up() {
                read.store(
                    cursors.iter().map(|cursor| cursor.source.progress().load(Ordering::Relaxed)).sum(),
                    Ordering::Relaxed,
                );
                progress.update();
                if let Err(error) = cursors[first].refill(&self.interrupt)
                    && error.is_interrupt()
                {
                    // Damage was said when the captures were looked through.
                    self.conversion.fail(error)?;
                }
            }
        }
        if !merged.is_empty() {
            self.conversion.writing().events(merged)?;
        }
        progress.finish();
        Ok(())
    }

    /// A cursor at the first event of a recording.
    fn cursor(&mut self, recording: &Recording, alone: bool) -> anyhow::Result<Option<Cursor>> {
        let open = || -> Result<Option<Cursor>, SourceError> {
            let mut source = self.inputs[recording.capture].open(&self.interrupt)?.without_contexts();
            let mut sections = 0;
            while sections <= recording.section {
                match source.next(EventBatch::default(), &self.interrupt)? {
                    Step::Head(_) => sections += 1,
                    Step::End => return Ok(None),
                    Step::Events(_) | Step::Block(_) | Step::Own(_) => {}
                }
            }
            let mut cursor =
                Cursor { source, batch: EventBatch::default(), row: 0, latest: 0, is_opening: !alone, ended: false };
            cursor.refill(&self.interrupt)?;
            Ok(Some(cursor))
        };
        match open() {
            Ok(cursor) => Ok(cursor),
            Err(error) => self.conversion.fail(error).map(|()| None),
        }
    }
}

/// Where one of the merged recordings is.
struct Cursor {
    source: Source,
    batch: EventBatch,
    row: usize,
    /// The latest time so far: what goes back in time stays behind what it came after.
    latest: u64,
    /// Whether it is still in its silent start, which has to stay silent in the midst of other events.
    is_opening: bool,
    ended: bool,
}

impl Cursor {
    fn key(&self) -> Option<u64> {
        let ts = *self.batch.ts.get(self.row)?;
        Some(ts.max(self.latest))
    }

    fn is_used_up(&self) -> bool {
        self.row >= self.batch.len()
    }

    /// Moves the events that come before those of the others (the next of them at `until`) to `merged`.
    fn take(&mut self, own: usize, until: Option<(u64, usize)>, merged: &mut EventBatch) {
        while let Some(key) = self.key()
            && until.is_none_or(|until| (key, own) < until)
            && merged.len() < 2 * GATHERED
        {
            self.latest = key;
            let row = self.row;
            if self.batch.first_drop == Some(row) {
                self.is_opening = false;
                merged.first_drop.get_or_insert(merged.len());
            }
            merged.push_row(&self.batch, row);
            self.is_opening = self.is_opening && describes_start(self.batch.ty[row]);
            if let Some(flags) = merged.flags.last_mut().filter(|_| self.is_opening) {
                *flags |= STATE_ONLY;
            }
            self.row += 1;
        }
    }

    fn refill(&mut self, interrupt: &Interrupt) -> Result<(), SourceError> {
        if self.ended {
            return Ok(());
        }
        self.row = 0;
        self.ended = true;
        loop {
            match self.source.next(std::mem::take(&mut self.batch), interrupt)? {
                Step::Events(batch) => self.batch = batch,
                Step::Block(block) => self.batch = block.batch,
                Step::Own(_) => continue,
                // The next recording of the capture is another one.
                Step::Head(_) | Step::End => return Ok(()),
            }
            break;
        }
        self.ended = false;
        Ok(())
    }
}

/// The start of several recordings as one: of what several know, the earliest counts.
fn together(heads: Vec<Head>) -> Head {
    let mut heads = heads.into_iter();
    let Some(mut all) = heads.next() else { return Head::default() };
    for head in heads {
        let Head { machine, threads, fds, interfaces, users, groups, exact } = head;
        all.machine = all.machine.or(machine);
        let known: HashSet<i64> = all.threads.iter().map(|thread| thread.tid).collect();
        let is_new: Vec<bool> = threads.iter().map(|thread| !known.contains(&thread.tid)).collect();
        let tables: HashMap<i64, usize> = all.fds.iter().enumerate().map(|(at, (tid, _))| (*tid, at)).collect();
        let (mut exact, mut all_exact) = match (exact, all.exact.take()) {
            (Some(exact), Some(all_exact)) => (*exact, Some(all_exact)),
            // What only some of them have says nothing about the threads of the others.
            _ => (Exact::default(), None),
        };
        let mut details = std::mem::take(&mut exact.threads).into_iter();
        for (thread, is_new) in threads.into_iter().zip(is_new) {
            let detail = details.next();
            if is_new {
                all.threads.push(thread);
                if let (Some(all), Some(detail)) = (&mut all_exact, detail) {
                    all.threads.push(detail);
                }
            }
        }
        let mut details = std::mem::take(&mut exact.fds).into_iter();
        for (tid, entries) in fds {
            let detail = details.next();
            if let Some(&at) = tables.get(&tid) {
                add_fds(&mut all, all_exact.as_deref_mut(), at, entries, detail);
            } else {
                all.fds.push((tid, entries));
                if let (Some(all), Some(detail)) = (&mut all_exact, detail) {
                    all.fds.push(detail);
                }
            }
        }
        add_new(&mut all.interfaces, interfaces, |a, b| a == b);
        add_new(&mut all.users, users, |a, b| a.uid == b.uid);
        add_new(&mut all.groups, groups, |a, b| a.gid == b.gid);
        if let Some(all) = &mut all_exact {
            add_new(&mut all.containers, exact.containers, |a, b| a.id == b.id);
            add_new(&mut all.users, exact.users, |a, b| (&a.0, a.1.uid) == (&b.0, b.1.uid));
            add_new(&mut all.groups, exact.groups, |a, b| (&a.0, a.1.gid) == (&b.0, b.1.gid));
            all.exits.extend(exact.exits);
        }
        all.exact = all_exact;
    }
    all
}

/// Adds descriptors to a table where their numbers are not known.
fn add_fds(
    all: &mut Head,
    exact: Option<&mut Exact>,
    at: usize,
    entries: Vec<falco_replay_format::lists::FdEntry>,
    details: Option<Vec<falco_replay_format::lists::FdExact>>,
) {
    let known: HashSet<i64> = all.fds[at].1.iter().map(|entry| entry.fd).collect();
    let mut details = details.unwrap_or_default().into_iter();
    let mut exact = exact.and_then(|exact| exact.fds.get_mut(at));
    for entry in entries {
        let detail = details.next();
        if known.contains(&entry.fd) {
            continue;
        }
        all.fds[at].1.push(entry);
        if let (Some(exact), Some(detail)) = (&mut exact, detail) {
            exact.push(detail);
        }
    }
}

fn add_new<T>(all: &mut Vec<T>, more: Vec<T>, same: impl Fn(&T, &T) -> bool) {
    for entry in more {
        if !all.iter().any(|known| same(known, &entry)) {
            all.push(entry);
        }
    }
}
