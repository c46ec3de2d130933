//! Exceptions of rules: read, checked, and written out as a part of the condition.
//!
//! Facts: filter-language B6, "Exceptions".

use crate::diagnostic::{Code, Context, Diagnostic};
use crate::item::{Item, Read};
use crate::program::{Modifier, Operator};
use crate::schema::Schema;
use crate::warnings::is_exception_field;
use crate::yaml::Node;
use std::rc::Rc;

/// A text, or a sequence of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Text(String),
    List(Vec<Entry>),
}

/// An exception of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    pub name: String,
    /// Absent only while an item is read that appends values.
    pub fields: Option<Entry>,
    pub comps: Option<Entry>,
    /// Absent where the key is.
    pub values: Option<Vec<Entry>>,
    pub ctx: Rc<Context>,
}

/// Values are nested no deeper than tuples of lists; more is read, but refused when expanded.
const MAX_VALUE_DEPTH: usize = 8;

/// Reads the exceptions of a rule item. `appending`: the key fields may be missing.
pub(crate) fn read_exceptions(
    item: &Item<'_>,
    appending: bool,
    warnings: &mut Vec<Diagnostic>,
) -> Read<Vec<Exception>> {
    let Some(node) = item.get("exceptions").filter(|node| !node.is_null()) else { return Ok(Vec::new()) };
    let members = node.sequence().ok_or_else(|| item.error("Rule exceptions must be a sequence"))?;
    let ctx = item.ctx.within("exceptions", "", node.mark);
    let mut exceptions: Vec<Exception> = Vec::new();
    for member in members {
        let outer = Item { node: member, ctx: ctx.within("exception", "", member.mark) };
        if member.mapping().is_none() {
            return Err(outer.error("Rule exception must be a mapping"));
        }
        let name = outer.text("name")?;
        let item = Item { node: member, ctx: item.ctx.within("exception", name, member.mark) };
        if exceptions.iter().any(|exception| exception.name == name) {
            let message = format!("Multiple definitions of exception '{name}' in the same rule");
            warnings.push(item.warning(Code::ExceptionNameNotUnique, message));
        }
        let fields = match item.get("fields") {
            None if appending => None,
            None => return Err(item.error("Item has no mapping for key 'fields'")),
            Some(node) if node.is_null() => None,
            Some(node) => Some(read_entry(&item, node, 0)?),
        };
        let comps = match item.get("comps").filter(|node| !node.is_null()) {
            None => None,
            Some(node) => Some(trimmed(read_entry(&item, node, 0)?)),
        };
        let values = match item.get("values") {
            None => None,
            Some(node) => {
                let ctx = item.ctx.within("exception values", "", node.mark);
                let values = Item { node, ctx };
                let members =
                    node.sequence().ok_or_else(|| values.error("Rule exception values must be a sequence"))?;
                Some(members.iter().map(|member| read_entry(&values, member, 0)).collect::<Read<Vec<_>>>()?)
            }
        };
        exceptions.push(Exception { name: name.to_owned(), fields, comps, values, ctx: Rc::clone(&item.ctx) });
    }
    Ok(exceptions)
}

fn read_entry(item: &Item<'_>, node: &Node, depth: usize) -> Read<Entry> {
    if let Some(text) = node.scalar() {
        if text.is_empty() && !node.is_null() {
            return Err(item.error("Value must be non-empty"));
        }
        // Null within a sequence is an empty text, which no check lets pass.
        return Ok(Entry::Text(if node.is_null() { String::new() } else { text.to_owned() }));
    }
    match node.sequence() {
        Some(members) if depth < MAX_VALUE_DEPTH => {
            members.iter().map(|member| read_entry(item, member, depth + 1)).collect::<Read<Vec<_>>>().map(Entry::List)
        }
        _ => Err(item.error("Value is not a scalar or sequence")),
    }
}

fn trimmed(entry: Entry) -> Entry {
    match entry {
        Entry::Text(text) => Entry::Text(text.trim().to_owned()),
        Entry::List(members) => Entry::List(members.into_iter().map(trimmed).collect()),
    }
}

impl Exception {
    fn invalid(&self, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(self.ctx.report(Code::ErrValidate, message))
    }

    /// Checks fields and comparison operators, and fills in default operators. The fields of an unknown source are not
    /// looked up.
    pub fn validate(&mut self, schema: &dyn Schema, known_source: bool) -> Read<()> {
        const NO_FIELDS: &str = "Rule exception item must have fields property with a list of fields";
        let unsupported_field = |text: &str| format!("'{text}' is not a supported filter field");
        let fields = match self.fields.take() {
            None => return Err(self.invalid(NO_FIELDS)),
            Some(Entry::List(fields)) if fields.is_empty() => return Err(self.invalid(NO_FIELDS)),
            Some(fields) => fields,
        };
        match &fields {
            Entry::List(fields) => {
                let default = || Entry::List(vec![Entry::Text("=".to_owned()); fields.len()]);
                let comps = self.comps.take().unwrap_or_else(default);
                let Entry::List(comps) = comps else {
                    return Err(self.invalid("Fields and comps lists must have equal length"));
                };
                if comps.len() != fields.len() {
                    return Err(self.invalid("Fields and comps lists must have equal length"));
                }
                for comp in &comps {
                    let text = text_of(comp);
                    if !is_operator(text) {
                        return Err(self.invalid(format!("'{text}' is not a supported comparison operator")));
                    }
                }
                for field in fields {
                    let text = text_of(field);
                    if known_source && !is_exception_field(schema, text) {
                        return Err(self.invalid(unsupported_field(text)));
                    }
                }
                self.comps = Some(Entry::List(comps));
            }
            Entry::Text(field) => {
                let comps = self.comps.take().unwrap_or_else(|| Entry::Text("in".to_owned()));
                let Entry::Text(comp) = comps else {
                    return Err(self.invalid("Fields and comps must both be strings"));
                };
                if !is_list_operator(&comp) {
                    return Err(self.invalid(
                        "When fields is a single value, comps must be one of (in, pmatch, intersects) or a modifier \
                         operator (e.g. startswith oneof)",
                    ));
                }
                if known_source && !is_exception_field(schema, field) {
                    return Err(self.invalid(unsupported_field(field)));
                }
                self.comps = Some(Entry::Text(comp));
            }
        }
        self.fields = Some(fields);
        Ok(())
    }

