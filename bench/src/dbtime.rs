//! Statements and their times, as the database counts them: `pg_stat_statements`, of one database.

use anyhow::Context;
use serde::Serialize;
use sqlx::{PgPool, Row};

/// Statements and their execution time.
#[derive(Clone, Copy, Debug, Default)]
pub struct DbTime {
    /// Statements executed, `BEGIN` and `COMMIT` included.
    pub statements: i64,
    /// Time spent executing them, milliseconds.
    pub milliseconds: f64,
}

impl DbTime {
    /// Difference to `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            statements: self.statements - earlier.statements,
            milliseconds: self.milliseconds - earlier.milliseconds,
        }
    }
}

/// The statement with the highest mean time.
#[derive(Clone, Debug, Serialize)]
pub struct Slowest {
    /// Its name.
    pub name: String,
    /// Number of executions.
    pub calls: i64,
    /// Mean execution time, milliseconds.
    pub mean_ms: f64,
}

/// Makes the figures readable, if the server has the extension loaded. `false` if it has not.
///
/// # Errors
/// The database did not answer.
pub async fn enable(pool: &PgPool) -> anyhow::Result<bool> {
    let loaded: String = sqlx::query_scalar("SHOW shared_preload_libraries")
        .fetch_one(pool)
        .await?;
    if !loaded.contains("pg_stat_statements") {
        return Ok(false);
    }
    sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        .execute(pool)
        .await
        .context("cannot create pg_stat_statements")?;
    Ok(true)
}

/// Reads the figures; with `only`, those of the scheduler's statements of these names. The question
/// itself is left out.
///
/// # Errors
/// The database did not answer.
pub async fn read(pool: &PgPool, only: Option<&[String]>) -> anyhow::Result<DbTime> {
    let row = sqlx::query(
        "SELECT coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(total_exec_time), 0)::float8 AS ms
         FROM pg_stat_statements s
         JOIN pg_database d ON d.oid = s.dbid
         WHERE d.datname = current_database() AND s.query NOT LIKE '%pg_stat_statements%'
           AND ($1::text[] IS NULL OR EXISTS (SELECT 1 FROM unnest($1) AS name WHERE s.query LIKE '-- ' || name || ': %'))",
    )
    .bind(only.map(<[String]>::to_vec))
    .fetch_one(pool)
    .await?;
    Ok(DbTime {
        statements: row.try_get("calls")?,
        milliseconds: row.try_get("ms")?,
    })
}

/// Of the scheduler's statements of these names, the one with the highest mean execution time.
///
/// # Errors
/// The database did not answer.
pub async fn slowest(pool: &PgPool, names: &[String]) -> anyhow::Result<Option<Slowest>> {
    let row = sqlx::query(
        "SELECT name, calls::bigint AS calls, mean_exec_time AS ms
         FROM pg_stat_statements s
         JOIN pg_database d ON d.oid = s.dbid
         JOIN unnest($1::text[]) AS name ON s.query LIKE '-- ' || name || ': %'
         WHERE d.datname = current_database()
         ORDER BY mean_exec_time DESC LIMIT 1",
    )
    .bind(names)
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(Slowest {
            name: row.try_get("name")?,
            calls: row.try_get("calls")?,
            mean_ms: row.try_get("ms")?,
        })
    })
    .transpose()
}
