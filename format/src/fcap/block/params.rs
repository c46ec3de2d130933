//! Parameters: for each event type and parameter a column of numbers, or of distinct byte strings.
//!
//! Much of what parameters say the contexts say too: the name of an open is the descriptor's, the arguments of an
//! execve are the process's. Such a column names its *source*, and holds only what differs from it.

use super::column::{self, part};
use super::ints::{self, Ints};
use super::texts::{Texts, TextsWriter};
use crate::batch::Params;
use crate::block::{FdInfo, ThreadInfo};
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate, unzigzag, zigzag};
use crate::fcap::error::{Error, Problem};
use crate::schema::{EVENTS, ParamType};

/// What predicts a column.
pub(super) mod source {
    /// Numbers as they are.
    pub(crate) const PLAIN: u8 = 0;
    /// Numbers of either sign.
    pub(crate) const SIGNED: u8 = 1;
    /// The one before in the column.
    pub(crate) const PREVIOUS: u8 = 2;
    /// The event's descriptor number.
    pub(crate) const FD_NUM: u8 = 3;
    /// Inode, device and open flags of its descriptor.
    pub(crate) const FD_INO: u8 = 4;
    pub(crate) const FD_DEV: u8 = 5;
    pub(crate) const FD_FLAGS: u8 = 6;
    /// Thread id.
    pub(crate) const TID: u8 = 7;
    /// The first parameter of the same event, where that is a number too.
    pub(crate) const RESULT: u8 = 8;
    pub(crate) const NUMBERS: u8 = 9;
    /// Byte strings from here on.
    pub(crate) const BYTES: u8 = 16;
    pub(crate) const FD_NAME: u8 = 17;
    pub(crate) const FD_RAW_NAME: u8 = 18;
    pub(crate) const COMM: u8 = 19;
    pub(crate) const EXE: u8 = 20;
    pub(crate) const EXEPATH: u8 = 21;
    pub(crate) const ARGS: u8 = 22;
    pub(crate) const ENV: u8 = 23;
    pub(crate) const CWD: u8 = 24;
    pub(crate) const CGROUPS: u8 = 25;
    pub(crate) const LAST: u8 = CGROUPS;
    /// Set: a NUL follows what the source gives.
    pub(crate) const NUL: u8 = 32;
}

/// Codes of a byte string.
mod code {
    pub(super) const SAME: u64 = 0;
    pub(super) const NEW: u64 = 1;
    pub(super) const EMPTY: u64 = 2;
    /// From here on: the number of the string.
    pub(super) const KNOWN: u64 = 3;
}

/// What sources are taken from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Context<'a> {
    pub(super) info: Option<&'a ThreadInfo>,
    pub(super) fd: Option<&'a FdInfo>,
    pub(super) fd_num: i64,
    pub(super) tid: i64,
}

fn number_of(source: u8, context: &Context<'_>) -> u64 {
    match source {
        source::FD_NUM => context.fd_num as u64,
        source::FD_INO => context.fd.map_or(0, |fd| fd.ino),
        source::FD_DEV => context.fd.map_or(0, |fd| u64::from(fd.dev)),
        source::FD_FLAGS => context.fd.map_or(0, |fd| u64::from(fd.open_flags)),
        source::TID => context.tid as u64,
        _ => 0,
    }
}

fn bytes_of<'a>(source: u8, context: &Context<'a>) -> &'a [u8] {
    let (fd, info) = (context.fd, context.info);
    match source & !source::NUL {
        source::FD_NAME => fd.map_or(&[], |fd| &fd.name),
        source::FD_RAW_NAME => fd.map_or(&[], |fd| &fd.raw_name),
        source::COMM => info.map_or(&[], |info| &info.comm),
        source::EXE => info.map_or(&[], |info| &info.exe),
        source::EXEPATH => info.map_or(&[], |info| &info.exepath),
        source::ARGS => info.map_or(&[], |info| &info.args),
        source::ENV => info.map_or(&[], |info| &info.env),
        source::CWD => info.map_or(&[], |info| &info.cwd),
        source::CGROUPS => info.map_or(&[], |info| &info.cgroups),
        _ => &[],
    }
}