    /// Fills in default operators where a replacement came without.
    pub fn fill_defaults(&mut self) {
        if self.comps.is_none() {
            self.comps = match &self.fields {
                Some(Entry::List(fields)) => Some(Entry::List(vec![Entry::Text("=".to_owned()); fields.len()])),
                Some(Entry::Text(_)) => Some(Entry::Text("in".to_owned())),
                None => None,
            };
        }
    }

    /// The condition that events of this exception fulfil; empty without values.
    pub fn condition(&self) -> Read<String> {
        let values = match &self.values {
            Some(values) if !values.is_empty() => values,
            _ => return Ok(String::new()),
        };
        match (&self.fields, &self.comps) {
            (Some(Entry::Text(field)), Some(Entry::Text(comp))) => self.single(field, comp, values),
            (Some(Entry::List(fields)), Some(Entry::List(comps))) => self.tuples(fields, comps, values),
            _ => Err(self.invalid("Rule exception item must have fields property with a list of fields")),
        }
    }

    fn single(&self, field: &str, comp: &str, values: &[Entry]) -> Read<String> {
        let mut out = format!("{field} {comp} (");
        for (place, value) in values.iter().enumerate() {
            let Entry::Text(text) = value else {
                return Err(self.invalid("Expected values array to contain a list of strings"));
            };
            if place > 0 {
                out.push_str(", ");
            }
            out.push_str(&quoted(text));
        }
        out.push(')');
        Ok(out)
    }

    fn tuples(&self, fields: &[Entry], comps: &[Entry], values: &[Entry]) -> Read<String> {
        let mut alternatives = Vec::with_capacity(values.len());
        for tuple in values {
            let tuple = match tuple {
                Entry::List(members) if members.len() == fields.len() => members,
                _ => return Err(self.invalid("Fields and values lists must have equal length")),
            };
            let mut parts = Vec::with_capacity(fields.len());
            for ((field, comp), value) in fields.iter().zip(comps).zip(tuple) {
                let comp = text_of(comp);
                let value = match value {
                    Entry::List(members) => {
                        let members: Vec<_> = members.iter().map(|member| quoted(text_of(member))).collect();
                        format!("({})", members.join(", "))
                    }
                    Entry::Text(text) if is_list_operator(comp) => {
                        if text.starts_with('(') {
                            text.clone()
                        } else {
                            format!("({text})")
                        }
                    }
                    Entry::Text(text) => quoted(text),
                };
                parts.push(format!("{} {comp} {value}", text_of(field)));
            }
            alternatives.push(format!("({})", parts.join(" and ")));
        }
        Ok(alternatives.join(" or "))
    }

    /// Its operators, as a description lists them.
    pub fn operators(&self) -> Vec<&str> {
        self.comps.as_ref().map(texts_of).unwrap_or_default()
    }

    /// Its fields, as a description lists them.
    pub fn field_texts(&self) -> Vec<&str> {
        self.fields.as_ref().map(texts_of).unwrap_or_default()
    }
}

fn text_of(entry: &Entry) -> &str {
    match entry {
        Entry::Text(text) => text,
        Entry::List(_) => "",
    }
}

fn texts_of(entry: &Entry) -> Vec<&str> {
    match entry {
        Entry::Text(text) => vec![text],
        Entry::List(members) => members.iter().map(text_of).collect(),
    }
}

/// A text with a blank gets quotes unless it begins with one.
pub(crate) fn quoted(text: &str) -> String {
    if text.contains(' ') && !text.starts_with(['"', '\'']) { format!("\"{text}\"") } else { text.to_owned() }
}

/// An operator, or one with a modifier: exactly one blank between them.
fn is_operator(text: &str) -> bool {
    Operator::ALL.iter().any(|(_, word)| *word == text) || is_modified(text)
}

fn is_modified(text: &str) -> bool {
    let Some((operator, modifier)) = text.split_once(' ') else { return false };
    let known = |found: &(Operator, &str)| {
        use Operator as O;
        found.1 == operator
            && !matches!(found.0, O::Lt | O::Le | O::Gt | O::Ge | O::In | O::Intersects | O::Pmatch | O::Exists)
    };
    Operator::ALL.iter().any(known) && Modifier::ALL.iter().any(|(_, word)| *word == modifier)
}

fn is_list_operator(text: &str) -> bool {
    matches!(text, "in" | "pmatch" | "intersects") || is_modified(text)
}
