//! `proc.*`, `thread.*`, `user.*`, `group.*`.

use falco_replay_format::block::{FdKind, Process, RefKind, Text, ThreadInfo, entries};
use falco_replay_format::schema::ev;

use super::{Arg, leader};
use crate::catalogue::Field;
use crate::value::Value;
use crate::view::View;

/// Ancestors that `proc.aenv[NAME]` asks.
const ENV_ANCESTORS: usize = 20;

/// Elements joined by blanks.
pub(crate) fn joined(list: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(list.len());
    for (at, entry) in entries(list).enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(entry);
    }
    out
}

/// A first word, and the arguments behind it where there are any.
fn line(first: &[u8], args: &[u8]) -> Vec<u8> {
    let mut out = first.to_vec();
    let args = joined(args);
    if !args.is_empty() {
        out.push(b' ');
        out.extend_from_slice(&args);
    }
    out
}

/// Command line: name and arguments.
pub(crate) fn cmdline(info: &ThreadInfo) -> Vec<u8> {
    line(&info.comm, &info.args)
}

fn env_of(process: &Process) -> &[u8] {
    process.main().map_or(&[], |main| &main.info.env)
}

/// The value of a variable without blanks around it; empty where it is not set.
fn variable<'a>(env: &'a [u8], name: &str) -> &'a [u8] {
    entries(env).find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).unwrap_or(b"").trim_ascii()
}

/// What an ancestor field shows of one ancestor.
pub(crate) fn of_ancestor<'a>(field: Field, process: &'a Process) -> Option<Value<'a>> {
    Some(match field {
        Field::ProcAname => Value::text(&process.info.comm),
        Field::ProcAexe => Value::text(&process.info.exe),
        Field::ProcAexepath => Value::text(&process.info.exepath),
        Field::ProcAcmdline => Value::owned(cmdline(&process.info)),
        Field::ProcAargs => Value::owned(joined(&process.info.args)),
        Field::ProcAenv => Value::owned(joined(env_of(process))),
        Field::ProcApid => return id(process.info.pid),
        _ => return None,
    })
}

/// An ancestor field with an index, or all ancestors joined.
fn ancestors<'a>(field: Field, arg: &Arg, process: &'a Process) -> Option<Value<'a>> {
    match arg {
        Arg::Index(index) => of_ancestor(field, process.ancestor(usize::try_from(*index).ok()?)?),
        _ => {
            let mut out = Vec::new();
            for ancestor in process.ancestors() {
                if !out.is_empty() {
                    out.push(b' ');
                }
                if let Some(Value::Bytes(bytes)) = of_ancestor(field, ancestor) {
                    out.extend_from_slice(&bytes);
                }
            }
            (!out.is_empty()).then(|| Value::owned(out))
        }
    }
}

/// A process or thread id; no value outside what an id can be.
fn id<'a>(id: i64) -> Option<Value<'a>> {
    (-1..=i64::from(u32::MAX)).contains(&id).then_some(Value::Int(id))
}

fn nonzero<'a>(value: u64) -> Option<Value<'a>> {
    (value != 0).then_some(Value::Uint(value))
}

fn capabilities<'a>(set: u64) -> Option<Value<'a>> {
    const NAMES: [&str; 41] = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    ];
    let names: Vec<&str> =
        NAMES.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, name)| *name).collect();
    Some(Value::owned(names.join(" ").into_bytes()))
}

