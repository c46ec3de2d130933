//! What any Linux server has: its services, users, groups and interfaces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::lists::{GroupEntry, Head, Interface, Machine, UserEntry};

use super::task::{Open, Task};

/// When the host was booted.
pub const BOOT: u64 = 1_773_446_400_000_000_000;
/// When pid namespaces began, since boot.
pub const PIDNS_START: u64 = 312_000_000_000;

const USERS: [(u32, &str, &str, &str); 6] = [
    (0, "root", "/root", "/bin/bash"),
    (1, "daemon", "/usr/sbin", "/usr/sbin/nologin"),
    (33, "www-data", "/var/www", "/usr/sbin/nologin"),
    (100, "messagebus", "/nonexistent", "/usr/sbin/nologin"),
    (101, "sshd", "/run/sshd", "/usr/sbin/nologin"),
    (1000, "ada", "/home/ada", "/bin/bash"),
];

/// Services that run everywhere.
pub fn services() -> Vec<Task> {
    let log = Open::File("/var/log/journal/system.journal".into());
    vec![
        Task::service(1, "/usr/lib/systemd/systemd", &["--switched-root", "--system"]),
        Task::service(214, "/usr/lib/systemd/systemd-journald", &[])
            .with_fd(3, Open::Unix("/run/systemd/journal/socket".into()))
            .with_fd(4, log),
        Task::service(241, "/usr/lib/systemd/systemd-udevd", &[]),
        Task::service(498, "/usr/bin/dbus-daemon", &["--system", "--nofork"]).owned_by(100, 100),
        Task::service(512, "/usr/lib/systemd/systemd-logind", &[]),
        Task::service(530, "/usr/sbin/sshd", &["-D"]).with_fd(3, Open::Listening(Ipv4Addr::UNSPECIFIED, 22)),
        Task::service(544, "/usr/sbin/cron", &["-f"]),
    ]
}

/// What a capture says before its events.
pub fn head(hostname: &str, address: Ipv4Addr, tasks: &[Task]) -> Head {
    let interface = |name: &str, addr: IpAddr, mask: IpAddr, broadcast: IpAddr| Interface {
        name: name.as_bytes().into(),
        addr,
        mask,
        broadcast,
        linkspeed: Some(0),
    };
    let [a, b, c, _] = address.octets();
    Head {
        machine: Some(Machine {
            cpus: 2,
            memory: 4 << 30,
            max_pid: 4_194_304,
            hostname: hostname.as_bytes().into(),
            boot_time: BOOT,
            flags: [0; 3],
        }),
        threads: tasks.iter().map(|task| task.entry(if task.contained() { PIDNS_START } else { 0 })).collect(),
        fds: tasks.iter().map(|task| (task.pid, task.fd_entries())).collect(),
        interfaces: vec![
            interface(
                "lo",
                Ipv4Addr::LOCALHOST.into(),
                Ipv4Addr::new(255, 0, 0, 0).into(),
                Ipv4Addr::new(127, 255, 255, 255).into(),
            ),
            interface(
                "eth0",
                address.into(),
                Ipv4Addr::new(255, 255, 255, 0).into(),
                Ipv4Addr::new(a, b, c, 255).into(),
            ),
            interface(
                "lo",
                Ipv6Addr::LOCALHOST.into(),
                Ipv6Addr::from([0xff; 16]).into(),
                Ipv6Addr::UNSPECIFIED.into(),
            ),
        ],
        users: USERS
            .map(|(id, name, home, shell)| UserEntry {
                uid: id,
                gid: id,
                name: name.as_bytes().into(),
                home: home.as_bytes().into(),
                shell: shell.as_bytes().into(),
            })
            .into(),
        groups: USERS.map(|(gid, name, ..)| GroupEntry { gid, name: name.as_bytes().into() }).into(),
        exact: None,
    }
}
