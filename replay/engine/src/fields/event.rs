//! `evt.*`.

use falco_replay_format::block::FdKind;
use falco_replay_format::schema::{EventInfo, ParamType, category, ev, event_flag, syscall_info};

use super::Arg;
use crate::catalogue::Field;
use crate::params::{self, is_file_or_directory, legacy};
use crate::paths;
use crate::time;
use crate::value::Value;
use crate::view::View;

const SECOND: u64 = 1_000_000_000;

/// Fields that the event type alone decides.
pub(super) fn type_value<'a>(field: Field, arg: &Arg, info: &'static EventInfo) -> Option<Value<'a>> {
    use Field as F;
    let reads = info.has(event_flag::READS_FROM_FD);
    let writes = info.has(event_flag::WRITES_TO_FD);
    match field {
        F::EvtIsAsync => Some(Value::Bool(info.category & category::METAEVENT != 0)),
        F::EvtLatency | F::EvtLatencyS | F::EvtLatencyNs | F::EvtLatencyQuantized | F::EvtWaitLatency => {
            Some(Value::Uint(0))
        }
        F::EvtLatencyHuman => Some(Value::text(b"0ns")),
        F::EvtDir => Some(Value::text(if info.is_exit() { b"<" } else { b">" })),
        F::EvtTypeIs => {
            let Arg::Types(types) = arg else { return None };
            Some(Value::Uint(u64::from(types.contains(&Some(info.id)))))
        }
        F::EvtIsIo => Some(Value::Bool(reads || writes)),
        F::EvtIsIoRead => Some(Value::Bool(reads)),
        F::EvtIsIoWrite => Some(Value::Bool(writes)),
        F::EvtIoDir => match (writes, reads) {
            (true, _) => Some(Value::text(b"write")),
            (false, true) => Some(Value::text(b"read")),
            _ => None,
        },
        F::EvtIsWait => Some(Value::Bool(info.has(event_flag::WAITS))),
        F::EvtCount => Some(Value::Uint(1)),
        F::EvtCountExit => info.is_exit().then_some(Value::Uint(1)),
        F::EvtCountThreadinfo => Some(Value::Uint(u64::from(info.id == ev::PROCINFO_E))),
        F::EvtHostname => Some(Value::text(b"")),
        _ => None,
    }
}

/// The name of the event, that of the syscall for a generic one.
pub(crate) fn type_name<'a>(view: &View<'a>) -> &'a [u8] {
    match view.info.id {
        ev::GENERIC_E | ev::GENERIC_X => {
            let code = view.params.u16(0).unwrap_or(0);
            let name = match syscall_info(code) {
                Some(call) if code != 0 => Some(call.name),
                _ => view.params.u16(1).and_then(params::native_syscall),
            };
            name.unwrap_or("unknown").as_bytes()
        }
        ev::ASYNCEVENT_E => legacy(view.params.get(1)),
        _ => view.info.name.as_bytes(),
    }
}

/// What the descriptor of an event counts as.
#[derive(PartialEq)]
enum Counted {
    File,
    Net,
    Other,
}

fn counted(view: &View<'_>) -> Option<Counted> {
    if let Some(fd) = view.fd {
        return Some(match fd.kind {
            kind if is_file_or_directory(kind) => Counted::File,
            kind if kind.is_inet() || kind == FdKind::Unix => Counted::Net,
            _ => Counted::Other,
        });
    }
    Some(match view.info.name {
        "open" | "creat" | "openat" | "openat2" | "open_by_handle_at" => Counted::File,
        "accept" | "accept4" | "connect" => Counted::Net,
        _ if view.info.base_category() == category::MEMORY => return None,
        _ => Counted::Other,
    })
}

