//! What each field of the catalogue is worth at an event.

mod container;
mod descriptor;
mod event;
mod process;

pub(crate) use descriptor::{both_ends, directory_of, filename_of, guessed_character};
pub(crate) use process::of_ancestor;

use falco_replay_format::block::{Fd, Process, RefKind};
use falco_replay_format::demand::want;
use falco_replay_format::schema::{EventInfo, ParamType, category, ev};
use falco_replay_rules::program::{Argument, FieldRef};
use regex::bytes::Regex;

use crate::catalogue::{Catalogue, Field};
use crate::value::Value;
use crate::view::View;

/// The argument of a field, made ready.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    None,
    Index(i64),
    Key(String),
    /// A key that is a pattern; `None` where it is no valid one.
    Pattern(Option<Regex>),
    Name(String),
    /// `evt.type.is`: the event types that count.
    Types([Option<u16>; 2]),
    /// The text of a static field.
    Static(String),
}

/// What an extractor needs to see: it decides over which table a predicate is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Domain {
    /// The event type alone.
    Type,
    /// The process version alone.
    Process,
    /// The descriptor version alone, where the event has one.
    Fd,
    /// The event itself.
    Event,
}

/// A field with its argument, ready to be extracted.
#[derive(Debug, Clone)]
pub(crate) struct Extractor {
    pub(crate) field: Option<Field>,
    pub(crate) arg: Arg,
}

impl Extractor {
    pub(crate) fn new(field: &FieldRef, catalogue: &Catalogue) -> Extractor {
        let Some(id) = Field::from_id(field.id) else {
            let text = catalogue.static_value(field.id).unwrap_or_default();
            return Extractor { field: None, arg: Arg::Static(text.to_owned()) };
        };
        let arg = match &field.arg {
            None => Arg::None,
            Some(Argument::Index(index)) => Arg::Index(*index),
            Some(Argument::Name(name)) if id == Field::EvtTypeIs => Arg::Types(types_named(name)),
            Some(Argument::Name(name)) => Arg::Name(name.clone()),
            Some(Argument::Key(key)) => match id {
                Field::ContainerMount
                | Field::ContainerMountSource
                | Field::ContainerMountDest
                | Field::ContainerMountMode
                | Field::ContainerMountRdwr
                | Field::ContainerMountPropagation => match key.parse() {
                    Ok(index) => Arg::Index(index),
                    Err(_) => Arg::Pattern(Regex::new(key).ok()),
                },
                _ => Arg::Key(key.clone()),
            },
        };
        Extractor { field: Some(id), arg }
    }

    /// The table over which the field is evaluated.
    pub(crate) fn domain(&self) -> Domain {
        match self.field {
            None => Domain::Type,
            Some(field) => domain(field),
        }
    }

    /// The field's value at an event.
    pub(crate) fn extract<'a>(&'a self, view: &View<'a>) -> Option<Value<'a>> {
        let Some(field) = self.field else {
            let Arg::Static(text) = &self.arg else { return None };
            return Some(Value::text(text.as_bytes()));
        };
        match domain(field) {
            Domain::Process => {
                if let Some(value) = container::of_event(field, &self.arg, view) {
                    return value;
                }
                process_value(field, &self.arg, view.process?)
            }
            Domain::Fd => match view.fd {
                Some(fd) if view.about_fd() => descriptor::fd_value(field, fd),
                _ => descriptor::without_fd(field, view),
            },
            Domain::Type => event::type_value(field, &self.arg, view.info),
            Domain::Event => match field {
                field if field >= Field::ContainerId => container::event_value(field, view),
                field if field >= Field::FdNum => descriptor::event_value(field, &self.arg, view),
                field if field >= Field::ProcExe => process::event_value(field, &self.arg, view),
                field => event::event_value(field, &self.arg, view),
            },
        }
    }

