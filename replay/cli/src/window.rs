//! A span of time: `--from` and `--to`.

use anyhow::bail;
use clap::Args;
use falco_replay_format::block::Block;
use jiff::Timestamp;

/// Arguments that name a span of time.
#[derive(Debug, Args)]
pub struct WindowArgs {
    /// Only events at or after this time: 2026-05-01T12:00:00Z, or seconds or nanoseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<u64>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<u64>,
}

impl WindowArgs {
    /// The span of time, if one is named.
    pub fn window(&self) -> anyhow::Result<Option<Window>> {
        if self.from.is_none() && self.to.is_none() {
            return Ok(None);
        }
        let window = Window { from: self.from.unwrap_or(0), to: self.to.unwrap_or(u64::MAX) };
        if window.from >= window.to {
            bail!("no time is at or after --from and before --to; are they the wrong way round?");
        }
        Ok(Some(window))
    }
}

/// A span of time, in nanoseconds since 1970; its end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: u64,
    to: u64,
}

impl Window {
    /// Whether a time is within.
    #[inline]
    pub fn holds(self, ts: u64) -> bool {
        (self.from..self.to).contains(&ts)
    }

    /// Whether some time of a range may be within.
    pub fn touches_times(self, first: u64, last: u64) -> bool {
        first < self.to && last >= self.from
    }

    /// Whether an event of the block may be within. Events are not in the order of time, so each is looked at.
    pub fn touches(self, block: &Block) -> bool {
        block.batch.ts.iter().any(|&ts| self.holds(ts))
    }
}

/// Whole numbers from here on are nanoseconds (1973); what lies between these and seconds is neither.
const NANOSECONDS_FROM: u64 = 100_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// A time in nanoseconds since 1970 from RFC 3339, or from seconds (perhaps with decimals) or nanoseconds since 1970.
fn parse_time(text: &str) -> Result<u64, String> {
    let wrong =
        || "a time is such as 2026-05-01T12:00:00Z, 2026-05-01T12:00:00+02:00, 1777636800 or 1777636800.25".to_owned();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(text) {
        let number: u64 = text.parse().map_err(|_| wrong())?;
        return if number >= NANOSECONDS_FROM { Ok(number) } else { number.checked_mul(SECOND).ok_or_else(wrong) };
    }
    if let Some((seconds, decimals)) = text.split_once('.').filter(|(a, b)| digits(a) && digits(b) && b.len() <= 9) {
        let seconds: u64 = seconds.parse().map_err(|_| wrong())?;
        let nanoseconds: u64 = format!("{decimals:0<9}").parse().map_err(|_| wrong())?;
        return seconds.checked_mul(SECOND).and_then(|seconds| seconds.checked_add(nanoseconds)).ok_or_else(wrong);
    }
    let stamp: Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(stamp.as_nanosecond()).map_err(|_| "captures know no time before 1970".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_time;

    #[test]
    fn times_in_every_form() {
        let ts = 1_534_527_348_514_682_170;
        assert_eq!(parse_time("2018-08-17T17:35:48.514682170Z"), Ok(ts));
        assert_eq!(parse_time("2018-08-17T19:35:48.514682170+02:00"), Ok(ts));
        assert_eq!(parse_time("1534527348514682170"), Ok(ts));
        assert_eq!(parse_time("1534527348.51468217"), Ok(ts));
        assert_eq!(parse_time("1534527348"), Ok(1_534_527_348_000_000_000));
    }

    #[test]
    fn what_is_no_time() {
        for text in
            ["", "yesterday", "12:00", "-5", "1.", "99999999999999999999999", "1534527348514", "1969-12-31T23:59:59Z"]
        {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
