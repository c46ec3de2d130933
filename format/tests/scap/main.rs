//! Captures read, converted, damaged, compressed and written.
//!
//! A new test goes to the file that names its subject: `semantics` for what a reader makes of sound bytes, `damage` for
//! bytes that are not sound, `compression`, `roundtrip` for what the writer does, `oracle` for captures of other people.

// Tests may panic; clippy grants it to test functions only, not to what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod builder;
mod compression;
mod damage;
mod oracle;
mod outcome;
mod roundtrip;
mod semantics;
