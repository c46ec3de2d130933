//! Addresses as text, as the C library writes them.

use std::fmt;
use std::net::IpAddr;

/// An address as `inet_ntop` writes it: unlike the standard library it keeps the old dotted form of `::a.b.c.d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressText(pub IpAddr);

impl fmt::Display for AddressText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(ip) => match ip.segments() {
                [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                    let [.., a, b, c, d] = ip.octets();
                    write!(out, "::{a}.{b}.{c}.{d}")
                }
                _ => ip.fmt(out),
            },
            IpAddr::V4(ip) => ip.fmt(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_c_library_writes_them() {
        for text in [
            "::",
            "::1",
            "::1.2.3.4",
            "::0.1.0.2",
            "::ffff:1.2.3.4",
            "1::",
            "2001:db8::1:0:0:1",
            "1:0:2:3:4:5:6:7",
            "fe80::1",
            "10.0.0.1",
            "0.0.0.0",
        ] {
            assert_eq!(AddressText(text.parse().unwrap()).to_string(), text);
        }
    }
}
