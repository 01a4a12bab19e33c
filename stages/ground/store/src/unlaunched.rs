//! Launches that hosts acknowledged, and bookings that their scheduler has forgotten: it died between the
//! commit and the launch.
//!
//! A booking is written with a ping that is older than the booking itself. Neither Cuebot nor anything else
//! writes that, so it marks what no host has acknowledged yet, for every replica and after every restart.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{FrameId, ProcId};

use crate::error::StoreError;
use crate::pool::Store;
use crate::rows::{get, id};
use crate::statements::{ACKNOWLEDGE_LAUNCHES, UNLAUNCHED_PROCS};
use crate::undo::Unlaunched;

/// A booking whose launch no host has acknowledged, and that no host report has named since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// What would be taken back.
    pub booking: Unlaunched,
    /// The host that knows whether it runs.
    pub host: Arc<str>,
}

impl Store {
    /// Records that hosts accepted the launches of these procs with their frames, all in one
    /// statement. Returns the procs that somebody holds at this moment, which are not recorded yet.
    ///
    /// # Errors
    /// The statement failed; nothing is recorded, or it is not known. Recording again does no harm.
    pub async fn acknowledge_launches(
        &self,
        accepted: &[(ProcId, FrameId)],
    ) -> Result<HashSet<ProcId>, StoreError> {
        let (procs, frames): (Vec<String>, Vec<String>) = accepted
            .iter()
            .map(|(proc, frame)| (proc.as_str().to_owned(), frame.as_str().to_owned()))
            .unzip();
        let query = sqlx::query(ACKNOWLEDGE_LAUNCHES.sql)
            .bind(procs)
            .bind(frames);
        let mut conn = self.connection().await?;
        let rows = self
            .meters
            .rows(&ACKNOWLEDGE_LAUNCHES, query, &mut conn)
            .await?;
        rows.iter()
            .map(|row| id(row, ACKNOWLEDGE_LAUNCHES.name, "pk_proc"))
            .collect()
    }

    /// Bookings at least `age` old by the database's clock that nobody acknowledged and no host
    /// report has named; without those `known`; `most` at most, the oldest first.
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
