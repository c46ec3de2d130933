//! Everything that `info` says of a capture, gathered in one pass.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

use falco_replay_format::block::Block;
use falco_replay_format::fcap::block::{Decoder, Select, StoredBlock};
use falco_replay_format::fcap::{CaptureFile, Entry, FileAbout, Totals};
use falco_replay_format::lists::{Head, Machine};
use falco_replay_format::scap::Compression;
use falco_replay_format::schema::{EVENT_TYPES, EVENTS, ev};
use falco_replay_state::Refused;

use crate::capture::{Blocks, CaptureError, capture_name};
use crate::interrupt::Interrupt;
use crate::run::plural;

/// What a capture is and what is in it.
pub struct Survey {
    /// Name of the capture.
    pub name: String,
    /// Its size as it lies on the disk.
    pub size: Option<u64>,
    /// `scap` or `fcap`.
    pub format: &'static str,
    /// How it is compressed.
    pub compression: &'static str,
    /// What wrote it, and the kernel of the host, where the capture says so.
    pub about: Option<FileAbout>,
    /// Host name; empty where the capture has none.
    pub hostname: String,
    /// The machine that it names.
    pub machine: Option<Machine>,
    /// First and last time of an event.
    pub times: Option<(u64, u64)>,
    /// Events in all.
    pub events: u64,
    /// Events that rules see.
    pub delivered: u64,
    /// Events that say that others were dropped.
    pub drops: u64,
    types: Vec<u64>,
    /// Processes of its first process list.
    pub processes_at_start: u64,
    /// Threads of that list.
    pub threads_at_start: u64,
    /// Processes that events are of: id and start.
    pub processes: HashSet<(i64, u64)>,
    /// Containers that events are of: id, then name and image.
    pub containers: BTreeMap<String, (String, String)>,
    /// Network interfaces.
    pub interfaces: Vec<(String, IpAddr)>,
    /// Users of the host.
    pub users: u64,
    /// Groups of the host.
    pub groups: u64,
    /// What is known of reading it, or of reading what it was made of.
    pub totals: Totals,
    /// Blocks of a capture in our own format, and bytes of their parameters.
    pub stored_blocks: u64,
    /// Why it was not read to its end.
    pub error: Option<CaptureError>,
}

/// Reads a capture to its end, or as far as it is sound.
pub fn survey(source: Blocks) -> Survey {
    let compression = match source.capture().reader.input().compression() {
        Compression::None => "not compressed",
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
        Compression::Lz4 => "lz4",
    };
    let mut survey = Survey { compression, ..Survey::new(&source.capture().path, "scap", source.capture().size) };
    let mut source = source.keep_head();
    loop {
        match source.next() {
            Ok(Some(block)) => {
                survey.add(&block);
                source.recycle(block);
            }
            Ok(None) => break,
            Err(error) => {
                survey.error = Some(error);
                break;
            }
        }
    }
    if let Some(head) = source.head() {
        survey.add_head(head);
    }
    let Refused { threads, fds } = source.refused();
    survey.totals = Totals { refused_threads: threads, refused_fds: fds, ..Totals::from(source.stats()) };
    survey
}

/// Reads a capture in our own format, as far as it is sound.
///
/// # Errors
/// When it cannot be opened.
pub fn survey_stored(path: &Path, interrupt: &Interrupt) -> Result<Survey, CaptureError> {
    let fail = |error| CaptureError::Stored { path: path.to_owned(), error, damaged: 0 };
    let file = CaptureFile::open(path).map_err(fail)?;
    let mut survey = Survey::new(path, "fcap", Some(file.size()));
    survey.about = Some(file.about().clone());
    survey.totals = file.totals().clone();
    let mut decoder = Decoder::default();
    let select = Select { times: true, contexts: true, ..Select::nothing() };
    let mut damage = None;
    let mut headed = false;
    for entry in file.entries() {
        if interrupt.asked() {
            survey.error = Some(CaptureError::Interrupted { path: path.to_owned() });
            return Ok(survey);
        }
        match entry {
            Entry::Snapshot { .. } if !headed => match file.snapshot(entry) {
                Ok(head) => {
                    survey.add_head(&head);
                    headed = true;
                }
                Err(error) => damage = damage.or(Some((error, 1))),
            },
            Entry::Block { .. } => {
                let read = |decoder: &mut Decoder| {
                    StoredBlock::new(file.block(entry)?, decoder)?.select(decoder, None, &select, Block::default())
                };
                match read(&mut decoder) {
                    Ok(block) => {
                        survey.add(&block);
                        survey.stored_blocks += 1;
                    }
                    Err(error) => {
                        let count = damage.as_ref().map_or(0, |(_, count)| *count);
                        damage = Some((damage.map_or(error, |(first, _)| first), count + 1));
                    }
                }
            }
            _ => {}
        }
    }
    let path = path.to_owned();
    survey.error = match damage {
        Some((error, damaged)) => Some(CaptureError::Stored { path, error, damaged }),
        None if !file.was_closed() => Some(CaptureError::Unclosed { path, damaged: file.damage().len() as u64 }),
        None if !file.totals().complete => Some(CaptureError::Incomplete { path }),
        None => None,
    };
    Ok(survey)
}