    /// What the field is worth on every event of a type; the outer `None` where the event decides.
    ///
    /// `fixed_name`: the type's name is that of its events. `about_fd`: fields of the fd class can have values.
    pub(crate) fn of_type<'a>(
        &'a self,
        info: &'static EventInfo,
        fixed_name: bool,
        about_fd: bool,
    ) -> Option<Option<Value<'a>>> {
        let Some(field) = self.field else {
            let Arg::Static(text) = &self.arg else { return None };
            return Some(Some(Value::text(text.as_bytes())));
        };
        match field {
            Field::EvtType if fixed_name => Some(Some(Value::text(info.name.as_bytes()))),
            Field::SyscallType if info.category & category::SYSCALL == 0 => Some(None),
            Field::SyscallType if fixed_name => Some(Some(Value::text(info.name.as_bytes()))),
            Field::EvtIsOpenRead | Field::EvtIsOpenWrite | Field::EvtIsOpenExec | Field::EvtIsOpenCreate
                if !info.name.starts_with("open") && info.name != "creat" =>
            {
                Some(Some(Value::Bool(false)))
            }
            Field::EvtArg | Field::EvtRawarg => match &self.arg {
                Arg::Name(name) if !info.params.iter().any(|param| param.name == name) => Some(None),
                _ => None,
            },
            field if !about_fd && (Field::FdNum..=Field::FdIsLowerLayer).contains(&field) => Some(None),
            _ if self.domain() == Domain::Type => Some(event::type_value(field, &self.arg, info)),
            _ => None,
        }
    }

    /// The field's value for a process version: only for [`Domain::Process`].
    pub(crate) fn of_process<'a>(&'a self, process: &'a Process) -> Option<Value<'a>> {
        process_value(self.field?, &self.arg, process)
    }

    /// The field's value for a descriptor version: only for [`Domain::Fd`].
    pub(crate) fn of_fd<'a>(&'a self, fd: &'a Fd) -> Option<Value<'a>> {
        descriptor::fd_value(self.field?, fd)
    }

    /// Parameters that the field's value needs on events of a type, a bit each; beyond 31 with bit 31. The second: what
    /// it needs besides where the event has no descriptor version.
    pub(crate) fn params_of(&self, ty: u16) -> (u32, u32) {
        let Some(field) = self.field else { return (0, 0) };
        let info = &falco_replay_format::schema::EVENTS[usize::from(ty)];
        let bit = |at: usize| 1u32 << at.min(31);
        let named = |wanted: &dyn Fn(&str) -> bool| {
            let params = info.params.iter().enumerate().filter(|(_, param)| wanted(param.name));
            params.fold(0, |bits, (at, _)| bits | bit(at))
        };
        match (field, &self.arg) {
            (Field::EvtRes | Field::EvtRawres | Field::EvtFailed, _) => (1, 0),
            (Field::EvtArg | Field::EvtRawarg, Arg::Name(name)) => {
                let bits = named(&|other| other == name);
                // A relative path starts from another parameter, and a variant is told by others.
                let alone = info
                    .params
                    .iter()
                    .filter(|param| param.name == name)
                    .all(|param| !matches!(param.ty, ParamType::Fspath | ParamType::Fsrelpath | ParamType::Dyn));
                (if alone { bits } else { u32::MAX }, 0)
            }
            (Field::EvtIsOpenRead | Field::EvtIsOpenWrite | Field::EvtIsOpenExec | Field::EvtIsOpenCreate, _) => {
                (1 | named(&|name| name == "flags" || name == "mode"), 0)
            }
            (field, _) if matches!(domain(field), Domain::Type | Domain::Process) => (0, 0),
            (Field::FdNameraw, _) if matches!(ty, ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X) => (0, 1 << 2),
            (Field::FdNum | Field::FdUid, _) => (0, 0),
            (field, _) if domain(field) == Domain::Fd => {
                (0, if descriptor::told_by_params(field) { u32::MAX } else { 0 })
            }
            _ => (u32::MAX, 0),
        }
    }

    /// [`Extractor::wants`] on events of a type: of a named parameter only what its type can mention.
    pub(crate) fn wants_on(&self, ty: u16) -> (u16, Option<i64>) {
        let (Some(Field::EvtArg), Arg::Name(name)) = (self.field, &self.arg) else { return self.wants() };
        use ParamType as T;
        let info = &falco_replay_format::schema::EVENTS[usize::from(ty)];
        let bits = info.params.iter().filter(|param| param.name == name).fold(0, |bits, param| match param.ty {
            T::Fd | T::Pid | T::Uid | T::Gid | T::Dyn | T::Fspath | T::Fsrelpath => bits | want::PARAMS,
            T::Fdlist => bits | want::POLL,
            _ => bits,
        });
        (bits, None)
    }

    /// The references that the field needs only where an event has no descriptor version.
    pub(crate) fn wants_without_fd(&self) -> u16 {
        match self.field {
            Some(field) if domain(field) == Domain::Fd => self.wants().0,
            _ => 0,
        }
    }

    /// Whether the field tells a time of the event.
    pub(crate) fn is_time(&self) -> bool {
        self.field.is_some_and(|field| {
            !matches!(domain(field), Domain::Type | Domain::Process | Domain::Fd)
                && !matches!(
                    field,
                    Field::EvtArg | Field::EvtRawarg | Field::EvtRes | Field::EvtRawres | Field::EvtFailed
                )
                && !(Field::FdNum..=Field::FdIsLowerLayer).contains(&field)
        })
    }

    /// References that the field needs, and descriptor numbers that it asks for one by one.
    pub(crate) fn wants(&self) -> (u16, Option<i64>) {
        let Some(field) = self.field else { return (0, None) };
        let between = |first: Field, last: Field| (first..=last).contains(&field);
        let bits = match field {
            Field::EvtArg | Field::EvtArgs | Field::EvtInfo | Field::EvtBuffer => want::PARAMS | want::POLL,
            Field::EvtAbspath
            | Field::FdName
            | Field::FdDirectory
            | Field::FdContainername
            | Field::FdContainerdirectory => want::PARAMS,
            _ if between(Field::FsPathName, Field::FsPathTargetraw) => want::PARAMS,
            _ if between(Field::FdlistNums, Field::FdlistSports) => want::POLL,
            Field::FdTypes => {
                return match self.arg {
                    Arg::Index(number) => (want::STDIO, Some(number)),
                    _ => (want::FD_KINDS, None),
                };
            }
            _ if between(Field::ProcStdinType, Field::ProcStderrName) => want::STDIO,
            Field::ProcSname
            | Field::ProcSidExe
            | Field::ProcSidExepath
            | Field::ProcVpgidName
            | Field::ProcVpgidExe
            | Field::ProcVpgidExepath
            | Field::ProcPgidName
            | Field::ProcPgidExe
            | Field::ProcPgidExepath => want::LEADERS,
            Field::ProcFdopencount
            | Field::ProcFdusage
            | Field::ProcNthreads
            | Field::ProcNchilds
            | Field::ProcPpidDuration => want::COUNTS,
            _ if between(Field::ProcVmsize, Field::ThreadPfminor)
                || between(Field::ThreadVmsize, Field::ThreadVmrssB) =>
            {
                want::MEMORY
            }
            Field::EvtDeltatime | Field::EvtDeltatimeS | Field::EvtDeltatimeNs => want::BEFORE,
            Field::ThreadCpu | Field::ThreadCpuUser | Field::ThreadCpuSystem => want::CPU,
            _ => 0,
        };
        (bits, None)
    }
}

