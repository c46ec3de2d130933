//! One line of an indicator file: what type it is, and its normal form.

use std::fmt::{self, Display, Formatter};
use std::net::{IpAddr, Ipv6Addr};

use super::network::{between, network};

/// Longest indicator: the longest path.
const LONGEST: usize = 4096;

/// Something to search for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Indicator {
    /// An address of either end of a connection.
    Address(IpAddr),
    /// The same within a range; the bits beyond its length are 0.
    Network(IpAddr, u8),
    /// The absolute path of a file.
    Path(String),
    /// Every path below a folder; without its final slash.
    Folder(String),
    /// The name of a file in any folder.
    File(String),
    /// The name of a process or of its program.
    Process(String),
    /// A part of a command line, whatever the case.
    Domain(String),
}

impl Display for Indicator {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Indicator::Address(ip) => write!(f, "ip:{ip}"),
            Indicator::Network(ip, length) => write!(f, "net:{ip}/{length}"),
            Indicator::Path(path) => write!(f, "path:{path}"),
            Indicator::Folder(path) => write!(f, "path:{path}/"),
            Indicator::File(name) => write!(f, "file:{name}"),
            Indicator::Process(name) => write!(f, "process:{name}"),
            // The domains below one.
            Indicator::Domain(name) if name.starts_with('.') => write!(f, "domain:*{name}"),
            Indicator::Domain(name) => write!(f, "domain:{name}"),
        }
    }
}

/// The text of a line without its comment. A comment begins at the line's start or after a blank.
pub fn without_comment(line: &str) -> &str {
    let hash = line
        .char_indices()
        .find(|&(at, character)| character == '#' && line[..at].chars().next_back().is_none_or(char::is_whitespace));
    line[..hash.map_or(line.len(), |(at, _)| at)].trim()
}

/// The indicators that a text stands for. Without a type it may stand for several; the error says why it cannot be one.
pub fn parse(text: &str) -> Result<Vec<Indicator>, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    if let Some((word, rest)) = text.split_once(':')
        && !rest.starts_with("//")
        && let Some(typed) = typed(&word.to_ascii_lowercase(), rest.trim())
    {
        return typed;
    }
    untyped(&refang(text))
}

/// An indicator whose type is named; `None` where the word before the colon is no type.
fn typed(word: &str, text: &str) -> Option<Result<Vec<Indicator>, String>> {
    let one = |indicator| Ok(vec![indicator]);
    let empty = || text.is_empty().then(|| Err("nothing follows the type".to_owned()));
    let refanged = || refang(text);
    Some(match word {
        "ip" => empty().unwrap_or_else(|| {
            let ip = address(&refanged()).ok_or_else(|| format!("'{text}' is no address"))?;
            one(Indicator::Address(ip))
        }),
        "net" => empty().unwrap_or_else(|| {
            ranges(&refanged()).unwrap_or_else(|| Err(format!("'{text}' is no range of addresses")))
        }),
        "path" => empty().unwrap_or_else(|| {
            if text.starts_with('/') { one(path(text)) } else { Err("a path begins with /".to_owned()) }
        }),
        "file" => empty().unwrap_or_else(|| match text.contains('/') {
            true => Err("a file name has no /; search for a path with path:".to_owned()),
            false => one(Indicator::File(text.to_owned())),
        }),
        "process" => empty().unwrap_or_else(|| one(Indicator::Process(text.to_owned()))),
        "domain" => empty().unwrap_or_else(|| {
            let name = domain(&refanged()).ok_or_else(|| format!("'{text}' is no domain"))?;
            one(Indicator::Domain(name))
        }),
        "url" => empty().unwrap_or_else(|| match refanged() {
            text if text.contains("://") => url(&text),
            text => url(&format!("http://{text}")),
        }),
        "md5" | "sha1" | "sha256" | "sha512" | "hash" => Err(HASH.to_owned()),
        "email" | "mail" | "mailto" => Err(EMAIL.to_owned()),
        _ => return None,
    })
}

const HASH: &str = "hashes cannot be searched: captures do not hold the content of files";
const EMAIL: &str = "e-mail addresses cannot be searched";
const PATTERN: &str = "patterns are no indicators; write a condition, such as fd.name glob '/tmp/*.sh'";

