//! OpenCue's own migrations, from a folder of a clone.
//!
//! Invariant: a folder that was read holds every migration up to its newest that OpenCue has ever
//! published, and at least those of the oldest version.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::SchemaError;
use super::version::SchemaVersion;

/// Numbers that OpenCue has never given to a migration.
const NEVER_PUBLISHED: &[u32] = &[17, 21, 22, 23, 24, 25, 36];

/// The migrations of a folder.
#[derive(Clone, Debug)]
pub struct Migrations {
    folder: PathBuf,
    by_number: BTreeMap<u32, Migration>,
}

/// One migration.
#[derive(Clone, Debug)]
pub(super) struct Migration {
    pub(super) path: PathBuf,
    pub(super) sql: String,
}

impl Migrations {
    /// Reads the migrations of a folder; files of other names are left alone.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or is not what it should be.
    pub fn read(folder: &Path) -> Result<Self, SchemaError> {
        let cannot = |path: &Path| {
            let path = path.to_path_buf();
            move |source| SchemaError::Read { path, source }
        };
        let mut by_number: BTreeMap<u32, Migration> = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(cannot(folder))? {
            let path = entry.map_err(cannot(folder))?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(version) = name.and_then(number) else {
                continue;
            };
            let sql = fs::read_to_string(&path).map_err(cannot(&path))?;
            if let Some(other) = by_number.insert(
                version,
                Migration {
                    path: path.clone(),
                    sql,
                },
            ) {
                return Err(SchemaError::Twice {
                    version,
                    first: other.path,
                    second: path,
                });
            }
        }
        let Some(newest) = by_number.keys().next_back() else {
            return Err(SchemaError::NoMigrations {
                folder: folder.to_path_buf(),
            });
        };
        let needed = 1..=(*newest).max(SchemaVersion::V47.number());
        let missing: Vec<u32> = needed
            .filter(|number| !NEVER_PUBLISHED.contains(number) && !by_number.contains_key(number))
            .collect();
        if !missing.is_empty() {
            return Err(SchemaError::Gap {
                folder: folder.to_path_buf(),
                missing,
            });
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            by_number,
        })
    }

    /// The newest version that the folder leads to.
    #[must_use]
    pub fn newest(&self) -> SchemaVersion {
        let has = |version: &SchemaVersion| self.by_number.contains_key(&version.number());
        let newest = SchemaVersion::ALL.into_iter().rev().find(has);
        newest.unwrap_or_default()
    }

    /// A sentence about what databases are made of.
    pub(super) fn summary(&self) -> String {
        let newest = self.newest();
        let own = newest.until(SchemaVersion::V51).next().map(|first| {
            format!(
                "; {first} to {} are simfarm's own steps",
                SchemaVersion::V51
            )
        });
        let unknown = self.by_number.range(SchemaVersion::V51.number() + 1..);
        let left_out =
            unknown.map(|(number, _)| format!("; V{number} is not known here and left out"));
        format!(
            "databases are made by OpenCue's migrations V1 to {newest} of {}{}{}",
            self.folder.display(),
            own.unwrap_or_default(),
            left_out.collect::<String>()
        )
    }

    /// The migration that leads to a version from the one before; for the oldest, all up to it.
    pub(super) fn to(&self, version: SchemaVersion) -> impl Iterator<Item = &Migration> {
        let last = version.number();
        let first = if version == SchemaVersion::V47 {
            0
        } else {
            last
        };
        self.by_number
            .range(first..=last)
            .map(|(_, migration)| migration)
    }
}

/// The number in `V47__Add_layer_start_after.sql`.
fn number(name: &str) -> Option<u32> {
    let (number, _) = name
        .strip_prefix('V')?
        .strip_suffix(".sql")?
        .split_once("__")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with every migration up to `newest`, but for `without`.
    fn folder(newest: u32, without: &[u32]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for number in 1..=newest {
            if !NEVER_PUBLISHED.contains(&number) && !without.contains(&number) {
                let name = format!("V{number}__Title_of_{number}.sql");
                fs::write(dir.path().join(name), format!("SELECT {number};")).unwrap();
            }
        }
        fs::write(dir.path().join("R__views.sql"), "").unwrap();
        fs::write(dir.path().join("README.md"), "").unwrap();
        dir
    }

    fn refusal(folder: &Path) -> String {
        Migrations::read(folder).unwrap_err().to_string()
    }

    #[test]
    fn migrations_come_in_the_order_of_their_numbers() {
        let dir = folder(50, &[]);
        let migrations = Migrations::read(dir.path()).unwrap();
        assert_eq!(migrations.newest(), SchemaVersion::V50);
        let sql =
            |version| -> Vec<&str> { migrations.to(version).map(|m| m.sql.as_str()).collect() };
        let oldest = sql(SchemaVersion::V47);
        assert_eq!(oldest.len(), 40);
        assert_eq!(
            (oldest[0], oldest[1], oldest[39]),
            ("SELECT 1;", "SELECT 2;", "SELECT 47;")
        );
        assert_eq!(sql(SchemaVersion::V49), ["SELECT 49;"]);
        assert!(sql(SchemaVersion::V51).is_empty());
        assert!(
            migrations
                .summary()
                .ends_with("; V51 to V51 are simfarm's own steps")
        );
    }

    #[test]
    fn a_folder_that_is_no_folder_of_migrations_is_refused_with_the_cure() {
        let dir = tempfile::tempdir().unwrap();
        let said = refusal(dir.path());
        assert!(
            said.contains("ddl/postgres/migrations of a clone"),
            "{said}"
        );
        let said = refusal(&dir.path().join("nowhere"));
        assert!(
            said.contains("nowhere, which OPENCUE_MIGRATIONS names"),
            "{said}"
        );
    }

    #[test]
    fn missing_and_doubled_migrations_are_named() {
        let said = refusal(folder(47, &[3, 40]).path());
        assert!(said.contains("lacks V3, V40, without"), "{said}");
        let said = refusal(folder(45, &[]).path());
        assert!(said.contains("lacks V46, V47, without"), "{said}");
        let said = refusal(folder(50, &[49]).path());
        assert!(said.contains("lacks V49, without"), "{said}");
        let dir = folder(47, &[]);
        fs::write(dir.path().join("V12__Once_more.sql"), "").unwrap();
        let said = refusal(dir.path());
        assert!(said.contains("are both migration 12"), "{said}");
    }

    #[test]
    fn versions_from_the_future_are_left_out_and_said() {
        let dir = folder(53, &[]);
        let migrations = Migrations::read(dir.path()).unwrap();
        assert_eq!(migrations.newest(), SchemaVersion::V51);
        let said = migrations.summary();
        assert!(
            said.ends_with(
                "; V52 is not known here and left out; V53 is not known here and left out"
            ),
            "{said}"
        );
    }
}
