//! Outcomes of launches in traces, long after the turn that booked them.
//!
//! A launch of this process is known by its place in a trace. A booking of a process that died has none: its outcome is
//! found by proc, frame and host in the trace of the statement that took it back.

use cue_dispatch::{Launch, PendingLaunch};
use cue_flow::number;
use tracing::Span;

/// Records the outcome in the trace of the launch, or below the span in which it was found out.
pub(super) fn record_outcome(launch: &Launch, outcome: &'static str, found: Option<&Span>) {
    if launch.trace.is_nowhere() && found.is_none() {
        return;
    }
    let span = tracing::info_span!(
        parent: found.and_then(Span::id),
        "settle",
        cue.frame.id = %launch.booking.frame,
        cue.proc.id = %launch.booking.proc,
        cue.host.name = %launch.booking.host,
        cue.outcome = outcome,
    );
    launch.trace.adopt(&span);
}

/// The span of a transaction that takes bookings back, with a link to each launch that is undone.
pub(super) fn take_back_span(dead: &[PendingLaunch]) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "take_back",
        otel.kind = "consumer",
        cue.frames = number(dead.len()),
    );
    for pending in dead {
        pending.launch().trace.link_from(&span);
    }
    span
}
