//! Shell patterns, as `fnmatch` without flags reads them: `*` and `?` match every byte, "/" and leading dots too.

/// Whether `text` matches `pattern`.
///
/// A star is retried from one place only, the last: time is at most the product of the lengths.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut pos) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if at < pattern.len() {
            if pattern[at] == b'*' {
                star = Some((at + 1, pos));
                at += 1;
                continue;
            }
            if pos < text.len()
                && let Some(next) = one(pattern, at, text[pos])
            {
                at = next;
                pos += 1;
                continue;
            }
        } else if pos == text.len() {
            return true;
        }
        match star {
            Some((after, from)) if from < text.len() => {
                star = Some((after, from + 1));
                at = after;
                pos = from + 1;
            }
            _ => return false,
        }
    }
}

/// Matches one byte against the element at `at`; gives the place behind the element.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern[at] {
        b'?' => Some(at + 1),
        b'[' => match set(pattern, at + 1, byte) {
            Some((true, end)) => Some(end),
            Some((false, _)) => None,
            // A bracket that is never closed stands for itself.
            None => (byte == b'[').then_some(at + 1),
        },
        b'\\' if at + 1 < pattern.len() => (pattern[at + 1] == byte).then_some(at + 2),
        other => (other == byte).then_some(at + 1),
    }
}

/// A bracket set: whether the byte is in it, and the place behind it.
fn set(pattern: &[u8], mut at: usize, byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(at), Some(b'!' | b'^'));
    at += usize::from(negated);
    let first = at;
    let mut found = false;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((found != negated, at + 1));
        }
        if low == b'[' && pattern.get(at + 1) == Some(&b':') {
            let name = &pattern[at + 2..];
            if let Some(length) = name.windows(2).position(|window| window == b":]") {
                found |= class(&name[..length], byte);
                at += length + 4;
                continue;
            }
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&next| next != b']') {
            at += 1;
            high = pattern[at];
            if high == b'\\' {
                at += 1;
                high = *pattern.get(at)?;
            }
            at += 1;
        }
        found |= (low..=high).contains(&byte);
    }
}

fn class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"print" => (0x20..0x7f).contains(&byte),
        b"graph" => byte.is_ascii_graphic(),
        b"cntrl" => byte.is_ascii_control(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "/a/.b", true),
            ("/etc/*.conf", "/etc/x/y.conf", true),
            ("/etc/?.conf", "/etc/ab.conf", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[[:digit:]]*", "7up", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = b"*a".repeat(64);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &[b'a'; 20_000]));
    }
}
