//! Versions of the engine and of plugins: three dotted numbers.

use std::fmt;

/// A version as rules files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Version {
    /// Changes that break.
    pub major: u32,
    /// Changes that add.
    pub minor: u32,
    /// Changes that repair.
    pub patch: u32,
}

impl Version {
    /// The version `major.minor.patch`.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `x.y.z`; what follows the third number is ignored (`0.40.0-rc1` is 0.40.0).
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut numbers = [0u32; 3];
        for (place, number) in numbers.iter_mut().enumerate() {
            if place > 0 {
                rest = rest.strip_prefix('.')?;
            }
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            *number = rest.get(..digits)?.parse().ok()?;
            rest = rest.get(digits..)?;
        }
        let [major, minor, patch] = numbers;
        Some(Self { major, minor, patch })
    }

    /// Whether something of this version does where `required` is asked for: the same major, and not older.
    pub fn satisfies(self, required: Self) -> bool {
        self.major == required.major && self >= required
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_three_numbers_and_ignores_the_rest() {
        assert_eq!(Version::parse("0.40.0-rc1"), Some(Version::new(0, 40, 0)));
        assert_eq!(Version::parse("0.40"), None);
        assert_eq!(Version::parse("1.2"), None);
        assert_eq!(Version::parse("abc"), None);
        assert_eq!(Version::parse("0.99999999999.1"), None);
    }

    #[test]
    fn a_version_satisfies_older_ones_of_its_major() {
        assert!(Version::new(0, 63, 0).satisfies(Version::new(0, 57, 0)));
        assert!(!Version::new(0, 63, 0).satisfies(Version::new(0, 63, 5)));
        assert!(!Version::new(0, 63, 0).satisfies(Version::new(1, 0, 0)));
    }
}
