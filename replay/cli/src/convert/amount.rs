//! Sizes and spans of time as people write them.

/// Bytes: a number, perhaps with a unit. K, M, G, T (also KiB …) are powers of 1024, KB, MB … powers of 1000.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong =
        || "a size is such as 500000, 64K, 100M or 2GiB (powers of 1024), or 100MB (a power of 1000)".to_owned();
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit = unit.to_ascii_lowercase();
    let (letter, rest) = unit.split_at_checked(1).unwrap_or(("", ""));
    let power = match letter {
        "" => 0,
        "b" if rest.is_empty() => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong()),
    };
    let base: u64 = match rest {
        "" | "ib" => 1024,
        "b" => 1000,
        _ => return Err(wrong()),
    };
    match base.checked_pow(power).and_then(|unit| number.checked_mul(unit)) {
        Some(0) | None => Err(wrong()),
        Some(size) => Ok(size),
    }
}

/// Nanoseconds: a number with a unit: ms, s, m (min), h, d. Without one: seconds.
pub fn parse_span(text: &str) -> Result<u64, String> {
    let wrong = || "a span of time is such as 30s, 10m, 1h or 1d".to_owned();
    let (number, unit) = split(text).ok_or_else(wrong)?;
    let unit: u64 = match unit {
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|&span| span > 0).ok_or_else(wrong)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    Some((text[..digits].parse().ok()?, text[digits..].trim_start()))
}

#[cfg(test)]
mod tests {
    use super::{parse_size, parse_span};

    #[test]
    fn sizes() {
        let sizes = ["1", "64k", "1M", "2GiB", "100MB", "3 kb", "12B"].map(|text| parse_size(text).ok());
        assert_eq!(sizes, [1, 65_536, 1 << 20, 2 << 30, 100_000_000, 3000, 12].map(Some));
        for text in ["", "0", "M", "1X", "1KiBi", "-1", "1.5M", "99999999999T", "1Bx"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans() {
        let spans = ["90", "30s", "10m", "1h", "2d", "250ms"].map(|text| parse_span(text).ok());
        let seconds = [90.0, 30.0, 600.0, 3600.0, 172_800.0, 0.25].map(|seconds| Some((seconds * 1e9) as u64));
        assert_eq!(spans, seconds);
        for text in ["", "0s", "h", "1w", "-1s", "1.5h", "99999999999999d"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
