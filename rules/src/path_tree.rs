//! The paths of a `pmatch` list as a tree of their components. Facts: filter-language A4.

use std::collections::BTreeMap;

/// What may lie below a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathTree {
    /// Anything: a path of the list ends here, and those of the list that go on say nothing more.
    Anything,
    /// One of these components.
    OneOf {
        /// Names.
        names: BTreeMap<Vec<u8>, PathTree>,
        /// Shell patterns, in the order in which Falco tries them: the latest first.
        ///
        /// Falco keeps them in a hash table: of two it tries the latest first, of more the order hangs on their bytes.
        patterns: Vec<(Vec<u8>, PathTree)>,
    },
}

impl PathTree {
    /// The tree of these paths.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a [u8]>) -> PathTree {
        let mut tree = PathTree::nothing();
        for path in paths {
            tree.add(components(path));
        }
        tree
    }

    fn nothing() -> PathTree {
        PathTree::OneOf { names: BTreeMap::new(), patterns: Vec::new() }
    }

    fn add<'a>(&mut self, mut path: impl Iterator<Item = &'a [u8]>) {
        let PathTree::OneOf { names, patterns } = self else { return };
        let Some(component) = path.next() else {
            *self = PathTree::Anything;
            return;
        };
        if !component.iter().any(|byte| b"?*[".contains(byte)) {
            names.entry(component.to_vec()).or_insert_with(PathTree::nothing).add(path);
            return;
        }
        match patterns.iter().position(|(pattern, _)| pattern == component) {
            Some(at) => {
                let (_, below) = &mut patterns[at];
                below.add(path);
                if *below == PathTree::Anything {
                    // Falco puts it in anew.
                    let pattern = patterns.remove(at);
                    patterns.insert(0, pattern);
                }
            }
            None => {
                let mut below = PathTree::nothing();
                below.add(path);
                patterns.insert(0, (component.to_vec(), below));
            }
        }
    }

    /// Whether Falco can go wrong: after a pattern whose path goes on it tries the next one on the wrong component.
    pub fn misleads_falco(&self) -> bool {
        let PathTree::OneOf { names, patterns } = self else { return false };
        let tried_before_another = match &patterns[..] {
            [latest, _] => std::slice::from_ref(latest),
            [_] => &[],
            several => several,
        };
        tried_before_another.iter().any(|(_, below)| *below != PathTree::Anything)
            || names.values().chain(patterns.iter().map(|(_, below)| below)).any(PathTree::misleads_falco)
    }

    /// The paths that the tree was made of, without those that others make needless.
    pub fn paths(&self) -> Vec<Vec<&[u8]>> {
        let PathTree::OneOf { names, patterns } = self else { return vec![Vec::new()] };
        let mut all = Vec::new();
        for (component, below) in names.iter().chain(patterns.iter().map(|(pattern, below)| (pattern, below))) {
            all.extend(below.paths().into_iter().map(|path| [&[&component[..]][..], &path].concat()));
        }
        all
    }
}

/// The components of a path, empty ones left out.
pub fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> PathTree {
        PathTree::new(paths.iter().map(|path| path.as_bytes()))
    }

    fn paths(list: &[&str]) -> Vec<String> {
        let tree = tree(list);
        tree.paths().into_iter().map(|path| String::from_utf8_lossy(&path.join(&b'/')).into_owned()).collect()
    }

    #[test]
    fn shorter_paths_stand_for_longer_ones() {
        assert_eq!(paths(&["/usr/lib/x", "usr//lib/", "/etc", "/etc/ssl"]), ["etc", "usr/lib"]);
        assert_eq!(paths(&["/a", "/"]), [""]);
        assert!(paths(&[]).is_empty());
    }

    #[test]
    fn the_latest_pattern_is_tried_first() {
        assert_eq!(paths(&["/a*/x", "/b", "/b*/y", "/a*/z"]), ["b", "b*/y", "a*/x", "a*/z"]);
        assert_eq!(paths(&["/a*/x", "/b*", "/a*"]), ["a*", "b*"]);
    }

    #[test]
    fn patterns_that_mislead() {
        for misleading in [
            &["/a*/x", "/b*/y"][..],
            &["/b*", "/a*/x"],
            &["/var/a*/x", "/var/b*/y"],
            &["/*/a*/x", "/*/?/y"],
            &["/a*/x", "/b*", "/c*"],
        ] {
            assert!(tree(misleading).misleads_falco(), "{misleading:?}");
        }
        for fine in
            [&["/a*/x", "/b*"][..], &["/a*/x", "/b/y"], &["/a*/x", "/a*/y"], &["/a*", "/b*"], &["/x/a*/x", "/y/b*/y"]]
        {
            assert!(!tree(fine).misleads_falco(), "{fine:?}");
        }
    }
}
