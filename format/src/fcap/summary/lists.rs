//! Distinct values themselves, where they are few.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::{Bytes, put_varint};
use crate::fcap::error::Error;

/// Sorted distinct texts, each with the roles that it has: `(roles u8 │ length varint │ bytes)…`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    /// Where each text begins and ends, and its roles.
    places: Vec<(u32, u32, u8)>,
}

impl Texts {
    pub(super) fn of<'a>(sorted: impl Iterator<Item = (&'a [u8], u8)>) -> Texts {
        let mut texts = Texts::default();
        sorted.for_each(|(text, roles)| texts.push(text, roles));
        texts
    }

    fn push(&mut self, text: &[u8], roles: u8) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        self.places.push((start, self.bytes.len() as u32, roles));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u8)> {
        self.places.iter().map(|&(start, end, roles)| (&self.bytes[start as usize..end as usize], roles))
    }

    /// The first text that is not before `text`.
    pub(super) fn not_before(&self, text: &[u8]) -> Option<&[u8]> {
        let at = self.places.partition_point(|&(start, end, _)| &self.bytes[start as usize..end as usize] < text);
        let &(start, end, _) = self.places.get(at)?;
        Some(&self.bytes[start as usize..end as usize])
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for (text, roles) in self.iter() {
            out.push(roles);
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }

    pub(super) fn decode(mut bytes: Bytes<'_>) -> Result<Texts, Error> {
        let mut texts = Texts::default();
        let mut before: Option<&[u8]> = None;
        while !bytes.is_empty() {
            let roles = bytes.byte()?;
            let length = bytes.varint()?;
            let text = bytes.take(length)?;
            if before.is_some_and(|before| before >= text) {
                return Err(bytes.wrong("texts are not in order"));
            }
            before = Some(text);
            texts.push(text, roles);
        }
        Ok(texts)
    }
}

/// Sorted distinct numbers: differences of neighbours as varints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Numbers(pub(super) Vec<u32>);

impl Numbers {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut before = 0;
        for &number in &self.0 {
            put_varint(out, u64::from(number - before));
            before = number;
        }
    }

    pub(super) fn decode(mut bytes: Bytes<'_>) -> Result<Numbers, Error> {
        let mut numbers: Vec<u32> = Vec::new();
        while !bytes.is_empty() {
            let difference = bytes.varint()?;
            let before = numbers.last().copied();
            let number = u64::from(before.unwrap_or(0)).checked_add(difference).and_then(|sum| u32::try_from(sum).ok());
            match number.filter(|_| before.is_none() || difference > 0) {
                Some(number) => numbers.push(number),
                None => return Err(bytes.wrong("numbers are not in order")),
            }
        }
        Ok(Numbers(numbers))
    }
}

/// Sorted distinct addresses with roles, IPv4 first: `count of IPv4 varint │ (roles u8 │ 4 bytes)… │ (roles u8 │ 16 bytes)…`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Addresses(pub(super) Vec<(IpAddr, u8)>);

impl Addresses {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.iter().filter(|(ip, _)| ip.is_ipv4()).count() as u64);
        for (ip, roles) in &self.0 {
            out.push(*roles);
            match ip {
                IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
                IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
            }
        }
    }

    pub(super) fn decode(mut bytes: Bytes<'_>) -> Result<Addresses, Error> {
        let mut all: Vec<(IpAddr, u8)> = Vec::new();
        let mut left = bytes.count(5)?;
        while left > 0 || !bytes.is_empty() {
            let roles = bytes.byte()?;
            let ip: IpAddr = if left > 0 {
                left -= 1;
                Ipv4Addr::from(bytes.array::<4>()?).into()
            } else {
                Ipv6Addr::from(bytes.array::<16>()?).into()
            };
            if all.last().is_some_and(|(before, _)| *before >= ip) {
                return Err(bytes.wrong("addresses are not in order"));
            }
            all.push((ip, roles));
        }
        Ok(Addresses(all))
    }
}
