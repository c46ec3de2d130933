//! A batch: some thousands of events of the current schema, by column, with the bytes of their parameters.

use crate::schema::{self, EventInfo};

/// Bit of [`EventBatch::flags`]: the event only changes state and is not delivered.
pub const STATE_ONLY: u32 = 1;

/// Events in file order, one column a property. The parameters stay as the bytes that were read.
///
/// Row `i` has `nparams[i]` lengths (2 bytes each, 4 for large-payload types) at `offset[i]`, and the parameter bytes
/// right behind them. Offsets below `data.len()` are into `data`, those from there on into `converted`.
#[derive(Debug, Default)]
pub struct EventBatch {
    /// Bytes as read from the capture.
    pub data: Vec<u8>,
    /// Length arrays and parameters of events that were converted from an older schema.
    pub converted: Vec<u8>,
    /// Nanoseconds since the epoch.
    pub ts: Vec<u64>,
    /// Thread id; `u64::MAX` as -1 where the event has none.
    pub tid: Vec<i64>,
    /// Event type.
    pub ty: Vec<u16>,
    /// Processor.
    pub cpu: Vec<u16>,
    /// Block flags, see [`STATE_ONLY`]; 0 for blocks without flags.
    pub flags: Vec<u32>,
    /// Number of parameters present, at most those of the schema.
    pub nparams: Vec<u8>,
    /// Where the length array starts.
    pub offset: Vec<u32>,
    /// Row before which the first event of this section was dropped by the conversion, if one was.
    pub first_drop: Option<usize>,
}

impl EventBatch {
    /// Number of events.
    #[inline]
    pub fn len(&self) -> usize {
        self.ts.len()
    }

    /// Whether there is no event.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ts.is_empty()
    }

    /// Empties every column and keeps the memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.converted.clear();
        self.ts.clear();
        self.tid.clear();
        self.ty.clear();
        self.cpu.clear();
        self.flags.clear();
        self.nparams.clear();
        self.offset.clear();
        self.first_drop = None;
    }

    /// Appends all events of another batch of the same section.
    pub fn append(&mut self, other: &EventBatch) {
        // What was converted is moved behind what was read, on both sides.
        if !self.converted.is_empty() {
            self.data.append(&mut self.converted);
        }
        let (rows, base) = (self.len(), self.data.len() as u32);
        self.data.extend_from_slice(&other.data);
        self.data.extend_from_slice(&other.converted);
        self.ts.extend_from_slice(&other.ts);
        self.tid.extend_from_slice(&other.tid);
        self.ty.extend_from_slice(&other.ty);
        self.cpu.extend_from_slice(&other.cpu);
        self.flags.extend_from_slice(&other.flags);
        self.nparams.extend_from_slice(&other.nparams);
        self.offset.extend(other.offset.iter().map(|offset| base + offset));
        if self.first_drop.is_none() {
            self.first_drop = other.first_drop.map(|row| rows + row);
        }
    }

    /// Appends row `row` of another batch.
    pub fn push_row(&mut self, other: &EventBatch, row: usize) {
        self.begin_row(other.ts[row], other.tid[row], other.ty[row], other.cpu[row], other.flags[row]);
        self.nparams.push(other.nparams[row]);
        self.data.extend_from_slice(other.params(row).encoded());
    }

    /// Appends an event. Parameters beyond 255, and what of a parameter its length cannot tell, are left out.
    pub fn push<'a>(
        &mut self,
        ts: u64,
        tid: i64,
        ty: u16,
        cpu: u16,
        flags: u32,
        params: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        self.begin_row(ts, tid, ty, cpu, flags);
        let (width, most) = match schema::event_info(ty).map(EventInfo::length_width) {
            Some(4) => (4, u32::MAX as usize),
            _ => (2, usize::from(u16::MAX)),
        };
        let params = params.take(usize::from(u8::MAX)).map(|value| &value[..value.len().min(most)]);
        let mut count = 0;
        for value in params.clone() {
            count += 1;
            self.data.extend_from_slice(&(value.len() as u32).to_le_bytes()[..width]);
        }
        self.nparams.push(count);
        params.for_each(|value| self.data.extend_from_slice(value));
    }

    fn begin_row(&mut self, ts: u64, tid: i64, ty: u16, cpu: u16, flags: u32) {
        if !self.converted.is_empty() {
            self.data.append(&mut self.converted);
        }
        self.ts.push(ts);
        self.tid.push(tid);
        self.ty.push(ty);
        self.cpu.push(cpu);
        self.flags.push(flags);
        self.offset.push(self.data.len() as u32);
    }

    /// A batch of some of the rows.
    pub fn copy(&self, rows: std::ops::Range<usize>) -> EventBatch {
        let first_drop =
            self.first_drop.filter(|row| (rows.start..=rows.end).contains(row)).map(|row| row - rows.start);
        let mut out = EventBatch { first_drop, ..EventBatch::default() };
        rows.for_each(|row| out.push_row(self, row));
        out
    }

    /// The parameters of row `row`.
    #[inline]
    pub fn params(&self, row: usize) -> Params<'_> {
        let offset = self.offset[row] as usize;
        let bytes = match offset.checked_sub(self.data.len()) {
            None => &self.data[offset..],
            Some(offset) => &self.converted[offset..],
        };
        let ty = self.ty[row];
        let count = usize::from(self.nparams[row]);
        let wide = schema::event_info(ty).is_some_and(|info| info.length_width() == 4);
        Params { bytes, count, wide }
    }

    /// The schema's entry of row `row`'s type.
    #[inline]
    pub fn info(&self, row: usize) -> &'static EventInfo {
        &schema::EVENTS[usize::from(self.ty[row])]
    }
}

