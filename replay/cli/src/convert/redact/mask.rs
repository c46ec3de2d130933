//! Keyed hashes in place of texts, in shapes that rules can still work on.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_state::container_id_in;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the key where none is given.
pub const KEY: usize = 32;
/// Hash values that are remembered at most of each sort.
const REMEMBERED: usize = 1 << 16;
/// Hexadecimal digits of a hashed word.
const DIGITS: usize = 15;

/// What engines put before the id of a container in the same part of a path.
const BEFORE_ID: [&[u8]; 10] = [
    b"libpod-payload-",
    b"libpod-",
    b"docker-",
    b"crio-",
    b"cri-containerd-",
    b"nerdctl-",
    b":cri-containerd:",
    b"lxc.payload.",
    b"bpm-",
    b"-lxc\\x2d",
];
/// What they put after it.
const AFTER_ID: [&[u8]; 4] = [b".scope/container", b".scope", b".libvirt-lxc", b"/container"];
/// Parts of paths by which engines are told.
const ENGINES: [&[u8]; 4] = [b"lxc", b"lxc.payload", b"libvirt", b"docker"];

/// What a hash is of, so that hashes of different things say nothing of each other.
#[derive(Debug, Clone, Copy)]
enum Domain {
    Word = 1,
    Buffer = 2,
    Id = 3,
    Address = 4,
}

/// Replaces texts by keyed hashes. The same text always becomes the same.
pub struct Mask {
    keyed: Hmac<Sha256>,
    words: HashMap<Box<[u8]>, [u8; DIGITS + 1]>,
    addresses: HashMap<IpAddr, IpAddr>,
    /// Values that were replaced.
    pub count: u64,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key shows nowhere.
        f.debug_struct("Mask").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Mask {
    /// A mask with this key.
    pub fn new(key: &[u8]) -> Mask {
        // A key of any length is a valid one.
        let keyed = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
        Mask { keyed, words: HashMap::new(), addresses: HashMap::new(), count: 0 }
    }

    fn hash(&self, domain: Domain, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(&[domain as u8]);
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// A word: `#` and digits.
    fn word(&mut self, word: &[u8], out: &mut Vec<u8>) {
        if let Some(known) = self.words.get(word) {
            out.extend_from_slice(known);
            return;
        }
        let hash = self.hash(Domain::Word, &[word]);
        let mut masked = [b'#'; DIGITS + 1];
        digits(&hash, &mut masked[1..]);
        if self.words.len() >= REMEMBERED {
            self.words.clear();
        }
        self.words.insert(word.into(), masked);
        out.extend_from_slice(&masked);
    }

    fn parts(&mut self, text: &[u8], out: &mut Vec<u8>) {
        for (at, part) in text.split(|&byte| byte == b'/').enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            match part {
                b"" | b"." | b".." => out.extend_from_slice(part),
                part => self.word(part, out),
            }
        }
    }

    /// A text: what stands between slashes becomes words, so that a path stays a path. What stands for a missing text
    /// stays.
    pub fn text(&mut self, text: &[u8]) -> Vec<u8> {
        if matches!(text, b"" | b"<NA>" | b"(NULL)") {
            return text.to_vec();
        }
        self.count += 1;
        let (text, ending) = match text.strip_suffix(b" (deleted)") {
            Some(text) => (text, &b" (deleted)"[..]),
            None => (text, &b""[..]),
        };
        let mut out = Vec::new();
        self.parts(text, &mut out);
        out.extend_from_slice(ending);
        out
    }

    /// A text that ends at its first NUL, as parameters have it.
    pub fn terminated(&mut self, value: &[u8]) -> Vec<u8> {
        match value.iter().position(|&byte| byte == 0) {
            None => self.text(value),
            // A name of an abstract socket begins with one.
            Some(0) if value.len() > 1 => [b"\0", &self.text(&value[1..])[..]].concat(),
            Some(end) => [&self.text(&value[..end])[..], b"\0"].concat(),
        }
    }

    /// A list whose elements each end with a NUL.
    pub fn list(&mut self, list: &[u8]) -> Vec<u8> {
        self.elements(list, Mask::text)
    }

    /// An environment: names of variables stay.
    pub fn environment(&mut self, list: &[u8]) -> Vec<u8> {
        self.elements(list, Mask::assignment)
    }

    /// `NAME=value` without its value; what has no name is masked as a whole.
    pub fn assignment(&mut self, element: &[u8]) -> Vec<u8> {
        match element.iter().position(|&byte| byte == b'=') {
            Some(at) => [&element[..=at], &self.text(&element[at + 1..])[..]].concat(),
            None => self.text(element),
        }
    }

    /// Control groups, `subsystem=path`: ids of containers stay ids, the rest of the paths becomes words where `all` says so.
    pub fn cgroups(&mut self, list: &[u8], all: bool) -> Vec<u8> {
        self.elements(list, |mask, element| {
            let at = element.iter().position(|&byte| byte == b'=').map_or(0, |at| at + 1);
            let (name, path) = element.split_at(at);
            let mut out = name.to_vec();
            if !mask.cgroup_of_container(path, all, &mut out) {
                match all {
                    true => mask.parts(path, &mut out),
                    false => out.extend_from_slice(path),
                }
            }
            out
        })
    }

    /// The path of a control group that names a container: that stays possible to tell. `false` where it does not.
    fn cgroup_of_container(&mut self, path: &[u8], all: bool, out: &mut Vec<u8>) -> bool {
        let Some(id) = container_id_in(path).filter(|id| !id.is_empty()) else { return false };
        let Some(start) = path.windows(id.len()).rposition(|window| window == id) else { return false };
        let rest = &path[start..];
        let length = match rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() {
            // A long id stands by itself, whatever the engine.
            64.. => 64,
            // Of a longer name the id is only the begin.
            _ if id.len() == 12 && !rest[12..].starts_with(b".") => {
                rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len())
            }
            _ => id.len(),
        };
        self.around_id(&path[..start], &BEFORE_ID, true, all, out);
        out.extend_from_slice(&self.id(&rest[..length]));
        self.around_id(&rest[length..], &AFTER_ID, false, all, out);
        true
    }

