//! A block as it lies in a file: columns are read when something asks for them.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::column;
use super::head::Head;
use super::params::{Context, ParamColumn};
use super::references::{self, Group, Target};
use super::rows;
use super::small::Small;
use super::tables::{self, Fds, Infos, Processes, process};
use super::texts::Texts;
use crate::batch::EventBatch;
use crate::block::{Block, Circle, Fd, MainThread, NONE, Process, ThreadInfo, mark};
use crate::demand::Demand;
use crate::fcap::columns::{Columns, Inflate};
use crate::fcap::error::{Error, Problem};
use crate::schema::{self, EVENT_TYPES};

/// Bytes of parameters that one selection may have: what offsets can tell.
const MOST_BYTES: usize = 1 << 30;
/// Contexts that are remembered between blocks.
const MOST_CONTEXTS: usize = 1 << 17;
/// Steps from a process version to those it hangs on, as in the state code.
const MOST_STEPS: usize = 1 << 20;

/// What a thread that reads blocks keeps: a decompressor, and contexts that it has made, by id.
///
/// Ids are those of one file: another file needs another one.
#[derive(Debug, Default)]
pub struct Decoder {
    zstd: Inflate,
    contexts: Contexts,
}

/// Contexts that were made, by id.
#[derive(Debug, Default)]
pub struct Contexts {
    processes: HashMap<u64, Arc<Process>, FixedState>,
    fds: HashMap<u64, Arc<Fd>, FixedState>,
}

/// What is wanted of the events of a block.
#[derive(Debug, Clone)]
pub struct Select {
    /// Parameters, a bit each, by event type; beyond 31 with bit 31.
    pub params: Vec<u32>,
    /// References.
    pub demand: Demand,
    /// Parameters of events without a descriptor version, besides.
    pub params_without_fd: Vec<u32>,
    /// References of those, besides.
    pub demand_without_fd: Demand,
    /// Whether times are wanted: of the event, and of the one before.
    pub times: bool,
    /// Whether process and descriptor versions are wanted.
    pub contexts: bool,
}

impl Select {
    /// Everything that is stored.
    pub fn everything() -> Select {
        Select {
            params: vec![u32::MAX; EVENT_TYPES],
            demand: Demand::everything(),
            times: true,
            contexts: true,
            ..Select::nothing()
        }
    }

    /// Raw events: parameters and times, without contexts.
    pub fn raw() -> Select {
        Select { params: vec![u32::MAX; EVENT_TYPES], times: true, ..Select::nothing() }
    }

    /// Nothing but types and numbers.
    pub fn nothing() -> Select {
        Select {
            params: vec![0; EVENT_TYPES],
            demand: Demand::default(),
            params_without_fd: vec![0; EVENT_TYPES],
            demand_without_fd: Demand::default(),
            times: false,
            contexts: false,
        }
    }

    fn params_of(&self, ty: u16, without_fd: bool) -> u32 {
        let of = |params: &[u32]| params.get(usize::from(ty)).copied().unwrap_or(0);
        of(&self.params) | if without_fd { of(&self.params_without_fd) } else { 0 }
    }

    fn references_of(&self, ty: u16, without_fd: bool) -> u16 {
        self.demand.of(ty) | if without_fd { self.demand_without_fd.of(ty) } else { 0 }
    }
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
    cpu: Vec<u16>,
}

/// A block of a file.
#[derive(Debug)]
pub struct StoredBlock<'a> {
    columns: Columns<'a>,
    head: Head,
    rows: Option<Arc<Rows>>,
    times: Option<Vec<u64>>,
    processes: Option<Processes>,
    infos: Option<(Infos, Texts)>,
    made_infos: Vec<Option<Arc<ThreadInfo>>>,
    fds: Option<(Fds, Texts)>,
    small: Option<Small>,
    /// Thread id of each row of the process table.
    process_tids: Vec<i64>,
    /// Place of each event among those of its type.
    places: Option<Vec<u32>>,
    params: HashMap<(u16, u8), Option<ParamColumn>, FixedState>,
    groups: Option<(u16, Vec<Group>)>,
}

fn wrong(what: &'static str, detail: &str) -> Error {
    Error::new(0, Problem::Contents { what, detail: detail.to_owned() })
}

