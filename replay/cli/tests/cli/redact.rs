//! `convert --redact`: what was redacted is nowhere in the output, neither as it was nor compressed.

use std::io::Read as _;

use falco_replay_format::lists::{FdDetail, FdEntry, GroupEntry, Head, Machine, ThreadEntry, UserEntry};
use falco_replay_format::scap::Writer;
use falco_replay_format::schema::{EVENTS, ev};

use crate::captures::{START, STEP, cat, head};
use crate::program::Folder;

/// The id of a container, as control groups have it.
const HEX: &str = "5ec2e75ec2e7d571f625e6bfc5311959b2d7301e71ff51eb56717b8f5ec2e777";
/// An address, as bytes and as text.
const ADDRESS: ([u8; 4], &str) = ([203, 0, 113, 77], "203.0.113.77");

/// What is hidden where. Names of secrets say of what they are.
const IN_LISTS: [&str; 14] = [
    "SEC-list-comm",
    "SEC-list-exe",
    "SEC-list-exepath",
    "SEC-list-arg",
    "SEC-list-env",
    "SEC-list-cwd",
    "SEC-list-root",
    "SEC-list-cgroup",
    "SEC-list-file",
    "SEC-list-unix",
    "SEC-list-user",
    "SEC-list-home",
    "SEC-list-group",
    "SEC-list-host",
];
const IN_EVENTS: [&str; 19] = [
    "SEC-event-comm",
    "SEC-event-exe",
    "SEC-event-exepath",
    "SEC-event-arg",
    "SEC-event-env",
    "SEC-event-cwd",
    "SEC-event-filename",
    "SEC-event-path",
    "SEC-event-relative",
    "SEC-event-unix",
    "SEC-event-data",
    "SEC-event-memfd",
    "SEC-event-target",
    "SEC-event-user",
    "SEC-event-home",
    "SEC-event-group",
    "SEC-event-prctl",
    "SEC-event-uargs",
    "SEC-event-socket",
];
const IN_CONTAINERS: [&str; 11] = [
    "SEC-json-name",
    "SEC-json-image",
    "SEC-json-label",
    "SEC-json-env",
    "SEC-json-mount",
    "SEC-json-cni",
    "SEC-json-user",
    "SEC-json-probe",
    "SEC-json-pod",
    "SEC-async-name",
    "SEC-async-label",
];

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}

fn lists() -> Head {
    let text = |text: &str| text.as_bytes().into();
    let thread = ThreadEntry {
        comm: text("SEC-list-comm"),
        exe: text("SEC-list-exe"),
        exepath: text("/usr/SEC-list-exepath"),
        args: text("--password\0SEC-list-arg\0"),
        env: text("TOKEN=SEC-list-env\0"),
        cwd: text("/SEC-list-cwd"),
        root: text("/SEC-list-root"),
        cgroups: text(&format!("cpu=/docker/{HEX}\0memory=/SEC-list-cgroup/x\0")),
        ..cat()
    };
    let file = |fd, name: &str| FdEntry {
        fd,
        ino: 1,
        kind: 16,
        detail: FdDetail::File { flags: 1, name: text(name), dev: 1 },
    };
    let unix =
        FdEntry { fd: 8, ino: 2, kind: 8, detail: FdDetail::Unix { source: 1, dest: 2, name: text("/SEC-list-unix") } };
    let detail = FdDetail::Socket { source: (ADDRESS.0.into(), 40_000), dest: ([10, 0, 0, 1].into(), 443), l4proto: 2 };
    let socket = FdEntry { fd: 9, ino: 3, kind: 3, detail };
    let user = UserEntry {
        uid: 0,
        gid: 0,
        name: text("SEC-list-user"),
        home: text("/home/SEC-list-home"),
        shell: text("/bin/sh"),
    };
    let plain = head();
    Head {
        machine: plain.machine.clone().map(|machine| Machine { hostname: text("SEC-list-host"), ..machine }),
        threads: vec![thread],
        fds: vec![(100, vec![file(7, "/SEC-list-file"), unix, socket])],
        users: vec![user],
        groups: vec![GroupEntry { gid: 0, name: text("SEC-list-group") }],
        ..plain
    }
}

