//! A stage: one value, one `handle`, one verdict for each item.
//!
//! Invariant: a stage sees its item and its outlet and nothing else of the runtime. It has no
//! channel, no token and no task of its own, so its work ends when `handle` returns.

use std::future::Future;

use crate::edge::Outlet;
use crate::verdict::Verdict;

/// Handles one item at a time in each of its workers.
pub trait Stage: Send + Sync + 'static {
    /// Name in metrics, traces, logs and settings.
    const NAME: &'static str;
    /// Items that the stage takes.
    type In: Send + 'static;
    /// Items that the stage gives; `Infallible` for a last stage.
    type Out: Send + 'static;

    /// Handles one item. The future may be dropped at any await when a drain is out of time.
    fn handle(
        &self,
        item: Self::In,
        out: &Outlet<Self::Out>,
    ) -> impl Future<Output = Verdict> + Send;
}

/// Handles one item at a time on threads beside the async ones, for work that computes and never waits.
///
/// The threads are inside the tokio runtime's context: values that need the runtime to be dropped, such as a
/// database transaction, may be dropped on them.
pub trait CpuStage: Send + Sync + 'static {
    /// Name in metrics, traces, logs and settings.
    const NAME: &'static str;
    /// Items that the stage takes.
    type In: Send + 'static;
    /// Items that the stage gives.
    type Out: Send + 'static;

    /// Handles one item. The item that it gives is sent after the thread is free; an `Err` gives none.
    ///
    /// # Errors
    /// The verdict of a pass that gives nothing.
    fn handle(&self, item: Self::In) -> Result<Self::Out, Verdict>;
}
