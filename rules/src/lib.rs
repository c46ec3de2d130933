//! The Falco rules language: YAML and conditions to a checked program. Knows no event source and no file.
//!
//! The passes, each in a module of its own: yaml → merge → lists and macros → [`parse`] → check → compile,
//! driven by [`load()`]. They recover: the result is a [`program::Program`] *and* all [`diagnostic`]s.
//!
//! What fields, event names and plugins there are comes from a [`schema::Schema`].

mod check;
mod compile;
pub mod condition;
mod constants;
mod definitions;
pub mod describe;
pub mod diagnostic;
mod event_types;
mod exceptions;
mod item;
mod json_schema;
mod lists;
mod load;
mod macros;
mod merge;
mod options;
mod overrides;
pub mod parse;
pub mod path_tree;
pub mod posix_regex;
mod priority;
pub mod program;
mod resolve;
pub mod schema;
pub mod syntax;
pub mod template;
mod token;
mod types;
pub mod version;
mod warnings;
mod yaml;

pub use condition::{CompiledCondition, ConditionError, compile_condition};
pub use load::{FileResult, Loaded, RulesFile, load};
pub use options::{AppendOutput, ExtraField, Options, Selection, Semantics, Which, matches_wildcard};
pub use template::{TemplateError, compile_template};
