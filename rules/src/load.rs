//! Loads rules files: the result is always a rule set and all diagnostics.

use crate::compile::{Compiled, compile};
use crate::definitions::Definitions;
use crate::diagnostic::{Code, Context, Diagnostic, Severity, SourceFile};
use crate::event_types::EventTypeIndex;
use crate::merge::merge_file;
use crate::options::Options;
use crate::program::Program;
use crate::schema::Schema;
use crate::version::Version;
use std::rc::Rc;
use std::sync::Arc;

/// A rules file.
#[derive(Debug, Clone, Copy)]
pub struct RulesFile<'a> {
    /// Name for messages.
    pub name: &'a str,
    /// What it holds.
    pub content: &'a [u8],
}

/// How one file of a load fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileResult {
    /// Name of the file.
    pub name: String,
    /// All that is wrong, errors and warnings, in the order in which it was found.
    pub diagnostics: Vec<Diagnostic>,
    /// What the schema of rules files says of it; absent where the file could not be read to its end.
    pub schema_warnings: Option<Vec<String>>,
}

impl FileResult {
    /// The result of a file that could not be read.
    pub fn unreadable(name: &str, message: &str) -> Self {
        let source = Rc::new(SourceFile { name: name.to_owned(), text: String::new() });
        let diagnostic = Context::of_file(source).report(Code::ErrFileRead, message);
        Self { name: name.to_owned(), diagnostics: vec![diagnostic], schema_warnings: None }
    }

    /// Whether there is no error.
    pub fn successful(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity() != Severity::Error)
    }
}

/// What a load gives.
pub struct Loaded {
    /// What compiled. With errors it is only a part of the rules.
    pub program: Program,
    /// A result for each file, in order.
    pub results: Vec<FileResult>,
    pub(crate) definitions: Definitions,
    pub(crate) compiled: Compiled,
    pub(crate) index: Arc<EventTypeIndex>,
}

impl Loaded {
    /// Whether no file has an error.
    pub fn successful(&self) -> bool {
        self.results.iter().all(FileResult::successful)
    }

    /// All diagnostics of all files.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.results.iter().flat_map(|result| &result.diagnostics)
    }
}

/// Loads files in order into one program: later ones see and change what earlier ones define.
pub fn load(files: &[RulesFile<'_>], schema: &dyn Schema, options: &Options) -> Loaded {
    let index = EventTypeIndex::new(schema);
    let mut definitions = Definitions::default();
    let mut results: Vec<FileResult> = Vec::with_capacity(files.len());
    let mut compiled = Compiled::default();
    let mut whole = true;
    for (place, file) in files.iter().enumerate() {
        let mut diagnostics = Vec::new();
        let mut schema_warnings = None;
        let first_requirement = definitions.requirements.len();
        match text_of(file.content) {
            Ok(text) => {
                let source = Rc::new(SourceFile { name: file.name.to_owned(), text });
                let read = merge_file(schema, &source, &mut definitions, &mut diagnostics, &mut schema_warnings);
                whole &= read;
            }
            Err(message) => {
                let source = Rc::new(SourceFile { name: file.name.to_owned(), text: String::new() });
                diagnostics.push(Context::of_file(source).report(Code::ErrYamlParse, message));
                whole = false;
            }
        }
        missing_plugins(schema, &definitions, first_requirement, &mut diagnostics);
        let last = place + 1 == files.len();
        if options.compile_each || last {
            let mut found = std::mem::take(&mut diagnostics);
            let own = found.len();
            compiled = compile(schema, &index, options, &definitions, whole, &mut found);
            let of_compilation = found.split_off(own);
            diagnostics = found;
            if options.compile_each {
                diagnostics.extend(of_compilation);
            } else {
                // What was found at the end belongs to the file that it is about.
                for diagnostic in of_compilation {
                    match results.iter_mut().find(|result| result.name == diagnostic.file()) {
                        Some(result) => result.diagnostics.push(diagnostic),
                        None => diagnostics.push(diagnostic),
                    }
                }
            }
        }
        results.push(FileResult { name: file.name.to_owned(), diagnostics, schema_warnings });
    }
    let program = std::mem::take(&mut compiled.program);
    Loaded { program, results, definitions, compiled, index }
}

/// The text of a file: UTF-8 with or without mark, or UTF-16 with one.
fn text_of(content: &[u8]) -> Result<String, String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
        char::decode_utf16(units).map(|decoded| decoded.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>()
    };
    let text = match content {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8_lossy(content).into_owned(),
    };
    match text.bytes().position(|byte| byte == 0) {
        Some(at) => Err(format!("this is no text: byte {at} is NUL")),
        None => Ok(text),
    }
}

/// Warns about plugins that are asked for and not there, from requirement number `first` on.
fn missing_plugins(schema: &dyn Schema, definitions: &Definitions, first: usize, diagnostics: &mut Vec<Diagnostic>) {
    for requirement in definitions.requirements.iter().skip(first) {
        let there = |name: &str, version: &str| {
            let plugin = schema.plugins().iter().find(|plugin| plugin.name == name);
            plugin.is_some_and(|plugin| {
                Version::parse(version).is_some_and(|required| plugin.version.satisfies(required))
            })
        };
        if requirement.plugins.iter().any(|plugin| there(&plugin.name, &plugin.version)) {
            continue;
        }
        let wanted: Vec<_> =
            requirement.plugins.iter().map(|plugin| format!("{} (>= {})", plugin.name, plugin.version)).collect();
        let message = format!("Plugin requirement not satisfied, must load one of: {}", wanted.join(", "));
        diagnostics.push(requirement.ctx.report(Code::PluginMissing, message));
    }
}
