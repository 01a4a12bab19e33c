//! Reconciling: finding bookings whose scheduler died before any host acknowledged their launch.

use std::sync::Arc;
use std::time::Duration;

use cue_dispatch::{Launch, PendingLaunches};
use cue_flow::{BoxError, Tick};
use cue_rqd::TracePoint;
use cue_store::{Store, StoreError};

use crate::outage::postpone;

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(3);

/// Bookings taken up in one look.
const AT_ONCE: u32 = 500;

/// The loop that looks for forgotten bookings and leaves them to [`Settle`](crate::Settle). Safe with any number of
/// processes: what is taken back is guarded by proc, state and version.
pub struct Reconcile {
    store: Store,
    pending: Arc<PendingLaunches>,
    age: Duration,
}

impl Reconcile {
    /// A loop over bookings at least `age` old, which become `pending`. A process that lives begins its launches,
    /// and abandons the wait for their answers, well before that age.
    pub const fn new(store: Store, pending: Arc<PendingLaunches>, age: Duration) -> Self {
        Self {
            store,
            pending,
            age,
        }
    }

    /// Looks once; returns the number of bookings that were found.
    pub async fn once(&self) -> Result<usize, StoreError> {
        let known = self.pending.procs();
        let found = self.store.unlaunched_procs(self.age, &known, AT_ONCE);
        let found = found.await?;
        let n = found.len();
        for booking in found {
            // Dropped at once, the launch has an unknown outcome like those of this process.
            drop(self.pending.hold(Launch {
                booking,
                trace: TracePoint::default(),
                dead: false,
            }));
        }
        if n > 0 {
            tracing::info!(
                bookings = n,
                "found bookings whose launch no host has acknowledged; asking their hosts"
            );
        }
        Ok(n)
    }
}

impl Tick for Reconcile {
    const NAME: &'static str = "reconcile";

    async fn tick(&self) -> Result<Duration, BoxError> {
        postpone(self.once().await.map(drop))?;
        Ok(EVERY)
    }
}