pub(super) fn process_value<'a>(field: Field, arg: &'a Arg, process: &'a Process) -> Option<Value<'a>> {
    use Field as F;
    let info = &*process.info;
    let text = |text: &'a Text| Some(Value::text(text));
    match field {
        F::ProcExe => text(&info.exe),
        F::ProcPexe => text(&process.parent_process()?.info.exe),
        F::ProcExepath => text(&info.exepath),
        F::ProcPexepath => text(&process.parent_process()?.info.exepath),
        F::ProcName => text(&info.comm),
        F::ProcPname => text(&process.parent_process()?.info.comm),
        F::ProcAexe | F::ProcAexepath | F::ProcAname | F::ProcAcmdline | F::ProcAargs => ancestors(field, arg, process),
        F::ProcApid => match arg {
            Arg::Index(index) => id(process.ancestor(usize::try_from(*index).ok()?)?.info.pid),
            _ => id(process.main()?.info.pid),
        },
        F::ProcArgs => match arg {
            Arg::Index(index) => {
                let found = usize::try_from(*index).ok().and_then(|index| entries(&info.args).nth(index));
                Some(Value::text(found.unwrap_or(b"")))
            }
            _ => Some(Value::owned(joined(&info.args))),
        },
        F::ProcCmdline => Some(Value::owned(cmdline(info))),
        F::ProcPcmdline => Some(Value::owned(cmdline(&process.parent_process()?.info))),
        F::ProcCmdnargs => Some(Value::Uint(entries(&info.args).count() as u64)),
        F::ProcCmdlenargs => Some(Value::Uint(entries(&info.args).map(|arg| arg.len() as u64).sum())),
        F::ProcExeline => {
            // Unlike the command line it has its blank without arguments too.
            Some(Value::owned([&info.exe[..], b" ", &joined(&info.args)].concat()))
        }
        F::ProcEnv => match arg {
            Arg::Key(name) => Some(Value::text(variable(env_of(process), name))),
            Arg::Index(number) => Some(Value::owned(variable(env_of(process), &number.to_string()).to_vec())),
            _ => Some(Value::owned(joined(env_of(process)))),
        },
        F::ProcAenv => match arg {
            Arg::Key(name) => {
                let found = process
                    .lineage()
                    .take(ENV_ANCESTORS)
                    .map(|ancestor| variable(env_of(ancestor), name))
                    .find(|value| !value.is_empty());
                Some(Value::text(found.unwrap_or(b"")))
            }
            Arg::Index(index) => Some(Value::owned(joined(env_of(process.ancestor(usize::try_from(*index).ok()?)?)))),
            _ => Some(Value::owned(joined(env_of(process)))),
        },
        F::ProcCwd => match process.main() {
            Some(main) => text(&main.info.cwd),
            None => Some(Value::text(b"./")),
        },
        F::ProcLoginshellid => {
            let own = process.main();
            let shell = own.into_iter().chain(process.ancestors()).filter(|p| p.info.comm.ends_with(b"sh")).last()?;
            Some(Value::Int(shell.info.pid))
        }
        F::ProcTty => Some(Value::Uint(u64::from(info.tty))),
        F::ProcPid => id(info.pid),
        F::ProcPpid => id(process.parent_process()?.info.pid),
        F::ProcVpid => (info.vpid != -1).then_some(Value::Int(info.vpid)),
        F::ProcPvpid => Some(Value::Int(process.parent_thread()?.info.vpid)),
        F::ProcSid => Some(Value::Int(info.sid)),
        F::ProcVpgid => Some(Value::Int(info.vpgid)),
        F::ProcPgid => Some(Value::Int(info.pgid)),
        F::ProcPidTs => nonzero(info.clone_ts),
        F::ProcPpidTs => Some(Value::Uint(process.parent_thread()?.info.clone_ts)),
        F::ProcIsExeWritable => Some(Value::Bool(info.exe_writable)),
        F::ProcIsExeUpperLayer => Some(Value::Bool(info.exe_upper_layer)),
        F::ProcIsExeLowerLayer => Some(Value::Bool(info.exe_lower_layer)),
        F::ProcIsExeFromMemfd => Some(Value::Bool(info.exe_from_memfd)),
        F::ProcIsSidLeader => Some(Value::Bool(info.sid == info.vpid)),
        F::ProcIsVpgidLeader => Some(Value::Bool(info.vpgid == info.vpid)),
        F::ProcIsPgidLeader => Some(Value::Bool(info.pgid == info.pid)),
        F::ProcExeIno => (info.exe_ino != 0).then_some(Value::Int(info.exe_ino as i64)),
        F::ProcExeInoCtime => nonzero(info.exe_ino_ctime),
        F::ProcExeInoMtime => nonzero(info.exe_ino_mtime),
        F::ProcExeInoCtimeDurationProcStart => nonzero(info.exe_ctime_duration_clone),
        F::ProcExeInoCtimeDurationPidnsStart => nonzero(info.exe_ctime_duration_pidns),
        F::ProcPidnsInitStartTs => nonzero(info.pidns_init_start_ts),
        F::ThreadCapPermitted => capabilities(info.cap_permitted),
        F::ThreadCapInheritable => capabilities(info.cap_inheritable),
        F::ThreadCapEffective => capabilities(info.cap_effective),
        F::ProcFdlimit => Some(Value::Int(process.main().map_or(0, |main| main.info.fdlimit))),
        F::ThreadIsmain => Some(Value::Bool(info.is_main())),
        F::ThreadVtid => (info.vtid != -1).then_some(Value::Int(info.vtid)),
        F::ThreadNametid => {
            let mut out = sanitised(&info.comm);
            out.push_str(&info.tid.to_string());
            Some(Value::owned(out.into_bytes()))
        }
        F::ThreadCgroups => {
            let all = joined(&info.cgroups);
            (!all.is_empty()).then(|| Value::owned(all))
        }
        F::ThreadCgroup => {
            let Arg::Name(name) = arg else { return None };
            entries(&info.cgroups)
                .find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
                .map(Value::text)
        }
        F::UserUid => Some(Value::Uint(u64::from(info.uid))),
        F::UserName => Some(Value::text(match &process.user {
            Some(user) => &user.name,
            None => root_or_unknown(info.uid, b"root"),
        })),
        F::UserHomedir => Some(Value::text(match &process.user {
            Some(user) => &user.home,
            None => root_or_unknown(info.uid, b"/root"),
        })),
        F::UserShell => Some(Value::text(match &process.user {
            Some(user) => &user.shell,
            None => b"<NA>",
        })),
        F::UserLoginuid => Some(Value::Int(if info.loginuid == u32::MAX { -1 } else { i64::from(info.loginuid) })),
        F::UserLoginname => Some(Value::text(match &process.login_user {
            Some(user) => &user.name,
            None => root_or_unknown(info.loginuid, b"root"),
        })),
        F::GroupGid => Some(Value::Uint(u64::from(info.gid))),
        F::GroupName => Some(Value::text(match &process.group {
            Some(group) => &group.name,
            None => root_or_unknown(info.gid, b"root"),
        })),
        _ => None,
    }
}

