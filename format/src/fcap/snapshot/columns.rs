//! The columns of a snapshot while they are filled or read, and the tables of texts and lists.

use std::net::IpAddr;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{check_count, id, wrong};
use crate::fcap::columns::{Columns, ColumnsWriter, Inflate, MOST_RAW, put_number, take_number, unzigzag, zigzag};
use crate::fcap::constants::limit;
use crate::fcap::error::{Error, Problem};
use crate::lists::Text;

/// Columns being filled.
pub(super) struct ColumnsOut {
    columns: Vec<Vec<u8>>,
    /// The reference that each column had last.
    last: Vec<u64>,
}

impl Default for ColumnsOut {
    fn default() -> Self {
        ColumnsOut { columns: vec![Vec::new(); id::END as usize], last: vec![0; id::END as usize] }
    }
}

impl ColumnsOut {
    pub fn column(&mut self, id: u32) -> &mut Vec<u8> {
        &mut self.columns[id as usize]
    }

    #[inline]
    pub fn number(&mut self, id: u32, number: u64) {
        put_number(self.column(id), number);
    }

    #[inline]
    pub fn signed(&mut self, id: u32, number: i64) {
        self.number(id, zigzag(number));
    }

    /// Row of a table, as its distance from the one before: rows mostly follow one another.
    #[inline]
    pub fn reference(&mut self, id: u32, row: u64) {
        let last = std::mem::replace(&mut self.last[id as usize], row);
        self.signed(id, row.wrapping_sub(last) as i64);
    }

    pub fn address(&mut self, id: u32, address: IpAddr) {
        let column = self.column(id);
        match address {
            IpAddr::V4(address) => {
                column.push(4);
                column.extend_from_slice(&address.octets());
            }
            IpAddr::V6(address) => {
                column.push(6);
                column.extend_from_slice(&address.octets());
            }
        }
    }

    pub fn finish(self, level: i32) -> Result<Vec<u8>, Error> {
        let size: u64 = self.columns.iter().map(|column| column.len() as u64).sum();
        if size > MOST_RAW {
            return Err(Error::new(0, Problem::TooLarge { what: "a snapshot", size, limit: MOST_RAW }));
        }
        let mut out = ColumnsWriter::new(level);
        for (id, column) in self.columns.iter().enumerate().filter(|(_, column)| !column.is_empty()) {
            out.put(id as u32, column);
        }
        Ok(out.finish())
    }
}

/// Columns being read.
pub(super) struct ColumnsIn {
    columns: Vec<Vec<u8>>,
    at: Vec<usize>,
    last: Vec<u64>,
}

impl ColumnsIn {
    pub fn read(body: &[u8]) -> Result<ColumnsIn, Error> {
        let stored = Columns::new(body)?;
        let mut inflate = Inflate::default();
        let mut columns = vec![Vec::new(); id::END as usize];
        let ids: Vec<u32> = stored.iter().map(|(id, ..)| id).collect();
        for id in ids {
            let Some(column) = columns.get_mut(id as usize) else {
                return Err(wrong(format!("unknown column {id}")));
            };
            stored.read(&mut inflate, id, column)?;
        }
        Ok(ColumnsIn { columns, at: vec![0; id::END as usize], last: vec![0; id::END as usize] })
    }

    pub fn take_column(&mut self, id: u32) -> Vec<u8> {
        std::mem::take(&mut self.columns[id as usize])
    }

    fn bytes(&mut self, id: u32, count: usize) -> Result<&[u8], Error> {
        let at = self.at[id as usize];
        let bytes = self.columns[id as usize].get(at..).and_then(|rest| rest.get(..count)).ok_or_else(|| ended(id))?;
        self.at[id as usize] = at + count;
        Ok(bytes)
    }

    pub fn byte(&mut self, id: u32) -> Result<u8, Error> {
        self.bytes(id, 1).map(|byte| byte[0])
    }

    #[inline]
    pub fn number(&mut self, id: u32) -> Result<u64, Error> {
        let at = &mut self.at[id as usize];
        let all = &self.columns[id as usize];
        let mut rest = &all[*at..];
        let number = take_number(&mut rest).ok_or_else(|| ended(id))?;
        *at = all.len() - rest.len();
        Ok(number)
    }

    pub fn signed(&mut self, id: u32) -> Result<i64, Error> {
        self.number(id).map(unzigzag)
    }

    /// A number that a smaller type holds.
    pub fn small<T: TryFrom<u64>>(&mut self, id: u32) -> Result<T, Error> {
        let number = self.number(id)?;
        T::try_from(number).map_err(|_| wrong(format!("column {id}: {number} is too large")))
    }

    pub fn reference(&mut self, id: u32) -> Result<usize, Error> {
        let row = self.last[id as usize].wrapping_add(self.signed(id)? as u64);
        self.last[id as usize] = row;
        // Whatever is too large is no row of any table either.
        Ok(usize::try_from(row).unwrap_or(usize::MAX))
    }

    pub fn address(&mut self, id: u32) -> Result<IpAddr, Error> {
        match self.bytes(id, 1)? {
            [4] => Ok(self.bytes(id, 4)?.first_chunk::<4>().copied().ok_or_else(|| ended(id))?.into()),
            [6] => Ok(self.bytes(id, 16)?.first_chunk::<16>().copied().ok_or_else(|| ended(id))?.into()),
            _ => Err(wrong(format!("column {id}: no kind of address"))),
        }
    }

