//! Outcome of a booking, for the booking health.

use std::time::Instant;

use cue_domain::LayerId;
use cue_domain::health::{Failure, Retest, Scope, Step};
use cue_domain::why::HeldRow;
use cue_store::ErrorClass;

use crate::pass::BookedPlan;
use crate::stage::Dispatch;

/// SQLSTATE of a lock that cannot be acquired.
const LOCK_NOT_AVAILABLE: &str = "55P03";

impl Dispatch {
    /// Records the layers that failed, and then those that were booked: a layer that fails beside others is at
    /// fault by itself.
    pub(crate) fn record_health(&self, booked: &BookedPlan) {
        let now = Instant::now();
        let refused = booked.refused.iter();
        // A conflict among them came again and again: where nothing is booked meanwhile, it is trouble too.
        let failures = refused.map(|one| (&one.layer, Failure::from(&one.error)));
        let held = booked.held.iter();
        let held = held.map(|(layer, row)| (layer, failure(row)));
        for (layer, failure) in failures.chain(held) {
            let layer = std::slice::from_ref(layer);
            self.health.failed(Step::Book, layer, failure, now);
        }
        match &booked.ended {
            Some(error) if error.class() != ErrorClass::Conflict => {
                self.health.failed(Step::Book, &[], error, now);
            }
            _ => {}
        }
        if let Some(batch) = &booked.batch
            && !batch.frames.is_empty()
        {
            let layers: Vec<LayerId> = batch.layers().into_iter().cloned().collect();
            self.health.booked(&layers, now);
        }
    }
}

fn failure(row: &HeldRow) -> Failure {
    let holder = row.holder.as_deref().unwrap_or("another session");
    Failure {
        statement: "held_rows",
        code: Some(LOCK_NOT_AVAILABLE.to_owned()),
        message: format!("{holder} holds a row of {}", row.table),
        scope: Scope::Row,
        retest: Retest::None,
    }
}
