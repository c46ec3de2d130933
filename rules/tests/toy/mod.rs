//! A small world to test the language against: a few fields of each kind, eight event types, five syscalls.

use falco_replay_rules::program::{FieldId, ValueType as T};
use falco_replay_rules::schema::{ArgumentKind, ArgumentRule, FieldInfo, Plugin, Role, Schema, Syscall};
use falco_replay_rules::version::Version;
use std::borrow::Cow;

/// The toy schema.
pub struct Toy {
    fields: Vec<FieldInfo>,
    plugins: Vec<Plugin>,
}

const EVENTS: [&str; 12] = [
    "syscall",
    "syscall",
    "open",
    "open",
    "connect",
    "connect",
    "execve",
    "execve",
    "NA",
    "asyncevent",
    "pluginevent",
    "close",
];
const PARAMS: [(&str, T); 3] = [("name", T::Fspath), ("flags", T::Flags32), ("data", T::Bytebuf)];
const SYSCALLS: [Syscall; 5] = [
    Syscall { name: "open", events: &[2, 3] },
    Syscall { name: "connect", events: &[4, 5] },
    Syscall { name: "execve", events: &[6, 7] },
    Syscall { name: "syncfs", events: &[0, 1] },
    Syscall { name: "vhangup", events: &[0, 1] },
];

fn field(name: &'static str, ty: T) -> FieldInfo {
    FieldInfo {
        name: Cow::Borrowed(name),
        ty,
        list: false,
        argument: None,
        no_transformer: false,
        no_rhs: false,
        suggested: false,
        role: Role::Plain,
        plugin: None,
    }
}

fn with_argument(name: &'static str, ty: T, kind: ArgumentKind, required: bool) -> FieldInfo {
    FieldInfo { argument: Some(ArgumentRule { required, kind }), ..field(name, ty) }
}

impl Toy {
    pub fn new() -> Self {
        let fields = vec![
            FieldInfo { role: Role::EventType, ..field("evt.type", T::Charbuf) },
            FieldInfo { role: Role::EventNumber, ..field("evt.num", T::Uint64) },
            field("evt.failed", T::Bool),
            field("evt.buffer", T::Bytebuf),
            with_argument("evt.arg", T::Charbuf, ArgumentKind::ParamIndexOrName, true),
            FieldInfo {
                role: Role::RawParam,
                no_transformer: true,
                no_rhs: true,
                ..with_argument("evt.rawarg", T::Dyn, ArgumentKind::ParamName, true)
            },
            field("proc.name", T::Charbuf),
            field("proc.pname", T::Charbuf),
            field("proc.pid", T::Int64),
            FieldInfo {
                no_transformer: true,
                no_rhs: true,
                ..with_argument("proc.aname", T::Charbuf, ArgumentKind::Index, false)
            },
            with_argument("proc.env", T::Charbuf, ArgumentKind::Key, false),
            field("fd.name", T::Charbuf),
            FieldInfo { no_transformer: true, no_rhs: true, ..field("fd.ip", T::Ipaddr) },
            field("fd.sip", T::Ipaddr),
            field("fd.sport", T::Port),
            FieldInfo { no_transformer: true, no_rhs: true, ..field("fd.net", T::Ipnet) },
            FieldInfo { list: true, no_rhs: true, ..field("fd.types", T::Charbuf) },
            field("evt.dir", T::Charbuf),
            FieldInfo { suggested: true, plugin: Some("container"), ..field("container.id", T::Charbuf) },
        ];
        let plugins = vec![Plugin {
            name: Cow::Borrowed("container"),
            version: Version::new(0, 7, 0),
            source: None,
            async_events: &["container"],
        }];
        Self { fields, plugins }
    }
}

impl Schema for Toy {
    fn find_field(&self, text: &str) -> Option<FieldId> {
        let fits = self.fields.iter().enumerate().filter(|(_, field)| text.starts_with(field.name.as_ref()));
        fits.max_by_key(|(_, field)| field.name.len()).map(|(place, _)| FieldId(place as u16))
    }

    fn field(&self, id: FieldId) -> &FieldInfo {
        &self.fields[usize::from(id.0)]
    }

    fn field_ids(&self) -> Vec<FieldId> {
        (0..self.fields.len()).map(|place| FieldId(place as u16)).collect()
    }

    fn param_type(&self, name: &str) -> Option<T> {
        PARAMS.iter().find(|(param, _)| *param == name).map(|(_, ty)| *ty)
    }

    fn param_prefix(&self, text: &str) -> Option<&'static str> {
        PARAMS.iter().map(|(name, _)| *name).find(|name| text.starts_with(name))
    }

    fn event_count(&self) -> u16 {
        EVENTS.len() as u16
    }

    fn event_name(&self, id: u16) -> &'static str {
        EVENTS[usize::from(id)]
    }

    fn is_generic(&self, id: u16) -> bool {
        id < 2
    }

    fn plugin_and_async_events(&self) -> (u16, u16) {
        (10, 9)
    }

    fn syscalls(&self) -> &[Syscall] {
        &SYSCALLS
    }

    fn service_port(&self, name: &str) -> Option<u16> {
        (name == "http").then_some(80)
    }

    fn engine_version(&self) -> Version {
        Version::new(0, 63, 0)
    }

    fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }
}
