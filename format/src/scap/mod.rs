//! `.scap` captures, the files of Falco and sysdig: read them, convert old ones, write them.
//!
//! A [`Reader`] gives a section's [`Head`](crate::lists::Head), then its events in
//! [`EventBatch`](crate::batch::EventBatch)es of about a megabyte, converted to the current schema. A [`Writer`] writes
//! what a reader gave.
//!
//! ```no_run
//! use falco_replay_format::batch::EventBatch;
//! use falco_replay_format::scap::{self, Item};
//!
//! let mut reader = scap::open(std::fs::File::open("capture.scap")?)?;
//! let mut spare = EventBatch::default();
//! loop {
//!     match reader.next(std::mem::take(&mut spare))? {
//!         Item::Head(head) => println!("{} threads", head.threads.len()),
//!         Item::Batch(batch) => {
//!             println!("{} events", batch.len());
//!             spare = batch;
//!         }
//!         Item::End => break,
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Facts about the format: falcosecurity/libs 48dfd53cd, in our own words.

mod block;
mod compression;
mod convert;
mod enters;
mod error;
mod events;
mod lists;
mod prologue;
mod reader;
mod writer;

use std::io::Read;

pub use compression::{Compression, Input, Output};
pub use error::{Damage, Error, Problem};
pub use prologue::prologue;
pub use reader::{Item, Reader, Stats};
pub use writer::{WriteError, Writer};

/// Opens a capture of any compression, from a file, a pipe or memory. Decompression has a thread of its own.
///
/// # Errors
/// When the input cannot be read or is no capture.
pub fn open(input: impl Read + Send + 'static) -> Result<Reader<Input>, Error> {
    let input = Input::open(input).and_then(Input::beside).map_err(|error| Error::new(0, Problem::Input(error)))?;
    Reader::new(input)
}
