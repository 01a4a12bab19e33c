//! The oldest snapshot in the database: it keeps dead versions of rows, and every look at such a row passes them.
//!
//! OpenCue's triggers rewrite the statistics of a job at each start and end of a frame (OPENCUE.md, Tables), so these
//! rows have the most.

use std::fmt;
use std::time::Duration;

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{OLDEST_SNAPSHOT, query};

/// Age from which a snapshot is old. Neither this service nor Cuebot keeps a transaction for a minute
/// ([`LONGEST_IDLE`](crate::LONGEST_IDLE)), and at 100 frames a second a job has 6,000 dead versions of its
/// statistics by then: a job of 5,000 frames took 24 s instead of 4 beside an old snapshot.
pub const OLD_SNAPSHOT: Duration = Duration::from_secs(60);

/// A session, prepared transaction or slot that keeps dead versions of rows for the longest time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHolder {
    /// `session`, `prepared transaction` or `replication slot`.
    pub kind: String,
    /// Number of the session, or name.
    pub name: String,
    /// Program, role and state, as far as they are known.
    pub detail: String,
    /// The oldest transaction that it may still see running. While this stays, so do dead rows.
    pub oldest: String,
    /// Transactions since.
    pub behind: i64,
    /// Age, where this role may see it.
    pub age: Option<Duration>,
}

impl fmt::Display for SnapshotHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.detail)
    }
}

impl Store {
    /// The holder of the oldest snapshot beside this session; none on a quiet database.
    pub async fn oldest_snapshot(&self) -> Result<Option<SnapshotHolder>, StoreError> {
        let query = query(&OLDEST_SNAPSHOT);
        let rows = self.fetch(&OLDEST_SNAPSHOT, query).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let seconds: Option<i64> = row.get("seconds")?;
        let age = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Ok(Some(SnapshotHolder {
            kind: row.get("kind")?,
            name: row.get("name")?,
            detail: row.get("detail")?,
            oldest: row.get("oldest")?,
            behind: row.get("behind")?,
            age: age.map(Duration::from_secs),
        }))
    }
}
