//! Constants: text → value of the type of the left side. Facts: filter-language A5.

use crate::program::{Constant, Operator, ValueType};
use crate::schema::Schema;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest constant of a string or buffer.
const MAX_TEXT: usize = 255;

/// Reads a constant; the error is Falco's message.
pub(crate) fn parse_constant(
    schema: &dyn Schema,
    text: &[u8],
    ty: ValueType,
    operator: Operator,
) -> Result<Constant, String> {
    use ValueType as T;
    let shown = String::from_utf8_lossy(text);
    if ty != T::Bytebuf && text.contains(&0) {
        return Err("filter value cannot contain a NUL byte".to_owned());
    }
    match ty {
        T::Charbuf | T::Fspath | T::Fsrelpath | T::Bytebuf => {
            if text.len() > MAX_TEXT {
                return Err(format!("filter parameter too long: {shown}"));
            }
            if matches!(operator, Operator::Bcontains | Operator::Bstartswith) {
                return decode_hex(text).map(Constant::Bytes).ok_or_else(|| format!("invalid hex string: {shown}"));
            }
            Ok(Constant::Bytes(text.to_vec()))
        }
        T::Bool => match text {
            b"true" => Ok(Constant::Bool(true)),
            b"false" => Ok(Constant::Bool(false)),
            _ => Err(format!("filter error: unrecognized boolean value {shown}")),
        },
        T::Port => port(schema, text),
        T::Sigtype | T::Syscallid => Err(format!("wrong parameter type {}", ty.name())),
        T::Ipaddr | T::Ipv4addr | T::Ipv6addr => address(&shown, ty).map(Constant::Ip),
        T::Ipnet | T::Ipv4net | T::Ipv6net => network(&shown, ty),
        T::Double => number(text, ty).map(|value| Constant::Double(value as f64)),
        _ => number(text, ty).map(Constant::Int),
    }
}

/// A decimal number as C's sscanf reads it, cut to the width of the type.
fn number(text: &[u8], ty: ValueType) -> Result<i64, String> {
    let Some((bits, signed)) = ty.width() else { return Err(format!("wrong parameter type {}", ty.name())) };
    let invalid = || format!("{} is not a valid number", String::from_utf8_lossy(text));
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'..=b'\r')).ok_or_else(invalid)?;
    let (negative, digits) = match text.get(start..).unwrap_or_default() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(invalid());
    }
    // Too large a number stops at the largest, as in C.
    let size = digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    let value = if signed {
        match (negative, i64::try_from(size)) {
            (false, Ok(size)) => size,
            (false, Err(_)) => i64::MAX,
            (true, Ok(size)) => -size,
            (true, Err(_)) => i64::MIN,
        }
    } else if negative && size != u64::MAX {
        size.wrapping_neg() as i64
    } else {
        size as i64
    };
    let spare = 64 - bits;
    Ok(if signed { value << spare >> spare } else { ((value as u64) << spare >> spare) as i64 })
}

fn port(schema: &dyn Schema, text: &[u8]) -> Result<Constant, String> {
    let shown = String::from_utf8_lossy(text);
    if text.is_empty() {
        return Ok(Constant::Int(0));
    }
    if text.iter().all(u8::is_ascii_digit) {
        return match shown.parse::<i32>() {
            Ok(number) => Ok(Constant::Int(i64::from(number as u16))),
            Err(_) => Err(format!("{shown} is not a valid number")),
        };
    }
    let port = schema.service_port(&shown).ok_or_else(|| format!("unrecognized protocol {shown}"))?;
    Ok(Constant::Int(i64::from(port)))
}

fn address(text: &str, ty: ValueType) -> Result<IpAddr, String> {
    let four = match ty {
        ValueType::Ipv4addr | ValueType::Ipv4net => true,
        ValueType::Ipv6addr | ValueType::Ipv6net => false,
        // An IPv6 address that embeds a dotted quad is refused, as inet_pton(AF_INET) refuses it.
        _ => text.contains('.'),
    };
    if four {
        text.parse::<Ipv4Addr>().map(IpAddr::V4).map_err(|_| format!("unrecognized IPv4 address {text}"))
    } else {
        text.parse::<Ipv6Addr>().map(IpAddr::V6).map_err(|_| format!("unrecognized IPv6 address {text}"))
    }
}

fn network(text: &str, ty: ValueType) -> Result<Constant, String> {
    let Some((address_text, mask_text)) = text.split_once('/') else {
        return Err(format!("unrecognized IP network {text}"));
    };
    let ip = address(address_text, ty)?;
    let digits = !mask_text.is_empty() && mask_text.bytes().all(|byte| byte.is_ascii_digit());
    let len = mask_text.parse::<u8>().ok().filter(|_| digits);
    match (ip, len) {
        (IpAddr::V4(_), Some(len)) if len <= 32 => Ok(Constant::Net(ip, len)),
        (IpAddr::V6(_), Some(len)) if (1..=128).contains(&len) => Ok(Constant::Net(ip, len)),
        (IpAddr::V4(_), _) => Err(format!("invalid v4 netmask {mask_text}")),
        (IpAddr::V6(_), _) => Err(format!("invalid v6 netmask {mask_text}")),
    }
}

/// Bytes of a text of hex digits of even length.
fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::number;
    use crate::program::ValueType as T;

    #[test]
    fn numbers_wrap_as_in_c() {
        assert_eq!(number(b" +7", T::Uint64), Ok(7));
        assert_eq!(number(b"-1", T::Uint32), Ok(0xffff_ffff));
        assert_eq!(number(b"-1", T::Uint64), Ok(-1));
        assert_eq!(number(b"300", T::Uint8), Ok(44));
        assert_eq!(number(b"200", T::Int8), Ok(-56));
        assert_eq!(number(b"99999999999999999999", T::Int64), Ok(i64::MAX));
        assert!(number(b"0x10", T::Int64).is_err());
        assert!(number(b"5 ", T::Int64).is_err());
        assert!(number(b"", T::Int64).is_err());
    }
}
