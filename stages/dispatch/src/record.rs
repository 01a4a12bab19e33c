//! Records of a booking: refusals by cap, frames by show, and the counts of the turn.

use std::collections::HashMap;

use cue_domain::admission::Refusal;
use cue_domain::{AllocId, BookedLayer, Booking, Centicores, LayerId};
use cue_flow::{now_us, number};

use crate::batch::BookedFrame;
use crate::plan::Plan;

/// Counts refusals: by cap, by turn, and the first of them in the trace.
pub(crate) fn record_refusals(refusals: &[(&Booking, Refusal)], plan: Plan<'_>) {
    let span = tracing::Span::current();
    span.record("cue.frames_refused", number(refusals.len()));
    if let Some((_, refusal)) = refusals.first() {
        span.record("cue.first_refusal", tracing::field::display(refusal));
    }
    let metrics = &plan.stage.metrics;
    let show_name = &plan.part.cluster.show_name;
    metrics.last_refusals.record(refusals, show_name);
    for (_, refusal) in refusals {
        metrics.refused.inc(refusal.cap());
        if let Some(table) = accounting_table(refusal) {
            metrics.over_cap.inc(table);
        }
    }
    plan.part.ticket.refused(refusals.len() as u64);
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

/// Cores that a layer's frames took, by allocation.
type Taken<'a> = HashMap<&'a AllocId, Centicores>;

/// Counts bookings: by show, by turn, and how long their frames had waited.
pub(crate) fn record_bookings(frames: &[BookedFrame], plan: Plan<'_>) {
    let metrics = &plan.stage.metrics;
    let now_ms = now_us() / 1_000;
    let mut of_layers: HashMap<&LayerId, (BookedLayer, Taken<'_>)> = HashMap::new();
    for BookedFrame { booking, .. } in frames {
        let layer = &booking.layer;
        let (booked, taken) = of_layers.entry(&layer.id).or_insert_with(|| {
            let booked = BookedLayer {
                layer: layer.id.clone(),
                job: layer.job.clone(),
                frames: 0,
                cores: Vec::new(),
            };
            (booked, Taken::new())
        });
        booked.frames += 1;
        let cores = taken.entry(&booking.host.alloc).or_default();
        cores.0 = cores.0.saturating_add(booking.reserved.cores.0);
        if let Some(since) = booking.frame.waiting_since_ms {
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds of waiting fit a double for 285,000 years"
            )]
            let waited = now_ms.saturating_sub(since).max(0) as f64 / 1000.0;
            metrics.time_to_book.observe(waited);
        }
    }
    for (mut booked, taken) in of_layers.into_values() {
        let taken = taken.into_iter();
        booked.cores = taken.map(|(alloc, cores)| (alloc.clone(), cores)).collect();
        plan.part.ticket.booked(booked);
    }
    let show_name = &plan.part.cluster.show_name;
    let dispatched = metrics.dispatched.with_label_values(&[show_name]);
    dispatched.inc_by(frames.len() as u64);
}
