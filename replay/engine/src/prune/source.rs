//! Which values of a summary a field can take.
//!
//! | fields | values at an event | set |
//! |---|---|---|
//! | `proc.name`, `proc.exe`, `proc.exepath` | of its thread | `Comm`, `Exe`, `ExePath`, role own |
//! | `proc.pname`, `proc.pexe`, `proc.pexepath` | of the parent process of its thread | the same, role parent |
//! | `proc.aname`, `proc.aexe`, `proc.aexepath`, with an index or of any ancestor | of threads above it, or its main thread | the same, any role |
//! | `proc.sname`, `proc.sid.*`, `proc.vpgid.*`, `proc.pgid.*` (names and paths) | of a leader, which the table of the block holds too; empty without one | the same, any role, or empty |
//! | `fd.name` | its descriptor's; without one what its parameters name | `FdName` |
//! | `fd.directory` | of a file or without descriptor the directory of that name, of a directory itself | `FdName` |
//! | `fd.filename` | of a file the last component | `FdName` |
//! | `fd.cip`, `fd.cnet` | source of its inet socket, where that has a role | `Address`, role client |
//! | `fd.sip`, `fd.snet` | destination of one with a role, or listened on | `Address`, role server |
//! | `fd.lip`, `fd.rip`, `fd.lnet`, `fd.rnet` | one of these, whatever the interfaces say | `Address`, roles client and server |
//! | `fd.ip`, `fd.net` | either end | `Address`, any role |
//! | `fd.cport`, `fd.sport` | port of the source, of the destination | `SourcePort`, `DestPort` |
//! | `fd.port`, `fd.proto`, `fd.lport`, `fd.rport` | of either end | both |
//! | `user.name` | as its thread's user; on a container event the user of the container | `UserName` |
//! | `user.uid`, `user.loginuid`, `user.loginname` | of its thread | `Uid`, `LoginUid`, `LoginName` |
//! | `container.id`, `.name`, `.image`, `.image.repository`, `.image.tag`, `.image.digest`, `k8s.pod.name`, `k8s.ns.name` | of its thread's container; on a container event of the one it describes | sets of these names |
//!
//! Everything else is not looked up: `fd.containername` (two values in one), `fd.nameraw` and all that parameters hold
//! (`evt.arg`, `fs.path`), numbers of processes, command lines, environments.

use std::borrow::Cow;

use falco_replay_format::fcap::summary::{Key, Part, Summary, role};

use crate::catalogue::Field;
use crate::fields::{Arg, Extractor, directory_of, filename_of};
use crate::value::Value;

/// What the values of a set are as those of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text(Part),
    Address,
    Number,
    /// A number whose largest stands for -1.
    SignedNumber,
}

/// Where the values of a field come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) keys: &'static [Key],
    /// A value counts where it has one of these roles; 0 for sets without roles.
    roles: u8,
    pub(super) form: Form,
    /// A value that the field may always take.
    pub(super) also: Option<&'static [u8]>,
    /// Whether every event has a value where the set is complete.
    always: bool,
}

const fn text(keys: &'static [Key], roles: u8) -> Source {
    Source { keys, roles, form: Form::Text(Part::Whole), also: None, always: false }
}

const fn own(keys: &'static [Key]) -> Source {
    Source { always: true, ..text(keys, role::OWN) }
}

const fn leader(keys: &'static [Key]) -> Source {
    Source { also: Some(b""), ..text(keys, role::ANY) }
}

const fn plain(keys: &'static [Key]) -> Source {
    Source { always: true, ..text(keys, 0) }
}

const fn address(roles: u8) -> Source {
    Source { form: Form::Address, ..text(&[Key::Address], roles) }
}

const fn number(keys: &'static [Key], form: Form, always: bool) -> Source {
    Source { form, always, ..text(keys, 0) }
}

const COMM: &[Key] = &[Key::Comm];
const EXE: &[Key] = &[Key::Exe];
const EXE_PATH: &[Key] = &[Key::ExePath];
const FD_NAME: &[Key] = &[Key::FdName];
const NAMED: u8 = role::FILE | role::DIRECTORY | role::OTHER | role::UNOPENED;

