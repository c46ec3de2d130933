//! Evaluation of a whole program over blocks.
//!
//! Each event type has a plan: what is left of the rules once the type is known. For each distinct process version and
//! each distinct descriptor version of a plan the set of rules that it does not rule out is worked out once and
//! remembered; an event's candidates are the rules in both sets, mostly none. Only for those the rest is evaluated.

mod memory;
pub(crate) mod plan;
mod source;
mod stored;

use falco_replay_format::block::{Block, NONE};
use falco_replay_format::demand::Demand;
use falco_replay_format::fcap::block::Select;
use falco_replay_rules::program::{Program, Rule};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::catalogue::Catalogue;
use crate::check::Check;
use crate::fields::{Domain, Extractor};
use crate::filter::ask;
use crate::output::Printer;
use crate::view::{Rendering, View};
use memory::{Columns, Context, Memory};
use plan::{NO_PLAN, Plan};
use source::{Decoded, Source};

pub use stored::StoredMatches;

/// Which rules alert on an event that several match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RuleMatching {
    /// The first in definition order.
    #[default]
    First,
    /// All.
    All,
}

/// A rule that matched an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The event's row in its block.
    pub row: u32,
    /// The rule's place in the program.
    pub rule: u32,
}

/// A program made ready to be evaluated; shared by all threads.
#[derive(Debug)]
pub struct Engine {
    checks: Vec<Check>,
    plans: Vec<Plan>,
    plan_of: Vec<u16>,
    of_process: Columns,
    of_fd: Columns,
    demand: Demand,
    /// What conditions need of the events of a stored block that no context rules out.
    of_conditions: Select,
    /// By rule: the fields of its output.
    of_outputs: Vec<Vec<Extractor>>,
    matching: RuleMatching,
}

/// Sets of rules that contexts do not rule out, by plan.
#[derive(Debug, Default)]
struct Masks {
    /// By plan and context number: offset into `words`.
    known: HashMap<(u16, u64), u32, FixedState>,
    words: Vec<u64>,
    /// By plan: for each row of the block's table the offset plus one, 0 where it is not looked up yet.
    of_rows: Vec<Vec<u32>>,
}

/// Sets remembered before all are forgotten.
const MASKS: usize = 1 << 18;

impl Masks {
    fn begin(&mut self, plans: usize) {
        self.of_rows.resize_with(plans, Vec::new);
        self.of_rows.iter_mut().for_each(Vec::clear);
        if self.known.len() > MASKS {
            self.known.clear();
            self.words.clear();
        }
    }
}

/// What one thread remembers between blocks.
#[derive(Debug, Default)]
pub struct Worker {
    processes: Memory,
    fds: Memory,
    process_masks: Masks,
    fd_masks: Masks,
    /// Candidates of the event at hand.
    candidates: Vec<u64>,
    /// By predicate: what it is worth at the event numbered so.
    at_event: Vec<(u64, bool)>,
    /// Number of the event at hand among those with candidates.
    event: u64,
}

impl Worker {
    /// Makes ready for the next block.
    fn begin(&mut self, plans: usize) {
        self.processes.bound();
        self.fds.bound();
        self.process_masks.begin(plans);
        self.fd_masks.begin(plans);
    }
}

/// The number that stands for "no context" among masks: versions count from 1.
const NO_CONTEXT: u64 = 0;

impl Engine {
    /// Makes the enabled rules of a program ready. `documented`: operators mean what the language documents.
    pub fn new(program: &Program, catalogue: &Catalogue, matching: RuleMatching, documented: bool) -> Engine {
        let checks: Vec<Check> = program.predicates.iter().map(|p| Check::new(p, catalogue, documented)).collect();
        let (plans, plan_of) = plan::plans(program, &checks);
        let mut engine = Engine {
            of_process: Columns::new(&checks, Domain::Process),
            of_fd: Columns::new(&checks, Domain::Fd),
            checks,
            plans,
            plan_of,
            demand: Demand::default(),
            of_conditions: Select::everything(),
            of_outputs: Vec::new(),
            matching,
        };
        engine.work_out_demand(program, catalogue);
        engine.of_conditions = engine.select_conditions();
        engine.of_outputs = output_fields(program, catalogue);
        engine
    }

    fn work_out_demand(&mut self, program: &Program, catalogue: &Catalogue) {
        let mut demand = Demand::default();
        for (ty, &plan) in self.plan_of.iter().enumerate().filter(|(_, plan)| **plan != NO_PLAN) {
            let ty = ty as u16;
            for (rule, node) in &self.plans[usize::from(plan)].rules {
                let rule = &program.rules[*rule as usize];
                Printer::new(&rule.output, catalogue).ask(&mut demand, |other| other == ty);
                for (_, template) in &rule.extra_fields {
                    Printer::new(template, catalogue).ask(&mut demand, |other| other == ty);
                }
                node.holds_all(&mut |predicate| {
                    let fields = self.checks[predicate as usize].extractors();
                    ask(&mut demand, fields.into_iter(), |other| other == ty);
                });
            }
        }
        self.demand = demand;
    }

