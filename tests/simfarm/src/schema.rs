//! The schema of a farm's database, compatible with OpenCue's 1.30 (migrations 1 to 47).
//!
//! Written from the contract (sections 2 and 3): names, types, constraints, indexes, trigger
//! effects and error texts are those of a real farm, and so is what a booking costs. Left out
//! are the tables that no booking, report or completion touches (filters, tasks, show aliases).
//!
//! Invariant: the files build an empty database from nothing, in the order of their names, and
//! all of them or none are installed.

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

/// One file of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, which starts with its place in the order.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(File { name: $name, sql: include_str!(concat!("../schema/", $name)) }),*]
    };
}

const FILES: &[File] = files![
    "01_sites.sql",
    "02_jobs.sql",
    "03_layers.sql",
    "04_frames.sql",
    "05_hosts.sql",
    "06_history.sql",
    "07_settings.sql",
    "08_functions.sql",
    "09_frame_triggers.sql",
    "10_ledger_triggers.sql",
    "11_archive.sql",
    "12_life_triggers.sql",
    "13_views.sql",
];

/// The files of the schema, in the order in which they must run.
#[must_use]
pub const fn files() -> &'static [File] {
    FILES
}

/// Installs the schema in an empty database: in one transaction, so a failure leaves it empty.
pub async fn install(conn: &mut PgConnection) -> anyhow::Result<()> {
    let mut all = conn
        .begin()
        .await
        .context("begin the transaction of the schema")?;
    for file in FILES {
        sqlx::raw_sql(file.sql)
            .execute(&mut *all)
            .await
            .with_context(|| format!("install {} of the schema", file.name))?;
    }
    all.commit().await.context("commit the schema")
}
