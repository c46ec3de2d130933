//! What a thread remembers of distinct contexts: the worth of predicates for a process version, for a descriptor
//! version, and for a value, so that each is worked out once and not once an event.

use falco_replay_format::block::{Fd, Process};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::catalogue::Field;
use crate::check::Check;
use crate::fields::{Domain, of_ancestor};
use crate::transform::Expression;
use crate::value::Value;

/// Contexts remembered before all are forgotten: bounds the memory of long runs.
const CONTEXTS: usize = 1 << 16;

/// Values remembered of one column.
const VALUES: usize = 1 << 15;

/// Longest value that is remembered.
const LONGEST: usize = 4096;

/// How the predicates of a column are evaluated.
#[derive(Debug)]
enum Source {
    /// All look at this value.
    Value(Expression),
    /// All look at this field of each ancestor.
    Ancestors(Field),
    /// Each looks for itself.
    Each,
}

/// Predicates over the same value: evaluated together, remembered by value.
#[derive(Debug)]
pub(super) struct Column {
    source: Source,
    /// Numbers of the predicates.
    predicates: Vec<u32>,
    /// First bit of the column in a set of predicates.
    first: usize,
}

/// The predicates of a program over one table, as columns of bits.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    /// Column of each predicate; `u32::MAX` for those of other tables.
    column_of: Vec<u32>,
    bit_of: Vec<u32>,
    words: usize,
}

impl Columns {
    pub(super) fn new(checks: &[Check], domain: Domain) -> Columns {
        let mut groups: Vec<(String, Source, Vec<u32>)> = Vec::new();
        for (number, check) in checks.iter().enumerate().filter(|(_, check)| check.domain == domain) {
            let (key, source) = match (check.plain(), check.ancestors()) {
                (Some(expression), _) => (format!("{expression:?}"), Source::Value(expression.clone())),
                (None, Some(field)) => (format!("ancestors of {field:?}"), Source::Ancestors(field)),
                (None, None) => (format!("check {number}"), Source::Each),
            };
            match groups.iter_mut().find(|(other, ..)| *other == key) {
                Some((_, _, predicates)) => predicates.push(number as u32),
                None => groups.push((key, source, vec![number as u32])),
            }
        }
        let mut column_of = vec![u32::MAX; checks.len()];
        let mut bit_of = vec![0; checks.len()];
        let mut columns = Vec::new();
        let mut next = 0;
        for (_, source, predicates) in groups {
            for (place, &predicate) in predicates.iter().enumerate() {
                column_of[predicate as usize] = columns.len() as u32;
                bit_of[predicate as usize] = (next + place) as u32;
            }
            let count = predicates.len();
            columns.push(Column { source, predicates, first: next });
            next += count;
        }
        // One bit more a column says whether it was worked out.
        Columns { words: (next + columns.len()).div_ceil(64), columns, column_of, bit_of }
    }

    fn bits(&self) -> usize {
        self.columns.last().map_or(0, |last| last.first + last.predicates.len())
    }
}

fn set(words: &mut [u64], bit: usize) {
    words[bit / 64] |= 1 << (bit % 64);
}

fn is_set(words: &[u64], bit: usize) -> bool {
    words[bit / 64] >> (bit % 64) & 1 == 1
}

type ByValue = HashMap<Box<[u8]>, Box<[u64]>, FixedState>;

/// The worth of predicates by context and by value.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Offset into `words` of each context, by its number.
    contexts: HashMap<u64, u32, FixedState>,
    words: Vec<u64>,
    by_value: Vec<ByValue>,
    /// For columns over ancestors: what the chain above a process is worth.
    above: HashMap<(u32, u64), Box<[u64]>, FixedState>,
    scratch: Vec<u64>,
}

