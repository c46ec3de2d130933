//! Events that say at the start of a `.scap` what its lists cannot: containers, their users, and a few things of threads.

use crate::batch::{EventBatch, STATE_ONLY};
use crate::block::{Container, Mount};
use crate::lists::{Exact, Head, Text};
use crate::schema::{EVENTS, ev};

/// The events that belong between the lists of `head` and the events that follow; `ts`: time of the first of those.
///
/// They change state only. A head without [`Exact`] details needs none. What even they cannot say is lost: when threads
/// began and last executed, the role of a socket where no listening one tells it, names as given to a call.
pub fn prologue(head: &Head, ts: u64) -> EventBatch {
    let mut events = Events { batch: EventBatch::default(), ts };
    let Some(exact) = &head.exact else { return events.batch };
    // First those that readers take for a part of the start.
    for container in &exact.containers {
        events.push(-1, ev::CONTAINER_JSON_2_E, &[&terminated(&json(container))]);
    }
    for (id, user) in &exact.users {
        let numbers = [user.uid.to_le_bytes(), user.gid.to_le_bytes()];
        let [name, home, shell, id] = [&user.name, &user.home, &user.shell, id].map(|text| terminated(text));
        events.push(-1, ev::USER_ADDED_E, &[&numbers[0], &numbers[1], &name, &home, &shell, &id]);
    }
    for (id, group) in &exact.groups {
        events.push(-1, ev::GROUP_ADDED_E, &[&group.gid.to_le_bytes(), &terminated(&group.name), &terminated(id)]);
    }
    events.threads(head, exact);
    events.batch
}

struct Events {
    batch: EventBatch,
    ts: u64,
}

impl Events {
    /// Ends of main threads that others of their process outlived, and enter halves that wait for their exit.
    fn threads(&mut self, head: &Head, exact: &Exact) {
        for (entry, more) in head.threads.iter().zip(&exact.threads) {
            if more.dead {
                let none = [0; 8];
                self.push(entry.tid, ev::PROCEXIT_1_E, &[&none, &none, &[0], &[0], &more.reaper.to_le_bytes()]);
            }
        }
        for (entry, more) in head.threads.iter().zip(&exact.threads) {
            if let Some((ty, params)) = &more.enter
                && EVENTS.get(usize::from(*ty)).is_some_and(|info| params.len() <= info.params.len())
            {
                let params: Vec<&[u8]> = params.iter().map(|param| &**param).collect();
                self.push(entry.tid, *ty, &params);
            }
        }
    }

    fn push(&mut self, tid: i64, ty: u16, params: &[&[u8]]) {
        self.batch.push(self.ts, tid, ty, 0, STATE_ONLY, params.iter().copied());
    }
}

fn terminated(text: &[u8]) -> Vec<u8> {
    [text, b"\0"].concat()
}

/// The text of a container event.
fn json(container: &Container) -> Vec<u8> {
    let mut out = b"{\"container\":{\"id\":".to_vec();
    string(&mut out, &container.id);
    if container.kind >= 0 {
        out.extend_from_slice(format!(",\"type\":{}", container.kind).as_bytes());
    }
    for (key, text) in [
        ("full_id", &container.full_id),
        ("name", &container.name),
        ("image", &container.image),
        ("imageid", &container.image_id),
        ("imagerepo", &container.image_repository),
        ("imagetag", &container.image_tag),
        ("imagedigest", &container.image_digest),
        ("User", &container.user),
        ("ip", &container.ip),
        ("cni_json", &container.cni_json),
        ("pod_sandbox_id", &container.pod_sandbox_id),
    ] {
        member(&mut out, key);
        string(&mut out, text);
    }
    for (key, truth) in [
        ("privileged", container.privileged),
        ("host_pid", container.host_pid),
        ("host_network", container.host_network),
        ("host_ipc", container.host_ipc),
        ("is_pod_sandbox", container.is_pod_sandbox),
    ] {
        member(&mut out, key);
        out.extend_from_slice(if truth { b"true" } else { b"false" });
    }
    member(&mut out, "labels");
    pairs(&mut out, &container.labels);
    member(&mut out, "pod_sandbox_labels");
    pairs(&mut out, &container.pod_sandbox_labels);
    member(&mut out, "Mounts");
    out.push(b'[');
    for (at, mount) in container.mounts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        mount_object(&mut out, mount);
    }
    out.extend_from_slice(b"]}}");
    out
}

fn mount_object(out: &mut Vec<u8>, mount: &Mount) {
    out.extend_from_slice(b"{\"Source\":");
    string(out, &mount.source);
    for (key, text) in [("Destination", &mount.dest), ("Mode", &mount.mode), ("Propagation", &mount.propagation)] {
        member(out, key);
        string(out, text);
    }
    member(out, "RW");
    out.extend_from_slice(if mount.read_write { b"true}" } else { b"false}" });
}

fn member(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

fn pairs(out: &mut Vec<u8>, pairs: &[(Text, Text)]) {
    out.push(b'{');
    for (at, (key, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, key);
        out.push(b':');
        string(out, value);
    }
    out.push(b'}');
}

/// A text in quotes. What is no UTF-8 cannot stand in JSON; it comes from there, so there is none.
fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    super::convert::push_escaped(out, String::from_utf8_lossy(text).as_bytes());
    out.push(b'"');
}
