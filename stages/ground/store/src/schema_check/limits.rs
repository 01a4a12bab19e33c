//! Limits that do not hold back what somebody may think they do.

use std::time::Duration;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::get;
use crate::statements::CHECK_LIMITS;

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
    ///
    /// # Errors
    /// The statement failed.
    pub async fn check_limits(&self) -> Result<Vec<OddLimit>, StoreError> {
        let name = CHECK_LIMITS.name;
        let query = sqlx::query(CHECK_LIMITS.sql);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&CHECK_LIMITS, query, &mut conn).await?;
        let odd = rows.iter().map(|row| {
            let age: Option<i64> = get(row, name, "report_age")?;
            let stale = get::<bool>(row, name, "stale")?.then(|| age.unwrap_or_default());
            Ok(OddLimit {
                name: get(row, name, "str_name")?,
                without_maximum: get(row, name, "without_maximum")?,
                stale: stale.map(|seconds| Duration::from_secs(seconds.max(0).unsigned_abs())),
                doubled: get(row, name, "doubled")?,
            })
        });
        odd.collect()
    }
}
