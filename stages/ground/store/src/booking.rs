//! The booking transaction.
//!
//! [`OpenBooking`] begins with layers and frames locked. What follows comes in one of two orders,
//! and the order of locks is the same in both, Cuebot's own (contract, 5.4):
//!
//! - [`OpenBooking::ledger`], [`OpenBooking::book`]: lock everything, decide, write.
//! - [`OpenBooking::look`], [`OpenBooking::start`], [`OpenBooking::counters`],
//!   [`OpenBooking::charge`]: write what only this booking has locked, then lock the counters that
//!   everybody wants, decide, and charge them. They are held for two round trips instead of the write.
//!
//! Dropping an `OpenBooking` rolls back.

use std::collections::{BTreeSet, HashMap, HashSet};

use cue_domain::admission::Request;
use cue_domain::{
    AllocId, DeptId, FolderId, FrameId, HostId, HostIdle, JobId, Kib, LayerId, LimitId, ProcId,
    Resources, ShowId,
};

use crate::error::StoreError;
use crate::moment::Moment;
use crate::pool::Store;
use crate::rows::id;
use crate::statements::RELOCK_FRAMES;
use crate::tx::Tx;

/// How bookings are written.
#[derive(Clone, Debug)]
pub struct BookingRules {
    /// `proc.int_mem_used` of a fresh proc (contract, 5.1 step 4).
    pub memory_used_min: Kib,
    /// Exit statuses after which a start charges no retry, beside Cuebot's own and those of limits
    /// (contract, 14.2).
    pub uncharged_exit_statuses: Vec<i32>,
}

impl Default for BookingRules {
    fn default() -> Self {
        Self {
            memory_used_min: Kib(262_144),
            uncharged_exit_statuses: Vec::new(),
        }
    }
}

/// One frame to be booked.
#[derive(Clone, Debug)]
pub struct BookRow {
    /// The frame.
    pub frame: FrameId,
    /// Its version when it was locked.
    pub version: i32,
    /// Its layer.
    pub layer: LayerId,
    /// Its job.
    pub job: JobId,
    /// The job's show.
    pub show: ShowId,
    /// The job's folder.
    pub folder: FolderId,
    /// The job's department.
    pub dept: DeptId,
    /// The host.
    pub host: HostId,
    /// The host's name.
    pub host_name: std::sync::Arc<str>,
    /// The host's allocation.
    pub alloc: AllocId,
    /// The id of the proc to be.
    pub proc: ProcId,
    /// What it takes.
    pub reserved: Resources,
}

impl BookRow {
    /// The row as admission sees it.
    #[must_use]
    pub fn request(&self) -> Request {
        Request {
            show: self.show.clone(),
            alloc: self.alloc.clone(),
            job: self.job.clone(),
            folder: self.folder.clone(),
            layer: self.layer.clone(),
            host: self.host.clone(),
            host_name: std::sync::Arc::clone(&self.host_name),
            reserved: self.reserved,
        }
    }
}

/// A frame that was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookedFrame {
    /// The frame.
    pub frame: FrameId,
    /// Its version now: the fence of an undo.
    pub version: i32,
}

/// What a booking wrote.
#[derive(Clone, Debug, Default)]
pub struct Booked {
    /// The frames that were booked.
    pub frames: Vec<BookedFrame>,
    /// What is idle on their hosts now.
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
    pub(crate) limits: HashMap<LayerId, Vec<LimitId>>,
    /// Idle resources of the hosts that it has locked, as they were before it wrote.
    pub(crate) idle: HashMap<HostId, HostIdle>,
    began: Moment,
}

impl OpenBooking {
    pub(crate) fn new(
        tx: Tx,
        store: &Store,
        limits: HashMap<LayerId, Vec<LimitId>>,
        began: Moment,
    ) -> Self {
        Self {
            tx,
            store: store.clone(),
            limits,
            idle: HashMap::new(),
            began,
        }
    }

    /// When the transaction was asked for: not later than the time that the database will write
    /// as the time of the booking.
    #[must_use]
    pub const fn began(&self) -> Moment {
        self.began
    }

    /// Begins again after a conflict: rolls back, and locks those of the rows' frames that are as
    /// they were and that nobody else holds. Returns the frames it holds now.
    ///
    /// # Errors
    /// A statement failed; nothing is held.
    pub async fn again(self, rows: &[BookRow]) -> Result<(Self, HashSet<FrameId>), StoreError> {
        let Self {
            tx, store, limits, ..
        } = self;
        // Not by drop, which leaves the rows locked until the pool has had the connection back: the
        // frames would be passed over as somebody else's.
        if let Err(source) = tx.rollback().await {
            let statement = "rollback";
            return Err(StoreError::Failed { statement, source });
        }
        let began = Moment::now();
        let mut tx = store.begin().await?;
        let query = sqlx::query(RELOCK_FRAMES.sql)
            .bind(
                rows.iter()
                    .map(|row| row.frame.as_str().to_owned())
                    .collect::<Vec<_>>(),
            )
            .bind(rows.iter().map(|row| row.version).collect::<Vec<_>>());
        let held = store.meters.rows(&RELOCK_FRAMES, query, &mut tx).await?;
        let held = held
            .iter()
            .map(|row| id(row, RELOCK_FRAMES.name, "pk_frame"));
        let held = held.collect::<Result<HashSet<FrameId>, _>>()?;
        Ok((Self::new(tx, &store, limits, began), held))
    }

    /// Resources that were idle, before it wrote, on the hosts that it has locked.
    #[must_use]
    pub const fn idle(&self) -> &HashMap<HostId, HostIdle> {
        &self.idle
    }

    pub(crate) const fn parts(&mut self) -> (&mut Tx, &Store) {
        (&mut self.tx, &self.store)
    }
}

pub(crate) fn distinct<R>(rows: &[R], of: impl Fn(&R) -> &str) -> Vec<String> {
    rows.iter()
        .map(of)
        .collect::<BTreeSet<&str>>()
        .into_iter()
        .map(str::to_owned)
        .collect()
}
