//! Conditions as text: fixed checks, and checks made of a field, an operator and values that scenes may hold.

use std::sync::LazyLock;

use falco_replay_engine::catalogue::Catalogue;
use falco_replay_rules::program::{Condition, Predicate, PredicateId, Priority, Program, Rule, Template};
use falco_replay_rules::{CompiledCondition, compile_condition};
use proptest::prelude::*;
use proptest::sample::select;

use super::{ADDRESSES, crowd_address, crowd_name, crowd_program};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::new);

/// Checks of every kind of field.
pub const CHECKS: &[&str] = &[
    "proc.name = sh",
    "proc.name != sh",
    "proc.name in (cat, nginx)",
    "proc.name exists",
    "proc.pname = runc",
    "proc.aname = nginx",
    "proc.aname in (sshd, sh)",
    "proc.aname exists",
    "proc.cmdline contains run",
    "proc.exepath startswith /usr",
    "proc.args intersects (-c)",
    "proc.name = val(proc.pname)",
    "proc.pid >= 3",
    "proc.env contains A",
    "proc.cwd endswith /",
    "proc.duration exists",
    "proc.duration > 2000",
    "proc.vpid = 1",
    "proc.tty = 0",
    "proc.is_exe_upper_layer = true",
    "proc.aname[1] = sh",
    "proc.aname[3] = nginx",
    "proc.aname contains ngi",
    "proc.apid = 1",
    "proc.apid[2] = 1",
    "proc.acmdline contains run",
    "proc.aenv contains A",
    "proc.aenv[A] = 1",
    "proc.aenv[1] contains A",
    "proc.sname exists",
    "proc.pvpid > 1",
    "proc.loginshellid exists",
    "fd.name startswith /etc",
    "fd.name != /etc/shadow",
    "fd.name exists",
    "fd.name contains shadow",
    "fd.name pmatch (/etc, /usr/*)",
    "fd.name pmatch (/*/none, /e*/passwd)",
    "fd.name glob *a*",
    "fd.name in (/etc/passwd, /dev/log)",
    "fd.directory = /etc",
    "fd.filename = shadow",
    "fd.num >= 0",
    "fd.num < 0",
    "fd.num exists",
    "fd.typechar = f",
    "fd.type = ipv4",
    "fd.type != file",
    "fd.port = 53",
    "fd.port != 53",
    "fd.port = anyof (52, 53)",
    "fd.port intersects (52, 53)",
    "fd.ip in (1.1.1.1, 2.2.2.2)",
    "fd.ip intersects (1.1.1.1)",
    "fd.ip = 1.1.1.1",
    "fd.ip exists",
    "fd.ip != 2.2.2.2",
    "fd.net = 2.0.0.0/8",
    "fd.sip = 2.2.2.2",
    "fd.sport in (53, 54)",
    "fd.l4proto = tcp",
    "fd.connected = true",
    "fd.name = val(proc.name)",
    "fd.ino = 7",
    "fd.name_changed = true",
    "fd.uid exists",
    "fd.lport exists",
    "fd.nameraw contains x",
    "toupper(fd.name) startswith /ETC",
    "basename(fd.name) = shadow",
    "len(fd.name) > 9",
    "evt.type = openat",
    "evt.type != openat",
    "evt.type in (open, openat, execve)",
    "evt.type = read",
    "evt.type startswith read",
    "evt.is_open_read = true",
    "evt.is_open_write = true",
    "evt.rawres >= 0",
    "evt.rawres < 0",
    "evt.rawres exists",
    "evt.failed = false",
    "evt.dir = <",
    "evt.arg.name contains shadow",
    "evt.arg.fd exists",
    "evt.arg[1] exists",
    "evt.arg.res = 0",
    "evt.rawarg.uid = 1",
    "evt.res = SUCCESS",
    "evt.num > 5",
    "evt.cpu = 0",
    "evt.is_io_read = true",
    "evt.category = file",
    "evt.buflen > 2",
    "evt.is_async = true",
    "evt.deltatime > 500",
    "evt.arg.oldpath exists",
    "syscall.type = read",
    "syscall.type exists",
    "evt.type.is.read = 1",
    "evt.count = 1",
    "container.id = host",
    "container.id != host",
    "container.image.repository = nginx",
    "container.name exists",
    "container.privileged = true",
    "container.duration exists",
    "k8s.pod.name exists",
    "user.name = app",
    "user.name = root",
    "user.uid = 0",
    "user.loginuid = -1",
    "group.gid exists",
    "thread.tid = 2",
    "fs.path.name startswith /etc",
    "fs.path.source exists",
    "proc.fdopencount > 1",
    "proc.nthreads > 0",
    "proc.stdin.type exists",
    "fd.types in (file)",
    "fd.types intersects (ipv4, file)",
    "evt.source = syscall",
];