/// A context: a process or a descriptor version.
#[derive(Debug, Clone, Copy)]
pub(super) enum Context<'a> {
    Process(&'a Process),
    Fd(&'a Fd),
}

impl<'a> Context<'a> {
    fn id(self) -> u64 {
        match self {
            Context::Process(process) => process.id,
            Context::Fd(fd) => fd.id,
        }
    }

    fn value(self, expression: &'a Expression) -> Option<Value<'a>> {
        match self {
            Context::Process(process) => expression.evaluate_with(&|field| field.of_process(process)),
            Context::Fd(fd) => expression.evaluate_with(&|field| field.of_fd(fd)),
        }
    }

    fn check(self, check: &Check) -> bool {
        match self {
            Context::Process(process) => check.of_process(process),
            Context::Fd(fd) => check.of_fd(fd),
        }
    }
}

impl Memory {
    /// Forgets everything once it has become too much. Only between blocks: offsets do not survive it.
    pub(super) fn bound(&mut self) {
        if self.contexts.len() > CONTEXTS || self.above.len() > CONTEXTS {
            self.contexts.clear();
            self.words.clear();
            self.above.clear();
        }
    }

    /// The place of a context's bits.
    pub(super) fn place(&mut self, columns: &Columns, context: Context<'_>) -> u32 {
        let words = &mut self.words;
        *self.contexts.entry(context.id()).or_insert_with(|| {
            let offset = words.len() as u32;
            words.resize(words.len() + columns.words, 0);
            offset
        })
    }

    /// Whether a predicate holds for the context at `place`; `None` for predicates of other tables.
    #[inline]
    pub(super) fn holds(
        &mut self,
        columns: &Columns,
        checks: &[Check],
        place: u32,
        context: Context<'_>,
        predicate: u32,
    ) -> Option<bool> {
        let column = columns.column_of[predicate as usize];
        if column == u32::MAX {
            return None;
        }
        let own = place as usize..place as usize + columns.words;
        if !is_set(&self.words[own.clone()], columns.bits() + column as usize) {
            self.work_out(columns, checks, place, context, column as usize);
        }
        Some(is_set(&self.words[own], columns.bit_of[predicate as usize] as usize))
    }

    #[cold]
    fn work_out(&mut self, columns: &Columns, checks: &[Check], place: u32, context: Context<'_>, number: usize) {
        let column = &columns.columns[number];
        let count = column.predicates.len();
        let mut found = std::mem::take(&mut self.scratch);
        found.clear();
        found.resize(count.div_ceil(64), 0);
        match &column.source {
            Source::Each => {
                for (place, &predicate) in column.predicates.iter().enumerate() {
                    if context.check(&checks[predicate as usize]) {
                        set(&mut found, place);
                    }
                }
            }
            Source::Value(expression) => {
                if let Some(value) = context.value(expression) {
                    self.of_value(checks, columns, number, &value, &mut found);
                }
            }
            Source::Ancestors(field) => {
                if let Context::Process(process) = context {
                    self.of_ancestors(checks, columns, number, *field, process, &mut found);
                }
            }
        }
        let own = &mut self.words[place as usize..place as usize + columns.words];
        for at in 0..count {
            if is_set(&found, at) {
                set(own, column.first + at);
            }
        }
        set(own, columns.bits() + number);
        self.scratch = found;
    }

    /// Sets the bits of the predicates of a column that a value passes.
    fn of_value(&mut self, checks: &[Check], columns: &Columns, number: usize, value: &Value<'_>, found: &mut [u64]) {
        let predicates = &columns.columns[number].predicates;
        let work = |found: &mut [u64]| {
            for (place, &predicate) in predicates.iter().enumerate() {
                if checks[predicate as usize].holds(value) {
                    set(found, place);
                }
            }
        };
        let Some(bytes) = value.bytes().filter(|bytes| bytes.len() <= LONGEST) else { return work(found) };
        if self.by_value.len() <= number {
            self.by_value.resize_with(columns.columns.len(), ByValue::default);
        }
        let known = &mut self.by_value[number];
        if let Some(words) = known.get(bytes) {
            found.copy_from_slice(words);
            return;
        }
        work(found);
        if known.len() >= VALUES {
            known.clear();
        }
        known.insert(bytes.into(), (&*found).into());
    }

    /// Sets the bits of the predicates that some ancestor passes.
    fn of_ancestors(
        &mut self,
        checks: &[Check],
        columns: &Columns,
        number: usize,
        field: Field,
        process: &Process,
        found: &mut [u64],
    ) {
        let mut one = vec![0; found.len()];
        let mut at = process.main();
        if at.is_some_and(|main| main.circle.is_some()) {
            // In a circle what an ancestor passes is not all that those below it do: it is the start that counts.
            for value in process.ancestors().filter_map(|ancestor| of_ancestor(field, ancestor)) {
                one.fill(0);
                self.of_value(checks, columns, number, &value, &mut one);
                found.iter_mut().zip(&one).for_each(|(all, one)| *all |= one);
            }
            return;
        }
        // From the nearest ancestor whose chain is known down to the process.
        let mut chain: Vec<&Process> = Vec::new();
        while let Some(next) = at {
            if let Some(words) = self.above.get(&(number as u32, next.id)) {
                found.copy_from_slice(words);
                break;
            }
            chain.push(next);
            at = next.above();
        }
        for next in chain.into_iter().rev() {
            if let Some(value) = next.above().and_then(|parent| of_ancestor(field, parent)) {
                one.fill(0);
                self.of_value(checks, columns, number, &value, &mut one);
                found.iter_mut().zip(&one).for_each(|(all, one)| *all |= one);
            }
            self.above.insert((number as u32, next.id), (&*found).into());
        }
    }
}
