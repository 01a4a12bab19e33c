//! The versions of the schema that a farm may have.
//!
//! Invariant: a version is the number of OpenCue's newest migration in it, and versions are
//! ordered by it.

use std::fmt;

/// A version of the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaVersion {
    /// OpenCue 1.30: managed shows and the start-after gate of layers.
    #[default]
    V47,
    /// Detection of stuck frames.
    V48,
    /// Limits by type, with the usage that licence servers report.
    V49,
    /// History of runs through a queue.
    V50,
    /// An index for the next waiting frames of a layer.
    V51,
}

impl SchemaVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 5] = [Self::V47, Self::V48, Self::V49, Self::V50, Self::V51];

    /// Number of the newest migration.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V47 => 47,
            Self::V48 => 48,
            Self::V49 => 49,
            Self::V50 => 50,
            Self::V51 => 51,
        }
    }

    /// The versions after this one, up to and with `last`, in the order in which they are installed.
    pub fn until(self, last: Self) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |version| *version > self && *version <= last)
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(SchemaVersion::ALL.is_sorted_by_key(|version| version.number()));
        assert!(SchemaVersion::ALL.is_sorted());
        let steps: Vec<_> = SchemaVersion::V48.until(SchemaVersion::V50).collect();
        assert_eq!(steps, [SchemaVersion::V49, SchemaVersion::V50]);
        assert_eq!(
            SchemaVersion::V50.until(SchemaVersion::V47).count(),
            0,
            "no way back"
        );
        assert_eq!(SchemaVersion::default().to_string(), "V47");
    }
}