/// Fields of text and what their values may look like: 0 programs, 1 paths, 2 names of containers, 3 users.
const TEXTS: [(&str, usize); 38] = [
    ("proc.name", 0),
    ("proc.exe", 0),
    ("proc.exepath", 1),
    ("proc.pname", 0),
    ("proc.pexe", 0),
    ("proc.pexepath", 1),
    ("proc.aname", 0),
    ("proc.aname[0]", 0),
    ("proc.aname[1]", 0),
    ("proc.aname[2]", 0),
    ("proc.aexe", 0),
    ("proc.aexe[1]", 0),
    ("proc.aexepath", 1),
    ("proc.aexepath[1]", 1),
    ("proc.sname", 0),
    ("proc.sid.exe", 0),
    ("proc.sid.exepath", 1),
    ("proc.vpgid.name", 0),
    ("proc.pgid.name", 0),
    ("proc.pgid.exepath", 1),
    ("fd.name", 1),
    ("fd.name", 1),
    ("fd.name", 1),
    ("fd.directory", 1),
    ("fd.directory", 1),
    ("fd.filename", 1),
    ("fd.filename", 1),
    ("fd.nameraw", 1),
    ("fd.containername", 1),
    ("user.name", 3),
    ("user.loginname", 3),
    ("container.id", 2),
    ("container.name", 2),
    ("container.image", 2),
    ("container.image.repository", 2),
    ("container.image.tag", 2),
    ("k8s.pod.name", 2),
    ("k8s.ns.name", 2),
];

const PROGRAMS: [&str; 12] =
    ["sh", "nginx", "cat", "sshd", "runc", "-bash", "ng", "NGINX", "absent", "/usr/sbin/nginx", "", "worker-77"];

const PATHS: [&str; 44] = [
    "/etc/shadow",
    "/etc/passwd",
    "/etc",
    "/etc/",
    "/e",
    "/",
    "",
    "etc",
    "etc/passwd",
    "shadow",
    "passwd",
    "id",
    "x",
    "/usr/bin/id",
    "/usr/bin",
    "/usr",
    "/root/.ssh",
    "/.ssh/",
    "/.ssh",
    ".ssh",
    "id_rsa",
    "/root/.ssh/id_rsa",
    "/var/tmp/z",
    "/var/log",
    "/proc/self/fd",
    "<UNKNOWN>",
    "<UNKNOWN>tmp/x",
    "tmp/x",
    "a>b/etc",
    "/a:b",
    "c:d",
    "/run/docker.sock",
    "docker.sock",
    "10.0.0.5:",
    "1.1.1.1:40053->2.2.2.2:53",
    "/srv/dir1/sub0",
    "/srv/dir1/",
    "/srv/dir9/sub0",
    "/sub1/",
    "file77.txt",
    "/absent/file",
    "absent",
    "<NA>",
    "/home/u/.ssh/",
];

/// Those that scenes often hold, and parts of them.
const COMMON_PATHS: [&str; 8] =
    ["/etc/shadow", "/etc/passwd", "/etc", "/", "<UNKNOWN>tmp/x", "/root/.ssh/id_rsa", "shadow", "/root/.ssh"];

const GLOBS: [&str; 12] = [
    "/etc/*",
    "*/shadow",
    "/*/.ssh/*",
    "/e?c/passwd",
    "*passwd",
    "/root/[.]ssh/*",
    "/srv/*/sub1/*",
    "?etc*",
    "/absent/*",
    "\\\\/etc/*",
    "*",
    "/tmp/\\\\[x\\\\]*",
];

