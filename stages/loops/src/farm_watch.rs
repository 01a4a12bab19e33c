//! The watch of the farm by show: a side loop that looks at the indexes once a second, for metrics, `/status` and page.
//!
//! Invariants: at most a hundredth of the time goes into it. It asks the database nothing.

mod metrics;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::{DemandIndex, FarmInput, FarmView, PickRules, Supply};
use cue_domain::LayerId;
use cue_domain::backoff::Backoffs;
use cue_flow::{BoxError, Tick, now_us};
use cue_hosts::HostIndex;
use parking_lot::Mutex;
use prometheus::Registry;

use self::metrics::FarmMetrics;
use crate::latest::Latest;

/// Time between two views.
const EVERY: Duration = Duration::from_secs(1);
/// Time for which the sizes of the hosts are kept.
const KEEP_SIZES: Duration = Duration::from_secs(10);
/// A view takes at most the time divided by this.
const PARTS: u32 = 100;

/// The indexes that a view is made of.
pub struct Indexes {
    /// Waiting work.
    pub demand: DemandIndex,
    /// Hosts.
    pub hosts: HostIndex,
    /// Layers that back off.
    pub backoffs: Arc<Backoffs<LayerId>>,
}

/// The side loop.
pub struct FarmWatch {
    indexes: Indexes,
    rules: PickRules,
    found: Latest<FarmView>,
    metrics: FarmMetrics,
    /// Hosts as if nothing ran on them, and the time of that.
    sizes: Mutex<Option<(Instant, usize, Arc<Supply>)>>,
}

impl FarmWatch {
    /// A loop that has not looked yet.
    pub fn new(
        indexes: Indexes,
        rules: PickRules,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            indexes,
            rules,
            found: Latest::default(),
            metrics: FarmMetrics::new(registry)?,
            sizes: Mutex::default(),
        })
    }

    /// A handle to the last view.
    pub fn found(&self) -> Latest<FarmView> {
        self.found.clone()
    }

    /// Looks at the farm once.
    pub fn once(&self) {
        let Indexes {
            demand,
            hosts,
            backoffs,
        } = &self.indexes;
        let now = Instant::now();
        let all = hosts.hosts();
        let whole = self.sizes(&all, now);
        let view = demand.farm(&FarmInput {
            hosts: &all,
            whole: &whole,
            host_backoffs: &hosts.backoffs(now),
            layer_backoffs: &backoffs.wait_reasons(now),
            rules: &self.rules,
            now,
            now_us: now_us(),
        });
        self.metrics.set(&view);
        self.found.replace(view);
    }

    fn sizes(&self, hosts: &[cue_domain::Host], now: Instant) -> Arc<Supply> {
        let mut sizes = self.sizes.lock();
        let is_fresh = |(at, count, _): &&(Instant, usize, Arc<Supply>)| {
            *count == hosts.len() && now.saturating_duration_since(*at) < KEEP_SIZES
        };
        if let Some((_, _, whole)) = sizes.as_ref().filter(is_fresh) {
            return Arc::clone(whole);
        }
        let whole = Arc::new(Supply::of_idle_farm(hosts));
        *sizes = Some((now, hosts.len(), Arc::clone(&whole)));
        whole
    }
}

impl Tick for FarmWatch {
    const NAME: &'static str = "farm_watch";

    async fn tick(&self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        self.once();
        Ok(EVERY.max(began.elapsed().saturating_mul(PARTS - 1)))
    }
}
