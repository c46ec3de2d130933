//! Which events a condition can match, so that a rule is only evaluated on those.
//!
//! Facts: filter-language A8. `and` is the intersection, `or` the union; `not` is pushed down to the checks. Only checks
//! of `evt.type`, `syscall.type` and `evt.num` restrict; everything else can match every event. The same computation
//! over syscall codes gives further names for the description of a rule.

use crate::check::bare_field;
use crate::program::{EventTypes, Operator};
use crate::schema::{Role, Schema};
use crate::syntax::{Check, Expr, Right, Value};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a check says of the events that it can hold for.
enum Restriction {
    /// Nothing.
    Any,
    /// It holds for none; its negation for all.
    Never,
    /// It holds for all; its negation for none.
    Always,
    /// It holds for events with these names, or (`true`) for those without.
    Names(Vec<Vec<u8>>, bool),
}

/// Over what the computation runs: event types or syscall codes, by the names that rules use.
struct Universe {
    len: usize,
    by_name: HashMap<Vec<u8>, Vec<usize>>,
}

/// Computes event-type sets for one schema.
pub(crate) struct EventTypeIndex {
    events: Universe,
    codes: Universe,
    /// Names that a syscall code brings.
    code_names: Vec<BTreeSet<&'static str>>,
    event_names: Vec<&'static str>,
    generic: Vec<bool>,
    plugin_event: u16,
    async_event: u16,
}

/// Bits of a universe.
#[derive(Clone, PartialEq, Eq)]
struct Bits(Vec<u64>);

impl Bits {
    fn none(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn all(len: usize) -> Self {
        let mut bits = Self(vec![u64::MAX; len.div_ceil(64)]);
        if let (Some(last), true) = (bits.0.last_mut(), !len.is_multiple_of(64)) {
            *last = (1 << (len % 64)) - 1;
        }
        bits
    }

    fn set(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn complement(mut self, len: usize) -> Self {
        let all = Self::all(len);
        self.0.iter_mut().zip(all.0).for_each(|(word, all)| *word = !*word & all);
        self
    }
}

/// The event types of a condition.
pub(crate) struct Computed {
    bits: Bits,
}

impl EventTypeIndex {
    /// Prepares the names of a schema.
    pub fn new(schema: &dyn Schema) -> Arc<Self> {
        let count = schema.event_count();
        let event_names: Vec<_> = (0..count).map(|id| schema.event_name(id)).collect();
        let generic: Vec<_> = (0..count).map(|id| schema.is_generic(id)).collect();
        let mut by_name: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        for (id, name) in event_names.iter().enumerate().filter(|(id, _)| !generic[*id]) {
            by_name.entry(name.as_bytes().to_vec()).or_default().push(id);
        }
        let generic_ids: Vec<usize> = (0..generic.len()).filter(|id| generic[*id]).collect();
        let mut codes_by_name: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        let mut code_names = Vec::new();
        for (code, call) in schema.syscalls().iter().enumerate() {
            let own: BTreeSet<_> =
                call.events.iter().filter(|id| !schema.is_generic(**id)).map(|id| schema.event_name(*id)).collect();
            for name in &own {
                codes_by_name.entry(name.as_bytes().to_vec()).or_default().push(code);
            }
            if own.is_empty() {
                codes_by_name.entry(call.name.as_bytes().to_vec()).or_default().push(code);
                code_names.push(BTreeSet::from([call.name]));
            } else {
                code_names.push(own);
            }
        }
        // A syscall whose name is no event's own stands for the generic pair, even where it has an event of another name.
        for call in schema.syscalls() {
            by_name.entry(call.name.as_bytes().to_vec()).or_insert_with(|| generic_ids.clone());
        }
        let (plugin_event, async_event) = schema.plugin_and_async_events();
        let codes = Universe { len: schema.syscalls().len(), by_name: codes_by_name };
        let events = Universe { len: event_names.len(), by_name };
        Arc::new(Self { events, codes, code_names, event_names, generic, plugin_event, async_event })
    }

    /// The event types that a condition can match. Macros must be expanded.
    pub fn compute(&self, schema: &dyn Schema, expr: &Expr) -> Result<Computed, String> {
        Ok(Computed { bits: compute(schema, &self.events, expr, false)? })
    }

    /// What a rule of `source` is evaluated on.
    pub fn for_source(&self, computed: &Computed, source: &str) -> EventTypes {
        let mut bits = computed.bits.clone();
        if source != "syscall" {
            bits = Bits::none(self.events.len);
            bits.set(usize::from(self.plugin_event));
        }
        bits.set(usize::from(self.async_event));
        EventTypes { words: bits.0 }
    }

    /// The set as it is, without the asynchronous event that rules get besides.
    pub fn plain(&self, computed: &Computed) -> EventTypes {
        EventTypes { words: computed.bits.0.clone() }
    }

    /// Every event type.
    pub fn all(&self) -> EventTypes {
        EventTypes { words: Bits::all(self.events.len).0 }
    }

    /// How many event types the set has.
    pub fn count(&self, computed: &Computed) -> usize {
        computed.bits.count()
    }

    /// Names of the event types, sorted; `None` where it is all of them.
    pub fn names(&self, computed: &Computed) -> Option<Vec<&'static str>> {
        let all = computed.bits.count() == self.events.len;
        (!all).then(|| self.event_name_set(&computed.bits).into_iter().collect())
    }

    /// The `events` of a description: names of the event types and of the syscall codes.
    pub fn described(&self, schema: &dyn Schema, computed: &Computed, expr: &Expr, source: &str) -> Vec<&'static str> {
        let types = self.for_source(computed, source);
        let mut names = self.event_name_set(&Bits(types.words));
        if source == "syscall"
            && let Ok(codes) = compute(schema, &self.codes, expr, false)
        {
            let listed = (0..self.codes.len).filter(|code| codes.has(*code));
            names.extend(listed.flat_map(|code| &self.code_names[code]).copied());
        }
        names.into_iter().collect()
    }

