//! The audit: looks at a farm's database and says what is wrong in it.
//!
//! Everything is read in one repeatable-read snapshot, so it may run while everybody works: what
//! it tests holds at every commit. The one exception is a host that goes down, whose frames are
//! for a moment RUNNING without a proc (OPENCUE.md, Release).
//! Invariant: the audit writes nothing and locks nothing.

mod finding;
mod invariants;
mod launches;
mod watch;

use anyhow::Context;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::completion::Accounting;
use finding::findings;
use invariants::{ALL, Features, Invariant, Kind};

pub use finding::{Audit, Finding};
pub use launches::LaunchLog;
pub use watch::AuditWatch;

const SUCCEEDED_FRAMES: &str = include_str!("../../sql/audit/succeeded_frames.sql");
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Expectations of an audit.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditOptions<'a> {
    /// Launches that the simulated hosts were asked for, to compare with the database.
    pub launches: Option<&'a LaunchLog>,
    /// Every frame that succeeded was launched exactly once: true of a farm without faults,
    /// retries and frames that were seeded as done.
    pub exactly_once: bool,
    /// With [`Accounting::Managed`] the five accounting tables are not looked at.
    pub accounting: Accounting,
}

/// Audits the database, and the launches if there is a log of them.
pub async fn audit(pool: &PgPool, launches: Option<&LaunchLog>) -> anyhow::Result<Audit> {
    audit_with(
        pool,
        &AuditOptions {
            launches,
            ..AuditOptions::default()
        },
    )
    .await
}

/// Audits the database with other expectations.
pub async fn audit_with(pool: &PgPool, options: &AuditOptions<'_>) -> anyhow::Result<Audit> {
    let mut snapshot = pool
        .begin_with(SNAPSHOT)
        .await
        .context("the audit could not open its snapshot")?;
    let features = Features::of(&mut snapshot)
        .await
        .context("the audit could not look at the schema")?;
    let mut audit = Audit::default();
    for invariant in ALL.iter().filter(|invariant| features.fit(invariant)) {
        if invariant.kind == Kind::Account && options.accounting == Accounting::Managed {
            continue;
        }
        audit.findings.extend(look(&mut snapshot, invariant).await?);
        audit.checked += 1;
    }
    if let Some(log) = options.launches {
        let succeeded = if options.exactly_once {
            let query = sqlx::query_scalar(SUCCEEDED_FRAMES).fetch_all(&mut *snapshot);
            Some(
                query
                    .await
                    .context("the audit could not list the succeeded frames")?,
            )
        } else {
            None
        };
        launches::check(log, succeeded.as_deref(), &mut audit);
    }
    snapshot
        .rollback()
        .await
        .context("the audit could not close its snapshot")?;
    Ok(audit)
}

/// The offenders of one invariant.
async fn look(
    snapshot: &mut Transaction<'_, Postgres>,
    invariant: &Invariant,
) -> anyhow::Result<Vec<Finding>> {
    // The statement is put together from two constants of this crate.
    let statement = AssertSqlSafe(invariant.statement());
    let rows: Vec<(String, i64)> = sqlx::query_as(statement)
        .fetch_all(&mut **snapshot)
        .await
        .with_context(|| format!("the invariant {} could not be read", invariant.name))?;
    let (shown, all) = (rows.len(), rows.first().map_or(0, |row| row.1));
    let details = rows.into_iter().map(|row| row.0);
    let all = usize::try_from(all).unwrap_or(shown);
    Ok(findings(invariant.name, details, shown, all))
}