fn category_word(view: &View<'_>) -> &'static [u8] {
    match view.info.base_category() {
        category::OTHER => b"other",
        category::FILE => b"file",
        category::NET => b"net",
        category::IPC => b"IPC",
        category::MEMORY => b"memory",
        category::PROCESS => b"process",
        category::SLEEP => b"sleep",
        category::SYSTEM => b"system",
        category::SIGNAL => b"signal",
        category::USER => b"user",
        category::TIME => b"time",
        category::PROCESSING => b"processing",
        category::WAIT => b"wait",
        category::SCHEDULER => b"scheduler",
        category::INTERNAL => b"internal",
        category::IO_READ | category::IO_WRITE | category::IO_OTHER => match view.fd.map(|fd| fd.kind) {
            Some(kind) if is_file_or_directory(kind) => b"file",
            Some(kind) if kind.is_inet() => b"net",
            Some(
                FdKind::Fifo | FdKind::Unix | FdKind::Event | FdKind::Signalfd | FdKind::Inotify | FdKind::Userfaultfd,
            ) => b"ipc",
            _ => b"unknown",
        },
        _ => b"unknown",
    }
}

/// Bytes that a call on a descriptor moved.
fn buflen(view: &View<'_>) -> Option<u64> {
    let io = matches!(view.info.base_category(), category::IO_READ | category::IO_WRITE | category::IO_OTHER);
    if !io || !view.info.is_exit() || view.fd.is_none() {
        return None;
    }
    u64::try_from(view.result()?).ok()
}

fn open_params(ty: u16) -> Option<(usize, Option<usize>)> {
    match ty {
        ev::SYSCALL_OPEN_X => Some((2, Some(3))),
        ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X => Some((3, Some(4))),
        ev::SYSCALL_OPEN_BY_HANDLE_AT_X => Some((2, None)),
        _ => None,
    }
}

fn is_open(field: Field, view: &View<'_>) -> bool {
    const O_RDONLY: u32 = 1;
    const O_WRONLY: u32 = 2;
    const O_CREAT: u32 = 4;
    const O_TMPFILE: u32 = 1 << 13;
    const O_F_CREATED: u32 = 1 << 14;
    const EXECUTE: u32 = 0o111;
    if field == Field::EvtIsOpenExec && view.info.id == ev::SYSCALL_CREAT_X {
        return view.params.u32(2).unwrap_or(0) & EXECUTE != 0;
    }
    let Some((flags_at, mode_at)) = open_params(view.info.id) else { return false };
    let flags = view.params.u32(flags_at).unwrap_or(0);
    match field {
        Field::EvtIsOpenRead => flags & O_RDONLY != 0,
        Field::EvtIsOpenWrite => flags & O_WRONLY != 0,
        Field::EvtIsOpenExec => {
            let mode = mode_at.and_then(|at| view.params.u32(at)).unwrap_or(0);
            flags & (O_CREAT | O_TMPFILE) != 0 && mode & EXECUTE != 0
        }
        _ => flags & O_F_CREATED != 0 || flags & O_TMPFILE != 0 && view.params.i64(0).is_some_and(|fd| fd >= 0),
    }
}

fn infrastructure<'a>(field: Field, view: &View<'a>) -> Option<Value<'a>> {
    if view.info.id != ev::INFRASTRUCTURE_EVENT_E {
        return None;
    }
    let key: &[u8] = match field {
        Field::EvtInfraDockerName => b"Event:",
        Field::EvtInfraDockerContainerId => b"ID:",
        Field::EvtInfraDockerContainerName => b"name:",
        _ => b"Image:",
    };
    let description = view.params.text(2)?;
    let item = description.split(|&byte| byte == b';').find_map(|item| item.trim_ascii().strip_prefix(key))?;
    let item = item.trim_ascii();
    Some(Value::text(match field {
        Field::EvtInfraDockerContainerId => &item[..item.len().min(12)],
        Field::EvtInfraDockerContainerImage => {
            &item[..item.iter().position(|&byte| byte == b'@').unwrap_or(item.len())]
        }
        _ => item,
    }))
}

