//! Items of one file → definitions, as Falco merges them: redefine, append, override, enable.
//!
//! Facts: filter-language B1 to B6.

use crate::definitions::{Definitions, PluginRequirement, PluginVersion, RuleDefinition};
use crate::diagnostic::{Code, Context, Diagnostic, SourceFile};
use crate::exceptions::{Exception, read_exceptions};
use crate::item::{Item, Read};
use crate::json_schema::check_documents;
use crate::overrides::{Operation, Overrides, read_overrides};
use crate::program::Priority;
use crate::schema::Schema;
use crate::version::Version;
use crate::yaml::{Node, parse_documents};
use std::collections::BTreeSet;
use std::rc::Rc;

const APPEND_DEPRECATED: &str =
    "'append' key is deprecated. Add an 'append' entry (e.g. 'condition: append') under 'override' instead.";
const ENABLED_DEPRECATED: &str = "The standalone 'enabled' key usage is deprecated. The correct approach requires also a \
                                  'replace' entry under the 'override' key (i.e. 'enabled: replace').";
const OTHER_SOURCE: &str = "Rule has been re-defined with a different source";

#[rustfmt::skip]
const RULE_KEYS: &[&str] = &[
    "rule", "condition", "output", "desc", "priority", "source", "enabled", "tags", "exceptions", "warn_evttypes",
    "skip-if-unknown-filter", "capture", "capture_duration", "append", "override",
];

/// Reads a file into the definitions. Every item is read even where an earlier one is wrong. Says whether the text was
/// read to its end.
pub(crate) fn merge_file(
    schema: &dyn Schema,
    file: &Rc<SourceFile>,
    definitions: &mut Definitions,
    diagnostics: &mut Vec<Diagnostic>,
    schema_warnings: &mut Option<Vec<String>>,
) -> bool {
    let root = Context::of_file(Rc::clone(file));
    let parsed = parse_documents(&file.text);
    let whole = parsed.error.is_none();
    if let Some(error) = parsed.error {
        diagnostics.push(root.within("value for", "", error.mark).report(Code::ErrYamlParse, error.message));
    }
    if whole {
        *schema_warnings = check_documents(&parsed.documents);
    }
    let mut merger = Merger { schema, definitions, diagnostics };
    for document in parsed.documents.iter().filter(|document| !document.is_null()) {
        let Some(items) = document.sequence() else {
            let ctx = root.within("rules content", "", document.mark);
            merger.diagnostics.push(ctx.report(Code::ErrYamlValidate, "Rules content is not yaml array of objects"));
            continue;
        };
        for node in items.iter().filter(|node| !node.is_null()) {
            if let Err(error) = merger.item(&root, node) {
                merger.diagnostics.push(*error);
            }
        }
    }
    whole
}

