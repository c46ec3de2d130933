//! Parameters as text, as `evt.args` and `evt.arg` show them.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use falco_replay_format::address::AddressText;
use falco_replay_format::batch::until_nul;
use falco_replay_format::block::{Fd, FdKind, L4Proto, RefKind, Role};
use falco_replay_format::schema::{FlagName, ParamInfo, ParamType, PrintFormat, SYSCALLS, syscall_info};
pub(crate) use falco_replay_format::unopened::legacy;
use falco_replay_format::unopened::socket_tuple;

use crate::names::{error_name, signal_name};
use crate::paths;
use crate::time;
use crate::view::View;

/// A parameter's plain and resolved text; the resolved one is empty where there is none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ParamText {
    pub(crate) plain: Vec<u8>,
    pub(crate) resolved: Vec<u8>,
}

impl ParamText {
    fn plain(text: impl Into<Vec<u8>>) -> ParamText {
        ParamText { plain: text.into(), resolved: Vec::new() }
    }

    fn with(plain: impl Into<Vec<u8>>, resolved: impl Into<Vec<u8>>) -> ParamText {
        ParamText { plain: plain.into(), resolved: resolved.into() }
    }

    /// The resolved text, else the plain one.
    pub(crate) fn best(self) -> Vec<u8> {
        if self.resolved.is_empty() { self.plain } else { self.resolved }
    }
}

/// A number in a print format. Signed: whether it prints as signed in decimal.
pub(crate) fn number(value: i64, bits: u32, signed: bool, format: PrintFormat) -> String {
    let unsigned = if bits >= 64 { value as u64 } else { value as u64 & ((1 << bits) - 1) };
    match format {
        PrintFormat::Hex => format!("{unsigned:X}"),
        PrintFormat::Oct => {
            if unsigned == 0 {
                "0".to_owned()
            } else {
                format!("0{unsigned:o}")
            }
        }
        PrintFormat::PaddedDec if signed => format!("{value:09}"),
        PrintFormat::PaddedDec => format!("{unsigned:09}"),
        _ if signed => value.to_string(),
        _ => unsigned.to_string(),
    }
}

/// A little-endian integer of 1, 2, 4 or 8 bytes, sign-extended.
pub(crate) fn signed(bytes: &[u8]) -> Option<i64> {
    Some(match *bytes {
        [a] => i64::from(a as i8),
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => i64::from_le_bytes(bytes.try_into().ok()?),
    })
}

/// The same, zero-extended.
pub(crate) fn unsigned(bytes: &[u8]) -> Option<u64> {
    Some(match *bytes {
        [a] => u64::from(a),
        [a, b] => u64::from(u16::from_le_bytes([a, b])),
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => u64::from_le_bytes(bytes.try_into().ok()?),
    })
}

/// The names of a flag value.
///
/// Names of set bits in the order of the table, each entry's bits once; an entry equal to the whole value ends the walk.
fn flag_names(value: u32, table: &[FlagName]) -> String {
    let mut out = String::new();
    let mut add = |name: &str| {
        if !out.is_empty() {
            out.push('|');
        }
        out.push_str(name);
    };
    let mut rest = value;
    for flag in table {
        if flag.value == value {
            add(flag.name);
            break;
        }
        if flag.value != 0 && rest & flag.value == flag.value {
            add(flag.name);
            rest &= !flag.value;
        }
    }
    out
}

/// Every name with exactly this value.
fn enum_names(value: u32, table: &[FlagName]) -> String {
    table.iter().filter(|flag| flag.value == value).map(|flag| flag.name).collect::<Vec<_>>().join("|")
}

fn mode_names(value: u32, table: &[FlagName]) -> String {
    match table.iter().find(|flag| flag.value == value) {
        Some(flag) => flag.name.to_owned(),
        None => flag_names(value, table),
    }
}

/// Printable ASCII as it is, everything else as a dot.
pub(crate) fn printable(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|&byte| if (0x20..0x7f).contains(&byte) { byte } else { b'.' }).collect()
}

/// A buffer as text.
pub(crate) fn buffer(bytes: &[u8], base64: bool) -> Vec<u8> {
    use base64::Engine as _;
    if base64 { base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes() } else { printable(bytes) }
}

