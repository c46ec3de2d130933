//! A block as it lies in a file: columns are read when something asks for them.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::column;
use super::head::Head;
use super::params::ParamColumn;
use super::references::Group;
use super::rows;
use super::small::Small;
use super::tables::{self, Fds, Infos, Processes, process};
use super::texts::Texts;
use crate::block::{Circle, Fd, MainThread, NONE, Process, ThreadInfo};
use crate::fcap::columns::{Columns, Inflate};
use crate::fcap::error::{Error, Problem};
use crate::schema::EVENT_TYPES;

/// Contexts that are remembered between blocks.
const MOST_CONTEXTS: usize = 1 << 17;
/// Steps from a process version to those it hangs on, as in the state code.
const MOST_STEPS: usize = 1 << 20;

/// What a thread that reads blocks keeps: a decompressor, and contexts that it has made, by id.
///
/// Ids are those of one file: another file needs another one.
#[derive(Debug, Default)]
pub struct Decoder {
    pub(super) zstd: Inflate,
    contexts: Contexts,
}

/// Contexts that were made, by id.
#[derive(Debug, Default)]
pub struct Contexts {
    processes: HashMap<u64, Arc<Process>, FixedState>,
    fds: HashMap<u64, Arc<Fd>, FixedState>,
}

/// What decides most events without their parameters.
#[derive(Debug, Default)]
pub struct Rows {
    /// Number of each event's shape.
    pub shape: Vec<u32>,
    /// Row of each event's process version, or [`NONE`].
    pub process: Vec<u32>,
    /// Row of each event's descriptor version, or [`NONE`].
    pub fd: Vec<u32>,
    /// Number of each event's descriptor, -1 for none.
    pub fd_num: Vec<i64>,
    /// Id of each process version of the table.
    pub process_ids: Vec<u64>,
    /// Id of each descriptor version of the table.
    pub fd_ids: Vec<u64>,
    pub(super) cpu: Vec<u16>,
}

/// A block of a file.
#[derive(Debug)]
pub struct StoredBlock<'a> {
    pub(super) columns: Columns<'a>,
    pub(super) head: Head,
    pub(super) rows: Option<Arc<Rows>>,
    pub(super) times: Option<Vec<u64>>,
    pub(super) processes: Option<Processes>,
    pub(super) infos: Option<(Infos, Texts)>,
    pub(super) made_infos: Vec<Option<Arc<ThreadInfo>>>,
    pub(super) fds: Option<(Fds, Texts)>,
    pub(super) small: Option<Small>,
    /// Thread id of each row of the process table.
    pub(super) process_tids: Vec<i64>,
    /// Place of each event among those of its type.
    pub(super) places: Option<Vec<u32>>,
    pub(super) params: HashMap<(u16, u8), Option<ParamColumn>, FixedState>,
    pub(super) groups: Option<(u16, Vec<Group>)>,
}

pub(super) fn wrong(what: &'static str, detail: &str) -> Error {
    Error::new(0, Problem::Contents { what, detail: detail.to_owned() })
}

/// What was loaded before; a defect of this module otherwise.
pub(super) fn loaded<T>(part: Option<&T>) -> Result<&T, Error> {
    part.ok_or_else(|| wrong("block", "a column was not read"))
}

impl<'a> StoredBlock<'a> {
    /// Reads the directory and the small record of a block.
    pub fn new(payload: &'a [u8], decoder: &mut Decoder) -> Result<Self, Error> {
        let columns = Columns::new(payload)?;
        let head = Head::read(&columns, &mut decoder.zstd)?;
        decoder.contexts.bound();
        Ok(StoredBlock {
            columns,
            head,
            rows: None,
            times: None,
            processes: None,
            infos: None,
            made_infos: Vec::new(),
            fds: None,
            small: None,
            process_tids: Vec::new(),
            places: None,
            params: HashMap::default(),
            groups: None,
        })
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.head.events as usize
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.head.events == 0
    }

