//! Making a block in memory of some rows of a block in a file.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::params::Context;
use super::references::{self, Target};
use super::rows;
use super::stored::{Decoder, StoredBlock, loaded, wrong};
use crate::batch::EventBatch;
use crate::block::{Block, NONE, mark};
use crate::demand::Demand;
use crate::fcap::error::Error;
use crate::schema::{self, EVENT_TYPES};

/// Bytes of parameters that one selection may have: what offsets can tell.
const MOST_BYTES: usize = 1 << 30;

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

impl StoredBlock<'_> {
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
                fd_num,
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
                    Target::Container => {
                        self.small.as_ref().and_then(|small| small.container(value)).map(|container| {
                            block.containers.push(container);
                            block.containers.len() as u64 - 1
                        })
                    }
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