impl Survey {
    fn new(path: &Path, format: &'static str, size: Option<u64>) -> Survey {
        Survey {
            name: capture_name(path),
            size,
            format,
            compression: "",
            about: None,
            hostname: String::new(),
            machine: None,
            times: None,
            events: 0,
            delivered: 0,
            drops: 0,
            types: vec![0; EVENT_TYPES],
            processes_at_start: 0,
            threads_at_start: 0,
            processes: HashSet::new(),
            containers: BTreeMap::new(),
            interfaces: Vec::new(),
            users: 0,
            groups: 0,
            totals: Totals::default(),
            stored_blocks: 0,
            error: None,
        }
    }

    fn add(&mut self, block: &Block) {
        for row in 0..block.len() {
            self.events += 1;
            let ty = block.batch.ty[row];
            self.drops += u64::from(matches!(ty, ev::DROP_E | ev::DROP_X));
            if !block.delivered(row) {
                continue;
            }
            self.delivered += 1;
            self.types[usize::from(ty)] += 1;
            let ts = block.batch.ts[row];
            let (first, last) = self.times.unwrap_or((ts, ts));
            self.times = Some((first.min(ts), last.max(ts)));
        }
        for process in &block.processes {
            // The id alone does not do: it may be given again.
            let start = process.main().map_or(0, |main| main.info.clone_ts);
            self.processes.insert((process.info.pid, start));
            if process.info.container_id.is_empty() {
                continue;
            }
            let id = String::from_utf8_lossy(&process.info.container_id).into_owned();
            let about = self.containers.entry(id).or_default();
            if let Some(container) = &process.container {
                let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
                *about = (text(&container.name), text(&container.image));
            }
        }
    }

    fn add_head(&mut self, head: &Head) {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        self.threads_at_start = head.threads.len() as u64;
        self.processes_at_start = head.threads.iter().filter(|thread| thread.tid == thread.pid).count() as u64;
        self.users = head.users.len() as u64;
        self.groups = head.groups.len() as u64;
        self.interfaces = head.interfaces.iter().map(|found| (text(&found.name), found.addr)).collect();
        self.hostname = head.machine.as_ref().map(|machine| text(&machine.hostname)).unwrap_or_default();
        self.machine = head.machine.clone();
    }

    /// Delivered events by name, most first.
    pub fn by_type(&self) -> Vec<(&'static str, u64)> {
        let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
        for (event, count) in EVENTS.iter().zip(&self.types).filter(|(_, count)| **count > 0) {
            *by_name.entry(event.name).or_default() += count;
        }
        let mut types: Vec<_> = by_name.into_iter().collect();
        types.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
        types
    }

    /// Blocks by what they are.
    pub fn blocks(&self) -> BTreeMap<String, u64> {
        let mut blocks: BTreeMap<String, u64> = BTreeMap::new();
        for (kind, count) in &self.totals.blocks {
            *blocks.entry(block_name(*kind)).or_default() += count;
        }
        blocks
    }

    /// What is missing, in words.
    pub fn losses(&self) -> Vec<String> {
        let stats = &self.totals;
        let all = [
            (self.drops, "drop event"),
            (stats.unknown_blocks, "unknown block"),
            (stats.unknown_events, "event of an unknown type"),
            (stats.swallowed, "damaged event"),
            (stats.evictions, "forgotten enter event"),
            (stats.refused_threads, "thread beyond the table limit"),
            (stats.refused_fds, "descriptor beyond the table limit"),
        ];
        let mut losses: Vec<_> =
            all.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| named(count, what)).collect();
        if losses.is_empty() {
            losses.push("none known".to_owned());
        }
        losses
    }
}

/// A count with its noun, whose first part takes the plural where it has several.
fn named(count: u64, what: &str) -> String {
    match what.find([' ']).filter(|_| what.contains(" of ") || what.contains(" beyond ")) {
        Some(at) => format!("{}{}", plural(count, &what[..at]), &what[at..]),
        None => plural(count, what),
    }
}

/// What a block is, from its number. Facts: scap-format §1.2.
fn block_name(kind: u32) -> String {
    match kind {
        0x0A0D_0D0A => "section".to_owned(),
        0x201 | 0x8002_ABCD => "machine".to_owned(),
        0x202 | 0x207 | 0x209..=0x212 | 0x213..=0x215 | 0x8000_ABCD | 0x8013_ABCD | 0x8014_ABCD => {
            "process list".to_owned()
        }
        0x203 | 0x218 | 0x8001_ABCD => "descriptor list".to_owned(),
        0x204 | 0x208 | 0x216 | 0x217 | 0x221 | 0x222 | 0x8010_ABCD => "event".to_owned(),
        0x205 | 0x219 | 0x8011_ABCD => "interface list".to_owned(),
        0x206 | 0x220 | 0x8012_ABCD => "user list".to_owned(),
        other => format!("0x{other:x} (unknown)"),
    }
}
