//! Events of older schemas become events of the current one.
//!
//! The current schema has exit events only, with the parameters of the former enter events appended. So most enter
//! events are remembered by thread, and their parameters move to the exit event. Facts: scap-format §11;
//! [`CONVERSIONS`] is its table.

use super::enters::{Enters, MAX_BYTES, Parts};
use super::error::Problem;
use crate::batch::Params;
use crate::schema::{
    Action, CONVERSIONS, Conversion, EVENT_TYPES, EVENTS, EventInfo, Fallback, ParamInfo, ParamType, Source, event_flag,
};

/// Steps after which a conversion is given up.
const MAX_STEPS: usize = 50;
/// Longest event that is converted, its header counted.
const MAX_LENGTH: u64 = 65_536;
/// Bytes of the header that event lengths count.
const EVENT_HEADER: u64 = 26;

/// What is done with the events of one type, before the table is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Dropped whatever it holds.
    Drop,
    /// Delivered as it is.
    Pass,
    /// The table says, whatever the number of parameters.
    Table,
    /// Delivered as it is if it has all parameters of the schema, else the table says.
    IfShort,
}

/// What the reader must know about a type for each event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub treatment: Treatment,
    /// Parameters in the schema.
    pub nparams: u8,
    /// Whether parameter lengths have four bytes.
    pub wide: bool,
    /// Fewest parameters with which an event passes without another look; above `nparams` where none does.
    pub plain_from: u8,
}

const fn rule(info: &EventInfo) -> Rule {
    let nparams = info.params.len() as u8;
    let old = info.has(event_flag::OLD_VERSION);
    let treatment = if info.has(event_flag::UNUSED) {
        Treatment::Drop
    } else if !info.has(event_flag::CONVERTER_MANAGED) {
        if old && !info.is_exit() { Treatment::Drop } else { Treatment::Pass }
    } else if !info.is_exit() || old {
        Treatment::Table
    } else {
        Treatment::IfShort
    };
    let wide = info.has(event_flag::LARGE_PAYLOAD);
    let plain_from = match treatment {
        Treatment::Pass if !wide => 0,
        Treatment::IfShort if !wide => nparams,
        _ => u8::MAX,
    };
    Rule { treatment, nparams, wide, plain_from }
}

/// [`Rule`]s by event type.
pub(super) static RULES: [Rule; EVENT_TYPES] = {
    let mut rules = [Rule { treatment: Treatment::Drop, nparams: 0, wide: false, plain_from: u8::MAX }; EVENT_TYPES];
    let mut ty = 0;
    while ty < EVENT_TYPES {
        rules[ty] = rule(&EVENTS[ty]);
        ty += 1;
    }
    rules
};

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not delivered.
    Dropped,
    /// Delivered as it was read.
    Unchanged,
    /// Delivered as the event in [`Converter::result`].
    Converted,
}

/// Converts events, remembering enter events between calls.
#[derive(Debug)]
pub(super) struct Converter {
    enters: Enters,
    current: Parts,
    next: Parts,
}

impl Converter {
    pub fn new() -> Self {
        Converter { enters: Enters::new(MAX_BYTES), current: Parts::default(), next: Parts::default() }
    }

    /// Forgets all enter events: a new section knows nothing of the threads before it.
    pub fn restart(&mut self) {
        self.enters.clear();
    }

    /// Enter events forgotten to bound memory.
    pub fn evictions(&self) -> u64 {
        self.enters.evictions
    }

    /// The event made by the last [`Outcome::Converted`].
    pub fn result(&self) -> &Parts {
        &self.current
    }

    /// Takes one event through the rules until it passes or is dropped. `length`: its bytes with header.
    pub fn convert(&mut self, ty: u16, tid: i64, params: Params<'_>, length: u64) -> Result<Outcome, Problem> {
        // Cheaper than to take apart an event that needs nothing.
        match step(ty, params.len())? {
            Step::Drop => return Ok(Outcome::Dropped),
            Step::Pass => return Ok(Outcome::Unchanged),
            Step::Table => {}
        }
        // Before anything is copied: no row of the table fits an event that is made to be huge.
        if length > MAX_LENGTH {
            return Err(Problem::ConversionLength { ty, length });
        }
        find_row(ty, params.len())?;
        self.current.load(ty, params);
        let mut outcome = Outcome::Unchanged;
        for _ in 0..MAX_STEPS {
            let ty = self.current.ty;
            let nparams = self.current.len();
            match step(ty, nparams)? {
                Step::Drop => return Ok(Outcome::Dropped),
                Step::Pass => return Ok(outcome),
                Step::Table => {}
            }
            let row = find_row(ty, nparams)?;
            match row.action {
                Action::StoreAndDrop => {
                    self.enters.put(tid, &self.current);
                    return Ok(Outcome::Dropped);
                }
                Action::StoreAndPass => {
                    self.enters.put(tid, &self.current);
                    return Ok(outcome);
                }
                Action::Pass => return Ok(outcome),
                Action::AddParams => self.rewrite(ty, tid, row.params, true)?,
                Action::ChangeType(to) => self.rewrite(to, tid, row.params, false)?,
            }
            outcome = Outcome::Converted;
        }
        Err(Problem::ConversionLoop { ty })
    }