/// The number of the parameter with this name.
fn param_named(view: &View<'_>, name: &str) -> Option<usize> {
    view.info.params.iter().position(|param| param.name == name).filter(|&at| at < view.params.len())
}

/// A parameter with its own type.
fn raw_param<'a>(view: &View<'a>, index: usize) -> Option<Value<'a>> {
    use ParamType as T;
    let bytes = view.params.get(index);
    Some(match view.info.params[index].ty {
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Errno | T::Fd | T::Pid | T::Fd32 | T::Pid32 => {
            Value::Int(params::signed(bytes).unwrap_or(0))
        }
        T::Charbuf | T::Fspath | T::Fsrelpath => Value::text(legacy(bytes)),
        T::Bytebuf | T::Sockaddr | T::Socktuple | T::Fdlist | T::Dyn => Value::text(bytes),
        _ => Value::Uint(params::unsigned(bytes).unwrap_or(0)),
    })
}

fn delta(view: &View<'_>) -> u64 {
    if let Some(&before) = view.block.before.get(view.row) {
        return if before == u64::MAX { 0 } else { view.ts().wrapping_sub(before) };
    }
    let before = (0..view.row).rev().find(|&row| view.block.delivered(row)).map(|row| view.block.batch.ts[row]);
    match before.or(view.block.previous_ts) {
        Some(before) => view.ts().wrapping_sub(before),
        None => 0,
    }
}

