//! What a captured text is of: the places that a field's value is made of.

use std::ops::{BitOr, BitOrAssign};

use falco_replay_format::schema::{EventInfo, ParamType, ev};

/// A set of kinds of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kinds(u32);

impl Kinds {
    /// None.
    pub const NONE: Kinds = Kinds(0);
    /// Names of threads.
    pub const COMM: Kinds = Kinds(1);
    /// First arguments.
    pub const EXE: Kinds = Kinds(1 << 1);
    /// Paths of executables.
    pub const EXEPATH: Kinds = Kinds(1 << 2);
    /// The other arguments.
    pub const ARGS: Kinds = Kinds(1 << 3);
    /// Environments.
    pub const ENV: Kinds = Kinds(1 << 4);
    /// Working directories.
    pub const CWD: Kinds = Kinds(1 << 5);
    /// Names of files, unix sockets and whatever else a descriptor stands for.
    pub const PATHS: Kinds = Kinds(1 << 6);
    /// IP addresses.
    pub const ADDRESSES: Kinds = Kinds(1 << 7);
    /// Data that was read, written, sent or received.
    pub const BUFFERS: Kinds = Kinds(1 << 8);
    /// Names, homes and shells of users.
    pub const USERS: Kinds = Kinds(1 << 9);
    /// Names of groups.
    pub const GROUPS: Kinds = Kinds(1 << 10);
    /// The name of the host.
    pub const HOSTNAME: Kinds = Kinds(1 << 11);
    /// Control groups.
    pub const CGROUPS: Kinds = Kinds(1 << 12);
    /// Ids of containers and pod sandboxes.
    pub const CONTAINER_ID: Kinds = Kinds(1 << 13);
    /// Names of containers.
    pub const CONTAINER_NAME: Kinds = Kinds(1 << 14);
    /// Images of containers.
    pub const CONTAINER_IMAGE: Kinds = Kinds(1 << 15);
    /// Labels of containers and pods.
    pub const CONTAINER_LABELS: Kinds = Kinds(1 << 16);
    /// Mounts of containers.
    pub const CONTAINER_MOUNTS: Kinds = Kinds(1 << 17);
    /// Network configuration of containers.
    pub const CONTAINER_CNI: Kinds = Kinds(1 << 18);
    /// Whatever else the metadata of containers say.
    pub const CONTAINER_OTHER: Kinds = Kinds(1 << 19);
    /// Texts of events that belong to no other kind.
    pub const OTHER: Kinds = Kinds(1 << 20);
    /// All of them.
    pub const ALL: Kinds = Kinds((1 << 21) - 1);
    /// Everything that metadata of containers have.
    pub const CONTAINERS: Kinds = Kinds(0b111_1111 << 13);
    /// What a descriptor's name can be made of.
    pub const DESCRIPTORS: Kinds = Kinds(0b111 << 5);

    /// Whether there is a kind that both have.
    #[inline]
    pub fn has(self, any: Kinds) -> bool {
        self.0 & any.0 != 0
    }
}

impl BitOr for Kinds {
    type Output = Kinds;

