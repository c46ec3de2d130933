//! Somebody gets a shell in a container and reads the password file there; meanwhile a login on the host reads the
//! host's, as it must.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::host;
use super::recording::{EAGAIN, Recording, flag};
use super::task::{Open, Task};

const NODE: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 17);
const POD: Ipv4Addr = Ipv4Addr::new(10, 244, 3, 9);
const POD_UID: &str = "5f0c2a1e-9d3b-4b7e-8a55-2f6d1c7e9b30";
const SANDBOX: &str = "c01db4b5f6a7988079615243a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7";
const APP: &str = "7e57ab1ec0ffee00112233445566778899aabbccddeeff00112233445566778a";
/// The first terminal of the container: /dev/pts/0.
const TTY: u32 = 136 << 8;

fn cgroup(container: &str) -> String {
    let pod = POD_UID.replace('-', "_");
    format!(
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod}.slice/cri-containerd-{container}.scope"
    )
}

/// A container's metadata as JSON.
fn metadata(id: &str, name: &str, image: &str, sandbox: bool) -> String {
    let labels = format!(
        r#"{{"io.kubernetes.container.name":"{name}","io.kubernetes.pod.name":"checkout-6d9f7c5b8-x2lqp","io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"{POD_UID}"}}"#
    );
    let (short, ip) = (&id[..12], if sandbox { POD.to_string() } else { String::new() });
    let (repository, tag) = image.split_once(':').unwrap_or((image, "latest"));
    format!(
        r#"{{"container":{{"type":7,"id":"{short}","full_id":"{id}","name":"{name}","image":"{image}","imagerepo":"{repository}","imagetag":"{tag}","imageid":"","imagedigest":"","User":"0","ip":"{ip}","privileged":false,"is_pod_sandbox":{sandbox},"pod_sandbox_id":"{SANDBOX}","labels":{labels},"pod_sandbox_labels":{{"app":"checkout"}},"Mounts":[],"env":[]}}}}"#
    )
}

/// What the node does all the time.
fn everyday(to: &mut Recording, kubelet: &mut Task, journald: &Task, app: &mut Task, round: u16) {
    for file in ["memory.current", "memory.stat", "cpu.stat"] {
        let path = format!("/sys/fs/cgroup{}/{file}", app.cgroup);
        let fd = to.open(kubelet, &path, flag::O_RDONLY | flag::O_CLOEXEC);
        to.read(kubelet, fd, Ok("73400320\n"));
        to.read(kubelet, fd, Ok(""));
        to.close(kubelet, fd);
    }
    let client = SocketAddrV4::new(NODE, 40_110 + round);
    to.wait(app, 1);
    let fd = to.accept(app, client, SocketAddrV4::new(POD, 8080));
    to.receive(app, fd, "GET /healthz HTTP/1.1\r\nHost: 10.244.3.9:8080\r\nUser-Agent: kube-probe/1.31\r\n\r\n");
    let prices = to.open(app, "/srv/checkout/prices.json", flag::O_RDONLY | flag::O_CLOEXEC);
    to.read(app, prices, Ok("{\"currency\": \"EUR\"}\n"));
    to.close(app, prices);
    to.write(app, fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    to.close(app, fd);
    to.wait(journald, 1);
    to.read(journald, 3, Ok("<6>checkout: GET /healthz 200"));
    to.write(journald, 4, "checkout: GET /healthz 200");
    to.read(journald, 3, Err(EAGAIN));
    to.pause(400);
}

/// `ada` logs in on the host: the password check reads the host's own file.
fn login(to: &mut Recording, sshd: &mut Task) {
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 20, 0, 4), 52_044);
    let connection = to.accept(sshd, from, SocketAddrV4::new(NODE, 22));
    let mut session = to.fork(sshd, 7301, 7301);
    to.close(sshd, connection);
    to.exec(&mut session, "/usr/sbin/sshd", &["/usr/sbin/sshd", "-D", "-R"]);
    for (path, text) in
        [("/etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"), ("/etc/shadow", "root:*:20000:0:99999:7:::\n")]
    {
        let fd = to.open(&mut session, path, flag::O_RDONLY | flag::O_CLOEXEC);
        to.read(&session, fd, Ok(text));
        to.close(&mut session, fd);
    }
    to.open_missing(&session, "/etc/nologin");
    to.pause(120);
    to.exit(&session, 0, 0);
}

