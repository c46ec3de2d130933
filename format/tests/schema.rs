//! The schema that is compiled in is the one that `shared/facts` records.

// Tests may panic; clippy grants it to test functions only, not to what they call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use falco_replay_format::schema::{
    Action, CONVERSIONS, EVENTS, FLAG_SETS, Fallback, FlagName, ParamType, PrintFormat, SYSCALLS, Source, category,
    event_flag,
};
use serde_json::Value;

/// One file of facts; `None`, said loudly, where the folder is absent.
fn facts(name: &str) -> Option<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/facts").join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(error) => {
            eprintln!("SKIPPED, NOT TESTED: {}: {error}", path.display());
            None
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

/// `PT_FLAGS32` is `Flags32` here.
fn param_type(symbol: &str) -> String {
    symbol.trim_start_matches("PT_").split('_').map(|word| word[..1].to_owned() + &word[1..].to_lowercase()).collect()
}

fn print_format(symbol: &str) -> &str {
    match symbol {
        "PF_NA" => "Na",
        "PF_DEC" => "Dec",
        "PF_HEX" => "Hex",
        "PF_10_PADDED_DEC" => "PaddedDec",
        "PF_ID" => "Id",
        "PF_DIR" => "Dir",
        "PF_OCT" => "Oct",
        other => panic!("unknown format {other}"),
    }
}

#[track_caller]
fn assert_kind(ty: ParamType, format: PrintFormat, recorded: &Value) {
    assert_eq!(format!("{ty:?}"), param_type(text(&recorded["type"])), "{recorded}");
    assert_eq!(format!("{format:?}"), print_format(text(&recorded["format"])), "{recorded}");
}

#[track_caller]
fn assert_flags(flags: &[FlagName], recorded: &Value) {
    let recorded: Vec<(&str, u64)> =
        list(recorded).iter().map(|flag| (text(&flag["name"]), flag["value"].as_u64().unwrap())).collect();
    let flags: Vec<(&str, u64)> = flags.iter().map(|flag| (flag.name, u64::from(flag.value))).collect();
    assert_eq!(flags, recorded);
}

#[test]
fn events_and_their_parameters() {
    let (Some(events), Some(flags), Some(dynamic)) =
        (facts("events.json"), facts("flags.json"), facts("dynamic_params.json"))
    else {
        return;
    };
    let recorded = list(&events["events"]);
    assert_eq!(EVENTS.len(), recorded.len());
    for (id, (info, recorded)) in EVENTS.iter().zip(recorded).enumerate() {
        assert_eq!((usize::from(info.id), recorded["id"].as_u64()), (id, Some(id as u64)));
        assert_eq!(format!("PPME_{}", info.symbol), text(&recorded["enum"]));
        assert_eq!(info.name, text(&recorded["name"]));
        assert_eq!(Some(u64::from(info.category)), recorded["category_value"].as_u64(), "{}", info.symbol);
        assert_eq!(Some(u64::from(info.flags)), recorded["flags_value"].as_u64(), "{}", info.symbol);
        assert_eq!(info.is_exit(), text(&recorded["direction"]) == "exit", "{}", info.symbol);
        assert_eq!(i64::from(info.fd_param), recorded["fd_param_index"].as_i64().unwrap_or(-1), "{}", info.symbol);
        let params = list(&recorded["params"]);
        assert_eq!(info.params.len(), params.len(), "{}", info.symbol);
        for (param, recorded) in info.params.iter().zip(params) {
            assert_eq!(param.name, text(&recorded["name"]), "{}", info.symbol);
            assert_kind(param.ty, param.format, recorded);
            assert_eq!(i64::from(param.dirfd), recorded["dirfd_param_index"].as_i64().unwrap_or(-1), "{recorded}");
            match recorded["flag_set"].as_str() {
                Some(set) => assert_flags(param.flags, &flags["tables"][set]),
                None => assert!(param.flags.is_empty(), "{recorded}"),
            }
            let variants = recorded["dynamic_params"].as_str().map_or(&[][..], |set| list(&dynamic["tables"][set]));
            assert_eq!(param.variants.len(), variants.len(), "{recorded}");
            for ((ty, format), variant) in param.variants.iter().zip(variants) {
                assert_kind(*ty, *format, variant);
            }
        }
    }
}

#[test]
fn sizes_of_parameter_types() {
    let (Some(types), Some(events)) = (facts("param_types.json"), facts("events.json")) else { return };
    let sizes: BTreeMap<String, Option<u64>> =
        list(&types["types"]).iter().map(|ty| (param_type(text(&ty["name"])), ty["size"].as_u64())).collect();
    assert_eq!(sizes.len(), events["param_types"].as_object().unwrap().len());
    for param in EVENTS.iter().flat_map(|info| info.params) {
        // An array type is a pointer of eight bytes, of no use in a capture; the record gives it no size.
        if matches!(param.ty, ParamType::Charbufarray | ParamType::CharbufPairArray) {
            continue;
        }
        assert_eq!(param.ty.size().map(|size| size as u64), sizes[&format!("{:?}", param.ty)], "{:?}", param.ty);
    }
}

#[test]
fn flag_sets() {
    let Some(flags) = facts("flags.json") else { return };
    let tables = flags["tables"].as_object().unwrap();
    assert_eq!(FLAG_SETS.len(), tables.len());
    for (name, set) in FLAG_SETS {
        assert_flags(set, &tables[*name]);
    }
}

