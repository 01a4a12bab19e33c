//! Stages that compute: a pass runs on a blocking thread of the runtime.
//!
//! Invariant: a thread works only for a pass that holds a permit, so a stage never has more threads than workers.

use std::panic::resume_unwind;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::Span;

use crate::edge::Outlet;
use crate::stage::{CpuStage, Stage};
use crate::verdict::Verdict;

/// Workers of a stage that computes, at most: half of the threads that the runtime has for such work.
pub(crate) const MOST_THREADS: usize = 256;

/// Runs a computing stage as an async one.
pub(crate) struct Blocking<S>(Arc<S>);

impl<S> Blocking<S> {
    pub(crate) fn new(stage: S) -> Self {
        Self(Arc::new(stage))
    }
}

impl<S: CpuStage> Stage for Blocking<S> {
    const NAME: &'static str = S::NAME;
    type In = S::In;
    type Out = S::Out;

    async fn handle(&self, item: S::In, out: &Outlet<S::Out>) -> Verdict {
        let (stage, span) = (Arc::clone(&self.0), Span::current());
        let handling = spawn_blocking(move || span.in_scope(|| stage.handle(item)));
        match handling.await {
            Ok(Ok(given)) => match out.send_last(given).await {
                Ok(()) => Verdict::Done,
                Err(closed) => closed.into(),
            },
            Ok(Err(verdict)) => verdict,
            Err(error) => match error.try_into_panic() {
                Ok(payload) => resume_unwind(payload),
                // Only a runtime that shuts down cancels the call.
                Err(error) => Verdict::Fatal(error.into()),
            },
        }
    }
}
