//! Alerts: a rule that matched an event, as Falco prints it.
//!
//! As text `TIME: PRIORITY MESSAGE`, escaped so that it is one line; as JSON one object with sorted keys and no blanks.
//! Everything that is the same for all alerts of a rule is worked out once. Facts: filter-language C2 and C3.

use std::collections::BTreeMap;

use falco_replay_rules::compile_template;
use falco_replay_rules::program::{Program, Rule, Segment, Template, ValueExpr};
use serde::Serialize;

use crate::catalogue::Catalogue;
use crate::output::{OutputField, Printer, escape_line};
use crate::time;
use crate::view::View;

/// What an alert holds and how its time is written: Falco's `json_include_*` and `time_format_iso_8601`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertStyle {
    /// The time in texts is `evt.time.iso8601`, not `evt.time`.
    pub iso8601: bool,
    /// JSON has the key `message`: the output without time and priority.
    pub message: bool,
    /// JSON has the key `output`.
    pub output: bool,
    /// JSON has the key `output_fields`.
    pub output_fields: bool,
    /// JSON has the key `tags`.
    pub tags: bool,
}

impl Default for AlertStyle {
    fn default() -> Self {
        AlertStyle { iso8601: false, message: false, output: true, output_fields: true, tags: true }
    }
}

/// How the alerts of every rule of a program are written.
#[derive(Debug)]
pub struct Alerts {
    rules: Vec<RuleAlert>,
    time: Printer,
    style: AlertStyle,
}

/// What alerts of one rule have in common.
#[derive(Debug)]
struct RuleAlert {
    message: Printer,
    priority: &'static str,
    /// Keys as JSON, sorted, each with what gives its value.
    fields: Vec<(Vec<u8>, FieldValue)>,
    /// From the key `priority` to the beginning of the time.
    tail: Vec<u8>,
}

/// What gives the value of a key of `output_fields`.
#[derive(Debug)]
enum FieldValue {
    /// A field, which keeps its type.
    Typed(OutputField),
    /// A text.
    Format(Printer),
}

impl Alerts {
    /// Makes the outputs of a program's rules ready.
    pub fn new(program: &Program, catalogue: &Catalogue, style: AlertStyle) -> Alerts {
        let format = if style.iso8601 { "%evt.time.iso8601" } else { "%evt.time" };
        let time = Printer::new(&compile_template(format, catalogue).unwrap_or_default(), catalogue);
        let rules = program.rules.iter().map(|rule| RuleAlert::new(rule, &time, catalogue, style)).collect();
        Alerts { rules, time, style }
    }

    /// Appends the text of an alert, without a line end. `origin`: the capture's name, to be shown with the event's number.
    pub fn text(&self, rule: u32, view: &View<'_>, origin: Option<&str>, out: &mut Vec<u8>) {
        let mut line = Vec::with_capacity(256);
        if let Some(capture) = origin {
            line.extend_from_slice(format!("{capture}:{}: ", view.block.num(view.row)).as_bytes());
        }
        if let Some(rule) = self.rules.get(rule as usize) {
            self.output(rule, view, &mut line);
        }
        out.extend_from_slice(&escape_line(&line));
    }

