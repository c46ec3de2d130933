//! The field catalogue: every field that rules, filters and outputs can name.
//!
//! Fields stand in classes, and the order of classes decides resolution: a text is given to the first class that has a
//! field whose name it begins with, and there to the longest such name (facts: filter-language A2, fields.json). The
//! fields of the container plugin are built in; `static.KEY` fields come at run time.

mod container;
mod descriptor;
mod entry;
mod event;
mod field;
mod process;
mod services;

pub use entry::Entry;
pub use field::Field;

use falco_replay_format::schema::{self, ParamType};
use falco_replay_rules::program::{FieldId, ValueType};
use falco_replay_rules::schema::{FieldInfo, Plugin, Role, Schema, Syscall};
use falco_replay_rules::version::Version;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Version of the engine whose rules language this is: the newest that rules files may require.
pub const ENGINE_VERSION: Version = Version::new(0, 63, 0);

/// Name of the plugin whose fields and metadata are built in.
pub(crate) const CONTAINER_PLUGIN: &str = "container";

/// Version of that plugin.
const CONTAINER_PLUGIN_VERSION: Version = Version::new(0, 7, 0);

/// A class of fields.
#[derive(Debug)]
pub struct Class {
    /// Name under which the fields are listed; several classes share one.
    pub name: &'static str,
    /// What its fields are about.
    pub title: &'static str,
    /// The fields in order.
    pub entries: &'static [Entry],
}

/// Every class in order of resolution.
pub static CLASSES: [Class; 10] = [
    Class { name: "evt", title: "Events of every source", entries: event::ANY_EVENT },
    Class { name: "evt", title: "System-call events", entries: event::SYSCALL_EVENT },
    Class { name: "process", title: "Processes, threads and ancestors", entries: process::THREAD },
    Class { name: "user", title: "The user of the thread", entries: process::USER },
    Class { name: "group", title: "The group of the thread", entries: process::GROUP },
    Class { name: "fd", title: "File descriptors and sockets", entries: descriptor::FD },
    Class { name: "fs.path", title: "Paths of file system calls", entries: descriptor::FS_PATH },
    Class { name: "util", title: "Counters", entries: descriptor::UTIL },
    Class { name: "fdlist", title: "Descriptors of a poll", entries: descriptor::FD_LIST },
    Class { name: "container", title: "Containers and pods", entries: container::CONTAINER },
];

/// The whole table by field number.
static ENTRIES: LazyLock<Vec<&'static Entry>> =
    LazyLock::new(|| CLASSES.iter().flat_map(|class| class.entries).collect());

impl Field {
    /// Its row of the catalogue.
    pub fn entry(self) -> &'static Entry {
        ENTRIES[self as usize]
    }
}

/// The catalogue as a schema: fields, event types and plugins that rules are compiled against.
#[derive(Debug)]
pub struct Catalogue {
    statics: Vec<StaticField>,
    plugins: Vec<Plugin>,
    syscalls: Vec<Syscall>,
}

/// A field of configuration: the same text for every event.
#[derive(Debug)]
struct StaticField {
    info: FieldInfo,
    value: String,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self::new()
    }
}

impl Catalogue {
    /// The catalogue without static fields.
    pub fn new() -> Self {
        let container = Plugin {
            name: Cow::Borrowed(CONTAINER_PLUGIN),
            version: CONTAINER_PLUGIN_VERSION,
            source: None,
            async_events: &["container", "container_removed"],
        };
        let syscalls = schema::SYSCALLS
            .iter()
            .filter(|call| call.name != "unknown")
            .map(|call| Syscall { name: call.name, events: call.events })
            .collect();
        Self { statics: Vec::new(), plugins: vec![container], syscalls }
    }

    /// The catalogue with a field `static.KEY` for each pair of key and value.
    pub fn with_static_fields(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut catalogue = Self::new();
        for (key, value) in pairs.into_iter().take(usize::from(u16::MAX) - Field::COUNT) {
            let info = FieldInfo {
                name: Cow::Owned(format!("static.{key}")),
                ty: ValueType::Charbuf,
                list: false,
                argument: None,
                no_transformer: false,
                no_rhs: false,
                suggested: false,
                role: Role::Plain,
                plugin: None,
            };
            catalogue.statics.push(StaticField { info, value });
        }
        catalogue
    }

    /// The text of a static field.
    pub fn static_value(&self, id: FieldId) -> Option<&str> {
        let place = usize::from(id.0).checked_sub(Field::COUNT)?;
        self.statics.get(place).map(|field| field.value.as_str())
    }
}

