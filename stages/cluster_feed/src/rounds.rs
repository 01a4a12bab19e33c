//! Rounds: a round is over when every cluster that had work when it began has had a turn, or has
//! no work any more.
//!
//! Invariant: a cluster is waited for at most once a round.

use std::collections::HashSet;

/// The round under way.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    waited_for: HashSet<u64>,
    done: u64,
}

impl Rounds {
    /// A cluster's turn begins; `active` are all that have work, needed when a round begins.
    pub(crate) fn turn(&mut self, cluster: u64, active: impl Iterator<Item = u64>) {
        if self.waited_for.is_empty() {
            self.waited_for = active.collect();
            self.waited_for.insert(cluster);
        }
        self.pass_over(cluster);
    }

    /// A cluster is not waited for any more.
    pub(crate) fn pass_over(&mut self, cluster: u64) {
        if self.waited_for.remove(&cluster) && self.waited_for.is_empty() {
            self.done += 1;
        }
    }

    /// Rounds that ended since the last call.
    pub(crate) const fn take_done(&mut self) -> u64 {
        std::mem::replace(&mut self.done, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_ends_when_all_that_had_work_have_had_a_turn() {
        let mut rounds = Rounds::default();
        let active = || [1, 2, 3].into_iter();
        rounds.turn(1, active());
        rounds.turn(1, active());
        rounds.turn(2, active());
        assert_eq!(rounds.take_done(), 0);
        rounds.pass_over(3);
        assert_eq!((rounds.take_done(), rounds.take_done()), (1, 0));
        rounds.turn(2, [2].into_iter());
        assert_eq!(rounds.take_done(), 1, "alone it makes a round");
    }
}