    /// The references that conditions and outputs need.
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// The memory of a new thread.
    pub fn worker(&self) -> Worker {
        Worker { at_event: vec![(0, false); self.checks.len()], ..Worker::default() }
    }

    /// Appends the matches of a block, in the order of events and rules.
    pub fn evaluate(&self, worker: &mut Worker, block: &Block, rendering: &Rendering, matches: &mut Vec<Match>) {
        worker.begin(self.plans.len());
        let types = &block.batch.ty[..];
        let mut decoded = Decoded(block);
        for (row, &ty) in types.iter().enumerate() {
            let number = self.plan_of[usize::from(ty)];
            if number == NO_PLAN || !block.delivered(row) {
                continue;
            }
            let plan = &self.plans[usize::from(number)];
            if self.find_candidates(worker, &mut decoded, row, number, plan) {
                self.try_candidates(worker, block, row, plan, rendering, matches);
            }
        }
    }

    /// Collects the rules that neither the process nor the descriptor of an event rules out; false where none is left.
    #[inline]
    fn find_candidates<S: Source>(
        &self,
        worker: &mut Worker,
        source: &mut S,
        row: usize,
        number: u16,
        plan: &Plan,
    ) -> bool {
        worker.candidates.clear();
        let fd_mask = if plan.of_fd { self.fd_mask(worker, source, row, number, plan) } else { None };
        match fd_mask {
            Some(offset) => {
                let mask = &worker.fd_masks.words[offset as usize..offset as usize + plan.words];
                if mask.iter().all(|word| *word == 0) {
                    return false;
                }
                worker.candidates.extend_from_slice(mask);
            }
            None => worker.candidates.extend_from_slice(&plan.all),
        }
        if !plan.of_process {
            return true;
        }
        let offset = self.process_mask(worker, source, row, number, plan) as usize;
        let (known, open) = (offset, offset + plan.words);
        let words = &mut worker.process_masks.words;
        if (0..plan.words).any(|word| worker.candidates[word] & !words[known + word] != 0) {
            self.work_out_process(worker, source, row, plan, offset);
        }
        let words = &worker.process_masks.words;
        let mut left = 0;
        for (candidates, mask) in worker.candidates.iter_mut().zip(&words[open..open + plan.words]) {
            *candidates &= mask;
            left |= *candidates;
        }
        left != 0
    }

    /// The place of what a process version is worth to a plan: rules that were looked at, then those it leaves open.
    #[inline]
    fn process_mask<S: Source>(
        &self,
        worker: &mut Worker,
        source: &mut S,
        row: usize,
        number: u16,
        plan: &Plan,
    ) -> u32 {
        let table = source.process_row(row);
        let at = if table == NONE { source.processes() } else { table as usize };
        let masks = &mut worker.process_masks;
        let of_rows = &mut masks.of_rows[usize::from(number)];
        if of_rows.is_empty() {
            of_rows.resize(source.processes() + 1, 0);
        }
        if of_rows[at] != 0 {
            return of_rows[at] - 1;
        }
        let id = if table == NONE { NO_CONTEXT } else { source.process_id(table) };
        let words = &mut masks.words;
        let offset = *masks.known.entry((number, id)).or_insert_with(|| {
            let offset = words.len() as u32;
            words.resize(words.len() + 2 * plan.words, 0);
            offset
        });
        of_rows[at] = offset + 1;
        offset
    }

    /// Looks at the candidates that a process version was not held against yet.
    #[cold]
    fn work_out_process<S: Source>(&self, worker: &mut Worker, source: &mut S, row: usize, plan: &Plan, offset: usize) {
        let memory = &mut worker.processes;
        let process = source.process(source.process_row(row));
        let context = process.as_ref().map(|process| Context::Process(process));
        let place = context.map_or(0, |context| memory.place(&self.of_process, context));
        let words = &mut worker.process_masks.words;
        for word in 0..plan.words {
            let new = worker.candidates[word] & !words[offset + word];
            words[offset + word] |= new;
            for bit in bits(new) {
                let (_, node) = &plan.rules[word * 64 + bit];
                let decided = node.decide(&mut |predicate| match context {
                    Some(context) => memory.holds(&self.of_process, &self.checks, place, context, predicate),
                    // Without a thread no field of it has a value.
                    None => (self.checks[predicate as usize].domain == Domain::Process).then_some(false),
                });
                if decided != Some(false) {
                    words[offset + plan.words + word] |= 1 << bit;
                }
            }
        }
    }

