//! What a stage is: one value, one `handle`, one verdict an item.
//!
//! Invariant: a stage sees its item and its outlet and nothing else of the runtime. It has no
//! channel, no token and no task of its own, so what it does ends when `handle` returns.

use std::future::Future;

use crate::edge::Outlet;
use crate::verdict::Verdict;

/// Handles one item at a time in each of its workers.
pub trait Stage: Send + Sync + 'static {
    /// The name in metrics, traces, logs and settings.
    const NAME: &'static str;
    /// What it takes.
    type In: Send + 'static;
    /// What it gives.
    type Out: Send + 'static;

    /// Handles one item. The future may be dropped at any await when a drain is out of time.
    fn handle(
        &self,
        item: Self::In,
        out: &Outlet<Self::Out>,
    ) -> impl Future<Output = Verdict> + Send;
}

/// Handles everything that is queued, up to a bound, in one go. A lone item does not wait.
pub trait BatchStage: Send + Sync + 'static {
    /// The name in metrics, traces, logs and settings.
    const NAME: &'static str;
    /// What it takes.
    type In: Send + 'static;
    /// What it gives.
    type Out: Send + 'static;

    /// The most items of one batch; 0 is read as 1. Asked anew for each batch.
    fn max_batch(&self) -> usize;

    /// Handles a batch of at least one item, in the order in which they were sent.
    fn handle(
        &self,
        items: Vec<Self::In>,
        out: &Outlet<Self::Out>,
    ) -> impl Future<Output = Verdict> + Send;
}

/// Handles one item at a time on OS threads of its own, for work that computes and never waits.
///
/// The threads are inside the tokio runtime's context: what needs it to be dropped (a database
/// transaction, say) may be dropped on them.
pub trait CpuStage: Send + Sync + 'static {
    /// The name in metrics, traces, logs, settings and of the threads.
    const NAME: &'static str;
    /// What it takes.
    type In: Send + 'static;
    /// What it gives.
    type Out: Send + 'static;

    /// Handles one item; sends with [`Outlet::send_blocking`].
    fn handle(&self, item: Self::In, out: &Outlet<Self::Out>) -> Verdict;
}

/// What a last stage gives: there is no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}