impl Schema for Catalogue {
    fn find_field(&self, text: &str) -> Option<FieldId> {
        let fits = |name: &str| text.starts_with(name);
        for class in &CLASSES {
            let longest =
                class.entries.iter().filter(|entry| fits(entry.name())).max_by_key(|entry| entry.name().len());
            if let Some(entry) = longest {
                return Some(entry.field.id());
            }
        }
        let fields = self.statics.iter().enumerate().filter(|(_, field)| fits(&field.info.name));
        let (place, _) = fields.max_by_key(|(_, field)| field.info.name.len())?;
        u16::try_from(Field::COUNT + place).ok().map(FieldId)
    }

    fn field(&self, id: FieldId) -> &FieldInfo {
        match Field::from_id(id) {
            Some(field) => &field.entry().info,
            None => &self.statics[usize::from(id.0) - Field::COUNT].info,
        }
    }

    fn field_ids(&self) -> Vec<FieldId> {
        (0..Field::COUNT + self.statics.len()).filter_map(|place| u16::try_from(place).ok().map(FieldId)).collect()
    }

    fn param_type(&self, name: &str) -> Option<ValueType> {
        let param = schema::EVENTS.iter().flat_map(|event| event.params).find(|param| param.name == name)?;
        value_type(param.ty)
    }

    fn param_prefix(&self, text: &str) -> Option<&'static str> {
        let names = schema::EVENTS.iter().flat_map(|event| event.params).map(|param| param.name);
        names.filter(|name| !name.is_empty() && text.starts_with(name)).max_by_key(|name| name.len())
    }

    fn event_count(&self) -> u16 {
        schema::EVENT_TYPES as u16
    }

    fn event_name(&self, id: u16) -> &'static str {
        schema::event_info(id).map_or("", |event| event.name)
    }

    fn is_generic(&self, id: u16) -> bool {
        id < 2
    }

    fn plugin_and_async_events(&self) -> (u16, u16) {
        (schema::ev::PLUGINEVENT_E, schema::ev::ASYNCEVENT_E)
    }

    fn syscalls(&self) -> &[Syscall] {
        &self.syscalls
    }

    fn service_port(&self, name: &str) -> Option<u16> {
        services::port(name)
    }

    fn engine_version(&self) -> Version {
        ENGINE_VERSION
    }

    fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }
}

/// The value type that a parameter type is read as; `None` for a parameter without type.
pub fn value_type(ty: ParamType) -> Option<ValueType> {
    macro_rules! same {
        ($($name:ident)*) => {
            match ty {
                ParamType::None => return None,
                $(ParamType::$name => ValueType::$name,)*
            }
        };
    }
    Some(same! {
        Int8 Int16 Int32 Int64 Uint8 Uint16 Uint32 Uint64 Charbuf Bytebuf Errno Sockaddr Socktuple Fd Pid Fdlist Fspath
        Syscallid Sigtype Reltime Abstime Port L4proto Sockfamily Bool Ipv4addr Dyn Flags8 Flags16 Flags32 Uid Gid Double
        Sigset Charbufarray CharbufPairArray Ipv4net Ipv6addr Ipv6net Ipaddr Ipnet Mode Fsrelpath Enumflags8 Enumflags16
        Enumflags32 Fd32 Pid32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_its_row_at_its_number() {
        assert_eq!(ENTRIES.len(), Field::COUNT);
        for (place, entry) in ENTRIES.iter().enumerate() {
            assert_eq!(usize::from(entry.field.id().0), place, "{}", entry.name());
            assert_eq!(entry.field.entry().name(), entry.name());
        }
    }

    #[test]
    fn the_longest_name_of_the_first_class_is_found() {
        let catalogue = Catalogue::with_static_fields([("env".to_owned(), "lab".to_owned())]);
        let find = |text| catalogue.find_field(text).and_then(Field::from_id);
        assert_eq!(find("evt.time.iso8601"), Some(Field::EvtTimeIso8601));
        assert_eq!(find("evt.timex"), Some(Field::EvtTime));
        assert_eq!(find("proc.exe_ino.ctime_duration_proc_start"), Some(Field::ProcExeInoCtimeDurationProcStart));
        assert_eq!(find("nosuch.field"), None);
        let fixed = catalogue.find_field("static.env").unwrap();
        assert_eq!(catalogue.static_value(fixed), Some("lab"));
        assert_eq!(catalogue.field(fixed).name, "static.env");
    }
}
