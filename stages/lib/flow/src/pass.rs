//! One pass: one worker handles one item.
//!
//! Invariant: a verdict, a panic or an abort ends a pass. In each case its time is measured, and its span closes
//! before its trace is dropped. Only this module logs, counts and acts upon verdicts.

use std::any::Any;
use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Span;

use crate::context::StageContext;
use crate::edge::{Outlet, PassHandle};
use crate::pass_span::PassSpan;
use crate::send_meter::SendMeter;
use crate::trace::Trace;
use crate::verdict::{Chain, Panicked, Verdict};
use crate::worker_pool::HeldWorker;

/// Result of `handle`: a verdict, or the payload of a panic.
pub(crate) type Outcome = Result<Verdict, Box<dyn Any + Send>>;

/// A pass that has begun. The fields are dropped in this order: the span before the trace.
pub(crate) struct Pass {
    context: Arc<StageContext>,
    span: Arc<PassSpan>,
    trace: Trace,
    sent: Arc<SendMeter>,
    began: Instant,
    ended: bool,
}

impl Pass {
    /// Begins a pass over an item that was queued for this long.
    pub(crate) fn begin(context: &Arc<StageContext>, trace: Trace, queued: Duration) -> Self {
        context.meters.queue_wait.observe(queued.as_secs_f64());
        Self {
            context: Arc::clone(context),
            span: Arc::new(PassSpan::open(trace.clone(), context.name)),
            trace,
            sent: Arc::new(SendMeter::new(context.meters.send_wait.clone(), None)),
            began: Instant::now(),
            ended: false,
        }
    }

    /// The outlet for items sent during this pass, which can release its worker.
    pub(crate) fn outlet<T>(&self, out: &Outlet<T>, worker: HeldWorker) -> Outlet<T> {
        let span = Arc::clone(&self.span);
        let pass = PassHandle { worker, span };
        out.for_pass(self.trace.clone(), Arc::clone(&self.sent), Some(pass))
    }

    /// The span to enter while the stage works.
    pub(crate) fn span(&self) -> Span {
        self.span.work()
    }

    /// Returns true once after each change of the span.
    pub(crate) fn has_changed_span(&self) -> bool {
        self.span.take_change()
    }

    /// Ends the pass. Returns the backoff of its worker, if there is one.
    pub(crate) fn end(mut self, outcome: Outcome) -> Option<Duration> {
        self.ended = true;
        self.span().in_scope(|| self.act(outcome))
    }

    fn act(&self, outcome: Outcome) -> Option<Duration> {
        let (stage, meters) = (self.context.name, &self.context.meters);
        match outcome {
            Ok(Verdict::Done) => {
                meters.done.inc();
                self.span.record("done", None);
            }
            Ok(Verdict::Skip(reason)) => {
                meters.skip.inc();
                self.span.record("skip", Some(&reason));
                tracing::debug!(stage, reason, "{stage} skipped an item: {reason}");
            }
            Ok(Verdict::RetryAfter(delay, error)) => {
                meters.retry.inc();
                let error = Chain::of(&error);
                self.span.record("retry", Some(&error));
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(
                    stage,
                    delay_ms,
                    error = %error,
                    "a worker of {stage} backs off for {delay:?}: {error}"
                );
                return Some(delay);
            }
            Ok(Verdict::Fatal(error)) => {
                meters.fatal.inc();
                self.span.record("fatal", Some(&Chain::of(&error)));
                self.context.die(error);
            }
            Err(payload) => {
                meters.panic.inc();
                let error = Panicked::from_payload(payload.as_ref());
                self.span.record("panic", Some(&error as &dyn Display));
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
        self.context.meters.run.observe(worked.as_secs_f64());
        if !self.ended {
            let reason = "the program ended during the pass";
            self.span.record("aborted", Some(&reason));
        }
    }
}
