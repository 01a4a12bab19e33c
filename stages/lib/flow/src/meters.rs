//! Metrics of every stage: the same eight families for all of them, labelled by stage.
//!
//! Invariant: a child is looked up once, when its stage or edge is made; handling an item costs only atomic
//! additions. All verdicts of a stage are exported from the start, at zero.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

/// From 10 µs to 30 s, in seconds.
const BUCKETS: [f64; 20] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

crate::metrics! {
    /// The metrics of all stages.
    pub struct Meters {
        items: IntCounterVec = "scheduler_stage_items_total",
            "Items a stage is done with, by verdict; for a source, items it gave.", &["stage", "verdict"];
        queue_depth: IntGaugeVec = "scheduler_stage_queue_depth",
            "Items queued before a stage.", STAGE;
        queue_capacity: IntGaugeVec = "scheduler_stage_queue_capacity",
            "Bound of the queue of a stage.", STAGE;
        queue_wait: HistogramVec = "scheduler_stage_queue_wait_seconds",
            "Time an item was queued.", (STAGE, BUCKETS.to_vec());
        run: HistogramVec = "scheduler_stage_run_seconds",
            "Time a stage worked, without waiting to send.", (STAGE, BUCKETS.to_vec());
        send_wait: HistogramVec = "scheduler_stage_send_wait_seconds",
            "Time a stage waited for room to send.", (STAGE, BUCKETS.to_vec());
        workers: IntGaugeVec = "scheduler_stage_workers",
            "Configured workers of a stage.", STAGE;
        busy: IntGaugeVec = "scheduler_stage_busy_workers",
            "Workers that handle an item or back off.", STAGE;
    }
}

/// The one label of most families.
const STAGE: &[&str] = &["stage"];

impl Meters {
    /// The metrics of one stage.
    pub(crate) fn stage(&self, name: &str) -> StageMeters {
        let count = |verdict| self.items.with_label_values(&[name, verdict]);
        StageMeters {
            done: count("done"),
            skip: count("skip"),
            retry: count("retry"),
            fatal: count("fatal"),
            panic: count("panic"),
            queue_wait: self.queue_wait.with_label_values(&[name]),
            run: self.run.with_label_values(&[name]),
            send_wait: self.send_wait.with_label_values(&[name]),
            workers: self.workers.with_label_values(&[name]),
            busy: self.busy.with_label_values(&[name]),
        }
    }

    /// The metrics of the edge to the stage `to`.
    pub(crate) fn edge(&self, to: &str) -> EdgeMeters {
        EdgeMeters {
            depth: self.queue_depth.with_label_values(&[to]),
            capacity: self.queue_capacity.with_label_values(&[to]),
        }
    }
}

/// The metrics of one stage.
pub(crate) struct StageMeters {
    pub done: IntCounter,
    pub skip: IntCounter,
    pub retry: IntCounter,
    pub fatal: IntCounter,
    pub panic: IntCounter,
    pub queue_wait: Histogram,
    pub run: Histogram,
    pub send_wait: Histogram,
    pub workers: IntGauge,
    pub busy: IntGauge,
}

/// The metrics of one edge.
#[derive(Clone)]
pub(crate) struct EdgeMeters {
    pub depth: IntGauge,
    pub capacity: IntGauge,
}
