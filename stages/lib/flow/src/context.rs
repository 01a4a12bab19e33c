//! The context of a part: its name, metrics, workers and shutdown.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::meters::{EdgeMeters, StageMeters};
use crate::shutdown::ShutdownState;
use crate::verdict::BoxError;
use crate::worker_pool::WorkerPool;

/// Kind of a part of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Feeds the flow.
    Source,
    /// Handles items on async workers.
    Stage,
    /// Computes on threads.
    Cpu,
    /// Repeats a side task.
    Tick,
}

impl Kind {
    /// The kind as one lower-case word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Stage => "stage",
            Self::Cpu => "cpu",
            Self::Tick => "tick",
        }
    }
}

/// Shared by all tasks of one part: a stage, a source or a tick.
pub(crate) struct StageContext {
    pub name: &'static str,
    pub kind: Kind,
    pub meters: StageMeters,
    /// The edge to a stage; `None` for sources and ticks.
    pub edge: Option<EdgeMeters>,
    pub pool: Arc<WorkerPool>,
    pub shutdown: Arc<ShutdownState>,
    /// Cancelled when this part must take nothing more.
    pub halt: CancellationToken,
    /// Cancelled when this part has ended by itself.
    pub ended: CancellationToken,
}

impl StageContext {
    /// Ends this part, and with it the program.
    pub(crate) fn die(&self, error: BoxError) {
        self.shutdown.fail(self.name, error);
        self.halt.cancel();
    }

    /// Waits for the delay, or until the program stops.
    pub(crate) async fn back_off(&self, delay: Duration) {
        // Both ends are fine.
        let _ended = tokio::time::timeout(delay, self.shutdown.stop.cancelled()).await;
    }
}