struct Merger<'a> {
    schema: &'a dyn Schema,
    definitions: &'a mut Definitions,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Merger<'_> {
    fn item(&mut self, root: &Rc<Context>, node: &Node) -> Read<()> {
        let outer = Item { node, ctx: root.within("rules content item", "", node.mark) };
        if node.mapping().is_none() {
            return Err(outer.error("Unexpected element type. Each element should be a yaml associative array."));
        }
        let within = |kind: &'static str, name: &str| Item { node, ctx: root.within(kind, name, node.mark) };
        let named = |kind: &'static str| -> Read<(Item<'_>, String)> {
            let name = within(kind, "").text(kind)?.to_owned();
            Ok((within(kind, &name), name))
        };
        if outer.has("required_engine_version") {
            self.engine_version(&within("required_engine_version", ""))
        } else if outer.has("required_plugin_versions") {
            self.plugin_versions(root, &within("required plugin versions", ""))
        } else if outer.has("list") {
            let (item, name) = named("list")?;
            self.list(&item, &name)
        } else if outer.has("macro") {
            let (item, name) = named("macro")?;
            self.macro_item(&item, &name)
        } else if outer.has("rule") {
            let (item, name) = named("rule")?;
            self.rule(&item, &name)
        } else {
            self.diagnostics.push(outer.warning(Code::UnknownItem, "Unknown top level item"));
            Ok(())
        }
    }

    fn engine_version(&mut self, item: &Item<'_>) -> Read<()> {
        item.check_keys(&["required_engine_version"], self.diagnostics);
        let text = item.text("required_engine_version")?;
        let number = crate::item::unsigned(text).map(|minor| Version::new(0, minor, 0));
        let Some(required) = number.or_else(|| Version::parse(text)) else {
            return Err(item.error(format!(
                "Unable to parse engine version '{text}' as a semver string. Expected \"x.y.z\" semver format."
            )));
        };
        let engine = self.schema.engine_version();
        if !engine.satisfies(required) {
            let mut error =
                item.invalid(format!("Rules require engine version {required}, but engine version is {engine}"));
            error.help = "use a newer falco-replay, or rules for an older engine".to_owned();
            return Err(error);
        }
        self.definitions.engine_version = self.definitions.engine_version.max(Some(required));
        Ok(())
    }

    fn plugin_versions(&mut self, root: &Rc<Context>, item: &Item<'_>) -> Read<()> {
        item.check_keys(&["required_plugin_versions"], self.diagnostics);
        let Some(node) = item.get("required_plugin_versions") else { return Ok(()) };
        let item = Item { node, ctx: root.within("required plugin versions", "", node.mark) };
        let Some(members) = node.sequence() else {
            return Err(item.error("Value of required_plugin_versions must be a sequence"));
        };
        for member in members {
            let (entry, plugin) = plugin_version(&item.ctx, "required plugin versions entry", member)?;
            let mut plugins = vec![plugin];
            if let Some(alternatives) = entry.get("alternatives") {
                let Some(alternatives) = alternatives.sequence() else {
                    return Err(entry.error("Value of plugin version alternatives must be a sequence"));
                };
                for alternative in alternatives {
                    let kind = "required plugin versions alternative";
                    let (_, plugin) = plugin_version(&entry.ctx, kind, alternative)?;
                    if plugins.iter().any(|other| other.name == plugin.name) {
                        return Err(entry.invalid(format!(
                            "Defined multiple alternative version requirements for plugin '{}'",
                            plugin.name
                        )));
                    }
                    plugins.push(plugin);
                }
            }
            self.definitions.requirements.push(PluginRequirement { plugins, ctx: Rc::clone(&entry.ctx) });
        }
        Ok(())
    }

    /// Whether `append: true` is there, which is warned about, and the overrides. Both together are an error.
    fn change(&mut self, item: &Item<'_>, appendable: &[&str], replaceable: &[&str]) -> Read<(bool, Overrides)> {
        let append = item.optional_bool("append")?.unwrap_or(false);
        if append {
            self.diagnostics.push(item.warning(Code::DeprecatedItem, APPEND_DEPRECATED));
        }
        let overrides = read_overrides(item, appendable, replaceable)?;
        if append && !overrides.is_empty() {
            return Err(item.error(
                "Keys 'override' and 'append: true' cannot be used together. Add an 'append' entry (e.g. 'condition: \
                 append') under 'override' instead.",
            ));
        }
        Ok((append, overrides))
    }

    fn list(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        item.check_keys(&["list", "items", "append", "override"], self.diagnostics);
        if name.chars().any(|c| matches!(c, ' ' | '\t'..='\r') || "()\"'=,".contains(c)) {
            let message = "List has an invalid name. List names should match a regular expression: \
                           ([^()\"'[:space:]=,]+)";
            self.diagnostics.push(item.warning(Code::InvalidListName, message));
        }
        let (append, overrides) = self.change(item, &["items"], &["items"])?;
        overrides.check_present(item, &["items"])?;
        let items = item.texts("items")?;
        if append || overrides.operation("items") == Some(Operation::Append) {
            if !self.definitions.append_list(name, items) {
                return Err(item.invalid(
                    "List uses 'append' or 'override.items: append' but no list by that name already exists",
                ));
            }
        } else {
            self.definitions.define_list(name, items, Rc::clone(&item.ctx));
        }
        Ok(())
    }

    fn macro_item(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        item.check_keys(&["macro", "condition", "append", "override"], self.diagnostics);
        let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !valid {
            let message = "Macro has an invalid name. Macro names should match a regular expression: \
                           ([a-zA-Z]+[a-zA-Z0-9_]*)";
            self.diagnostics.push(item.warning(Code::InvalidMacroName, message));
        }
        let (append, overrides) = self.change(item, &["condition"], &["condition"])?;
        overrides.check_present(item, &["condition"])?;
        let condition = item.text("condition")?;
        if append || overrides.operation("condition") == Some(Operation::Append) {
            if !self.definitions.append_macro(name, condition) {
                return Err(item.invalid(
                    "Macro uses 'append' or 'override.condition: append' but no macro by that name already exists",
                ));
            }
        } else {
            let condition_ctx = value_context(item, "macro condition", "condition");
            self.definitions.define_macro(name, condition.to_owned(), Rc::clone(&item.ctx), condition_ctx);
        }
        Ok(())
    }

    fn rule(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        #[rustfmt::skip]
        const APPENDABLE: &[&str] = &["condition", "output", "desc", "tags", "exceptions"];
        #[rustfmt::skip]
        const REPLACEABLE: &[&str] = &[
            "condition", "output", "desc", "priority", "enabled", "tags", "exceptions", "warn_evttypes",
            "skip-if-unknown-filter", "capture", "capture_duration",
        ];
        item.check_keys(RULE_KEYS, self.diagnostics);
        let (append, overrides) = self.change(item, APPENDABLE, REPLACEABLE)?;
        if !overrides.is_empty() {
            overrides.check_present(item, REPLACEABLE)?;
            return self.override_rule(item, name, &overrides);
        }
        if append {
            return self.append_rule(item, name);
        }
        if !["condition", "output", "desc", "priority"].iter().any(|key| item.has(key)) {
            return self.enable_rule(item, name);
        }
        self.define_rule(item, name)
    }

    fn define_rule(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        let source = item.optional_text("source")?.unwrap_or("syscall").to_owned();
        let known_source = self.schema.has_source(&source);
        let condition = item.text("condition")?.to_owned();
        let output = item.text("output")?.trim().to_owned();
        let description = item.text("desc")?.to_owned();
        let priority = priority(item)?;
        let mut rule = RuleDefinition {
            name: name.to_owned(),
            condition,
            output,
            description,
            priority,
            known_source,
            enabled: item.optional_bool("enabled")?.unwrap_or(true),
            tags: item.optional_texts("tags")?.unwrap_or_default().into_iter().collect(),
            exceptions: read_exceptions(item, false, self.diagnostics)?,
            warn_evttypes: item.optional_bool("warn_evttypes")?.unwrap_or(true),
            skip_if_unknown_filter: item.optional_bool("skip-if-unknown-filter")?.unwrap_or(false),
            capture: item.optional_bool("capture")?.unwrap_or(false),
            capture_duration: item.optional_number("capture_duration")?.unwrap_or(0),
            ctx: Rc::clone(&item.ctx),
            condition_ctx: value_context(item, "rule condition", "condition"),
            output_ctx: value_context(item, "rule output", "output"),
            source,
        };
        if self.definitions.rule_mut(name).is_some_and(|previous| previous.source != rule.source) {
            return Err(item.invalid(OTHER_SOURCE));
        }
        if !known_source {
            let message = format!("Unknown source {}, skipping", rule.source);
            self.diagnostics.push(item.warning(Code::UnknownSource, message));
        }
        for exception in &mut rule.exceptions {
            exception.validate(self.schema, known_source)?;
        }
        self.definitions.define_rule(rule);
        Ok(())
    }

    fn enable_rule(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        let Some(enabled) = item.optional_bool("enabled")? else {
            return Err(item.error("Item has no mapping for key 'condition'"));
        };
        self.diagnostics.push(item.warning(Code::DeprecatedItem, ENABLED_DEPRECATED));
        let Some(rule) = self.definitions.rule_mut(name) else {
            return Err(item.invalid("Rule has 'enabled' key but no rule by that name already exists"));
        };
        rule.enabled = enabled;
        Ok(())
    }

    fn append_rule(&mut self, item: &Item<'_>, name: &str) -> Read<()> {
        let condition = item.optional_text("condition")?;
        let exceptions = read_exceptions(item, true, self.diagnostics)?;
        let source = written_source(item);
        let Some(rule) = self.definitions.rule_mut(name) else {
            return Err(
                item.invalid("Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists")
            );
        };
        if source.is_some_and(|source| source != rule.source) {
            return Err(item.invalid(OTHER_SOURCE));
        }
        if condition.is_none() && exceptions.is_empty() {
            return Err(item.invalid("Appended rule must have exceptions or condition property"));
        }
        if let Some(condition) = condition {
            rule.condition.push(' ');
            rule.condition.push_str(condition);
        }
        append_exceptions(self.schema, rule, exceptions, self.diagnostics)
    }

    fn override_rule(&mut self, item: &Item<'_>, name: &str, overrides: &Overrides) -> Read<()> {
        let appends = overrides.any(Operation::Append);
        let missing = || {
            item.invalid(if appends {
                "Rule uses 'append' or 'override.<key>: append' but no rule by that name already exists"
            } else {
                "An 'override.<key>: replace' to a rule was requested but no rule by that name already exists"
            })
        };
        let condition = item.optional_text("condition")?;
        let output = item.optional_text("output")?;
        let description = item.optional_text("desc")?;
        let priority = item.has("priority").then(|| priority(item)).transpose()?;
        let tags: Option<BTreeSet<String>> = item.optional_texts("tags")?.map(|tags| tags.into_iter().collect());
        let enabled = item.optional_bool("enabled")?;
        let warn_evttypes = item.optional_bool("warn_evttypes")?;
        let skip = item.optional_bool("skip-if-unknown-filter")?;
        let capture = item.optional_bool("capture")?;
        let capture_duration = item.optional_number("capture_duration")?;
        let append_exceptions_too = overrides.operation("exceptions") == Some(Operation::Append);
        let exceptions = match overrides.operation("exceptions") {
            Some(_) => Some(read_exceptions(item, append_exceptions_too, self.diagnostics)?),
            None => None,
        };
        let source = written_source(item);
        let Some(rule) = self.definitions.rule_mut(name) else { return Err(missing()) };
        if condition.is_some() && source.is_some_and(|source| source != rule.source) {
            return Err(item.invalid(OTHER_SOURCE));
        }
        let merge = |text: &mut String, key: &str, value: Option<&str>| {
            let Some(value) = value else { return };
            if overrides.operation(key) == Some(Operation::Append) {
                text.push(' ');
                text.push_str(value);
            } else {
                value.clone_into(text);
            }
        };
        merge(&mut rule.condition, "condition", condition);
        merge(&mut rule.output, "output", output);
        merge(&mut rule.description, "desc", description);
        if overrides.operation("condition") == Some(Operation::Replace) {
            rule.condition_ctx = value_context(item, "rule condition", "condition");
        }
        if overrides.operation("output") == Some(Operation::Replace) {
            rule.output_ctx = value_context(item, "rule output", "output");
        }
        if let Some(tags) = tags {
            if overrides.operation("tags") == Some(Operation::Append) {
                rule.tags.extend(tags);
            } else {
                rule.tags = tags;
            }
        }
        rule.priority = priority.unwrap_or(rule.priority);
        rule.enabled = enabled.unwrap_or(rule.enabled);
        rule.warn_evttypes = warn_evttypes.unwrap_or(rule.warn_evttypes);
        rule.skip_if_unknown_filter = skip.unwrap_or(rule.skip_if_unknown_filter);
        rule.capture = capture.unwrap_or(rule.capture);
        rule.capture_duration = capture_duration.unwrap_or(rule.capture_duration);
        match exceptions {
            Some(exceptions) if append_exceptions_too => {
                append_exceptions(self.schema, rule, exceptions, self.diagnostics)
            }
            Some(mut exceptions) => {
                exceptions.iter_mut().for_each(Exception::fill_defaults);
                rule.exceptions = exceptions;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Adds values to exceptions of the same name, and exceptions of a new name.
fn append_exceptions(
    schema: &dyn Schema,
    rule: &mut RuleDefinition,
    exceptions: Vec<Exception>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Read<()> {
    for mut exception in exceptions {
        let invalid = |message: &str| Box::new(exception.ctx.report(Code::ErrValidate, message));
        if exception.values.is_none() {
            let message = "Overriding/appending exception with no values";
            diagnostics.push(exception.ctx.report(Code::AppendNoValues, message));
        }
        match rule.exceptions.iter_mut().find(|known| known.name == exception.name) {
            Some(known) => {
                if exception.fields.is_some() {
                    return Err(invalid("Can not append exception fields to existing exception, only values"));
                }
                if exception.comps.is_some() {
                    return Err(invalid("Can not append exception comps to existing exception, only values"));
                }
                known.values.get_or_insert_default().extend(exception.values.unwrap_or_default());
            }
            None => {
                if exception.fields.is_none() {
                    return Err(invalid("Rule exception must have fields property with a list of fields"));
                }
                if exception.values.is_none() {
                    return Err(invalid("Rule exception must have values property with a list of values"));
                }
                exception.validate(schema, rule.known_source)?;
                rule.exceptions.push(exception);
            }
        }
    }
    Ok(())
}

/// The source that an item names; an empty one or null counts as none.
fn written_source<'a>(item: &Item<'a>) -> Option<&'a str> {
    item.get("source").filter(|node| !node.is_null()).and_then(Node::scalar).filter(|text| !text.is_empty())
}

/// Reads the name and version of a plugin, with the context of both.
fn plugin_version<'a>(ctx: &Rc<Context>, kind: &'static str, node: &'a Node) -> Read<(Item<'a>, PluginVersion)> {
    let unnamed = Item { node, ctx: ctx.within(kind, "", node.mark) };
    if node.mapping().is_none() {
        return Err(unnamed.error("Plugin version must be a mapping"));
    }
    let name = unnamed.text("name")?;
    let item = Item { node, ctx: ctx.within(kind, name, node.mark) };
    let plugin = PluginVersion { name: name.to_owned(), version: item.text("version")?.to_owned() };
    if Version::parse(&plugin.version).is_none() {
        return Err(item.invalid(format!("Invalid required version '{}' for plugin '{}'", plugin.version, plugin.name)));
    }
    Ok((item, plugin))
}

fn priority(item: &Item<'_>) -> Read<Priority> {
    let text = item.text("priority")?;
    Priority::parse(text).ok_or_else(|| {
        let ctx = value_context(item, "rule priority", "priority");
        let mut error = ctx.report(Code::ErrYamlValidate, "Invalid priority");
        let names: Vec<_> = Priority::ALL.iter().map(|priority| priority.name()).collect();
        error.help = format!("a priority is one of {}", names.join(", "));
        Box::new(error)
    })
}

/// Where the value of a key stands.
fn value_context(item: &Item<'_>, kind: &'static str, key: &str) -> Rc<Context> {
    item.ctx.within(kind, "", item.get(key).map_or(item.ctx.mark(), |node| node.mark))
}
