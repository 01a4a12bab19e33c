//! Keeps the spans of a turn back until the turn has ended, and drops those of turns nobody wants.
//!
//! Whether a turn found work, failed or was slow is known only when its root ends, and by then its
//! children have ended long ago. So they wait here. Invariants:
//!
//! 1. The memory is bounded, in traces and in spans. A trace with many spans has found work: if it was
//!    chosen it is let through at once. One that was not chosen waits longer, and is let through too
//!    when it is too large to wait, for it may be one to keep. When there are too many traces, the
//!    oldest is dropped and counted.
//! 2. A trace is let through whole or not at all: a late span of a dropped trace is dropped too.
//! 3. Spans that belong to no turn pass, but for the statements by which the service looks around: an
//!    idle farm would be half a million traces of one span a day. One that failed or was slow passes.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceId,
};
use opentelemetry::{Context, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};

use super::counts::Counts;

/// The name of the root span of a turn.
pub(super) const ROOT: &str = "turn";

/// The attribute of the root that says how the turn went, and its value for no work.
const OUTCOME: (&str, &str) = ("turn.outcome", "no_jobs");

/// Which turns are kept although they were not chosen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    /// Those that took so long; `None` is none.
    pub(super) slow: Option<Duration>,
    /// Those in which something failed.
    pub(super) failed: bool,
}

/// How much is kept back at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many traces.
    pub(super) traces: usize,
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
    held: Mutex<Held>,
    counts: Counts,
}

impl<P> TailFilter<P> {
    pub(super) fn new(next: P, keep: Keep, limits: Limits, counts: Counts) -> Self {
        Self {
            next,
            held: Mutex::new(Held::new(keep, limits)),
            counts,
        }
    }

