//! The process list of a snapshot.

use super::columns::{ColumnsIn, ColumnsOut, TextsIn, TextsOut};
use super::{check_count, id, wrong};
use crate::fcap::columns::{unzigzag, zigzag};
use crate::fcap::constants::limit;
use crate::fcap::error::Error;
use crate::lists::{Text, ThreadEntry, ThreadExact};

const NUMBERS: usize = 27;

pub(super) fn put(out: &mut ColumnsOut, texts: &mut TextsOut, thread: &ThreadEntry) {
    let t = thread;
    let bits = [t.exe_writable, t.exe_upper_layer, t.exe_lower_layer, t.exe_from_memfd];
    // The order is part of the format.
    let numbers: [u64; NUMBERS] = [
        zigzag(t.tid),
        zigzag(t.pid),
        zigzag(t.ptid),
        zigzag(t.sid),
        zigzag(t.vpgid),
        zigzag(t.pgid),
        zigzag(t.fdlimit),
        zigzag(t.vtid),
        zigzag(t.vpid),
        t.flags.into(),
        t.uid.into(),
        t.gid.into(),
        t.vmsize_kb.into(),
        t.vmrss_kb.into(),
        t.vmswap_kb.into(),
        t.pfmajor,
        t.pfminor,
        t.pidns_init_start_ts,
        t.tty.into(),
        t.loginuid.into(),
        to_bits(bits),
        t.cap_inheritable,
        t.cap_permitted,
        t.cap_effective,
        t.exe_ino,
        t.exe_ino_ctime,
        t.exe_ino_mtime,
    ];
    for (id, number) in (id::THREAD..).zip(numbers) {
        out.number(id, number);
    }
    let rows = [
        texts.text(&t.comm),
        texts.text(&t.exe),
        texts.text(&t.exepath),
        texts.text(&t.cwd),
        texts.text(&t.root),
        texts.list(&t.args),
        texts.list(&t.env),
        texts.list(&t.cgroups),
    ];
    for (id, row) in (id::THREAD_TEXT..).zip(rows) {
        out.reference(id, row);
    }
}

pub(super) fn take(columns: &mut ColumnsIn, texts: &mut TextsIn) -> Result<ThreadEntry, Error> {
    let mut ids = id::THREAD..;
    let mut next = || ids.next().unwrap_or_default();
    let mut signed = |columns: &mut ColumnsIn| columns.number(next()).map(unzigzag);
    let [tid, pid, ptid, sid, vpgid, pgid, fdlimit, vtid, vpid] = array(|| signed(columns))?;
    let [flags, uid, gid, vmsize_kb, vmrss_kb, vmswap_kb] = array(|| columns.small::<u32>(next()))?;
    let [pfmajor, pfminor, pidns_init_start_ts] = array(|| columns.number(next()))?;
    let [tty, loginuid] = array(|| columns.small::<u32>(next()))?;
    let [exe_writable, exe_upper_layer, exe_lower_layer, exe_from_memfd] = from_bits(columns.number(next())?)?;
    let [cap_inheritable, cap_permitted, cap_effective] = array(|| columns.number(next()))?;
    let [exe_ino, exe_ino_ctime, exe_ino_mtime] = array(|| columns.number(next()))?;
    let mut ids = id::THREAD_TEXT..;
    let mut next = || ids.next().unwrap_or_default();
    let [comm, exe, exepath, cwd, root] = array(|| texts.text(columns.reference(next())?))?;
    let [args, env, cgroups] = array(|| texts.list(columns.reference(next())?))?;
    Ok(ThreadEntry {
        tid,
        pid,
        ptid,
        sid,
        vpgid,
        pgid,
        comm,
        exe,
        exepath,
        args,
        cwd,
        fdlimit,
        flags,
        uid,
        gid,
        vmsize_kb,
        vmrss_kb,
        vmswap_kb,
        pfmajor,
        pfminor,
        env,
        vtid,
        vpid,
        cgroups,
        root,
        pidns_init_start_ts,
        tty,
        loginuid,
        exe_writable,
        exe_upper_layer,
        exe_lower_layer,
        exe_from_memfd,
        cap_inheritable,
        cap_permitted,
        cap_effective,
        exe_ino,
        exe_ino_ctime,
        exe_ino_mtime,
    })
}

