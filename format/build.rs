//! Turns `schema/schema.json` into Rust tables, so that looking a thing up costs no parsing at run time.

// A panic here is a failed build with its reason, which is what it should be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;

type Json = serde_json::Value;

fn camel(name: &str) -> String {
    name.split('_').map(|word| word[..1].to_uppercase() + &word[1..].to_lowercase()).collect()
}

fn list<'a>(value: &'a Json, key: &str) -> &'a Vec<Json> {
    value[key].as_array().unwrap_or_else(|| panic!("schema.json: {key} is not a list"))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_else(|| panic!("schema.json: {value} is not a text"))
}

fn set_name(prefix: &str, name: &str) -> String {
    format!("{prefix}_{}", name.to_uppercase())
}

fn events(schema: &Json, out: &mut String) {
    let events = list(schema, "events");
    writeln!(out, "/// Every event type, by id.\npub static EVENTS: [EventInfo; {}] = [", events.len()).unwrap();
    for event in events {
        let flags = event["flags"].as_u64().unwrap();
        write!(
            out,
            "EventInfo {{ id: {}, symbol: {:?}, name: {:?}, category: {}, flags: {}, fd_param: {}, params: &[",
            event["id"],
            text(&event["symbol"]),
            text(&event["name"]),
            event["category"],
            flags,
            event["fd_param"].as_i64().unwrap_or(-1)
        )
        .unwrap();
        for param in list(event, "params") {
            let extra = &param[3];
            let flag_set = extra["flags"].as_str().map_or("&[]".into(), |set| set_name("FLAGS", set));
            let dynamic = extra["dynamic"].as_str().map_or("&[]".into(), |set| set_name("DYNAMIC", set));
            write!(
                out,
                "ParamInfo {{ name: {:?}, ty: ParamType::{}, format: PrintFormat::{}, flags: {}, variants: {}, dirfd: {} }},",
                text(&param[0]),
                camel(text(&param[1])),
                match text(&param[2]) {
                    "10_PADDED_DEC" => "PaddedDec".to_owned(),
                    other => camel(other),
                },
                flag_set,
                dynamic,
                extra["dirfd"].as_i64().unwrap_or(-1)
            )
            .unwrap();
        }
        writeln!(out, "] }},").unwrap();
    }
    writeln!(out, "];").unwrap();
    writeln!(out, "/// The number of each event type, by its symbol.\n#[allow(missing_docs)]\npub mod ev {{").unwrap();
    for event in events {
        writeln!(out, "pub const {}: u16 = {};", text(&event["symbol"]), event["id"]).unwrap();
    }
    writeln!(out, "}}").unwrap();
}

fn sets(schema: &Json, out: &mut String) {
    for (name, rows) in schema["flag_sets"].as_object().unwrap() {
        write!(out, "#[doc(hidden)]\npub static {}: &[FlagName] = &[", set_name("FLAGS", name)).unwrap();
        for row in rows.as_array().unwrap() {
            write!(out, "FlagName {{ name: {:?}, value: {} }},", text(&row[0]), row[1]).unwrap();
        }
        writeln!(out, "];").unwrap();
    }
    writeln!(out, "/// Every table of flag names, by its name.\npub static FLAG_SETS: &[(&str, &[FlagName])] = &[")
        .unwrap();
    for name in schema["flag_sets"].as_object().unwrap().keys() {
        writeln!(out, "({name:?}, {}),", set_name("FLAGS", name)).unwrap();
    }
    writeln!(out, "];").unwrap();
    for (name, rows) in schema["dynamic_sets"].as_object().unwrap() {
        write!(out, "#[doc(hidden)]\npub static {}: &[(ParamType, PrintFormat)] = &[", set_name("DYNAMIC", name))
            .unwrap();
        for row in rows.as_array().unwrap() {
            write!(out, "(ParamType::{}, PrintFormat::{}),", camel(text(&row[0])), camel(text(&row[1]))).unwrap();
        }
        writeln!(out, "];").unwrap();
    }
}

fn syscalls(schema: &Json, out: &mut String) {
    writeln!(out, "/// Every syscall code, in the order of the codes (some numbers do not exist).\npub static SYSCALLS: &[SyscallInfo] = &[").unwrap();
    for call in list(schema, "syscalls") {
        let number = call["x86_64"].as_i64().map_or("None".to_owned(), |nr| format!("Some({nr})"));
        writeln!(
            out,
            "SyscallInfo {{ id: {}, name: {:?}, events: &{}, x86_64: {number}, modifies_state: {} }},",
            call["id"],
            text(&call["name"]),
            call["events"],
            call["state"]
        )
        .unwrap();
    }
    writeln!(out, "];").unwrap();
}

fn conversion(schema: &Json, out: &mut String) {
    writeln!(out, "/// How an event of an older schema becomes one of the current schema, by (type, parameters).\npub static CONVERSIONS: &[Conversion] = &[").unwrap();
    for row in list(schema, "conversion") {
        let action = match text(&row["action"]) {
            "store_and_drop" => "Action::StoreAndDrop".to_owned(),
            "store_and_pass" => "Action::StoreAndPass".to_owned(),
            "pass" => "Action::Pass".to_owned(),
            "add_params" => "Action::AddParams".to_owned(),
            "change_type" => format!("Action::ChangeType({})", row["to"]),
            other => panic!("schema.json: unknown action {other}"),
        };
        write!(out, "Conversion {{ event: {}, nparams: {}, action: {action}, params: &[", row["event"], row["nparams"])
            .unwrap();
        for param in row["params"].as_array().into_iter().flatten() {
            let source = match text(&param[1]) {
                "from_old" => format!("Source::Old({})", param[2]),
                "from_enter" => format!("Source::Enter({}, Fallback::{})", param[2], camel(text(&param[3]))),
                "empty" => "Source::Empty".to_owned(),
                "default" => "Source::Default".to_owned(),
                "callback" => "Source::ContainerJson".to_owned(),
                other => panic!("schema.json: unknown source {other}"),
            };
            write!(out, "({}, {source}),", param[0]).unwrap();
        }
        writeln!(out, "] }},").unwrap();
    }
    writeln!(out, "];").unwrap();
}

fn main() {
    println!("cargo:rerun-if-changed=schema/schema.json");
    let data = std::fs::read_to_string("schema/schema.json").expect("schema/schema.json is readable");
    let schema: Json = serde_json::from_str(&data).expect("schema/schema.json is JSON");
    let mut out = String::new();
    sets(&schema, &mut out);
    events(&schema, &mut out);
    syscalls(&schema, &mut out);
    conversion(&schema, &mut out);
    let dir = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(format!("{dir}/schema.rs"), out).expect("the output folder is writable");
}