/// A capture with a secret in every place.
fn secrets() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &lists()).unwrap();
    let mut ts = START;
    let mut event = |ty: u16, given: &[(&str, Vec<u8>)]| {
        let info = &EVENTS[usize::from(ty)];
        let value = |name: &str| given.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone());
        assert!(given.iter().all(|(given, _)| info.params.iter().any(|param| param.name == *given)), "{}", info.symbol);
        let params: Vec<Vec<u8>> = info.params.iter().map(|param| value(param.name).unwrap_or_default()).collect();
        ts += STEP;
        writer.event(ts, 100, ty, 0, 0, params.iter().map(Vec::as_slice)).unwrap();
    };
    let long = |number: i64| number.to_le_bytes().to_vec();
    let short = HEX[..12].to_owned();
    let json = format!(
        r#"{{"container":{{"type":0,"id":"{short}","full_id":"{HEX}","name":"SEC-json-name","image":"SEC-json-image:1",
        "imagerepo":"SEC-json-image","labels":{{"app":"SEC-json-label","io.kubernetes.pod.name":"SEC-json-pod"}},
        "env":["TOKEN=SEC-json-env"],"Mounts":[{{"Source":"/SEC-json-mount","Destination":"/x","Mode":"","RW":true,
        "Propagation":""}}],"cni_json":"SEC-json-cni","User":"SEC-json-user","ip":"{}",
        "Healthcheck":{{"exe":"SEC-json-probe","args":[]}}}}}}"#,
        ADDRESS.1
    );
    event(ev::CONTAINER_JSON_2_E, &[("json", text(&json))]);
    let names = [("name", text("SEC-event-user")), ("home", text("/SEC-event-home"))];
    event(ev::USER_ADDED_E, &[&names[..], &[("uid", vec![7, 0, 0, 0]), ("container_id", text(&short))]].concat());
    event(ev::GROUP_ADDED_E, &[("gid", vec![7, 0, 0, 0]), ("name", text("SEC-event-group"))]);
    event(
        ev::SYSCALL_EXECVE_19_X,
        &[
            ("res", long(0)),
            ("exe", text("SEC-event-exe")),
            ("args", text("-p\0SEC-event-arg")),
            ("tid", long(100)),
            ("pid", long(100)),
            ("ptid", long(1)),
            ("cwd", text("/SEC-event-cwd")),
            ("comm", text("SEC-event-comm")),
            ("cgroups", text(&format!("cpu=/docker/{HEX}"))),
            ("env", text("TOKEN=SEC-event-env")),
            ("trusted_exepath", text("/usr/SEC-event-exepath")),
            ("filename", text("/usr/SEC-event-filename")),
        ],
    );
    event(ev::SYSCALL_CHDIR_X, &[("res", long(0)), ("path", text("/SEC-event-cwd/in"))]);
    let open = |path: &str| [("fd", long(3)), ("dirfd", long(-100)), ("name", text(path))];
    event(ev::SYSCALL_OPENAT_2_X, &open("/etc/SEC-event-path"));
    event(ev::SYSCALL_OPENAT_2_X, &open("SEC-event-relative"));
    let data = [("res", long(14)), ("data", b"SEC-event-data".to_vec()), ("fd", long(3))];
    event(ev::SYSCALL_READ_X, &data);
    event(ev::SYSCALL_WRITE_X, &data);
    let word = |number: u32| number.to_le_bytes().to_vec();
    event(ev::SOCKET_SOCKET_X, &[("fd", long(4)), ("domain", word(2)), ("type", word(1))]);
    let ends = [&[2, 10, 0, 0, 5, 1, 1][..], &ADDRESS.0, &[187, 1]].concat();
    event(ev::SOCKET_CONNECT_X, &[("res", long(0)), ("tuple", ends), ("fd", long(4))]);
    event(ev::SOCKET_SOCKET_X, &[("fd", long(5)), ("domain", word(1)), ("type", word(1))]);
    let pair = [&[1][..], &[9; 16], &text("/run/SEC-event-unix")].concat();
    event(ev::SOCKET_CONNECT_X, &[("res", long(0)), ("tuple", pair), ("fd", long(5))]);
    let address = [&[1][..], &text("/run/SEC-event-socket")].concat();
    event(ev::SOCKET_BIND_X, &[("res", long(0)), ("addr", address), ("fd", long(5))]);
    event(ev::SYSCALL_MEMFD_CREATE_X, &[("fd", long(6)), ("name", text("SEC-event-memfd"))]);
    event(ev::SYSCALL_SYMLINK_X, &[("res", long(0)), ("target", text("/SEC-event-target")), ("linkpath", text("/l"))]);
    event(ev::SYSCALL_PRCTL_X, &[("res", long(0)), ("option", word(15)), ("arg2_str", text("SEC-event-prctl"))]);
    event(ev::SYSCALL_INIT_MODULE_X, &[("res", long(0)), ("uargs", text("SEC-event-uargs"))]);
    let json = format!(
        r#"{{"container":{{"type":0,"id":"{short}","name":"SEC-async-name","labels":{{"app":"SEC-async-label"}}}}}}"#
    );
    event(ev::ASYNCEVENT_E, &[("plugin_id", word(0)), ("name", text("container")), ("data", text(&json))]);
    event(ev::SYSCALL_READ_X, &data);
    writer.finish().unwrap()
}

