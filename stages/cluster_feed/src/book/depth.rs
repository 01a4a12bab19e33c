//! How deep into the jobs of a cluster its next turn looks.
//!
//! A turn sees the first jobs in order of priority, up to its bounds. If nothing of them could be
//! booked, the next turns look behind them, page by page, until something is. If little could, because
//! what they wait for comes free a bit at a time (a licence, room under a cap), one turn a second looks
//! behind them, each deeper than the one before, and the turns between are theirs.
//!
//! Invariant: no job is out of sight for good, whatever those before it do; and jobs that book in full
//! are never put after those behind them.

use std::time::Duration;

use cue_domain::{Depth, TurnEnd};
use tokio::time::Instant;

/// How often a turn looks behind jobs that book, but little.
const ASIDE_EVERY: Duration = Duration::from_secs(1);

/// Where a cluster's next turn looks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// What it passes over.
    skip: Depth,
    /// It looks aside: whatever it finds, the one after it begins at the front again.
    aside: bool,
    /// Where the next turn that looks aside begins, if it is further than what the front sees.
    reached: Depth,
    /// When a turn was last told to look aside.
    aside_at: Option<Instant>,
}

/// When the next turn is wanted, for what the last one saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At once: there may be something to book where it looks.
    AtOnce,
    /// After the rest of a turn that looked everywhere and booked nothing.
    Saturated,
    /// After the rest that the turn's end calls for.
    AsItEnded,
}

impl Look {
    /// What the next turn passes over.
    pub(super) const fn skip(&self) -> Depth {
        self.skip
    }

    /// Takes note of how a turn ended that looked where it was told to.
    pub(super) fn after(&mut self, end: &TurnEnd, now: Instant) -> Next {
        let (looked_at, aside) = (self.skip, self.aside);
        (self.skip, self.aside) = (Depth::FRONT, false);
        if end.failed {
            return Next::AsItEnded;
        }
        if end.unasked {
            return Next::Saturated;
        }
        let (seen, more) = (end.passed, !end.passed.is_front());
        let behind = looked_at.and(seen);
        if aside {
            self.reached = if more { behind } else { Depth::FRONT };
            return Next::AtOnce;
        }
        let in_front = looked_at.is_front();
        if more && end.booked == 0 {
            self.skip = behind;
        } else if more && in_front && end.is_short() && self.may_look_aside(now) {
            self.skip = self.reached.max(seen);
            self.aside = true;
            self.aside_at = Some(now);
        }
        if !self.skip.is_front() {
            Next::AtOnce
        } else if end.jobs == 0 && !in_front {
            Next::Saturated
        } else {
            Next::AsItEnded
        }
    }

    fn may_look_aside(&self, now: Instant) -> bool {
        self.aside_at
            .is_none_or(|at| now.saturating_duration_since(at) >= ASIDE_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn that saw only so many jobs and booked so many of a hundred frames.
    fn saw(passed: u32, booked: u64) -> TurnEnd {
        TurnEnd {
            jobs: 1,
            layers: 1,
            wanted: 100,
            booked,
            passed: Depth::of_jobs(passed),
            ..TurnEnd::default()
        }
    }

    const NOTHING: TurnEnd = TurnEnd {
        jobs: 0,
        layers: 0,
        wanted: 0,
        placed: 0,
        booked: 0,
        launched: 0,
        refused: 0,
        failed: false,
        unasked: false,
        tried: false,
        gains: 0,
        passed: Depth::FRONT,
    };

    #[tokio::test(start_paused = true)]
    async fn behind_jobs_that_book_a_little_one_turn_a_second_looks_each_deeper_than_the_last() {
        let mut look = Look::default();
        let mut looked = Vec::new();
        for _ in 0..60 {
            looked.push(look.skip().jobs);
            let end = match look.skip().jobs {
                0 => saw(5, 1),
                15 => NOTHING,
                _ => saw(5, 0),
            };
            assert_ne!(look.after(&end, Instant::now()), Next::Saturated);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let aside: Vec<u32> = looked.iter().copied().filter(|skip| *skip > 0).collect();
        assert_eq!(aside, [5, 10, 15, 5, 10, 15], "{looked:?}");
        assert!(looked.windows(2).all(|two| two.contains(&0)), "{looked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_that_book_at_least_half_of_their_share_are_not_put_after_others() {
        let mut look = Look::default();
        for booked in [50, 100] {
            assert_eq!(look.after(&saw(5, booked), Instant::now()), Next::AsItEnded);
            assert_eq!(look.skip().jobs, 0);
        }
        // Nor are those that were all seen.
        look.after(&saw(0, 1), Instant::now());
        assert_eq!(look.skip().jobs, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_fits_the_turns_go_on_until_something_does_or_all_was_seen() {
        let mut look = Look::default();
        for skip in [0, 5, 10] {
            assert_eq!(look.skip().jobs, skip);
            assert_eq!(look.after(&saw(5, 0), Instant::now()), Next::AtOnce);
        }
        assert_eq!(look.after(&NOTHING, Instant::now()), Next::Saturated);
        assert_eq!(look.skip().jobs, 0);
        look.after(&saw(5, 0), Instant::now());
        assert_eq!(look.after(&saw(5, 2), Instant::now()), Next::AsItEnded);
        assert_eq!(look.skip().jobs, 0, "back to the front after a booking");
    }

    #[tokio::test(start_paused = true)]
    async fn the_layers_of_a_job_with_very_many_are_all_looked_at_and_then_the_next_job() {
        let mut look = Look::default();
        let mut looked = Vec::new();
        for seen in [(0, 400), (0, 400), (7, 0), (0, 0)] {
            looked.push((look.skip().jobs, look.skip().layers));
            let (jobs, layers) = seen;
            let end = TurnEnd {
                passed: Depth { jobs, layers },
                ..saw(0, 0)
            };
            look.after(&end, Instant::now());
        }
        assert_eq!(looked, [(0, 0), (0, 400), (0, 800), (7, 0)]);
        assert_eq!(look.skip(), Depth::FRONT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_failed_says_nothing_about_depth() {
        let mut look = Look::default();
        look.after(&saw(5, 0), Instant::now());
        let failed = TurnEnd {
            failed: true,
            ..saw(5, 0)
        };
        assert_eq!(look.after(&failed, Instant::now()), Next::AsItEnded);
        assert_eq!(look.skip().jobs, 0);
    }
}
