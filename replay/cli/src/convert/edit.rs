//! Changes to raw events before anything is worked out from them, so that all that follows has them too.

use falco_replay_format::batch::EventBatch;
use falco_replay_format::block::Text;
use falco_replay_format::fcap::constants::own;
use falco_replay_format::fcap::{FileAbout, OwnEvent};
use falco_replay_format::lists::Head;
use falco_replay_format::schema::{EVENTS, ParamType, category};

use super::redact::Redaction;

/// What is changed of events and heads.
#[derive(Debug, Default)]
pub struct Edit {
    /// Bytes that are kept of a data buffer.
    snaplen: Option<usize>,
    /// For each event type the parameters that are data buffers, a bit each.
    buffers: Vec<u64>,
    redaction: Option<Redaction>,
    /// Bytes that were cut off.
    pub cut_bytes: u64,
    /// Data buffers that were cut.
    pub cut_buffers: u64,
}

impl Edit {
    /// Keeps so many bytes of each data buffer, and redacts.
    pub fn new(snaplen: Option<usize>, redaction: Option<Redaction>) -> Edit {
        let buffers = EVENTS.iter().map(|info| {
            let is_call = info.category & category::SYSCALL != 0;
            let is_data = |name: &str| matches!(name, "data" | "img");
            let data = info
                .params
                .iter()
                .enumerate()
                .filter(|(_, param)| is_call && param.ty == ParamType::Bytebuf && is_data(param.name));
            data.fold(0, |bits, (at, _)| bits | 1 << at)
        });
        Edit { snaplen, buffers: buffers.collect(), redaction, ..Edit::default() }
    }

    /// Whether there is anything to change.
    pub fn is_wanted(&self) -> bool {
        self.snaplen.is_some() || self.redaction.is_some()
    }

    /// Whether contexts that were worked out from the events as they were do not hold any more.
    pub fn voids_contexts(&self) -> bool {
        self.redaction.is_some()
    }

    /// Values that were redacted.
    pub fn redacted(&self) -> u64 {
        self.redaction.as_ref().map_or(0, Redaction::count)
    }

    /// Changes what an `.fcap` says of itself.
    pub fn about(&mut self, about: &mut FileAbout) {
        if let Some(redaction) = &mut self.redaction {
            redaction.about(about);
        }
    }

    /// Whether an event of ours may stay: nobody knows what the others hold.
    pub fn keeps(&self, event: &OwnEvent) -> bool {
        self.redaction.is_none() || matches!(event.kind, own::LOSS | own::CLOCK)
    }

    /// The id that a container gets.
    pub fn container_id(&mut self, id: &Text) -> Text {
        self.redaction.as_mut().map_or_else(|| id.clone(), |redaction| redaction.container_id(id))
    }

    /// Changes a head.
    pub fn head(&mut self, head: &mut Head) {
        if let Some(redaction) = &mut self.redaction {
            redaction.head(head);
        }
    }

    /// Changes the events of a batch.
    pub fn batch(&mut self, batch: EventBatch) -> EventBatch {
        let batch = match self.snaplen {
            Some(most) => self.cut_buffers(batch, most),
            None => batch,
        };
        match &mut self.redaction {
            Some(redaction) => redaction.batch(batch),
            None => batch,
        }
    }

    fn cut_buffers(&mut self, batch: EventBatch, most: usize) -> EventBatch {
        let mut out: Option<EventBatch> = None;
        for row in 0..batch.len() {
            let ty = batch.ty[row];
            let buffers = self.buffers[usize::from(ty)];
            let params = batch.params(row);
            let is_cut = |at: usize, value: &[u8]| buffers >> at & 1 != 0 && value.len() > most;
            if buffers == 0 || !params.iter().enumerate().any(|(at, value)| is_cut(at, value)) {
                if let Some(out) = &mut out {
                    out.push_row(&batch, row);
                }
                continue;
            }
            let values: Vec<&[u8]> = params
                .iter()
                .enumerate()
                .map(|(at, value)| if is_cut(at, value) { &value[..most] } else { value })
                .collect();
            self.cut_buffers += 1;
            self.cut_bytes += (params.encoded().len() - values.iter().map(|value| value.len()).sum::<usize>()) as u64
                - 2 * values.len() as u64;
            let out = out.get_or_insert_with(|| batch.copy(0..row));
            out.push(batch.ts[row], batch.tid[row], ty, batch.cpu[row], batch.flags[row], values.iter().copied());
        }
        match out {
            Some(mut out) => {
                out.first_drop = batch.first_drop;
                out
            }
            None => batch,
        }
    }
}