    /// Event type and marks (see [`mark`](crate::block::mark)) of each shape.
    pub fn shapes(&self) -> impl Iterator<Item = (u16, u8)> + '_ {
        self.head.shapes.iter().map(|shape| (shape.ty, shape.marks))
    }

    /// Shapes and contexts of all events.
    pub fn rows(&mut self, decoder: &mut Decoder) -> Result<&Rows, Error> {
        let (columns, head, zstd) = (&self.columns, &self.head, &mut decoder.zstd);
        let rows = match self.rows.take() {
            Some(rows) => rows,
            None => {
                let shape = rows::shapes(columns, zstd, head)?;
                let cpu = rows::cpus(columns, zstd, head)?;
                let process = rows::processes(columns, zstd, head, &cpu)?;
                let process_ids = Processes::read(columns, zstd, head.processes as usize)?;
                let (tids, table_of) = tables::thread_ids(columns, zstd, head.infos as usize, &process_ids)?;
                let fd_num = rows::fd_numbers(columns, zstd, head)?;
                let fd = rows::fds(columns, zstd, head, &process, &fd_num, &table_of)?;
                self.process_tids = tids;
                let fd_ids = tables::fd_ids(columns, zstd, head.fds as usize)?;
                let ids = process_ids.ids.clone();
                self.processes = Some(process_ids);
                Arc::new(Rows { shape, process, fd, fd_num, process_ids: ids, fd_ids, cpu })
            }
        };
        Ok(self.rows.insert(rows))
    }

    /// The same, to look at while contexts are asked for.
    pub fn shared_rows(&mut self, decoder: &mut Decoder) -> Result<Arc<Rows>, Error> {
        self.rows(decoder)?;
        loaded(self.rows.as_ref()).cloned()
    }

    /// The time of each event.
    pub fn times(&mut self, decoder: &mut Decoder) -> Result<&[u64], Error> {
        if self.times.is_none() {
            self.times = Some(rows::times(&self.columns, &mut decoder.zstd, &self.head)?);
        }
        loaded(self.times.as_ref()).map(Vec::as_slice)
    }

    pub(super) fn load_small(&mut self, decoder: &mut Decoder) -> Result<(), Error> {
        if self.small.is_none() {
            let mut bytes = Vec::new();
            self.columns.read(&mut decoder.zstd, column::SMALL, &mut bytes)?;
            self.small = Some(Small::read(&bytes)?);
        }
        Ok(())
    }

    fn load_infos(&mut self, decoder: &mut Decoder) -> Result<(), Error> {
        if self.infos.is_none() {
            let (columns, zstd) = (&self.columns, &mut decoder.zstd);
            let infos = Infos::read(columns, zstd, self.head.infos as usize)?;
            let texts = Texts::read(
                columns,
                zstd,
                column::PROCESS_TEXTS,
                column::PROCESS_TEXTS + 8,
                self.head.process_texts as usize,
            )?;
            self.infos = Some((infos, texts));
            self.made_infos = vec![None; self.head.infos as usize];
        }
        Ok(())
    }

    fn load_fds(&mut self, decoder: &mut Decoder) -> Result<(), Error> {
        if self.fds.is_none() {
            let (columns, zstd) = (&self.columns, &mut decoder.zstd);
            let fds = Fds::read(columns, zstd, self.head.fds as usize)?;
            let texts =
                Texts::read(columns, zstd, column::FD_TEXTS, column::FD_TEXTS + 8, self.head.fd_texts as usize)?;
            self.fds = Some((fds, texts));
        }
        Ok(())
    }

    pub(super) fn load_places(&mut self, decoder: &mut Decoder) -> Result<(), Error> {
        if self.places.is_none() {
            self.rows(decoder)?;
            let rows = loaded(self.rows.as_ref())?;
            let types: Vec<u16> = self.head.shapes.iter().map(|shape| shape.ty).collect();
            let mut counts = vec![0u32; EVENT_TYPES];
            let place = |&shape: &u32| {
                let count = &mut counts[usize::from(types[shape as usize])];
                *count += 1;
                *count - 1
            };
            self.places = Some(rows.shape.iter().map(place).collect());
        }
        Ok(())
    }

    /// The process version of a row of the table.
    pub fn process(&mut self, decoder: &mut Decoder, row: u32) -> Result<Arc<Process>, Error> {
        self.rows(decoder)?;
        let id = self.process_id(row)?;
        if let Some(known) = decoder.contexts.processes.get(&id) {
            return Ok(known.clone());
        }
        self.load_infos(decoder)?;
        self.load_small(decoder)?;
        // Those that it hangs on first, without recursion; the path shows cycles, which only a forged file has.
        let mut path = vec![row];
        let mut steps = 0;
        while let Some(&at) = path.last() {
            steps += 1;
            if steps > MOST_STEPS {
                return Err(wrong("process versions", "they hang on each other"));
            }
            let processes = loaded(self.processes.as_ref())?;
            let (main, parent) =
                (processes.get(process::MAIN, at as usize), processes.get(process::PARENT, at as usize));
            let mut missing = None;
            for needed in [main.checked_sub(2), parent.checked_sub(1)].into_iter().flatten() {
                let needed = u32::try_from(needed).unwrap_or(NONE);
                if !decoder.contexts.processes.contains_key(&self.process_id(needed)?) {
                    missing = Some(needed);
                }
            }
            match missing {
                Some(needed) if path.len() <= self.head.processes as usize => path.push(needed),
                Some(_) => return Err(wrong("process versions", "they hang on each other")),
                None => {
                    let made = self.make_process(&decoder.contexts, at as usize)?;
                    decoder.contexts.processes.insert(made.id, Arc::new(made));
                    path.pop();
                }
            }
        }
        decoder.contexts.processes.get(&id).cloned().ok_or_else(|| wrong("process versions", "one is missing"))
    }

    fn process_id(&self, row: u32) -> Result<u64, Error> {
        let ids = &loaded(self.rows.as_ref())?.process_ids;
        ids.get(row as usize).copied().ok_or_else(|| wrong("process versions", "a row beyond the table"))
    }

    fn make_process(&mut self, contexts: &Contexts, row: usize) -> Result<Process, Error> {
        let processes = loaded(self.processes.as_ref())?;
        let get = |field: u32| processes.get(field, row);
        let other = |at: u64| -> Result<Option<Arc<Process>>, Error> {
            let id = self.process_id(u32::try_from(at).unwrap_or(NONE))?;
            Ok(contexts.processes.get(&id).cloned())
        };
        let main = match get(process::MAIN) {
            0 => MainThread::Itself,
            1 => MainThread::Missing,
            at => other(at - 2)?.map_or(MainThread::Missing, MainThread::Other),
        };
        let parent = match get(process::PARENT) {
            0 => None,
            at => other(at - 1)?,
        };
        let info_row = get(process::INFO) as usize;
        let id = self.process_id(row as u32)?;
        let circle = match get(process::CIRCLE_LENGTH) as u32 {
            0 => None,
            length => Some(Circle { steps: get(process::CIRCLE_STEPS) as u32, length }),
        };
        let small = loaded(self.small.as_ref())?;
        let container = small.container(get(process::CONTAINER));
        let sandbox = small.container(get(process::SANDBOX));
        let user = small.user(get(process::USER));
        let login_user = small.user(get(process::LOGIN_USER));
        let group = small.group(get(process::GROUP));
        let info = match self.made_infos.get_mut(info_row) {
            Some(Some(info)) => info.clone(),
            Some(none) => {
                let (infos, texts) = loaded(self.infos.as_ref())?;
                none.insert(Arc::new(infos.make(info_row, texts))).clone()
            }
            None => return Err(wrong("process versions", "a thread beyond the table")),
        };
        Ok(Process { id, info, main, parent, circle, container, sandbox, user, login_user, group })
    }

    /// The descriptor version of a row of the table.
    pub fn fd(&mut self, decoder: &mut Decoder, row: u32) -> Result<Arc<Fd>, Error> {
        self.rows(decoder)?;
        let ids = &loaded(self.rows.as_ref())?.fd_ids;
        let id = *ids.get(row as usize).ok_or_else(|| wrong("descriptor versions", "a row beyond the table"))?;
        if let Some(known) = decoder.contexts.fds.get(&id) {
            return Ok(known.clone());
        }
        self.load_fds(decoder)?;
        let (fds, texts) = loaded(self.fds.as_ref())?;
        let made = Arc::new(Fd { id, info: fds.make(row as usize, texts) });
        decoder.contexts.fds.insert(id, made.clone());
        Ok(made)
    }

    pub(super) fn load_params(
        &mut self,
        decoder: &mut Decoder,
        ty: u16,
        nparams: usize,
        wanted: u32,
    ) -> Result<(), Error> {
        let shapes = &self.head.shapes;
        for index in 0..nparams {
            let bit = 1 << index.min(31);
            if wanted & bit == 0 || self.params.contains_key(&(ty, index as u8)) {
                continue;
            }
            let rows = loaded(self.rows.as_ref())?;
            let count = match self.params.get(&(ty, 0)) {
                Some(Some(ParamColumn::Numbers { values, .. })) => values.len(),
                Some(Some(ParamColumn::Bytes { codes, .. })) => codes.len(),
                _ => rows.shape.iter().filter(|&&shape| shapes[shape as usize].ty == ty).count(),
            };
            let distinct = &self.head.distinct;
            let distinct_of = |index: usize| {
                let found = distinct.iter().find(|(other, at, _)| *other == ty && usize::from(*at) == index);
                found.map_or(0, |entry| entry.2)
            };
            // The first may be what others are told from.
            if index > 0 && !self.params.contains_key(&(ty, 0)) {
                let read = ParamColumn::read(&self.columns, &mut decoder.zstd, ty, 0, count, distinct_of(0), None)?;
                self.params.insert((ty, 0), read);
            }
            if index == 0 && self.params.contains_key(&(ty, 0)) {
                continue;
            }
            let first = self.params.get(&(ty, 0)).and_then(Option::as_ref);
            let read =
                ParamColumn::read(&self.columns, &mut decoder.zstd, ty, index, count, distinct_of(index), first)?;
            self.params.insert((ty, index as u8), read);
        }
        Ok(())
    }
}

impl Contexts {
    /// Forgets everything once it has become too much.
    fn bound(&mut self) {
        if self.processes.len() > MOST_CONTEXTS {
            self.processes.clear();
        }
        if self.fds.len() > MOST_CONTEXTS {
            self.fds.clear();
        }
    }
}
