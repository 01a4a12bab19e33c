//! The environment as the settings see it: a map of names to values.
//!
//! Invariant: nothing below `main` reads the environment of the process. `main` collects it once
//! into a map and passes the map down, so a test can run with any environment it likes.

use std::collections::BTreeMap;

/// Names and values to read settings from.
pub trait Environment {
    /// The value of a variable. An empty value counts as not set.
    fn get(&self, name: &str) -> Option<String>;

    /// The names of all variables that are set.
    fn names(&self) -> Vec<String>;
}

impl Environment for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name)
            .filter(|value| !value.trim().is_empty())
            .cloned()
    }

    fn names(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}
