//! `falco-replay list`: what conditions and outputs can be written with.

use crate::exit::Exit;
use crate::output::OutputFormat;
use crate::stdout::write_stdout;
use anyhow::Result;
use falco_replay_engine::catalogue::{CLASSES, Entry};
use falco_replay_format::schema::{EVENTS, SYSCALLS, event_flag};
use falco_replay_rules::program::{Modifier, Operator};
use falco_replay_rules::schema::ArgumentKind;
use falco_replay_rules::syntax::Function;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Show the fields, events, transformers or operators that rules can use.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// What to show.
    #[arg(value_enum)]
    what: What,
    /// Only names that contain this text.
    #[arg(value_name = "TEXT")]
    containing: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputFormat,
    /// Show what is usable but hidden too.
    #[arg(long)]
    all: bool,
}

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Fields of events, processes, files, containers.
    Fields,
    /// Event names for `evt.type`.
    Events,
    /// Functions over fields.
    Transformers,
    /// Comparison operators.
    Operators,
}

/// One thing that is listed.
struct Row {
    name: String,
    kind: String,
    text: String,
    group: &'static str,
    json: Value,
}

/// Runs the command.
pub fn exec_list(args: &ListArgs) -> Result<Exit> {
    let mut rows = match args.what {
        What::Fields => fields(args.all),
        What::Events => events(args.all),
        What::Transformers => transformers(),
        What::Operators => operators(),
    };
    if let Some(text) = &args.containing {
        rows.retain(|row| row.name.contains(text.as_str()));
    }
    let text = match args.output {
        OutputFormat::Json => format!("{}\n", Value::from(rows.into_iter().map(|row| row.json).collect::<Vec<_>>())),
        OutputFormat::Text => table(&rows),
    };
    write_stdout(&text)?;
    Ok(Exit::Done)
}

fn table(rows: &[Row]) -> String {
    let width = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let (names, kinds) = (width(|row| row.name.len()), width(|row| row.kind.len()));
    let mut out = String::new();
    let mut group = "";
    for row in rows {
        if row.group != group {
            let blank = if group.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{blank}{}", row.group);
            group = row.group;
        }
        let _ = writeln!(out, "  {:<names$}  {:<kinds$}  {}", row.name, row.kind, row.text);
    }
    out
}

fn fields(all: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for class in &CLASSES {
        for entry in class.entries.iter().filter(|entry| all || !entry.hidden) {
            rows.push(field(class.name, class.title, entry));
        }
    }
    rows
}

