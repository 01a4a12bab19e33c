//! Names that mean nothing outside of the farm.
//!
//! Invariants: equal names stay equal and different ones different; the key of the hash is random, kept in memory
//! alone, and gone with the process, so nobody can try names against a recording.

use std::hash::{BuildHasher, RandomState};

/// Replaces names.
#[derive(Debug)]
pub(super) enum Names {
    /// By keyed hashes.
    Hashed(RandomState),
    /// By themselves.
    Plain,
}

impl Names {
    /// Hashes with a key of their own.
    pub(super) fn hashed() -> Self {
        Self::Hashed(RandomState::new())
    }

    /// Replaces a name. `kind` tells the reader its meaning.
    pub(super) fn replace(&self, kind: &str, name: &mut String) {
        if let Self::Hashed(key) = self {
            let hash = key.hash_one(name.as_str());
            // A column of operating systems has 12 places, and there are few of them.
            *name = match kind {
                "os" => format!("os-{:08x}", hash >> 32),
                _ => format!("{kind}-{hash:016x}"),
            };
        }
    }

    /// Replaces each name of a list that is written with a separator.
    pub(super) fn replace_each(&self, kind: &str, separator: char, names: &mut String) {
        let each = names.split(separator).map(|name| {
            let mut name = name.trim().to_owned();
            if !name.is_empty() {
                self.replace(kind, &mut name);
            }
            name
        });
        *names = each.collect::<Vec<_>>().join(&separator.to_string());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hashed(names: &Names, text: &str) -> String {
        let mut name = text.to_owned();
        names.replace("tag", &mut name);
        name
    }

    proptest! {
        #[test]
        fn equal_names_stay_equal_and_no_name_is_left(a in "[a-z]{3,9}", b in "[a-z]{3,9}") {
            let names = Names::hashed();
            prop_assert_eq!(hashed(&names, &a) == hashed(&names, &b), a == b);
            let mut both = format!("{a} | {b}");
            names.replace_each("tag", '|', &mut both);
            prop_assert_eq!(both, format!("{}|{}", hashed(&names, &a), hashed(&names, &b)));
            prop_assert!(a == "tag" || !hashed(&names, &a).contains(&a));
        }
    }

    #[test]
    fn another_key_gives_other_names_and_plain_ones_stay() {
        let name = |names| hashed(&names, "general");
        assert_ne!(name(Names::hashed()), name(Names::hashed()));
        assert_eq!(name(Names::Plain), "general");
    }
}
