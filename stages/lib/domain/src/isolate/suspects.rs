//! Hosts that may be at fault for refused bookings.
//!
//! A row that fails does not say whether its layer, its host or its frame is at fault. So it is tried on
//! another host: the first host backs off for a moment, and the layer is retried soon. A row that fails on a
//! second host is at fault itself.
//!
//! Invariant: bounded by what failed within [`WINDOW`], and by [`MOST`].

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Time for which a failure is remembered. Hosts are left out for less, so that the second try comes before.
const WINDOW: Duration = Duration::from_secs(5);

/// Failures that are remembered at most. Where more fail at once, no single host is at fault.
const MOST: usize = 1_000;

/// A failure on a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Evidence<L, F> {
    /// This layer, of which nothing was booked elsewhere meanwhile.
    Layer(L),
    /// This frame of a layer that was booked elsewhere.
    Frame(F),
}

/// Recent failures, each with its host.
#[derive(Debug)]
pub struct Suspects<H, L, F>(HashMap<Evidence<L, F>, (H, Instant)>);

impl<H, L, F> Default for Suspects<H, L, F> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<H: Eq, L: Eq + Hash, F: Eq + Hash> Suspects<H, L, F> {
    /// Records failures on a host at `now`. Returns true if the host may be at fault: none of it failed on
    /// another host lately.
    pub fn failed(
        &mut self,
        host: H,
        found: impl IntoIterator<Item = Evidence<L, F>>,
        now: Instant,
    ) -> bool
    where
        H: Clone,
    {
        let recent = |at: Instant| now.saturating_duration_since(at) < WINDOW;
        self.0.retain(|_, (_, at)| recent(*at));
        let mut suspected = true;
        for evidence in found {
            let elsewhere = self.0.get(&evidence).is_some_and(|(on, _)| *on != host);
            suspected &= !elsewhere;
            if self.0.len() < MOST || self.0.contains_key(&evidence) {
                self.0.insert(evidence, (host.clone(), now));
            } else {
                suspected = false;
            }
        }
        suspected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(n: u32) -> [Evidence<u32, u32>; 1] {
        [Evidence::Layer(n)]
    }

    #[test]
    fn a_host_is_suspected_until_the_same_fails_on_another_one() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert!(suspects.failed("a", layer(1), now));
        assert!(
            suspects.failed("a", layer(1), now),
            "again on the same host"
        );
        assert!(
            !suspects.failed("b", layer(1), now),
            "the layer is at fault"
        );
        assert!(
            !suspects.failed("a", layer(1), now),
            "wherever it is tried next"
        );
        assert!(
            suspects.failed("b", [Evidence::Frame(1)], now),
            "a frame by the same number is something else"
        );
    }

    #[test]
    fn what_failed_long_ago_and_more_than_is_remembered_accuses_nobody_else() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert!(suspects.failed("a", layer(1), now));
        assert!(suspects.failed("b", layer(1), now + WINDOW));
        for n in 0..2 * u32::try_from(MOST).unwrap() {
            suspects.failed("a", layer(n), now + WINDOW);
        }
        assert!(!suspects.failed("a", layer(u32::MAX), now + WINDOW));
        assert!(suspects.0.len() <= MOST);
    }
}
