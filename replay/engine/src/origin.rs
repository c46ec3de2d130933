//! Where the value of each field comes from: columns of the event, tables of its block.
//!
//! `ARCHITECTURE.md` shows it as a table, and a test compares the two.

use falco_replay_format::demand::want;

use crate::catalogue::Field;
use crate::fields::{Arg, Domain, Extractor, domain};

/// What each kind of reference is called.
const REFERENCES: [(u16, &str); 8] = [
    (want::PARAMS, "what parameters number"),
    (want::STDIO, "descriptors by number"),
    (want::POLL, "poll list"),
    (want::FD_KINDS, "kinds of open descriptors"),
    (want::COUNTS, "counts"),
    (want::LEADERS, "leaders"),
    (want::MEMORY, "memory"),
    (want::CPU, "processor time"),
];

/// The tables and columns that a field is made of, in words: `process version`, `time, process version`,
/// `parameters; references: poll list`.
pub fn source_of(field: Field) -> String {
    let mut source = match domain(field) {
        Domain::Type => "event type",
        Domain::Process => "process version",
        Domain::Fd => "fd version",
        Domain::Event => columns(field),
    }
    .to_owned();
    // With an argument `fd.types` asks for one descriptor, without for all.
    let arguments: &[Arg] = if field == Field::FdTypes { &[Arg::None, Arg::Index(0)] } else { &[Arg::None] };
    let wanted =
        arguments.iter().fold(0, |wanted, arg| wanted | Extractor { field: Some(field), arg: arg.clone() }.wants().0);
    for (bit, name) in REFERENCES {
        if wanted & bit != 0 {
            source.push_str(if source.contains("; references: ") { ", " } else { "; references: " });
            source.push_str(name);
        }
    }
    source
}

/// What a field that needs the event looks at there, references aside.
fn columns(field: Field) -> &'static str {
    use Field as F;
    match field {
        F::EvtNum => "number",
        F::EvtCpu => "processor",
        F::EvtTime
        | F::EvtTimeS
        | F::EvtTimeIso8601
        | F::EvtDatetime
        | F::EvtDatetimeS
        | F::EvtRawtime
        | F::EvtRawtimeS
        | F::EvtRawtimeNs
        | F::EvtOutputtime
        | F::EvtAround => "time",
        F::EvtReltime | F::EvtReltimeS | F::EvtReltimeNs => "time, host",
        F::EvtDeltatime | F::EvtDeltatimeS | F::EvtDeltatimeNs => "time, time of the event before",
        F::EvtType | F::SyscallType | F::EvtSource | F::EvtAsynctype => "event type, parameters",
        F::EvtCategory | F::EvtIsSyslog => "event type, fd version",
        F::EvtCountProcinfo => "event type, process version",
        F::EvtBuflen
        | F::EvtBuflenIn
        | F::EvtBuflenOut
        | F::EvtBuflenFile
        | F::EvtBuflenFileIn
        | F::EvtBuflenFileOut
        | F::EvtBuflenNet
        | F::EvtBuflenNetIn
        | F::EvtBuflenNetOut
        | F::EvtCountErrorFile
        | F::EvtCountErrorNet
        | F::EvtCountErrorOther => "parameters, fd version",
        F::EvtArgs | F::EvtInfo | F::EvtArg | F::EvtRes | F::EvtAbspath => "parameters, process version, fd version",
        F::ThreadTid => "thread id",
        F::ThreadExectime | F::ThreadTotexectime => "nothing: always 0",
        F::ProcDuration | F::ProcPpidDuration | F::ContainerDuration => "time, process version",
        field if (F::ProcExe..=F::GroupName).contains(&field) || field == F::FdTypes => "process version",
        F::FdNum => "fd number",
        F::FdUid => "thread id, fd number",
        F::FdNameChanged => "marks, fd version",
        F::FdIp | F::FdPort | F::FdProto | F::FdNet => "fd version, in conditions only",
        F::FdCnet | F::FdSnet => "fd version",
        F::FdLip
        | F::FdRip
        | F::FdLport
        | F::FdRport
        | F::FdLproto
        | F::FdRproto
        | F::FdLnet
        | F::FdRnet
        | F::FdIsServer => "fd version, process version, host",
        F::FdCipName | F::FdSipName => "fd version, names given by the user",
        F::FdLipName | F::FdRipName => "fd version, process version, host, names given by the user",
        F::FdContainername | F::FdContainerdirectory => "fd version, process version",

        F::UtilCnt => "nothing: never a value",
        field if (F::FsPathName..=F::FsPathTargetraw).contains(&field) => "parameters, process version, fd version",
        _ => "parameters",
    }
}
