//! Found events as lines of a format.

use falco_replay_engine::output::{Printer, escape_line};
use falco_replay_engine::view::View;
use serde_json::Value;

use crate::output::OutputFormat;

/// Says what an event was found by.
pub trait Mark: Send + Sync {
    /// Why the event was found: a word for each reason.
    fn marks(&self, view: &View<'_>) -> Vec<String>;
}

/// How lines are written.
pub struct Lines {
    /// What is printed of an event.
    pub printer: Printer,
    /// As text or as JSON.
    pub form: OutputFormat,
    /// Whether control characters in a text are escaped, so that an event is one line and cannot steer a terminal.
    pub escaped: bool,
    /// What says why an event was found.
    pub mark: Option<Box<dyn Mark>>,
}

impl Lines {
    /// Appends an event, without a line end. `origin`: the capture's name, to be shown with the event's number.
    pub fn write(&self, view: &View<'_>, origin: Option<&str>, out: &mut Vec<u8>) {
        let marks = self.mark.as_ref().map(|mark| mark.marks(view));
        match self.form {
            OutputFormat::Text => self.text(view, origin, marks.as_deref(), out),
            OutputFormat::Json => self.json(view, origin, marks, out),
        }
    }

    fn text(&self, view: &View<'_>, origin: Option<&str>, marks: Option<&[String]>, out: &mut Vec<u8>) {
        let mut line = Vec::with_capacity(256);
        if let Some(capture) = origin {
            line.extend_from_slice(format!("{capture}:{}: ", view.block.num(view.row)).as_bytes());
        }
        if let Some(marks) = marks {
            line.extend_from_slice(format!("[{}] ", marks.join(" ")).as_bytes());
        }
        self.printer.print(view, &mut line);
        if self.escaped {
            out.extend_from_slice(&escape_line(&line));
        } else {
            out.extend_from_slice(&line);
        }
    }

    fn json(&self, view: &View<'_>, origin: Option<&str>, marks: Option<Vec<String>>, out: &mut Vec<u8>) {
        out.push(b'{');
        let start = out.len();
        if let Some(marks) = marks {
            out.extend_from_slice(format!("\"ioc\":{},", Value::from(marks)).as_bytes());
        }
        if let Some(capture) = origin {
            let number = view.block.num(view.row);
            out.extend_from_slice(format!("\"capture\":{},\"evt_num\":{number},", Value::from(capture)).as_bytes());
        }
        let mut fields = Vec::with_capacity(256);
        self.printer.print_json(view, &mut fields);
        let fields = fields.strip_prefix(b"{").unwrap_or(&fields);
        if fields == b"}" && out.len() > start {
            // No field follows the last comma.
            out.pop();
        }
        out.extend_from_slice(fields);
    }
}
