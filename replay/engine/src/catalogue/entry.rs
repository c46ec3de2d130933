//! One row of the catalogue.

use super::field::Field;
use falco_replay_format::schema::PrintFormat;
use falco_replay_rules::program::ValueType;
use falco_replay_rules::schema::{ArgumentKind, ArgumentRule, FieldInfo, Role};
use std::borrow::Cow;

/// A field with all that is known of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which field.
    pub field: Field,
    /// What the language sees of it.
    pub info: FieldInfo,
    /// How its numbers are printed.
    pub format: PrintFormat,
    /// Usable, but not listed.
    pub hidden: bool,
    /// Kept for old rules only.
    pub deprecated: bool,
    /// Meant for conditions; prints as missing.
    pub filter_only: bool,
    /// Meant for outputs.
    pub print_only: bool,
    /// What it is, in a sentence.
    pub description: &'static str,
}

/// A plain field without argument.
pub(super) const fn entry(
    field: Field,
    name: &'static str,
    ty: ValueType,
    format: PrintFormat,
    description: &'static str,
) -> Entry {
    Entry {
        field,
        info: FieldInfo {
            name: Cow::Borrowed(name),
            ty,
            list: false,
            argument: None,
            no_transformer: false,
            no_rhs: false,
            suggested: false,
            role: Role::Plain,
            plugin: None,
        },
        format,
        hidden: false,
        deprecated: false,
        filter_only: false,
        print_only: false,
        description,
    }
}

impl Entry {
    /// The name, as it stands in the table.
    pub fn name(&self) -> &str {
        &self.info.name
    }

    pub(super) const fn required(mut self, kind: ArgumentKind) -> Self {
        self.info.argument = Some(ArgumentRule { required: true, kind });
        self
    }

    pub(super) const fn optional(mut self, kind: ArgumentKind) -> Self {
        self.info.argument = Some(ArgumentRule { required: false, kind });
        self
    }

    pub(super) const fn list(mut self) -> Self {
        self.info.list = true;
        self
    }

    pub(super) const fn no_transformer(mut self) -> Self {
        self.info.no_transformer = true;
        self
    }

    pub(super) const fn no_rhs(mut self) -> Self {
        self.info.no_rhs = true;
        self
    }

    pub(super) const fn deprecated(mut self) -> Self {
        self.deprecated = true;
        self
    }

    pub(super) const fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    pub(super) const fn filter_only(mut self) -> Self {
        self.filter_only = true;
        self
    }

    pub(super) const fn print_only(mut self) -> Self {
        self.print_only = true;
        self
    }

    pub(super) const fn suggested(mut self) -> Self {
        self.info.suggested = true;
        self
    }

    pub(super) const fn role(mut self, role: Role) -> Self {
        self.info.role = role;
        self
    }

    pub(super) const fn of_plugin(mut self) -> Self {
        self.info.plugin = Some(super::CONTAINER_PLUGIN);
        self
    }
}
