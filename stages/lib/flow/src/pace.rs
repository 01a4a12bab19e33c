//! Pace of a side loop whose rounds cost a part of a shared resource.

use std::time::Duration;

/// Rounds may take this long beyond their part of the time after a quiet period.
const BURST: Duration = Duration::from_millis(500);

/// Longest pause of a cheap loop: changes are known within this time.
const FRESH: Duration = Duration::from_millis(500);

/// Longest pause after a round that waited for a database in trouble, unless the round itself took longer.
const LONGEST: Duration = Duration::from_secs(2);

/// Pauses that let a loop take at most one part in `parts` of the time.
///
/// A token bucket: time that the loop did not use is saved up to half a second, so one costly round after quiet ones
/// delays none. A pause above half a second is cut to half a second, as far
/// as the loop then takes no more than a tenth of the time, and no pause is longer than two seconds or the round.
#[derive(Clone, Debug)]
pub struct Pace {
    every: Duration,
    parts: u32,
    saved: Duration,
    /// The last pause, as far as it did not pay for the round before it.
    unused: Duration,
}

impl Pace {
    /// A loop that runs at most once in `every`.
    pub const fn new(every: Duration, parts: u32) -> Self {
        Self {
            every,
            parts,
            saved: BURST,
            unused: Duration::ZERO,
        }
    }

    /// Pause after a round that took `took`.
    #[must_use]
    pub fn pause(&mut self, took: Duration) -> Duration {
        let earned = self.unused.saturating_add(took) / self.parts.max(1);
        let saved = self.saved.saturating_add(earned).min(BURST);
        self.saved = saved.saturating_sub(took);
        let owed = took.saturating_sub(saved);
        let paid_in = owed.saturating_mul(self.parts);
        let fresh = FRESH.max(took.saturating_mul(9));
        let longest = LONGEST.max(took);
        let pays = paid_in.min(fresh).min(longest);
        let pause = self.every.saturating_sub(took).max(pays);
        self.unused = pause.saturating_sub(pays);
        pause
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The pause after rounds of this length that go on for long.
    fn steady(every: u64, took: u64, parts: u32) -> Duration {
        let mut pace = Pace::new(ms(every), parts);
        let pauses = (0..1_000).map(|_| pace.pause(ms(took)));
        pauses.last().unwrap_or_default()
    }

    #[test]
    fn a_loop_takes_at_most_its_part_of_the_time() {
        assert_eq!(steady(100, 2, 25), ms(98));
        assert_eq!(steady(100, 40, 1), ms(60));
        assert_eq!(steady(100, 40, 25), ms(500), "half a second");
        assert_eq!(steady(100, 100, 25), ms(900), "a tenth");
        assert_eq!(steady(100, 1_500, 25), ms(2_000), "soon again");
        assert_eq!(steady(100, 5_000, 25), ms(5_000), "half");
    }

    #[test]
    fn one_costly_round_delays_no_other() {
        let mut pace = Pace::new(ms(100), 25);
        for _ in 0..1_000 {
            assert_eq!(pace.pause(ms(2)), ms(98));
        }
        assert_eq!(pace.pause(ms(300)), ms(0), "a burst");
        assert_eq!(pace.pause(ms(20)), ms(80), "the next one is on time");
        assert_eq!(pace.pause(ms(300)), ms(2_000), "not enough is saved");
    }

    proptest! {
        /// The bound of the average holds for rounds of any length, where no pause is cut.
        #[test]
        fn no_rounds_take_more_than_their_part_and_a_burst(
            rounds in prop::collection::vec(0_u64..20, 1..200),
            parts in 2_u32..25,
        ) {
            let mut pace = Pace::new(ms(50), parts);
            let (mut took, mut time) = (Duration::ZERO, Duration::ZERO);
            for round in rounds.into_iter().map(ms) {
                took += round;
                time += round + pace.pause(round);
            }
            // Divisions round down by less than a nanosecond a round.
            prop_assert!(took <= time / parts + BURST + Duration::from_micros(1));
        }
    }
}