/// All bytes of a capture: as it lies on the disk, and everything in it that is compressed.
fn every_byte(folder: &Folder, name: &str) -> Vec<Vec<u8>> {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let file = std::fs::read(folder.path(name)).unwrap();
    let mut all = Vec::new();
    for at in 0..file.len() {
        if file[at..].starts_with(&FRAME) {
            let mut inflated = Vec::new();
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&file[at..]).unwrap().single_frame();
            if decoder.read_to_end(&mut inflated).is_ok() {
                all.push(inflated);
            }
        }
    }
    all.push(file);
    all
}

fn holds(all: &[Vec<u8>], what: &[u8]) -> bool {
    all.iter().any(|bytes| bytes.windows(what.len()).any(|window| window == what))
}

fn every_secret() -> Vec<String> {
    let mut all: Vec<&str> = [&IN_LISTS[..], &IN_EVENTS, &IN_CONTAINERS].concat();
    all.extend([ADDRESS.1, HEX, &HEX[..12]]);
    all.into_iter().map(str::to_owned).collect()
}

#[test]
fn nothing_that_was_redacted_is_left_anywhere() {
    let folder = Folder::with_capture(&secrets()).file("key", "a key of many bytes");
    // The search finds what is not redacted, so it would find what is left.
    for name in ["plain.scap", "plain.fcap"] {
        assert_eq!(folder.run(&["convert", "-q", "a.scap", "-o", name]).code, 0);
        let all = every_byte(&folder, name);
        for secret in every_secret() {
            // An .fcap has addresses as numbers only, unless they are of a container.
            assert!(holds(&all, secret.as_bytes()), "{secret} is not found in {name}");
        }
    }
    for input in ["a.scap", "plain.fcap"] {
        for name in ["b.scap", "b.fcap", "b.scap.zst"] {
            let args = ["convert", "-q", "--force", input, "-o", name, "--redact", "*", "--redact-key", "key"];
            let ran = folder.run(&args);
            assert_eq!((ran.code, ran.err.as_str()), (0, ""));
            let all = every_byte(&folder, name);
            for secret in every_secret() {
                assert!(!holds(&all, secret.as_bytes()), "{secret} is left in {name} made of {input}");
            }
            assert!(!holds(&all, b"SEC-"), "{name}");
            assert!(!holds(&all, &ADDRESS.0), "the address is left in {name}");
            assert!(!holds(&all, b"a key of many bytes"), "the key is in {name}");
            // What events do stays.
            let types = |name: &str| folder.run(&["print", "-p", "%evt.type %evt.rawres %fd.num", name]).out;
            assert_eq!(types(name), types("a.scap"), "{name}");
        }
    }
    // Also of captures that begin in the middle, whose snapshots know more than lists do.
    for name in ["c.scap", "c.fcap"] {
        let args = [
            "convert",
            "-q",
            "a.scap",
            "-o",
            name,
            "--filter",
            "evt.num > 22 or evt.arg.data contains SEC",
            "--redact",
            "*",
        ];
        assert_eq!(folder.run(&args).code, 0);
        let all = every_byte(&folder, name);
        assert!(!holds(&all, b"SEC-") && !holds(&all, &ADDRESS.0) && !holds(&all, HEX.as_bytes()), "{name}");
    }
}

