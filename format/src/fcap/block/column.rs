//! Numbers of the columns. They may never change; a new column takes a new number.

/// Small record: see `head`.
pub(super) const HEAD: u32 = 1;
/// Event times.
pub(super) const TS: u32 = 8;
/// Shapes: type, marks, flags and number of parameters.
pub(super) const SHAPE: u32 = 16;
/// Processors.
pub(super) const CPU: u32 = 24;
/// Process versions of the events.
pub(super) const PROCESS: u32 = 32;
/// Descriptor versions of the events.
pub(super) const FD: u32 = 40;
/// Descriptor numbers of the events.
pub(super) const FD_NUM: u32 = 48;
/// Rows whose thread id is not that of their process version, and those ids.
pub(super) const TID_ROW: u32 = 56;
pub(super) const TID: u32 = 64;
/// Gaps in the event numbers.
pub(super) const NUM: u32 = 72;

/// Tables: each field of a table has a column of its own.
pub(super) const PROCESS_TABLE: u32 = 0x100;
pub(super) const INFO_TABLE: u32 = 0x200;
pub(super) const FD_TABLE: u32 = 0x400;
pub(super) const REFERENCES: u32 = 0x1000;

/// Users, groups, containers and the host, see `small`.
pub(super) const SMALL: u32 = 80;

/// Strings of process versions.
pub(super) const PROCESS_TEXTS: u32 = 0x700;
/// Strings of descriptor versions.
pub(super) const FD_TEXTS: u32 = 0x710;

/// Parameters: event type, parameter and part.
pub(super) fn param(ty: u16, index: usize, part: u32) -> u32 {
    0x1_0000 + u32::from(ty) * 4096 + (index as u32) * 64 + part
}

/// Parts of a parameter's columns.
pub(super) mod part {
    /// How the parameter is stored: the source that predicts it, a byte.
    pub(crate) const SOURCE: u32 = 0;
    /// Numbers, or codes of byte strings.
    pub(crate) const CODES: u32 = 8;
    /// Lengths of distinct byte strings.
    pub(crate) const LENGTHS: u32 = 16;
    /// Bytes of distinct byte strings.
    pub(crate) const BYTES: u32 = 24;
}

/// A column's name in tables of sizes.
pub(super) fn name(id: u32) -> String {
    let table = |name: &str, base: u32| format!("{name}.{}", (id - base) / 8);
    match id {
        HEAD => "head".to_owned(),
        SMALL => "small".to_owned(),
        TS..0x100 => ["ts", "shape", "cpu", "process", "fd", "fd_num", "tid_row", "tid", "num"]
            .get(((id - TS) / 8) as usize)
            .map_or_else(|| format!("{id}"), |name| (*name).to_owned()),
        PROCESS_TABLE..INFO_TABLE => table("process", PROCESS_TABLE),
        INFO_TABLE..FD_TABLE => table("thread", INFO_TABLE),
        FD_TABLE..PROCESS_TEXTS => table("fd", FD_TABLE),
        PROCESS_TEXTS..FD_TEXTS => "process strings".to_owned(),
        FD_TEXTS..REFERENCES => "fd strings".to_owned(),
        REFERENCES..0x1_0000 => format!("reference group {}", (id - REFERENCES) / 24),
        _ => {
            let (ty, rest) = ((id - 0x1_0000) / 4096, (id - 0x1_0000) % 4096);
            let info = crate::schema::event_info(ty as u16);
            let event = info.map_or("?", |info| info.name);
            let param = info.and_then(|info| info.params.get((rest / 64) as usize)).map_or("?", |param| param.name);
            let part = ["source", "codes", "lengths", "bytes"].get((rest % 64 / 8) as usize).unwrap_or(&"?");
            format!("{event}.{param} {part}")
        }
    }
}