/// Text as the reference cleans it for this one field: control characters and broken UTF-8 give U+FFFD.
fn sanitised(text: &[u8]) -> String {
    let clean = |c: char| if c.is_ascii_control() { char::REPLACEMENT_CHARACTER } else { c };
    String::from_utf8_lossy(text).chars().map(clean).collect()
}

/// What stands for an account without an entry.
fn root_or_unknown(id: u32, root: &'static [u8]) -> &'static [u8] {
    if id == 0 { root } else { b"<NA>" }
}

fn figure(view: &View<'_>, kind: RefKind, key: u16) -> u64 {
    view.block.reference(view.row, kind, key).unwrap_or(0)
}

/// Fields that need more than the process version.
pub(super) fn event_value<'a>(field: Field, arg: &'a Arg, view: &View<'a>) -> Option<Value<'a>> {
    use Field as F;
    match field {
        F::ThreadTid => return id(view.tid()),
        // The reference has lost the number of processors by then, and counts nothing.
        F::ThreadExectime => return Some(Value::Uint(0)),
        _ => {}
    }
    let process = view.process?;
    let info = &*process.info;
    let number = |value: u64| Some(Value::Uint(value));
    let of_leader = |kind: RefKind, what: fn(&ThreadInfo) -> &Text| {
        Some(Value::text(leader(view, kind).map_or(b"", |leader| what(&leader.info))))
    };
    match field {
        F::ProcDuration => (info.clone_ts != 0).then(|| Value::Uint(view.ts().wrapping_sub(info.clone_ts))),
        F::ProcPpidDuration => match process.parent_process()?.info.clone_ts {
            0 => number(figure(view, RefKind::FdCount, 0)),
            then => number(view.ts().wrapping_sub(then)),
        },
        F::ProcSname => of_leader(RefKind::SessionLeader, |info| &info.comm),
        F::ProcSidExe => of_leader(RefKind::SessionLeader, |info| &info.exe),
        F::ProcSidExepath => of_leader(RefKind::SessionLeader, |info| &info.exepath),
        F::ProcVpgidName => of_leader(RefKind::VgroupLeader, |info| &info.comm),
        F::ProcVpgidExe => of_leader(RefKind::VgroupLeader, |info| &info.exe),
        F::ProcVpgidExepath => of_leader(RefKind::VgroupLeader, |info| &info.exepath),
        F::ProcPgidName => of_leader(RefKind::GroupLeader, |info| &info.comm),
        F::ProcPgidExe => of_leader(RefKind::GroupLeader, |info| &info.exe),
        F::ProcPgidExepath => of_leader(RefKind::GroupLeader, |info| &info.exepath),
        F::ProcFdopencount => number(figure(view, RefKind::FdCount, 0)),
        F::ProcFdusage => {
            let open = figure(view, RefKind::FdCount, 0);
            let limit = process.main().map_or(0, |main| main.info.fdlimit);
            Some(Value::Double(if limit <= 0 {
                0.0
            } else if open > limit as u64 {
                100.0
            } else {
                open as f64 * 100.0 / limit as f64
            }))
        }
        F::ProcVmsize => number(figure(view, RefKind::Memory, 0)),
        F::ProcVmrss => number(figure(view, RefKind::Memory, 1)),
        F::ProcVmswap => number(figure(view, RefKind::Memory, 2)),
        F::ThreadPfmajor => number(figure(view, RefKind::Memory, 3)),
        F::ThreadPfminor => number(figure(view, RefKind::Memory, 4)),
        F::ThreadVmsize | F::ThreadVmsizeB | F::ThreadVmrss | F::ThreadVmrssB => {
            let key = u16::from(matches!(field, F::ThreadVmrss | F::ThreadVmrssB));
            let kb = if info.is_main() { figure(view, RefKind::Memory, key) } else { 0 };
            number(if matches!(field, F::ThreadVmsizeB | F::ThreadVmrssB) { kb.wrapping_mul(1024) } else { kb })
        }
        F::ThreadTotexectime => number(0),
        F::ProcNthreads => number(figure(view, RefKind::Threads, 0)),
        F::ProcNchilds => number(figure(view, RefKind::Children, 0)),
        F::ThreadCpu | F::ThreadCpuUser | F::ThreadCpuSystem => {
            if view.info.id != ev::PROCINFO_E {
                return None;
            }
            let key = field as u16 - F::ThreadCpu as u16;
            let percent = view.block.reference(view.row, RefKind::CpuPercent, key)?;
            Some(Value::Double(percent as f64 / 1000.0))
        }
        F::ProcStdinType | F::ProcStdoutType | F::ProcStderrType => {
            stdio(view, field as u16 - F::ProcStdinType as u16).map(|fd| Value::text(fd.kind.word().as_bytes()))
        }
        F::ProcStdinName | F::ProcStdoutName | F::ProcStderrName => {
            stdio(view, field as u16 - F::ProcStdinName as u16).map(|fd| Value::text(&fd.name))
        }
        _ => {
            debug_assert!(matches!(arg, Arg::None), "{field:?} has no extractor");
            None
        }
    }
}

fn stdio<'a>(view: &View<'a>, number: u16) -> Option<&'a falco_replay_format::block::Fd> {
    let row = view.block.reference(view.row, RefKind::FdNumber, number)?;
    view.block.fds.get(row as usize).map(|fd| &**fd)
}

/// The kinds of open descriptors as words, or that of one number.
pub(super) fn fd_types<'a>(arg: &Arg, view: &View<'a>) -> Option<Value<'a>> {
    if let Arg::Index(number) = arg {
        let fd = stdio(view, *number as u16)?;
        return Some(Value::List(vec![fd.kind.word().as_bytes().into()]));
    }
    let kinds = view.block.reference(view.row, RefKind::FdKinds, 0)?;
    let mut words: Vec<&'static str> =
        (0..22).filter(|bit| kinds >> bit & 1 == 1).map(|bit| FdKind::from_number(bit).word()).collect();
    words.sort_unstable();
    words.dedup();
    Some(Value::List(words.into_iter().map(|word| word.as_bytes().into()).collect()))
}