/// `<CP>name` of a descriptor: type character, protocol letter, name.
fn fd_text(fd: &Fd) -> Vec<u8> {
    let mut out = vec![b'<'];
    out.extend_from_slice(fd.kind.character().to_string().as_bytes());
    if fd.kind.is_inet() {
        let letter = match fd.l4proto {
            L4Proto::Raw => "r",
            _ if fd.role == Role::None => "",
            L4Proto::Tcp => "t",
            L4Proto::Udp => "u",
            L4Proto::Icmp => "i",
            _ => "",
        };
        out.extend_from_slice(letter.as_bytes());
    }
    out.push(b'>');
    out.extend_from_slice(&fd.name);
    out
}

fn ip4(bytes: &[u8]) -> Ipv4Addr {
    bytes.try_into().map_or(Ipv4Addr::UNSPECIFIED, |octets: [u8; 4]| Ipv4Addr::from(octets))
}

/// IPv6 text, never in IPv4-mapped notation's short form.
fn ip6(bytes: &[u8]) -> Ipv6Addr {
    bytes.try_into().map_or(Ipv6Addr::UNSPECIFIED, |octets: [u8; 16]| Ipv6Addr::from(octets))
}

fn ip_text(ip: impl Into<IpAddr>) -> AddressText {
    AddressText(ip.into())
}

fn port(bytes: &[u8]) -> u16 {
    bytes.try_into().map_or(0, u16::from_le_bytes)
}

fn pointer(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

fn sockaddr(bytes: &[u8]) -> Vec<u8> {
    let (family, rest) = (bytes[0], &bytes[1..]);
    match (family, rest.len()) {
        (2, 6) => format!("{}:{}", ip4(&rest[..4]), port(&rest[4..])).into_bytes(),
        (10, 18) => format!("{}:{}", ip_text(ip6(&rest[..16])), port(&rest[16..])).into_bytes(),
        (1, 1..) => until_nul(rest).to_vec(),
        _ => format!("family {family}").into_bytes(),
    }
}

fn fdlist(view: &View<'_>, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, entry) in bytes.get(2..).unwrap_or(&[]).chunks_exact(10).enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        let fd = pointer(&entry[..8]);
        let flags = port(&entry[8..]);
        let kind = poll_fd(view, at).map_or('?', |fd| fd.kind.character());
        let written = write!(out, "{fd}:{kind}{flags:x}");
        debug_assert!(written.is_ok());
    }
    out
}

/// The descriptor of entry `at` of the event's poll list.
pub(crate) fn poll_fd<'a>(view: &View<'a>, at: usize) -> Option<&'a Fd> {
    let row = view.block.reference(view.row, RefKind::PollFd, at as u16)?;
    view.block.fds.get(row as usize).map(|fd| &**fd)
}

/// `%g` with six significant digits, as C prints it.
fn general(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    // Rounding to six digits can carry into the next power of ten.
    let scientific = format!("{value:.5e}");
    let exponent = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(exponent);
    if (-4..6).contains(&exponent) {
        let decimals = (5 - exponent).max(0) as usize;
        trim_zeros(&format!("{value:.decimals$}"))
    } else {
        let (mantissa, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs())
    }
}

