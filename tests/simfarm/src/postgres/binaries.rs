//! Finding the server's binaries on this machine.
//!
//! Invariant: what is found can run a server: `postgres`, `initdb` and `pg_ctl` are all there,
//! and `postgres` itself says that it is version 13 or newer.

use std::fs;
use std::path::{Path, PathBuf};

use super::account::Account;
use super::settings::search_path;

/// The oldest version whose behaviour the farm relies on.
const OLDEST_MAJOR: u32 = 13;

/// A directory of binaries that can run a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// The directory that holds `postgres`, `initdb` and `pg_ctl`.
    pub bin: PathBuf,
    /// The major version.
    pub major: u32,
    /// Directories for the dynamic linker; empty for installed binaries.
    pub libraries: Vec<PathBuf>,
}

impl Binaries {
    /// The first usable directory: `PATH` first, then the usual places, newest first.
    pub(super) fn installed(account: &Account) -> Option<Self> {
        let usual = USUAL_PLACES
            .iter()
            .flat_map(|(parent, tail)| versions_in(parent, tail));
        search_path()
            .into_iter()
            .chain(usual)
            .find_map(|dir| Self::in_dir(&dir, &[], account))
    }

    /// The binaries in `dir`, if they are complete, new enough and run with `libraries`.
    pub(super) fn in_dir(dir: &Path, libraries: &[PathBuf], account: &Account) -> Option<Self> {
        // A link such as /usr/local/bin/postgres leads to the directory of its siblings.
        let postgres = fs::canonicalize(dir.join("postgres")).ok()?;
        let bin = postgres.parent()?.to_path_buf();
        if !["initdb", "pg_ctl"]
            .iter()
            .all(|name| bin.join(name).is_file())
        {
            return None;
        }
        let output = account
            .command(&postgres)
            .arg("--version")
            .current_dir("/")
            .env("LD_LIBRARY_PATH", joined(libraries))
            .output()
            .ok()?;
        let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
        let new_enough = output.status.success() && major >= OLDEST_MAJOR;
        new_enough.then(|| Self {
            bin,
            major,
            libraries: libraries.to_vec(),
        })
    }

    /// Returns true if the server can preload `pg_stat_statements`.
    pub(super) fn has_statement_statistics(&self) -> bool {
        let Some(root) = self.bin.parent() else {
            return false;
        };
        ["lib", "lib/postgresql", "lib64/pgsql", "lib/pgsql"]
            .iter()
            .any(|dir| {
                let stem = root.join(dir).join("pg_stat_statements");
                stem.with_extension("so").is_file() || stem.with_extension("dylib").is_file()
            })
    }

    /// The value of `LD_LIBRARY_PATH` these binaries need.
    pub(super) fn library_path(&self) -> String {
        joined(&self.libraries)
    }
}

/// Places of packaged binaries: a directory of versions, and the path below each.
const USUAL_PLACES: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/usr", "bin"),
];

/// The directories of PostgreSQL versions below `parent`, the newest first.
pub(super) fn versions_in(parent: impl AsRef<Path>, tail: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent.as_ref())
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = version_in_name(name.to_str()?)?;
            Some((version, entry.path().join(tail)))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.into_iter().map(|(_, path)| path).collect()
}

/// The version in `16`, `postgresql@16` or `pgsql-16`; a bare `postgresql` comes last.
fn version_in_name(name: &str) -> Option<u32> {
    if name == "postgresql" {
        return Some(0);
    }
    let digits = name
        .strip_prefix("postgresql@")
        .or_else(|| name.strip_prefix("pgsql-"));
    digits.unwrap_or(name).split('.').next()?.parse().ok()
}

/// The major version in `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`.
fn major_of(text: &str) -> Option<u32> {
    let number = text.split_once("(PostgreSQL) ")?.1;
    let digits = number
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(number.len());
    number[..digits].parse().ok()
}

fn joined(paths: &[PathBuf]) -> String {
    paths
        .iter()
        .map(|path| path.to_string_lossy())
        .collect::<Vec<_>>()
        .join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_directory_names_and_from_the_banner() {
        assert_eq!(version_in_name("postgresql@16"), Some(16));
        assert_eq!(version_in_name("pgsql-9.6"), Some(9));
        assert_eq!(version_in_name("local"), None);
        assert_eq!(
            major_of("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("postgrest 12.0"), None);
    }

    #[test]
    fn the_newest_version_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["9.6", "13", "16", "readme"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let found = versions_in(dir.path(), "bin");
        let expected: Vec<_> = ["16", "13", "9.6"]
            .iter()
            .map(|v| dir.path().join(v).join("bin"))
            .collect();
        assert_eq!(found, expected);
    }
}
