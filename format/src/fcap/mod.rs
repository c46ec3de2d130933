//! The `.fcap` capture file: `SPEC.md` beside this crate is normative.
//!
//! A [`Writer`] takes heads and blocks, encodes blocks on other threads, and writes the index when it is finished. A
//! [`CaptureFile`] has the sections as a list; it reads none of them before it is asked to, and from as many threads as
//! ask. [`verify`] checks a file, [`repair`] writes a new one with all that is whole.
//!
//! ```no_run
//! use falco_replay_format::fcap::{CaptureFile, Entry};
//!
//! let file = CaptureFile::open("capture.fcap".as_ref())?;
//! for entry in file.entries() {
//!     match entry {
//!         Entry::Snapshot { .. } => println!("{} threads", file.snapshot(entry)?.threads.len()),
//!         Entry::Block { about, .. } => println!("{} events in {} bytes", about.events, file.block(entry)?.len()),
//!         Entry::OwnEvents { .. } | Entry::Other { .. } => {}
//!     }
//! }
//! # Ok::<(), falco_replay_format::fcap::Error>(())
//! ```

pub mod block;
mod columns;
pub mod constants;
mod error;
mod file;
mod header;
mod index;
mod map;
mod own_events;
mod record;
mod repair;
mod section;
mod snapshot;
pub mod summary;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod writer;

pub use error::{Damage, Error, Problem};
pub use file::CaptureFile;
pub use header::{Clock, FileAbout, MachineAbout, Totals};
pub use index::Entry;
pub use map::Access;
pub use own_events::OwnEvent;
pub use repair::{Repaired, repair, repair_bytes};
pub use section::is_capture;
pub use verify::{Finding, Lost, Report, verify, verify_bytes};
pub use walk::Damaged;
pub use writer::{Options, Writer, Written};
