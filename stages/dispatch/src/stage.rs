//! The stage: its settings, its parts, and the reasons for which it skips a plan.

use std::sync::Arc;
use std::time::Duration;

use cue_domain::backoff::Backoffs;
use cue_domain::blame::Blame;
use cue_domain::isolate::Suspects;
use cue_domain::{BookingHealth, FrameId, HostId, LayerId};
use cue_flow::Verdict;
use cue_rqd::RqdClient;
use cue_store::Store;
use parking_lot::Mutex;
use prometheus::IntCounter;

use crate::acknowledge::Recorder;
use crate::calls::LaunchCalls;
use crate::metrics::DispatchMetrics;
use crate::pending::PendingLaunches;
use crate::refusals::Refusals;

/// The hosts of a batch get this part of all launches each, or one launch at least.
pub(crate) const PARTS: usize = 8;

/// Settings of dispatch.
#[derive(Clone, Copy, Debug)]
pub struct DispatchSettings {
    /// Books, but calls no host: frames stay RUNNING until somebody completes them.
    pub dry_run: bool,
    /// Launch calls under way at once, over all batches, that are answered soon.
    pub launches_in_flight: usize,
    /// Launch calls under way at once that are slow: their hosts hang.
    pub slow_launches: usize,
    /// Time after the start of a booking within which its launches begin.
    pub launch_deadline: Duration,
    /// Questions to a host about a launch whose outcome is unknown, before it is left to the loop that
    /// settles.
    pub resolve_attempts: u32,
    /// Pause of a worker after the database failed it.
    pub worker_backoff: Duration,
}

/// The stage.
pub struct Dispatch {
    pub(crate) store: Store,
    pub(crate) rqd: RqdClient,
    pub(crate) settings: DispatchSettings,
    pub(crate) metrics: DispatchMetrics,
    pub(crate) calls: LaunchCalls,
    pub(crate) backoffs: Arc<Backoffs<LayerId>>,
    pub(crate) blame: Mutex<Blame<HostId, LayerId>>,
    /// Recent failures of all passes, by host.
    pub(crate) suspects: Mutex<Suspects<HostId, LayerId, FrameId>>,
    pub(crate) pending: Arc<PendingLaunches>,
    pub(crate) recorder: Recorder,
    pub(crate) health: BookingHealth,
}

impl Dispatch {
    /// A dispatch that books in `store` and launches through `rqd`. Layers that hosts or the database
    /// refuse are recorded in `backoffs`.
    pub fn new(
        store: Store,
        rqd: RqdClient,
        settings: DispatchSettings,
        metrics: DispatchMetrics,
        backoffs: Arc<Backoffs<LayerId>>,
    ) -> Self {
        let pending = Arc::<PendingLaunches>::default();
        Self {
            recorder: Recorder::new(store.clone(), Arc::clone(&pending)),
            calls: LaunchCalls::new(settings.launches_in_flight, settings.slow_launches),
            store,
            rqd,
            settings,
            metrics,
            backoffs,
            blame: Mutex::default(),
            suspects: Mutex::default(),
            pending,
            health: BookingHealth::default(),
        }
    }

    /// Records in `health` what came of its bookings.
    #[must_use]
    pub fn with_health(self, health: BookingHealth) -> Self {
        Self { health, ..self }
    }

    /// The last refusal by each cap and by hosts.
    pub fn refusals(&self) -> Refusals {
        self.metrics.last_refusals.clone()
    }

    /// The recorder of acknowledged launches, with the launches that the stage had to leave open.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// The counter of bookings that were taken back.
    pub fn undone(&self) -> IntCounter {
        self.metrics.undone.clone()
    }
}

/// The reason for which nothing of a plan was booked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Skipped {
    /// Every launch would come after its deadline.
    TooLate,
    /// Another transaction was in the way.
    Conflict,
    /// Another session holds a row.
    Held,
    /// The database refused the rows.
    Refused,
    /// No transaction was committed.
    NothingBooked,
    /// Every booking was refused by a cap, or taken by others.
    NothingAdmitted,
}

impl From<Skipped> for Verdict {
    fn from(skipped: Skipped) -> Self {
        Self::Skip(match skipped {
            Skipped::TooLate => "too_late",
            Skipped::Conflict => "conflict",
            Skipped::Held => "held",
            Skipped::Refused => "refused",
            Skipped::NothingBooked => "nothing_booked",
            Skipped::NothingAdmitted => "nothing_admitted",
        })
    }
}
