//! Committing a booking, and finding out whether a commit took place.
//!
//! A commit whose answer is lost has either happened or not; nothing may be launched and nothing may
//! be given back before that is known.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cue_domain::ProcId;

use crate::booking::{BookRow, OpenBooking, distinct};
use crate::error::{StoreError, Trouble};
use crate::pool::Store;
use crate::rows::id;
use crate::statements::{COMMITTED_PROCS, WAIT_FRAMES};

impl OpenBooking {
    /// Commits. When the answer is lost, finds out whether the commit took place by looking for the
    /// procs that it wrote.
    ///
    /// # Errors
    /// Nothing was committed; or, as [`StoreError::CommitUnknown`], it could not be found out.
    pub async fn commit(self, rows: &[BookRow]) -> Result<(), StoreError> {
        let Self { tx, store, .. } = self;
        let asked = Instant::now();
        let answer = tx.commit().await;
        store.meters.note("commit", asked, answer.is_ok());
        let Err(source) = answer else { return Ok(()) };
        let lost = StoreError::Failed {
            statement: "commit",
            source,
        };
        if lost.trouble() != Trouble::Unavailable {
            return Err(lost);
        }
        tracing::warn!(error = %lost, "the answer to a commit was lost; asking whether it took place");
        match store.was_committed(rows).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(lost),
            Err(error) => Err(StoreError::CommitUnknown(Box::new(error))),
        }
    }
}

impl Store {
    /// Those of the procs that exist.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn existing_procs(&self, procs: &[ProcId]) -> Result<HashSet<ProcId>, StoreError> {
        let ids = procs
            .iter()
            .map(|proc| proc.as_str().to_owned())
            .collect::<Vec<_>>();
        let query = sqlx::query(COMMITTED_PROCS.sql).bind(ids);
        let mut conn = self.connection().await?;
        let rows = self.meters.rows(&COMMITTED_PROCS, query, &mut conn).await?;
        rows.iter()
            .map(|row| id(row, COMMITTED_PROCS.name, "pk_proc"))
            .collect()
    }

    /// Whether the procs of `rows` are there. Asks until the database answers, for about 30 s.
    async fn was_committed(&self, rows: &[BookRow]) -> Result<bool, StoreError> {
        let mut rest = Duration::from_millis(100);
        loop {
            match self.look_for_procs(rows).await {
                Ok(found) => return Ok(found),
                Err(error) if rest > Duration::from_secs(10) => return Err(error),
                Err(_) => tokio::time::sleep(rest).await,
            }
            rest *= 2;
        }
    }

    async fn look_for_procs(&self, rows: &[BookRow]) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let frames = sqlx::query(WAIT_FRAMES.sql).bind(distinct(rows, |row| row.frame.as_str()));
        self.meters.rows(&WAIT_FRAMES, frames, &mut tx).await?;
        let procs = sqlx::query(COMMITTED_PROCS.sql).bind(distinct(rows, |row| row.proc.as_str()));
        Ok(!self
            .meters
            .rows(&COMMITTED_PROCS, procs, &mut tx)
            .await?
            .is_empty())
    }
}
