//! Booking one group of a plan, in as many transactions as conflicts and held rows ask for.

use std::time::{Duration, Instant};

use cue_domain::Booking;
use cue_domain::isolate::{Group, Split};
use cue_flow::Chain;
use cue_store::{ErrorClass, OpenBooking, StoreError};

use super::{Pass, Tried};
use crate::batch::Batch;
use crate::commit::commit;
use crate::write::{Order, write};

/// Transactions of one pass that may end in a conflict or time out on rows that are free again.
const TRIES: u32 = 4;

/// Time for one statement of a part, when the plan as a whole took too long.
const SHORT: Duration = Duration::from_secs(1);

/// Transactions of a pass that may take too long while nothing is booked: more is an outage.
const TIMEOUTS: u32 = 3;

/// Time after which a transaction that failed took long, so that there should be few more of them.
const LONG: Duration = Duration::from_millis(200);

impl<'a> Pass<'a> {
    pub(super) async fn book_group(
        &mut self,
        mut held: Option<OpenBooking>,
        group: &mut Group<StoreError>,
    ) -> Result<Tried, StoreError> {
        loop {
            let bookings = self.plan.these(&group.rows);
            let (open, bookings) = match held.take() {
                Some(held) => (held, bookings),
                None if bookings.is_empty() => return Ok(Tried::Booked),
                None => self.reopen(bookings).await?,
            };
            self.transactions += 1;
            let began = Instant::now();
            match self.try_once(open, &bookings).await {
                Ok(true) => return Ok(Tried::Booked),
                Ok(false) => {}
                Err(error) => {
                    if let Some(tried) = self.failed(error, began, group).await? {
                        return Ok(tried);
                    }
                }
            }
        }
    }

    /// Locks the bookings' frames again, as far as nobody else has them.
    async fn reopen(
        &self,
        mut bookings: Vec<&'a Booking>,
    ) -> Result<(OpenBooking, Vec<&'a Booking>), StoreError> {
        // Frames that are booked already wait for their launch.
        let short = self.timeouts > 0 || self.first_commit.is_some();
        let limit = short.then_some(SHORT);
        let (open, frames) = self.rebooking.open(&bookings, limit).await?;
        bookings.retain(|booking| frames.contains(&booking.frame.id));
        Ok((open, bookings))
    }

    /// Books in one transaction. Returns false if a cap filled up meanwhile: the next transaction locks the counters
    /// first.
    async fn try_once(
        &mut self,
        mut open: OpenBooking,
        bookings: &[&'a Booking],
    ) -> Result<bool, StoreError> {
        match write(&mut open, bookings, self.plan, self.order).await {
            Ok(Some(mut written)) => {
                self.leave_out_changing(std::mem::take(&mut written.changing));
                let batch = commit(open, written, self.plan).await?;
                self.add(batch);
                Ok(true)
            }
            Ok(None) => {
                self.plan.stage.metrics.outrun.inc();
                self.order = Order::LockFirst;
                open.release().await.map(|()| false)
            }
            Err(error) => {
                if let Err(lost) = open.release().await {
                    tracing::debug!(error = %Chain(&lost), "a failed booking could not be rolled back; its connection is closed");
                }
                Err(error)
            }
        }
    }

    /// Decides what to do after a failed transaction. `None` means that the group is tried again.
    async fn failed(
        &mut self,
        error: StoreError,
        began: Instant,
        group: &mut Group<StoreError>,
    ) -> Result<Option<Tried>, StoreError> {
        let metrics = &self.plan.stage.metrics;
        match error.class() {
            ErrorClass::Conflict if self.may_repeat() => {
                metrics.conflicts.inc();
                tracing::debug!(error = %Chain(&error), "a booking met a conflict and is tried again");
                Ok(None)
            }
            // Nothing of it was committed. Where the server is away, there is no other session.
            _ if error.is_of_session() && self.may_repeat() => Ok(None),
            ErrorClass::Held => {
                metrics.timeouts.inc();
                let left_out = self.leave_out_held(&group.rows).await?;
                if left_out.is_empty() {
                    return self.timed_out(began, error).map(Some);
                }
                let keys = &self.keys;
                let stays = |index: &usize| {
                    let key = keys.get(*index);
                    key.is_some_and(|key| !left_out.contains(&key.layer))
                };
                group.rows.retain(stays);
                Ok(None)
            }
            ErrorClass::TimedOut if error.may_be_of_a_row() => {
                metrics.timeouts.inc();
                self.timed_out(began, error).map(Some)
            }
            // It comes again and again: it may be a row's.
            ErrorClass::Conflict => Ok(Some(Tried::Failed(error, Split::Halves))),
            _ if error.may_be_of_a_row() => Ok(Some(Tried::Failed(error, Split::Halves))),
            _ => Err(error),
        }
    }

    /// Outcome of a group whose transaction waited for something, or that the server ended for such a wait.
    fn timed_out(&mut self, began: Instant, error: StoreError) -> Result<Tried, StoreError> {
        if began.elapsed() < LONG {
            return Ok(Tried::Failed(error, Split::Halves));
        }
        self.timeouts += 1;
        if self.timeouts > TIMEOUTS && self.first_commit.is_none() {
            return Err(error);
        }
        Ok(Tried::Failed(error, Split::Layers))
    }

    fn may_repeat(&mut self) -> bool {
        self.conflicts += 1;
        self.conflicts < TRIES
    }

    fn add(&mut self, batch: Batch) {
        if !batch.frames.is_empty() {
            self.first_commit.get_or_insert_with(Instant::now);
        }
        self.booked.add(batch);
    }
}
