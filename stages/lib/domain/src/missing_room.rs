//! Room that hosts did not have when a launch asked for it, though their rows promise it.
//!
//! Such a host stays in use: cores that become idle on it can be booked again at once, and only the missing room
//! backs off. The backoff grows with each try that fails.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::units::Centicores;

#[derive(Clone, Copy, Debug)]
struct Missing {
    cores: Centicores,
    until: Instant,
    refusals: u32,
}

/// Cores that hosts promise and do not have, in centicores. Shared by reference; its lock is short.
#[derive(Debug)]
pub struct MissingRoom<H> {
    first: Duration,
    longest: Duration,
    hosts: Mutex<HashMap<H, Missing>>,
}

impl<H: Eq + Hash + Clone> MissingRoom<H> {
    /// Creates an empty set. Missing room backs off for `first`, doubled at each new try that fails, up to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            hosts: Mutex::default(),
        }
    }

    /// Records that the host refused `cores` for lack of room at `now`. While some of its room backs off already,
    /// the cores are added to that room. Returns the cores that back off, and the remaining time.
    pub fn record(&self, host: &H, cores: Centicores, now: Instant) -> (Centicores, Duration) {
        let (first, longest) = (self.first, self.longest);
        let mut hosts = self.hosts.lock();
        // Old refusals are forgotten, which also bounds the map to what is refused now.
        hosts.retain(|_, missing| now.saturating_duration_since(missing.until) < longest);
        let missing = hosts.entry(host.clone()).or_insert(Missing {
            cores: Centicores(0),
            until: now,
            refusals: 0,
        });
        if missing.until > now {
            missing.cores.0 = missing.cores.0.saturating_add(cores.0);
        } else {
            let doubled = 1_u32.checked_shl(missing.refusals).unwrap_or(u32::MAX);
            *missing = Missing {
                cores,
                until: now + first.saturating_mul(doubled).min(longest),
                refusals: missing.refusals.saturating_add(1),
            };
        }
        (missing.cores, missing.until.saturating_duration_since(now))
    }

    /// Records that the host accepted all launches at `now`: if its missing room was tried again, it exists.
    pub fn accepted(&self, host: &H, now: Instant) {
        let mut hosts = self.hosts.lock();
        if hosts.get(host).is_some_and(|missing| missing.until <= now) {
            hosts.remove(host);
        }
    }

    /// Missing room of every host at `now`, with the remaining time.
    pub fn all(&self, now: Instant) -> HashMap<H, (Centicores, Duration)> {
        let hosts = self.hosts.lock();
        let active = hosts.iter().filter(|(_, missing)| missing.until > now);
        let entry = |(host, missing): (&H, &Missing)| {
            let remaining = missing.until.saturating_duration_since(now);
            (host.clone(), (missing.cores, remaining))
        };
        active.map(entry).collect()
    }

    /// Forgets the missing room of a host. Returns true if some backed off at `now`.
    pub fn forgive(&self, host: &H, now: Instant) -> bool {
        let missing = self.hosts.lock().remove(host);
        missing.is_some_and(|missing| missing.until > now)
    }

    /// Cores that can be used at `now` of those that the database says are idle.
    pub fn usable(&self, host: &H, idle: Centicores, now: Instant) -> Centicores {
        match self.hosts.lock().get(host) {
            Some(missing) if missing.until > now => {
                Centicores((idle.0 - missing.cores.0).max(idle.0.min(0)))
            }
            _ => idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn room() -> MissingRoom<&'static str> {
        MissingRoom::new(5 * SECOND, 20 * SECOND)
    }

    #[test]
    fn what_ends_on_a_host_can_be_used_and_what_was_missing_cannot() {
        let (room, now) = (room(), Instant::now());
        let cores = |n: i64| Centicores(n * 100);
        // 64 promised, 32 there: of 40 launches 8 were refused, and then 24 more.
        room.record(&"h", cores(8), now);
        assert_eq!(room.usable(&"h", cores(32), now), cores(24));
        room.record(&"h", cores(24), now + SECOND);
        let then = now + 2 * SECOND;
        assert_eq!(room.usable(&"h", cores(32), then), cores(0));
        assert_eq!(room.usable(&"h", cores(35), then), cores(3), "three ended");
        assert_eq!(room.usable(&"h", cores(20), then), cores(0));
        assert_eq!(room.usable(&"h", cores(-1), then), cores(-1));
        assert_eq!(room.usable(&"other", cores(7), then), cores(7));
        let later = now + 5 * SECOND;
        assert_eq!(
            room.usable(&"h", cores(32), later),
            cores(32),
            "tried again"
        );
    }

    #[test]
    fn tries_grow_rarer_until_one_succeeds() {
        let (room, mut now) = (room(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..4 {
            let (cores, pause) = room.record(&"h", Centicores(100), now);
            assert_eq!(cores, Centicores(100), "it begins again");
            pauses.push(pause.as_secs());
            room.accepted(&"h", now);
            now += pause;
        }
        assert_eq!(pauses, [5, 10, 20, 20]);
        room.accepted(&"h", now);
        assert_eq!(room.record(&"h", Centicores(100), now).1, 5 * SECOND);
    }

    #[test]
    fn a_host_that_is_forgiven_has_all_its_room() {
        let (room, now) = (room(), Instant::now());
        let cores = Centicores(800);
        room.record(&"h", cores, now);
        let all = HashMap::from([("h", (cores, 5 * SECOND))]);
        assert_eq!(room.all(now), all);
        assert!(room.forgive(&"h", now) && !room.forgive(&"h", now));
        assert_eq!(room.usable(&"h", cores, now), cores);
        assert!(room.all(now).is_empty());
    }

    #[test]
    fn old_hosts_are_forgotten() {
        let (room, now) = (MissingRoom::new(SECOND, SECOND), Instant::now());
        for host in 0..100 {
            room.record(&host, Centicores(1), now);
        }
        room.record(&100, Centicores(1), now + 5 * SECOND);
        assert_eq!(room.hosts.lock().len(), 1);
    }
}
