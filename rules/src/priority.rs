//! Priorities by name. Facts: filter-language B6.

use crate::program::Priority;
use std::fmt;

impl Priority {
    /// Every priority, most severe first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Informational,
        Self::Debug,
    ];

    /// Reads a name in any case; `info` is short for informational.
    pub fn parse(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("info") {
            return Some(Self::Informational);
        }
        Self::ALL.into_iter().find(|priority| text.eq_ignore_ascii_case(priority.name()))
    }

    /// The long name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency",
            Self::Alert => "Alert",
            Self::Critical => "Critical",
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Notice => "Notice",
            Self::Informational => "Informational",
            Self::Debug => "Debug",
        }
    }

    /// The name in capitals as summaries have it, `INFO` for informational.
    pub fn short_name(self) -> String {
        match self {
            Self::Informational => "INFO".to_owned(),
            other => other.name().to_ascii_uppercase(),
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
