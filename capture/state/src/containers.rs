//! Containers: ids from cgroup paths, metadata from container events.
//!
//! Facts: the container plugin 0.7.0 of falcosecurity/plugins 0b3cbd8d (`plugins/container/src/matchers`).

use std::net::IpAddr;
use std::sync::Arc;

use falco_replay_format::block::{Container, Mount, Text, entries};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde_json::{Map, Value};

/// Containers kept; further ones are not added.
const LIMIT: usize = 1 << 17;

/// Longest cgroup list that is remembered; real ones have a few kilobytes.
pub(crate) const CACHED_CGROUPS: usize = 1 << 14;

/// Type numbers of container events.
pub(crate) mod kind {
    pub(crate) const LXC: i64 = 1;
    pub(crate) const LIBVIRT_LXC: i64 = 2;
    pub(crate) const BPM: i64 = 9;
    pub(crate) const HOST: i64 = 0xfffe;
}

/// Known containers by id.
#[derive(Debug)]
pub(crate) struct Containers {
    known: HashMap<Text, Arc<Container>, FixedState>,
    host: Arc<Container>,
    /// cgroups text → id and, for engines that tell no more, the type.
    matched: HashMap<Text, (Text, Option<i64>), FixedState>,
}

impl Containers {
    pub(crate) fn new() -> Containers {
        let host: Text = Text::from(&b"host"[..]);
        let host =
            Container { id: host.clone(), full_id: host.clone(), name: host, kind: kind::HOST, ..Container::default() };
        Containers { known: HashMap::default(), host: Arc::new(host), matched: HashMap::default() }
    }

    pub(crate) fn host(&self) -> Arc<Container> {
        self.host.clone()
    }

    pub(crate) fn get(&self, id: &[u8]) -> Option<Arc<Container>> {
        self.known.get(id).cloned()
    }

    pub(crate) fn insert(&mut self, container: Arc<Container>) {
        if self.known.len() < LIMIT || self.known.contains_key(&*container.id) {
            self.known.insert(container.id.clone(), container);
        }
    }

    pub(crate) fn remove(&mut self, id: &[u8]) -> bool {
        self.known.remove(id).is_some()
    }

    /// All that are known, by id.
    pub(crate) fn all(&self) -> Vec<&Arc<Container>> {
        let mut all: Vec<_> = self.known.values().collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Addresses of all known containers, sorted.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let mut ips: Vec<IpAddr> = self.known.values().filter_map(|container| address(&container.ip)).collect();
        ips.sort_unstable();
        ips.dedup();
        ips
    }

    /// The container id that cgroups tell, empty for the host, with the type where the id is all there is to know.
    pub(crate) fn match_cgroups(&mut self, cgroups: &Text) -> (Text, Option<i64>) {
        if let Some(known) = self.matched.get(cgroups) {
            return known.clone();
        }
        let found = match_paths(cgroups);
        if cgroups.len() <= CACHED_CGROUPS {
            if self.matched.len() >= 1 << 12 {
                self.matched.clear();
            }
            self.matched.insert(cgroups.clone(), found.clone());
        }
        found
    }
}

/// The address of a container, where its text is one.
pub(crate) fn address(ip: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(ip).ok()?.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified())
}

fn match_paths(cgroups: &[u8]) -> (Text, Option<i64>) {
    for entry in entries(cgroups) {
        let Some(at) = entry.iter().position(|&byte| byte == b'=') else { continue };
        let path = &entry[at + 1..];
        if let Some((id, kind)) = match_path(path) {
            return (id.into(), kind);
        }
    }
    (Text::default(), None)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn rfind(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

/// One layout of a runc-style path: the id stands between the last `prefix` and the last `suffix` (or the end).
fn runc_layout<'a>(path: &'a [u8], prefix: &[u8], suffix: &[u8], any: bool) -> Option<&'a [u8]> {
    let start = rfind(path, prefix)? + prefix.len();
    let end = if suffix.is_empty() { path.len() } else { rfind(path, suffix)? };
    if end < start {
        return None;
    }
    let length = end - start;
    // The hex digits are looked for up to position 64 of the path, not of the id.
    let looked_at = path.get(start..64.max(start).min(path.len()))?;
    if length == 64 && looked_at.iter().all(u8::is_ascii_hexdigit) {
        return Some(&path[start..start + 12]);
    }
    let service = [&b".service"[..], b".slice", b".scope"].iter().any(|end| path.ends_with(end));
    if any && (1..=64).contains(&length) && !service {
        return Some(&path[start..start + length.min(12)]);
    }
    None
}

