//! Ctrl-C and `kill`: a command ends in order with what it has done.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::exit::Exit;

/// Whether the user wants the command to end.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for the signals. The first asks to end in order, a second one ends at once.
    pub fn watch() -> io::Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        // A shell that starts a job in the background has Ctrl-C ignored, and `nohup` and its like ask for the same.
        let ignored = ignored_signals();
        for signal in [SIGINT, SIGTERM].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
            // In this order: the first signal finds the flag not yet set.
            flag::register_conditional_shutdown(signal, Exit::NotDone as i32, Arc::clone(&asked))?;
            flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Interrupt(asked))
    }

    /// Whether it was asked to end.
    #[inline]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The signals that whoever started the program had ignored, a bit each from signal 1; none where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
