//! Launches that hosts acknowledged, and bookings that their scheduler has forgotten: it died between the
//! commit and the launch.
//!
//! A booking is written with a ping that is older than the booking itself. No other program writes that, so it marks what no host has acknowledged yet, for every replica and after every restart.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{FrameId, ProcId};

use crate::error::StoreError;
use crate::keys::column;
use crate::pool::Store;
use crate::statements::{ACKNOWLEDGE_LAUNCHES, UNLAUNCHED_PROCS, query};

/// A booking whose launch no host has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlaunched {
    /// The frame.
    pub frame: FrameId,
    /// Its version as the booking left it.
    pub version: i32,
    /// The proc.
    pub proc: ProcId,
    /// Name of the host, which knows whether the frame runs.
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
        let query = query(&ACKNOWLEDGE_LAUNCHES)
            .bind(column(accepted, |(proc, _)| proc.as_str()))
            .bind(column(accepted, |(_, frame)| frame.as_str()));
        let rows = self.fetch(&ACKNOWLEDGE_LAUNCHES, query).await?;
        rows.iter().map(|row| row.id("pk_proc")).collect()
    }

    /// Bookings at least `age` old by the database's clock that nobody acknowledged and no host
    /// report has named; without those `known`; `most` at most, the oldest first.
    pub async fn unlaunched_procs(
        &self,
        age: Duration,
        known: &[ProcId],
        most: u32,
    ) -> Result<Vec<Unlaunched>, StoreError> {
        let query = query(&UNLAUNCHED_PROCS)
            .bind(age.as_secs_f64())
            .bind(column(known, ProcId::as_str))
            .bind(i64::from(most));
        let rows = self.fetch(&UNLAUNCHED_PROCS, query).await?;
        self.meters.reader(&UNLAUNCHED_PROCS).each(&rows, |row| {
            Ok(Unlaunched {
                frame: row.id("pk_frame")?,
                version: row.get("int_version")?,
                proc: row.id("pk_proc")?,
                host: row.get::<String>("str_name")?.into(),
            })
        })
    }
}