fn untyped(text: &str) -> Result<Vec<Indicator>, String> {
    if text.contains("://") {
        return url(text);
    }
    if let Some(ip) = address(text) {
        return Ok(vec![Indicator::Address(ip)]);
    }
    if let Some(ranges) = ranges(text) {
        return ranges;
    }
    let pattern = text.strip_prefix("*.").unwrap_or(text).contains(['*', '?']);
    if text.starts_with('/') {
        return if pattern { Err(PATTERN.to_owned()) } else { Ok(vec![path(text)]) };
    }
    if is_hash(text) {
        return Err(HASH.to_owned());
    }
    if text.contains('@') {
        return Err(EMAIL.to_owned());
    }
    if text.contains('\\') {
        return Err("paths and registry keys of Windows cannot be searched: captures are of Linux".to_owned());
    }
    if is_numbered(text, "cve-") || is_numbered(text, "as") && text.len() > 4 {
        return Err("vulnerabilities and autonomous systems cannot be searched".to_owned());
    }
    if let Some((host, _)) = text.split_once('/') {
        return match domain(host) {
            Some(name) => Ok(vec![Indicator::Domain(name)]),
            None => Err("a path begins with /; search for the name of a file with file:".to_owned()),
        };
    }
    if let Some((host, port)) = text.split_once(':') {
        return match domain(host).filter(|_| is_port(port)) {
            Some(name) => Ok(vec![Indicator::Domain(name)]),
            None => Err(format!("'{host}' is no type; types are ip, net, path, file, process, domain")),
        };
    }
    if pattern {
        return Err(PATTERN.to_owned());
    }
    if text.contains(char::is_whitespace) {
        return Err("several words; name a type, such as process:…".to_owned());
    }
    let mut all = Vec::new();
    all.extend(domain(text).map(Indicator::Domain));
    if !text.starts_with("*.") {
        all.extend([Indicator::File(text.to_owned()), Indicator::Process(text.to_owned())]);
    }
    if all.is_empty() { Err(PATTERN.to_owned()) } else { Ok(all) }
}

