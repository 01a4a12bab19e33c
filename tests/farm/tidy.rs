//! Rules of the house, read from its manifests and sources.

mod circles;
mod contention;
mod language;
mod sizes;
mod tiers;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below the root with this ending, without what is built and what is hidden.
pub(crate) fn files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A file and its text.
pub(crate) struct Source {
    /// Path below the root.
    pub(crate) path: String,
    /// Contents.
    pub(crate) text: String,
}

impl Source {
    /// Returns true if the file is part of the service, and no test.
    fn is_product(&self) -> bool {
        let path = Path::new(&self.path);
        let ships = ["src", "stages", "proto"];
        ships.iter().any(|folder| path.starts_with(folder)) && !is_test(path)
    }
}

/// All files with this ending.
pub(crate) fn sources(ending: &str) -> Vec<Source> {
    let sources = files(ending).into_iter().map(|path| Source {
        text: std::fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().display().to_string(),
    });
    sources.collect()
}

/// Returns true if a file is compiled for tests and benches alone.
pub(crate) fn is_test(path: &Path) -> bool {
    let in_tests = path.iter().any(|part| part == "tests" || part == "benches");
    let stem = path.file_stem().unwrap().to_string_lossy();
    in_tests || stem == "tests" || stem.ends_with("_tests")
}