fn process_value<'a>(field: Field, arg: &'a Arg, process: &'a Process) -> Option<Value<'a>> {
    if field >= Field::ContainerId {
        container::process_value(field, arg, process)
    } else {
        process::process_value(field, arg, process)
    }
}

/// The event types that `evt.type.is.NAME` counts: the first of that name and the one after it.
fn types_named(name: &str) -> [Option<u16>; 2] {
    if let Ok(id) = name.parse() {
        return [Some(id), None];
    }
    let first = falco_replay_format::schema::EVENTS.iter().find(|event| event.name == name).map(|event| event.id);
    [first, first.map(|id| id + 1)]
}

/// The table over which a field is evaluated.
pub(crate) fn domain(field: Field) -> Domain {
    use Field as F;
    match field {
        F::EvtIsAsync
        | F::EvtLatency
        | F::EvtLatencyS
        | F::EvtLatencyNs
        | F::EvtLatencyQuantized
        | F::EvtLatencyHuman
        | F::EvtDir
        | F::EvtTypeIs
        | F::EvtIsIo
        | F::EvtIsIoRead
        | F::EvtIsIoWrite
        | F::EvtIoDir
        | F::EvtIsWait
        | F::EvtWaitLatency
        | F::EvtCount
        | F::EvtCountExit
        | F::EvtPluginname
        | F::EvtPlugininfo
        | F::EvtHostname
        | F::EvtCountThreadinfo => Domain::Type,
        F::ProcDuration
        | F::ProcPpidDuration
        | F::ProcSname
        | F::ProcSidExe
        | F::ProcSidExepath
        | F::ProcVpgidName
        | F::ProcVpgidExe
        | F::ProcVpgidExepath
        | F::ProcPgidName
        | F::ProcPgidExe
        | F::ProcPgidExepath
        | F::ProcFdopencount
        | F::ProcFdusage
        | F::ProcVmsize
        | F::ProcVmrss
        | F::ProcVmswap
        | F::ThreadPfmajor
        | F::ThreadPfminor
        | F::ThreadTid
        | F::ThreadExectime
        | F::ThreadTotexectime
        | F::ProcNthreads
        | F::ProcNchilds
        | F::ThreadCpu
        | F::ThreadCpuUser
        | F::ThreadCpuSystem
        | F::ThreadVmsize
        | F::ThreadVmrss
        | F::ThreadVmsizeB
        | F::ThreadVmrssB
        | F::ProcStdinType
        | F::ProcStdoutType
        | F::ProcStderrType
        | F::ProcStdinName
        | F::ProcStdoutName
        | F::ProcStderrName
        | F::ContainerDuration => Domain::Event,
        F::FdType
        | F::FdTypechar
        | F::FdName
        | F::FdDirectory
        | F::FdFilename
        | F::FdCip
        | F::FdSip
        | F::FdCport
        | F::FdSport
        | F::FdL4proto
        | F::FdSockfamily
        | F::FdConnected
        | F::FdDev
        | F::FdDevMajor
        | F::FdDevMinor
        | F::FdIno
        | F::FdNameraw
        | F::FdIsUpperLayer
        | F::FdIsLowerLayer
        | F::FdCproto
        | F::FdSproto => Domain::Fd,
        field if field >= F::ContainerId => Domain::Process,
        field if field >= F::FdNum => Domain::Event,
        field if field >= F::ProcExe => Domain::Process,
        _ => Domain::Event,
    }
}

/// The process version that a leader reference names.
fn leader<'a>(view: &View<'a>, kind: RefKind) -> Option<&'a Process> {
    let row = view.block.reference(view.row, kind, 0)?;
    view.block.processes.get(row as usize).map(|process| &**process)
}

/// Whether events of this type may describe a container of their own.
pub(crate) fn describes_container(ty: u16) -> bool {
    matches!(ty, ev::CONTAINER_JSON_2_E | ev::ASYNCEVENT_E)
}
