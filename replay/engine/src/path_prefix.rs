//! `pmatch`: whether one of several paths is above another.

use falco_replay_rules::path_tree::{PathTree, components};

use crate::glob;

/// The paths of a `pmatch` list.
#[derive(Debug, Clone)]
pub(crate) struct PathPrefixes {
    tree: PathTree,
    documented: bool,
}

impl PathPrefixes {
    pub(crate) fn new<'a>(paths: impl IntoIterator<Item = &'a [u8]>, documented: bool) -> PathPrefixes {
        PathPrefixes { tree: PathTree::new(paths), documented }
    }

    /// Whether one of the paths is above `path`, or the same.
    pub(crate) fn hold(&self, path: &[u8]) -> bool {
        self.hold_below(&self.tree, components(path))
    }

    fn hold_below<'a>(&self, tree: &PathTree, path: impl Iterator<Item = &'a [u8]> + Clone) -> bool {
        let PathTree::OneOf { names, patterns } = tree else { return true };
        let mut below = path.clone();
        let Some(component) = below.next() else { return false };
        if names.get(component).is_some_and(|tree| self.hold_below(tree, below)) {
            return true;
        }
        let mut at = path;
        for (pattern, tree) in patterns {
            let mut below = at.clone();
            // Past its end Falco reads what is not there.
            let Some(component) = below.next() else { return false };
            if !glob::matches(pattern, component) {
                continue;
            }
            if self.hold_below(tree, below.clone()) {
                return true;
            }
            if !self.documented {
                // Falco 0.44 does not go back for the next pattern.
                at = below;
            }
        }
        false
    }

    /// The paths, where nothing but what lies below one of them holds.
    pub(crate) fn paths(&self) -> Option<Vec<Vec<&[u8]>>> {
        (self.documented || !self.tree.misleads_falco()).then(|| self.tree.paths())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What holds with Falco's semantics, and as documented.
    fn both(list: &[&str], path: &str) -> (bool, bool) {
        let hold =
            |documented| PathPrefixes::new(list.iter().map(|path| path.as_bytes()), documented).hold(path.as_bytes());
        (hold(false), hold(true))
    }

    #[test]
    fn prefixes_by_components() {
        for (path, holds) in [("/var/log/x", true), ("/var/log", true), ("//var///log/", true), ("/var", false)] {
            assert_eq!(both(&["/etc", "/var/l*"], path), (holds, holds), "{path}");
        }
        assert_eq!(both(&["/var"], "/variable"), (false, false));
        assert_eq!(both(&["/"], "127.0.0.1:53"), (true, true));
        assert_eq!(both(&[], "/etc"), (false, false));
        // A name that leads nowhere does not keep patterns from being tried.
        assert_eq!(both(&["/usr/bin", "/u*/lib"], "/usr/lib"), (true, true));
    }

    #[test]
    fn the_second_pattern_of_a_level_starts_too_far() {
        // The latest pattern is tried first; only where it matches does the other miss.
        assert_eq!(both(&["/e*/passwd", "/*/none"], "/etc/passwd"), (false, true));
        assert_eq!(both(&["/*/none", "/e*/passwd"], "/etc/passwd"), (true, true));
        assert_eq!(both(&["/a*/x", "/b*/y"], "/a1/x"), (true, true));
        assert_eq!(both(&["/a*/x", "/b*/y"], "/b1/y"), (true, true));
        // And it finds what it should not.
        assert_eq!(both(&["/b*/y", "/a*/x"], "/a1/b1/y"), (true, false));
        // At the end there is nothing to go on with.
        assert_eq!(both(&["/b*/y", "/a*/x"], "/a1"), (false, false));
    }
}
