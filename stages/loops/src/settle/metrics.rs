//! Metrics of settling.

use prometheus::{IntCounter, IntGauge};

cue_flow::metrics! {
    /// Metrics of launches of unknown outcome.
    pub struct SettleMetrics {
        pub(super) late_killed: IntCounter = "scheduler_late_launches_killed_total",
            "Frames killed because their launch arrived after their booking had been taken back";
        unresolved: IntGauge = "scheduler_launches_unresolved",
            "Bookings whose launch could so far neither be confirmed nor taken back, those of dead schedulers included";
    }
    given {
        /// Bookings that are taken back; dispatch registers the counter.
        pub(super) undone: IntCounter;
    }
}

impl SettleMetrics {
    pub(super) fn set_unresolved(&self, launches: usize) {
        let launches = i64::try_from(launches).unwrap_or(i64::MAX);
        self.unresolved.set(launches);
    }
}
