//! Faults of the settings.
//!
//! Invariant: faults are collected, never thrown one at a time, and each names the key, the value (secrets
//! masked), its source, and the values that are allowed.

use std::fmt;

/// Source of a setting's value.
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

/// A fault of the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The settings file could not be read or is not TOML.
    #[error("settings file {path}: {reason}")]
    File {
        /// The path as given.
        path: String,
        /// The error.
        reason: String,
    },
    /// The file of a secret could not be read.
    #[error("{variable} names {path}, which cannot be read: {reason}")]
    Secret {
        /// The variable that names the file.
        variable: String,
        /// The path as given.
        path: String,
        /// The error.
        reason: String,
    },
    /// A setting without a default was not set.
    #[error("{key} is not set: give {allowed} in {env}, or as `{key}` in the settings file")]
    Missing {
        /// The key.
        key: &'static str,
        /// Its variable.
        env: &'static str,
        /// Values that are allowed.
        allowed: String,
    },
    /// A value is not one of those allowed.
    #[error("{key} = `{value}` ({origin}) is not allowed: give {allowed}")]
    Value {
        /// The key.
        key: &'static str,
        /// Source of the value.
        origin: Origin,
        /// The value, masked if it is a secret.
        value: String,
        /// Values that are allowed.
        allowed: String,
    },
    /// A key that no setting has.
    #[error("there is no setting `{key}` ({origin}){}", hint(.nearest))]
    UnknownKey {
        /// The key as given.
        key: String,
        /// Source of the key.
        origin: Origin,
        /// A setting that was perhaps meant.
        nearest: Option<String>,
    },
    /// A `CUE_` variable that no setting has.
    #[error("there is no setting with the environment variable {name}{}", hint(.nearest))]
    UnknownVariable {
        /// The name of the variable.
        name: String,
        /// A setting that was perhaps meant.
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
        /// The reason, and values that would fit.
        reason: String,
    },
}

/// All faults of the settings; at least one.
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

impl Fault {
    /// Returns true if both are about the value of one variable, which several settings read.
    pub(super) fn is_of_variable(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Value { origin, .. },
                Self::Value {
                    origin: of_other, ..
                },
            ) => matches!(origin, Origin::Environment(_)) && origin == of_other,
            (
                Self::Secret { variable, .. },
                Self::Secret {
                    variable: of_other, ..
                },
            ) => variable == of_other,
            _ => false,
        }
    }
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map_or_else(String::new, |name| format!(", did you mean {name}?"))
}
