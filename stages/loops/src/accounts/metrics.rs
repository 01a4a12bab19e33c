//! Metrics of the accounts.

use std::time::{SystemTime, UNIX_EPOCH};

use cue_store::Corrected;
use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};

/// Source of a correction, as the label `found` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FoundBy {
    /// Cuebot reported a release, now or a moment ago.
    Release,
    /// A comparison.
    Comparison,
}

impl FoundBy {
    const fn label(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Comparison => "look",
        }
    }
}

cue_flow::metrics! {
    /// Counters and gauges of the accounts.
    pub struct AccountsMetrics {
        pub(super) releases: IntCounter = "scheduler_accounting_releases_total",
            "Messages about releases that Cuebot left to the scheduler";
        pub(super) compare_seconds: Histogram = "scheduler_recompute_cycle_duration_seconds",
            "Time to compare all counters of managed shows with their procs",
            vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
        corrected: IntCounterVec = "scheduler_accounting_corrected_total",
            "Counters that were set to the sum of their procs, by table and by what found them",
            &["table", "found"];
        pub(super) differing: IntGauge = "scheduler_accounting_differing_counters",
            "Counters that differed from their procs at the last comparison, 0 if another replica made it";
        pub(super) leads: IntGauge = "scheduler_accounting_elected",
            "1 when this replica is the one that compares the accounts";
        checked: Gauge = "scheduler_accounting_checked_timestamp_seconds",
            "Unix time at which the accounts were last compared, by this replica or another";
    }
}

impl AccountsMetrics {
    /// Exports every series of corrections at zero, so that a rate has a beginning.
    pub(super) fn begin(&self) {
        for table in cue_store::ACCOUNTING_TABLES {
            for found in [FoundBy::Release, FoundBy::Comparison] {
                let labels = [table, found.label()];
                self.corrected.with_label_values(&labels).reset();
            }
        }
    }

    /// Records a comparison that was made or announced now.
    pub(super) fn checked(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.checked.set(now.unwrap_or_default().as_secs_f64());
    }

    /// Records counters that were set.
    pub(super) fn corrected(&self, corrected: &Corrected, found: FoundBy) {
        for (table, count) in &corrected.0 {
            let counter = self.corrected.with_label_values(&[*table, found.label()]);
            counter.inc_by(*count);
        }
    }
}