    fn bitor(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

impl BitOrAssign for Kinds {
    fn bitor_assign(&mut self, other: Kinds) {
        self.0 |= other.0;
    }
}

/// What the value of a field is made of: nothing for numbers, times and flags.
pub fn of_field(name: &str) -> Kinds {
    let last = name.rsplit('.').next().unwrap_or(name);
    match name {
        "proc.cmdline" | "proc.pcmdline" | "proc.acmdline" => Kinds::COMM | Kinds::ARGS,
        "proc.exeline" => Kinds::EXE | Kinds::ARGS,
        "proc.args" | "proc.aargs" => Kinds::ARGS,
        "proc.env" | "proc.aenv" => Kinds::ENV,
        // A relative path is seen from the working directory, which calls change by paths and by descriptors.
        "proc.cwd" => Kinds::CWD | Kinds::PATHS,
        "proc.stdin.name" | "proc.stdout.name" | "proc.stderr.name" => Kinds::DESCRIPTORS,
        "proc.pname" | "proc.aname" | "proc.sname" | "thread.nametid" => Kinds::COMM,
        "proc.pexe" | "proc.aexe" => Kinds::EXE,
        "proc.pexepath" | "proc.aexepath" => Kinds::EXEPATH | Kinds::CWD,
        _ if name.starts_with("proc.") && last == "exepath" => Kinds::EXEPATH | Kinds::CWD,
        _ if name.starts_with("proc.") && last == "exe" => Kinds::EXE,
        _ if name.starts_with("proc.") && last == "name" => Kinds::COMM,
        "thread.cgroups" | "thread.cgroup" => Kinds::CGROUPS | Kinds::CONTAINER_ID,
        "user.name" | "user.homedir" | "user.shell" | "user.loginname" => Kinds::USERS,
        "group.name" => Kinds::GROUPS,
        "fd.containername" | "fd.containerdirectory" => Kinds::DESCRIPTORS | Kinds::CONTAINER_ID | Kinds::CGROUPS,
        "fd.name" | "fd.nameraw" | "fdlist.names" => Kinds::DESCRIPTORS,
        "fd.directory" | "fd.filename" | "evt.abspath" => Kinds::PATHS | Kinds::CWD,
        _ if name.starts_with("fs.path.") => Kinds::PATHS | Kinds::CWD,
        "fd.ip" | "fd.cip" | "fd.sip" | "fd.lip" | "fd.rip" | "fdlist.cips" | "fdlist.sips" => Kinds::ADDRESSES,
        "fd.cip.name" | "fd.sip.name" | "fd.lip.name" | "fd.rip.name" => Kinds::ADDRESSES,
        "fd.net" | "fd.cnet" | "fd.snet" | "fd.lnet" | "fd.rnet" => Kinds::ADDRESSES,
        "evt.buffer" | "evt.plugininfo" => Kinds::BUFFERS,
        "evt.args" | "evt.arg" | "evt.rawarg" | "evt.info" => Kinds::ALL,
        "evt.hostname" => Kinds::HOSTNAME,
        _ if name.starts_with("evt.infra.") => Kinds::OTHER,
        "container.id" | "container.full_id" => Kinds::CONTAINER_ID | Kinds::CGROUPS,
        "container.name" => Kinds::CONTAINER_NAME,
        "container.ip" => Kinds::ADDRESSES,
        "container.cni.json" => Kinds::CONTAINER_CNI,
        "container.healthcheck" | "container.liveness_probe" | "container.readiness_probe" => Kinds::CONTAINER_OTHER,
        _ if name.starts_with("container.image") => Kinds::CONTAINER_IMAGE,
        _ if name.starts_with("container.mount") => Kinds::CONTAINER_MOUNTS,
        _ if name.starts_with("container.label") => Kinds::CONTAINER_LABELS,
        // Names and ids of pods stand in names of containers and in control groups, too.
        _ if name.starts_with("k8s.") => {
            Kinds::CONTAINER_LABELS
                | Kinds::CONTAINER_CNI
                | Kinds::CONTAINER_NAME
                | Kinds::CONTAINER_ID
                | Kinds::CGROUPS
        }
        _ => Kinds::NONE,
    }
}

/// What the text of a container event can hold.
const METADATA: Kinds = Kinds(Kinds::CONTAINERS.0 | Kinds::ADDRESSES.0 | Kinds::USERS.0 | Kinds::ENV.0);

/// What is meant where a parameter is named by itself.
pub fn of_named(info: &EventInfo, index: usize) -> Kinds {
    match info.id {
        ev::ASYNCEVENT_E if of_param(info, index) != Kinds::NONE => Kinds::BUFFERS,
        ev::CONTAINER_JSON_2_E => Kinds::CONTAINERS,
        _ => of_param(info, index),
    }
}

/// What a parameter of an event is; nothing for numbers and for the names of event kinds.
pub fn of_param(info: &EventInfo, index: usize) -> Kinds {
    let param = &info.params[index];
    let is_exec = matches!(
        info.id,
        ev::SYSCALL_EXECVE_19_E | ev::SYSCALL_EXECVE_19_X | ev::SYSCALL_EXECVEAT_E | ev::SYSCALL_EXECVEAT_X
    );
    match (param.ty, param.name) {
        (ParamType::Sockaddr | ParamType::Socktuple, _) => Kinds::ADDRESSES | Kinds::PATHS,
        (ParamType::Ipv4addr | ParamType::Ipv6addr | ParamType::Ipaddr, _) => Kinds::ADDRESSES,
        (ParamType::Dyn, _) => Kinds::OTHER,
        (ParamType::Bytebuf, "args") => Kinds::ARGS,
        (ParamType::Bytebuf, "env") => Kinds::ENV,
        (ParamType::Bytebuf, "cgroups") => Kinds::CGROUPS | Kinds::CONTAINER_ID,
        (ParamType::Bytebuf, _) if info.id == ev::ASYNCEVENT_E => Kinds::BUFFERS | METADATA,
        (ParamType::Bytebuf, _) => Kinds::BUFFERS,
        (ParamType::Fspath | ParamType::Fsrelpath, _) if is_exec => Kinds::EXEPATH,
        (ParamType::Fspath | ParamType::Fsrelpath, _) => Kinds::PATHS,
        (ParamType::Charbuf, name) => match (info.id, name) {
            (ev::ASYNCEVENT_E, _) => Kinds::NONE,
            (ev::CONTAINER_JSON_2_E, _) => METADATA,
            (ev::USER_ADDED_E | ev::USER_DELETED_E | ev::GROUP_ADDED_E | ev::GROUP_DELETED_E, "container_id") => {
                Kinds::CONTAINER_ID
            }
            (ev::USER_ADDED_E | ev::USER_DELETED_E, _) => Kinds::USERS,
            (ev::GROUP_ADDED_E | ev::GROUP_DELETED_E, _) => Kinds::GROUPS,
            (ev::SYSCALL_CHDIR_X | ev::SYSCALL_GETCWD_X, _) => Kinds::CWD,
            (ev::SYSCALL_PRCTL_X, _) => Kinds::COMM,
            (_, "comm") => Kinds::COMM,
            (_, "exe") => Kinds::EXE,
            (_, "cwd") => Kinds::CWD,
            (_, "filename" | "pathname" | "trusted_exepath") if is_exec => Kinds::EXEPATH,
            (ev::SYSCALL_MEMFD_CREATE_X, _) => Kinds::PATHS,
            (_, "target" | "dev" | "dir" | "special" | "quotafilepath") => Kinds::PATHS,
            _ => Kinds::OTHER,
        },
        _ => Kinds::NONE,
    }
}

#[cfg(test)]
mod tests {
    use falco_replay_format::schema::{EVENTS, ParamType, ev};

    use super::{Kinds, of_field, of_param};

    #[test]
    fn every_text_of_an_event_is_of_a_kind() {
        for info in &EVENTS {
            for (index, param) in info.params.iter().enumerate() {
                let is_text = matches!(
                    param.ty,
                    ParamType::Charbuf
                        | ParamType::Bytebuf
                        | ParamType::Fspath
                        | ParamType::Fsrelpath
                        | ParamType::Sockaddr
                        | ParamType::Socktuple
                        | ParamType::Dyn
                        | ParamType::Ipv4addr
                        | ParamType::Ipv6addr
                        | ParamType::Ipaddr
                );
                let kinds = of_param(info, index);
                let is_kind_of_event = info.id == ev::ASYNCEVENT_E && param.name == "name";
                assert_eq!(kinds != Kinds::NONE, is_text && !is_kind_of_event, "{} {}", info.symbol, param.name);
            }
        }
    }

    #[test]
    fn fields_and_what_they_are_made_of() {
        assert_eq!(of_field("proc.cmdline"), Kinds::COMM | Kinds::ARGS);
        assert_eq!(of_field("proc.vpgid.exe"), Kinds::EXE);
        assert_eq!(of_field("proc.sid.exepath"), Kinds::EXEPATH | Kinds::CWD);
        assert!(of_field("fd.name").has(Kinds::ADDRESSES) && of_field("fd.name").has(Kinds::CWD));
        for number in ["evt.num", "proc.pid", "fd.cport", "user.uid", "container.privileged", "evt.time"] {
            assert_eq!(of_field(number), Kinds::NONE, "{number}");
        }
    }
}
