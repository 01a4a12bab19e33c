//! Filter of traces: turns without work make none, turns that book nothing few, and no trace is too long to read.
//!
//! A root span carries the outcome and ends last, so the first spans of each trace are held until then. Invariants:
//!
//! 1. Memory is bounded. A trace that outgrows [`MAX_HELD`] or has a failed span is let through at once, and so is a
//!    trace that begins while [`MAX_TRACES`] others are held.
//! 2. A trace is exported whole or not at all, but for spans beyond the limits of [`limits`], because a root ends after
//!    everything below it.
//! 3. The end of a span waits for a short lock at most. No span is sent or freed under the lock.

mod limits;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Span as _, SpanId, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::limits::{Admitted, Ended, has_failed, is_slow};
use super::counts::Counts;

const MAX_TRACES: usize = 1024;

/// A turn without work has a few spans, a turn that books has dozens.
const MAX_HELD: usize = 32;

/// Name of the root span of a turn.
const ROOT: &str = "turn";

/// Attribute of the root span.
const OUTCOME: &str = "cue.turn.outcome";

/// Outcomes of a turn without work: no job waits, or no host could run any.
const NO_WORK: [&str; 2] = ["no_jobs", "no_host"];

/// Outcome of a turn that booked nothing.
const SATURATED: &str = "saturated";

/// Of this number of turns that booked nothing, one is kept.
const THINNED: u64 = 20;

/// Attribute of the root span: spans beyond the limits of a trace.
const LEFT_OUT: &str = "cue.turn.spans_left_out";

/// Span processor in front of the batch processor.
#[derive(Debug)]
pub(super) struct TraceFilter<P> {
    next: P,
    /// Free slots of the batch processor's queue, which does not count the spans that it drops.
    slots: Arc<Semaphore>,
    counts: Counts,
    traces: Mutex<Traces>,
}

#[derive(Debug, Default)]
struct Traces {
    open: HashMap<TraceId, Trace>,
    ended: Ended,
}

/// A trace whose root has not ended.
#[derive(Debug)]
struct Trace {
    root: SpanId,
    /// Spans that wait for the end of the root; `None` once they need not.
    held: Option<Vec<SpanData>>,
    admitted: Admitted,
}

/// Spans that go on now.
#[derive(Default)]
struct Released {
    spans: Vec<SpanData>,
    /// Spans beyond the limits of their trace.
    beyond_limit: u64,
    /// Outcome of the trace of a turn whose root is the span that ended.
    turn: Option<&'static str>,
}

impl Released {
    fn add(&mut self, span: SpanData, admitted: &mut Admitted) {
        if admitted.admit(&span) {
            self.spans.push(span);
        } else {
            self.beyond_limit += 1;
        }
    }
}

impl Trace {
    /// Ends a span below the root; it may have to wait.
    fn end(&mut self, span: SpanData) -> Option<Released> {
        if let Some(held) = &mut self.held
            && held.len() < MAX_HELD
            && !has_failed(&span)
        {
            held.push(span);
            return None;
        }
        let mut released = Released::default();
        for span in self.held.take().into_iter().flatten().chain(once(span)) {
            released.add(span, &mut self.admitted);
        }
        Some(released)
    }

    /// Ends the root. Returns what is known of the trace for spans that come later, if it is kept.
    fn end_root(mut self, mut root: SpanData) -> (Released, Option<Admitted>) {
        let outcome = match &self.held {
            Some(_) => outcome(&root),
            None => KEPT,
        };
        let mut released = Released {
            turn: (root.name == ROOT).then_some(outcome),
            ..Released::default()
        };
        if outcome != KEPT {
            return (released, None);
        }
        for span in self.held.take().into_iter().flatten() {
            released.add(span, &mut self.admitted);
        }
        if self.admitted.left_out() > 0 {
            let left_out = KeyValue::new(LEFT_OUT, self.admitted.left_out());
            root.attributes.push(left_out);
        }
        released.spans.push(root);
        (released, Some(self.admitted))
    }
}

impl<P> TraceFilter<P> {
    pub(super) fn new(next: P, slots: Arc<Semaphore>, counts: Counts) -> Self {
        Self {
            next,
            slots,
            counts,
            traces: Mutex::default(),
        }
    }

    fn end(&self, span: SpanData) -> Option<Released> {
        let mut traces = self.traces.lock();
        let Traces { open, ended } = &mut *traces;
        let id = span.span_context.trace_id();
        let Entry::Occupied(mut entry) = open.entry(id) else {
            // A late span, or one of a trace that began while too many were held.
            let turn = (span.name == ROOT).then_some(KEPT);
            let mut released = Released {
                turn,
                ..Released::default()
            };
            match ended.of(id) {
                Some(admitted) => released.add(span, admitted),
                None => released.spans.push(span),
            }
            return Some(released);
        };
        if entry.get().root != span.span_context.span_id() {
            return entry.get_mut().end(span);
        }
        let (released, admitted) = entry.remove().end_root(span);
        if let Some(admitted) = admitted {
            ended.add(id, admitted);
        }
        Some(released)
    }
}

impl<P: SpanProcessor> SpanProcessor for TraceFilter<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if !context.span().span_context().is_valid() {
            let own = span.span_context();
            let trace = Trace {
                root: own.span_id(),
                held: Some(Vec::new()),
                admitted: Admitted::default(),
            };
            let mut traces = self.traces.lock();
            if traces.open.len() < MAX_TRACES {
                traces.open.insert(own.trace_id(), trace);
            }
        }
        self.next.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        let Some(released) = self.end(span) else {
            return;
        };
        if let Some(outcome) = released.turn {
            self.counts.traces.inc(outcome);
        }
        self.counts
            .spans
            .inc_by("beyond_limit", released.beyond_limit);
        for span in released.spans {
            match self.slots.try_acquire() {
                Ok(slot) => {
                    slot.forget();
                    self.next.on_end(span);
                }
                Err(_full) => self.counts.spans.inc("left_out"),
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.next.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.next.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.next.set_resource(resource);
    }
}

const KEPT: &str = "kept";

/// Outcome of a trace by its root, in the words of `scheduler_traces_total`. Failures and slow roots are kept.
///
/// A statement outside of turns makes no trace: an idle farm would export half a million of those a day.
fn outcome(root: &SpanData) -> &'static str {
    if has_failed(root) {
        return KEPT;
    }
    let turn = root.attributes.iter().find_map(|pair| match &pair.value {
        Value::String(text) if pair.key.as_str() == OUTCOME => Some(text.as_str()),
        _ => None,
    });
    match turn {
        Some(turn) if NO_WORK.contains(&turn) => "no_work",
        _ if is_slow(root) => KEPT,
        Some(SATURATED) if !is_one_in(root.span_context.trace_id(), THINNED) => "thinned",
        None if root.span_kind == SpanKind::Client => "no_work",
        _ => KEPT,
    }
}

/// Returns true for one trace in `n`, the same on every replica.
fn is_one_in(id: TraceId, n: u64) -> bool {
    let random = id.to_bytes().into_iter().skip(8);
    random.fold(0_u64, |number, byte| (number << 8) | u64::from(byte)) % n == 0
}

#[cfg(test)]
mod tests;
