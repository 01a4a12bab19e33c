//! Committing a booking, and finding out whether a commit took place.
//!
//! A commit whose answer is lost has either happened or not; nothing may be launched and nothing may
//! be given back before that is known.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cue_domain::{Booking, ProcId};

use crate::booking::OpenBooking;
use crate::error::StoreError;
use crate::keys::{column, distinct};
use crate::pool::Store;
use crate::statements::{COMMITTED_PROCS, WAIT_FRAMES, query};

/// Time for which it is asked whether a commit took place.
const ASKED_FOR: Duration = Duration::from_secs(25);

/// Longest pause between two questions: the answer is wanted soon after the database is back.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl OpenBooking {
    /// Commits. When the answer is lost, finds out whether the commit took place by looking for the
    /// procs that it wrote.
    ///
    /// # Errors
    /// Nothing was committed; or, as [`StoreError::CommitUnknown`], it could not be found out.
    pub async fn commit(self, bookings: &[&Booking]) -> Result<(), StoreError> {
        let Self { tx, store, .. } = self;
        let Err(lost) = tx.commit().await else {
            return Ok(());
        };
        if lost.is_answered() {
            // Triggers and constraints that are deferred are asked now.
            return Err(lost);
        }
        tracing::warn!(error = %lost, "the answer to a commit was lost; asking whether it took place");
        match store.was_committed(bookings).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(lost),
            Err(error) => Err(StoreError::CommitUnknown(Box::new(error))),
        }
    }
}

impl Store {
    /// Those of the procs that exist.
    pub async fn existing_procs(&self, procs: &[ProcId]) -> Result<HashSet<ProcId>, StoreError> {
        let query = query(&COMMITTED_PROCS).bind(column(procs, ProcId::as_str));
        let rows = self.fetch(&COMMITTED_PROCS, query).await?;
        rows.iter().map(|row| row.id("pk_proc")).collect()
    }

    /// Returns true if the procs of `bookings` are there. Asks until the database answers, for about 30 s.
    async fn was_committed(&self, bookings: &[&Booking]) -> Result<bool, StoreError> {
        let (asked, mut pause) = (Instant::now(), Duration::from_millis(100));
        loop {
            match self.look_for_procs(bookings).await {
                Ok(found) => return Ok(found),
                Err(error) if asked.elapsed() > ASKED_FOR => return Err(error),
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn look_for_procs(&self, bookings: &[&Booking]) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let frames =
            query(&WAIT_FRAMES).bind(distinct(bookings, |booking| booking.frame.id.as_str()));
        self.meters.rows(&WAIT_FRAMES, frames, &mut tx).await?;
        let procs =
            query(&COMMITTED_PROCS).bind(distinct(bookings, |booking| booking.proc.as_str()));
        let found = self.meters.rows(&COMMITTED_PROCS, procs, &mut tx).await?;
        Ok(!found.is_empty())
    }
}
