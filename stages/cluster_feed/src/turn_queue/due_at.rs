//! The order in which clusters get their turns.
//!
//! Time passes in ticks of a few milliseconds. The earliest tick goes first. Within a tick, the cluster furthest below its
//! share goes first, then the one that dispatched most in its last turn, then the one that has waited longest. Without
//! ticks no two clusters would be due at the same moment.
//!
//! Invariant: a cluster is never due in the tick in which its last turn began. So a cluster that is due
//! waits for at most one turn of each other cluster, however productive they are.

use std::cmp::Reverse;
use std::time::Duration;

use cue_domain::TurnEnd;
use tokio::time::Instant;

/// Length of a tick. A cluster begins at most one turn in each.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// Sort key of a cluster that waits for a turn. The fields are compared in this order; the number of the cluster makes
/// the order total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DueAt {
    /// Beginning of the tick in which the turn is due.
    pub(super) tick: Instant,
    /// Cores in use per mille of the show's size.
    tier: i64,
    /// Jobs dispatched by the last turn, and frames booked for them.
    productivity: Reverse<(u64, u64)>,
    due: Instant,
    number: u64,
}

/// The ticks since an instant, and the order within a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    origin: Instant,
}

impl Order {
    pub(super) const fn new(origin: Instant) -> Self {
        Self { origin }
    }

    /// Sort key of the cluster of this number and tier, due at `due`, after its last turn, which began at `last_begin`.
    pub(super) fn due_at(
        self,
        number: u64,
        due: Instant,
        last: Option<&TurnEnd>,
        (last_begin, tier): (Option<Instant>, Option<f64>),
    ) -> DueAt {
        let earliest = last_begin.map_or(self.origin, |begin| self.tick(begin) + TICK);
        DueAt {
            tick: self.tick(due).max(earliest),
            tier: tier.map_or(i64::MAX, per_mille),
            productivity: Reverse(last.map_or((0, 0), |end| (end.dispatched_jobs, end.booked))),
            due,
            number,
        }
    }

    /// Beginning of the tick of an instant.
    fn tick(self, at: Instant) -> Instant {
        let since = at.saturating_duration_since(self.origin).as_nanos();
        let into = u64::try_from(since % TICK.as_nanos()).unwrap_or_default();
        at - Duration::from_nanos(into)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the conversion saturates, and tiers beyond 64 bits are equally far above their share"
)]
fn per_mille(tier: f64) -> i64 {
    (tier * 1_000.0) as i64
}

#[cfg(test)]
mod tests;
