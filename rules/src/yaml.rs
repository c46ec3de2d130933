//! YAML text → nodes with positions. Scalars stay text, with a flag for quotes; duplicate keys stay, the first counts.
//!
//! Facts: filter-language B1. Where the YAML that Falco reads differs from the standard, it is Falco's that counts.

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle};
use std::collections::HashMap;
use std::rc::Rc;

/// A place in a file, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Mark {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
    /// Bytes from the start.
    pub offset: usize,
}

/// A value of a file.
#[derive(Debug)]
pub(crate) struct Node {
    pub mark: Mark,
    pub kind: NodeKind,
}

#[derive(Debug)]
pub(crate) enum NodeKind {
    Scalar { text: String, plain: bool },
    Sequence(Vec<Rc<Node>>),
    Mapping(Vec<(Rc<Node>, Rc<Node>)>),
}

/// Why a text is no YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YamlError {
    pub message: String,
    pub mark: Mark,
}

/// The documents of a file; with an error, the items that stood before it.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub documents: Vec<Rc<Node>>,
    pub error: Option<YamlError>,
}

/// How deep nodes may be nested.
const MAX_DEPTH: usize = 256;

impl Node {
    /// Whether it is a plain empty scalar or one of the words for nothing.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar, null or not.
    pub fn scalar(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The members of a sequence.
    pub fn sequence(&self) -> Option<&[Rc<Self>]> {
        match &self.kind {
            NodeKind::Sequence(members) => Some(members),
            _ => None,
        }
    }

    /// The pairs of a mapping.
    pub fn mapping(&self) -> Option<&[(Rc<Self>, Rc<Self>)]> {
        match &self.kind {
            NodeKind::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The value of a key: of the first of that name.
    pub fn get(&self, key: &str) -> Option<&Rc<Self>> {
        let pairs = self.mapping()?;
        pairs.iter().find(|(name, _)| name.scalar() == Some(key)).map(|(_, value)| value)
    }
}

/// Reads all documents of a text.
pub(crate) fn parse_documents(text: &str) -> Documents {
    let documents = build(text);
    // A quoted scalar that is never closed ends where the file ends.
    if let Some(YamlError { message, .. }) = &documents.error
        && message == UNCLOSED
    {
        for quote in ['"', '\''] {
            let closed = build(&format!("{text}{quote}"));
            if closed.error.is_none() {
                return closed;
            }
        }
    }
    documents
}

const PERCENT: &str = "a plain scalar cannot start with '%': put it in quotes";
const UNCLOSED: &str = "quoted scalar is never closed";

/// A collection that is still open.
struct Open {
    mark: Mark,
    anchor: usize,
    kind: NodeKind,
    /// The key whose value comes next.
    key: Option<Rc<Node>>,
}

fn build(text: &str) -> Documents {
    let mut out = Documents::default();
    let mut options = Options::default();
    options.emit_comments = false;
    let mut open: Vec<Open> = Vec::new();
    let mut anchors: HashMap<usize, Rc<Node>> = HashMap::new();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let message = match error.kind() {
                    ErrorKind::UnclosedQuotedScalar => UNCLOSED.to_owned(),
                    ErrorKind::UnexpectedCharacter { character: '%' } => PERCENT.to_owned(),
                    _ => error.info(),
                };
                out.error = Some(YamlError { message, mark: mark(error.marker()) });
                break;
            }
        };
        let mark = mark(&span.start);
        let (node, anchor) = match event {
            Event::Scalar(value, style, anchor, _) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let mark = if block { block_header(text, mark) } else { mark };
                let plain = style == ScalarStyle::Plain;
                if plain && value.starts_with('%') {
                    out.error = Some(YamlError { message: PERCENT.to_owned(), mark });
                    break;
                }
                (Node { mark, kind: NodeKind::Scalar { text: value.into_owned(), plain } }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                open.push(Open { mark, anchor, kind: NodeKind::Sequence(Vec::new()), key: None });
                if open.len() > MAX_DEPTH {
                    out.error = Some(too_deep(mark));
                    break;
                }
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                open.push(Open { mark, anchor, kind: NodeKind::Mapping(Vec::new()), key: None });
                if open.len() > MAX_DEPTH {
                    out.error = Some(too_deep(mark));
                    break;
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(done) => (Node { mark: done.mark, kind: done.kind }, done.anchor),
                None => continue,
            },
            Event::Alias(id) => {
                // Shared, never copied: an alias costs nothing however often it is repeated.
                if let Some(node) = anchors.get(&id) {
                    place(&mut open, &mut out.documents, Rc::clone(node));
                }
                continue;
            }
            Event::DocumentStart(..) => {
                anchors.clear();
                continue;
            }
            _ => continue,
        };
        let node = Rc::new(node);
        if anchor != 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        place(&mut open, &mut out.documents, node);
    }
    if out.error.is_some() {
        // The finished items of an unfinished document can still be looked at.
        if let Some(Open { mark, kind: kind @ NodeKind::Sequence(_), .. }) = open.into_iter().next() {
            out.documents.push(Rc::new(Node { mark, kind }));
        }
    }
    out
}

/// Where a block scalar begins: at its `|` or `>`, not at its first line.
fn block_header(text: &str, first: Mark) -> Mark {
    let before = text.get(..first.offset).unwrap_or_default();
    let Some(offset) = before.rfind(['|', '>']) else { return first };
    let line_start = before.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let below = before.get(offset..).map_or(0, |between| between.matches('\n').count());
    let column = before.get(line_start..offset).map_or(0, |line| line.chars().count());
    Mark { line: first.line.saturating_sub(below), column, offset }
}

fn too_deep(mark: Mark) -> YamlError {
    YamlError { message: format!("nested more than {MAX_DEPTH} deep"), mark }
}

/// Puts a finished node where it belongs: into the innermost open collection, or among the documents.
fn place(open: &mut [Open], documents: &mut Vec<Rc<Node>>, node: Rc<Node>) {
    let Some(parent) = open.last_mut() else {
        documents.push(node);
        return;
    };
    match &mut parent.kind {
        NodeKind::Sequence(members) => members.push(node),
        NodeKind::Mapping(pairs) => match parent.key.take() {
            Some(key) => pairs.push((key, node)),
            None => parent.key = Some(node),
        },
        NodeKind::Scalar { .. } => {}
    }
}

fn mark(marker: &granit_parser::Marker) -> Mark {
    Mark {
        line: marker.line().saturating_sub(1),
        column: marker.col(),
        offset: marker.byte_offset().unwrap_or_else(|| marker.index()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Rc<Node> {
        let mut parsed = parse_documents(text);
        assert_eq!(parsed.error, None);
        parsed.documents.remove(0)
    }

    #[test]
    fn the_first_of_two_equal_keys_counts() {
        let node = only("a: 1\na: 2\n");
        assert_eq!(node.get("a").and_then(|value| value.scalar()), Some("1"));
    }

    #[test]
    fn an_unclosed_quote_ends_with_the_file() {
        let node = only("- list: \"a b\n  c");
        let list = node.sequence().and_then(|items| items[0].get("list"));
        assert_eq!(list.and_then(|name| name.scalar()), Some("a b c"));
    }

    #[test]
    fn aliases_are_shared() {
        let mut text = String::from("a0: &a0 [x]\n");
        for level in 1..40 {
            text.push_str(&format!("a{level}: &a{level} [*a{0}, *a{0}]\n", level - 1));
        }
        assert_eq!(only(&text).mapping().map(<[_]>::len), Some(40));
    }

    #[test]
    fn deep_nesting_is_an_error() {
        let parsed = parse_documents(&"[".repeat(100_000));
        assert!(parsed.error.is_some());
        let parsed = parse_documents(&"- ".repeat(100_000));
        assert!(parsed.error.is_some());
    }

    #[test]
    fn a_plain_scalar_cannot_start_with_a_percent_sign() {
        assert!(parse_documents("a: %x\n").error.is_some());
        assert!(parse_documents("a: '%x'\n").error.is_none());
    }
}
