//! `falco.yaml` as a tree: reading it, merging other files into it, environment references, single options.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// Longest sequence that `-o key[N]=value` makes.
const MAX_INDEX: usize = 10_000;

/// Reads a configuration file with those that its `config_files` names.
pub fn read(path: &Path) -> anyhow::Result<Value> {
    let mut tree = read_one(path)?;
    let more = tree.get("config_files").cloned().unwrap_or(Value::Null);
    for entry in super::values::list("config_files", &more)? {
        let (name, strategy) = match entry {
            Value::Object(entry) => {
                (entry.get("path").cloned().unwrap_or(Value::Null), Strategy::of(entry.get("strategy"))?)
            }
            other => (other.clone(), Strategy::Append),
        };
        let name = super::values::text("config_files", &name)?;
        for file in beside(Path::new(&name), path) {
            let Value::Object(other) = read_one(&file)? else { continue };
            if other.contains_key("config_files") {
                bail!("{}: config_files may stand only in the main configuration file", file.display());
            }
            merge(&mut tree, other, strategy);
        }
    }
    Ok(tree)
}

/// How a further configuration file changes what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// Sequences are continued, all else is replaced.
    Append,
    /// Everything is replaced.
    Override,
    /// What is there stays.
    AddOnly,
}

impl Strategy {
    fn of(value: Option<&Value>) -> anyhow::Result<Strategy> {
        Ok(match value.and_then(Value::as_str) {
            None | Some("append") => Strategy::Append,
            Some("override") => Strategy::Override,
            Some("add-only") => Strategy::AddOnly,
            Some(other) => bail!("config_files: unknown strategy '{other}': append, override or add-only"),
        })
    }
}

/// The files that a path in a configuration means: itself, or the YAML files of a folder. What does not exist is left out,
/// as Falco does. A relative path is looked for from here, then from the configuration file.
pub fn beside(path: &Path, config: &Path) -> Vec<PathBuf> {
    let near = config.parent().unwrap_or(Path::new("")).join(path);
    let path = if path.exists() || path.is_absolute() { path.to_owned() } else { near };
    if !path.is_dir() {
        return if path.exists() { vec![path] } else { Vec::new() };
    }
    let entries = std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path());
    let yaml = |path: &PathBuf| path.extension().is_some_and(|end| end == "yaml" || end == "yml") && path.is_file();
    let mut files: Vec<PathBuf> = entries.filter(yaml).collect();
    files.sort();
    files
}

fn read_one(path: &Path) -> anyhow::Result<Value> {
    let fail = || format!("cannot read {}", path.display());
    let text = std::fs::read(path).with_context(fail)?;
    let text = String::from_utf8(text)
        .ok()
        .filter(|text| !text.contains('\0'))
        .with_context(|| format!("{} is no configuration file (YAML text)", path.display()))?;
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut tree: Value = yaml(&text).with_context(|| format!("{} is no valid configuration file", path.display()))?;
    expand(&mut tree);
    match tree {
        Value::Null => Ok(Value::Object(Map::new())),
        Value::Object(_) => Ok(tree),
        _ => bail!("{} is no configuration file: keys and values are expected", path.display()),
    }
}

fn yaml(text: &str) -> anyhow::Result<Value> {
    // The first of two equal keys counts, as for Falco.
    let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::FirstWins };
    Ok(serde_saphyr::from_str_with_options(text, options)?)
}

fn merge(tree: &mut Value, other: Map<String, Value>, strategy: Strategy) {
    let Value::Object(tree) = tree else { return };
    for (key, value) in other {
        match (tree.get_mut(&key), strategy) {
            (Some(_), Strategy::AddOnly) => {}
            (Some(Value::Array(there)), Strategy::Append) => match value {
                Value::Array(mut more) => there.append(&mut more),
                one => there.push(one),
            },
            _ => {
                tree.insert(key, value);
            }
        }
    }
}

/// Replaces `${VAR}` in every text by the environment's value; `$${VAR}` stands for `${VAR}`.
fn expand(value: &mut Value) {
    match value {
        Value::String(text) if text.contains("${") => *text = expanded(text, |name| std::env::var(name).ok()),
        Value::Array(members) => members.iter_mut().for_each(expand),
        Value::Object(members) => members.values_mut().for_each(expand),
        _ => {}
    }
}