const CONTAINERS: [&str; 14] = [
    "host",
    "6c270ef2f251",
    "aaaabbbbcccc",
    "000011112222",
    "web",
    "db",
    "nginx",
    "nginx:1.2",
    "1.2",
    "pg",
    "pod-1",
    "default",
    "absent",
    "",
];

const USERS: [&str; 7] = ["root", "alice", "app", "<NA>", "sh", "absent", ""];

fn value(kind: usize) -> BoxedStrategy<String> {
    match kind {
        0 => prop_oneof![
            6 => select(&PROGRAMS[..]).prop_map(str::to_owned),
            1 => (0u32..500).prop_map(crowd_program),
        ]
        .boxed(),
        1 => prop_oneof![
            4 => select(&PATHS[..]).prop_map(str::to_owned),
            4 => select(&COMMON_PATHS[..]).prop_map(str::to_owned),
            1 => (0u32..800).prop_map(crowd_name),
            1 => (0u32..800).prop_map(|at| format!("file{at}.txt")),
            1 => (0usize..30, 0u32..800).prop_map(|(length, at)| {
                let name = crowd_name(at);
                name[..length.min(name.len())].to_owned()
            }),
        ]
        .boxed(),
        2 => select(&CONTAINERS[..]).prop_map(str::to_owned).boxed(),
        _ => select(&USERS[..]).prop_map(str::to_owned).boxed(),
    }
}

fn list(of: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    prop::collection::vec(of, 1..4).prop_map(|values| {
        let quoted: Vec<String> = values.iter().map(|value| format!("\"{value}\"")).collect();
        format!("({})", quoted.join(", "))
    })
}

/// A check of a text.
fn text_check() -> impl Strategy<Value = String> {
    (0..TEXTS.len(), 0usize..9).prop_flat_map(|(at, form)| {
        let (field, kind) = TEXTS[at];
        let wrapped = move |field: &str| match form {
            0 => format!("tolower({field})"),
            1 => format!("basename({field})"),
            2 => format!("toupper({field})"),
            _ => field.to_owned(),
        };
        let operators = vec![
            "=",
            "=",
            "=",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "contains",
            "contains",
            "icontains",
            "startswith",
            "startswith",
            "endswith",
            "endswith",
            "glob",
            "iglob",
        ];
        prop_oneof![
            6 => (select(operators.clone()), value(kind))
                .prop_map(move |(operator, value)| format!("{} {operator} \"{value}\"", wrapped(field))),
            2 => (select(vec!["in", "in", "pmatch", "intersects"]), list(value(kind)))
                .prop_map(move |(operator, list)| format!("{} {operator} {list}", wrapped(field))),
            1 => (select(operators), select(vec!["anyof", "allof", "oneof"]), list(value(kind)))
                .prop_map(move |(operator, modifier, list)| format!("{field} {operator} {modifier} {list}")),
            1 => (select(vec!["glob", "iglob"]), select(&GLOBS[..]))
                .prop_map(move |(operator, pattern)| format!("{field} {operator} \"{pattern}\"")),
            1 => list(select(&GLOBS[..]).prop_map(str::to_owned).boxed())
                .prop_map(move |list| format!("{field} pmatch {list}")),
            1 => select(vec!["^/etc", "pass.*", "n.inx$", "[0-9]", ".*"])
                .prop_map(move |pattern| format!("{field} regex \"{pattern}\"")),
            1 => Just(format!("{field} exists")),
            1 => (0..TEXTS.len(), select(vec!["=", "!=", "startswith", "contains", "<"]))
                .prop_map(move |(other, operator)| format!("{field} {operator} val({})", TEXTS[other].0)),
        ]
    })
}

