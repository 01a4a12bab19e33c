//! Keeps the spans of a turn back until the turn has ended, and drops those of turns nobody wants.
//!
//! Whether a turn found work, failed or was slow is known only when its root ends, and by then its
//! children have ended long ago. So they wait here. Invariants:
//!
//! 1. The memory is bounded, in traces and in spans. A trace with many spans has found work: if it was
//!    chosen it is let through at once. One that was not chosen waits longer, and is let through too
//!    when it is too large to wait, for it may be one to keep. When there are too many traces, or too
//!    many spans in all of them, the oldest is dropped and counted.
//! 2. A trace is let through whole or not at all: a late span of a dropped trace is dropped too. What
//!    several turns did together is told in the trace of the first and the others point at it; what a
//!    trace points at that is kept for its own sake is kept too, and no more than that.
//! 3. Spans that belong to no turn pass, but for the statements by which the service looks around: an
//!    idle farm would be half a million traces of one span a day. One that failed or was slow passes.
//! 4. Whoever ends a span waits for a short lock at most, under which nothing is sent and nothing is
//!    freed.

mod gone;
mod held;
mod keep;
mod trace;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, SpanContext, TraceContextExt as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::counts::Counts;
use held::Held;
pub(super) use keep::Keep;
use trace::Fate;

/// The name of the root span of a turn.
pub(super) const ROOT: &str = "turn";

/// How much is kept back at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many traces.
    pub(super) traces: usize,
    /// How many spans in all of them.
    pub(super) all: usize,
    /// How many spans of one trace that was chosen.
    pub(super) spans: usize,
    /// How many spans of one trace that was not chosen.
    pub(super) unchosen: usize,
    /// How many dropped traces are remembered, for their late spans.
    pub(super) gone: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            traces: 1024,
            all: 65_536,
            spans: 64,
            unchosen: 2048,
            gone: 1024,
        }
    }
}

/// A span processor in front of another.
#[derive(Debug)]
pub(super) struct TailFilter<P> {
    next: P,
    keep: Keep,
    held: Mutex<Held>,
    counts: Counts,
}

impl<P> TailFilter<P> {
    pub(super) fn new(next: P, keep: Keep, limits: Limits, counts: Counts) -> Self {
        Self {
            next,
            keep,
            held: Mutex::new(Held::new(keep, limits)),
            counts,
        }
    }

    /// Does something with what is held. The lock is free again when this returns.
    fn with_held<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<P: SpanProcessor> TailFilter<P> {
    fn carry_out(&self, fate: Fate) {
        for outcome in fate.outcomes {
            self.counts.traces().inc(outcome);
        }
        for span in fate.waited.into_iter().chain(fate.span) {
            self.next.on_end(sampled(span));
        }
    }
}

impl<P: SpanProcessor> SpanProcessor for TailFilter<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        let is_root = {
            let parent = context.span();
            let parent = parent.span_context();
            !parent.is_valid() || parent.is_remote()
        };
        // The data are a copy, and too dear for every span; roots are few.
        if is_root && span.exported_data().is_some_and(|data| data.name == ROOT) {
            let (trace, chosen) = (
                span.span_context().trace_id(),
                span.span_context().is_sampled(),
            );
            let fate = self.with_held(|held| held.open(trace, chosen));
            self.carry_out(fate);
        }
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !self.keep.is_idle_look(&span) {
            let fate = self.with_held(|held| held.end(span));
            self.carry_out(fate);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    /// A turn that has not ended by now never will: what is known of it is worth keeping.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let fate = self.with_held(Held::empty);
        self.carry_out(fate);
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// What is kept counts as sampled: the queue behind takes nothing else.
fn sampled(mut span: SpanData) -> SpanData {
    let context = &span.span_context;
    if !context.is_sampled() {
        span.span_context = SpanContext::new(
            context.trace_id(),
            context.span_id(),
            context.trace_flags().with_sampled(true),
            context.is_remote(),
            context.trace_state().clone(),
        );
    }
    span
}

#[cfg(test)]
mod tests;
