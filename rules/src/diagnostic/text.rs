//! Diagnostics for people: the line of the file, what is meant in it, and what to do.

use super::{Diagnostic, Label, Severity};
use crate::load::FileResult;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// The line that says how a file fared: `NAME: Ok`, `NAME: Ok, with warnings` or `NAME: Invalid`. `shown`: whether any of
/// its diagnostics follow; a file whose result only repeats those of earlier files has none.
pub fn status(result: &FileResult, shown: bool) -> String {
    let outcome = match (result.successful(), shown) {
        (true, false) => "Ok",
        (true, true) => "Ok, with warnings",
        (false, true) => "Invalid",
        (false, false) => "Invalid, for an error in an earlier file",
    };
    format!("{}: {outcome}", result.name)
}

/// One diagnostic.
///
/// ```text
/// error[LOAD_ERR_COMPILE_CONDITION]: unknown event type opne
///  --> rules.yaml:3:14
///   |
/// 3 |   condition: evt.type = opne
///   |              ^^^^^^^^^^^^^^^ in rule 'R1'
///   |
///   = help: `falco-replay list fields` and `list operators` show what a condition can use
/// ```
pub fn render(diagnostic: &Diagnostic, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let message = if diagnostic.message.is_empty() { diagnostic.code.title() } else { &diagnostic.message };
    let title = level.primary_title(message).id(diagnostic.code.name());
    let place = inner_place(diagnostic);
    let shown = diagnostic.label.as_ref().map(window);
    let path = path(diagnostic);
    let mut group = match &shown {
        Some((text, line, span)) if !text.is_empty() => title.element(
            Snippet::source(text.as_str())
                .line_start(line + 1)
                .path(path.as_str())
                .annotation(AnnotationKind::Primary.span(span.clone()).label(place.as_str())),
        ),
        _ => Group::with_title(title),
    };
    if !diagnostic.help.is_empty() {
        group = group.element(Level::HELP.message(diagnostic.help.as_str()));
    }
    renderer.render(&[group])
}

/// The file, and what of it the text is, where it is not the file's own.
fn path(diagnostic: &Diagnostic) -> String {
    match &diagnostic.label {
        Some(Label { of, .. }) if !of.is_empty() => format!("{} ({of})", diagnostic.file()),
        _ => diagnostic.file().to_owned(),
    }
}

/// The innermost part with a name: `in rule 'R1'`.
fn inner_place(diagnostic: &Diagnostic) -> String {
    let named = diagnostic.locations.iter().rev().find(|location| !location.item_name.is_empty());
    named.map_or_else(String::new, |location| format!("in {} '{}'", location.item_type, location.item_name))
}

/// The outermost part with a name and its line, counted from 1: `rule 'R1' (line 12)`.
pub fn item_of(diagnostic: &Diagnostic) -> String {
    let line = diagnostic.locations.get(1).map_or(0, |location| location.mark.line) + 1;
    match diagnostic.locations.iter().find(|location| !location.item_name.is_empty()) {
        Some(location) => format!("{} '{}' (line {line})", location.item_type, location.item_name),
        None => format!("line {line}"),
    }
}

/// How much of a long line is shown before and after the part that is meant.
const CONTEXT: usize = 100;

/// The text of a label, long lines cut; the line it is on and the span within.
fn window(label: &Label) -> (String, usize, std::ops::Range<usize>) {
    let text = &label.text;
    let (start, end) = (label.span.0.min(text.len()), label.span.1.min(text.len()));
    let mut from = start.saturating_sub(CONTEXT);
    let mut to = (start + CONTEXT.max(end - start).min(2 * CONTEXT)).min(text.len());
    if text.len() <= 2 * CONTEXT {
        (from, to) = (0, text.len());
    }
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    // Control characters would move the terminal's cursor.
    let shown: String =
        text.get(from..to).unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let floor = |at: usize| {
        let mut at = at.min(shown.len());
        while !shown.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let span =
        floor(start.saturating_sub(from))..floor(end.saturating_sub(from)).max(floor(start.saturating_sub(from)));
    (shown, label.line, span)
}
