//! Things that failed and rest for a growing time: hosts that refuse launches, layers that no host
//! will run.
//!
//! It only decides what to try. It is lost with the process, which costs a few tries.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
struct Rest {
    strikes: u32,
    until: Instant,
}

/// Which `K` rest, and until when. Shared by reference; its lock is short.
#[derive(Debug)]
pub struct Resting<K> {
    first: Duration,
    longest: Duration,
    rests: Mutex<HashMap<K, Rest>>,
    suspects: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash + Clone> Resting<K> {
    /// Rests begin with `first`, double with each strike, and stop growing at `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            rests: Mutex::default(),
            suspects: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Rest>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a failure at `now` and says how long `key` rests for it. While it rests already, the
    /// failure is of the same attempt (the frames of one batch, say) and does not lengthen the rest.
    pub fn strike(&self, key: &K, now: Instant) -> Duration {
        self.strike_within(key, now, (self.first, self.longest))
    }

    /// The same, with a first and a longest rest for this kind of failure.
    pub fn strike_within(
        &self,
        key: &K,
        now: Instant,
        (first, longest): (Duration, Duration),
    ) -> Duration {
        let mut rests = self.lock();
        // A rest long past is forgiven, which also bounds the map to what fails now.
        let kept = self.longest;
        rests.retain(|_, rest| now.saturating_duration_since(rest.until) < kept);
        let rest = rests.entry(key.clone()).or_insert(Rest {
            strikes: 0,
            until: now,
        });
        if rest.until > now {
            return rest.until - now;
        }
        let length = first
            .saturating_mul(1u32.checked_shl(rest.strikes).unwrap_or(u32::MAX))
            .min(longest);
        rest.strikes = rest.strikes.saturating_add(1);
        rest.until = now + length;
        length
    }

    /// Notes that one of these has failed and it is not known which: each is to be tried by itself, so
    /// that the others do not fail with it again. That holds until it is cleared, and for no longer than
    /// the longest rest after `next`, when it is tried again.
    pub fn suspect(&self, keys: impl IntoIterator<Item = K>, now: Instant, next: Instant) {
        let mut suspects = self.suspects();
        suspects.retain(|_, until| *until > now);
        suspects.extend(keys.into_iter().map(|key| (key, next + self.longest)));
    }

    /// These were tried by themselves and are not to blame.
    pub fn clear<'a>(&self, keys: impl IntoIterator<Item = &'a K>)
    where
        K: 'a,
    {
        let mut suspects = self.suspects();
        if !suspects.is_empty() {
            for key in keys {
                suspects.remove(key);
            }
        }
    }

    /// Whether `key` is to be tried by itself at `now`.
    #[must_use]
    pub fn is_suspect(&self, key: &K, now: Instant) -> bool {
        self.suspects().get(key).is_some_and(|until| *until > now)
    }

    fn suspects(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the failures of `key`: it succeeded.
    pub fn forgive(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Whether `key` rests at `now`.
    #[must_use]
    pub fn rests(&self, key: &K, now: Instant) -> bool {
        self.lock().get(key).is_some_and(|rest| rest.until > now)
    }

    /// How long `key` still rests at `now`, if it does.
    #[must_use]
    pub fn remaining(&self, key: &K, now: Instant) -> Option<Duration> {
        let until = self.lock().get(key)?.until;
        until
            .checked_duration_since(now)
            .filter(|rest| !rest.is_zero())
    }

    /// Keys that rest at `now`.
    #[must_use]
    pub fn keys(&self, now: Instant) -> Vec<K> {
        let rests = self.lock();
        let resting = rests.iter().filter(|(_, rest)| rest.until > now);
        resting.map(|(key, _)| key.clone()).collect()
    }

    /// How many rest at `now`.
    #[must_use]
    pub fn count(&self, now: Instant) -> usize {
        self.lock().values().filter(|rest| rest.until > now).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_the_longest_and_are_forgiven() {
        let resting = Resting::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut now = Instant::now();
        let mut lengths = Vec::new();
        for _ in 0..4 {
            let rest = resting.strike(&"a", now);
            lengths.push(rest.as_secs());
            assert!(resting.rests(&"a", now));
            assert_eq!(resting.keys(now), ["a"]);
            now += rest;
            assert!(resting.keys(now).is_empty());
            assert!(!resting.rests(&"a", now));
        }
        assert_eq!(lengths, [1, 2, 4, 5]);
        assert!(!resting.rests(&"b", now));
        resting.forgive(&"a");
        assert_eq!(resting.strike(&"a", now).as_secs(), 1);
    }

    #[test]
    fn failures_while_it_rests_count_once() {
        let resting = Resting::new(Duration::from_secs(1), Duration::from_secs(5));
        let now = Instant::now();
        for _ in 0..9 {
            assert_eq!(resting.strike(&"a", now).as_secs(), 1);
        }
        assert_eq!(
            resting.strike(&"a", now + Duration::from_secs(1)).as_secs(),
            2
        );
    }

    #[test]
    fn another_kind_of_failure_has_rests_of_its_own() {
        let resting = Resting::new(Duration::from_secs(10), Duration::from_secs(600));
        let mut now = Instant::now();
        let mut lengths = Vec::new();
        for _ in 0..4 {
            let within = (Duration::from_secs(1), Duration::from_secs(4));
            let rest = resting.strike_within(&"a", now, within);
            lengths.push(rest.as_secs());
            now += rest;
        }
        assert_eq!(lengths, [1, 2, 4, 4]);
    }

    #[test]
    fn old_failures_do_not_pile_up() {
        let resting = Resting::new(Duration::from_secs(1), Duration::from_secs(5));
        let now = Instant::now();
        (0..100).for_each(|key| {
            resting.strike(&key, now);
        });
        resting.strike(&1000, now + Duration::from_secs(60));
        assert_eq!(resting.lock().len(), 1);
    }

    #[test]
    fn suspects_are_tried_by_themselves_for_a_while() {
        let resting = Resting::new(Duration::from_secs(1), Duration::from_secs(10));
        let now = Instant::now();
        resting.suspect(["a", "b", "fine"], now, now);
        resting.clear([&"fine", &"c"]);
        let at = |key, seconds| resting.is_suspect(&key, now + Duration::from_secs(seconds));
        assert_eq!(
            [
                at("a", 0),
                at("b", 9),
                at("a", 10),
                at("c", 0),
                at("fine", 0)
            ],
            [true, true, false, false, false]
        );
        resting.suspect(["a"], now, now + Duration::from_secs(8));
        assert_eq!([at("a", 17), at("a", 18)], [true, false]);
        assert!(!resting.rests(&"a", now), "it may be another's fault");
        let later = now + Duration::from_secs(20);
        resting.suspect(["c"], later, later);
        assert_eq!(resting.suspects().len(), 1);
    }
}
