//! Matches that wait for their turn in the order of time: in memory, and beyond a bound in a temporary file.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sink::Stop;

/// A match that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// What it is ordered by: its time, but never less than that of the match before it.
    pub key: u64,
    /// Place of the rule in its program.
    pub rule: u32,
    /// What is written of it.
    pub text: Box<[u8]>,
}

/// Bytes before the text of a match in the file: key, rule, length of the text.
const HEADER: usize = 16;

impl Waiting {
    /// Bytes of memory that it takes, about.
    pub fn size(&self) -> usize {
        size_of::<Waiting>() + self.text.len()
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.to_le_bytes());
        out.extend_from_slice(&self.rule.to_le_bytes());
        out.extend_from_slice(&(self.text.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.text);
    }

    /// The first match of some bytes, and how many it takes; `None` where it is not whole.
    fn take(bytes: &[u8]) -> Option<(Waiting, usize)> {
        let (key, rest) = bytes.split_first_chunk()?;
        let (rule, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        let text = rest.get(..length)?.into();
        Some((Waiting { key: u64::from_le_bytes(*key), rule: u32::from_le_bytes(*rule), text }, HEADER + length))
    }
}

/// The temporary file. It has no name any more once it is open, so that it goes with the program.
pub struct Spill {
    file: File,
    end: u64,
}

impl Spill {
    /// Makes one, in the folder that `TMPDIR` names.
    pub fn create() -> Result<Spill, Stop> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = std::env::temp_dir();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("falco-replay-{}-{number}", std::process::id()));
        let made = || {
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        };
        match made() {
            Ok(file) => Ok(Spill { file, end: 0 }),
            Err(error) => Err(failed(error, "cannot make")),
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<u64, Stop> {
        let start = self.end;
        self.file.write_all(bytes).map_err(|error| failed(error, "cannot write to"))?;
        self.end += bytes.len() as u64;
        Ok(start)
    }

    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Stop> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| failed(error, "cannot read"))?;
        Ok(bytes)
    }
}

fn failed(error: io::Error, what: &str) -> Stop {
    let folder = std::env::temp_dir();
    let context = format!(
        "{what} a temporary file in {}: --order time keeps there what waits for its turn; TMPDIR names another folder",
        folder.display()
    );
    Stop::Failed(anyhow::Error::new(error).context(context))
}

enum Part {
    Memory(VecDeque<Waiting>),
    /// In the file from here to there.
    File(u64, u64),
}

/// The matches of one capture that wait, first in, first out.
#[derive(Default)]
pub struct Queue {
    parts: VecDeque<Part>,
}

impl Queue {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds a match.
    pub fn push(&mut self, waiting: Waiting) {
        match self.parts.back_mut() {
            Some(Part::Memory(last)) => last.push_back(waiting),
            _ => self.parts.push_back(Part::Memory(VecDeque::from([waiting]))),
        }
    }

    /// Brings the first matches into memory, about `amount` bytes of them at once; gives the bytes of memory that takes.
    pub fn load(&mut self, spill: Option<&Spill>, amount: usize) -> Result<usize, Stop> {
        let (Some(&Part::File(start, end)), Some(spill)) = (self.parts.front(), spill) else { return Ok(0) };
        let mut length = amount.max(HEADER);
        let (loaded, used) = loop {
            let bytes = spill.read(start, length.min((end - start) as usize))?;
            let mut loaded = VecDeque::new();
            let mut used = 0;
            while let Some((waiting, size)) = Waiting::take(&bytes[used..]) {
                loaded.push_back(waiting);
                used += size;
            }
            if used > 0 {
                break (loaded, used);
            }
            // One match may be longer than what was asked for.
            length *= 2;
        };
        let size = loaded.iter().map(Waiting::size).sum();
        self.parts.pop_front();
        let rest = start + used as u64;
        if rest < end {
            self.parts.push_front(Part::File(rest, end));
        }
        self.parts.push_front(Part::Memory(loaded));
        Ok(size)
    }

    /// What the first match is ordered by, if it is in memory.
    pub fn key(&self) -> Option<u64> {
        match self.parts.front()? {
            Part::Memory(first) => first.front().map(|waiting| waiting.key),
            Part::File(..) => None,
        }
    }

    /// Takes the first match, if it is in memory.
    pub fn pop(&mut self) -> Option<Waiting> {
        let Part::Memory(first) = self.parts.front_mut()? else { return None };
        let taken = first.pop_front();
        if first.is_empty() {
            self.parts.pop_front();
        }
        taken
    }

    /// Moves to the file what is in memory.
    pub fn spill(&mut self, spill: &mut Spill) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        for part in &mut self.parts {
            if let Part::Memory(waiting) = part {
                bytes.clear();
                waiting.iter().for_each(|waiting| waiting.put(&mut bytes));
                let start = spill.append(&bytes)?;
                *part = Part::File(start, start + bytes.len() as u64);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(key: u64, text: &str) -> Waiting {
        Waiting { key, rule: 3, text: text.as_bytes().into() }
    }

    #[test]
    fn what_was_spilled_comes_back_in_order() {
        let Ok(mut spill) = Spill::create() else { panic!("no temporary file") };
        let mut queue = Queue::default();
        let all: Vec<_> = (0..100).map(|key| waiting(key, &"x".repeat(key as usize % 40))).collect();
        let mut taken = Vec::new();
        for (at, one) in all.iter().enumerate() {
            queue.push(one.clone());
            if at % 30 == 7 {
                assert!(queue.spill(&mut spill).is_ok());
            }
            if at % 10 == 9 {
                assert!(queue.load(Some(&spill), 20).is_ok());
                assert_eq!(queue.key(), Some(taken.len() as u64));
                taken.extend(queue.pop());
            }
        }
        while !queue.is_empty() {
            assert!(queue.load(Some(&spill), 20).is_ok());
            taken.extend(queue.pop());
        }
        assert_eq!(taken, all);
    }
}
