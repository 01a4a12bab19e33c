//! What can be wrong with the settings.
//!
//! Invariant: faults are collected, never thrown one at a time, and each says which key it is about,
//! where the value came from, what the value is (secrets masked) and what is allowed instead.

use std::fmt;

/// Where the value of a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The settings file of this path.
    File(String),
    /// The environment variable of this name.
    Environment(&'static str),
    /// The flag of this name.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The settings file could not be read or is not TOML.
    #[error("settings file {path}: {reason}")]
    File {
        /// The path as given.
        path: String,
        /// What went wrong.
        reason: String,
    },
    /// A setting without a default was not set.
    #[error("{key} is not set: give {allowed} in {env}, or as `{key}` in the settings file")]
    Missing {
        /// The key.
        key: &'static str,
        /// Its variable.
        env: &'static str,
        /// What is allowed.
        allowed: String,
    },
    /// A value is not one of those allowed.
    #[error("{key} = `{value}` ({origin}) is not allowed: give {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// Where the value came from.
        origin: Origin,
        /// The value, masked if it is a secret.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A key that no setting has.
    #[error("there is no setting `{key}` ({origin}){}", hint(.nearest))]
    UnknownKey {
        /// The key as given.
        key: String,
        /// Where it was found.
        origin: Origin,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// A `CUE_` variable that no setting has.
    #[error("there is no setting with the environment variable {name}{}", hint(.nearest))]
    UnknownVariable {
        /// The name of the variable.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// A setting that earlier versions had.
    #[error("{name} is no setting any more, remove it: {why}")]
    Removed {
        /// The key or the variable as given.
        name: String,
        /// The behaviour of the program without it.
        why: &'static str,
    },
    /// Values that are allowed each, and impossible together.
    #[error("{key} = {value} does not fit the other settings: {reason}")]
    Combination {
        /// The key that is best changed.
        key: &'static str,
        /// Its value.
        value: String,
        /// Why the values do not fit, and what would.
        reason: String,
    },
}

/// Everything that is wrong with the settings; at least one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.0.len() == 1 { "fault" } else { "faults" };
        write!(f, "{} {noun} in the settings", self.0.len())?;
        for fault in &self.0 {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

/// The candidate that looks most like `name`, unless none looks like it at all.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (edits(name, candidate), candidate))
        .min()
        .filter(|(edits, _)| *edits <= 2.max(name.len() / 3))
        .map(|(_, candidate)| candidate.to_owned())
}

/// How many letters must be inserted, removed or replaced to turn one word into the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not_offered() {
        let names = ["CUE_DRY_RUN", "CUE_FACILITY", "CUE_RQD_PORT"];
        assert_eq!(
            nearest("CUE_DRYRUN", names.into_iter()).as_deref(),
            Some("CUE_DRY_RUN")
        );
        assert_eq!(nearest("CUE_QUITE_ANOTHER_THING", names.into_iter()), None);
    }

    #[test]
    fn edits_count_letters() {
        for (from, to, count) in [("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)] {
            assert_eq!(edits(from, to), count, "{from} to {to}");
        }
    }
}
