//! The audit: looks at a farm's database and says what is wrong in it.
//!
//! Everything is read in one repeatable-read snapshot, so it may run while everybody works: what
//! it tests holds at every commit. The one exception is a host that goes down, whose frames are
//! for a moment RUNNING without a proc (contract, 5.5).
//! Invariant: the audit writes nothing and locks nothing.

mod invariants;
mod launches;
mod watch;

use std::fmt;

use anyhow::Context;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::completion::Accounting;
use invariants::{ALL, Features, Invariant, Kind};

pub use launches::LaunchLog;
pub use watch::AuditWatch;

const SUCCEEDED_FRAMES: &str = include_str!("../../sql/audit/succeeded_frames.sql");
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The invariant that does not hold.
    pub invariant: &'static str,
    /// Which rows break it, with their ids and numbers.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// What is wrong; of each invariant at most five rows are shown, the last says how many more.
    pub findings: Vec<Finding>,
    /// How many invariants were looked at.
    pub checked: usize,
}

impl Audit {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            return write!(f, "audit: OK ({} invariants)", self.checked);
        }
        for (n, finding) in self.findings.iter().enumerate() {
            write!(f, "{}{finding}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// What an audit is to expect of the farm.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditOptions<'a> {
    /// What the simulated hosts were asked to run, to be held against the database.
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

/// Findings of the details shown; the last one says how many were left out.
fn findings(
    invariant: &'static str,
    details: impl Iterator<Item = String>,
    shown: usize,
    all: usize,
) -> Vec<Finding> {
    let mut findings: Vec<_> = details
        .map(|detail| Finding { invariant, detail })
        .collect();
    if let Some(last) = findings.last_mut().filter(|_| all > shown) {
        last.detail
            .push_str(&format!(" (and {} more)", all - shown));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_is_one_line_or_one_line_a_finding() {
        let mut audit = Audit {
            findings: Vec::new(),
            checked: 27,
        };
        assert_eq!(audit.to_string(), "audit: OK (27 invariants)");
        audit.findings = findings(
            "a_cap_holds",
            ["job 1", "job 2"].map(String::from).into_iter(),
            2,
            7,
        );
        assert_eq!(
            audit.to_string(),
            "a_cap_holds: job 1\na_cap_holds: job 2 (and 5 more)"
        );
        assert!(!audit.is_ok());
    }
}