#[test]
fn syscalls() {
    let Some(recorded) = facts("ppm_sc.json") else { return };
    let recorded: Vec<&Value> = list(&recorded["syscalls"]).iter().collect();
    assert_eq!(SYSCALLS.len(), recorded.len());
    for (call, recorded) in SYSCALLS.iter().zip(recorded) {
        assert_eq!(Some(u64::from(call.id)), recorded["id"].as_u64());
        assert_eq!(call.name, text(&recorded["name"]));
        let events: Vec<u64> = call.events.iter().map(|event| u64::from(*event)).collect();
        let listed: Vec<u64> = list(&recorded["events"]).iter().filter_map(Value::as_u64).collect();
        assert_eq!(events, listed, "{}", call.name);
        assert_eq!(call.x86_64.map(u64::from), recorded["x86_64_nr"].as_u64(), "{}", call.name);
        assert_eq!(Some(call.modifies_state), recorded["modifies_state"].as_bool(), "{}", call.name);
    }
}

#[test]
fn conversions() {
    let Some(recorded) = facts("conversion.json") else { return };
    let recorded = list(&recorded["rows"]);
    assert_eq!(CONVERSIONS.len(), recorded.len());
    for (row, recorded) in CONVERSIONS.iter().zip(recorded) {
        assert_eq!(Some(u64::from(row.event)), recorded["event_id"].as_u64());
        assert_eq!(Some(u64::from(row.nparams)), recorded["nparams"].as_u64());
        let action = match row.action {
            Action::StoreAndDrop => "store_and_drop",
            Action::StoreAndPass => "store_and_pass",
            Action::Pass => "pass",
            Action::AddParams => "add_params",
            Action::ChangeType(to) => {
                assert_eq!(Some(u64::from(to)), recorded["to_id"].as_u64());
                "change_type"
            }
        };
        assert_eq!(action, text(&recorded["action"]), "{recorded}");
        let instructions = recorded["instrs"].as_array().map_or(&[][..], Vec::as_slice);
        assert_eq!(row.params.len(), instructions.len(), "{recorded}");
        for ((index, source), recorded) in row.params.iter().zip(instructions) {
            assert_eq!(Some(u64::from(*index)), recorded["target_index"].as_u64());
            let (op, from, fallback) = match source {
                Source::Old(from) => ("from_old", Some(*from), None),
                Source::Enter(from, Fallback::Empty) => ("from_enter", Some(*from), Some("empty")),
                Source::Enter(from, Fallback::Default) => ("from_enter", Some(*from), Some("default")),
                Source::Empty => ("empty", None, None),
                Source::Default => ("default", None, None),
                Source::ContainerJson => ("callback", None, None),
            };
            assert_eq!(op, text(&recorded["op"]), "{recorded}");
            if let Some(from) = from {
                assert_eq!(Some(u64::from(from)), recorded["source_index"].as_u64(), "{recorded}");
            }
            if let Some(fallback) = fallback {
                assert_eq!(fallback, text(&recorded["fallback"]), "{recorded}");
            }
        }
    }
}

#[test]
fn bits_of_categories_and_event_flags() {
    let Some(events) = facts("events.json") else { return };
    let ours: &[(&str, u32)] = &[
        ("EF_CREATES_FD", event_flag::CREATES_FD),
        ("EF_DESTROYS_FD", event_flag::DESTROYS_FD),
        ("EF_USES_FD", event_flag::USES_FD),
        ("EF_READS_FROM_FD", event_flag::READS_FROM_FD),
        ("EF_WRITES_TO_FD", event_flag::WRITES_TO_FD),
        ("EF_MODIFIES_STATE", event_flag::MODIFIES_STATE),
        ("EF_UNUSED", event_flag::UNUSED),
        ("EF_WAITS", event_flag::WAITS),
        ("EF_SKIPPARSERESET", event_flag::SKIPPARSERESET),
        ("EF_OLD_VERSION", event_flag::OLD_VERSION),
        ("EF_LARGE_PAYLOAD", event_flag::LARGE_PAYLOAD),
        ("EF_CONVERTER_MANAGED", event_flag::CONVERTER_MANAGED),
        ("EC_UNKNOWN", category::UNKNOWN),
        ("EC_OTHER", category::OTHER),
        ("EC_FILE", category::FILE),
        ("EC_NET", category::NET),
        ("EC_IPC", category::IPC),
        ("EC_MEMORY", category::MEMORY),
        ("EC_PROCESS", category::PROCESS),
        ("EC_SLEEP", category::SLEEP),
        ("EC_SYSTEM", category::SYSTEM),
        ("EC_SIGNAL", category::SIGNAL),
        ("EC_USER", category::USER),
        ("EC_TIME", category::TIME),
        ("EC_PROCESSING", category::PROCESSING),
        ("EC_IO_READ", category::IO_READ),
        ("EC_IO_WRITE", category::IO_WRITE),
        ("EC_IO_OTHER", category::IO_OTHER),
        ("EC_WAIT", category::WAIT),
        ("EC_SCHEDULER", category::SCHEDULER),
        ("EC_INTERNAL", category::INTERNAL),
        ("EC_SYSCALL", category::SYSCALL),
        ("EC_TRACEPOINT", category::TRACEPOINT),
        ("EC_PLUGIN", category::PLUGIN),
        ("EC_METAEVENT", category::METAEVENT),
        ("EC_ITER", category::ITER),
    ];
    let mut recorded: BTreeMap<&str, u64> = BTreeMap::new();
    for table in ["categories", "event_flags"] {
        for (name, value) in events[table].as_object().unwrap() {
            recorded.insert(name, value.as_u64().unwrap());
        }
    }
    // "None" and the base of a range are no bits of their own.
    recorded.remove("EF_NONE");
    recorded.remove("EC_IO_BASE");
    let ours: BTreeMap<&str, u64> = ours.iter().map(|(name, value)| (*name, u64::from(*value))).collect();
    assert_eq!(ours, recorded);
}