/// Whether `value` is what the source gives.
fn is_same(source: u8, context: &Context<'_>, value: &[u8]) -> bool {
    let expected = bytes_of(source, context);
    if source & source::NUL == 0 {
        return expected == value;
    }
    value.split_last().is_some_and(|(&last, rest)| last == 0 && rest == expected)
}

fn is_signed(ty: ParamType) -> bool {
    use ParamType as T;
    matches!(ty, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Errno | T::Fd | T::Pid | T::Fd32 | T::Pid32)
}

/// A value of 1, 2, 4 or 8 bytes; signed ones keep their sign.
fn number(bytes: &[u8], signed: bool) -> Option<u64> {
    Some(match (bytes, signed) {
        ([byte], false) => u64::from(*byte),
        ([byte], true) => i64::from(*byte as i8) as u64,
        (&[a, b], false) => u64::from(u16::from_le_bytes([a, b])),
        (&[a, b], true) => i64::from(i16::from_le_bytes([a, b])) as u64,
        (&[a, b, c, d], false) => u64::from(u32::from_le_bytes([a, b, c, d])),
        (&[a, b, c, d], true) => i64::from(i32::from_le_bytes([a, b, c, d])) as u64,
        _ => u64::from_le_bytes(bytes.try_into().ok()?),
    })
}

/// Writes the columns of one event type. `rows`: its events.
pub(super) struct TypeWriter<'a> {
    pub(super) ty: u16,
    pub(super) events: Vec<(Params<'a>, Context<'a>)>,
}

impl<'a> TypeWriter<'a> {
    /// Writes every parameter. `distinct` takes the numbers of distinct strings.
    pub(super) fn put(&self, out: &mut ColumnsWriter, scratch: &mut Vec<u8>, distinct: &mut Vec<(u16, u8, u32)>) {
        let params = EVENTS[usize::from(self.ty)].params;
        let count = self.events.iter().map(|(params, _)| params.len()).max().unwrap_or(0);
        let mut columns: Vec<Vec<&'a [u8]>> = vec![Vec::with_capacity(self.events.len()); count];
        for (params, _) in &self.events {
            let mut values = params.iter();
            for column in &mut columns {
                column.push(values.next().unwrap_or(&[]));
            }
        }
        let mut first: Option<Vec<u64>> = None;
        for (index, values) in columns.iter().enumerate() {
            let Some(param) = params.get(index) else { break };
            let signed = is_signed(param.ty);
            let numbers: Option<Vec<u64>> = param.ty.size().and_then(|size| {
                values.iter().map(|value| (value.len() == size).then(|| number(value, signed)).flatten()).collect()
            });
            match numbers {
                Some(numbers) => {
                    let source = self.put_numbers(out, scratch, index, &numbers, signed, first.as_deref());
                    // A reader knows it without contexts.
                    if index == 0 && source < source::FD_NUM {
                        first = Some(numbers);
                    }
                }
                None => {
                    let strings = self.put_bytes(out, scratch, index, values);
                    if strings > 0 {
                        distinct.push((self.ty, index as u8, strings));
                    }
                }
            }
        }
    }

