//! Metrics of the demand refresh.

use std::time::Duration;

use cue_demand::DemandStats;
use cue_flow::Labelled;
use prometheus::{HistogramVec, IntGauge};

cue_flow::metrics! {
    /// Metrics of the readings and of the index that they fill.
    pub struct DemandMetrics {
        pub(super) readings: Labelled = "scheduler_demand_readings_total",
            "Readings of the waiting work, by outcome",
            ("outcome", &["ok", "error"]);
        read_seconds: HistogramVec = "scheduler_demand_reading_duration_seconds",
            "Time of a reading of the waiting work: of the rows that changed, or of all",
            (&["kind"], vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0]);
        waiting_layers: IntGauge = "scheduler_waiting_layers",
            "Layers with waiting frames, of jobs that may run";
    }
}

impl DemandMetrics {
    /// Records the time of a reading.
    pub(super) fn read_seconds(&self, complete: bool, took: Duration) {
        let kind = if complete { "complete" } else { "changes" };
        let seconds = self.read_seconds.with_label_values(&[kind]);
        seconds.observe(took.as_secs_f64());
    }

    /// Sets the gauges of the index.
    pub(super) fn set(&self, stats: &DemandStats) {
        let layers = i64::try_from(stats.layers).unwrap_or(i64::MAX);
        self.waiting_layers.set(layers);
    }
}
