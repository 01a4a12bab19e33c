//! The watch for work that no host could serve: a side loop that compares what waits with the tags of hosts.
//!
//! Invariants: at most a hundredth of the time goes into it. What could not be read stays as last known. What
//! one look finds for the first time is looked at again before it counts: a host may get its tags a moment
//! after its work was submitted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cue_demand::DemandIndex;
use cue_domain::Unserved;
use cue_flow::{BoxError, Family, Tick};
use cue_store::Store;
use prometheus::{IntGauge, Registry};

use crate::latest::Latest;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Time until a second look.
const SECOND_LOOK: Duration = Duration::from_secs(2);

/// The side loop.
pub struct UnservedWatch {
    store: Store,
    demand: DemandIndex,
    found: Latest<Unserved>,
    /// The last look found something for the first time.
    suspected: AtomicBool,
    layers: IntGauge,
}

impl UnservedWatch {
    /// A loop that has not looked yet.
    pub fn new(
        store: Store,
        demand: DemandIndex,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let help = "Waiting layers that no host could serve, because none in an allocation of the show carries one of their tags.";
        let layers = IntGauge::declare(registry, "scheduler_unserved_layers", help, ())?;
        Ok(Self {
            store,
            demand,
            found: Latest::default(),
            suspected: AtomicBool::default(),
            layers,
        })
    }

    /// A handle to what the loop has found.
    pub fn found(&self) -> Latest<Unserved> {
        self.found.clone()
    }
}

impl Tick for UnservedWatch {
    const NAME: &'static str = "unserved";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        let carried = self.store.carried_tags().await?;
        let took = began.elapsed();
        let now = self.demand.unserved(&carried);
        let is_new = now.layers > 0 && self.found.read().layers == 0;
        if is_new && !self.suspected.swap(true, Ordering::Relaxed) {
            return Ok(SECOND_LOOK.max(took * 99));
        }
        self.suspected.store(false, Ordering::Relaxed);
        self.layers
            .set(i64::try_from(now.layers).unwrap_or(i64::MAX));
        let (layers, frames) = (now.layers, now.frames);
        let example = now.examples.first().cloned();
        let before = self.found.replace(now);
        match (before.layers, example) {
            (0, Some(example)) => tracing::warn!(
                layers,
                frames,
                "layers wait and no host could serve them, as {example}; see cue-scheduler check"
            ),
            (1.., None) => tracing::info!("some host could serve every waiting layer again"),
            _ => {}
        }
        Ok(EVERY.max(took * 99))
    }
}