    /// What stands before or after the id of a container. Words by which engines are told stay; where `all` says so the
    /// others become words that could stand there.
    fn around_id(&mut self, text: &[u8], marks: &[&[u8]], before: bool, all: bool, out: &mut Vec<u8>) {
        if !all {
            out.extend_from_slice(text);
            return;
        }
        let is_mark = |mark: &&&[u8]| if before { text.ends_with(mark) } else { text.starts_with(mark) };
        let mark = marks.iter().filter(is_mark).map(|mark| mark.len()).max().unwrap_or(0);
        let (first, last) = if before { text.split_at(text.len() - mark) } else { text.split_at(mark) };
        let (kept, masked) = if before { (last, first) } else { (first, last) };
        if !before {
            out.extend_from_slice(kept);
        }
        for (at, part) in masked.split(|&byte| byte == b'/').enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            if part.is_empty() || ENGINES.contains(&part) {
                out.extend_from_slice(part);
            } else {
                let mut word = Vec::new();
                self.word(part, &mut word);
                out.extend_from_slice(&word[1..]);
            }
        }
        if before {
            out.extend_from_slice(kept);
        }
    }

    fn elements(&mut self, list: &[u8], mut mask: impl FnMut(&mut Mask, &[u8]) -> Vec<u8>) -> Vec<u8> {
        let mut out = Vec::with_capacity(list.len());
        for (at, element) in list.split(|&byte| byte == 0).enumerate() {
            if at > 0 {
                out.push(0);
            }
            if !element.is_empty() {
                out.extend_from_slice(&mask(self, element));
            }
        }
        out
    }

    /// Data: as many bytes, all of them digits.
    pub fn buffer(&mut self, data: &[u8]) -> Vec<u8> {
        if data.is_empty() {
            return Vec::new();
        }
        self.count += 1;
        let seed = self.hash(Domain::Buffer, &[data]);
        let mut out = vec![0; data.len()];
        for (number, part) in (0u64..).zip(out.chunks_mut(64)) {
            digits(&self.hash(Domain::Buffer, &[&seed, &number.to_le_bytes()]), part);
        }
        out
    }

    /// The id of a container: as many digits. The first twelve depend on the first twelve alone, as short ids are made.
    pub fn id(&mut self, id: &[u8]) -> Vec<u8> {
        const SHORT: usize = 12;
        if matches!(id, b"" | b"host" | b"<NA>") {
            return id.to_vec();
        }
        self.count += 1;
        let short = &id[..id.len().min(SHORT)];
        let mut out = vec![0; id.len().max(SHORT)];
        let (first, rest) = out.split_at_mut(SHORT);
        digits(&self.hash(Domain::Id, &[short]), first);
        for (number, part) in (0u64..).zip(rest.chunks_mut(64)) {
            digits(&self.hash(Domain::Id, &[id, &number.to_le_bytes()]), part);
        }
        out
    }

    /// An address: of the same class (loopback, private, multicast …); those that share a prefix share one of the same
    /// length afterwards. Loopback, broadcast and unspecified addresses stay.
    pub fn ip(&mut self, ip: IpAddr) -> IpAddr {
        if let Some(known) = self.addresses.get(&ip) {
            return *known;
        }
        let masked = match ip {
            IpAddr::V4(v4) => IpAddr::V4(self.ipv4(v4)),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V6(self.ipv4(v4).to_ipv6_mapped()),
                None => IpAddr::V6(self.ipv6(v6)),
            },
        };
        if self.addresses.len() >= REMEMBERED {
            self.addresses.clear();
        }
        self.addresses.insert(ip, masked);
        masked
    }

    fn ipv4(&mut self, ip: Ipv4Addr) -> Ipv4Addr {
        let class = |ip: u32| class(u128::from(ip), 32, &CLASSES_V4);
        let bits = u32::from(ip);
        let Some(kept) = class(bits) else {
            return Ipv4Addr::from(self.walk(u128::from(bits), 32, 0, &CLASSES_V4) as u32);
        };
        Ipv4Addr::from(self.prefixed(u128::from(bits), 32, kept) as u32)
    }

    fn ipv6(&mut self, ip: Ipv6Addr) -> Ipv6Addr {
        let bits = u128::from(ip);
        let kept = class(bits, 128, &CLASSES_V6);
        Ipv6Addr::from(match kept {
            Some(kept) => self.prefixed(bits, 128, kept),
            None => self.walk(bits, 128, 0, &CLASSES_V6),
        })
    }

    /// A bijection of the addresses without a class: those that fall into one are sent on until they do not.
    fn walk(&mut self, bits: u128, width: u32, kept: u32, classes: &[(u128, u32, u32)]) -> u128 {
        const STEPS: usize = 256;
        let mut at = bits;
        for _ in 0..STEPS {
            at = self.prefixed(at, width, kept);
            if class(at, width, classes).is_none() {
                break;
            }
        }
        at
    }

    /// Flips each bit after the first `kept` ones by a hash of the bits before it.
    fn prefixed(&mut self, bits: u128, width: u32, kept: u32) -> u128 {
        self.count += 1;
        let mut out = bits;
        for at in kept..width {
            let before = if at == 0 { 0 } else { bits >> (width - at) };
            let place = [width as u8, at as u8];
            let flip = self.hash(Domain::Address, &[&place, &before.to_le_bytes()])[0] & 1;
            out ^= u128::from(flip) << (width - 1 - at);
        }
        out
    }
}

