//! Backoff with growing delays for keys that fail: hosts that refuse launches, layers that no host
//! runs.
//!
//! It only decides what to try next. It is lost with the process, which costs a few attempts.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::setback::Setback;
use crate::wait_reason::WaitReason;

/// Time after the end of a backoff in which it still explains why something waits.
const LATELY: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
struct Entry {
    failures: u32,
    /// The first failure of this kind in a row.
    since: Instant,
    until: Instant,
    reason: Setback,
}

impl Entry {
    fn at(&self, now: Instant) -> Backoff {
        Backoff {
            since: now.saturating_duration_since(self.since),
            remaining: self.until.saturating_duration_since(now),
            reason: self.reason.clone(),
        }
    }
}

/// A key that backs off, as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Time since its first failure of this kind in a row.
    pub since: Duration,
    /// Time until the next attempt.
    pub remaining: Duration,
    /// The reason for the last failure.
    pub reason: Setback,
}

/// Keys that back off, each with the end of its backoff. Shared by reference; its lock is short.
#[derive(Debug)]
pub struct Backoffs<K> {
    first: Duration,
    longest: Duration,
    entries: Mutex<HashMap<K, Entry>>,
}

impl<K: Eq + Hash + Clone> Backoffs<K> {
    /// Creates an empty set. Backoffs begin with `first`, double with each failure, and stop growing at `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            entries: Mutex::default(),
        }
    }

    /// Records a failure of `key` at `now` and returns its backoff. A failure during a backoff belongs to the
    /// same attempt (a frame of the same batch, say) and does not lengthen it.
    pub fn record_failure(&self, key: &K, now: Instant) -> Duration {
        self.record_failure_within(key, now, (self.first, self.longest), Setback::Launch)
    }

    /// Records a failure with a first and a longest backoff for its kind. A failure of another kind than the
    /// last one begins with the first backoff.
    pub fn record_failure_within(
        &self,
        key: &K,
        now: Instant,
        (first, longest): (Duration, Duration),
        reason: Setback,
    ) -> Duration {
        let mut entries = self.entries.lock();
        // Entries that ended long ago go, which also bounds the map to what fails now.
        let kept = self.longest;
        entries.retain(|_, entry| now.saturating_duration_since(entry.until) < kept);
        let fresh = Entry {
            failures: 0,
            since: now,
            until: now,
            reason: reason.clone(),
        };
        let entry = entries.entry(key.clone()).or_insert_with(|| fresh.clone());
        if entry.until > now {
            return entry.until - now;
        }
        if entry.reason.code() != reason.code() {
            *entry = fresh;
        }
        entry.reason = reason;
        let length = first
            .saturating_mul(1u32.checked_shl(entry.failures).unwrap_or(u32::MAX))
            .min(longest);
        entry.failures = entry.failures.saturating_add(1);
        entry.until = now + length;
        length
    }

    /// Forgets the failures of these keys that a successful booking refutes.
    pub fn booked<'a>(&self, keys: impl IntoIterator<Item = &'a K>)
    where
        K: 'a,
    {
        let mut entries = self.entries.lock();
        if entries.is_empty() {
            return;
        }
        for key in keys {
            if entries
                .get(key)
                .is_some_and(|entry| entry.reason.is_of_booking())
            {
                entries.remove(key);
            }
        }
    }

    /// Returns true if somebody held a row that any key needs when it was last tried.
    pub fn has_held(&self) -> bool {
        let held = |entry: &Entry| matches!(entry.reason, Setback::Held { .. });
        self.entries.lock().values().any(held)
    }

    /// Returns true if somebody held a row that `key` needs when it was last tried.
    pub fn was_held(&self, key: &K) -> bool {
        let entries = self.entries.lock();
        let entry = entries.get(key);
        entry.is_some_and(|entry| matches!(entry.reason, Setback::Held { .. }))
    }

    /// Returns true if the database refused a row of `key` when it was last tried.
    pub fn was_refused(&self, key: &K) -> bool {
        let entries = self.entries.lock();
        let entry = entries.get(key);
        entry.is_some_and(|entry| matches!(entry.reason, Setback::Refused { .. }))
    }

    /// Failures of `key` of one kind in a row, so far.
    pub fn failures(&self, key: &K) -> u32 {
        self.entries
            .lock()
            .get(key)
            .map_or(0, |entry| entry.failures)
    }

    /// Forgets the failures of `key`: it succeeded.
    pub fn reset(&self, key: &K) {
        self.entries.lock().remove(key);
    }

    /// Returns true if `key` backs off at `now`.
    pub fn is_active(&self, key: &K, now: Instant) -> bool {
        self.entries
            .lock()
            .get(key)
            .is_some_and(|entry| entry.until > now)
    }

    /// The backoff of `key` at `now`, if it backs off.
    pub fn get(&self, key: &K, now: Instant) -> Option<Backoff> {
        let entries = self.entries.lock();
        let entry = entries.get(key).filter(|entry| entry.until > now)?;
        Some(entry.at(now))
    }

    /// The backoff of `key`, also if it ended less than three seconds ago.
    pub fn recent(&self, key: &K, now: Instant) -> Option<Backoff> {
        let entries = self.entries.lock();
        let entry = entries.get(key)?;
        let lately = now.saturating_duration_since(entry.until) < LATELY;
        lately.then(|| entry.at(now))
    }

    /// Reasons of everything that backs off at `now`, or did less than three seconds ago, as far as they explain why
    /// something waits.
    pub fn wait_reasons(&self, now: Instant) -> HashMap<K, WaitReason> {
        let entries = self.entries.lock();
        let recent = entries
            .iter()
            .filter(|(_, entry)| now.saturating_duration_since(entry.until) < LATELY);
        recent
            .filter_map(|(key, entry)| Some((key.clone(), entry.reason.wait_reason()?)))
            .collect()
    }

    /// Everything that backs off at `now`, the longest first, `most` at most.
    pub fn all(&self, now: Instant, most: usize) -> Vec<(K, Backoff)> {
        let entries = self.entries.lock();
        let active = entries.iter().filter(|(_, entry)| entry.until > now);
        let mut active: Vec<_> = active.collect();
        active.sort_by_key(|(_, entry)| entry.since);
        let found = active.into_iter().take(most);
        found
            .map(|(key, entry)| (key.clone(), entry.at(now)))
            .collect()
    }

    /// Keys that back off at `now`.
    pub fn keys(&self, now: Instant) -> Vec<K> {
        let entries = self.entries.lock();
        let active = entries.iter().filter(|(_, entry)| entry.until > now);
        active.map(|(key, _)| key.clone()).collect()
    }

    /// Number of keys that back off at `now`.
    pub fn count(&self, now: Instant) -> usize {
        let entries = self.entries.lock();
        entries.values().filter(|entry| entry.until > now).count()
    }
}

#[cfg(test)]
mod tests;
