//! Characters of tokens, and the escapes of quoted strings. Facts: filter-language A1.

/// Blank between tokens. Only ASCII counts, and the backspace does.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x08 | b'\r' | b'\n')
}

/// White space as a regular expression sees it.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

pub(crate) fn is_bare(byte: u8) -> bool {
    !is_space(byte) && !b"()\"'=,".contains(&byte)
}

pub(crate) fn is_argument(byte: u8) -> bool {
    !is_space(byte) && !b"[]\"'".contains(&byte)
}

/// The bytes are ASCII here.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Replaces the escapes of a quoted string; an error says where.
pub(crate) fn unescape(text: &[u8], quote: u8) -> Result<Vec<u8>, (usize, String)> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let escape = text.get(at).copied();
        let hex = |offset: usize| text.get(at + offset).and_then(|digit| char::from(*digit).to_digit(16));
        match (escape, hex(1), hex(2)) {
            (Some(b'b'), ..) => out.push(0x08),
            (Some(b'f'), ..) => out.push(0x0c),
            (Some(b'n'), ..) => out.push(b'\n'),
            (Some(b'r'), ..) => out.push(b'\r'),
            (Some(b't'), ..) => out.push(b'\t'),
            (Some(b'\\' | b' '), ..) => out.push(b'\\'),
            (Some(b'/'), ..) => out.push(b'/'),
            (Some(mark @ (b'"' | b'\'')), ..) if mark == quote => out.push(mark),
            (Some(b'x'), Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (Some(other), ..) => {
                return Err((at - 1, format!("invalid escape '\\{}' in the string", char::from(other))));
            }
            (None, ..) => return Err((at - 1, "invalid escape at the end of the string".to_owned())),
        }
        at += 1;
    }
    Ok(out)
}
