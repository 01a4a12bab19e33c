//! What makes a turn worth keeping for its own sake: that it failed, or that it was slow.
//!
//! Invariant: nothing here looks at more than one span and what is known of its turn, so it can be
//! asked without a lock.

use std::time::Duration;

use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

use super::ROOT;

/// The attribute of the root that says how the turn went, and its value for no work.
pub(super) const OUTCOME: (&str, &str) = ("turn.outcome", "no_jobs");

/// Which turns are kept although they were not chosen.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct Keep {
    /// Those that took so long; `None` is none.
    pub(in crate::telemetry) slow: Option<Duration>,
    /// Those in which something failed.
    pub(in crate::telemetry) failed: bool,
}

impl Keep {
    pub(super) fn was_slow(self, span: &SpanData) -> bool {
        let took = span.end_time.duration_since(span.start_time).ok();
        let slow = self.slow.zip(took);
        slow.is_some_and(|(slow, took)| took >= slow)
    }

    /// Whether a span that belongs to no turn is one of those with which the service only looks around.
    pub(super) fn is_idle_look(self, span: &SpanData) -> bool {
        let looks = is_root(span) && !is_turn(span) && span.span_kind == SpanKind::Client;
        looks && !has_failed(span) && !self.was_slow(span)
    }
}

pub(super) fn is_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote
}

pub(super) fn is_turn(span: &SpanData) -> bool {
    is_root(span) && span.name == ROOT
}

pub(super) fn has_failed(span: &SpanData) -> bool {
    matches!(span.status, Status::Error { .. })
}

pub(super) fn found_no_work(root: &SpanData) -> bool {
    attribute(root, OUTCOME.0)
        .is_some_and(|value| matches!(value, Value::String(text) if text.as_str() == OUTCOME.1))
}

fn attribute<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
    let attributes = &mut span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| &attribute.value)
}