fn trim_zeros(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

/// The text of parameter `index`; `None` where the event has fewer.
pub(crate) fn param_text(view: &View<'_>, index: usize) -> Option<ParamText> {
    let param = view.info.params.get(index)?;
    if index >= view.params.len() {
        return None;
    }
    Some(value_text(view, index, param, param.ty, param.format, view.params.get(index)))
}

fn value_text(
    view: &View<'_>,
    index: usize,
    param: &ParamInfo,
    ty: ParamType,
    format: PrintFormat,
    bytes: &[u8],
) -> ParamText {
    use ParamType as T;
    if bytes.is_empty() {
        return ParamText::plain(match ty {
            T::Bytebuf | T::Socktuple | T::Fdlist | T::Dyn | T::Charbufarray | T::CharbufPairArray => "NULL",
            _ => "<NA>",
        });
    }
    let misread = || ParamText::plain("<NA>");
    match ty {
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Uint32 | T::Uint64 => {
            let Some(value) = signed(bytes) else { return misread() };
            ParamText::plain(number(value, bytes.len() as u32 * 8, true, format))
        }
        T::Uint8 | T::Uint16 => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::plain(number(value as i64, bytes.len() as u32 * 8, false, format))
        }
        T::Fd => {
            let Some(value) = signed(bytes) else { return misread() };
            let resolved = if value == paths::AT_FDCWD {
                b"AT_FDCWD".to_vec()
            } else if value < 0 {
                error_name(value).into()
            } else {
                view.param_fd(index).map(fd_text).unwrap_or_default()
            };
            ParamText::with(value.to_string(), resolved)
        }
        T::Pid => {
            let Some(value) = signed(bytes) else { return misread() };
            let comm = view.param_process(index).map(|process| process.info.comm.to_vec()).unwrap_or_default();
            ParamText::with(value.to_string(), comm)
        }
        T::Errno => {
            let Some(value) = signed(bytes) else { return misread() };
            ParamText::with(value.to_string(), if value < 0 { error_name(value) } else { "" })
        }
        T::Charbuf => ParamText::plain(legacy(bytes)),
        T::Fspath | T::Fsrelpath => {
            let text = legacy(bytes);
            let resolved = if text.starts_with(b"/") || text == b"<NA>" {
                Vec::new()
            } else {
                paths::resolve_param(view, param, text)
            };
            ParamText::with(text, resolved)
        }
        T::Bytebuf => ParamText::plain(buffer(bytes, view.rendering.base64_buffers)),
        T::Sockaddr => ParamText::plain(sockaddr(bytes)),
        T::Socktuple => ParamText::plain(socket_tuple(bytes)),
        T::Fdlist => ParamText::plain(fdlist(view, bytes)),
        T::Syscallid => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::with(value.to_string(), syscall_info(value as u16).map_or("", |call| call.name))
        }
        T::Sigtype => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::with(value.to_string(), signal_name(value))
        }
        T::Sigset => {
            let Some(value) = unsigned(bytes) else { return misread() };
            let names: Vec<&str> =
                (0..32).filter(|bit| value >> bit & 1 == 1).map(|bit| signal_name(bit + 1)).collect();
            ParamText::plain(names.join(" "))
        }
        T::Reltime => {
            let Some(value) = unsigned(bytes) else { return misread() };
            if value == u64::MAX {
                return ParamText::plain("none");
            }
            ParamText::with(value.to_string(), format!("{}s", general(value as f64 / 1e9)))
        }
        T::Abstime => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::plain(time::datetime_ns(value, &view.rendering.zone))
        }
        T::Flags8 | T::Flags16 | T::Flags32 => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::with(value.to_string(), flag_names(value as u32, param.flags))
        }
        T::Enumflags8 | T::Enumflags16 | T::Enumflags32 => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::with(value.to_string(), enum_names(value as u32, param.flags))
        }
        T::Mode => {
            let Some(value) = unsigned(bytes) else { return misread() };
            ParamText::with(number(value as i64, 32, false, PrintFormat::Oct), mode_names(value as u32, param.flags))
        }
        T::Uid | T::Gid => {
            let Some(value) = signed(bytes) else { return misread() };
            let resolved = if value == -1 {
                b"<NONE>".to_vec()
            } else if ty == T::Uid {
                let user = view.block.reference(view.row, RefKind::ParamUser, index as u16);
                user.and_then(|at| view.block.users.get(at as usize)).map_or(b"<NA>".to_vec(), |u| u.name.to_vec())
            } else {
                let group = view.block.reference(view.row, RefKind::ParamGroup, index as u16);
                group.and_then(|at| view.block.groups.get(at as usize)).map_or(b"<NA>".to_vec(), |g| g.name.to_vec())
            };
            ParamText::with(value.to_string(), resolved)
        }
        T::Dyn => {
            let (variant, rest) = (usize::from(bytes[0]), &bytes[1..]);
            match param.variants.get(variant) {
                Some(&(ty, _)) => value_text(view, index, param, ty, format, rest),
                None => ParamText::plain("NULL"),
            }
        }
        _ => ParamText::plain("(n.a.)"),
    }
}

/// All parameters, `name=text` or `name=text(resolved)`.
pub(crate) fn all_params(view: &View<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if view.info.id < 2 {
        return out;
    }
    for (index, param) in view.info.params.iter().enumerate() {
        let Some(text) = param_text(view, index) else { break };
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(param.name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&text.plain);
        if !text.resolved.is_empty() {
            out.push(b'(');
            out.extend_from_slice(&text.resolved);
            out.push(b')');
        }
    }
    out
}

/// The name of a syscall by its number on x86_64.
pub(crate) fn native_syscall(number: u16) -> Option<&'static str> {
    SYSCALLS.iter().find(|call| call.x86_64 == Some(number)).map(|call| call.name)
}

/// Whether the kind is one that the checks of files count.
pub(crate) fn is_file_or_directory(kind: FdKind) -> bool {
    kind.is_file() || kind == FdKind::Directory
}
