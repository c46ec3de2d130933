//! Evaluation of a block that lies in a file: contexts decide first, then the parameters of the few events left.

use std::sync::Arc;

use falco_replay_format::block::{Block, Fd, NONE, Process, mark};
use falco_replay_format::demand::want;
use falco_replay_format::fcap;
use falco_replay_format::fcap::block::{Decoder, Rows, Select, StoredBlock};

use super::plan::NO_PLAN;
use super::source::Source;
use super::{Engine, Match, Worker};
use crate::fields::Extractor;
use crate::view::Rendering;

/// Events of a stored block that match, with all that outputs need.
#[derive(Debug, Default)]
pub struct StoredMatches {
    /// The events that match, and no others.
    pub block: Block,
    /// Which rules match which of them, in the order of events and rules.
    pub matches: Vec<Match>,
    /// Memory of the events that conditions looked at.
    tried: Block,
    rows: Vec<u32>,
}

impl StoredMatches {
    /// Forgets the matches and keeps the memory.
    fn clear(&mut self) {
        self.block = std::mem::take(&mut self.block).recycle().1;
        self.matches.clear();
        self.rows.clear();
    }
}

/// A block of a file.
struct Contexts<'a, 'b, 'f> {
    rows: &'a Rows,
    stored: &'b mut StoredBlock<'f>,
    decoder: &'b mut Decoder,
    /// Why a context could not be made; the block counts as damaged.
    error: Option<fcap::Error>,
}

impl Source for Contexts<'_, '_, '_> {
    #[inline]
    fn process_row(&self, row: usize) -> u32 {
        self.rows.process[row]
    }

    #[inline]
    fn processes(&self) -> usize {
        self.rows.process_ids.len()
    }

    fn process_id(&self, table: u32) -> u64 {
        self.rows.process_ids[table as usize]
    }

    fn process(&mut self, table: u32) -> Option<Arc<Process>> {
        if table == NONE {
            return None;
        }
        match self.stored.process(self.decoder, table) {
            Ok(process) => Some(process),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    #[inline]
    fn fd_row(&self, row: usize) -> u32 {
        self.rows.fd[row]
    }

    #[inline]
    fn fds(&self) -> usize {
        self.rows.fd_ids.len()
    }

    #[inline]
    fn fd_id(&self, table: u32) -> u64 {
        self.rows.fd_ids[table as usize]
    }

    fn fd(&mut self, table: u32) -> Option<Arc<Fd>> {
        match self.stored.fd(self.decoder, table) {
            Ok(fd) => Some(fd),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    #[inline]
    fn fd_num(&self, row: usize) -> i64 {
        self.rows.fd_num[row]
    }
}

impl Engine {
    /// What conditions need of an event that contexts leave open.
    pub(super) fn select_conditions(&self) -> Select {
        let mut select = Select { contexts: true, ..Select::nothing() };
        for (ty, &plan) in (0u16..).zip(&self.plan_of).filter(|(_, plan)| **plan != NO_PLAN) {
            for (_, node) in &self.plans[usize::from(plan)].rules {
                node.holds_all(&mut |predicate| {
                    let check = &self.checks[predicate as usize];
                    check.extractors().into_iter().for_each(|extractor| ask(&mut select, ty, extractor));
                    select.times |= check.is_time();
                });
            }
        }
        select
    }

    /// What the outputs of some matches need. `chosen`: rows of the file's block; `tried`: those of which `block` is made.
    fn select_outputs(&self, block: &Block, matches: &[Match], chosen: &[u32], tried: &[u32]) -> Select {
        let mut select = Select { contexts: true, times: true, ..Select::nothing() };
        let mut asked: Vec<(u16, u32)> = Vec::new();
        for one in matches {
            let at = tried.partition_point(|row| *row < chosen[one.row as usize]);
            let ty = block.batch.ty[at];
            if asked.contains(&(ty, one.rule)) {
                continue;
            }
            asked.push((ty, one.rule));
            self.of_outputs[one.rule as usize].iter().for_each(|field| ask(&mut select, ty, field));
        }
        select
    }

    /// Whether a stored block has all that the program needs: what it does not hold are single descriptor numbers.
    pub fn needs_state(&self) -> bool {
        self.demand.fd_numbers.iter().any(|number| !(0..3).contains(number))
    }

    /// Finds the matches of a block that lies in a file, in the order of events and rules.
    ///
    /// `outputs`: what is wanted of the events that match; what the outputs of their rules need where nothing is said.
    ///
    /// # Errors
    /// Damage; what was found before is dropped.
    pub fn evaluate_stored(
        &self,
        worker: &mut Worker,
        stored: &mut StoredBlock<'_>,
        decoder: &mut Decoder,
        rendering: &Rendering,
        outputs: Option<&Select>,
        found: &mut StoredMatches,
    ) -> Result<(), fcap::Error> {
        found.clear();
        let plans: Vec<u16> = stored
            .shapes()
            .map(|(ty, marks)| if marks & mark::DELIVERED == 0 { NO_PLAN } else { self.plan_of[usize::from(ty)] })
            .collect();
        if plans.iter().all(|plan| *plan == NO_PLAN) {
            return Ok(());
        }
        worker.begin(self.plans.len());
        let rows = stored.shared_rows(decoder)?;
        let mut contexts = Contexts { rows: &rows, stored, decoder, error: None };
        for (row, &shape) in rows.shape.iter().enumerate() {
            let number = plans[shape as usize];
            if number == NO_PLAN {
                continue;
            }
            let plan = &self.plans[usize::from(number)];
            if self.find_candidates(worker, &mut contexts, row, number, plan) {
                found.rows.push(row as u32);
            }
        }
        let error = contexts.error;
        if let Some(error) = error {
            return Err(error);
        }
        if found.rows.is_empty() {
            return Ok(());
        }
        let spare = std::mem::take(&mut found.tried);
        found.tried = stored.select(decoder, Some(&found.rows), &self.of_conditions, spare)?;
        self.evaluate(worker, &found.tried, rendering, &mut found.matches);
        if found.matches.is_empty() {
            return Ok(());
        }
        // Outputs may need more, but only of what matched.
        let mut rows: Vec<u32> = Vec::new();
        let mut last = u32::MAX;
        for one in &mut found.matches {
            if one.row != last {
                last = one.row;
                rows.push(found.rows[one.row as usize]);
            }
            one.row = rows.len() as u32 - 1;
        }
        let own;
        let outputs = match outputs {
            Some(outputs) => outputs,
            None => {
                own = self.select_outputs(&found.tried, &found.matches, &rows, &found.rows);
                &own
            }
        };
        let spare = std::mem::take(&mut found.block);
        found.block = stored.select(decoder, Some(&rows), outputs, spare)?;
        Ok(())
    }
}

/// Asks for what a field needs on events of a type.
fn ask(select: &mut Select, ty: u16, extractor: &Extractor) {
    let (bits, number) = extractor.wants_on(ty);
    let without_fd = extractor.wants_without_fd();
    select.demand.ask(ty, bits & !without_fd);
    select.demand_without_fd.ask(ty, without_fd);
    if let Some(number) = number.filter(|number| !select.demand.fd_numbers.contains(number)) {
        select.demand.fd_numbers.push(number);
    }
    let (params, without_fd) = extractor.params_of(ty);
    select.params[usize::from(ty)] |= params;
    select.params_without_fd[usize::from(ty)] |= without_fd;
    select.times |= bits & want::BEFORE != 0 || extractor.is_time();
}