#[test]
fn each_field_alone() {
    let folder = Folder::with_capture(&secrets());
    let gone: &[(&str, &[&str], &[&str])] = &[
        ("proc.args", &["SEC-list-arg", "SEC-event-arg"], &["SEC-list-env", "SEC-event-comm", "SEC-event-path"]),
        ("proc.env", &["SEC-list-env", "SEC-event-env"], &["SEC-event-arg", "TOKEN="]),
        ("proc.cmdline", &["SEC-list-comm", "SEC-event-comm", "SEC-list-arg", "SEC-event-arg"], &["SEC-event-exe"]),
        ("proc.name", &["SEC-list-comm", "SEC-event-comm", "SEC-event-prctl"], &["SEC-event-arg"]),
        ("proc.exe", &["SEC-list-exe\0", "SEC-event-exe\0"], &["SEC-event-exepath"]),
        ("proc.exepath", &["SEC-list-exepath", "SEC-event-exepath", "SEC-event-filename"], &["SEC-event-path"]),
        ("proc.cwd", &["SEC-list-cwd", "SEC-event-cwd"], &["SEC-event-comm"]),
        (
            "fd.name",
            &[
                "SEC-list-file",
                "SEC-list-unix",
                "SEC-event-path",
                "SEC-event-relative",
                "SEC-event-unix",
                "SEC-event-socket",
                "SEC-event-memfd",
                "SEC-event-cwd",
                ADDRESS.1,
            ],
            &["SEC-event-arg", "SEC-event-exepath", "SEC-event-data"],
        ),
        ("fd.sip", &[ADDRESS.1], &["SEC-event-path"]),
        ("evt.buffer", &["SEC-event-data"], &["SEC-event-arg", "SEC-json-name", "SEC-async-name"]),
        ("evt.arg.data", &["SEC-event-data"], &["SEC-event-path"]),
        ("evt.arg.uargs", &["SEC-event-uargs"], &["SEC-event-prctl"]),
        (
            "user.*",
            &["SEC-list-user", "SEC-list-home", "SEC-event-user", "SEC-event-home", "SEC-json-user"],
            &["SEC-list-group"],
        ),
        ("group.name", &["SEC-list-group", "SEC-event-group"], &["SEC-list-user"]),
        ("container.id", &[HEX, &HEX[..12]], &["SEC-json-name", "SEC-event-path"]),
        ("container.name", &["SEC-json-name", "SEC-async-name"], &["SEC-json-image", &HEX[..12]]),
        (
            "container.*",
            &[
                "SEC-json-name",
                "SEC-json-image",
                "SEC-json-label",
                "SEC-json-mount",
                "SEC-json-cni",
                "SEC-json-probe",
                "SEC-json-env",
                "SEC-async-name",
                "SEC-async-label",
                HEX,
            ],
            &["SEC-event-path", "SEC-event-arg"],
        ),
        ("k8s.*", &["SEC-json-pod", "SEC-json-label", "SEC-async-label"], &["SEC-json-image"]),
        ("evt.hostname", &["SEC-list-host"], &["SEC-list-user"]),
    ];
    for (field, gone, left) in gone {
        for name in ["b.scap", "b.fcap"] {
            let ran = folder.run(&["convert", "--force", "a.scap", "-o", name, "--redact", field]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            assert!(ran.err.contains("redacted: "), "{}", ran.err);
            let all = every_byte(&folder, name);
            for secret in *gone {
                assert!(!holds(&all, secret.as_bytes()), "{field}: {secret} is left in {name}");
            }
            for kept in *left {
                assert!(holds(&all, kept.as_bytes()), "{field}: {kept} is gone from {name}");
            }
        }
    }
}

#[test]
fn one_key_gives_one_hash_and_rules_can_work_on_shapes() {
    let folder =
        Folder::with_capture(&secrets()).file("key", "a key of many bytes").file("other", "another key, as long");
    let convert = |name: &str, key: &[&str]| {
        let args = [&["convert", "-q", "--force", "a.scap", "-o", name, "--redact", "*"][..], key].concat();
        let ran = folder.run(&args);
        assert_eq!(ran.code, 0, "{}", ran.err);
        std::fs::read(folder.path(name)).unwrap()
    };
    let one = convert("b.fcap", &["--redact-key", "key"]);
    assert!(one == convert("c.fcap", &["--redact-key", "key"]));
    assert!(one != convert("c.fcap", &["--redact-key", "other"]));
    assert!(convert("c.fcap", &[]) != convert("d.fcap", &[]), "random keys differ");
    // Lengths, numbers of arguments, directories, whether it is a container: all as before.
    let format =
        "%evt.type %evt.buflen %proc.cmdnargs %fd.type %proc.is_exe_writable %container.type %fd.l4proto %fd.sport";
    for name in ["b.fcap", "a.scap"] {
        assert_eq!(folder.run(&["print", "-p", format, name]).code, 0);
    }
    assert_eq!(folder.run(&["print", "-p", format, "b.fcap"]).out, folder.run(&["print", "-p", format, "a.scap"]).out);
    let depth = |name: &str| {
        let ran = folder.run(&["print", "-p", "%fd.name", name, "fd.type = file"]);
        ran.lines().iter().map(|line| line.matches('/').count()).collect::<Vec<_>>()
    };
    assert_eq!(depth("b.fcap"), depth("a.scap"));
    // The metadata of a container are still those of its id.
    let ran =
        folder.run(&["print", "-p", "%container.id %container.full_id %container.name", "b.fcap", "evt.type = read"]);
    let words: Vec<&str> = ran.lines()[0].split(' ').collect();
    assert!(words[0].len() == 12 && words[1].starts_with(words[0]) || words[1].is_empty(), "{words:?}");
    assert!(words[2].starts_with('#'), "{words:?}");
    let folder = folder.file("short", "short");
    let ran = folder.run(&["convert", "a.scap", "-o", "e.scap", "--redact", "*", "--redact-key", "short"]);
    assert!(ran.code == 2 && ran.err.contains("it needs 16 at least"), "{}", ran.err);
}
