//! The JSON text of container events.

use serde_json::Value;

use super::kinds::Kinds;
use super::mask::Mask;

/// The text without what is of the kinds in `chosen`. What is no JSON is replaced as a whole.
pub fn redact(text: &[u8], chosen: Kinds, mask: &mut Mask) -> Vec<u8> {
    let (json, ending) = match text.strip_suffix(b"\0") {
        Some(json) => (json, &b"\0"[..]),
        None => (text, &b""[..]),
    };
    let masked = match serde_json::from_slice::<Value>(json) {
        Ok(mut value) => {
            walk("", &mut value, chosen, mask);
            value.to_string().into_bytes()
        }
        Err(_) => mask.text(json),
    };
    [&masked[..], ending].concat()
}

fn walk(key: &str, value: &mut Value, chosen: Kinds, mask: &mut Mask) {
    let kinds = of_key(key);
    match value {
        Value::Object(members) if key == "labels" || key == "pod_sandbox_labels" => {
            let hidden = members.values_mut().filter(|_| chosen.has(kinds));
            hidden.for_each(|value| hide(value, mask));
        }
        Value::Object(members) => members.iter_mut().for_each(|(key, value)| walk(key, value, chosen, mask)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| walk(key, element, chosen, mask)),
        Value::String(text) if chosen.has(kinds) => {
            let masked = match key {
                "id" | "full_id" | "pod_sandbox_id" => mask.id(text.as_bytes()),
                "ip" => match text.parse() {
                    Ok(ip) => mask.ip(ip).to_string().into_bytes(),
                    Err(_) => mask.text(text.as_bytes()),
                },
                "env" => mask.assignment(text.as_bytes()),
                _ => mask.text(text.as_bytes()),
            };
            *text = String::from_utf8_lossy(&masked).into_owned();
        }
        Value::Number(number) if key == "HostIp" && chosen.has(Kinds::ADDRESSES) => {
            let ip = number.as_u64().and_then(|ip| u32::try_from(ip).ok());
            if let Some(ip) = ip
                && let std::net::IpAddr::V4(masked) = mask.ip(std::net::IpAddr::V4(ip.into()))
            {
                *value = u32::from(masked).into();
            }
        }
        _ => {}
    }
}

/// Hides all texts of a value.
fn hide(value: &mut Value, mask: &mut Mask) {
    match value {
        Value::String(text) => *text = String::from_utf8_lossy(&mask.text(text.as_bytes())).into_owned(),
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide(element, mask)),
        Value::Object(members) => members.values_mut().for_each(|member| hide(member, mask)),
        _ => {}
    }
}

/// What the texts under a key are.
fn of_key(key: &str) -> Kinds {
    match key {
        "id" | "full_id" | "pod_sandbox_id" => Kinds::CONTAINER_ID,
        "name" => Kinds::CONTAINER_NAME,
        "image" | "imageid" | "imagerepo" | "imagetag" | "imagedigest" => Kinds::CONTAINER_IMAGE,
        "labels" | "pod_sandbox_labels" => Kinds::CONTAINER_LABELS,
        "Source" | "Destination" => Kinds::CONTAINER_MOUNTS,
        // Words such as "rw" and "rprivate".
        "Mode" | "Propagation" => Kinds::NONE,
        "ip" | "HostIp" => Kinds::ADDRESSES,
        "cni_json" => Kinds::CONTAINER_CNI,
        "User" => Kinds::USERS | Kinds::CONTAINER_OTHER,
        "env" => Kinds::ENV | Kinds::CONTAINER_OTHER,
        _ => Kinds::CONTAINER_OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kinds, Mask, redact};

    const JSON: &str = r#"{"container":{"type":0,"id":"6c270ef2f251","name":"SECRET1","image":"SECRET2/a:1","labels":{"app":"SECRET3"},"env":["A=SECRET4"],"Mounts":[{"Source":"/SECRET5","Mode":"rw","RW":true}],"ip":"172.17.0.2","cni_json":"{\"x\":\"SECRET6\"}","Healthcheck":{"exe":"SECRET7","args":["SECRET8"]},"port_mappings":[{"HostIp":2886729730}]}}"#;

    #[test]
    fn what_is_chosen_goes_and_the_rest_stays() {
        let all = String::from_utf8(redact(JSON.as_bytes(), Kinds::ALL, &mut Mask::new(b"key"))).unwrap();
        assert!(!all.contains("SECRET") && !all.contains("6c270ef2f251") && !all.contains("172.17.0.2"), "{all}");
        assert!(all.contains("\"Mode\":\"rw\"") && all.contains("\"app\":") && all.contains("\"A=#"), "{all}");
        let names = redact(JSON.as_bytes(), Kinds::CONTAINER_NAME, &mut Mask::new(b"key"));
        let names = String::from_utf8(names).unwrap();
        assert!(!names.contains("SECRET1") && names.contains("SECRET2") && names.contains("SECRET8"));
    }

    #[test]
    fn what_is_no_json_is_replaced_as_a_whole() {
        assert!(redact(b"SECRET\0", Kinds::CONTAINER_NAME, &mut Mask::new(b"key")).starts_with(b"#"));
    }
}
