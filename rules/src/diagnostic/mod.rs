//! Diagnostics: one report, several renderers (`falco -V` JSON, terminal).

mod code;
pub(crate) mod help;
pub mod json;
pub mod text;

pub use crate::yaml::Mark;
pub use code::{Code, Severity};
use std::rc::Rc;

/// Something wrong with rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of thing.
    pub code: Code,
    /// What exactly.
    pub message: String,
    /// Where, from the file down to the innermost part.
    pub locations: Vec<Location>,
    /// The line that is meant, and a caret below it.
    pub snippet: String,
    /// The deprecated field that is meant.
    pub deprecated_field: Option<&'static str>,
    /// What to point at in which text.
    pub label: Option<Label>,
    /// What to do about it.
    pub help: String,
}

/// A part of a text with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// What the text is: empty for the file itself, else for example `condition of macro 'm'`.
    pub of: String,
    /// The text, as far as it is needed.
    pub text: String,
    /// Line of the file that the text begins in, from 0.
    pub line: usize,
    /// The part, in bytes of the text.
    pub span: (usize, usize),
}

/// One level of where something is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// What it is: `rule`, `macro`, `rule condition` …
    pub item_type: &'static str,
    /// Its name, where it has one.
    pub item_name: String,
    /// Name of the file, or the text of an expression.
    pub source: String,
    /// The place in it.
    pub mark: Mark,
}

impl Diagnostic {
    /// Whether it is an error or a warning.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Name of the file it is about.
    pub fn file(&self) -> &str {
        self.locations.first().map_or("", |location| &location.source)
    }
}

/// A file as far as diagnostics need it.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub name: String,
    pub text: String,
}

/// Where the reader is: a stack that shares its lower part.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    file: Rc<SourceFile>,
    item_type: &'static str,
    item_name: String,
    mark: Mark,
    parent: Option<Rc<Context>>,
}

impl Context {
    /// The file itself.
    pub fn of_file(file: Rc<SourceFile>) -> Rc<Self> {
        Rc::new(Self {
            file,
            item_type: "rules content",
            item_name: String::new(),
            mark: Mark::default(),
            parent: None,
        })
    }

    /// A part of this.
    pub fn within(self: &Rc<Self>, item_type: &'static str, item_name: &str, mark: Mark) -> Rc<Self> {
        Rc::new(Self {
            file: Rc::clone(&self.file),
            item_type,
            item_name: item_name.to_owned(),
            mark,
            parent: Some(Rc::clone(self)),
        })
    }

    /// Where it is.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    fn locations(&self) -> Vec<Location> {
        let mut locations = self.parent.as_ref().map(|parent| parent.locations()).unwrap_or_default();
        locations.push(Location {
            item_type: self.item_type,
            item_name: self.item_name.clone(),
            source: self.file.name.clone(),
            mark: self.mark,
        });
        locations
    }

    /// A diagnostic about this place.
    pub fn report(&self, code: Code, message: impl Into<String>) -> Diagnostic {
        let (start, end) = line_around(&self.file.text, self.mark.offset);
        let line = self.file.text.get(start..end).unwrap_or_default();
        let from = self.mark.offset.clamp(start, end) - start;
        let word = line.get(from..).unwrap_or_default().trim_end();
        Diagnostic {
            code,
            message: message.into(),
            locations: self.locations(),
            snippet: snippet(line, self.mark.column),
            deprecated_field: None,
            label: Some(Label {
                of: String::new(),
                text: line.to_owned(),
                line: self.mark.line,
                span: (from, from + word.len()),
            }),
            help: code.help().to_owned(),
        }
    }

    /// A diagnostic about a part of an expression that stands here.
    pub fn report_in(
        &self,
        code: Code,
        message: impl Into<String>,
        of: &str,
        text: &str,
        span: (usize, usize),
    ) -> Diagnostic {
        let start = floor_boundary(text, span.0);
        let end = floor_boundary(text, span.1.max(start)).max(start);
        let before = text.get(..start).unwrap_or_default();
        let line_in_text = before.matches('\n').count();
        let (line_start, line_end) = line_around(text, start);
        let line = text.get(line_start..line_end).unwrap_or_default();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let mut diagnostic = self.report(code, message);
        diagnostic.locations.push(Location {
            item_type: "condition expression",
            item_name: String::new(),
            source: text.to_owned(),
            mark: Mark {
                line: self.mark.line + 1 + line_in_text,
                column: self.mark.column + 1 + column,
                offset: self.mark.offset + start,
            },
        });
        diagnostic.snippet = snippet(line, column);
        diagnostic.label = Some(self.label_in_file(text, (start, end)).unwrap_or_else(|| Label {
            of: of.to_owned(),
            text: line.to_owned(),
            line: self.mark.line + line_in_text,
            span: (start - line_start, end.min(line_end) - line_start),
        }));
        diagnostic
    }

    /// The part of an expression as it stands in the file, if the file has the same text on one line.
    fn label_in_file(&self, text: &str, span: (usize, usize)) -> Option<Label> {
        let part = text.get(span.0..span.1).filter(|part| !part.is_empty() && !part.contains('\n'))?;
        let occurrence = text.get(..span.0)?.matches(part).count();
        let scope = self.file.text.get(self.mark.offset..)?;
        let scope = scope.get(..floor_boundary(scope, text.len() + text.len() / 2 + 64))?;
        let (at, _) = scope.match_indices(part).nth(occurrence)?;
        let offset = self.mark.offset + at;
        let (start, end) = line_around(&self.file.text, offset);
        let line = self.file.text.get(..start)?.matches('\n').count();
        let text = self.file.text.get(start..end)?.to_owned();
        Some(Label { of: String::new(), text, line, span: (offset - start, offset - start + part.len()) })
    }
}

/// Start and end of the line that holds `offset`.
fn line_around(text: &str, offset: usize) -> (usize, usize) {
    let offset = floor_boundary(text, offset);
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let end = text.get(offset..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| offset + newline);
    (start, end)
}

fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// How much of a long line a snippet shows.
const SNIPPET_WIDTH: usize = 160;

fn snippet(line: &str, column: usize) -> String {
    let line = line.trim_end_matches('\r');
    let from = column.saturating_sub(SNIPPET_WIDTH / 2);
    let shown: String = if line.chars().count() > SNIPPET_WIDTH {
        line.chars().skip(from).take(SNIPPET_WIDTH).collect()
    } else {
        line.to_owned()
    };
    let column = if shown.len() == line.len() { column } else { column - from };
    format!("{shown}\n{}^\n", " ".repeat(column))
}
