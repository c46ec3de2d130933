//! Paths that events name: resolved against directories, as `fs.path.*`, `evt.abspath` and failed opens show them.

use falco_replay_format::block::FdKind;
use falco_replay_format::path::{UNKNOWN_DIR, join};
use falco_replay_format::schema::{ParamInfo, ParamType, ev};
use falco_replay_format::unopened::{self, with_slash};

use crate::params::legacy;
use crate::view::View;

pub(crate) use falco_replay_format::unopened::AT_FDCWD;

/// Which of an event's paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Name,
    Source,
    Target,
}

/// The directory that parameter `index` stands for, with its final "/"; `None` where it is not known.
fn known_dir(view: &View<'_>, index: usize) -> Option<Vec<u8>> {
    match view.params.i64(index)? {
        AT_FDCWD => view.cwd().map(<[u8]>::to_vec),
        _ => view.param_fd(index).map(|fd| with_slash(&fd.name)),
    }
}

fn dir(view: &View<'_>, index: usize) -> Vec<u8> {
    known_dir(view, index).unwrap_or_else(|| UNKNOWN_DIR.to_vec())
}

/// The absolute form of a relative path parameter: empty where there is nothing to resolve it by.
pub(crate) fn resolve_param(view: &View<'_>, param: &ParamInfo, text: &[u8]) -> Vec<u8> {
    let base = match (param.ty, usize::try_from(param.dirfd)) {
        (ParamType::Fsrelpath, Ok(dirfd)) => known_dir(view, dirfd),
        _ => view.cwd().map(<[u8]>::to_vec),
    };
    base.map(|base| join(&base, text)).unwrap_or_else(|| text.to_vec())
}

/// Where an event type keeps its paths: parameter numbers.
fn path_param(ty: u16, which: Which) -> Option<usize> {
    let (name, source, target) = match ty {
        ev::SYSCALL_MKDIR_2_X
        | ev::SYSCALL_RMDIR_2_X
        | ev::SYSCALL_UNLINK_2_X
        | ev::SYSCALL_CHOWN_X
        | ev::SYSCALL_LCHOWN_X
        | ev::SYSCALL_OPEN_X
        | ev::SYSCALL_UMOUNT_1_X
        | ev::SYSCALL_UMOUNT2_X
        | ev::SYSCALL_CHMOD_X
        | ev::SYSCALL_QUOTACTL_X => (Some(1), None, None),
        ev::SYSCALL_MKDIRAT_X
        | ev::SYSCALL_UNLINKAT_2_X
        | ev::SYSCALL_OPENAT_2_X
        | ev::SYSCALL_OPENAT2_X
        | ev::SYSCALL_FCHMODAT_X
        | ev::SYSCALL_FCHOWNAT_X => (Some(2), None, None),
        ev::SYSCALL_RENAME_X => (None, Some(1), Some(2)),
        ev::SYSCALL_RENAMEAT_X | ev::SYSCALL_RENAMEAT2_X => (None, Some(2), Some(4)),
        // A link's source is the new name, as Falco has it.
        ev::SYSCALL_LINK_2_X => (None, Some(2), Some(1)),
        ev::SYSCALL_LINKAT_2_X => (None, Some(4), Some(2)),
        ev::SYSCALL_SYMLINK_X => (None, Some(2), Some(1)),
        ev::SYSCALL_SYMLINKAT_X => (None, Some(3), Some(1)),
        ev::SYSCALL_MOUNT_X => (None, Some(1), Some(2)),
        _ => (None, None, None),
    };
    match which {
        Which::Name => name,
        Which::Source => source,
        Which::Target => target,
    }
}

fn succeeded(view: &View<'_>) -> bool {
    match view.info.id {
        ev::SYSCALL_OPEN_X | ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X => {
            view.params.i64(0).is_some_and(|fd| fd != -1)
        }
        _ => view.params.i64(0) == Some(0),
    }
}

/// `fs.path.*`.
pub(crate) fn fs_path(view: &View<'_>, which: Which, raw: bool) -> Option<Vec<u8>> {
    let ty = view.info.id;
    if matches!(ty, ev::SYSCALL_FCHMOD_X | ev::SYSCALL_FCHOWN_X) && which == Which::Name {
        return succeeded(view).then(|| view.fd.map(|fd| fd.name.to_vec()).unwrap_or_default());
    }
    let index = path_param(ty, which)?;
    if !succeeded(view) {
        return None;
    }
    let text = legacy(view.params.get(index));
    if raw {
        return Some(text.to_vec());
    }
    if text.starts_with(b"/") {
        return Some(join(b"", text));
    }
    let base = match ty {
        ev::SYSCALL_OPENAT_2_X | ev::SYSCALL_OPENAT2_X => {
            return Some(view.fd.map_or(UNKNOWN_DIR.to_vec(), |fd| fd.name.to_vec()));
        }
        ev::SYSCALL_MKDIRAT_X | ev::SYSCALL_UNLINKAT_2_X | ev::SYSCALL_FCHMODAT_X | ev::SYSCALL_FCHOWNAT_X => {
            directory_or_unknown(view, 1)
        }
        ev::SYSCALL_SYMLINKAT_X if which == Which::Source => directory_or_unknown(view, 2),
        ev::SYSCALL_SYMLINKAT_X => UNKNOWN_DIR.to_vec(),
        ev::SYSCALL_RENAMEAT2_X => dir(view, index - 1),
        _ => view.cwd().map(<[u8]>::to_vec).unwrap_or_default(),
    };
    Some(join(&base, text))
}

fn directory_or_unknown(view: &View<'_>, index: usize) -> Vec<u8> {
    match view.param_fd(index) {
        Some(fd) if fd.kind == FdKind::Directory => with_slash(&fd.name),
        _ => UNKNOWN_DIR.to_vec(),
    }
}

/// `evt.abspath` and its two suffixes.
pub(crate) fn abspath(view: &View<'_>, target: bool) -> Option<Vec<u8>> {
    let (dirfd, path) = match view.info.id {
        ev::SYSCALL_OPENAT_2_X
        | ev::SYSCALL_OPENAT2_X
        | ev::SYSCALL_UNLINKAT_2_X
        | ev::SYSCALL_MKDIRAT_X
        | ev::SYSCALL_FCHMODAT_X
        | ev::SYSCALL_FCHOWNAT_X => (1, 2),
        ev::SYSCALL_RENAMEAT_X | ev::SYSCALL_RENAMEAT2_X | ev::SYSCALL_LINKAT_2_X => {
            if target {
                (3, 4)
            } else {
                (1, 2)
            }
        }
        ev::SYSCALL_SYMLINKAT_X => (2, 3),
        ev::SYSCALL_OPEN_BY_HANDLE_AT_X => {
            let opened = view.params.i64(0).is_some_and(|fd| fd >= 0);
            return opened.then(|| join(b"", legacy(view.params.get(3))));
        }
        _ => return None,
    };
    if view.params.get(dirfd).is_empty() || view.params.get(path).is_empty() {
        return None;
    }
    let text = legacy(view.params.get(path));
    if text.starts_with(b"/") {
        return Some(join(b"", text));
    }
    Some(join(&with_slash(&dir(view, dirfd)), text))
}

/// The name of an fd event that has no descriptor, mostly a failed open. `None`: the field has no value.
pub(crate) fn name_without_fd(view: &View<'_>) -> Option<Vec<u8>> {
    unopened::name(view.block, view.row)
}

/// Runs of slashes as one.
pub(crate) fn single_slashes(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    out
}
