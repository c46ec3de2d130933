//! The progress bar, on a terminal only.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::replay::Opened;

/// How far a capture has been read, as shown on standard error.
pub struct Progress {
    bar: ProgressBar,
    read: Arc<AtomicU64>,
}

impl Progress {
    /// A bar for a capture, invisible unless `wanted` and on a terminal.
    pub fn new(name: &str, opened: &Opened, wanted: bool) -> Progress {
        Progress::over(name, opened.size, Arc::clone(&opened.read), wanted)
    }

    /// A bar for an input of so many bytes, of which `read` have been read.
    pub fn over(name: &str, size: Option<u64>, read: Arc<AtomicU64>, wanted: bool) -> Progress {
        if !wanted || !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), read };
        }
        let (template, length) = match size {
            Some(size) => ("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left", Some(size)),
            None => ("{msg} {spinner} {elapsed}", None),
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr_with_hz(8));
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(250));
        Progress { bar, read }
    }

    /// Shows how far it is.
    pub fn update(&self) {
        self.bar.set_position(self.read.load(Ordering::Relaxed));
    }

    /// Does something that writes to the terminal, with the bar out of the way.
    pub fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
