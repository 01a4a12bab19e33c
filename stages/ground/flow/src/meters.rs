//! The numbers of every stage: the same eight instruments for all of them, labelled by stage.
//!
//! Invariant: a child is looked up once, when its stage or edge is made; on the way of an item
//! there are only atomic additions. All verdicts of a stage are exported from the start, at zero.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::registered;

/// From 10 µs to 30 s, in seconds.
const BUCKETS: [f64; 20] = [
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

/// The instruments of all stages, registered once.
#[derive(Clone)]
pub struct Meters {
    items: IntCounterVec,
    queue_depth: IntGaugeVec,
    queue_capacity: IntGaugeVec,
    queue_wait: HistogramVec,
    run: HistogramVec,
    send_wait: HistogramVec,
    workers: IntGaugeVec,
    busy: IntGaugeVec,
}

impl Meters {
    /// Makes the instruments and registers them.
    ///
    /// # Errors
    /// The registry has instruments of these names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            items: {
                let opts = Opts::new(
                    "scheduler_stage_items_total",
                    "Items a stage is done with, by verdict; for a source, items it gave.",
                );
                registered(registry, IntCounterVec::new(opts, &["stage", "verdict"])?)?
            },
            queue_depth: gauge(registry, "queue_depth", "Items queued before a stage.")?,
            queue_capacity: gauge(
                registry,
                "queue_capacity",
                "Places in the queue of a stage.",
            )?,
            queue_wait: histogram(registry, "queue_wait", "Time an item was queued.")?,
            run: histogram(
                registry,
                "run",
                "Time a stage worked, without waiting to send.",
            )?,
            send_wait: histogram(
                registry,
                "send_wait",
                "Time a stage waited for room to send.",
            )?,
            workers: gauge(registry, "workers", "Workers a stage is to have.")?,
            busy: gauge(
                registry,
                "busy_workers",
                "Workers that have an item in hand.",
            )?,
        })
    }

    /// The instruments of one stage.
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

    /// The instruments of the edge that leads to stage `to`.
    pub(crate) fn edge(&self, to: &str) -> EdgeMeters {
        EdgeMeters {
            depth: self.queue_depth.with_label_values(&[to]),
            capacity: self.queue_capacity.with_label_values(&[to]),
        }
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

/// The instruments of one stage.
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

/// The instruments of one edge.
#[derive(Clone)]
pub(crate) struct EdgeMeters {
    pub depth: IntGauge,
    pub capacity: IntGauge,
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
    let opts = Opts::new(format!("scheduler_stage_{name}"), help);
    registered(registry, IntGaugeVec::new(opts, &["stage"])?)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::new(format!("scheduler_stage_{name}_seconds"), help)
        .buckets(BUCKETS.to_vec());
    registered(registry, HistogramVec::new(opts, &["stage"])?)
}
