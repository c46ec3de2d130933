//! Bytes to events and back: the Falco event schema, `.scap` captures, and blocks of events in context.
//!
//! This crate depends on no sibling and knows no rule.

pub mod address;
pub mod batch;
pub mod block;
pub mod demand;
pub mod descriptor;
pub mod fcap;
pub mod lists;
pub mod path;
pub mod scap;
pub mod schema;
pub mod unopened;
