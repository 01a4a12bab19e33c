//! Metrics of job fetch.

use prometheus::{Histogram, IntCounter};

cue_flow::metrics! {
    /// Job fetch's metrics.
    pub(crate) struct FetchMetrics {
        pub(crate) jobs: IntCounter = "scheduler_jobs_queried_total",
            "Jobs of picked layers, as read by their keys";
        pub(crate) backoffs: IntCounter = "scheduler_layers_skipped_while_resting_total",
            "Layers skipped because they back off";
        pub(crate) pick_seconds: Histogram = "scheduler_pick_duration_seconds",
            "Time of picking layers for a turn from the indexes of demand and supply",
            vec![0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
        pub(crate) query_seconds: Histogram = "scheduler_job_query_duration_seconds",
            "Time of reading the rows of picked layers",
            vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    }
}