/// A check of an address, a network, a port or another number.
fn number_check() -> impl Strategy<Value = String> {
    let address = || {
        prop_oneof![
            4 => select(&ADDRESSES[..]).prop_map(|ip| ip.to_string()),
            2 => select(vec!["9.9.9.9", "10.0.0.7", "8.8.8.8", "2001:db8::9", "::", "::1"]).prop_map(str::to_owned),
            2 => (0u32..800).prop_map(|at| crowd_address(at).to_string()),
        ]
        .boxed()
    };
    let networks = vec![
        "10.0.0.0/8",
        "10.0.0.0/24",
        "10.0.0.5/32",
        "0.0.0.0/0",
        "11.0.0.0/12",
        "11.1.0.0/16",
        "11.2.3.0/27",
        "192.168.0.0/16",
        "2001:db8::/32",
        "2001:db8:1::/48",
        "fe80::/10",
        "::/0",
        "2001:db9::/32",
    ];
    let network = move || select(networks.clone()).prop_map(str::to_owned).boxed();
    let number = || {
        prop_oneof![
            4 => select(vec!["53", "54", "80", "443", "0", "1", "1000", "40053", "65535", "31000", "7000", "77", "899"])
                .prop_map(str::to_owned),
            1 => (0u32..60000).prop_map(|number| number.to_string()),
        ]
        .boxed()
    };
    let ip_fields = vec!["fd.ip", "fd.cip", "fd.sip", "fd.lip", "fd.rip"];
    let net_fields = vec!["fd.net", "fd.cnet", "fd.snet", "fd.lnet", "fd.rnet"];
    let port_fields =
        vec!["fd.port", "fd.cport", "fd.sport", "fd.lport", "fd.rport", "fd.proto", "user.uid", "user.loginuid"];
    let plain = |list: String| list.replace('"', "");
    let checks = move |fields: Vec<&'static str>, operators: Vec<&'static str>, of: BoxedStrategy<String>| {
        prop_oneof![
            4 => (select(fields.clone()), select(operators), of.clone())
                .prop_map(|(field, operator, value)| format!("{field} {operator} {value}")),
            2 => (select(fields.clone()), select(vec!["in", "intersects"]), list(of.clone()))
                .prop_map(move |(field, operator, list)| format!("{field} {operator} {}", plain(list))),
            1 => (select(fields.clone()), select(vec!["anyof", "allof", "oneof"]), list(of))
                .prop_map(move |(field, modifier, list)| format!("{field} = {modifier} {}", plain(list))),
            1 => select(fields).prop_map(|field| format!("{field} exists")),
        ]
    };
    prop_oneof![
        checks(ip_fields, vec!["=", "=", "!="], address()),
        checks(net_fields, vec!["=", "=", "!="], network()),
        checks(port_fields, vec!["=", "=", "!=", "<", "<=", ">", ">="], number()),
    ]
}

/// One check as text that compiles.
pub fn check() -> impl Strategy<Value = String> {
    let made = prop_oneof![3 => text_check(), 2 => number_check()];
    prop_oneof![
        1 => (0..CHECKS.len()).prop_map(|at| CHECKS[at].to_owned()),
        3 => made.prop_map(|text| {
            // What a field does not take becomes a check of its presence.
            match compile_condition(&text, &*CATALOGUE) {
                Ok(_) => text,
                Err(_) => "fd.name exists".to_owned(),
            }
        }),
    ]
}

/// A random condition as text.
pub fn condition() -> impl Strategy<Value = String> {
    check().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn shifted(condition: &Condition, by: u32) -> Condition {
    match condition {
        Condition::And(parts) => Condition::And(parts.iter().map(|part| shifted(part, by)).collect()),
        Condition::Or(parts) => Condition::Or(parts.iter().map(|part| shifted(part, by)).collect()),
        Condition::Not(inner) => Condition::Not(Box::new(shifted(inner, by))),
        Condition::Check(predicate) => Condition::Check(PredicateId(predicate.0 + by)),
    }
}

/// A program with a rule for each condition.
pub fn program(compiled: &[CompiledCondition]) -> Program {
    let mut predicates: Vec<Predicate> = Vec::new();
    let mut rules = Vec::new();
    for (at, one) in compiled.iter().enumerate() {
        rules.push(Rule {
            name: format!("r{at}"),
            description: String::new(),
            condition: shifted(&one.condition, predicates.len() as u32),
            event_types: one.event_types.clone(),
            output: Template::default(),
            extra_fields: Vec::new(),
            priority: Priority::Warning,
            tags: Vec::new(),
            source: "syscall".to_owned(),
            enabled: true,
        });
        predicates.extend(one.predicates.iter().cloned());
    }
    Program { predicates, rules }
}

/// Conditions compiled.
pub fn compiled(texts: &[String], catalogue: &Catalogue) -> Vec<CompiledCondition> {
    texts.iter().map(|text| compile_condition(text, catalogue).expect(text)).collect()
}