/// The whole capture.
pub fn capture() -> Vec<u8> {
    let mut tasks = host::services();
    let mut shim = Task::service(1893, "/usr/bin/containerd-shim-runc-v2", &["-namespace", "k8s.io", "-id", SANDBOX]);
    shim.cgroup = "/system.slice/containerd.service".into();
    let contained = |pid, vpid, container: &str, path: &str, args: &[&str]| {
        let mut task = Task::service(pid, path, args).child_of(shim.pid);
        (task.vpid, task.sid, task.cgroup) = (vpid, vpid, cgroup(container));
        task.env.extend(["KUBERNETES_SERVICE_HOST=10.96.0.1", "HOSTNAME=checkout-6d9f7c5b8-x2lqp"].map(str::to_owned));
        task
    };
    let pause = contained(1914, 1, SANDBOX, "/pause", &[]);
    let mut app = contained(1960, 1, APP, "/usr/bin/python3", &["/srv/checkout/app.py"])
        .with_fd(3, Open::Listening(Ipv4Addr::UNSPECIFIED, 8080));
    let mut kubelet = Task::service(702, "/usr/bin/kubelet", &["--config=/var/lib/kubelet/config.yaml"]);
    tasks.extend([Task::service(611, "/usr/bin/containerd", &[]), kubelet.clone(), shim.clone(), pause, app.clone()]);
    let named = |name: &str| tasks.iter().find(|task| task.comm == name).cloned().expect("the service runs");
    let (journald, mut sshd) = (named("systemd-journal"), named("sshd"));

    let mut recording = Recording::new(&host::head("node-a17", NODE, &tasks));
    let to = &mut recording;
    to.container(&metadata(SANDBOX, "POD", "registry.k8s.io/pause:3.10", true));
    to.container(&metadata(APP, "checkout", "registry.example/shop/checkout:2.4.1", false));
    for round in 0..6 {
        everyday(to, &mut kubelet, &journald, &mut app, round);
    }
    login(to, &mut sshd);

    // kubectl exec: the shim starts runc, runc starts the shell inside and leaves; the shim inherits the shell.
    let mut runc = to.fork(&shim, 7398, 7398);
    to.exec(&mut runc, "/usr/bin/runc", &["runc", "exec", "--detach", "--console-socket", "/run/c.sock", APP]);
    let mut shell = to.fork_into(&runc, 7405, 21, &app.cgroup);
    (shell.sid, shell.tty, shell.cwd, shell.env) = (21, TTY, "/srv/checkout".into(), app.env.clone());
    let terminal = to.open(&mut shell, "/dev/pts/0", flag::O_RDWR);
    for stream in 0..3 {
        to.dup2(&mut shell, terminal, stream);
    }
    to.close(&mut shell, terminal);
    to.exec(&mut shell, "/bin/sh", &["sh"]);
    to.exit(&runc, 0, shim.pid);
    shell.ppid = shim.pid;
    to.write(&shell, 1, "# ");
    to.pause(2600);
    to.read(&shell, 0, Ok("cat /etc/shadow\n"));
    to.stat(&shell, -1, "/usr/bin/cat");

    let mut cat = to.fork(&shell, 7411, 22);
    to.exec(&mut cat, "/usr/bin/cat", &["cat", "/etc/shadow"]);
    let fd = to.open(&mut cat, "/etc/shadow", flag::O_RDONLY);
    to.stat(&cat, fd, "");
    let content = "root:*:19800:0:99999:7:::\ndaemon:*:19800:0:99999:7:::\nbin:*:19800:0:99999:7:::\n";
    to.read(&cat, fd, Ok(content));
    to.write(&cat, 1, content);
    to.read(&cat, fd, Ok(""));
    to.close(&mut cat, fd);
    to.exit(&cat, 0, 0);
    to.write(&shell, 1, "# ");

    for round in 6..12 {
        everyday(to, &mut kubelet, &journald, &mut app, round);
    }
    to.read(&shell, 0, Ok(""));
    to.exit(&shell, 0, 0);
    recording.finish()
}