    fn put_numbers(
        &self,
        out: &mut ColumnsWriter,
        scratch: &mut Vec<u8>,
        index: usize,
        numbers: &[u64],
        signed: bool,
        first: Option<&[u64]>,
    ) -> u8 {
        let plain = if signed { source::SIGNED } else { source::PLAIN };
        // What numbers leave of a source, for the first so many events.
        let residual = |source: u8, count: usize| -> Vec<u64> {
            let delta = |number: u64, expected: u64| zigzag(number.wrapping_sub(expected) as i64);
            let numbers = &numbers[..count];
            match source {
                source::PLAIN => numbers.to_vec(),
                source::SIGNED => numbers.iter().map(|&number| zigzag(number as i64)).collect(),
                source::PREVIOUS => {
                    let mut before = 0;
                    numbers.iter().map(|&number| delta(number, std::mem::replace(&mut before, number))).collect()
                }
                source::RESULT => {
                    numbers.iter().zip(first.unwrap_or(&[])).map(|(&number, &first)| delta(number, first)).collect()
                }
                _ => {
                    let contexts = self.events.iter().map(|(_, context)| number_of(source, context));
                    numbers.iter().zip(contexts).map(|(&number, expected)| delta(number, expected)).collect()
                }
            }
        };
        let constant = numbers.windows(2).all(|pair| pair[0] == pair[1]);
        let mut best = plain;
        if !constant {
            // The beginning tells well enough which source is the best.
            let sample = numbers.len().min(SAMPLE);
            let mut least = cost(&residual(plain, sample));
            for source in source::PREVIOUS..source::NUMBERS {
                if source == source::RESULT && first.is_none() {
                    continue;
                }
                let cost = cost(&residual(source, sample));
                if cost < least {
                    least = cost;
                    best = source;
                }
            }
        }
        let best = (best, residual(best, numbers.len()));
        out.put(column::param(self.ty, index, part::SOURCE), &[best.0]);
        ints::put(out, scratch, column::param(self.ty, index, part::CODES), &best.1);
        best.0
    }

    fn put_bytes(&self, out: &mut ColumnsWriter, scratch: &mut Vec<u8>, index: usize, values: &[&[u8]]) -> u32 {
        let source = self.byte_source(values);
        let mut texts = TextsWriter::new();
        let mut codes = Vec::with_capacity(values.len());
        for (value, (_, context)) in values.iter().zip(&self.events) {
            codes.push(if value.is_empty() {
                code::EMPTY
            } else if source != source::BYTES && is_same(source, context, value) {
                code::SAME
            } else {
                match texts.add(value) {
                    (_, true) => code::NEW,
                    (number, false) => code::KNOWN + number,
                }
            });
        }
        out.put(column::param(self.ty, index, part::SOURCE), &[source]);
        ints::put(out, scratch, column::param(self.ty, index, part::CODES), &codes);
        let parts = (column::param(self.ty, index, part::LENGTHS), column::param(self.ty, index, part::BYTES));
        texts.put(out, scratch, parts.0, parts.1);
        texts.len() as u32 - 1
    }

    /// The source that gives the most bytes of a column.
    fn byte_source(&self, values: &[&[u8]]) -> u8 {
        let mut best = (source::BYTES, 0);
        let values = &values[..values.len().min(SAMPLE)];
        for plain in source::FD_NAME..=source::LAST {
            for source in [plain, plain | source::NUL] {
                let mut told = 0;
                for (value, (_, context)) in values.iter().zip(&self.events) {
                    if !value.is_empty() && is_same(source, context, value) {
                        told += value.len();
                    }
                }
                if told > best.1 {
                    best = (source, told);
                }
            }
        }
        best.0
    }
}

/// Events by which the source of a column is chosen.
const SAMPLE: usize = 1024;

/// About how many bits the numbers take: zeros and runs cost little.
fn cost(numbers: &[u64]) -> u64 {
    let mut before = u64::MAX;
    numbers
        .iter()
        .map(|&number| {
            let bits = match number {
                0 => 1,
                _ if number == before => 2,
                _ => 4 + u64::from(64 - number.leading_zeros()),
            };
            before = number;
            bits
        })
        .sum()
}

/// A parameter's column as it was read.
#[derive(Debug)]
pub(super) enum ParamColumn {
    /// Numbers of `size` bytes, the source already added where it needs no context.
    Numbers { source: u8, size: usize, values: Vec<u64> },
    /// Byte strings: numbers of strings, 0 for none, `u32::MAX` for the source's.
    Bytes { source: u8, codes: Vec<u32>, texts: Texts },
}

/// Stands for "what the source gives".
pub(super) const SAME: u32 = u32::MAX;

impl ParamColumn {
    /// Whether its source is a descriptor, a thread.
    pub(super) fn needs(&self) -> (bool, bool) {
        let source = match self {
            ParamColumn::Numbers { source, .. } | ParamColumn::Bytes { source, .. } => source & !source::NUL,
        };
        let of_fd = matches!(
            source,
            source::FD_INO | source::FD_DEV | source::FD_FLAGS | source::FD_NAME | source::FD_RAW_NAME
        );
        (of_fd, source >= source::COMM)
    }

