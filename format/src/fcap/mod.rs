//! The `.fcap` capture file: `SPEC.md` beside this crate is normative.

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
