//! What a Falco user has configured in `falco.yaml`, as far as it means something for a replay.

mod tree;
mod values;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use falco_replay_engine::alert::AlertStyle;
use falco_replay_engine::evaluate::RuleMatching;
use falco_replay_rules::program::Priority;
use falco_replay_rules::{AppendOutput, ExtraField, Selection, Which};
use serde_json::Value;

/// A configuration. What it does not say is absent, or as Falco has it by default.
#[derive(Debug)]
pub struct Config {
    /// Rules files and folders; those that do not exist are left out.
    pub rules_files: Vec<PathBuf>,
    /// Rules files that are named and do not exist.
    pub missing_rules_files: Vec<PathBuf>,
    /// The capture that is to be replayed.
    pub capture: Option<PathBuf>,
    /// Which rules run.
    pub selections: Vec<Selection>,
    /// Rules less severe do not run.
    pub priority: Option<Priority>,
    /// Which rules alert on an event that several match.
    pub rule_matching: RuleMatching,
    /// Alerts are JSON.
    pub json_output: bool,
    /// What alerts hold.
    pub style: AlertStyle,
    /// Buffers print as base64.
    pub base64_buffers: bool,
    /// Additions to outputs.
    pub append_output: Vec<AppendOutput>,
    /// Fields `static.KEY`.
    pub static_fields: Vec<(String, String)>,
    /// Alerts go to standard output.
    pub stdout_output: bool,
    /// Alerts go to this file too, at its end.
    pub file_output: Option<PathBuf>,
    /// Keys that mean nothing here.
    pub ignored: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            rules_files: Vec::new(),
            missing_rules_files: Vec::new(),
            capture: None,
            selections: Vec::new(),
            priority: None,
            rule_matching: RuleMatching::First,
            json_output: false,
            style: AlertStyle::default(),
            base64_buffers: false,
            append_output: Vec::new(),
            static_fields: Vec::new(),
            stdout_output: true,
            file_output: None,
            ignored: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a configuration file, if one is named, and sets single options on top of it.
    pub fn load(path: Option<&Path>, options: &[String]) -> anyhow::Result<Config> {
        let mut tree = match path {
            Some(path) => tree::read(path)?,
            None => Value::Object(serde_json::Map::new()),
        };
        for option in options {
            tree::set(&mut tree, option)?;
        }
        let mut config = Config::default();
        let Value::Object(keys) = &tree else { return Ok(config) };
        if path.is_none() && !keys.contains_key("append_output") {
            // The falco.yaml that Falco comes with has it, so its users know alerts with these fields.
            config.append_output.push(AppendOutput { suggested_output: true, ..AppendOutput::default() });
        }
        for (key, value) in keys.iter().filter(|(_, value)| !value.is_null()) {
            let whole = || match path {
                Some(path) => format!("in {}", path.display()),
                None => "in the options given with -o".to_owned(),
            };
            if !config.take(key, value, path.unwrap_or(Path::new(""))).with_context(whole)? {
                config.ignored.push(key.clone());
            }
        }
        Ok(config)
    }