pub(super) fn put_exact(out: &mut ColumnsOut, texts: &mut TextsOut, thread: &ThreadExact) -> Result<(), Error> {
    let t = thread;
    // The order is part of the format.
    let numbers: [u64; 10] = [
        t.flags.into(),
        t.clone_ts,
        t.lastexec_ts,
        t.exe_ctime_duration_clone,
        t.exe_ctime_duration_pidns,
        zigzag(t.last_fd),
        t.last_enter.into(),
        to_bits([t.dead, t.adopts]),
        zigzag(t.reaper),
        t.last_cpu,
    ];
    for (id, number) in (id::EXACT_THREAD..).zip(numbers) {
        out.number(id, number);
    }
    let rows = [texts.list(&t.env), texts.text(&t.cwd), texts.text(&t.container_id)];
    for (id, row) in (id::EXACT_THREAD_TEXT..).zip(rows) {
        out.reference(id, row);
    }
    match &t.enter {
        None => out.number(id::ENTER_LENGTH, 0),
        Some((ty, params)) => {
            check_count("the parameters of an event", params.len(), limit::ENTER_PARAMS)?;
            out.number(id::ENTER_LENGTH, params.len() as u64 + 1);
            out.number(id::ENTER_TYPE, (*ty).into());
            for param in params {
                let row = texts.text(param);
                out.reference(id::ENTER_PARAM, row);
            }
        }
    }
    Ok(())
}

pub(super) fn take_exact(columns: &mut ColumnsIn, texts: &mut TextsIn) -> Result<ThreadExact, Error> {
    let mut ids = id::EXACT_THREAD..;
    let mut next = || ids.next().unwrap_or_default();
    let flags = columns.small(next())?;
    let [clone_ts, lastexec_ts, exe_ctime_duration_clone, exe_ctime_duration_pidns] = array(|| columns.number(next()))?;
    let last_fd = columns.signed(next())?;
    let last_enter = columns.small(next())?;
    let [dead, adopts] = from_bits(columns.number(next())?)?;
    let reaper = columns.signed(next())?;
    let last_cpu = columns.number(next())?;
    let env = texts.list(columns.reference(id::EXACT_THREAD_TEXT)?)?;
    let cwd = texts.text(columns.reference(id::EXACT_THREAD_TEXT + 1)?)?;
    let container_id = texts.text(columns.reference(id::EXACT_THREAD_TEXT + 2)?)?;
    let enter = match columns.number(id::ENTER_LENGTH)? {
        0 => None,
        length => {
            check_count("the parameters of an event", length as usize - 1, limit::ENTER_PARAMS)?;
            let ty = columns.small(id::ENTER_TYPE)?;
            let mut params: Vec<Text> = Vec::new();
            for _ in 1..length {
                params.push(texts.text(columns.reference(id::ENTER_PARAM)?)?);
            }
            Some((ty, params))
        }
    };
    Ok(ThreadExact {
        env,
        cwd,
        flags,
        container_id,
        clone_ts,
        lastexec_ts,
        exe_ctime_duration_clone,
        exe_ctime_duration_pidns,
        last_fd,
        last_enter,
        enter,
        dead,
        adopts,
        reaper,
        last_cpu,
    })
}

pub(super) fn to_bits<const N: usize>(bits: [bool; N]) -> u64 {
    bits.into_iter().enumerate().fold(0, |all, (at, bit)| all | u64::from(bit) << at)
}

pub(super) fn from_bits<const N: usize>(bits: u64) -> Result<[bool; N], Error> {
    if bits >> N != 0 {
        return Err(wrong(format!("unknown bits {bits:#x}")));
    }
    Ok(std::array::from_fn(|at| bits >> at & 1 == 1))
}

/// As many as the array takes, one after another.
fn array<T: Default, const N: usize>(mut one: impl FnMut() -> Result<T, Error>) -> Result<[T; N], Error> {
    let mut all: [T; N] = std::array::from_fn(|_| T::default());
    for each in &mut all {
        *each = one()?;
    }
    Ok(all)
}
