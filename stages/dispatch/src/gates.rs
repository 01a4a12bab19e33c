//! How many launches of a batch may be under way on one host, and whether it still answers.
//!
//! All launches of a scheduler share one bound. Without another for each host, one that hangs would
//! take all of it for as long as an answer may take, and what others have booked meanwhile would come
//! too late. Invariant: nothing is sent to a host after it has failed to answer a launch of the batch.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The hosts of a batch get so many parts of all launches, or one launch at least.
const PARTS: usize = 8;

/// The gates of a batch's hosts, by the index of the host in its plan.
pub(crate) struct Gates(Vec<Gate>);

struct Gate {
    slots: Semaphore,
    silent: AtomicBool,
}

impl Gates {
    /// Gates for so many hosts, where so many launches may be under way on all together.
    pub(crate) fn new(hosts: usize, launches: usize) -> Self {
        let gate = || Gate {
            slots: Semaphore::new((launches / PARTS).max(1)),
            silent: AtomicBool::new(false),
        };
        Self(std::iter::repeat_with(gate).take(hosts).collect())
    }

    /// Waits for a slot of a host.
    pub(crate) async fn enter(&self, host: usize) -> Option<SemaphorePermit<'_>> {
        // The semaphores are never closed, so the only answer is a permit.
        self.0.get(host)?.slots.acquire().await.ok()
    }

    /// Whether the host has failed to answer.
    pub(crate) fn is_silent(&self, host: usize) -> bool {
        let gate = self.0.get(host);
        gate.is_some_and(|gate| gate.silent.load(Ordering::Relaxed))
    }

    /// Notes that the host did not answer.
    pub(crate) fn silent(&self, host: usize) {
        if let Some(gate) = self.0.get(host) {
            gate.silent.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_host_has_its_part_of_all_launches_and_is_silent_alone() {
        let gates = Gates::new(2, 16);
        let first = gates.enter(0).now_or_never().flatten();
        let _second = gates.enter(0).now_or_never().flatten();
        assert!(gates.enter(0).now_or_never().is_none(), "two are under way");
        assert!(gates.enter(1).now_or_never().flatten().is_some());
        drop(first);
        assert!(gates.enter(0).now_or_never().flatten().is_some());
        gates.silent(0);
        assert_eq!([0, 1].map(|host| gates.is_silent(host)), [true, false]);
        let least = Gates::new(1, 1);
        assert!(least.enter(0).now_or_never().flatten().is_some());
    }
}