    /// Appends the JSON object of an alert, without a line end. `origin` as in [`Alerts::text`]: keys `capture` and
    /// `evt_num`.
    pub fn json(&self, rule: u32, view: &View<'_>, origin: Option<&str>, out: &mut Vec<u8>) {
        let Some(rule) = self.rules.get(rule as usize) else { return };
        out.push(b'{');
        if let Some(capture) = origin {
            out.extend_from_slice(b"\"capture\":");
            put_json(out, capture);
            out.extend_from_slice(format!(",\"evt_num\":{},", view.block.num(view.row)).as_bytes());
        }
        out.extend_from_slice(b"\"hostname\":");
        put_text(out, view.world().map_or(&[][..], |world| &world.hostname));
        let mut text = Vec::with_capacity(256);
        if self.style.message {
            rule.message.print(view, &mut text);
            out.extend_from_slice(b",\"message\":");
            put_text(out, &text);
            text.clear();
        }
        if self.style.output {
            self.output(rule, view, &mut text);
            out.extend_from_slice(b",\"output\":");
            put_text(out, &text);
        }
        if self.style.output_fields {
            out.extend_from_slice(b",\"output_fields\":{");
            for (at, (key, value)) in rule.fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(key);
                out.push(b':');
                match value {
                    FieldValue::Typed(field) => put_json(out, &field.json(view)),
                    FieldValue::Format(printer) => {
                        text.clear();
                        printer.print(view, &mut text);
                        put_text(out, &text);
                    }
                }
            }
            out.push(b'}');
        }
        out.extend_from_slice(&rule.tail);
        out.extend_from_slice(time::iso8601(view.ts()).as_bytes());
        out.extend_from_slice(b"Z\"}");
    }

    /// `TIME: PRIORITY MESSAGE`.
    fn output(&self, rule: &RuleAlert, view: &View<'_>, out: &mut Vec<u8>) {
        self.time.print(view, out);
        out.extend_from_slice(b": ");
        out.extend_from_slice(rule.priority.as_bytes());
        out.push(b' ');
        rule.message.print(view, out);
    }
}

impl RuleAlert {
    fn new(rule: &Rule, time: &Printer, catalogue: &Catalogue, style: AlertStyle) -> RuleAlert {
        let message = Printer::new(&rule.output, catalogue);
        let mut fields = BTreeMap::new();
        let add_typed = |fields: &mut BTreeMap<_, _>, printer: &Printer| {
            for field in printer.fields() {
                fields.insert(field.key.clone(), FieldValue::Typed(field.clone()));
            }
        };
        add_typed(&mut fields, &message);
        for (key, template) in &rule.extra_fields {
            let printer = Printer::new(template, catalogue);
            if is_plain_field(key, template) {
                add_typed(&mut fields, &printer);
            } else {
                fields.insert(key.clone(), FieldValue::Format(printer));
            }
        }
        add_typed(&mut fields, time);
        let mut tail = b",\"priority\":".to_vec();
        put_json(&mut tail, rule.priority.name());
        tail.extend_from_slice(b",\"rule\":");
        put_json(&mut tail, &rule.name);
        tail.extend_from_slice(b",\"source\":");
        put_json(&mut tail, &rule.source);
        if style.tags {
            tail.extend_from_slice(b",\"tags\":");
            put_json(&mut tail, &rule.tags);
        }
        tail.extend_from_slice(b",\"time\":\"");
        RuleAlert {
            message,
            priority: rule.priority.name(),
            fields: fields.into_iter().map(|(key, value)| (json(&key), value)).collect(),
            tail,
        }
    }
}

/// Whether an extra field is named by itself: then it keeps its type, where a format becomes a text.
fn is_plain_field(key: &str, template: &Template) -> bool {
    let [Segment::Value { expr: ValueExpr::Field(_), width: None, .. }] = template.segments.as_slice() else {
        return false;
    };
    matches!(template.fields.as_slice(), [(name, _)] if name == key)
}

fn put_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "writing JSON to memory does not fail");
}

fn json(value: &(impl Serialize + ?Sized)) -> Vec<u8> {
    let mut out = Vec::new();
    put_json(&mut out, value);
    out
}

/// A text as JSON, damaged UTF-8 replaced.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_json(out, &*String::from_utf8_lossy(text));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use falco_replay_format::block::{Block, NONE, World, mark};
    use falco_replay_format::schema::ev;
    use falco_replay_rules::{AppendOutput, ExtraField, Options, RulesFile, load};

    use super::*;
    use crate::view::Rendering;

    const RULES: &str = r#"
- rule: closed "it"
  desc: d
  condition: evt.type = close
  output: "fd=%evt.arg.fd\tup=%toupper(proc.name) n=%evt.num"
  priority: INFO
  tags: [b, a]