    /// Bytes that nothing has asked for are an error.
    pub fn finish(self) -> Result<(), Error> {
        match self.columns.iter().zip(&self.at).position(|(column, at)| column.len() != *at) {
            Some(id) => Err(wrong(format!("column {id} has more than was announced"))),
            None => Ok(()),
        }
    }
}

fn ended(id: u32) -> Error {
    wrong(format!("column {id} ends early"))
}

/// Distinct texts, and distinct lists of them, in the order of first use.
#[derive(Default)]
pub(super) struct TextsOut {
    texts: HashMap<Vec<u8>, u64, FixedState>,
    lengths: Vec<u8>,
    bytes: Vec<u8>,
    lists: HashMap<Vec<u8>, u64, FixedState>,
    list_lengths: Vec<u8>,
    /// Texts of all lists, each as its distance from the one before.
    pieces: Vec<u8>,
    last: u64,
}

impl TextsOut {
    /// The row of a text.
    pub fn text(&mut self, text: &[u8]) -> u64 {
        if let Some(&row) = self.texts.get(text) {
            return row;
        }
        let row = self.texts.len() as u64;
        self.texts.insert(text.to_vec(), row);
        put_number(&mut self.lengths, text.len() as u64);
        self.bytes.extend_from_slice(text);
        row
    }

    /// The row of a list whose entries each end with a NUL.
    pub fn list(&mut self, list: &[u8]) -> u64 {
        if let Some(&row) = self.lists.get(list) {
            return row;
        }
        let row = self.lists.len() as u64;
        self.lists.insert(list.to_vec(), row);
        let mut count = 0;
        for piece in list.split_inclusive(|&byte| byte == 0) {
            let text = self.text(piece);
            put_number(&mut self.pieces, zigzag(text.wrapping_sub(self.last) as i64));
            self.last = text;
            count += 1;
        }
        put_number(&mut self.list_lengths, count);
        row
    }

    pub fn finish(self, out: &mut ColumnsOut) -> Result<(), Error> {
        check_count("the texts of a snapshot", self.texts.len().max(self.lists.len()), limit::SNAPSHOT_TEXTS)?;
        *out.column(id::TEXT_LENGTHS) = self.lengths;
        *out.column(id::TEXTS) = self.bytes;
        *out.column(id::LIST_LENGTHS) = self.list_lengths;
        *out.column(id::LISTS) = self.pieces;
        Ok(())
    }
}

/// The tables of texts and lists as they were read.
pub(super) struct TextsIn {
    texts: Vec<Text>,
    lists: Vec<Text>,
}

impl TextsIn {
    pub fn read(columns: &mut ColumnsIn) -> Result<TextsIn, Error> {
        let lengths = columns.take_column(id::TEXT_LENGTHS);
        let bytes = columns.take_column(id::TEXTS);
        let (mut lengths, mut rest) = (&lengths[..], &bytes[..]);
        let mut texts = Vec::new();
        while !lengths.is_empty() {
            let length = take_number(&mut lengths).and_then(|length| usize::try_from(length).ok());
            let split = length.and_then(|length| rest.split_at_checked(length));
            let (text, behind) = split.ok_or_else(|| wrong("the texts end early"))?;
            texts.push(Text::from(text));
            check_count("the texts of a snapshot", texts.len(), limit::SNAPSHOT_TEXTS)?;
            rest = behind;
        }
        if !rest.is_empty() {
            return Err(wrong("texts that nothing announces"));
        }
        let lists = read_lists(columns, &texts)?;
        Ok(TextsIn { texts, lists })
    }

    pub fn text(&self, row: usize) -> Result<Text, Error> {
        self.texts.get(row).cloned().ok_or_else(|| wrong(format!("there is no text {row}")))
    }

    pub fn list(&self, row: usize) -> Result<Text, Error> {
        self.lists.get(row).cloned().ok_or_else(|| wrong(format!("there is no list {row}")))
    }
}

fn read_lists(columns: &mut ColumnsIn, texts: &[Text]) -> Result<Vec<Text>, Error> {
    let lengths = columns.take_column(id::LIST_LENGTHS);
    let mut lengths = &lengths[..];
    let mut lists = Vec::new();
    let mut list = Vec::new();
    let mut total = 0;
    while !lengths.is_empty() {
        let count = take_number(&mut lengths).ok_or_else(|| ended(id::LIST_LENGTHS))?;
        list.clear();
        for _ in 0..count {
            let row = columns.reference(id::LISTS)?;
            let piece = texts.get(row).ok_or_else(|| wrong(format!("there is no text {row}")))?;
            // A few bytes could otherwise repeat a long text without end.
            total += piece.len();
            if total > limit::SNAPSHOT_LISTS {
                let (size, limit) = (total as u64, limit::SNAPSHOT_LISTS as u64);
                return Err(Error::new(0, Problem::TooLarge { what: "the lists of a snapshot", size, limit }));
            }
            list.extend_from_slice(piece);
        }
        lists.push(Text::from(&list[..]));
        check_count("the texts of a snapshot", lists.len(), limit::SNAPSHOT_TEXTS)?;
    }
    Ok(lists)
}