    fn with_held<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
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
            if self.with_held(|held| held.open(trace, chosen)) {
                self.counts.traces("evicted").inc();
            }
        }
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let fate = self.with_held(|held| held.end(span));
        if let Some(outcome) = fate.outcome {
            self.counts.traces(outcome).inc();
        }
        for span in fate.waited.into_iter().chain(fate.span) {
            self.next.on_end(sampled(span));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    /// A turn that has not ended by now never will: what is known of it is worth keeping.
    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        for span in self.with_held(Held::empty) {
            self.next.on_end(sampled(span));
        }
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

/// What becomes of a span that ended, and of those that waited with it.
#[derive(Debug, Default)]
struct Fate {
    /// Those that waited and need not any longer, in the order in which they ended.
    waited: Vec<SpanData>,
    /// The span itself, if it passes at once. Most do, and need no list.
    span: Option<SpanData>,
    /// What became of the trace, if this is known now.
    outcome: Option<&'static str>,
}

#[derive(Debug)]
enum Trace {
    /// Spans wait for their root.
    Waiting(Waiting),
    /// The trace is known to be worth keeping.
    Kept,
}

#[derive(Debug)]
struct Waiting {
    spans: Vec<SpanData>,
    /// Whether the sampler wants it.
    chosen: bool,
    /// Whether a span of it failed.
    failed: bool,
}

/// The traces under way, oldest first, and the ids of those dropped lately.
#[derive(Debug)]
struct Held {
    keep: Keep,
    limits: Limits,
    traces: HashMap<TraceId, Trace>,
    order: VecDeque<TraceId>,
    gone: HashSet<TraceId>,
    gone_order: VecDeque<TraceId>,
}

impl Held {
    fn new(keep: Keep, limits: Limits) -> Self {
        Self {
            keep,
            limits,
            traces: HashMap::new(),
            order: VecDeque::new(),
            gone: HashSet::new(),
            gone_order: VecDeque::new(),
        }
    }

    /// Begins to hold a trace; true if another had to be dropped for it.
    fn open(&mut self, trace: TraceId, chosen: bool) -> bool {
        let waiting = Trace::Waiting(Waiting {
            spans: Vec::new(),
            chosen,
            failed: false,
        });
        if self.traces.insert(trace, waiting).is_none() {
            self.order.push_back(trace);
        }
        if self.order.len() <= self.limits.traces {
            return false;
        }
        let Some(oldest) = self.order.pop_front() else {
            return false;
        };
        let dropped = matches!(self.traces.remove(&oldest), Some(Trace::Waiting(_)));
        if dropped {
            self.bury(oldest);
        }
        dropped
    }

    fn end(&mut self, span: SpanData) -> Fate {
        let id = span.span_context.trace_id();
        let is_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
        if is_root && span.name == ROOT {
            return self.end_root(id, span);
        }
        if is_root
            && span.span_kind == SpanKind::Client
            && !has_failed(&span)
            && !self.was_slow(&span)
        {
            return Fate::default();
        }
        let mut fate = Fate::default();
        match self.traces.get_mut(&id) {
            Some(trace @ Trace::Waiting(_)) => fate.waited = trace.wait(span, self.limits),
            None if self.gone.contains(&id) => {}
            Some(Trace::Kept) | None => fate.span = Some(span),
        }
        fate
    }

    fn end_root(&mut self, id: TraceId, root: SpanData) -> Fate {
        self.order.retain(|other| *other != id);
        let waited = match self.traces.remove(&id) {
            Some(Trace::Waiting(waiting)) => {
                if let Some(outcome) = self.unwanted(&waiting, &root) {
                    self.bury(id);
                    return Fate {
                        outcome: Some(outcome),
                        ..Fate::default()
                    };
                }
                waiting.spans
            }
            None if self.gone.contains(&id) => return Fate::default(),
            Some(Trace::Kept) | None => Vec::new(),
        };
        Fate {
            waited,
            span: Some(root),
            outcome: Some("kept"),
        }
    }

    /// Why a turn that has ended is not worth keeping, if it is not.
    fn unwanted(&self, waiting: &Waiting, root: &SpanData) -> Option<&'static str> {
        let failed = waiting.failed || has_failed(root);
        if found_no_work(root) && !failed {
            return Some("no_work");
        }
        let is_kept = waiting.chosen || self.was_slow(root) || (self.keep.failed && failed);
        (!is_kept).then_some("not_sampled")
    }

    fn was_slow(&self, span: &SpanData) -> bool {
        let took = span.end_time.duration_since(span.start_time).ok();
        let slow = self.keep.slow.zip(took);
        slow.is_some_and(|(slow, took)| took >= slow)
    }

    fn bury(&mut self, trace: TraceId) {
        if self.gone.insert(trace) {
            self.gone_order.push_back(trace);
        }
        if self.gone_order.len() > self.limits.gone
            && let Some(oldest) = self.gone_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    fn empty(&mut self) -> Vec<SpanData> {
        self.order.clear();
        self.traces
            .drain()
            .flat_map(|(_, trace)| match trace {
                Trace::Waiting(waiting) => waiting.spans,
                Trace::Kept => Vec::new(),
            })
            .collect()
    }
}

impl Trace {
    /// Adds a span to those that wait, and lets all of them go if they are too many.
    fn wait(&mut self, span: SpanData, limits: Limits) -> Vec<SpanData> {
        let Self::Waiting(waiting) = self else {
            return vec![span];
        };
        waiting.failed |= has_failed(&span);
        waiting.spans.push(span);
        let most = if waiting.chosen {
            limits.spans
        } else {
            limits.unchosen
        };
        if waiting.spans.len() <= most {
            return Vec::new();
        }
        let pass = std::mem::take(&mut waiting.spans);
        *self = Self::Kept;
        pass
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

fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

fn found_no_work(root: &SpanData) -> bool {
    root.attributes.iter().any(|attribute| {
        attribute.key.as_str() == OUTCOME.0
            && matches!(&attribute.value, Value::String(text) if text.as_str() == OUTCOME.1)
    })
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