    fn event_name_set(&self, bits: &Bits) -> BTreeSet<&'static str> {
        (0..self.events.len).filter(|id| bits.has(*id) && !self.generic[*id]).map(|id| self.event_names[id]).collect()
    }
}

fn compute(schema: &dyn Schema, universe: &Universe, expr: &Expr, negated: bool) -> Result<Bits, String> {
    let combine = |children: &[Expr], union: bool| -> Result<Bits, String> {
        let mut combined = if union { Bits::none(universe.len) } else { Bits::all(universe.len) };
        for child in children {
            let bits = compute(schema, universe, child, negated)?;
            for (word, other) in combined.0.iter_mut().zip(bits.0) {
                *word = if union { *word | other } else { *word & other };
            }
        }
        Ok(combined)
    };
    match expr {
        Expr::And(children) => combine(children, negated),
        Expr::Or(children) => combine(children, !negated),
        Expr::Not(child) => compute(schema, universe, child, !negated),
        Expr::Macro(_) => Ok(Bits::all(universe.len)),
        Expr::Check(check) => {
            let everything = |yes: bool| if yes { Bits::all(universe.len) } else { Bits::none(universe.len) };
            Ok(match restriction(schema, check)? {
                Restriction::Any => everything(true),
                Restriction::Never => everything(negated),
                Restriction::Always => everything(!negated),
                Restriction::Names(names, without) => {
                    let mut bits = Bits::none(universe.len);
                    for place in names.iter().filter_map(|name| universe.by_name.get(name)).flatten() {
                        bits.set(*place);
                    }
                    if without != negated { bits.complement(universe.len) } else { bits }
                }
            })
        }
    }
}

fn restriction(schema: &dyn Schema, check: &Check) -> Result<Restriction, String> {
    use Operator as O;
    let named = matches!(check.operator, O::Eq | O::Ne | O::In) && check.modifier.is_none();
    let Some((field, _)) = bare_field(schema, &check.left) else {
        let listed = matches!(check.operator, O::Eq | O::Ne | O::In | O::Exists);
        if listed && ends_in_event_type(schema, &check.left) {
            return Err("filter error: transformers on the event type have no event-type set".to_owned());
        }
        return Ok(Restriction::Any);
    };
    let constants: Vec<&[u8]> = match &check.right {
        Right::Constant(text) => vec![text],
        Right::List(texts) => texts.iter().map(Vec::as_slice).collect(),
        Right::None | Right::Value(_) => Vec::new(),
    };
    Ok(match field.role {
        Role::EventType | Role::SyscallType if check.operator == O::Exists => Restriction::Always,
        Role::EventType | Role::SyscallType if named => {
            if matches!(check.right, Right::Value(_)) {
                return Err(
                    "filter error: a comparison of the event type with a field has no event-type set".to_owned()
                );
            }
            Restriction::Names(constants.into_iter().map(<[u8]>::to_vec).collect(), check.operator == O::Ne)
        }
        Role::EventNumber => event_number(check, &constants),
        _ => Restriction::Any,
    })
}

/// `evt.num` starts at 1, so some comparisons with it never or always hold.
fn event_number(check: &Check, constants: &[&[u8]]) -> Restriction {
    use Operator as O;
    if check.modifier.is_some() || matches!(check.right, Right::Value(_) | Right::None) {
        return Restriction::Any;
    }
    let numbers: Vec<Option<u64>> = constants.iter().map(|text| unsigned(text)).collect();
    let only = |test: fn(u64) -> bool| numbers.iter().all(|number| number.is_some_and(test));
    match check.operator {
        O::Eq | O::Le | O::In if only(|number| number == 0) => Restriction::Never,
        O::Lt if only(|number| number <= 1) => Restriction::Never,
        O::Ne | O::Gt if only(|number| number == 0) => Restriction::Always,
        O::Ge if only(|number| number <= 1) => Restriction::Always,
        _ => Restriction::Any,
    }
}

/// A decimal number as an unsigned 64-bit one; a negative wraps.
fn unsigned(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    match text.strip_prefix('-') {
        Some(digits) => digits.parse::<u64>().ok().map(u64::wrapping_neg),
        None => text.strip_prefix('+').unwrap_or(text).parse().ok(),
    }
}

/// Whether the last argument of a transformer is the event type, through further transformers too.
fn ends_in_event_type(schema: &dyn Schema, value: &Value) -> bool {
    match value {
        Value::Call { args, .. } | Value::List(args) => args.last().is_some_and(|last| match last {
            Value::Field { .. } => bare_field(schema, last)
                .is_some_and(|(field, _)| matches!(field.role, Role::EventType | Role::SyscallType)),
            other => ends_in_event_type(schema, other),
        }),
        Value::Field { .. } | Value::Literal(_) => false,
    }
}
