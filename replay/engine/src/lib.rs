//! A program of rules over the blocks of a capture: the field catalogue, evaluation, alerts and outputs.
//!
//! Nothing here touches a terminal, a clock, the network or the environment: the same input gives the same bytes.

pub mod alert;
pub mod catalogue;
mod check;
mod comparison;
pub mod evaluate;
mod fields;
pub mod filter;
mod glob;
mod names;
pub mod origin;
pub mod output;
mod params;
mod path_prefix;
mod paths;
pub mod prune;
pub mod sets;
pub mod time;
mod transform;
pub mod value;
pub mod view;
