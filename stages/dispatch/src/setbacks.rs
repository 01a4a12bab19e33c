//! Consequences of rows that could not be booked: layers that back off, and the stage's verdict.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cue_domain::why::HeldRow;
use cue_domain::{Booking, LayerId, Setback};
use cue_flow::{Chain, Verdict};
use cue_store::{ErrorClass, StoreError};

use crate::blamed::Refused;
use crate::pass::{BookedPlan, is_of_others};
use crate::plan::Plan;
use crate::stage::{Dispatch, Skipped};

/// Backoff of a layer of which the database refuses a row: the layer is booked within two seconds of the cure.
const REFUSED: Duration = Duration::from_secs(1);

/// Layers that back off for [`REFUSED`]. Where more are refused, each is tried less often.
const REFUSED_AT_A_TIME: u32 = 50;

/// Backoff of a layer whose host may be at fault, shorter than the host's own.
const ELSEWHERE: Duration = Duration::from_millis(50);

/// First and longest backoff of a layer that needs a row which somebody else holds. Whether the row is held still is
/// asked without waiting, so it may be asked often.
const HELD: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Tries in a row that find a row held before a warning: a row that is held once was only in the way.
const REPORTED_AFTER: u32 = 3;

/// Pause of the worker after a single layer failed for what may be everybody's.
const PAUSE: Duration = Duration::from_millis(100);

impl Dispatch {
    /// Lets the layers back off that could not be booked. Returns a verdict if nothing was booked because of
    /// them.
    pub(crate) fn back_off(&self, booked: &mut BookedPlan, plan: Plan<'_>) -> Option<Verdict> {
        let now = Instant::now();
        let held = std::mem::take(&mut booked.held);
        for (layer, row) in &held {
            self.back_off_held(layer, row, now);
        }
        let refused = std::mem::take(&mut booked.refused);
        for refused in &refused {
            self.back_off_refused(refused, now);
        }
        if booked.frames() > 0 {
            return None;
        }
        if let Some(error) = booked.ended.take() {
            return Some(self.failed(plan, error));
        }
        let everybodys = held.is_empty() && is_everybodys(&refused, plan.bookings);
        let single = refused.len() == 1;
        let Some(first) = refused.into_iter().next() else {
            return (!held.is_empty()).then_some(Skipped::Held.into());
        };
        Some(match first.error.class() {
            ErrorClass::Conflict => Skipped::Conflict.into(),
            ErrorClass::Held => Skipped::Held.into(),
            _ if everybodys => {
                plan.part.ticket.fail();
                Verdict::RetryAfter(self.settings.worker_backoff, first.error.into())
            }
            ErrorClass::Row => Skipped::Refused.into(),
            // The next layer may fail likewise.
            _ if single => Verdict::RetryAfter(PAUSE, first.error.into()),
            _ => Verdict::RetryAfter(self.settings.worker_backoff, first.error.into()),
        })
    }

    fn back_off_held(&self, layer: &LayerId, row: &HeldRow, now: Instant) {
        self.metrics.set_aside.inc("held");
        let reason = Setback::Held {
            table: row.table.clone(),
            holder: row.holder.clone(),
        };
        let before = self.backoffs.failures(layer);
        let backoff = self
            .backoffs
            .record_failure_within(layer, now, HELD, reason);
        if before < REPORTED_AFTER && self.backoffs.failures(layer) == REPORTED_AFTER {
            tracing::warn!(
                layer.id = %layer, table = %row.table, holder = row.holder.as_deref().unwrap_or("unknown"),
                backoff_ms = backoff.as_millis(),
                "a row is locked by another session; the layer backs off"
            );
        }
    }

    fn back_off_refused(&self, refused: &Refused, now: Instant) {
        let (layer, error) = (&refused.layer, &refused.error);
        if is_of_others(error.class()) {
            // Nobody was found who is in the way, so only the server's words are known.
            self.metrics.set_aside.inc("held");
            self.backoffs
                .record_failure_within(layer, now, HELD, setback(error));
            return;
        }
        self.metrics.refused.inc("database");
        self.metrics.set_aside.inc("refused");
        let many = u32::try_from(self.backoffs.count(now)).unwrap_or(u32::MAX) / REFUSED_AT_A_TIME;
        let backoff = match refused.elsewhere {
            true => ELSEWHERE,
            false => REFUSED.saturating_mul(many.saturating_add(1)),
        };
        self.backoffs
            .record_failure_within(layer, now, (backoff, backoff), setback(error));
        let failures = self.backoffs.failures(layer);
        if failures.is_power_of_two() {
            tracing::warn!(
                error = %Chain(error), layer.id = %layer, times = failures, backoff_ms = backoff.as_millis(),
                "the database refused a booking that admission let through; the layer backs off"
            );
        }
    }

    /// The verdict after a booking that failed for no row's fault: nothing was committed, everything is
    /// given back.
    fn failed(&self, plan: Plan<'_>, error: StoreError) -> Verdict {
        match error.class() {
            // The transaction in the way books it; the next turn tries the others.
            ErrorClass::Conflict => Skipped::Conflict.into(),
            _ => {
                plan.part.ticket.fail();
                Verdict::RetryAfter(self.settings.worker_backoff, error.into())
            }
        }
    }
}

/// The reason for a layer of which the database refused a row.
fn setback(error: &StoreError) -> Setback {
    Setback::Refused {
        code: error.code().unwrap_or_default().into(),
        message: error.message().into(),
    }
}

/// Returns true if several layers were tried and all of them failed with the same error.
fn is_everybodys(refused: &[Refused], bookings: &[Booking]) -> bool {
    let mut codes = refused.iter().map(|refused| refused.error.code());
    let failed: BTreeSet<&LayerId> = refused.iter().map(|refused| &refused.layer).collect();
    let tried: BTreeSet<&LayerId> = bookings.iter().map(|booking| &booking.layer.id).collect();
    let first = codes.next();
    failed.len() > 1 && failed == tried && codes.all(|code| Some(code) == first)
}
