//! Pauses of booking: a side loop that reads them from the database, so that every replica obeys.
//!
//! A cluster that is paused gets no turn, no share of idle cores, no reservation and no GPU; what has begun is
//! finished. Invariants: a pause holds within half a second after it was set on any replica; it ends by this process's
//! own clock even if the database does not answer; each begin and end is logged once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::DemandIndex;
use cue_domain::{Pause, PauseScope};
use cue_flow::{BoxError, Family, Tick};
use cue_store::{PauseRow, Store, StoreError};
use parking_lot::Mutex;
use prometheus::{IntGaugeVec, Registry};

/// Time between two readings.
const EVERY: Duration = Duration::from_millis(250);

/// A pause that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivePause {
    /// The pause.
    pub pause: Pause,
    /// Time when it was set.
    pub since: Instant,
    /// Its end.
    pub until: Instant,
}

/// Kinds of scopes.
const KINDS: [&str; 3] = ["all", "facility", "show"];

/// The pauses that hold, the lever, and the loop that reads them. Clones share them.
#[derive(Clone)]
pub struct Pauses(Arc<Known>);

struct Known {
    store: Store,
    demand: DemandIndex,
    held: IntGaugeVec,
    active: Mutex<Vec<ActivePause>>,
}

impl Pauses {
    /// Pauses of the work in `demand`, of which none is known yet.
    pub fn new(
        store: Store,
        demand: DemandIndex,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let help = "Pauses of booking that hold, by the kind of their scope.";
        let held = IntGaugeVec::declare(registry, "scheduler_pauses", help, &["scope"])?;
        for kind in KINDS {
            held.with_label_values(&[kind]).set(0);
        }
        Ok(Self(Arc::new(Known {
            store,
            demand,
            held,
            active: Mutex::default(),
        })))
    }

    /// The pauses that hold at `now`, in the order of their scopes.
    pub fn active(&self, now: Instant) -> Vec<ActivePause> {
        let active = self.0.active.lock();
        let holds = active.iter().filter(|active| active.until > now);
        holds.cloned().collect()
    }

    /// Sets a pause for all replicas, in place of one of the same scope, and obeys at once. Returns false if nothing
    /// has the name of its scope.
    pub async fn pause(&self, pause: &Pause, time: Duration) -> Result<bool, StoreError> {
        let is_set = self.0.store.pause(pause, time).await?;
        self.read().await?;
        Ok(is_set)
    }

    /// Ends the pause of a scope for all replicas. Returns true if there was one.
    pub async fn resume(&self, scope: &PauseScope) -> Result<bool, StoreError> {
        let is_ended = self.0.store.resume(scope).await?;
        self.read().await?;
        Ok(is_ended)
    }

    /// Reads the pauses and obeys them.
    ///
    /// # Errors
    /// The database did not answer; pauses that are known hold until their end.
    pub async fn read(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let read = self.0.store.pauses().await;
        let now = Instant::now();
        match read {
            Ok(rows) => {
                self.obey(rows.into_iter().map(|row| active(row, asked)).collect());
                Ok(())
            }
            Err(error) => {
                self.obey(self.active(now));
                Err(error)
            }
        }
    }

    fn obey(&self, mut active: Vec<ActivePause>) {
        active.sort_by(|a, b| a.pause.scope.cmp(&b.pause.scope));
        let scopes = |active: &[ActivePause]| -> Vec<PauseScope> {
            active
                .iter()
                .map(|active| active.pause.scope.clone())
                .collect()
        };
        let mut known = self.0.active.lock();
        report(&known, &active);
        let after = scopes(&active);
        if scopes(&known) != after {
            for kind in KINDS {
                let held = after.iter().filter(|scope| scope.kind() == kind).count();
                let held = i64::try_from(held).unwrap_or(i64::MAX);
                self.0.held.with_label_values(&[kind]).set(held);
            }
            self.0.demand.pause(after);
        }
        *known = active;
    }
}

/// A pause by our clock. Its time is counted from before the question, so that it never ends late.
fn active(row: PauseRow, asked: Instant) -> ActivePause {
    ActivePause {
        pause: row.pause,
        since: asked.checked_sub(row.age).unwrap_or(asked),
        until: asked + row.remaining,
    }
}

/// Logs pauses that began, changed hands or ended.
fn report(before: &[ActivePause], after: &[ActivePause]) {
    for ActivePause { pause, until, .. } in after {
        let Pause { scope, by, reason } = pause;
        if !before.iter().any(|known| known.pause == *pause) {
            let seconds = until.saturating_duration_since(Instant::now()).as_secs();
            tracing::warn!(%scope, by, reason, seconds, "booking is paused");
        }
    }
    for ActivePause { pause, .. } in before {
        let Pause { scope, by, reason } = pause;
        if !after.iter().any(|active| active.pause.scope == *scope) {
            tracing::info!(%scope, by, reason, "booking goes on: the pause has ended");
        }
    }
}

impl Tick for Pauses {
    const NAME: &'static str = "pauses";

    async fn tick(&self) -> Result<Duration, BoxError> {
        match self.read().await {
            Ok(()) => Ok(EVERY),
            // The breaker reports when the database is back.
            Err(_) if self.0.store.outage().is_some() => Ok(EVERY),
            Err(error) => Err(error.into()),
        }
    }
}
