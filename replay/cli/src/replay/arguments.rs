//! Arguments of all commands that replay captures.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

/// More threads than this are not used unless asked for: reading is in turn, and sets the pace.
const MOST_THREADS: usize = 8;

/// Order of what is found in several captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Order {
    /// Capture after capture as given, folders by name; within each in the order of its events
    #[default]
    Files,
    /// By time over all captures; at the same time as with files
    Time,
}

/// Arguments about how captures are gone through.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Order of what is found in several captures
    #[arg(long, value_enum, default_value_t, value_name = "ORDER")]
    pub order: Order,
    /// Threads to use; the output is the same for any number [default: one a processor, at most 8]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Read every block, those too that the index of a capture rules out; the output is the same
    #[arg(long)]
    pub no_index: bool,
}

impl ReplayArgs {
    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_THREADS),
            NonZeroUsize::get,
        )
    }
}
