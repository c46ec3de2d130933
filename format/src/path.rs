//! Paths as text: joining and normalising, never asking a file system.

/// Longest path made; a longer one becomes [`TOO_LONG`] (libsinsp 48dfd53cd: `SCAP_MAX_PATH_SIZE`).
pub const MAX_PATH: usize = 1024;

/// What stands for a path longer than [`MAX_PATH`].
pub const TOO_LONG: &[u8] = b"/DIR_TOO_LONG/FILENAME_TOO_LONG";

/// What stands for the directory of an unknown descriptor.
pub const UNKNOWN_DIR: &[u8] = b"<UNKNOWN>";

/// Writes `path`, seen from `base`, into `out` (cleared first).
///
/// An absolute or empty `path` stands alone. Else `base` is kept as it is, with no "/" put behind it, and the components
/// of `path` follow: "." and empty ones are dropped, ".." removes the last component. No "/" stays at the end.
pub fn join_into(out: &mut Vec<u8>, base: &[u8], path: &[u8]) {
    out.clear();
    if base.len() + path.len() + 1 > MAX_PATH {
        out.extend_from_slice(TOO_LONG);
        return;
    }
    let absolute = path.first().is_none_or(|&byte| byte == b'/');
    if !absolute {
        out.extend_from_slice(base);
    }
    let rest = if absolute && !path.is_empty() {
        out.push(b'/');
        &path[1..]
    } else {
        path
    };
    for part in rest.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => remove_last(out),
            _ => {
                out.extend_from_slice(part);
                out.push(b'/');
            }
        }
    }
    if out.len() > 1 && out.last() == Some(&b'/') {
        out.pop();
    }
}

/// [`join_into`] a new vector.
pub fn join(base: &[u8], path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(base.len() + path.len() + 1);
    join_into(&mut out, base, path);
    out
}

fn remove_last(out: &mut Vec<u8>) {
    if out.len() <= 1 {
        return;
    }
    out.pop();
    while out.last().is_some_and(|&byte| byte != b'/') && out.len() > 1 {
        out.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(base: &str, path: &str) -> String {
        String::from_utf8(join(base.as_bytes(), path.as_bytes())).unwrap()
    }

    #[test]
    fn normalises() {
        assert_eq!(text("/home/", "a/./b//c/"), "/home/a/b/c");
        assert_eq!(text("/home/", "/a/../b"), "/b");
        assert_eq!(text("/home/u/", "../x"), "/home/x");
        assert_eq!(text("/", "../../x"), "/x");
        assert_eq!(text("/home/", "/"), "/");
        assert_eq!(text("/home/", ""), "");
        assert_eq!(text("<UNKNOWN>", "tmp/x"), "<UNKNOWN>tmp/x");
        assert_eq!(text("/a/b/", "."), "/a/b");
        assert_eq!(text("/", ".."), "/");
    }

    #[test]
    fn too_long_is_named() {
        assert_eq!(join(b"/", &[b'a'; 1023]), TOO_LONG);
        assert_eq!(join(b"/", &[b'a'; 1022]).len(), 1023);
    }
}
