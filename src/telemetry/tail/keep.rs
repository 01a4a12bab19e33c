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

/// Its value for a turn that did not even look for work, since there was no host for any.
const NO_HOST: &str = "no_host";

/// The attribute of the root that says for how many microseconds the turn waited for room in the queue
/// of the first stage.
pub(super) const SEND_WAIT: &str = "send_wait_us";

/// Which turns are kept although they were not chosen.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct Keep {
    /// Those that took so long; `None` is none.
    pub(in crate::telemetry) slow: Option<Duration>,
    /// Those in which something failed.
    pub(in crate::telemetry) failed: bool,
}

impl Keep {
    /// Whether a turn was slow. One that found no work is so by its own time alone: on a busy farm it
    /// waits until the stages have room for it, which says nothing about it.
    pub(super) fn turn_was_slow(self, root: &SpanData) -> bool {
        let waited = if found_no_work(root) {
            send_wait(root)
        } else {
            Duration::ZERO
        };
        self.slow
            .is_some_and(|slow| took(root).saturating_sub(waited) >= slow)
    }

    /// Whether a span that belongs to no turn is one of those with which the service only looks around.
    pub(super) fn is_idle_look(self, span: &SpanData) -> bool {
        let was_slow = self.slow.is_some_and(|slow| took(span) >= slow);
        let looks = is_root(span) && !is_turn(span) && span.span_kind == SpanKind::Client;
        looks && !has_failed(span) && !was_slow
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
    attribute(root, OUTCOME.0).is_some_and(|value| {
        matches!(value, Value::String(text) if [OUTCOME.1, NO_HOST].contains(&text.as_str()))
    })
}

fn took(span: &SpanData) -> Duration {
    let took = span.end_time.duration_since(span.start_time);
    took.unwrap_or_default()
}

fn send_wait(root: &SpanData) -> Duration {
    match attribute(root, SEND_WAIT) {
        Some(Value::I64(micros)) => Duration::from_micros(u64::try_from(*micros).unwrap_or(0)),
        _ => Duration::ZERO,
    }
}

fn attribute<'a>(span: &'a SpanData, name: &str) -> Option<&'a Value> {
    let attributes = &mut span.attributes.iter();
    let found = attributes.find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| &attribute.value)
}
