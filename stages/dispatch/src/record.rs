//! Records of a booking: refusals by cap, frames by show, and the counts of each turn.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use cue_domain::FrameId;
use cue_domain::admission::Refusal;

use crate::book::Plan;

/// A number as an attribute of a span: one without a sign would become a text.
pub(crate) fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Counts what was refused: by cap, by turn, and the first of them in the trace.
pub(crate) fn record_refusals(refusals: &[(usize, Refusal)], plan: Plan<'_>) {
    let span = tracing::Span::current();
    span.record("frames_refused", number(refusals.len()));
    if let Some((_, refusal)) = refusals.first() {
        span.record("first_refusal", tracing::field::display(refusal));
    }
    let of_layer = refusals.iter().filter_map(|(placement, refusal)| {
        let place = plan.placements.get(*placement)?;
        let host = plan.hosts.get(place.host)?;
        Some((plan.layers.get(place.layer)?, &**host, refusal))
    });
    plan.metrics.last_refusals.record(of_layer);
    for (placement, refusal) in refusals {
        plan.metrics.refused.inc(refusal.cap());
        if let Some(table) = accounting_table(refusal) {
            plan.metrics.over_cap.inc(table);
        }
        let layer = plan
            .placements
            .get(*placement)
            .and_then(|place| plan.layers.get(place.layer));
        if let Some(layer) = layer {
            layer.ticket.refused(1);
        }
    }
}

/// The table whose cap refused, in the words that farms already chart; `None` for other reasons.
const fn accounting_table(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::SubscriptionBurst { .. } => Some("subscription"),
        Refusal::FolderCores { .. } => Some("folder"),
        Refusal::FolderGpus { .. } => Some("folder_gpus"),
        Refusal::JobCores { .. } => Some("job"),
        Refusal::JobGpus { .. } => Some("job_gpus"),
        _ => None,
    }
}

/// Counts what was booked: by show, by turn, and how long the frames had waited.
pub(crate) fn record_bookings(booked: &HashMap<FrameId, i32>, plan: Plan<'_>) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let mut of_layers = vec![0; plan.layers.len()];
    for placement in plan
        .placements
        .iter()
        .filter(|place| booked.contains_key(&place.frame.id))
    {
        if let Some(count) = of_layers.get_mut(placement.layer) {
            *count += 1;
        }
        if let Some(since) = placement.frame.waiting_since_ms {
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds of waiting fit a double for 285,000 years"
            )]
            plan.metrics
                .time_to_book
                .observe(now_ms.saturating_sub(since).max(0) as f64 / 1000.0);
        }
    }
    // Shows are named by the farm, so their counters are looked up: once a layer, not once a frame.
    let of_layers = plan.layers.iter().zip(of_layers);
    for (layer, frames) in of_layers.filter(|(_, frames)| *frames > 0) {
        layer.ticket.booked(frames);
        let show = &layer.cluster.show_name;
        let dispatched = &plan.metrics.dispatched;
        dispatched.with_label_values(&[show]).inc_by(frames);
    }
}