    /// Reads the column of a parameter with `count` events; `None` where no event has it.
    pub(super) fn read(
        columns: &Columns<'_>,
        zstd: &mut Inflate,
        ty: u16,
        index: usize,
        count: usize,
        distinct: u32,
        first: Option<&ParamColumn>,
    ) -> Result<Option<ParamColumn>, Error> {
        let wrong = |detail: String| Error::new(0, Problem::Contents { what: "parameters", detail });
        let mut kind = Vec::new();
        if !columns.read(zstd, column::param(ty, index, part::SOURCE), &mut kind)? {
            return Ok(None);
        }
        let &[source] = &kind[..] else { return Err(wrong("a column's source has one byte".to_owned())) };
        let codes = Ints::read(columns, zstd, column::param(ty, index, part::CODES), count)?;
        let param = EVENTS.get(usize::from(ty)).and_then(|info| info.params.get(index));
        let size = param.and_then(|param| param.ty.size());
        if source < source::NUMBERS {
            let Some(size) = size else { return Err(wrong("numbers where bytes belong".to_owned())) };
            let mut values = codes.to_u64();
            match source {
                source::PLAIN => {}
                source::PREVIOUS => {
                    let mut value = 0u64;
                    for code in &mut values {
                        value = value.wrapping_add(unzigzag(*code) as u64);
                        *code = value;
                    }
                }
                source::RESULT => {
                    let Some(ParamColumn::Numbers { source: source::PLAIN, values: first, .. }) = first else {
                        return Err(wrong("a column's source is missing".to_owned()));
                    };
                    for (code, first) in values.iter_mut().zip(first) {
                        *code = first.wrapping_add(unzigzag(*code) as u64);
                    }
                }
                _ => values.iter_mut().for_each(|code| *code = unzigzag(*code) as u64),
            }
            // Sources that need no context are done with.
            let of_context = (source::FD_NUM..=source::TID).contains(&source);
            let source = if of_context { source } else { source::PLAIN };
            return Ok(Some(ParamColumn::Numbers { source, size, values }));
        }
        let plain = source & !source::NUL;
        if !(source::BYTES..=source::LAST).contains(&plain) {
            return Err(wrong(format!("unknown source {source}")));
        }
        if u64::from(distinct) > count as u64 {
            return Err(wrong("more distinct values than values".to_owned()));
        }
        let parts = (column::param(ty, index, part::LENGTHS), column::param(ty, index, part::BYTES));
        let texts = Texts::read(columns, zstd, parts.0, parts.1, distinct as usize)?;
        let mut next = 0;
        let mut bad = false;
        let codes = codes
            .to_u32()
            .into_iter()
            .map(|code| match u64::from(code) {
                code::SAME => SAME,
                code::NEW => {
                    next += 1;
                    next
                }
                code::EMPTY => 0,
                code => {
                    let number = code - code::KNOWN;
                    bad |= number > u64::from(distinct);
                    number as u32
                }
            })
            .collect();
        if bad || next > distinct {
            return Err(wrong("a value that is not there".to_owned()));
        }
        Ok(Some(ParamColumn::Bytes { source, codes, texts }))
    }

    /// Appends the value of event `at` of the type; gives its length.
    pub(super) fn append(&self, at: usize, context: &Context<'_>, out: &mut Vec<u8>) -> usize {
        match self {
            ParamColumn::Numbers { source, size, values } => {
                let value = values.get(at).copied().unwrap_or(0).wrapping_add(number_of(*source, context));
                out.extend_from_slice(&value.to_le_bytes()[..*size]);
                *size
            }
            ParamColumn::Bytes { source, codes, texts } => {
                let before = out.len();
                match codes.get(at).copied().unwrap_or(0) {
                    SAME => {
                        out.extend_from_slice(bytes_of(*source, context));
                        if source & source::NUL != 0 {
                            out.push(0);
                        }
                    }
                    number => out.extend_from_slice(texts.get(u64::from(number))),
                }
                out.len() - before
            }
        }
    }
}