/// Where the values of a field come from; `None` for fields that are not looked up.
pub(super) fn source(extractor: &Extractor) -> Option<Source> {
    use Field as F;
    let indexed = matches!(extractor.arg, Arg::Index(_));
    match extractor.field? {
        F::ProcAname | F::ProcAexe | F::ProcAexepath if !indexed => None,
        // Asked for every ancestor the field is a subject of its own; without an index else it is all of them joined.
        field @ (F::ProcAname | F::ProcAexe | F::ProcAexepath) => of_ancestors(field),
        F::ProcName => Some(own(COMM)),
        F::ProcExe => Some(own(EXE)),
        F::ProcExepath => Some(own(EXE_PATH)),
        F::ProcPname => Some(text(COMM, role::PARENT)),
        F::ProcPexe => Some(text(EXE, role::PARENT)),
        F::ProcPexepath => Some(text(EXE_PATH, role::PARENT)),
        F::ProcSname | F::ProcVpgidName | F::ProcPgidName => Some(leader(COMM)),
        F::ProcSidExe | F::ProcVpgidExe | F::ProcPgidExe => Some(leader(EXE)),
        F::ProcSidExepath | F::ProcVpgidExepath | F::ProcPgidExepath => Some(leader(EXE_PATH)),
        F::FdName => Some(text(FD_NAME, NAMED)),
        F::FdDirectory => {
            let roles = role::FILE | role::DIRECTORY | role::UNOPENED;
            Some(Source { form: Form::Text(Part::Directory), ..text(FD_NAME, roles) })
        }
        F::FdFilename => Some(Source { form: Form::Text(Part::FileName), ..text(FD_NAME, role::FILE) }),
        F::FdCip | F::FdCnet => Some(address(role::CLIENT)),
        F::FdSip | F::FdSnet => Some(address(role::SERVER)),
        F::FdLip | F::FdRip | F::FdLnet | F::FdRnet => Some(address(role::CLIENT | role::SERVER)),
        F::FdCport => Some(number(&[Key::SourcePort], Form::Number, false)),
        F::FdSport => Some(number(&[Key::DestPort], Form::Number, false)),
        F::FdLport | F::FdRport => of_ends(F::FdPort),
        F::UserName => Some(plain(&[Key::UserName])),
        F::UserLoginname => Some(plain(&[Key::LoginName])),
        F::UserUid => Some(number(&[Key::Uid], Form::Number, true)),
        F::UserLoginuid => Some(number(&[Key::LoginUid], Form::SignedNumber, true)),
        F::ContainerId => Some(plain(&[Key::ContainerId])),
        F::ContainerName => Some(plain(&[Key::ContainerName])),
        F::ContainerImage => Some(plain(&[Key::Image])),
        F::ContainerImageRepository => Some(plain(&[Key::ImageRepository])),
        F::ContainerImageTag => Some(plain(&[Key::ImageTag])),
        F::ContainerImageDigest => Some(plain(&[Key::ImageDigest])),
        F::K8sPodName => Some(plain(&[Key::PodName])),
        F::K8sNsName => Some(plain(&[Key::PodNamespace])),
        _ => None,
    }
}

/// The same for a field of which any ancestor's value counts.
pub(super) fn of_ancestors(field: Field) -> Option<Source> {
    match field {
        Field::ProcAname => Some(text(COMM, role::ANY)),
        Field::ProcAexe => Some(text(EXE, role::ANY)),
        Field::ProcAexepath => Some(text(EXE_PATH, role::ANY)),
        _ => None,
    }
}

/// The same for a field that compares both ends of an inet socket.
pub(super) fn of_ends(field: Field) -> Option<Source> {
    match field {
        Field::FdIp | Field::FdNet => Some(address(role::END)),
        Field::FdPort | Field::FdProto => Some(number(&[Key::SourcePort, Key::DestPort], Form::Number, false)),
        _ => None,
    }
}

impl Source {
    /// Whether the values are those of containers, which may be known better than when their events came.
    pub(super) fn container_key(self) -> Option<Key> {
        let joined = |key: &Key| (*key > Key::ContainerId && *key <= Key::PodNamespace) || *key == Key::UserName;
        self.keys.iter().copied().find(joined)
    }

    /// Whether every delivered event of the block has a value.
    pub(super) fn is_complete(self, summary: &Summary) -> bool {
        self.always && self.keys.iter().all(|&key| summary.is_complete(key))
    }

    /// Calls `with` on every value that the field may take until it gives false; gives whether all values of the field
    /// are listed.
    pub(super) fn each(self, summary: &Summary, with: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        for &key in self.keys {
            let listed = match self.form {
                Form::Text(part) => summary.texts(key).map(|mut texts| {
                    texts.all(|(text, roles)| {
                        (self.roles != 0 && roles & self.roles == 0) || each_form(part, text, roles & self.roles, with)
                    })
                }),
                Form::Address => summary.addresses().map(|addresses| {
                    addresses.iter().all(|(ip, roles)| roles & self.roles == 0 || with(Value::Ip(*ip)))
                }),
                Form::Number => summary
                    .numbers(key)
                    .map(|numbers| numbers.iter().all(|&number| with(Value::Uint(u64::from(number))))),
                Form::SignedNumber => summary.numbers(key).map(|numbers| {
                    let signed = |number: u32| if number == u32::MAX { -1 } else { i64::from(number) };
                    numbers.iter().all(|&number| with(Value::Int(signed(number))))
                }),
            };
            match listed {
                None => return false,
                Some(false) => return true,
                Some(true) => {}
            }
        }
        if let Some(also) = self.also {
            with(Value::text(also));
        }
        true
    }
}

/// Calls `with` on what a field shows of a text with these roles.
fn each_form(part: Part, text: &[u8], roles: u8, with: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
    let mut give = |text: &[u8]| with(Value::Bytes(Cow::Borrowed(text)));
    match part {
        Part::Whole => give(text),
        Part::FileName => give(filename_of(text)),
        Part::Directory => {
            (roles & role::DIRECTORY == 0 || give(text)) && (roles & !role::DIRECTORY == 0 || give(directory_of(text)))
        }
    }
}
