//! The settings as a whole: precedence, faults, and the pages made from them.

mod pages;
mod reading;
mod telemetry;

use std::collections::BTreeMap;

use super::{Fault, Flag, Loaded, load};

/// The one setting that has no default and must be given.
const URL: (&str, &str) = ("CUE_DATABASE_URL", "postgresql://cue:hidden@db/cue");

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn with(pairs: &[(&str, &str)]) -> Loaded {
    let mut all = vec![URL];
    all.extend_from_slice(pairs);
    load(None, &environment(&all), &[])
}

fn faults(loaded: Loaded) -> Vec<Fault> {
    loaded.settings.unwrap_err().0
}

fn flag(name: &str, key: &str, value: &str) -> Flag {
    Flag {
        name: name.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// A settings file with this text.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}
