//! The trace that an item belongs to, and the spans of its waits.
//!
//! Invariant: an item carries a clone of the root span of its turn, and drops it last. Every span that the runtime
//! opens under a root is closed by then, so a root closes last. An item without an interested subscriber carries no
//! span.

use std::time::Duration;

use tracing::Span;

/// The root span of an item's turn, if it is recorded.
#[derive(Clone, Default)]
pub(crate) struct Trace(Option<Span>);

impl Trace {
    /// The trace that starts at `root`; none if that span is not recorded.
    pub(crate) fn root(root: Span) -> Self {
        Self((!root.is_disabled()).then_some(root))
    }

    /// The root span; none if the item has no trace.
    pub(crate) const fn span(&self) -> Option<&Span> {
        self.0.as_ref()
    }

    /// Opens the span of an item's time in the queue before the stage `to`.
    pub(crate) fn queue(&self, to: &'static str) -> Span {
        self.0.as_ref().map_or_else(Span::none, |root| {
            tracing::info_span!(
                parent: root,
                "queue",
                messaging.system = SYSTEM,
                messaging.operation.name = "queue",
                messaging.destination.name = to,
            )
        })
    }
}

/// Opens the span of a wait for room in the queue before the stage `to`.
pub(crate) fn room(parent: &Span, to: &'static str) -> Span {
    if parent.is_disabled() {
        return Span::none();
    }
    tracing::info_span!(
        parent: parent,
        "room",
        otel.kind = "producer",
        messaging.system = SYSTEM,
        messaging.operation.name = "send",
        messaging.operation.type = "send",
        messaging.destination.name = to,
    )
}

/// Name of the queues between stages, as OpenTelemetry's conventions for messaging ask for one.
pub(crate) const SYSTEM: &str = "cue_flow";

/// Records how much the current pass has to do in a field of its span: `cue.jobs`, `cue.layers`, `cue.frames`,
/// `cue.hosts` or `cue.launches_failed`.
pub fn record_count(field: &'static str, count: usize) {
    Span::current().record(field, number(count));
}

/// A number as an attribute of a span.
///
/// Signed, because OpenTelemetry turns unsigned numbers into text, which no query can compare.
pub fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A time in microseconds, as an attribute of a span.
pub fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}
