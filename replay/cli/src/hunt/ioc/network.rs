//! Ranges of addresses as networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::line::Indicator;

/// The number of an address, and how many bits its kind has.
fn number(ip: IpAddr) -> (u128, u8) {
    match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    }
}

fn address(number: u128, bits: u8) -> IpAddr {
    // Numbers of IPv4 addresses have 32 bits.
    if bits == 32 { Ipv4Addr::from(number as u32).into() } else { Ipv6Addr::from(number).into() }
}

/// The lowest `count` bits.
fn low(count: u8) -> u128 {
    1u128.checked_shl(u32::from(count)).map_or(u128::MAX, |bit| bit - 1)
}

/// The network of an address; an address where it holds just one. `None` for a prefix that is too long.
pub fn network(ip: IpAddr, length: u8) -> Option<Indicator> {
    let (start, bits) = number(ip);
    let host = bits.checked_sub(length)?;
    let start = address(start & !low(host), bits);
    Some(if host == 0 { Indicator::Address(start.to_canonical()) } else { Indicator::Network(start, length) })
}

/// Every network that holds an address, the largest first, without the address itself.
pub fn around(ip: IpAddr) -> impl Iterator<Item = (IpAddr, u8)> {
    let (number, bits) = number(ip);
    (0..bits).map(move |length| (address(number & !low(bits - length), bits), length))
}

/// The fewest networks that hold the addresses from one to another, and no others.
pub fn between(first: IpAddr, last: IpAddr) -> Option<Vec<Indicator>> {
    let ((mut first, bits), (last, other)) = (number(first), number(last));
    if bits != other || first > last {
        return None;
    }
    let mut all = Vec::new();
    loop {
        // As many low bits as are 0 in the start, and as keep the end within.
        let mut host = if first == 0 { bits } else { (first.trailing_zeros() as u8).min(bits) };
        while first | low(host) > last {
            host -= 1;
        }
        all.extend(network(address(first, bits), bits - host));
        let end = first | low(host);
        if end == last {
            return Some(all);
        }
        first = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(first: &str, last: &str) -> Vec<String> {
        let all = between(first.parse().unwrap(), last.parse().unwrap()).unwrap();
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_are_covered_exactly() {
        assert_eq!(forms("10.0.0.0", "10.0.0.255"), ["net:10.0.0.0/24"]);
        assert_eq!(forms("10.0.0.1", "10.0.0.4"), ["ip:10.0.0.1", "net:10.0.0.2/31", "ip:10.0.0.4"]);
        assert_eq!(forms("0.0.0.0", "255.255.255.255"), ["net:0.0.0.0/0"]);
        assert_eq!(forms("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), ["net:::/0"]);
        assert_eq!(forms("255.255.255.255", "255.255.255.255"), ["ip:255.255.255.255"]);
        assert!(between("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap()).is_none());
        assert!(between("10.0.0.2".parse().unwrap(), "::1".parse().unwrap()).is_none());
    }

    #[test]
    fn networks_around_an_address() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let around: Vec<_> = around(ip("10.1.2.3")).collect();
        assert_eq!((around[0], around[8]), ((ip("0.0.0.0"), 0), (ip("10.0.0.0"), 8)));
        assert_eq!((around.len(), around[31]), (32, (ip("10.1.2.2"), 31)));
        assert_eq!(super::around(ip("2001:db8::1")).nth(32), Some((ip("2001:db8::"), 32)));
    }
}