/// The parameters of one event. A length of 0 means "no value".
#[derive(Debug, Clone, Copy)]
pub struct Params<'a> {
    bytes: &'a [u8],
    count: usize,
    wide: bool,
}

impl<'a> Params<'a> {
    /// Parameters over `bytes`: `count` lengths, then the values. `wide`: lengths of 4 bytes instead of 2.
    ///
    /// The reader has checked that all lengths lie inside; accesses check again and give empty values otherwise.
    pub fn new(bytes: &'a [u8], count: usize, wide: bool) -> Self {
        Params { bytes, count, wide }
    }

    /// Number of parameters present.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no parameter.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    fn length(&self, index: usize) -> usize {
        if self.wide {
            self.bytes
                .get(index * 4..index * 4 + 4)
                .map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
        } else {
            self.bytes.get(index * 2..index * 2 + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])))
        }
    }

    /// Lengths and values as they stand in the batch.
    pub fn encoded(&self) -> &'a [u8] {
        let lengths = self.count * if self.wide { 4 } else { 2 };
        let values: usize = (0..self.count).map(|index| self.length(index)).sum();
        self.bytes.get(..lengths + values).unwrap_or(&[])
    }

    /// Bytes of parameter `index`; empty where it is absent.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        if index >= self.count {
            return &[];
        }
        let width = if self.wide { 4 } else { 2 };
        let mut start = self.count * width;
        for before in 0..index {
            start += self.length(before);
        }
        self.bytes.get(start..start + self.length(index)).unwrap_or(&[])
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        let width = if self.wide { 4 } else { 2 };
        let mut start = self.count * width;
        (0..self.count).map(move |index| {
            let length = self.length(index);
            let value = self.bytes.get(start..start + length).unwrap_or(&[]);
            start += length;
            value
        })
    }

    /// A signed 64-bit parameter; `None` where it is absent or of another length.
    #[inline]
    pub fn i64(&self, index: usize) -> Option<i64> {
        self.get(index).try_into().ok().map(i64::from_le_bytes)
    }

    /// An unsigned 64-bit parameter.
    #[inline]
    pub fn u64(&self, index: usize) -> Option<u64> {
        self.get(index).try_into().ok().map(u64::from_le_bytes)
    }

    /// An unsigned 32-bit parameter.
    #[inline]
    pub fn u32(&self, index: usize) -> Option<u32> {
        self.get(index).try_into().ok().map(u32::from_le_bytes)
    }

    /// An unsigned 16-bit parameter.
    #[inline]
    pub fn u16(&self, index: usize) -> Option<u16> {
        self.get(index).try_into().ok().map(u16::from_le_bytes)
    }

    /// An unsigned 8-bit parameter.
    #[inline]
    pub fn u8(&self, index: usize) -> Option<u8> {
        match self.get(index) {
            [byte] => Some(*byte),
            _ => None,
        }
    }

    /// A string parameter up to its first NUL; `None` where it has no value.
    #[inline]
    pub fn text(&self, index: usize) -> Option<&'a [u8]> {
        let bytes = self.get(index);
        if bytes.is_empty() {
            return None;
        }
        Some(until_nul(bytes))
    }
}

/// The bytes before the first NUL.
#[inline]
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    match bytes.iter().position(|&byte| byte == 0) {
        Some(end) => &bytes[..end],
        None => bytes,
    }
}
