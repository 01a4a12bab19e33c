//! The handle to a running flow: look at it, resize its crews, stop it.
//!
//! Invariant: nothing here waits. A snapshot reads the same numbers that are exported, so the two
//! cannot disagree; a resize takes effect as workers become free.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::StopToken;
use crate::crew::Crew;
use crate::meters::{EdgeMeters, StageMeters};
use crate::quantile::quantile;

/// A handle to a flow. It keeps working, and shows the last numbers, when the flow has ended.
#[derive(Clone)]
pub struct Control {
    board: Arc<Board>,
    stop: StopToken,
}

impl Control {
    pub(crate) fn new(board: Arc<Board>, stop: StopToken) -> Self {
        Self { board, stop }
    }

    /// Changes the number of workers of a running stage. More workers start at once; when there
    /// are to be fewer, busy ones finish what they have in hand. A `CpuStage` has at most 256.
    ///
    /// # Errors
    /// There is no such stage, or it is one whose workers cannot be changed.
    pub fn set_workers(&self, stage: &str, workers: NonZeroUsize) -> Result<(), NoSuchStage> {
        let parts = self.board.parts();
        let crews = || {
            parts
                .iter()
                .filter_map(|part| Some((part.name, part.crew.as_ref()?)))
        };
        let Some((_, crew)) = crews().find(|(name, _)| *name == stage) else {
            let known = crews().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            return Err(NoSuchStage {
                stage: stage.to_owned(),
                known,
            });
        };
        crew.resize(workers);
        Ok(())
    }

    /// How every part of the flow stands, in the order in which they were added.
    #[must_use]
    pub fn snapshot(&self) -> Vec<StageStatus> {
        self.board.parts().iter().map(Part::status).collect()
    }

    /// Tells sources and ticks to stop; the rest follows as the edges close.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

/// There is no stage of this name with workers that can be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no stage `{stage}` has workers to change; those that have: {known}")]
pub struct NoSuchStage {
    /// What was asked for.
    pub stage: String,
    /// The names that would do, comma separated.
    pub known: String,
}

/// What a part of a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It feeds the flow.
    Source,
    /// It handles one item at a time.
    Stage,
    /// It handles what is queued in one go.
    Batch,
    /// It computes on threads of its own.
    Cpu,
    /// It is a side loop.
    Tick,
}

impl Kind {
    /// The kind as one lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Stage => "stage",
            Self::Batch => "batch",
            Self::Cpu => "cpu",
            Self::Tick => "tick",
        }
    }
}

/// How a part of a flow stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageStatus {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Workers it is to have.
    pub workers: u64,
    /// Workers that have an item in hand, or rest after one.
    pub busy: u64,
    /// Items queued before it; 0 for sources and ticks.
    pub queue_depth: u64,
    /// Places in its queue; 0 for sources and ticks.
    pub queue_capacity: u64,
    /// Items it is done with; a batch counts as the items in it. A source counts what it gave, a
    /// tick how often it ran.
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
pub(crate) struct Board(Mutex<Vec<Part>>);

impl Board {
    pub(crate) fn add(&self, part: Part) {
        self.parts().push(part);
    }

    pub(crate) fn parts(&self) -> MutexGuard<'_, Vec<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One part of a flow, as the board knows it.
pub(crate) struct Part {
    pub name: &'static str,
    pub kind: Kind,
    pub meters: Arc<StageMeters>,
    pub edge: Option<EdgeMeters>,
    pub crew: Option<Arc<Crew>>,
}

impl Part {
    pub(crate) fn status(&self) -> StageStatus {
        let count = |gauge: &prometheus::IntGauge| u64::try_from(gauge.get()).unwrap_or(0);
        let meters = &self.meters;
        StageStatus {
            name: self.name,
            kind: self.kind,
            workers: count(&meters.workers),
            busy: count(&meters.busy),
            queue_depth: self.edge.as_ref().map_or(0, |edge| count(&edge.depth)),
            queue_capacity: self.edge.as_ref().map_or(0, |edge| count(&edge.capacity)),
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
}
