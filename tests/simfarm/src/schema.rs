//! The schema of a farm's database, compatible with OpenCue's 1.30 (migrations 1 to 47), and the
//! steps to newer versions.
//!
//! Written from the contract (sections 2, 3 and 14.1): names, types, constraints, indexes, trigger
//! effects and error texts are those of a real farm, and so is what a booking costs. Left out
//! are the tables that no booking, report or completion touches (filters, tasks, show aliases).
//!
//! Invariant: the files build an empty database from nothing, in the order of their names, and
//! all of them or none are installed. A step is one transaction, as a migration of a farm is.

mod version;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

pub use version::SchemaVersion;

/// One file of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, which starts with its place in the order.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
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

/// The files that lead from the version before to `version`.
const fn files_to(version: SchemaVersion) -> &'static [File] {
    match version {
        SchemaVersion::V47 => FILES,
        SchemaVersion::V48 => &[file!("steps/v48_stuck_detection.sql")],
        SchemaVersion::V49 => &[file!("steps/v49_limits.sql")],
        SchemaVersion::V50 => &[file!("steps/v50_history_queue.sql")],
        SchemaVersion::V51 => &[file!("steps/v51_waiting_index.sql")],
    }
}

/// Installs the schema of `version` in an empty database. A failure leaves a version before it, or nothing.
pub async fn install(conn: &mut PgConnection, version: SchemaVersion) -> anyhow::Result<()> {
    step(conn, SchemaVersion::V47).await?;
    migrate(conn, SchemaVersion::V47, version).await
}

/// Takes a database from one version to a later one, also while a service uses it.
pub async fn migrate(
    conn: &mut PgConnection,
    from: SchemaVersion,
    to: SchemaVersion,
) -> anyhow::Result<()> {
    for version in from.until(to) {
        step(conn, version).await?;
    }
    Ok(())
}

async fn step(conn: &mut PgConnection, version: SchemaVersion) -> anyhow::Result<()> {
    let mut all = conn
        .begin()
        .await
        .context("begin the transaction of the schema")?;
    for file in files_to(version) {
        sqlx::raw_sql(file.sql)
            .execute(&mut *all)
            .await
            .with_context(|| format!("install {} of the schema", file.name))?;
    }
    all.commit().await.context("commit the schema")
}
