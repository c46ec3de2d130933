//! `container.*` and `k8s.*`.

use std::borrow::Cow;

use falco_replay_format::block::{Container, Mount, Process, RefKind, Text};

use falco_replay_format::schema::ev;

use super::{Arg, describes_container};
use crate::catalogue::Field;
use crate::value::Value;
use crate::view::View;

/// The container that the event itself describes, for fields that show it; the outer `None` for all others.
pub(super) fn of_event<'a>(field: Field, arg: &'a Arg, view: &View<'a>) -> Option<Option<Value<'a>>> {
    if !describes_container(view.info.id) {
        return None;
    }
    let about_one = view.info.id == ev::CONTAINER_JSON_2_E || view.params.text(1) == Some(b"container");
    if field == Field::UserName && about_one {
        let process = view.process?;
        if process.info.container_id.is_empty() {
            return None;
        }
        return process.container.as_ref().map(|container| Some(Value::text(&container.user)));
    }
    if field < Field::ContainerId {
        return None;
    }
    let row = view.block.reference(view.row, RefKind::EventContainer, 0)?;
    let container = view.block.containers.get(row as usize)?;
    let sandbox = view.block.reference(view.row, RefKind::EventContainer, 1);
    let sandbox = sandbox.and_then(|row| view.block.containers.get(row as usize));
    Some(value(field, arg, container, sandbox.map(|sandbox| &**sandbox)))
}

/// Fields that need the event's time.
pub(super) fn event_value<'a>(field: Field, view: &View<'a>) -> Option<Value<'a>> {
    match field {
        Field::ContainerDuration => {
            let start = view.process?.info.pidns_init_start_ts;
            (start != 0).then(|| Value::Uint(view.ts().wrapping_sub(start)))
        }
        _ => None,
    }
}

pub(super) fn process_value<'a>(field: Field, arg: &'a Arg, process: &'a Process) -> Option<Value<'a>> {
    match field {
        Field::ContainerStartTs => {
            let start = process.info.pidns_init_start_ts;
            return (start != 0).then_some(Value::Uint(start));
        }
        Field::ContainerId if process.container.is_none() => return Some(Value::text(&process.info.container_id)),
        _ => {}
    }
    value(field, arg, process.container.as_deref()?, process.sandbox.as_deref())
}

fn owned<'a>(text: String) -> Option<Value<'a>> {
    Some(Value::owned(text.into_bytes()))
}

fn value<'a>(
    field: Field,
    arg: &'a Arg,
    container: &'a Container,
    sandbox: Option<&'a Container>,
) -> Option<Value<'a>> {
    use Field as F;
    // Without network configuration of its own a container shows its pod sandbox's.
    let network = if container.cni_json.is_empty() { sandbox } else { Some(container) };
    let text = |text: &'a Text| Some(Value::text(text));
    match field {
        F::ContainerId => text(&container.id),
        F::ContainerFullId => text(&container.full_id),
        F::ContainerName => text(&container.name),
        F::ContainerImage => text(&container.image),
        F::ContainerImageId => text(&container.image_id),
        F::ContainerType => Some(Value::text(container.kind_word().as_bytes())),
        F::ContainerPrivileged => Some(Value::Bool(container.privileged)),
        F::ContainerMounts => {
            let all: Vec<Vec<u8>> = container.mounts.iter().map(mount_text).collect();
            Some(Value::owned(all.join(&b","[..])))
        }
        F::ContainerMount => mount(container, arg, |m| &m.source).map(|m| Value::owned(mount_text(m))),
        F::ContainerMountSource => mount(container, arg, |m| &m.dest).map(|m| Value::text(&m.source)),
        F::ContainerMountDest => mount(container, arg, |m| &m.source).map(|m| Value::text(&m.dest)),
        F::ContainerMountMode => mount(container, arg, |m| &m.source).map(|m| Value::text(&m.mode)),
        F::ContainerMountRdwr => mount(container, arg, |m| &m.source).and_then(|m| owned(m.read_write.to_string())),
        F::ContainerMountPropagation => mount(container, arg, |m| &m.source).map(|m| Value::text(&m.propagation)),
        F::ContainerImageRepository => text(&container.image_repository),
        F::ContainerImageTag => text(&container.image_tag),
        F::ContainerImageDigest => text(&container.image_digest),
        F::ContainerIp => text(&container.ip),
        F::ContainerCniJson => text(&container.cni_json),
        F::ContainerHostPid => Some(Value::Bool(container.host_pid)),
        F::ContainerHostNetwork => Some(Value::Bool(container.host_network)),
        F::ContainerHostIpc => Some(Value::Bool(container.host_ipc)),
        F::ContainerLabel => keyed(&container.labels, arg),
        F::ContainerLabels => Some(labels(&container.labels)),
        F::K8sPodName => label(&container.labels, b"io.kubernetes.pod.name"),
        F::K8sNsName => label(&container.labels, b"io.kubernetes.pod.namespace"),
        F::K8sPodId | F::K8sPodUid => label(&container.labels, b"io.kubernetes.pod.uid"),
        F::K8sPodSandboxId => Some(Value::text(&container.pod_sandbox_id[..container.pod_sandbox_id.len().min(12)])),
        F::K8sPodFullSandboxId => text(&container.pod_sandbox_id),
        // These it keeps itself too, for where the sandbox is not known.
        F::K8sPodLabel => keyed(&network.unwrap_or(container).pod_sandbox_labels, arg),
        F::K8sPodLabels => Some(labels(&network.unwrap_or(container).pod_sandbox_labels)),
        F::K8sPodIp => text(&network?.ip),
        F::K8sPodCniJson => text(&network?.cni_json),
        // Deprecated fields never have a value.
        _ => None,
    }
}

fn mount_text(mount: &Mount) -> Vec<u8> {
    let mut out = Vec::new();
    for part in [&mount.source[..], &mount.dest, &mount.mode] {
        out.extend_from_slice(part);
        out.push(b':');
    }
    out.extend_from_slice(if mount.read_write { b"true:" } else { b"false:" });
    out.extend_from_slice(&mount.propagation);
    out
}

/// The mount that the argument names: by place, or by a pattern found in what `of` gives.
fn mount<'a>(container: &'a Container, arg: &Arg, of: impl Fn(&Mount) -> &Text) -> Option<&'a Mount> {
    match arg {
        Arg::Index(index) => container.mounts.get(usize::try_from(*index).ok()?),
        Arg::Pattern(pattern) => {
            let pattern = pattern.as_ref()?;
            container.mounts.iter().find(|mount| pattern.is_match(of(mount)))
        }
        _ => None,
    }
}

fn label<'a>(labels: &'a [(Text, Text)], key: &[u8]) -> Option<Value<'a>> {
    let at = labels.binary_search_by(|(other, _)| (**other).cmp(key)).ok()?;
    Some(Value::text(&labels[at].1))
}

fn keyed<'a>(labels: &'a [(Text, Text)], arg: &Arg) -> Option<Value<'a>> {
    match arg {
        Arg::Key(key) => label(labels, key.as_bytes()),
        Arg::Index(index) => label(labels, index.to_string().as_bytes()),
        _ => None,
    }
}

fn labels<'a>(labels: &'a [(Text, Text)]) -> Value<'a> {
    let mut out = Vec::new();
    for (key, value) in labels {
        if key.starts_with(b"annotation.") || key.starts_with(b"io.kubernetes.") {
            continue;
        }
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(key);
        if !value.is_empty() {
            out.push(b':');
            out.extend_from_slice(value);
        }
    }
    Value::Bytes(Cow::Owned(out))
}
