//! Columns of numbers: byte planes, so that each plane has its own statistics, and planes of zeros cost nothing.
//!
//! A column of `n` numbers has as many planes as its largest number has bytes; plane `k` holds byte `k` of every number.
//! Short columns have all planes in one, one after another; longer ones have a column for each plane.

use crate::fcap::columns::{Columns, ColumnsWriter, Inflate};
use crate::fcap::error::{Error, Problem};

/// Bytes up to which all planes stand in one column.
const TOGETHER: usize = 4096;

/// Appends a column of numbers. `id` leaves room for 8 planes.
pub(super) fn put(out: &mut ColumnsWriter, scratch: &mut Vec<u8>, id: u32, numbers: &[u64]) {
    let all = numbers.iter().fold(0, |all, number| all | number);
    let width = (8 - all.leading_zeros() as usize / 8).max(usize::from(all != 0));
    if width == 0 {
        return;
    }
    let together = numbers.len() * width <= TOGETHER && width > 1;
    scratch.clear();
    for plane in 0..width {
        scratch.extend(numbers.iter().map(|number| (number >> (8 * plane)) as u8));
        if !together {
            out.put(id + plane as u32, scratch);
            scratch.clear();
        }
    }
    if together {
        out.put(id, scratch);
    }
}

/// A column of numbers as it was read: planes, so that single numbers cost nothing more.
#[derive(Debug, Default, Clone)]
pub(super) struct Ints {
    planes: Vec<u8>,
    width: usize,
    count: usize,
}

impl Ints {
    /// Reads a column of `count` numbers; all are 0 where it is not there.
    pub(super) fn read(columns: &Columns<'_>, zstd: &mut Inflate, id: u32, count: usize) -> Result<Ints, Error> {
        let mut ints = Ints { planes: Vec::new(), width: 0, count };
        let wrong = || {
            let detail = format!("column {id} does not have {count} numbers");
            Error::new(0, Problem::Contents { what: "block", detail })
        };
        let Some(first) = columns.raw_length(id) else {
            // Plane 0 may be zeros alone, but is then written as such.
            return Ok(ints);
        };
        if count == 0 {
            return Err(wrong());
        }
        if first > count {
            if !first.is_multiple_of(count) || first / count > 8 {
                return Err(wrong());
            }
            columns.read(zstd, id, &mut ints.planes)?;
            ints.width = first / count;
            return Ok(ints);
        }
        let mut plane = Vec::new();
        while ints.width < 8 {
            let id = id + ints.width as u32;
            match columns.raw_length(id) {
                Some(length) if length == count => {}
                Some(_) => return Err(wrong()),
                None => break,
            }
            if ints.width == 0 {
                columns.read(zstd, id, &mut ints.planes)?;
            } else {
                plane.clear();
                columns.read(zstd, id, &mut plane)?;
                ints.planes.extend_from_slice(&plane);
            }
            ints.width += 1;
        }
        Ok(ints)
    }

    /// Number `at`; 0 beyond the end.
    #[inline]
    pub(super) fn get(&self, at: usize) -> u64 {
        if at >= self.count {
            return 0;
        }
        let mut number = 0;
        for plane in 0..self.width {
            number |= u64::from(self.planes[plane * self.count + at]) << (8 * plane);
        }
        number
    }

    /// All numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.count).map(|at| self.get(at))
    }

    /// All numbers at once; plane after plane, which the compiler turns into vector code.
    pub(super) fn to_u64(&self) -> Vec<u64> {
        let mut numbers = vec![0; self.count];
        for (plane, bytes) in self.planes.chunks_exact(self.count.max(1)).enumerate() {
            let shift = 8 * plane;
            numbers.iter_mut().zip(bytes).for_each(|(number, byte)| *number |= u64::from(*byte) << shift);
        }
        numbers
    }

    /// The numbers as small ones, for columns that are read whole and often.
    pub(super) fn to_u32(&self) -> Vec<u32> {
        let count = self.count;
        match self.width {
            0 => vec![0; count],
            1 => self.planes.iter().map(|byte| u32::from(*byte)).collect(),
            2 => {
                let (low, high) = self.planes.split_at(count);
                low.iter().zip(high).map(|(low, high)| u32::from(*low) | u32::from(*high) << 8).collect()
            }
            _ => self.to_u64().into_iter().map(|number| number as u32).collect(),
        }
    }

    /// The only plane, where there is just one.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        (self.width == 1).then_some(&self.planes)
    }
}
