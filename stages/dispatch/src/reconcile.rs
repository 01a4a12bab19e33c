//! Reconciling: finding bookings whose scheduler died before any host acknowledged their launch.

use std::time::Duration;

use cue_flow::{BoxError, Tick};
use cue_rqd::TracePoint;
use cue_store::StoreError;

use crate::pending::Launch;
use crate::settle::{Settle, go_on_while_away};

/// Pause between two looks.
const EVERY: Duration = Duration::from_secs(3);

/// Bookings taken up in one look.
const AT_ONCE: u32 = 500;

/// The loop that looks for forgotten bookings and leaves them to [`Settle`]. Safe with any number of
/// processes: what is taken back is guarded by proc, state and version.
pub struct Reconcile {
    settle: Settle,
    age: Duration,
}

impl Reconcile {
    /// A loop over bookings at least `age` old. A process that lives begins its launches, and
    /// gives up on their answers, well before that.
    #[must_use]
    pub const fn new(settle: Settle, age: Duration) -> Self {
        Self { settle, age }
    }

    /// Looks once; returns the number of bookings that were found.
    ///
    /// # Errors
    /// The database did not answer.
    pub async fn once(&self) -> Result<usize, StoreError> {
        let pending = &self.settle.pending;
        let known = pending.procs();
        let store = &self.settle.store;
        let found = store.unlaunched_procs(self.age, &known, AT_ONCE).await?;
        let n = found.len();
        for forgotten in found {
            // Dropped at once, it is an unknown outcome like those of this process.
            drop(pending.hold(Launch {
                booking: forgotten.booking,
                host: forgotten.host,
                trace: TracePoint::default(),
                dead: false,
            }));
        }
        if n > 0 {
            tracing::info!(
                bookings = n,
                "bookings were found whose launch no host has acknowledged; asking their hosts"
            );
        }
        Ok(n)
    }
}

impl Tick for Reconcile {
    const NAME: &'static str = "reconcile";

    async fn tick(&self) -> Result<Duration, BoxError> {
        go_on_while_away(self.once().await.map(drop))?;
        Ok(EVERY)
    }
}