/// What was loaded before; a defect of this module otherwise.
fn loaded<T>(part: Option<&T>) -> Result<&T, Error> {
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

    /// Event type and marks (see [`mark`]) of each shape.
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

    fn load_small(&mut self, decoder: &mut Decoder) -> Result<(), Error> {
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

    fn load_places(&mut self, decoder: &mut Decoder) -> Result<(), Error> {
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

    fn load_params(&mut self, decoder: &mut Decoder, ty: u16, nparams: usize, wanted: u32) -> Result<(), Error> {
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

    /// Makes a block of some rows, all of them for `None`, with what `select` asks for. `rows`: rising.
    ///
    /// What is not asked for is empty: no value, no context, time 0.
    pub fn select(
        &mut self,
        decoder: &mut Decoder,
        rows: Option<&[u32]>,
        select: &Select,
        spare: Block,
    ) -> Result<Block, Error> {
        self.rows(decoder)?;
        self.load_places(decoder)?;
        let every: Vec<u32>;
        let rows = match rows {
            Some(rows) => rows,
            None => {
                every = (0..self.head.events).collect();
                &every
            }
        };
        let all = rows.len() == self.len();
        let (batch, mut block) = spare.recycle();
        self.select_contexts(decoder, rows, select.contexts, &mut block)?;
        block.batch = self.select_events(decoder, rows, select, &block, batch)?;
        self.select_numbers(decoder, rows, all, select.times, &mut block)?;
        self.select_references(decoder, rows, select, &mut block)?;
        self.select_worlds(decoder, rows, &mut block)?;
        Ok(block)
    }

    /// Process and descriptor versions, as tables of their own.
    fn select_contexts(
        &mut self,
        decoder: &mut Decoder,
        rows: &[u32],
        wanted: bool,
        block: &mut Block,
    ) -> Result<(), Error> {
        let mut of_process: HashMap<u32, u32, FixedState> = HashMap::default();
        let mut of_fd: HashMap<u32, u32, FixedState> = HashMap::default();
        for &row in rows {
            let row = row as usize;
            let table = loaded(self.rows.as_ref())?;
            let (process, fd, shape) = (table.process[row], table.fd[row], table.shape[row] as usize);
            block.marks.push(self.head.shapes[shape].marks);
            block.fd_num.push(table.fd_num[row]);
            block.process.push(match (process, of_process.get(&process)) {
                (NONE, _) => NONE,
                _ if !wanted => NONE,
                (_, Some(&known)) => known,
                _ => {
                    let new = block.processes.len() as u32;
                    block.processes.push(self.process(decoder, process)?);
                    of_process.insert(process, new);
                    new
                }
            });
            block.fd.push(match (fd, of_fd.get(&fd)) {
                (NONE, _) => NONE,
                _ if !wanted => NONE,
                (_, Some(&known)) => known,
                _ => {
                    let new = block.fds.len() as u32;
                    block.fds.push(self.fd(decoder, fd)?);
                    of_fd.insert(fd, new);
                    new
                }
            });
        }
        Ok(())
    }

    fn select_events(
        &mut self,
        decoder: &mut Decoder,
        rows: &[u32],
        select: &Select,
        block: &Block,
        mut batch: EventBatch,
    ) -> Result<EventBatch, Error> {
        batch.clear();
        let mut wanted_of = vec![0; EVENT_TYPES];
        for &row in rows {
            let table = loaded(self.rows.as_ref())?;
            let ty = self.head.shapes[table.shape[row as usize] as usize].ty;
            wanted_of[usize::from(ty)] |= select.params_of(ty, table.fd[row as usize] == NONE);
        }
        let mut needs = (false, false);
        let shapes = self.head.shapes.clone();
        for shape in shapes.iter().filter(|shape| wanted_of[usize::from(shape.ty)] != 0) {
            let wanted = wanted_of[usize::from(shape.ty)];
            self.load_params(decoder, shape.ty, usize::from(shape.nparams), wanted)?;
            for index in 0..shape.nparams {
                if let Some(Some(column)) = self.params.get(&(shape.ty, index)) {
                    let (fd, info) = column.needs();
                    needs = (needs.0 || fd, needs.1 || info);
                }
            }
        }
        self.load_tids(decoder, rows, &mut batch)?;
        for (at, &row) in rows.iter().enumerate() {
            let table = loaded(self.rows.as_ref())?;
            let (process, fd) = (table.process[row as usize], table.fd[row as usize]);
            let fd_num = table.fd_num[row as usize];
            batch.cpu.push(table.cpu[row as usize]);
            let shape = shapes[table.shape[row as usize] as usize];
            batch.ty.push(shape.ty);
            batch.flags.push(shape.flags);
            batch.nparams.push(shape.nparams);
            let wanted = wanted_of[usize::from(shape.ty)];
            let mut made = (None, None);
            if wanted != 0 && needs.1 && process != NONE {
                made.0 = Some(match block.process(at) {
                    Some(process) => process.info.clone(),
                    None => self.process(decoder, process)?.info.clone(),
                });
            }
            if wanted != 0 && needs.0 && fd != NONE {
                made.1 = Some(match block.fd(at) {
                    Some(fd) => fd.clone(),
                    None => self.fd(decoder, fd)?,
                });
            }
            let context = Context {
                info: made.0.as_deref(),
                fd: made.1.as_deref().map(|fd| &fd.info),
                fd_num: fd_num,
                tid: batch.tid[at],
            };
            let place = loaded(self.places.as_ref())?[row as usize] as usize;
            let wide = schema::event_info(shape.ty).is_some_and(|info| info.length_width() == 4);
            let width = if wide { 4 } else { 2 };
            let start = batch.data.len();
            batch.offset.push(start as u32);
            batch.data.resize(start + usize::from(shape.nparams) * width, 0);
            for index in 0..shape.nparams {
                if wanted & 1 << index.min(31) == 0 {
                    continue;
                }
                let Some(Some(column)) = self.params.get(&(shape.ty, index)) else { continue };
                let length = column.append(place, &context, &mut batch.data);
                let length_at = start + usize::from(index) * width;
                if wide {
                    batch.data[length_at..length_at + 4].copy_from_slice(&(length as u32).to_le_bytes());
                } else {
                    let length = u16::try_from(length)
                        .map_err(|_| wrong("parameters", "one is longer than its event type allows"))?;
                    batch.data[length_at..length_at + 2].copy_from_slice(&length.to_le_bytes());
                }
            }
            if batch.data.len() > MOST_BYTES {
                return Err(wrong("parameters", "they take more than a block can have"));
            }
        }
        let first = self.head.first_drop;
        batch.first_drop = first.map(|drop| rows.partition_point(|&row| row < drop));
        Ok(batch)
    }

    fn load_tids(&mut self, decoder: &mut Decoder, rows: &[u32], batch: &mut EventBatch) -> Result<(), Error> {
        let table = loaded(self.rows.as_ref())?;
        let of_process = &self.process_tids;
        let tid_of = |row: u32| of_process.get(row as usize).copied().unwrap_or(-1);
        if self.head.odd_tids == 0 {
            batch.tid.extend(rows.iter().map(|&row| tid_of(table.process[row as usize])));
            return Ok(());
        }
        let tids = rows::tids(&self.columns, &mut decoder.zstd, &self.head, &table.process, &tid_of)?;
        batch.tid.extend(rows.iter().map(|&row| tids[row as usize]));
        Ok(())
    }

    /// Event numbers and times.
    fn select_numbers(
        &mut self,
        decoder: &mut Decoder,
        rows: &[u32],
        all: bool,
        times: bool,
        block: &mut Block,
    ) -> Result<(), Error> {
        let nums = rows::nums(&self.columns, &mut decoder.zstd, &self.head)?;
        block.first_num = self.head.first_num;
        match (all, nums.is_empty()) {
            (true, _) => block.nums = nums,
            (false, true) => block.nums.extend(rows.iter().map(|&row| self.head.first_num + u64::from(row))),
            (false, false) => block.nums.extend(rows.iter().map(|&row| nums[row as usize])),
        }
        block.previous_ts = self.head.previous_ts;
        if !times {
            block.batch.ts.resize(rows.len(), 0);
            return Ok(());
        }
        self.times(decoder)?;
        let ts = loaded(self.times.as_ref())?;
        block.batch.ts.extend(rows.iter().map(|&row| ts[row as usize]));
        if !all {
            let table = loaded(self.rows.as_ref())?;
            let delivered: Vec<bool> = self.shapes().map(|(_, marks)| marks & mark::DELIVERED != 0).collect();
            // Back to the row before in the selection, so that the whole is looked at once at most.
            let mut known = (0, self.head.previous_ts.unwrap_or(u64::MAX));
            for row in rows.iter().map(|&row| row as usize) {
                let earlier = (known.0..row).rev().find(|&at| delivered[table.shape[at] as usize]);
                known = (row, earlier.map_or(known.1, |at| ts[at]));
                block.before.push(known.1);
            }
        }
        Ok(())
    }

    fn select_references(
        &mut self,
        decoder: &mut Decoder,
        rows: &[u32],
        select: &Select,
        block: &mut Block,
    ) -> Result<(), Error> {
        if self.head.refs.is_empty() {
            return Ok(());
        }
        let table = loaded(self.rows.as_ref())?.clone();
        let bits_of = |at: usize, row: u32| select.references_of(block.batch.ty[at], table.fd[row as usize] == NONE);
        let bits: Vec<u16> = rows.iter().enumerate().map(|(at, &row)| bits_of(at, row)).collect();
        let wanted = bits.iter().fold(0, |wanted, bits| wanted | bits);
        if self.groups.as_ref().is_none_or(|(loaded, _)| loaded & wanted != wanted) {
            let of_process = &self.process_tids;
            let tid_of = |process: u32| of_process.get(process as usize).copied().unwrap_or(-1);
            let contexts = (&table.process[..], &table.fd[..]);
            let groups =
                references::read(&self.columns, &mut decoder.zstd, &self.head, wanted | 1 << 15, &tid_of, contexts)?;
            self.groups = Some((wanted, groups));
        }
        if self.groups.as_ref().is_none_or(|(_, groups)| groups.is_empty()) {
            return Ok(());
        }
        self.load_small(decoder)?;
        let mut found = Vec::new();
        for (at, &row) in (0u32..).zip(rows) {
            let bits = bits[at as usize];
            let process = table.process[row as usize];
            // References are told of delivered events alone.
            let thread = process != NONE && block.marks[at as usize] & mark::DELIVERED != 0;
            let tid = self.process_tids.get(process as usize).copied().unwrap_or(-1);
            found.clear();
            if let Some((_, groups)) = &self.groups {
                for group in groups.iter().filter(|group| group.wanted_by == u16::MAX || group.wanted_by & bits != 0) {
                    group.of(row, tid, thread, |key, value| found.push((group.kind, group.target, key, value)));
                }
            }
            for &(kind, target, key, value) in &found {
                let value = match target {
                    Target::Number => Some(value),
                    _ if value == 0 => None,
                    Target::Fd => {
                        let fd = self.fd(decoder, (value - 1).min(u64::from(NONE)) as u32)?;
                        block.fds.push(fd);
                        Some(block.fds.len() as u64 - 1)
                    }
                    Target::Process => {
                        let process = self.process(decoder, (value - 1).min(u64::from(NONE)) as u32)?;
                        block.processes.push(process);
                        Some(block.processes.len() as u64 - 1)
                    }
                    Target::User => self.small.as_ref().and_then(|small| small.user(value)).map(|user| {
                        block.users.push(user);
                        block.users.len() as u64 - 1
                    }),
                    Target::Group => self.small.as_ref().and_then(|small| small.group(value)).map(|group| {
                        block.groups.push(group);
                        block.groups.len() as u64 - 1
                    }),
                    Target::Container => self.small.as_ref().and_then(|small| small.container(value)).map(|container| {
                        block.containers.push(container);
                        block.containers.len() as u64 - 1
                    }),
                };
                block.refs.push(references::reference(at, kind, key, value));
            }
        }
        Ok(())
    }

    fn select_worlds(&mut self, decoder: &mut Decoder, rows: &[u32], block: &mut Block) -> Result<(), Error> {
        self.load_small(decoder)?;
        let worlds = &loaded(self.small.as_ref())?.worlds;
        for (first, world) in worlds {
            let at = rows.partition_point(|row| row < first) as u32;
            // Of those that begin at the same row the last holds.
            if block.worlds.last().is_some_and(|(other, _)| *other == at) {
                block.worlds.pop();
            }
            block.worlds.push((at, world.clone()));
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
