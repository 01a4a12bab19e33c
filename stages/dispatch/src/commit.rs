//! The commit of a booking.

use std::collections::HashSet;
use std::sync::Arc;

use cue_domain::admission::Refusal;
use cue_domain::{Booking, HostId};
use cue_store::{OpenBooking, StoreError};

use crate::batch::{Batch, BatchFacts, BookedAt, BookedFrame};
use crate::plan::Plan;
use crate::record::{record_bookings, record_refusals};
use crate::write::Written;

/// Commits what was written. Where the outcome of the commit stays unknown, its frames become
/// pending launches.
pub(crate) async fn commit(
    held: OpenBooking,
    written: Written<'_>,
    plan: Plan<'_>,
) -> Result<Batch, StoreError> {
    let Written {
        admitted,
        refusals,
        booked,
        mut idle,
        facts,
        ..
    } = written;
    idle.extend(booked.hosts);
    record_refusals(&refusals, plan);
    let stolen = admitted.len() - booked.frames.len();
    plan.stage.metrics.stolen.inc_by(stolen as u64);
    let mut batch = Batch {
        frames: Vec::new(),
        facts: BatchFacts {
            layers: facts,
            booked: BookedAt {
                ours: held.began(),
                database_ms: booked.at_ms.unwrap_or_default(),
            },
            launch_by: held.began() + plan.stage.settings.launch_deadline,
            show: Arc::clone(&plan.part.cluster.show_name),
        },
        idle,
        refused: hosts_with(&refusals, |refusal| !refusal.is_contention()),
        taken: hosts_with(&refusals, |refusal| {
            matches!(refusal, Refusal::HostTaken { .. })
        }),
    };
    if booked.frames.is_empty() {
        // Nothing was written: dropping the transaction lets the rows go.
        return Ok(batch);
    }
    let answer = held.commit(&admitted).await;
    if let Err(error) = &answer
        && !matches!(error, StoreError::CommitUnknown(_))
    {
        return answer.map(|()| batch);
    }
    let frame = |booking: &&Booking| {
        let version = *booked.frames.get(&booking.frame.id)?;
        Some(BookedFrame::new(booking, version, plan))
    };
    batch.frames = admitted.iter().filter_map(frame).collect();
    if let Err(error) = answer {
        // Dropped with its pending launch, each frame is settled once the database answers again. No host
        // was called.
        batch.frames.iter_mut().for_each(BookedFrame::mark_dead);
        return Err(error);
    }
    record_bookings(&batch.frames, plan);
    Ok(batch)
}

/// Hosts with a refusal of which `of` is true.
fn hosts_with(refusals: &[(&Booking, Refusal)], of: impl Fn(&Refusal) -> bool) -> HashSet<HostId> {
    let those = refusals.iter().filter(|(_, refusal)| of(refusal));
    those.map(|(booking, _)| booking.host.id.clone()).collect()
}
