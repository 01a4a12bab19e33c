//! A source: what feeds a flow.
//!
//! Invariant: a source is the only part of a line that is told to stop. When it returns, its
//! outlet is dropped with it, and the close travels down the line behind the last item.

use std::future::Future;
use std::sync::Arc;

use crate::StopToken;
use crate::drain::Fate;
use crate::edge::{Outlet, SendMeter};
use crate::meters::StageMeters;
use crate::verdict::BoxError;

/// Gives items until it is told to stop, or has none left.
pub trait Source: Send + 'static {
    /// The name in metrics, logs and settings.
    const NAME: &'static str;
    /// What it gives.
    type Out: Send + 'static;

    /// Runs until `stop` is cancelled. Returning `Ok` earlier is a normal end: everything after it
    /// drains. An `Err` stops the program.
    fn run(
        self,
        out: Outlet<Self::Out>,
        stop: StopToken,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// Runs a source as the one worker it is.
pub(crate) async fn run<S: Source>(
    source: S,
    out: Outlet<S::Out>,
    meters: Arc<StageMeters>,
    fate: Arc<Fate>,
) -> Result<(), BoxError> {
    let _at_work = AtWork::start(&meters);
    let sent = Arc::new(SendMeter::new(
        meters.send_wait.clone(),
        Some(meters.done.clone()),
    ));
    let out = out.for_pass(Default::default(), sent);
    tokio::select! {
        biased;
        () = fate.abort.cancelled() => Ok(()),
        ended = source.run(out, fate.stop.clone()) => ended,
    }
}

/// Shows a part with one worker as busy, as long as it lives.
struct AtWork<'a>(&'a StageMeters);

impl<'a> AtWork<'a> {
    fn start(meters: &'a StageMeters) -> Self {
        meters.workers.set(1);
        meters.busy.set(1);
        Self(meters)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.busy.set(0);
    }
}