/// The id of the container that the path of a control group tells, where it tells one.
pub fn container_id_in(path: &[u8]) -> Option<&[u8]> {
    match_path(path).map(|(id, _)| id)
}

fn match_path(path: &[u8]) -> Option<(&[u8], Option<i64>)> {
    const PODMAN: [(&[u8], &[u8]); 6] = [
        (b"/libpod-", b".scope"),
        (b"/libpod-", b".scope/container"),
        (b"/libpod-", b""),
        (b"/libpod-payload-", b".scope"),
        (b"/libpod-payload-", b".scope/container"),
        (b"/libpod-payload-", b""),
    ];
    const DOCKER: [(&[u8], &[u8]); 2] = [(b"/", b""), (b"/docker-", b".scope")];
    const CRI: [(&[u8], &[u8]); 7] = [
        (b"/", b""),
        (b"/crio-", b""),
        (b"/cri-containerd-", b".scope"),
        (b"/crio-", b".scope"),
        (b":cri-containerd:", b""),
        (b"/docker-", b".scope"),
        (b"/nerdctl-", b".scope"),
    ];
    for (prefix, suffix) in PODMAN.iter().chain(&DOCKER).chain(&CRI) {
        if let Some(id) = runc_layout(path, prefix, suffix, false) {
            return Some((id, None));
        }
    }
    if let Some(prefix) = containerd_prefix(path)
        && let Some(id) = runc_layout(path, prefix, b"", true)
    {
        return Some((id, None));
    }
    if let Some(id) = lxc(path) {
        return Some((id, Some(kind::LXC)));
    }
    if let Some(id) = libvirt(path) {
        return Some((id, Some(kind::LIBVIRT_LXC)));
    }
    bpm(path).map(|id| (id, Some(kind::BPM)))
}

/// The first `/name/` part of a path, both slashes included; names are words joined by single `.`, `_` or `-`.
fn containerd_prefix(path: &[u8]) -> Option<&[u8]> {
    let is_name = |name: &[u8]| {
        name.split(|byte| b"._-".contains(byte))
            .all(|word| !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric))
    };
    let mut start = path.iter().position(|&byte| byte == b'/')?;
    loop {
        let length = path[start + 1..].iter().position(|&byte| byte == b'/')?;
        let end = start + 1 + length;
        if is_name(&path[start + 1..end]) {
            return Some(&path[start..=end]);
        }
        start = end;
    }
}

fn until_slash(rest: &[u8]) -> &[u8] {
    &rest[..rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len())]
}

fn lxc(path: &[u8]) -> Option<&[u8]> {
    [&b"/lxc/"[..], b"/lxc.payload/", b"/lxc.payload."].iter().find_map(|prefix| {
        let at = find(path, prefix)? + prefix.len();
        let id = until_slash(&path[at..]);
        (!id.is_empty()).then_some(id)
    })
}