"#;

    /// An event `close` at 2018-08-17 17:35:48.514682170 with number 752 and nothing around it.
    fn block() -> Block {
        let mut block = Block::default();
        block.batch.ts.push(1_534_527_348_514_682_170);
        block.batch.tid.push(7);
        block.batch.ty.push(ev::SYSCALL_CLOSE_X);
        block.batch.cpu.push(0);
        block.batch.flags.push(0);
        block.batch.nparams.push(0);
        block.batch.offset.push(0);
        block.first_num = 752;
        block.marks.push(mark::DELIVERED);
        block.process.push(NONE);
        block.fd.push(NONE);
        block.fd_num.push(-1);
        block.worlds.push((0, Arc::new(World { hostname: b"vm"[..].into(), ..World::default() })));
        block
    }

    fn alerts(style: AlertStyle, append_output: Vec<AppendOutput>) -> Alerts {
        let catalogue = Catalogue::new();
        let file = RulesFile { name: "r.yaml", content: RULES.as_bytes() };
        let loaded = load(&[file], &catalogue, &Options { append_output, ..Options::default() });
        assert!(loaded.successful());
        Alerts::new(&loaded.program, &catalogue, style)
    }

    fn text_of(alerts: &Alerts, origin: Option<&str>, as_json: bool) -> String {
        let (block, rendering, mut out) = (block(), Rendering::default(), Vec::new());
        let view = View::new(&block, 0, &rendering);
        if as_json {
            alerts.json(0, &view, origin, &mut out)
        } else {
            alerts.text(0, &view, origin, &mut out)
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_is_one_escaped_line() {
        let alerts = alerts(AlertStyle::default(), Vec::new());
        let line = r"17:35:48.514682170: Informational fd=<NA>\tup=<NA> n=752";
        assert_eq!(text_of(&alerts, None, false), line);
        assert_eq!(text_of(&alerts, Some("a.scap"), false), format!("a.scap:752: {line}"));
    }

    #[test]
    fn an_object_has_sorted_keys() {
        let style = AlertStyle { message: true, iso8601: true, ..AlertStyle::default() };
        assert_eq!(
            text_of(&alerts(style, Vec::new()), Some("a.scap"), true),
            concat!(
                r#"{"capture":"a.scap","evt_num":752,"hostname":"vm","message":"fd=<NA>\tup=<NA> n=752","#,
                r#""output":"2018-08-17T17:35:48.514682170+0000: Informational fd=<NA>\tup=<NA> n=752","#,
                r#""output_fields":{"evt.arg.fd":null,"evt.num":752,"evt.time.iso8601":1534527348514682170,"#,
                r#""proc.name":null},"priority":"Informational","rule":"closed \"it\"","source":"syscall","#,
                r#""tags":["a","b"],"time":"2018-08-17T17:35:48.514682170Z"}"#
            )
        );
    }

    #[test]
    fn what_is_switched_off_is_left_out() {
        let style = AlertStyle { output: false, output_fields: false, tags: false, message: false, iso8601: false };
        assert_eq!(
            text_of(&alerts(style, Vec::new()), None, true),
            r#"{"hostname":"vm","priority":"Informational","rule":"closed \"it\"","source":"syscall","time":"2018-08-17T17:35:48.514682170Z"}"#
        );
    }

    #[test]
    fn extra_fields_keep_their_type_and_formats_are_texts() {
        let extra_fields = vec![
            ExtraField::Field("evt.num".to_owned()),
            ExtraField::Format { key: "number".to_owned(), format: "%evt.num".to_owned() },
        ];
        let addition = AppendOutput { extra_fields, ..AppendOutput::default() };
        let text = text_of(&alerts(AlertStyle::default(), vec![addition]), None, true);
        assert!(text.contains(r#""evt.num":752,"#) && text.contains(r#""number":"752""#), "{text}");
    }
}
