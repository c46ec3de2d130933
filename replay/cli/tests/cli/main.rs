//! The command as users run it: the built program over captures that the tests make themselves.
//!
//! One module a subject; new tests go to the module whose subject they are about.

// In a test a panic is the message.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod captures;
mod program;
mod scenes;

mod config;
mod convert;
mod cut;
mod failures;
mod hunt;
mod info;
mod manual;
mod merge;
mod print;
mod redact;
mod run;
mod selection;
mod verify;