fn libvirt(path: &[u8]) -> Option<&[u8]> {
    if let Some(end) = find(path, b".libvirt-lxc") {
        let start = path[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        return (end > start).then(|| &path[start..end]);
    }
    if let (Some(at), true) = (find(path, b"-lxc\\x2"), path.ends_with(b".scope")) {
        // `\x2d` is how systemd writes the dash before the name.
        let start = at + b"-lxc\\x2d".len();
        let end = path.len() - b".scope".len();
        return (end > start).then(|| &path[start..end]);
    }
    let at = find(path, b"/libvirt/lxc/")? + b"/libvirt/lxc/".len();
    let id = until_slash(&path[at..]);
    (!id.is_empty()).then_some(id)
}

fn bpm(path: &[u8]) -> Option<&[u8]> {
    let start = find(path, b"bpm-")? + 4;
    let end = start + find(&path[start..], b".scope")?;
    let id = &path[start..end];
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (!id.is_empty() && id.iter().all(plain)).then_some(id)
}

/// Normalises a cgroup list: subsystem names as the kernel files have them; an entry without "=" ends the list.
pub(crate) fn normalise_cgroups(list: &[u8]) -> Text {
    let mut out = Vec::with_capacity(list.len() + 1);
    for entry in entries(list) {
        let Some(at) = entry.iter().position(|&byte| byte == b'=') else { break };
        let name = &entry[..at];
        let name = name.strip_suffix(b"_cgroup").unwrap_or(name);
        out.extend_from_slice(match name {
            b"perf" => b"perf_event",
            b"mem" => b"memory",
            b"io" => b"blkio",
            other => other,
        });
        out.extend_from_slice(&entry[at..]);
        out.push(0);
    }
    out.into()
}

/// A container of an event's JSON text `{"container": {…}}`; `None` where it is not one.
///
/// A `null` for a text, number or boolean voids the event, for a list or map it means empty.
pub(crate) fn from_json(json: &[u8]) -> Option<Container> {
    let value: Value = serde_json::from_slice(json).ok()?;
    let object = value.get("container")?.as_object()?;
    let id = text(object, "id")?;
    if id.is_empty() || !object.iter().all(|(key, value)| is_well_typed(key, value)) {
        return None;
    }
    Some(Container {
        full_id: text(object, "full_id")?,
        name: text(object, "name")?,
        image: text(object, "image")?,
        image_id: text(object, "imageid")?,
        image_repository: text(object, "imagerepo")?,
        image_tag: text(object, "imagetag")?,
        image_digest: text(object, "imagedigest")?,
        kind: match object.get("type") {
            None => -1,
            Some(kind) => kind.as_i64()?,
        },
        user: text(object, "User")?,
        ip: text(object, "ip")?,
        cni_json: text(object, "cni_json")?,
        privileged: truth(object, "privileged")?,
        host_pid: truth(object, "host_pid")?,
        host_network: truth(object, "host_network")?,
        host_ipc: truth(object, "host_ipc")?,
        labels: pairs(object, "labels")?,
        mounts: mounts(object)?,
        pod_sandbox_id: text(object, "pod_sandbox_id")?,
        is_pod_sandbox: truth(object, "is_pod_sandbox")?,
        pod_sandbox_labels: pairs(object, "pod_sandbox_labels")?,
        id,
    })
}

/// Whether a value of the event is one that the container plugin can read, where it keeps nothing but its type matters.
fn is_well_typed(key: &str, value: &Value) -> bool {
    match key {
        "created_time" => value.is_number(),
        "size" => !value.is_null(),
        _ if ["cpu_", "memory_", "swap_"].iter().any(|start| key.starts_with(start)) => value.is_number(),
        _ => true,
    }
}

fn text(object: &Map<String, Value>, key: &str) -> Option<Text> {
    match object.get(key) {
        None => Some(Text::default()),
        Some(Value::String(text)) => Some(text.as_bytes().into()),
        Some(_) => None,
    }
}

fn truth(object: &Map<String, Value>, key: &str) -> Option<bool> {
    object.get(key).map_or(Some(false), Value::as_bool)
}

fn pairs(object: &Map<String, Value>, key: &str) -> Option<Vec<(Text, Text)>> {
    let mut out = match object.get(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| Some((Text::from(key.as_bytes()), Text::from(value.as_str()?.as_bytes()))))
            .collect::<Option<Vec<_>>>()?,
        Some(_) => return None,
    };
    out.sort();
    Some(out)
}

fn mounts(object: &Map<String, Value>) -> Option<Vec<Mount>> {
    match object.get("Mounts") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(list)) => list
            .iter()
            .map(|entry| {
                let entry = entry.as_object()?;
                Some(Mount {
                    source: text(entry, "Source")?,
                    dest: text(entry, "Destination")?,
                    mode: text(entry, "Mode")?,
                    read_write: truth(entry, "RW")?,
                    propagation: text(entry, "Propagation")?,
                })
            })
            .collect(),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(path: &str) -> Option<String> {
        match_path(path.as_bytes()).map(|(id, _)| String::from_utf8(id.to_vec()).unwrap())
    }

    #[test]
    fn ids_of_engines() {
        let hex = "6c270ef2f251d571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d";
        assert_eq!(id(&format!("/docker/{hex}")).as_deref(), Some("6c270ef2f251"));
        assert_eq!(id(&format!("/system.slice/docker-{hex}.scope")).as_deref(), Some("6c270ef2f251"));
        assert_eq!(id(&format!("/kubepods.slice/x/cri-containerd-{hex}.scope")).as_deref(), Some("6c270ef2f251"));
        assert_eq!(id("/workload/st-custom").as_deref(), Some("st-custom"));
        assert_eq!(id("/system.slice/cron.service"), None);
        assert_eq!(id("/"), None);
        assert_eq!(id("/a.service/lxc/one/x.service").as_deref(), Some("one"));
    }

    #[test]
    fn a_null_text_voids_the_event() {
        assert!(from_json(br#"{"container":{"id":"a","labels":null}}"#).is_some());
        assert!(from_json(br#"{"container":{"id":"a","name":null}}"#).is_none());
        assert!(from_json(br#"{"id":"a"}"#).is_none());
    }
}
