//! What the language sees of the world that rules speak about: fields, event names, sources, plugins.
//!
//! Facts: filter-language A2 (resolution), A8 (event names), B2 and B3 (versions).

use crate::program::{FieldId, ValueType};
use crate::version::Version;
use std::borrow::Cow;

/// What a field's argument may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArgumentKind {
    /// `field[3]`, a sign allowed.
    Index,
    /// `field[key]`.
    Key,
    /// `field[3]` or `field[key]`: all digits are an index.
    IndexOrKey,
    /// `field[3]`, or `field.NAME` with the name of an event parameter (`evt.arg`).
    ParamIndexOrName,
    /// `field.NAME` with the name of an event parameter (`evt.rawarg`).
    ParamName,
    /// `field.NAME` with the name of an event type, or its number (`evt.type.is`).
    EventNameOrId,
    /// `field.src` or `field.dst` (`evt.abspath`).
    SourceOrTarget,
    /// `field.WORD` with letters and underscores (`thread.cgroup`).
    Word,
}

/// Whether and how a field takes an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ArgumentRule {
    /// Whether the field is nothing without it.
    pub required: bool,
    /// What it may be.
    pub kind: ArgumentKind,
}

/// What the language knows of a field beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// Nothing.
    #[default]
    Plain,
    /// `evt.type`: its constants must be event names, and it restricts a rule to event types.
    EventType,
    /// `syscall.type`: it restricts a rule to event types.
    SyscallType,
    /// `evt.num`: starts at 1.
    EventNumber,
    /// `evt.around`: only `=`.
    Around,
    /// `evt.rawarg`: has the type of the parameter that it names.
    RawParam,
}

/// A field as the language sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    /// Dotted name.
    pub name: Cow<'static, str>,
    /// Type of its values, or of the elements of a list.
    pub ty: ValueType,
    /// Whether its value is a list.
    pub list: bool,
    /// Its argument; `None`: takes none.
    pub argument: Option<ArgumentRule>,
    /// Whether transformers refuse it.
    pub no_transformer: bool,
    /// Whether it can be on neither side of a comparison of two fields.
    pub no_rhs: bool,
    /// Whether `append_output` adds it where suggested fields are asked for.
    pub suggested: bool,
    /// What else the language knows of it.
    pub role: Role,
    /// The plugin that gives it.
    pub plugin: Option<&'static str>,
}

/// A syscall of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syscall {
    /// Name.
    pub name: &'static str,
    /// Numbers of the event types that stand for it; the generic pair where it has none of its own.
    pub events: &'static [u16],
}

/// A plugin that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// Name.
    pub name: Cow<'static, str>,
    /// Version.
    pub version: Version,
    /// The event source that it gives.
    pub source: Option<Cow<'static, str>>,
    /// Names of the asynchronous events that it sends.
    pub async_events: &'static [&'static str],
}

/// The world that rules are compiled against.
pub trait Schema {
    /// The field that the beginning of `text` names: of the first class with a field whose name is a prefix, the longest.
    fn find_field(&self, text: &str) -> Option<FieldId>;

    /// The field with this number, which must come from [`Schema::find_field`] or [`Schema::field_ids`].
    fn field(&self, id: FieldId) -> &FieldInfo;

    /// Numbers of all fields, in order.
    fn field_ids(&self) -> Vec<FieldId>;

    /// Type of the first event parameter with this name.
    fn param_type(&self, name: &str) -> Option<ValueType>;

    /// The longest name of an event parameter that `text` begins with.
    fn param_prefix(&self, text: &str) -> Option<&'static str>;

    /// How many event types there are; their numbers are those below.
    fn event_count(&self) -> u16;

    /// Name of an event type.
    fn event_name(&self, id: u16) -> &'static str;

    /// Whether an event type is the generic pair that stands for syscalls without a type of their own.
    fn is_generic(&self, id: u16) -> bool;

    /// The event type that plugins send events with, and the one of asynchronous events.
    fn plugin_and_async_events(&self) -> (u16, u16);

    /// Every syscall but `unknown`.
    fn syscalls(&self) -> &[Syscall];

    /// The port of a network service.
    fn service_port(&self, name: &str) -> Option<u16>;

    /// Version of the engine whose language this is.
    fn engine_version(&self) -> Version;

    /// The plugins that are there.
    fn plugins(&self) -> &[Plugin];

    /// Whether events of this source can come.
    fn has_source(&self, source: &str) -> bool {
        source == "syscall" || self.plugins().iter().any(|plugin| plugin.source.as_deref() == Some(source))
    }
}