fn expanded(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let Some(end) = after.find('}') else { break };
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str(&rest[at..at + 2 + end + 1]);
        } else {
            out.push_str(before);
            out.push_str(&variable(&after[..end]).unwrap_or_default());
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Sets one option: `key.sub[0]=value`; `[]` adds to a sequence. The value is YAML.
pub fn set(tree: &mut Value, option: &str) -> anyhow::Result<()> {
    let Some((path, text)) = option.split_once('=') else {
        bail!("'{option}' is no option: -o takes KEY=VALUE");
    };
    let wrong = || {
        format!("'{path}' names no option: a key is such as json_output, file_output.enabled or rules[].disable.rule")
    };
    let value = if text.is_empty() { Value::String(String::new()) } else { yaml(text).unwrap_or_else(|_| text.into()) };
    let mut place = tree;
    for part in path.trim().split('.') {
        let (name, mut brackets) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() {
            bail!(wrong());
        }
        place = member(place, name);
        while let Some(rest) = brackets.strip_prefix('[') {
            let (index, rest) = rest.split_once(']').with_context(wrong)?;
            place = element(place, index).with_context(wrong)?;
            brackets = rest;
        }
        if !brackets.is_empty() {
            bail!(wrong());
        }
    }
    *place = value;
    expand(place);
    Ok(())
}

fn member<'a>(place: &'a mut Value, name: &str) -> &'a mut Value {
    if !place.is_object() {
        *place = Value::Object(Map::new());
    }
    &mut place[name]
}

fn element<'a>(place: &'a mut Value, index: &str) -> Option<&'a mut Value> {
    if !place.is_array() {
        *place = Value::Array(Vec::new());
    }
    let members = place.as_array_mut()?;
    let index = if index.is_empty() { members.len() } else { index.parse().ok()? };
    if index > MAX_INDEX {
        return None;
    }
    if index >= members.len() {
        members.resize(index + 1, Value::Null);
    }
    members.get_mut(index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_set_by_their_path() {
        let mut tree = json!({"rules": [{"enable": {"rule": "x"}}], "json_output": false});
        for option in [
            "json_output=true",
            "rules[].disable.rule=Read *",
            "a.b[1]=2",
            "append_output[]={extra_output: \"n=%evt.num\"}",
        ] {
            set(&mut tree, option).unwrap();
        }
        assert_eq!(
            tree,
            json!({
                "rules": [{"enable": {"rule": "x"}}, {"disable": {"rule": "Read *"}}],
                "json_output": true,
                "a": {"b": [null, 2]},
                "append_output": [{"extra_output": "n=%evt.num"}],
            })
        );
    }

    #[test]
    fn what_is_no_option() {
        for option in ["json_output", "=1", ".a=1", "a[x]=1", "a[0=1", "a[0]b=1", "a[99999999]=1"] {
            assert!(set(&mut json!({}), option).is_err(), "{option}");
        }
    }

    #[test]
    fn variables_are_expanded() {
        let known = |name: &str| (name == "A").then(|| "one".to_owned());
        assert_eq!(expanded("x ${A} y ${B} $${A} ${A", known), "x one y  ${A} ${A");
    }

    #[test]
    fn further_files_are_merged() {
        let base = || json!({"a": [1], "b": 1});
        let more = || match json!({"a": [2], "b": 2, "c": 3}) {
            Value::Object(more) => more,
            _ => Map::new(),
        };
        for (strategy, merged) in [
            (Strategy::Append, json!({"a": [1, 2], "b": 2, "c": 3})),
            (Strategy::Override, json!({"a": [2], "b": 2, "c": 3})),
            (Strategy::AddOnly, json!({"a": [1], "b": 1, "c": 3})),
        ] {
            let mut tree = base();
            merge(&mut tree, more(), strategy);
            assert_eq!(tree, merged, "{strategy:?}");
        }
    }

    #[test]
    fn the_first_of_two_equal_keys_counts() {
        assert_eq!(yaml("a: 1\na: 2\nb: yes\n").unwrap(), json!({"a": 1, "b": yaml("yes").unwrap()}));
    }
}