fn field(class: &str, group: &'static str, entry: &Entry) -> Row {
    let argument = entry.info.argument.map(|rule| {
        let form = match rule.kind {
            ArgumentKind::Index => "[INDEX]",
            ArgumentKind::Key => "[KEY]",
            ArgumentKind::IndexOrKey => "[INDEX or KEY]",
            ArgumentKind::ParamIndexOrName => "[INDEX] or .PARAMETER",
            ArgumentKind::ParamName => ".PARAMETER",
            ArgumentKind::EventNameOrId => ".EVENT",
            ArgumentKind::SourceOrTarget => ".src or .dst",
            ArgumentKind::Word => ".WORD",
        };
        if rule.required { form.to_owned() } else { format!("({form})") }
    });
    let mut notes = Vec::new();
    for (note, holds) in [
        ("deprecated", entry.deprecated),
        ("filter only", entry.filter_only),
        ("print only", entry.print_only),
        ("list", entry.info.list),
    ] {
        if holds && !(note == "deprecated" && entry.description.starts_with("Deprecated")) {
            notes.push(note);
        }
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let json = json!({
        "name": entry.name(),
        "class": class,
        "type": entry.info.ty.name(),
        "list": entry.info.list,
        "argument": argument,
        "argument_required": entry.info.argument.is_some_and(|rule| rule.required),
        "description": entry.description,
        "deprecated": entry.deprecated,
        "filter_only": entry.filter_only,
        "print_only": entry.print_only,
        "plugin": entry.info.plugin,
    });
    Row {
        name: format!("{}{}", entry.name(), argument.unwrap_or_default()),
        kind: entry.info.ty.name(),
        text: format!("{}{notes}", entry.description),
        group,
        json,
    }
}

/// Event names, each once, with the parameters of its newest type; then syscalls that only have the generic event.
fn events(all: bool) -> Vec<Row> {
    let mut by_name: BTreeMap<&str, _> = BTreeMap::new();
    for event in EVENTS.iter().filter(|event| !event.has(event_flag::UNUSED)) {
        if all || event.is_exit() || event.id > 1 {
            let newest = by_name.entry(event.name).or_insert(event);
            if event.params.len() >= newest.params.len() {
                *newest = event;
            }
        }
    }
    by_name.retain(|name, _| *name != "syscall" && *name != "NA");
    let own = by_name.iter().map(|(name, event)| {
        let params: Vec<_> = event.params.iter().map(|param| param.name).filter(|name| !name.is_empty()).collect();
        Row {
            name: (*name).to_owned(),
            kind: String::new(),
            text: params.join(" "),
            group: "Events with parameters of their own",
            json: json!({ "name": name, "generic": false, "parameters": params }),
        }
    });
    let mut rows: Vec<_> = own.collect();
    let generic = SYSCALLS.iter().filter(|call| call.name != "unknown" && !by_name.contains_key(call.name));
    let mut generic: Vec<_> = generic.map(|call| call.name).collect();
    generic.sort_unstable();
    rows.extend(generic.into_iter().map(|name| Row {
        name: name.to_owned(),
        kind: String::new(),
        text: "ID nativeID".to_owned(),
        group: "System calls that come as generic events",
        json: json!({ "name": name, "generic": true, "parameters": ["ID", "nativeID"] }),
    }));
    rows
}

fn transformers() -> Vec<Row> {
    let describe = |function: Function| match function {
        Function::Val => ("val(FIELD)", "The field itself, on the right side of a comparison."),
        Function::ToLower => ("tolower(TEXT)", "ASCII letters in lower case."),
        Function::ToUpper => ("toupper(TEXT)", "ASCII letters in upper case."),
        Function::B64 => ("b64(TEXT)", "Decoded from base64; no value where that fails."),
        Function::Basename => ("basename(PATH)", "What stands after the last slash."),
        Function::Len => ("len(VALUE)", "Length in bytes; number of elements of a list."),
        Function::Join => ("join(SEPARATOR, LIST)", "Elements of a list, joined to one text."),
        Function::Concat => ("concat(TEXT, TEXT, …)", "Texts put together."),
        Function::Getopt => {
            ("getopt(LIST, OPTIONS)[LETTER]", "Options of a command line; with a letter the value of that option.")
        }
    };
    let functions = Function::TRANSFORMERS.into_iter().chain([Function::Val]);
    functions
        .map(|function| {
            let (form, text) = describe(function);
            Row {
                name: form.to_owned(),
                kind: String::new(),
                text: text.to_owned(),
                group: "Transformers",
                json: json!({ "name": function.name(), "form": form, "description": text }),
            }
        })
        .collect()
}

fn operators() -> Vec<Row> {
    use Operator as O;
    let describe = |operator: Operator| match operator {
        O::Eq => ("all but lists", "Equal."),
        O::Ne => ("all but lists", "Not equal; false where there is no value."),
        O::Lt | O::Le | O::Gt | O::Ge => ("numbers, texts", "Order of numbers, or of the bytes of texts."),
        O::Contains => ("texts, buffers", "Has the constant within."),
        O::Icontains => ("texts", "As contains, whatever the case of ASCII letters."),
        O::Bcontains => ("buffers", "As contains, the constant given in hex."),
        O::Startswith => ("texts, buffers", "Begins with the constant."),
        O::Bstartswith => ("buffers", "As startswith, the constant given in hex."),
        O::Endswith => ("texts, buffers", "Ends with the constant."),
        O::Glob => ("texts", "Matches a pattern with * ? [ ]; * matches slashes too."),
        O::Iglob => ("texts", "As glob, whatever the case."),
        O::Regex => ("texts", "The whole text matches a POSIX regular expression."),
        O::In => ("all", "Is one of the constants."),
        O::Intersects => ("all", "Of a list: has an element among the constants."),
        O::Pmatch => ("texts", "A path that is or lies below one of the constants."),
        O::Exists => ("all", "Has a value."),
    };
    let mut rows: Vec<_> = Operator::ALL
        .iter()
        .map(|&(operator, word)| {
            let (types, text) = describe(operator);
            Row {
                name: word.to_owned(),
                kind: types.to_owned(),
                text: text.to_owned(),
                group: "Operators",
                json: json!({ "name": word, "kind": "operator", "types": types, "description": text }),
            }
        })
        .collect();
    for (modifier, word) in Modifier::ALL {
        let text = match modifier {
            Modifier::Oneof => "After an operator of texts: exactly one constant of a list fits.",
            Modifier::Anyof => "After an operator of texts: at least one constant of a list fits.",
            Modifier::Allof => "After an operator of texts: every constant of a list fits.",
        };
        rows.push(Row {
            name: word.to_owned(),
            kind: "lists of constants".to_owned(),
            text: text.to_owned(),
            group: "Modifiers",
            json: json!({ "name": word, "kind": "modifier", "description": text }),
        });
    }
    for (word, text) in [("and", "Both hold."), ("or", "One holds."), ("not", "It does not hold.")] {
        rows.push(Row {
            name: word.to_owned(),
            kind: "conditions".to_owned(),
            text: text.to_owned(),
            group: "Words between conditions",
            json: json!({ "name": word, "kind": "word", "description": text }),
        });
    }
    rows
}
