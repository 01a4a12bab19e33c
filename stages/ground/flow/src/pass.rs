//! One pass: an item, or a batch, on its way through the hands of one worker.
//!
//! Invariant: whatever ends a pass (a verdict, a panic, an abort), its time is measured and its
//! spans close before its traces are let go. This is the one place where a verdict is logged,
//! counted and acted upon.

use std::any::Any;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use crate::StopToken;
use crate::crew::Crew;
use crate::drain::Fate;
use crate::edge::{Outlet, SendMeter};
use crate::meters::StageMeters;
use crate::trace::{StageSpans, Traces};
use crate::verdict::{BoxError, Chain, Panicked, Verdict};

/// What `handle` came to: a verdict, or the payload of a panic.
pub(crate) type Outcome = Result<Verdict, Box<dyn Any + Send>>;

/// What all passes of one stage share.
pub(crate) struct Post {
    pub name: &'static str,
    pub meters: Arc<StageMeters>,
    pub crew: Arc<Crew>,
    pub fate: Arc<Fate>,
    /// Cancelled when this stage must take nothing more.
    pub halt: StopToken,
}

impl Post {
    /// Ends this stage, and with it the program.
    pub(crate) fn die(&self, error: BoxError) {
        self.fate.fail(self.name, error);
        self.halt.cancel();
    }

    /// Waits for the delay, or until the program stops.
    pub(crate) async fn rest(&self, delay: Duration) {
        // Both ends of the rest are fine, so it does not matter which one it was.
        let _ended = tokio::time::timeout(delay, self.fate.stop.cancelled()).await;
    }
}

/// A pass that is under way. The spans stand before the traces, so they are dropped first.
pub(crate) struct Pass {
    post: Arc<Post>,
    spans: StageSpans,
    traces: Traces,
    sent: Arc<SendMeter>,
    items: u64,
    began: Instant,
    ended: bool,
}

impl Pass {
    /// Begins a pass over items with these traces and times spent queued.
    pub(crate) fn begin(post: &Arc<Post>, items: &[(Traces, Duration)]) -> Self {
        for (_, queued) in items {
            post.meters.queue_wait.observe(queued.as_secs_f64());
        }
        let (spans, traces) = StageSpans::open(post.name, items);
        let sent = Arc::new(SendMeter::new(post.meters.send_wait.clone(), None));
        Self {
            post: Arc::clone(post),
            spans,
            traces,
            sent,
            items: items.len() as u64,
            began: Instant::now(),
            ended: false,
        }
    }

    /// The outlet for what is sent during this pass.
    pub(crate) fn outlet<T>(&self, out: &Outlet<T>) -> Outlet<T> {
        let belongs = (self.traces.clone(), self.spans.clone());
        out.for_pass(belongs, Arc::clone(&self.sent))
    }

    /// The span to work in.
    pub(crate) fn span(&self) -> Span {
        self.spans.entered()
    }

    /// Ends the pass. Says how long its worker is to rest, if it is to.
    pub(crate) fn end(mut self, outcome: Outcome) -> Option<Duration> {
        self.ended = true;
        self.span().in_scope(|| self.act(outcome))
    }

    fn act(&self, outcome: Outcome) -> Option<Duration> {
        let (stage, meters) = (self.post.name, &self.post.meters);
        match outcome {
            Ok(Verdict::Done) => {
                meters.done.inc_by(self.items);
                self.spans.record("done", None);
            }
            Ok(Verdict::Skip(reason)) => {
                meters.skip.inc_by(self.items);
                self.spans.record("skip", Some(&reason));
                tracing::debug!(stage, reason, "{stage} skipped an item: {reason}");
            }
            Ok(Verdict::RetryAfter(delay, error)) => {
                meters.retry.inc_by(self.items);
                let error = Chain::of(&error);
                self.spans.record("retry", Some(&error));
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(
                    stage,
                    delay_ms,
                    error = %error,
                    "a worker of {stage} rests for {delay:?}: {error}"
                );
                return Some(delay);
            }
            Ok(Verdict::Fatal(error)) => {
                meters.fatal.inc_by(self.items);
                self.spans.record("fatal", Some(&Chain::of(&error)));
                self.post.die(error);
            }
            Err(payload) => {
                meters.panic.inc_by(self.items);
                let error = Panicked::from_payload(payload.as_ref());
                self.spans.record("panic", Some(&error as &dyn Display));
                tracing::error!(stage, error = %error, "a worker of {stage} lost an item: {error}");
            }
        }
        None
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let waited = self.sent.waited();
        let worked = self.began.elapsed().saturating_sub(waited);
        self.post.meters.run.observe(worked.as_secs_f64());
        self.spans.record_send_wait(waited);
        if !self.ended {
            let reason = "the program ended while it was at work";
            self.spans.record("aborted", Some(&reason));
        }
    }
}
