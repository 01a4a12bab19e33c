//! Limits that do not hold back what somebody may think they do.

use std::time::Duration;

use crate::error::StoreError;
use crate::pool::Store;
use crate::statements::{CHECK_LIMITS, query};

/// A limit to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddLimit {
    /// Its name.
    pub name: String,
    /// Returns true if it has no maximum, which admits nothing.
    pub without_maximum: bool,
    /// Age of its licence report, where that is too old, so that the limit holds nothing back.
    pub stale: Option<Duration>,
    /// Layers that it is bound to more than once.
    pub doubled: i64,
}

impl Store {
    /// The limits that have no maximum, an old licence report, or a layer that they are bound to twice.
    pub async fn check_limits(&self) -> Result<Vec<OddLimit>, StoreError> {
        let query = query(&CHECK_LIMITS);
        let rows = self.fetch(&CHECK_LIMITS, query).await?;
        let odd = rows.iter().map(|row| {
            let age: Option<i64> = row.get("report_age")?;
            let stale = row.get::<bool>("stale")?.then(|| age.unwrap_or_default());
            Ok(OddLimit {
                name: row.shown("str_name")?,
                without_maximum: row.get("without_maximum")?,
                stale: stale.map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs())),
                doubled: row.get("doubled")?,
            })
        });
        odd.collect()
    }
}
