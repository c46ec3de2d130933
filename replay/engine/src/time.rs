//! Times as text. The zone is given, never asked of the machine.

use jiff::Timestamp;
use jiff::tz::TimeZone;

const SECOND: u64 = 1_000_000_000;

/// A time of the capture in a zone.
fn zoned(ts: u64, zone: &TimeZone) -> jiff::civil::DateTime {
    let stamp = Timestamp::from_nanosecond(i128::from(ts)).unwrap_or(Timestamp::MAX);
    zone.to_datetime(stamp)
}

/// `HH:MM:SS`.
pub(crate) fn clock(ts: u64, zone: &TimeZone) -> String {
    let time = zoned(ts, zone);
    format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
}

/// `HH:MM:SS.nnnnnnnnn`.
pub(crate) fn clock_ns(ts: u64, zone: &TimeZone) -> String {
    format!("{}.{:09}", clock(ts, zone), ts % SECOND)
}

/// `YYYY-MM-DD HH:MM:SS`.
pub(crate) fn datetime(ts: u64, zone: &TimeZone) -> String {
    let time = zoned(ts, zone);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `YYYY-MM-DD HH:MM:SS.nnnnnnnnn`.
pub(crate) fn datetime_ns(ts: u64, zone: &TimeZone) -> String {
    format!("{}.{:09}", datetime(ts, zone), ts % SECOND)
}

/// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn` in UTC, without a zone's letter.
pub fn iso8601(ts: u64) -> String {
    datetime_ns(ts, &TimeZone::UTC).replacen(' ', "T", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let ts = 1_534_527_348_514_682_170;
        assert_eq!(clock_ns(ts, &TimeZone::UTC), "17:35:48.514682170");
        assert_eq!(datetime(ts, &TimeZone::UTC), "2018-08-17 17:35:48");
        assert_eq!(iso8601(ts), "2018-08-17T17:35:48.514682170");
    }
}
