//! Schedule of the comparisons: which replica compares the accounts, and when.
//!
//! One replica leads: the last one whose comparison was announced. All replicas hear announcements in
//! the same order, so they agree on it, and all others wait for the next one. A replica that hears
//! none for longer than the leader's period takes over, so a leader that died or hangs has a successor
//! within seconds; when a hung leader goes on, it hears the announcements of its successor first and
//! follows. Two leaders at once do no harm.
//!
//! Invariant: the comparisons of a leader cost the database at most one hundredth of its time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Least time between two comparisons. With the second look, a counter that Cuebot never lowers is
/// right again within two seconds of the end of a frame.
const PERIOD: Duration = Duration::from_secs(1);

/// Longest time between two comparisons, whatever they cost.
const LONGEST: Duration = Duration::from_secs(60);

/// Least time between two comparisons as a multiple of what one costs: 1 % of a core.
const COST_SHARE: u32 = 100;

/// Comparisons whose cost is remembered. The cheapest counts, because a busy machine makes any
/// statement look dearer than it is.
const REMEMBERED: usize = 4;

/// Time from a difference to the second look at it, which takes the lock of the row.
const CONFIRM: Duration = Duration::from_millis(500);

/// Silence beyond the leader's period after which another replica takes over.
const GRACE: Duration = Duration::from_secs(2);

/// Time until the next try after another replica was found comparing.
const BUSY: Duration = Duration::from_secs(1);

/// The moment of the next comparison, and the leadership of this replica.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    leads: bool,
    due: Instant,
    costs: VecDeque<Duration>,
}

impl Schedule {
    /// A follower whose first comparison is due at once: nobody may have looked before.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            leads: false,
            due: now,
            costs: VecDeque::new(),
        }
    }

    /// Returns true if this replica compared last.
    pub(super) const fn leads(&self) -> bool {
        self.leads
    }

    /// Returns true if this replica has to compare now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// Makes the next comparison due at once if this replica leads.
    pub(super) fn hurry(&mut self, now: Instant) {
        if self.leads {
            self.due = now;
        }
    }

    /// Time between two comparisons.
    pub(super) fn period(&self) -> Duration {
        let cost = self.costs.iter().min().copied().unwrap_or_default();
        (cost * COST_SHARE).clamp(PERIOD, LONGEST)
    }

    /// Records a comparison of this replica, which leads until another announces one. Returns the time of
    /// the second look at what differed, if something did.
    pub(super) fn compared(
        &mut self,
        now: Instant,
        cost: Duration,
        drift: bool,
    ) -> Option<Instant> {
        self.leads = true;
        self.costs.truncate(REMEMBERED - 1);
        self.costs.push_front(cost);
        self.due = now + self.period();
        drift.then(|| now + CONFIRM)
    }

    /// Records the announcement of the last comparison of this replica.
    pub(super) fn lead(&mut self, now: Instant) {
        if !self.leads {
            self.leads = true;
            self.due = now + self.period();
        }
    }

    /// Records that another replica announced a comparison, one every `period`.
    pub(super) fn follow(&mut self, now: Instant, period: Duration) {
        self.leads = false;
        self.due = now + period.min(LONGEST) + GRACE;
    }

    /// Records that another replica was comparing when this one tried to.
    pub(super) fn busy(&mut self, now: Instant) {
        self.due = now + BUSY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn comparisons_cost_one_hundredth_and_drift_heals_within_ten_seconds() {
        for cost_ms in [0_u32, 1, 9, 10, 39, 41, 50, 90, 400, 10_000] {
            let (mut schedule, now) = (Schedule::new(Instant::now()), Instant::now());
            let cost = MS * cost_ms;
            assert!(schedule.compared(now, cost, false).is_none());
            let period = schedule.period();
            assert!(period >= (cost * 100).min(LONGEST), "{cost_ms} ms");
            // Drift right after a comparison is seen by the next, and healed by a second look.
            let healed = period + cost + CONFIRM + Duration::from_secs(1);
            assert!(
                cost_ms > 80 || healed <= Duration::from_secs(10),
                "{cost_ms} ms"
            );
            assert_eq!(schedule.compared(now, cost, true), Some(now + CONFIRM));
        }
    }

    #[test]
    fn one_slow_comparison_does_not_put_off_the_next() {
        let (mut schedule, now) = (Schedule::new(Instant::now()), Instant::now());
        schedule.compared(now, MS, false);
        schedule.compared(now, MS * 5_000, false);
        assert_eq!(schedule.period(), PERIOD);
        for _ in 0..REMEMBERED {
            schedule.compared(now, MS * 200, false);
        }
        assert_eq!(schedule.period(), MS * 20_000);
    }

    #[test]
    fn a_leader_that_goes_silent_has_a_successor_within_seconds() {
        let start = Instant::now();
        let mut follower = Schedule::new(start);
        follower.follow(start, PERIOD);
        assert!(!follower.is_due(start + PERIOD));
        assert!(follower.is_due(start + PERIOD + GRACE));
        assert!(PERIOD + GRACE < Duration::from_secs(4));
    }

    #[test]
    fn a_leader_that_hung_follows_its_successor_before_it_compares_again() {
        let start = Instant::now();
        let mut hung = Schedule::new(start);
        hung.compared(start, MS, false);
        let later = start + Duration::from_secs(60);
        hung.follow(later, PERIOD);
        assert!(!hung.leads() && !hung.is_due(later));
        hung.hurry(later);
        assert!(!hung.is_due(later), "only a leader hurries");
    }

    #[test]
    fn of_two_that_compare_at_once_the_one_announced_last_leads() {
        let now = Instant::now();
        let (mut first, mut last) = (Schedule::new(now), Schedule::new(now));
        first.compared(now, MS, false);
        last.compared(now, MS, false);
        // Both hear both announcements, in this order.
        first.lead(now);
        first.follow(now, PERIOD);
        last.follow(now, PERIOD);
        last.lead(now);
        assert!(!first.leads() && last.leads());
        assert!(last.due < first.due);
    }
}
