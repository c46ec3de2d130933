//! Compression on a thread of its own.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use falco_replay_format::scap::Output;

use super::form::Packing;

/// Bytes that are handed over at once.
const HANDED: usize = 256 << 10;
/// Buffers that may wait.
const WAITING: usize = 8;

/// A file that compresses what is written to it, in line or on another thread.
#[derive(Debug)]
pub enum Packed {
    /// In line.
    Inline(Output<File>),
    /// On another thread.
    Beside(Beside),
}

/// The hand-over to the thread that compresses.
#[derive(Debug)]
pub struct Beside {
    full: Option<SyncSender<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
    thread: Option<JoinHandle<io::Result<File>>>,
}

impl Packed {
    /// Compression of a file. `beside`: on a thread of its own.
    pub fn new(file: File, packing: Packing, level: Option<i32>, beside: bool) -> io::Result<Packed> {
        let output = match packing {
            Packing::None => Output::Plain(file),
            Packing::Gzip => Output::gzip_at(file, level),
            Packing::Zstd => Output::zstd_at(file, level)?,
        };
        if !beside || packing == Packing::None {
            return Ok(Packed::Inline(output));
        }
        let (full, take_full) = sync_channel::<Vec<u8>>(WAITING);
        let (give_empty, empty) = sync_channel(WAITING + 2);
        let thread = thread::Builder::new().name("compress".to_owned()).spawn(move || {
            let mut output = output;
            for mut buffer in take_full {
                output.write_all(&buffer)?;
                buffer.clear();
                let _ = give_empty.try_send(buffer);
            }
            output.finish()
        })?;
        let buffer = Vec::with_capacity(HANDED);
        Ok(Packed::Beside(Beside { full: Some(full), empty, buffer, thread: Some(thread) }))
    }

    /// Ends the compressed stream and gives the file back.
    pub fn finish(self) -> io::Result<File> {
        match self {
            Packed::Inline(output) => output.finish(),
            Packed::Beside(mut beside) => {
                let handed = beside.hand_over();
                beside.full = None;
                // What went wrong on the other thread says more than that it ended.
                beside.join().and_then(|file| handed.map(|()| file))
            }
        }
    }
}

impl Beside {
    fn hand_over(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let next = self.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(HANDED));
        let full = std::mem::replace(&mut self.buffer, next);
        match &self.full {
            Some(sender) if sender.send(full).is_ok() => Ok(()),
            _ => Err(self.join().err().unwrap_or_else(|| io::Error::other("the compressing thread ended early"))),
        }
    }

    fn join(&mut self) -> io::Result<File> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(io::Error::other("the compressing thread ended early")),
        }
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packed::Inline(output) => output.write(bytes),
            Packed::Beside(beside) => {
                beside.buffer.extend_from_slice(bytes);
                if beside.buffer.len() >= HANDED {
                    beside.hand_over()?;
                }
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            // Flushing a compressor costs bytes; its end flushes all.
            Packed::Inline(Output::Plain(file)) => file.flush(),
            _ => Ok(()),
        }
    }
}