/// Fields that need the event.
pub(super) fn event_value<'a>(field: Field, arg: &'a Arg, view: &View<'a>) -> Option<Value<'a>> {
    use Field as F;
    let ts = view.ts();
    let zone = &view.rendering.zone;
    let text = |text: String| Some(Value::owned(text.into_bytes()));
    let uint = |value: u64| Some(Value::Uint(value));
    let reltime = || ts.wrapping_sub(view.world().map_or(0, |world| world.origin));
    match field {
        F::EvtNum => uint(view.block.num(view.row)),
        F::EvtTime | F::EvtOutputtime => text(time::clock_ns(ts, zone)),
        F::EvtTimeS => text(time::clock(ts, zone)),
        F::EvtTimeIso8601 => text(format!("{}+0000", time::iso8601(ts))),
        F::EvtDatetime => text(time::datetime_ns(ts, zone)),
        F::EvtDatetimeS => text(time::datetime(ts, zone)),
        F::EvtRawtime => uint(ts),
        F::EvtRawtimeS => uint(ts / SECOND),
        F::EvtRawtimeNs => uint(ts % SECOND),
        F::EvtReltime => uint(reltime()),
        F::EvtReltimeS => uint(reltime() / SECOND),
        F::EvtReltimeNs => uint(reltime() % SECOND),
        F::EvtSource => {
            let plugin = matches!(view.info.id, ev::PLUGINEVENT_E | ev::ASYNCEVENT_E)
                && view.params.u32(0).is_some_and(|id| id != 0);
            (!plugin).then(|| Value::text(b"syscall"))
        }
        F::EvtAsynctype => match view.info.id {
            ev::ASYNCEVENT_E => Some(Value::text(legacy(view.params.get(1)))),
            _ if view.info.category & category::METAEVENT != 0 => Some(Value::text(view.info.name.as_bytes())),
            _ => None,
        },
        F::EvtDeltatime => uint(delta(view)),
        F::EvtDeltatimeS => uint(delta(view) / SECOND),
        F::EvtDeltatimeNs => uint(delta(view) % SECOND),
        F::EvtType => Some(Value::text(type_name(view))),
        F::SyscallType => (view.info.category & category::SYSCALL != 0).then(|| Value::text(type_name(view))),
        F::EvtCategory => Some(Value::text(category_word(view))),
        F::EvtCpu => Some(Value::Int(i64::from(view.block.batch.cpu[view.row] as i16))),
        F::EvtArgs | F::EvtInfo => Some(Value::owned(params::all_params(view))),
        F::EvtArg => {
            let index = match arg {
                Arg::Index(index) => usize::try_from(*index).ok()?,
                Arg::Name(name) => param_named(view, name)?,
                _ => return None,
            };
            params::param_text(view, index).map(|text| Value::owned(text.best()))
        }
        F::EvtRawarg => {
            let Arg::Name(name) = arg else { return None };
            raw_param(view, param_named(view, name)?)
        }
        F::EvtBuffer => param_named(view, "data").map(|at| Value::text(view.params.get(at))),
        F::EvtBuflen => uint(buflen(view)?),
        F::EvtBuflenIn => (view.info.base_category() == category::IO_READ).then(|| buflen(view))?.map(Value::Uint),
        F::EvtBuflenOut => (view.info.base_category() == category::IO_WRITE).then(|| buflen(view))?.map(Value::Uint),
        F::EvtBuflenFile
        | F::EvtBuflenFileIn
        | F::EvtBuflenFileOut
        | F::EvtBuflenNet
        | F::EvtBuflenNetIn
        | F::EvtBuflenNetOut => {
            let kind = view.fd?.kind;
            let net = matches!(field, F::EvtBuflenNet | F::EvtBuflenNetIn | F::EvtBuflenNetOut);
            let fits = if net { kind.is_inet() } else { kind.is_file() };
            let wanted = match field {
                F::EvtBuflenFileIn | F::EvtBuflenNetIn => Some(category::IO_READ),
                F::EvtBuflenFileOut | F::EvtBuflenNetOut => Some(category::IO_WRITE),
                _ => None,
            };
            let direction = wanted.is_none_or(|wanted| view.info.base_category() == wanted);
            if fits && direction { buflen(view).map(Value::Uint) } else { None }
        }
        F::EvtRes => match view.result()? {
            0.. => Some(Value::text(b"SUCCESS")),
            _ => params::param_text(view, 0).map(|text| Value::owned(text.best())),
        },
        F::EvtRawres => view.result().map(Value::Int),
        F::EvtFailed => view.result().map(|result| Value::Bool(result < 0)),
        F::EvtIsSyslog => {
            let writes = view.info.has(event_flag::WRITES_TO_FD);
            let log = b"/dev/log";
            let named = view.fd.is_some_and(|fd| fd.name.windows(log.len()).any(|window| window == log));
            Some(Value::Bool(writes && named))
        }
        F::EvtCountError => uint(u64::from(view.result()? < 0)),
        F::EvtCountErrorFile => error_of(view, &Counted::File),
        F::EvtCountErrorNet => error_of(view, &Counted::Net),
        F::EvtCountErrorMemory => {
            (view.info.base_category() == category::MEMORY).then(|| view.result())?.map(|r| Value::Uint((r < 0).into()))
        }
        F::EvtCountErrorOther => error_of(view, &Counted::Other),
        F::EvtCountProcinfo => {
            let main = view.process.is_some_and(|process| process.info.is_main());
            uint(u64::from(view.info.id == ev::PROCINFO_E && main))
        }
        F::EvtAbspath => {
            let target = matches!(arg, Arg::Name(name) if name == "dst");
            paths::abspath(view, target).map(Value::owned)
        }
        F::EvtIsOpenRead | F::EvtIsOpenWrite | F::EvtIsOpenExec | F::EvtIsOpenCreate => {
            Some(Value::Bool(is_open(field, view)))
        }
        F::EvtInfraDockerName
        | F::EvtInfraDockerContainerId
        | F::EvtInfraDockerContainerName
        | F::EvtInfraDockerContainerImage => infrastructure(field, view),
        _ => None,
    }
}

fn error_of<'a>(view: &View<'a>, wanted: &Counted) -> Option<Value<'a>> {
    let result = view.result()?;
    (counted(view)? == *wanted).then(|| Value::Uint(u64::from(result < 0)))
}