    /// Takes one key over; false where it means nothing here.
    fn take(&mut self, key: &str, value: &Value, path: &Path) -> anyhow::Result<bool> {
        match key {
            "rules_files" | "rules_file" => {
                for name in values::texts(key, value)? {
                    let found = tree::beside(Path::new(&name), path);
                    if found.is_empty() {
                        self.missing_rules_files.push(PathBuf::from(name));
                    }
                    self.rules_files.extend(found);
                }
            }
            "rules" => self.selections = selections(value)?,
            "priority" => self.priority = Some(priority(&values::text(key, value)?)?),
            "rule_matching" => {
                self.rule_matching = match values::text(key, value)?.as_str() {
                    "first" => RuleMatching::First,
                    "all" => RuleMatching::All,
                    other => bail!("rule_matching: first or all is expected, not '{other}'"),
                };
            }
            "json_output" => self.json_output = values::truth(key, value)?,
            "json_include_output_property" => self.style.output = values::truth(key, value)?,
            "json_include_message_property" => self.style.message = values::truth(key, value)?,
            "json_include_output_fields_property" => self.style.output_fields = values::truth(key, value)?,
            "json_include_tags_property" => self.style.tags = values::truth(key, value)?,
            "time_format_iso_8601" => self.style.iso8601 = values::truth(key, value)?,
            "buffer_format_base64" => self.base64_buffers = values::truth(key, value)?,
            "append_output" => {
                self.append_output = values::list(key, value)?.iter().map(append_output).collect::<Result<_, _>>()?;
            }
            "static_fields" => {
                for (name, value) in values::map(key, value)? {
                    self.static_fields.push((name.clone(), values::text(&format!("static_fields.{name}"), value)?));
                }
            }
            "stdout_output" => {
                if let Some(enabled) = values::map(key, value)?.get("enabled") {
                    self.stdout_output = values::truth("stdout_output.enabled", enabled)?;
                }
            }
            "file_output" => {
                let file = values::map(key, value)?;
                let enabled =
                    file.get("enabled").map_or(Ok(false), |value| values::truth("file_output.enabled", value))?;
                if enabled {
                    let name = file.get("filename").context("file_output: there is no filename")?;
                    self.file_output = Some(PathBuf::from(values::text("file_output.filename", name)?));
                }
            }
            "engine" => {
                if let Some(capture) = value.pointer("/replay/capture_file") {
                    self.capture = Some(PathBuf::from(values::text("engine.replay.capture_file", capture)?));
                }
            }
            "config_files" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Reads a priority.
pub fn priority(text: &str) -> anyhow::Result<Priority> {
    let names = Priority::ALL.map(|priority| priority.name().to_ascii_lowercase()).join(", ");
    Priority::parse(text).with_context(|| format!("unknown priority '{text}': {names}"))
}

fn selections(value: &Value) -> anyhow::Result<Vec<Selection>> {
    let mut selections = Vec::new();
    for step in values::list("rules", value)? {
        for (word, what) in values::map("rules", step)? {
            let enable = match word.as_str() {
                "enable" => true,
                "disable" => false,
                other => bail!("rules: enable or disable is expected, not '{other}'"),
            };
            for (kind, pattern) in values::map("rules", what)? {
                let pattern = values::text("rules", pattern)?;
                let which = match kind.as_str() {
                    "rule" => Which::Name(pattern),
                    "tag" => Which::Tag(pattern),
                    other => bail!("rules: rule or tag is expected, not '{other}'"),
                };
                selections.push(Selection { enable, which });
            }
        }
    }
    Ok(selections)
}

fn append_output(value: &Value) -> anyhow::Result<AppendOutput> {
    let mut addition = AppendOutput::default();
    for (key, value) in values::map("append_output", value)? {
        match key.as_str() {
            "match" => {
                for (key, value) in values::map("append_output.match", value)? {
                    match key.as_str() {
                        "source" => addition.source = Some(values::text(key, value)?),
                        "rule" => addition.rule = Some(values::text(key, value)?),
                        "tags" => addition.tags = values::texts(key, value)?,
                        other => bail!("append_output.match: unknown key '{other}': source, rule or tags"),
                    }
                }
            }
            "extra_output" => addition.extra_output = values::text(key, value)?,
            "suggested_output" => addition.suggested_output = values::truth(key, value)?,
            "extra_fields" => {
                for field in values::list(key, value)? {
                    match field {
                        Value::Object(formats) => {
                            for (key, format) in formats {
                                let format = values::text("append_output.extra_fields", format)?;
                                addition.extra_fields.push(ExtraField::Format { key: key.clone(), format });
                            }
                        }
                        name => addition.extra_fields.push(ExtraField::Field(values::text(key, name)?)),
                    }
                }
            }
            other => bail!("append_output: unknown key '{other}'"),
        }
    }
    Ok(addition)
}