    /// One step: `current` becomes an event of type `to`.
    fn rewrite(&mut self, to: u16, tid: i64, sources: &[(u8, Source)], keep: bool) -> Result<(), Problem> {
        let ty = self.current.ty;
        if keep {
            self.next.copy_from(&self.current);
        } else {
            self.next.clear(to);
        }
        let mut used = false;
        for &(index, source) in sources {
            let param = &EVENTS[usize::from(to)].params[usize::from(index)];
            let json;
            let value = match source {
                Source::Old(from) => self.current.get(usize::from(from)).unwrap_or(&[]),
                Source::Empty => &[],
                Source::Default => default_value(param),
                Source::ContainerJson => {
                    json = container_json(&self.current);
                    &json
                }
                Source::Enter(from, fallback) => {
                    let stored = self.enters.get(tid);
                    if let Some(stored) = stored {
                        if stored.ty.checked_add(1) != Some(ty) {
                            return Err(Problem::EnterMismatch { ty, stored: stored.ty });
                        }
                        used = true;
                    }
                    match (stored.and_then(|stored| stored.get(usize::from(from))), fallback) {
                        (Some(value), _) => value,
                        (None, Fallback::Empty) => &[],
                        (None, Fallback::Default) => default_value(param),
                    }
                }
            };
            let most = param.ty.size().unwrap_or(usize::MAX).min(value.len());
            self.next.push(&value[..most]);
        }
        if used {
            self.enters.remove(tid);
        }
        let width = if RULES[usize::from(to)].wide { 4 } else { 2 };
        let length = EVENT_HEADER + (width * self.next.len() + self.next.byte_len()) as u64;
        if length > MAX_LENGTH {
            return Err(Problem::ConversionLength { ty, length });
        }
        std::mem::swap(&mut self.current, &mut self.next);
        Ok(())
    }
}

enum Step {
    Drop,
    Pass,
    Table,
}

fn count(nparams: usize) -> u32 {
    u32::try_from(nparams).unwrap_or(u32::MAX)
}

/// The row of the table for an event of this type with so many parameters.
fn find_row(ty: u16, nparams: usize) -> Result<&'static Conversion, Problem> {
    CONVERSIONS
        .binary_search_by_key(&(ty, nparams as u64), |row| (row.event, u64::from(row.nparams)))
        .map(|at| &CONVERSIONS[at])
        .map_err(|_| Problem::NoConversion { ty, nparams: count(nparams) })
}

fn step(ty: u16, nparams: usize) -> Result<Step, Problem> {
    let rule = RULES[usize::from(ty)];
    let schema = usize::from(rule.nparams);
    if rule.treatment != Treatment::Drop && EVENTS[usize::from(ty)].is_exit() && nparams > schema {
        let managed = EVENTS[usize::from(ty)].has(event_flag::CONVERTER_MANAGED);
        if managed {
            return Err(Problem::TooManyParams { ty, found: count(nparams), expected: u32::from(rule.nparams) });
        }
    }
    Ok(match rule.treatment {
        Treatment::Drop => Step::Drop,
        Treatment::Pass => Step::Pass,
        Treatment::Table => Step::Table,
        Treatment::IfShort if nparams == schema => Step::Pass,
        Treatment::IfShort => Step::Table,
    })
}

/// The smallest value of a type, of zero bytes; "no user" and "no group" are all ones.
fn default_value(param: &ParamInfo) -> &'static [u8] {
    let size = param.ty.size().unwrap_or(0);
    match param.ty {
        ParamType::Uid | ParamType::Gid => &[0xff; 4][..size],
        _ => &[0; 16][..size],
    }
}

/// The text that stands for the four parameters of an old container event: id, type, name, image.
fn container_json(event: &Parts) -> Vec<u8> {
    let text = |index| crate::batch::until_nul(event.get(index).unwrap_or(&[]));
    let mut number = [0; 4];
    for (to, from) in number.iter_mut().zip(event.get(1).unwrap_or(&[])) {
        *to = *from;
    }
    let mut json = b"{\"id\":\"".to_vec();
    push_escaped(&mut json, text(0));
    json.extend_from_slice(format!("\",\"type\":{},\"name\":\"", u32::from_le_bytes(number)).as_bytes());
    push_escaped(&mut json, text(2));
    json.extend_from_slice(b"\",\"image\":\"");
    push_escaped(&mut json, text(3));
    json.extend_from_slice(b"\"}\0");
    json
}

/// A name with a quote in it must not become another key.
pub(super) fn push_escaped(json: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => json.extend_from_slice(&[b'\\', byte]),
            0..0x20 => json.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => json.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code above relies on these.
    #[test]
    fn the_table_is_sorted_and_its_indexes_are_in_range() {
        assert!(CONVERSIONS.is_sorted_by_key(|row| (row.event, row.nparams)));
        for row in CONVERSIONS {
            let to = match row.action {
                Action::ChangeType(to) => to,
                _ => row.event,
            };
            let start = if row.action == Action::AddParams { row.nparams } else { 0 };
            let schema = EVENTS[usize::from(to)].params.len();
            for (place, (index, _)) in row.params.iter().enumerate() {
                assert_eq!(usize::from(*index), start as usize + place, "{row:?}");
                assert!(usize::from(*index) < schema, "{row:?}");
            }
        }
    }

    #[test]
    fn every_rule_of_the_current_schema_passes_full_exit_events() {
        for (info, rule) in EVENTS.iter().zip(RULES) {
            assert_eq!(usize::from(rule.nparams), info.params.len());
            if info.is_exit() && !info.has(event_flag::OLD_VERSION) && !info.has(event_flag::UNUSED) {
                assert!(matches!(rule.treatment, Treatment::IfShort | Treatment::Pass), "{}", info.symbol);
            }
        }
    }

    #[test]
    fn a_container_event_becomes_json() {
        let mut parts = Parts::default();
        parts.clear(228);
        for value in [&b"3ad7\0"[..], &[1, 0, 0, 0], b"my\"db\0", b"pg:9\0"] {
            parts.push(value);
        }
        let json = container_json(&parts);
        assert_eq!(json, b"{\"id\":\"3ad7\",\"type\":1,\"name\":\"my\\\"db\",\"image\":\"pg:9\"}\0");
    }
}
