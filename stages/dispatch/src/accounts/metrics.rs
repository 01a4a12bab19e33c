//! Metrics of the accounts.

use std::time::{SystemTime, UNIX_EPOCH};

use cue_store::Corrected;
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Values of the label `found`.
pub(super) const FOUND: [&str; 2] = ["release", "look"];

/// Counters and gauges of the accounts.
#[derive(Clone, Debug)]
pub struct AccountsMetrics {
    pub(super) releases: IntCounter,
    pub(super) compare_seconds: Histogram,
    pub(super) corrected: IntCounterVec,
    pub(super) differing: IntGauge,
    pub(super) leads: IntGauge,
    checked: Gauge,
}

impl AccountsMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name is taken.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let compare = HistogramOpts::new(
            "scheduler_recompute_cycle_duration_seconds",
            "Time to compare all counters of managed shows with their procs",
        );
        let corrected = Opts::new(
            "scheduler_accounting_corrected_total",
            "Counters that were set to the sum of their procs, by table and by what found them",
        );
        let metrics = Self {
            releases: IntCounter::new(
                "scheduler_accounting_releases_total",
                "Messages about releases that Cuebot left to the scheduler",
            )?,
            compare_seconds: Histogram::with_opts(compare.buckets(vec![
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
            ]))?,
            corrected: IntCounterVec::new(corrected, &["table", "found"])?,
            differing: IntGauge::new(
                "scheduler_accounting_differing_counters",
                "Counters that differed from their procs at the last comparison, 0 if another replica made it",
            )?,
            leads: IntGauge::new(
                "scheduler_accounting_elected",
                "1 when this replica is the one that compares the accounts",
            )?,
            checked: Gauge::new(
                "scheduler_accounting_checked_timestamp_seconds",
                "Unix time at which the accounts were last compared, by this replica or another",
            )?,
        };
        for table in cue_store::ACCOUNTING_TABLES {
            for found in FOUND {
                metrics.corrected.with_label_values(&[table, found]).reset();
            }
        }
        registry.register(Box::new(metrics.releases.clone()))?;
        registry.register(Box::new(metrics.compare_seconds.clone()))?;
        registry.register(Box::new(metrics.corrected.clone()))?;
        registry.register(Box::new(metrics.differing.clone()))?;
        registry.register(Box::new(metrics.leads.clone()))?;
        registry.register(Box::new(metrics.checked.clone()))?;
        Ok(metrics)
    }

    /// Records a comparison that was made or announced now.
    pub(super) fn checked(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.checked.set(now.unwrap_or_default().as_secs_f64());
    }

    /// Records counters that were set.
    pub(super) fn corrected(&self, corrected: &Corrected, found: &'static str) {
        for (table, count) in &corrected.0 {
            let counter = self.corrected.with_label_values(&[*table, found]);
            counter.inc_by(*count);
        }
    }
}