/// What was made harmless for reports, as it was.
fn refang(text: &str) -> String {
    const FORMS: [(&str, &str); 13] = [
        ("[.]", "."),
        ("(.)", "."),
        ("{.}", "."),
        ("[dot]", "."),
        ("(dot)", "."),
        ("{dot}", "."),
        ("\\.", "."),
        ("[:]", ":"),
        ("[://]", "://"),
        ("[/]", "/"),
        ("[@]", "@"),
        ("[at]", "@"),
        ("(at)", "@"),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let form =
            FORMS.iter().find(|(form, _)| rest.get(..form.len()).is_some_and(|start| start.eq_ignore_ascii_case(form)));
        match form {
            Some((form, plain)) => {
                out.push_str(plain);
                rest = &rest[form.len()..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    if let Some((scheme, _)) = out.split_once("://") {
        let plain = match scheme.to_ascii_lowercase().as_str() {
            "hxxp" | "h**p" | "htxp" => Some("http"),
            "hxxps" | "h**ps" | "htxps" => Some("https"),
            "fxp" => Some("ftp"),
            _ => None,
        };
        if let Some(plain) = plain {
            out.replace_range(..scheme.len(), plain);
        }
    }
    out
}

/// An address, perhaps with a port, which does not count. An IPv4 address in IPv6 clothes is one of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let plain = |text: &str| text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    if let Some(ip) = plain(text) {
        return Some(ip);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']')?;
        let ip: Ipv6Addr = ip.parse().ok()?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then(|| IpAddr::V6(ip).to_canonical());
    }
    let (ip, port) = text.split_once(':')?;
    plain(ip).filter(|_| is_port(port))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

/// A range of addresses: a network, or two addresses joined by `-`; `None` where the text is neither.
fn ranges(text: &str) -> Option<Result<Vec<Indicator>, String>> {
    let ip = |text: &str| text.trim().parse::<IpAddr>().ok();
    if let Some((first, length)) = text.split_once('/')
        && let Some(first) = ip(first)
    {
        let length: Option<u8> = length.parse().ok();
        let made = length.and_then(|length| network(first, length));
        return Some(made.map(|made| vec![made]).ok_or_else(|| format!("'{text}' is no range of addresses")));
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (ip(first)?, ip(last)?);
    Some(between(first, last).ok_or_else(|| "the range ends before it begins, or mixes IPv4 and IPv6".to_owned()))
}

fn path(text: &str) -> Indicator {
    match text.trim_end_matches('/') {
        // The root folder holds everything.
        "" => Indicator::Path("/".to_owned()),
        folder if folder.len() < text.len() => Indicator::Folder(folder.to_owned()),
        path => Indicator::Path(path.to_owned()),
    }
}

/// The host of a URL is searched for; of a file its path.
fn url(text: &str) -> Result<Vec<Indicator>, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    if scheme.eq_ignore_ascii_case("file") {
        let start = rest.find('/').ok_or("the URL names no file")?;
        return Ok(vec![path(&rest[start..])]);
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if let Some(ip) = address(host) {
        return Ok(vec![Indicator::Address(ip)]);
    }
    let name = host.split(':').next().unwrap_or_default();
    match domain(name) {
        Some(name) => Ok(vec![Indicator::Domain(name)]),
        None => Err("the URL has no host that can be searched for".to_owned()),
    }
}

/// A domain in lower case. `*.` at its start stands for the domains below it.
fn domain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let (below, name) = match text.strip_prefix("*.") {
        Some(name) => (".", name),
        None => ("", text),
    };
    let word = |label: &str| {
        let inner = |character: char| character.is_alphanumeric() || "-_".contains(character);
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let (_, last) = name.rsplit_once('.')?;
    let top = last.chars().count() >= 2
        && (last.chars().all(char::is_alphabetic) || last.to_ascii_lowercase().starts_with("xn--"));
    (top && name.split('.').all(word)).then(|| format!("{below}{}", name.to_lowercase()))
}

/// Whether a text has the form of a hash: hex digits, as many as MD5, SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512 have.
fn is_hash(text: &str) -> bool {
    matches!(text.len(), 32 | 40 | 56 | 64 | 96 | 128) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether digits and dashes follow a beginning.
fn is_numbered(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
        && text.len() > start.len()
        && text[start.len()..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<String> {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn types_are_found() {
        for (text, expected) in [
            ("203.0.113.7", "ip:203.0.113.7"),
            ("203[.]0[.]113[.]7", "ip:203.0.113.7"),
            ("203.0.113.7:4444", "ip:203.0.113.7"),
            ("2001:DB8::1", "ip:2001:db8::1"),
            ("[2001:db8::1]:443", "ip:2001:db8::1"),
            ("::ffff:203.0.113.7", "ip:203.0.113.7"),
            ("ip: 203.0.113(.)7", "ip:203.0.113.7"),
            ("10.1.2.3/8", "net:10.0.0.0/8"),
            ("10.1.2.3/32", "ip:10.1.2.3"),
            ("2001:db8::/32", "net:2001:db8::/32"),
            ("10.0.0.0-10.0.0.255", "net:10.0.0.0/24"),
            ("net:10.0.0.9", "net"),
            ("/tmp/.x/run me", "path:/tmp/.x/run me"),
            ("/tmp/.x/", "path:/tmp/.x/"),
            ("file:///etc/ld.so.preload", "path:/etc/ld.so.preload"),
            ("path:/tmp/*", "path:/tmp/*"),
            ("hxxps://Evil[.]example[.]com:8080/a.sh?b#c", "domain:evil.example.com"),
            ("hXXp://user@203.0.113.7/x", "ip:203.0.113.7"),
            ("evil.example.com/a.sh", "domain:evil.example.com"),
            ("evil.example.com:8443", "domain:evil.example.com"),
            ("*.example.com", "domain:*.example.com"),
            ("domain:example[dot]com.", "domain:example.com"),
            ("FILE:a b", "file:a b"),
            ("process:kworker/0:1", "process:kworker/0:1"),
            ("url:evil[.]example/x", "domain:evil.example"),
        ] {
            if expected == "net" {
                assert!(parse(text).is_err(), "{text}");
            } else {
                assert_eq!(forms(text), [expected], "{text}");
            }
        }
    }

    #[test]
    fn what_may_be_several_things_is_each_of_them() {
        assert_eq!(forms("xmrig"), ["file:xmrig", "process:xmrig"]);
        assert_eq!(forms("libevil.so.1"), ["file:libevil.so.1", "process:libevil.so.1"]);
        assert_eq!(forms("evil[.]sh"), ["domain:evil.sh", "file:evil.sh", "process:evil.sh"]);
    }

    #[test]
    fn what_cannot_be_searched_says_so() {
        for (text, part) in [
            ("d41d8cd98f00b204e9800998ecf8427e", "hashes"),
            ("sha256:1234", "hashes"),
            ("a@example.com", "e-mail"),
            ("a[@]example[.]com", "e-mail"),
            ("http:///nohost", "no host"),
            ("http://localhost/", "no host"),
            (r"C:\Windows\x.exe", "Windows"),
            ("CVE-2024-1234", "vulnerabilities"),
            ("AS64512", "autonomous"),
            ("/tmp/*.sh", "patterns"),
            ("evil*", "patterns"),
            ("*.1", "patterns"),
            ("tmp/x", "begins with /"),
            ("two words", "several words"),
            ("registry:HKLM", "no type"),
            ("ip:evil.com", "no address"),
            ("10.0.0.0/33", "no range"),
            ("10.0.0.9-10.0.0.1", "before it begins"),
            ("file:/tmp/x", "path:"),
            ("path:tmp", "begins with /"),
            ("process:", "nothing follows"),
            ("a\u{1b}b", "control"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse(&"x".repeat(5000)).is_err());
    }

    #[test]
    fn a_type_that_is_printed_is_read_again() {
        for text in ["ip:::1", "net:::/0", "path:/a/", "path:/a#b", "file:x", "process:a b", "domain:*.a.bc"] {
            assert_eq!(forms(text), [text]);
        }
    }

    #[test]
    fn comments() {
        assert_eq!(without_comment("  1.2.3.4\t# c2 # x"), "1.2.3.4");
        assert_eq!(without_comment("# all"), "");
        assert_eq!(without_comment("/tmp/a#b"), "/tmp/a#b");
    }
}
