//! Metrics of layer lock.

use prometheus::{Histogram, IntCounter, IntCounterVec};

cue_flow::metrics! {
    /// Layer lock's metrics.
    pub(crate) struct LockMetrics {
        pub(crate) processed: IntCounterVec = "scheduler_jobs_processed_total",
            "Jobs sent to host match, by show: once for each batch that holds layers of the job",
            &["show_name"];
        pub(crate) skipped: IntCounter = "scheduler_layers_skipped_by_lock_total",
            "Layers that were not locked because another transaction holds them";
        pub(crate) at_job_cap: IntCounter = "scheduler_job_cap_precheck_skip_total",
            "Layers for which no SQL was spent because the caps of their job and folder leave too few cores";
        pub(crate) at_limit: IntCounter = "scheduler_layers_skipped_at_limit_total",
            "Layers of which no frame was locked because a limit of theirs is full";
        pub(crate) unreadable: IntCounter = "scheduler_layers_unreadable_total",
            "Layers that back off because a row of theirs cannot be read";
        pub(crate) batch_frames: Histogram = "scheduler_batch_frames",
            "Frames locked in one transaction",
            vec![1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0];
    }
}
