//! Bookings that their scheduler has forgotten: it died between the commit and the launch.

use std::sync::Arc;
use std::time::Duration;

use cue_domain::ProcId;

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements::UNLAUNCHED_PROCS;
use crate::undo::Unlaunched;

/// A booking that no host report has named since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// What would be taken back.
    pub booking: Unlaunched,
    /// The host that knows whether it runs.
    pub host: Arc<str>,
}

impl Store {
    /// Bookings in managed shows, at least `age` old by the database's clock, that no host report
    /// has named; without those `known` to run; `most` at most, the oldest first.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn unlaunched_procs(
        &self,
        age: Duration,
        known: &[ProcId],
        most: u32,
    ) -> Result<Vec<Forgotten>, StoreError> {
        let name = UNLAUNCHED_PROCS.name;
        let query = sqlx::query(UNLAUNCHED_PROCS.sql)
            .bind(age.as_secs_f64())
            .bind(
                known
                    .iter()
                    .map(|proc| proc.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
            .bind(i64::from(most));
        let mut conn = self.connection().await?;
        let rows = self
            .meters
            .rows(&UNLAUNCHED_PROCS, query, &mut conn)
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Forgotten {
                    booking: Unlaunched {
                        frame: id(row, name, "pk_frame")?,
                        version: get(row, name, "int_version")?,
                        proc: id(row, name, "pk_proc")?,
                    },
                    host: get::<String>(row, name, "str_name")?.into(),
                })
            })
            .collect()
    }
}