    /// The rules that an event's descriptor does not rule out. `None` where nothing can be said without the event.
    fn fd_mask<S: Source>(
        &self,
        worker: &mut Worker,
        source: &mut S,
        row: usize,
        number: u16,
        plan: &Plan,
    ) -> Option<u32> {
        let table = source.fd_row(row);
        if table == NONE {
            return self.mask_without_fd(worker, source, row, number, plan);
        }
        let at = table as usize;
        let of_rows = &mut worker.fd_masks.of_rows[usize::from(number)];
        if of_rows.is_empty() {
            of_rows.resize(source.fds(), 0);
        }
        if of_rows[at] != 0 {
            return Some(of_rows[at] - 1);
        }
        let id = source.fd_id(table);
        let offset = match worker.fd_masks.known.get(&(number, id)) {
            Some(&offset) => offset,
            None => {
                let memory = &mut worker.fds;
                let fd = source.fd(table)?;
                let context = Context::Fd(&fd);
                let place = memory.place(&self.of_fd, context);
                let offset = mask(plan, &mut worker.fd_masks.words, &mut |predicate| {
                    memory.holds(&self.of_fd, &self.checks, place, context, predicate)
                });
                worker.fd_masks.known.insert((number, id), offset);
                offset
            }
        };
        worker.fd_masks.of_rows[usize::from(number)][at] = offset + 1;
        Some(offset)
    }

    /// The same for events without a descriptor, mostly failed opens: their number is -1, and most fields are missing.
    fn mask_without_fd<S: Source>(
        &self,
        worker: &mut Worker,
        source: &mut S,
        row: usize,
        number: u16,
        plan: &Plan,
    ) -> Option<u32> {
        if source.fd_num(row) != -1 || source.process_row(row) == NONE {
            return None;
        }
        if let Some(&offset) = worker.fd_masks.known.get(&(number, NO_CONTEXT)) {
            return Some(offset);
        }
        let offset = mask(plan, &mut worker.fd_masks.words, &mut |predicate| {
            self.checks[predicate as usize].without_fd(plan.sample)
        });
        worker.fd_masks.known.insert((number, NO_CONTEXT), offset);
        Some(offset)
    }

    #[cold]
    fn try_candidates(
        &self,
        worker: &mut Worker,
        block: &Block,
        row: usize,
        plan: &Plan,
        rendering: &Rendering,
        matches: &mut Vec<Match>,
    ) {
        let view = View::new(block, row, rendering);
        worker.event += 1;
        let event = worker.event;
        let process = view.process.filter(|_| !plan.own_context).map(Context::Process);
        let process_place = process.map_or(0, |context| worker.processes.place(&self.of_process, context));
        let fd = view.fd.filter(|_| view.about_fd()).map(Context::Fd);
        let fd_place = fd.map_or(0, |context| worker.fds.place(&self.of_fd, context));
        for word in 0..plan.words {
            for bit in bits(worker.candidates[word]) {
                let (rule, node) = &plan.rules[word * 64 + bit];
                let holds = node.holds(&mut |predicate| {
                    let check = &self.checks[predicate as usize];
                    let known = match (check.domain, process, fd) {
                        (Domain::Process, Some(context), _) => {
                            worker.processes.holds(&self.of_process, &self.checks, process_place, context, predicate)
                        }
                        (Domain::Fd, _, Some(context)) => {
                            worker.fds.holds(&self.of_fd, &self.checks, fd_place, context, predicate)
                        }
                        _ => None,
                    };
                    known.unwrap_or_else(|| {
                        let memo = &mut worker.at_event[predicate as usize];
                        if memo.0 != event {
                            *memo = (event, check.at_event(&view));
                        }
                        memo.1
                    })
                });
                if holds {
                    matches.push(Match { row: row as u32, rule: *rule });
                    if self.matching == RuleMatching::First {
                        return;
                    }
                }
            }
        }
    }
}

/// The fields of each rule's output.
fn output_fields(program: &Program, catalogue: &Catalogue) -> Vec<Vec<Extractor>> {
    let fields = |rule: &Rule| {
        let templates = std::iter::once(&rule.output).chain(rule.extra_fields.iter().map(|(_, template)| template));
        templates
            .flat_map(|template| Printer::new(template, catalogue).extractors().cloned().collect::<Vec<_>>())
            .collect()
    };
    program.rules.iter().map(fields).collect()
}

/// The places of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
        word &= word - 1;
        Some(bit)
    })
}

/// Appends the set of rules of a plan that what is known does not rule out; gives its place.
fn mask(plan: &Plan, words: &mut Vec<u64>, known: &mut dyn FnMut(u32) -> Option<bool>) -> u32 {
    let offset = words.len();
    words.resize(offset + plan.words, 0);
    for (place, (_, node)) in plan.rules.iter().enumerate() {
        if node.decide(known) != Some(false) {
            words[offset + place / 64] |= 1 << (place % 64);
        }
    }
    offset as u32
}
