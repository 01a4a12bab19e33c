//! A trace that is kept back, and what becomes of spans.
//!
//! Invariant: a trace that passes holds no span.

use opentelemetry::trace::TraceId;
use opentelemetry_sdk::trace::SpanData;

/// What becomes of a span that ended, and of those that waited for it.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// Those that waited and need not any longer, in the order in which they ended.
    pub(super) waited: Vec<SpanData>,
    /// The span itself, if it passes at once. Most do, and need no list.
    pub(super) span: Option<SpanData>,
    /// Those that nobody wants, to be dropped without the lock.
    pub(super) dropped: Vec<Vec<SpanData>>,
    /// What became of the traces of which this is known now.
    pub(super) outcomes: Vec<&'static str>,
}

/// How far a trace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Its spans wait for the root.
    #[default]
    Waiting,
    /// It had grown too large to wait: its spans are let through as they end.
    Passing,
    /// Its root has ended and is among the spans. Nobody wants it but those that point at it.
    Target,
}

/// A trace that is kept back.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Those that began later have a larger one.
    pub(super) age: u64,
    pub(super) state: State,
    pub(super) spans: Vec<SpanData>,
    /// Whether the sampler wants it.
    pub(super) chosen: bool,
    /// Whether a span of it failed.
    pub(super) failed: bool,
    /// Whether a trace that is kept for its own sake points at it.
    pub(super) wanted: bool,
    /// How many traces claim it.
    pub(super) pointers: usize,
    /// The traces it claims.
    pub(super) points_at: Vec<TraceId>,
}
