//! A source: the part that feeds a line.
//!
//! Invariant: of the parts of a line, only the source receives the stop. When it returns, its outlet is dropped
//! with it, and the close travels down the line behind the last item.

use std::future::Future;
use std::sync::Arc;

use crate::context::StageContext;
use crate::edge::Outlet;
use crate::send_meter::SendMeter;
use crate::trace::Trace;
use crate::verdict::BoxError;

/// Stops sources and ticks. No other part sees it.
pub type StopToken = tokio_util::sync::CancellationToken;

/// Gives items until it is stopped, or has none left.
pub trait Source: Send + 'static {
    /// Name in metrics, logs and settings.
    const NAME: &'static str;
    /// Items that the source gives.
    type Out: Send + 'static;

    /// Runs until `stop` is cancelled. Returning `Ok` earlier is a normal end: everything after it
    /// drains. An `Err` stops the program.
    fn run(
        self,
        out: Outlet<Self::Out>,
        stop: StopToken,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Runs a source, which is one worker.
pub(crate) async fn run<S: Source>(
    source: S,
    out: Outlet<S::Out>,
    context: Arc<StageContext>,
) -> Result<(), BoxError> {
    let StageContext {
        meters, shutdown, ..
    } = context.as_ref();
    let mut worker = context.pool.permit().await;
    worker.work();
    let sent = Arc::new(SendMeter::new(
        meters.send_wait.clone(),
        Some(meters.done.clone()),
    ));
    let out = out.for_pass(Trace::default(), sent, None);
    tokio::select! {
        biased;
        () = shutdown.abort.cancelled() => Ok(()),
        ended = source.run(out, shutdown.stop.clone()) => ended,
    }
}