/// Ranges that mean something to rules: first address, bits of the range, bits that are kept.
const CLASSES_V4: [(u128, u32, u32); 9] = [
    (0x0000_0000, 8, 32),
    (0x7f00_0000, 8, 32),
    (0xffff_ffff, 32, 32),
    (0x0a00_0000, 8, 8),
    (0xac10_0000, 12, 12),
    (0xc0a8_0000, 16, 16),
    (0xa9fe_0000, 16, 16),
    (0x6440_0000, 10, 10),
    (0xe000_0000, 3, 4),
];

const CLASSES_V6: [(u128, u32, u32); 5] = [
    // Unspecified and loopback.
    (0, 127, 128),
    (0xfe80 << 112, 10, 64),
    (0xfc00 << 112, 7, 8),
    (0xff00 << 112, 8, 16),
    (0x2000 << 112, 3, 3),
];

/// How many bits of an address are kept, where it is of a class.
fn class(bits: u128, width: u32, classes: &[(u128, u32, u32)]) -> Option<u32> {
    let within = |&&(first, length, _): &&(u128, u32, u32)| (bits ^ first) >> (width - length) == 0;
    classes.iter().find(within).map(|(_, _, kept)| *kept)
}

/// Fills `out` with digits of a hash, of which it has 64.
fn digits(hash: &[u8; 32], out: &mut [u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for (at, digit) in out.iter_mut().enumerate() {
        let byte = hash[at / 2 % hash.len()];
        *digit = HEX[usize::from(if at % 2 == 0 { byte >> 4 } else { byte & 15 })];
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::Mask;

    fn text(text: &str) -> String {
        String::from_utf8(Mask::new(b"key").text(text.as_bytes())).unwrap()
    }

    #[test]
    fn shapes_stay() {
        let path = text("/etc/../secret/shadow");
        let parts: Vec<&str> = path.split('/').collect();
        assert!(parts.len() == 5 && parts[0].is_empty() && parts[2] == ".." && parts[1].starts_with('#'), "{path}");
        assert_eq!(parts[4], text("shadow"));
        assert!(text("/bin/x (deleted)").ends_with(" (deleted)"));
        assert_eq!([text(""), text("<NA>")], ["", "<NA>"]);
        let mut mask = Mask::new(b"key");
        assert_eq!(mask.list(b"a\0b c\0").iter().filter(|&&byte| byte == 0).count(), 2);
        assert!(mask.environment(b"PASSWORD=secret\0").starts_with(b"PASSWORD=#"));
        assert_eq!(mask.buffer(&[7; 1000]).len(), 1000);
        assert_eq!(mask.terminated(b"x\0").last(), Some(&0));
    }

    #[test]
    fn the_key_decides() {
        assert_eq!(text("secret"), text("secret"));
        assert_ne!(text("secret").as_bytes(), Mask::new(b"other").text(b"secret"));
    }

    #[test]
    fn short_ids_are_the_begin_of_long_ones() {
        let long = "6c270ef2f251d571f625e6bfc5311959b2d7301e71ff51eb56717b8fd75d374d";
        let mut mask = Mask::new(b"key");
        let masked = mask.id(long.as_bytes());
        assert_eq!((masked.len(), &masked[..12]), (64, &mask.id(&long.as_bytes()[..12])[..]));
        let cgroups = format!("cpu=/docker/{long}\0memory=/user.slice\0");
        let cgroups = String::from_utf8(mask.cgroups(cgroups.as_bytes(), false)).unwrap();
        assert!(cgroups.contains(std::str::from_utf8(&masked).unwrap()) && cgroups.ends_with("memory=/user.slice\0"));
        assert_eq!(mask.id(b""), b"");
    }

    #[test]
    fn addresses_keep_class_and_nets() {
        let mut mask = Mask::new(b"key");
        let mut ip = |text: &str| mask.ip(text.parse::<IpAddr>().unwrap());
        for same in ["127.0.0.1", "0.0.0.0", "255.255.255.255", "::", "::1"] {
            assert_eq!(ip(same).to_string(), same);
        }
        assert!(ip("10.1.2.3").to_string().starts_with("10."));
        assert!(ip("192.168.7.9").to_string().starts_with("192.168."));
        assert!(ip("fe80::1234").to_string().starts_with("fe80::"));
        assert!(ip("::ffff:8.8.8.8").to_string().starts_with("::ffff:"));
        let (IpAddr::V4(a), IpAddr::V4(b)) = (ip("93.184.216.34"), ip("93.184.216.77")) else { panic!() };
        assert_eq!(a.octets()[..3], b.octets()[..3]);
        assert!(a != b && a.to_string() != "93.184.216.34" && !a.is_private() && !a.is_loopback());
    }

    #[test]
    fn no_two_addresses_become_one() {
        let mut mask = Mask::new(b"key");
        let all: std::collections::HashSet<IpAddr> =
            (0..2000u32).map(|at| mask.ip(IpAddr::V4((at.wrapping_mul(2_654_435_761)).into()))).collect();
        assert_eq!(all.len(), 2000);
    }
}
