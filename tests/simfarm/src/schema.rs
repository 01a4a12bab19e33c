//! The schema of a farm's database, compatible with OpenCue's 1.30 (migrations 1 to 47), and the
//! steps to newer versions.
//!
//! Written from its facts (OPENCUE.md, Tables): names, types, constraints, indexes, trigger
//! effects and error texts are those of a real farm, and so is what a booking costs. Left out
//! are the tables that no booking, report or completion touches (filters, tasks, show aliases).
//! A folder of OpenCue's own migrations can take the place of these files.
//!
//! Invariant: the files build an empty database from nothing, in the order of their names. Each
//! file or migration is a transaction of its own, as on a farm.

mod error;
mod migrations;
pub mod statement_triggers;
mod version;

use std::path::Path;

use futures::TryStreamExt as _;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

pub use error::{Place, SchemaError};
pub use migrations::Migrations;
pub use version::SchemaVersion;

/// One file of the schema.
#[derive(Clone, Copy, Debug)]
struct File {
    name: &'static str,
    sql: &'static str,
}

macro_rules! file {
    ($name:literal) => {
        File {
            name: $name,
            sql: include_str!(concat!("../schema/", $name)),
        }
    };
}

/// The files of the oldest version, in the order in which they must run.
const FILES: &[File] = &[
    file!("01_sites.sql"),
    file!("02_jobs.sql"),
    file!("03_layers.sql"),
    file!("04_frames.sql"),
    file!("05_hosts.sql"),
    file!("06_history.sql"),
    file!("07_settings.sql"),
    file!("08_functions.sql"),
    file!("09_frame_triggers.sql"),
    file!("10_ledger_triggers.sql"),
    file!("11_archive.sql"),
    file!("12_life_triggers.sql"),
    file!("13_views.sql"),
];

/// Rows that the tools of a farm insert and no migration does.
const SEED: File = file!("14_seed.sql");

/// The files that lead to `version` from the one before; for the oldest, from nothing.
const fn files_to(version: SchemaVersion) -> &'static [File] {
    match version {
        SchemaVersion::V47 => FILES,
        SchemaVersion::V48 => &[file!("steps/v48_stuck_detection.sql")],
        SchemaVersion::V49 => &[file!("steps/v49_limits.sql")],
        SchemaVersion::V50 => &[file!("steps/v50_history_queue.sql")],
        SchemaVersion::V51 => &[file!("steps/v51_waiting_index.sql")],
    }
}

/// Source of a schema.
#[derive(Clone, Debug, Default)]
pub enum SchemaSource {
    /// The files of this crate.
    #[default]
    Own,
    /// OpenCue's migrations, and the files of this crate for versions that the folder lacks.
    OpenCue(Migrations),
}

impl SchemaSource {
    /// The migrations of `folder`, or the files of this crate without one.
    ///
    /// # Errors
    /// The folder is not one of OpenCue's migrations.
    pub fn of(folder: Option<&Path>) -> Result<Self, SchemaError> {
        match folder {
            Some(folder) => Migrations::read(folder).map(Self::OpenCue),
            None => Ok(Self::Own),
        }
    }

    /// The default version: the newest of the folder, else the oldest.
    #[must_use]
    pub fn usual(&self) -> SchemaVersion {
        match self {
            Self::Own => SchemaVersion::default(),
            Self::OpenCue(migrations) => migrations.newest(),
        }
    }

    /// A sentence about a source that is not this crate's own.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        match self {
            Self::Own => None,
            Self::OpenCue(migrations) => Some(migrations.summary()),
        }
    }

    /// Installs the schema of `version` in an empty database.
    ///
    /// # Errors
    /// A file failed; those before it stay.
    pub async fn install(
        &self,
        conn: &mut PgConnection,
        version: SchemaVersion,
    ) -> Result<(), SchemaError> {
        extension(conn).await?;
        self.step(conn, SchemaVersion::V47).await?;
        run(conn, SEED.name, SEED.sql).await?;
        self.migrate(conn, SchemaVersion::V47, version).await
    }

    /// Takes a database from one version to a later one, also while a service uses it.
    ///
    /// # Errors
    /// A file failed; those before it stay.
    pub async fn migrate(
        &self,
        conn: &mut PgConnection,
        from: SchemaVersion,
        to: SchemaVersion,
    ) -> Result<(), SchemaError> {
        for version in from.until(to) {
            self.step(conn, version).await?;
        }
        Ok(())
    }

    async fn step(
        &self,
        conn: &mut PgConnection,
        version: SchemaVersion,
    ) -> Result<(), SchemaError> {
        match self {
            Self::OpenCue(migrations) if version <= migrations.newest() => {
                for migration in migrations.to(version) {
                    run(conn, &migration.path.to_string_lossy(), &migration.sql).await?;
                }
            }
            Self::OpenCue(_) | Self::Own => {
                for file in files_to(version) {
                    run(conn, file.name, file.sql).await?;
                }
            }
        }
        Ok(())
    }
}

/// Looks for the extension that history rows get their ids from.
async fn extension(conn: &mut PgConnection) -> Result<(), SchemaError> {
    let available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'uuid-ossp'";
    let found: i64 = sqlx::query_scalar(available)
        .fetch_one(conn)
        .await
        .map_err(failed("list the extensions"))?;
    if found == 0 {
        return Err(SchemaError::NoExtension);
    }
    Ok(())
}

/// Runs the statements of a file in one transaction.
async fn run(conn: &mut PgConnection, name: &str, sql: &str) -> Result<(), SchemaError> {
    let mut all = conn.begin().await.map_err(failed("begin a migration"))?;
    let mut done = 0;
    // The text is a file of this crate or of the folder that somebody named.
    let mut statements = sqlx::raw_sql(AssertSqlSafe(sql)).execute_many(&mut *all);
    let outcome = loop {
        match statements.try_next().await {
            Ok(Some(_)) => done += 1,
            Ok(None) => break Ok(()),
            Err(source) => {
                break Err(SchemaError::Statement {
                    file: name.to_owned(),
                    place: line(sql, &source).map_or(Place::Statement(done + 1), Place::Line),
                    source,
                });
            }
        }
    };
    drop(statements);
    outcome?;
    all.commit().await.map_err(failed("commit a migration"))
}

/// The line of the file that the database complains about.
fn line(sql: &str, error: &sqlx::Error) -> Option<usize> {
    let error = error.as_database_error()?;
    let error = error.try_downcast_ref::<PgDatabaseError>()?;
    let Some(PgErrorPosition::Original(position)) = error.position() else {
        return None;
    };
    let before = sql.chars().take(position.saturating_sub(1));
    Some(before.filter(|c| *c == '\n').count() + 1)
}

fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> SchemaError {
    move |source| SchemaError::Sql { what, source }
}
