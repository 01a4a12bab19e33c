//! The booking transaction.
//!
//! [`OpenBooking`] begins with layers and frames locked. What follows comes in one of two orders,
//! and the order of locks is the same in both, Cuebot's own (OPENCUE.md, Lock order):
//!
//! - [`OpenBooking::look`], [`OpenBooking::counters`], [`OpenBooking::book`]: lock everything, decide, write.
//! - [`OpenBooking::look`], [`OpenBooking::start`], [`OpenBooking::counters`],
//!   [`OpenBooking::charge`]: write what only this booking has locked, then lock the counters that
//!   everybody wants, decide, and charge them. They are held for two round trips instead of the write.
//!
//! Dropping an `OpenBooking` rolls back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Booking, FrameId, HostId, HostIdle, JobId, LayerId, LimitId};

use crate::error::StoreError;
use crate::keys::column;
use crate::moment::Moment;
use crate::pool::Store;
use crate::statements::{RELOCK_FRAMES, query};
use crate::tx::Tx;

/// Rows that a booking wrote.
#[derive(Clone, Debug, Default)]
pub struct Booked {
    /// The frames that were booked, with their versions now: the fence of an undo.
    pub frames: HashMap<FrameId, i32>,
    /// Idle resources of their hosts now.
    pub hosts: HashMap<HostId, HostIdle>,
    /// The moment when the transaction began, by the database's clock: milliseconds since 1970. `None` when
    /// nothing was booked.
    pub at_ms: Option<i64>,
}

/// A transaction that holds layers and frames.
#[derive(Debug)]
pub struct OpenBooking {
    pub(crate) tx: Tx,
    pub(crate) store: Store,
    pub(crate) limits: Arc<HashMap<LayerId, Vec<LimitId>>>,
    /// Jobs that it has locked: they stay where they are.
    pub(crate) jobs: HashSet<JobId>,
    /// Idle resources of the hosts that it has locked, as they were before it wrote.
    pub(crate) idle: HashMap<HostId, HostIdle>,
    began: Moment,
}

impl OpenBooking {
    pub(crate) fn new(
        tx: Tx,
        store: &Store,
        limits: Arc<HashMap<LayerId, Vec<LimitId>>>,
        began: Moment,
    ) -> Self {
        Self {
            tx,
            store: store.clone(),
            limits,
            jobs: HashSet::new(),
            idle: HashMap::new(),
            began,
        }
    }

    /// Time at which the transaction was requested: not later than the time that the database will write
    /// as the time of the booking.
    pub const fn began(&self) -> Moment {
        self.began
    }

    /// Lets everything go, so that the rows can be booked in another transaction.
    ///
    /// # Errors
    /// The server did not answer; nothing is held, but perhaps not at once.
    pub async fn release(self) -> Result<(), StoreError> {
        // Not by drop, which leaves the rows locked until the pool has had the connection back: the
        // frames would be passed over as somebody else's.
        self.tx.rollback().await
    }

    /// A handle with which rows of this booking can be booked in another transaction.
    pub fn rebooking(&self) -> Rebooking {
        Rebooking {
            store: self.store.clone(),
            limits: Arc::clone(&self.limits),
        }
    }

    /// Returns true if it has locked the job.
    pub fn has_job(&self, job: &JobId) -> bool {
        self.jobs.contains(job)
    }

    /// Resources that were idle, before it wrote, on the hosts that it has locked.
    pub const fn idle(&self) -> &HashMap<HostId, HostIdle> {
        &self.idle
    }

    pub(crate) const fn parts(&mut self) -> (&mut Tx, &Store) {
        (&mut self.tx, &self.store)
    }
}

/// Books rows of a booking that was given up, or of which a part is committed.
#[derive(Clone, Debug)]
pub struct Rebooking {
    pub(crate) store: Store,
    pub(crate) limits: Arc<HashMap<LayerId, Vec<LimitId>>>,
}

impl Rebooking {
    /// Locks those of the bookings' frames that are as they were and that nobody else holds, with their layers.
    /// Returns the frames that are held now. Each of the statements that follow may run for `limit` at most,
    /// if that is shorter than the usual time.
    ///
    /// # Errors
    /// A statement failed; nothing is held.
    pub async fn open(
        &self,
        bookings: &[&Booking],
        limit: Option<Duration>,
    ) -> Result<(OpenBooking, HashSet<FrameId>), StoreError> {
        let began = Moment::now();
        let mut tx = self.store.begin().await?;
        let query = query(&RELOCK_FRAMES)
            .bind(column(bookings, |booking| booking.frame.id.as_str()))
            .bind(column(bookings, |booking| booking.frame.version))
            .bind(limit.map(|limit| i32::try_from(limit.as_millis()).unwrap_or(i32::MAX)));
        let meters = &self.store.meters;
        let held = meters.rows(&RELOCK_FRAMES, query, &mut tx).await?;
        let held = held.iter().map(|row| row.id("pk_frame"));
        let held = held.collect::<Result<HashSet<FrameId>, _>>()?;
        let limits = Arc::clone(&self.limits);
        Ok((OpenBooking::new(tx, &self.store, limits, began), held))
    }
}
