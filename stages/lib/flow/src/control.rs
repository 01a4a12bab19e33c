//! The handle to a running flow: reads its state, resizes its pools.
//!
//! Invariant: nothing here waits. A snapshot reads the exported metrics, so the two cannot disagree. A resize takes
//! effect as workers become free.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::context::{Kind, StageContext};
use crate::quantile::quantile;

/// A handle to a flow. After the end of the flow it shows the last numbers.
#[derive(Clone)]
pub struct Control {
    registry: Arc<StageRegistry>,
}

impl Control {
    pub(crate) fn new(registry: Arc<StageRegistry>) -> Self {
        Self { registry }
    }

    /// Changes the number of workers of a running stage. Additional workers start at once; surplus ones finish their
    /// items first. A `CpuStage` has at most 256.
    ///
    /// # Errors
    /// The stage does not exist, or its workers cannot be changed.
    pub fn set_workers(&self, stage: &str, workers: NonZeroUsize) -> Result<(), NoSuchStage> {
        let parts = self.registry.0.lock();
        let stages: Vec<_> = parts.iter().filter(|part| part.edge.is_some()).collect();
        let Some(part) = stages.iter().find(|part| part.name == stage) else {
            let known: Vec<_> = stages.iter().map(|part| part.name).collect();
            return Err(NoSuchStage {
                stage: stage.to_owned(),
                known: known.join(", "),
            });
        };
        part.pool.resize(workers);
        Ok(())
    }

    /// State of every part of the flow, in the order in which they were added.
    pub fn snapshot(&self) -> Vec<StageStatus> {
        let parts = self.registry.0.lock();
        parts.iter().map(|part| status(part)).collect()
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Control")
    }
}

/// No stage of this name has workers that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stage `{stage}` has workers to change; those that have: {known}")]
pub struct NoSuchStage {
    /// Name that was given.
    pub stage: String,
    /// Names of the stages with workers, comma separated.
    pub known: String,
}

/// State of a part of a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStatus {
    /// Name of the part.
    pub name: &'static str,
    /// Kind of the part.
    pub kind: Kind,
    /// Configured workers.
    pub workers: u64,
    /// Workers that handle an item or back off after one.
    pub busy: u64,
    /// Items queued before the part; 0 for sources and ticks.
    pub queue_depth: u64,
    /// Bound of its queue; 0 for sources and ticks.
    pub queue_capacity: u64,
    /// Finished items. A source counts the items that it gave, a tick its runs.
    pub items: Items,
    /// Half of the items were queued for at most this long, since the start.
    pub queue_wait_p50: Option<Duration>,
    /// 99 % of the items were queued for at most this long, since the start.
    pub queue_wait_p99: Option<Duration>,
    /// Half of the passes took at most this long, without waiting to send.
    pub run_p50: Option<Duration>,
    /// 99 % of the passes took at most this long, without waiting to send.
    pub run_p99: Option<Duration>,
}

/// Items by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Items {
    /// Handled.
    pub done: u64,
    /// Nothing to do.
    pub skip: u64,
    /// Failed for now.
    pub retry: u64,
    /// Failed for good.
    pub fatal: u64,
    /// Lost to a panic.
    pub panic: u64,
}

/// All parts of a flow.
#[derive(Default)]
pub(crate) struct StageRegistry(Mutex<Vec<Arc<StageContext>>>);

impl StageRegistry {
    pub(crate) fn add(&self, part: Arc<StageContext>) {
        self.0.lock().push(part);
    }

    /// Status of the parts that have not ended.
    pub(crate) fn running(&self) -> Vec<StageStatus> {
        let parts = self.0.lock();
        let running = parts.iter().filter(|part| !part.ended.is_cancelled());
        running.map(|part| status(part)).collect()
    }

    /// Waits until all sources and stages have ended.
    pub(crate) async fn line_ended(&self) {
        let parts = self.0.lock().clone();
        for part in parts.iter().filter(|part| part.kind != Kind::Tick) {
            part.ended.cancelled().await;
        }
    }
}

fn status(part: &StageContext) -> StageStatus {
    let count = |gauge: &prometheus::IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
    let (meters, edge) = (&part.meters, part.edge.as_ref());
    StageStatus {
        name: part.name,
        kind: part.kind,
        workers: count(&meters.workers),
        busy: count(&meters.busy),
        queue_depth: edge.map_or(0, |edge| count(&edge.depth)),
        queue_capacity: edge.map_or(0, |edge| count(&edge.capacity)),
        items: Items {
            done: meters.done.get(),
            skip: meters.skip.get(),
            retry: meters.retry.get(),
            fatal: meters.fatal.get(),
            panic: meters.panic.get(),
        },
        queue_wait_p50: quantile(&meters.queue_wait, 0.5),
        queue_wait_p99: quantile(&meters.queue_wait, 0.99),
        run_p50: quantile(&meters.run, 0.5),
        run_p99: quantile(&meters.run, 0.99),
    }
}
