//! What a load of rules files is told besides the files.

use crate::program::{Priority, Rule};

/// Which evaluation of Falco's plain defects is wanted. The engine evaluates; loading warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Semantics {
    /// As Falco does.
    #[default]
    Falco,
    /// As the language promises.
    Documented,
}

/// An addition to the outputs of rules: an entry of Falco's `append_output`. Facts: filter-language C4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppendOutput {
    /// Only rules of this source.
    pub source: Option<String>,
    /// Only rules with all of these tags.
    pub tags: Vec<String>,
    /// Only the rule of this name.
    pub rule: Option<String>,
    /// Text to append to the output, with a blank between.
    pub extra_output: String,
    /// Fields to add to `output_fields`: a field by its name, or a key with a format.
    pub extra_fields: Vec<ExtraField>,
    /// Whether the suggested fields are appended to the output.
    pub suggested_output: bool,
}

/// A field added to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraField {
    /// A field that keeps its type.
    Field(String),
    /// A text made by a format.
    Format {
        /// Key under which it is added.
        key: String,
        /// The format.
        format: String,
    },
}

impl AppendOutput {
    /// Whether it applies to a rule.
    pub(crate) fn matches(&self, source: &str, tags: impl Fn(&str) -> bool, name: &str) -> bool {
        self.source.as_deref().is_none_or(|wanted| wanted == source)
            && self.tags.iter().all(|tag| tags(tag))
            && self.rule.as_deref().is_none_or(|wanted| wanted == name)
    }
}

/// What a load is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Warn about checks that Falco does not evaluate as documented.
    pub warn_defects: bool,
    /// Additions to outputs.
    pub append_output: Vec<AppendOutput>,
    /// Compile after each file, as a validation does, so that each file's result says how the files up to it stand. Else
    /// once, after the last.
    pub compile_each: bool,
}

/// A step of choosing rules, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// On or off.
    pub enable: bool,
    /// Which rules.
    pub which: Which,
}

/// Rules by name or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By name; `*` stands for any text, nothing else is special.
    Name(String),
    /// By tag, exact.
    Tag(String),
}

impl Selection {
    /// Switches the rules that it means on or off.
    pub fn apply(&self, rules: &mut [Rule]) {
        for rule in rules {
            let meant = match &self.which {
                Which::Name(pattern) => matches_wildcard(pattern, &rule.name),
                Which::Tag(tag) => rule.tags.contains(tag),
            };
            if meant {
                rule.enabled = self.enable;
            }
        }
    }
}

/// Whether a name fits a pattern in which `*` stands for any text.
pub fn matches_wildcard(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = name.get(at + part.len()..).unwrap_or_default();
    }
    name.len() >= last.len() && name.ends_with(last)
}

impl crate::program::Program {
    /// Switches rules on and off, in the order given.
    pub fn select(&mut self, selections: &[Selection]) {
        selections.iter().for_each(|selection| selection.apply(&mut self.rules));
    }

    /// Leaves only rules that are at least as severe as `least`.
    pub fn keep_priority(&mut self, least: Priority) {
        self.rules.retain(|rule| rule.priority <= least);
    }
}

#[cfg(test)]
mod tests {
    use super::matches_wildcard as fits;

    #[test]
    fn only_the_star_is_special() {
        assert!(fits("*", "") && fits("*", "any name") && fits("Read*", "Read sensitive file"));
        assert!(fits("*file*untrusted", "Read file untrusted") && fits("a*a", "aa") && fits("a.b", "a.b"));
        assert!(!fits("a*a", "a") && !fits("a?c", "abc") && !fits("Read", "Read more") && !fits("*x", "xy"));
    }
}
