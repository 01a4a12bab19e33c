//! Limits of a trace: at most [`MAX_SPANS`] spans, of which the last is the root.
//!
//! First come all spans; then those that failed, or were slow; at last those only that have others below them, so that
//! nothing loses its parent. What is left out is counted.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use opentelemetry::trace::{SpanId, Status, TraceId};
use opentelemetry_sdk::trace::SpanData;

/// A span that takes this long is slow.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// Spans of a trace.
pub(super) const MAX_SPANS: usize = 500;

/// Spans of any kind.
const ORDINARY: usize = 300;

/// Spans of any kind, and those that failed or were slow.
const REMARKABLE: usize = 400;

/// Traces whose root has ended, of which the number of spans is remembered.
const REMEMBERED: usize = 1024;

/// The spans of a trace that were let through.
#[derive(Debug, Default)]
pub(super) struct Admitted {
    spans: usize,
    left_out: i64,
    parents: HashSet<SpanId>,
}

impl Admitted {
    /// Returns true if there is room for a span below the root, which is then counted.
    pub(super) fn admit(&mut self, span: &SpanData) -> bool {
        let limit = match () {
            () if self.spans < ORDINARY => MAX_SPANS,
            () if self.parents.contains(&span.span_context.span_id()) => MAX_SPANS - 1,
            () if has_failed(span) || is_slow(span) => REMARKABLE,
            () => ORDINARY,
        };
        if self.spans >= limit {
            self.left_out += 1;
            return false;
        }
        self.spans += 1;
        self.parents.insert(span.parent_span_id);
        true
    }

    /// Spans that were left out.
    pub(super) const fn left_out(&self) -> i64 {
        self.left_out
    }
}

/// The last traces whose root has ended: the outcome of a launch may come minutes later.
#[derive(Debug, Default)]
pub(super) struct Ended {
    traces: HashMap<TraceId, Admitted>,
    order: VecDeque<TraceId>,
}

impl Ended {
    pub(super) fn add(&mut self, id: TraceId, mut admitted: Admitted) {
        admitted.spans += 1;
        self.traces.insert(id, admitted);
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.traces.remove(&oldest);
        }
    }

    pub(super) fn of(&mut self, id: TraceId) -> Option<&mut Admitted> {
        self.traces.get_mut(&id)
    }
}

pub(super) fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

pub(super) fn is_slow(span: &SpanData) -> bool {
    let took = span.end_time.duration_since(span.start_time);
    took.is_ok_and(|took| took >= SLOW)
}
