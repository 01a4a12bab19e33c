//! Measures of sending: items sent, and the time spent waiting for room.
//!
//! Invariant: a wait counts in full, also one that ends because its future is dropped.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus::{Histogram, IntCounter};

/// Measures the sends of one pass, or of one source.
pub(crate) struct SendMeter {
    wait: Histogram,
    sent: Option<IntCounter>,
    waited_ns: AtomicU64,
}

impl SendMeter {
    /// A meter that observes waits in `wait` and counts items in `sent`.
    pub(crate) fn new(wait: Histogram, sent: Option<IntCounter>) -> Self {
        Self {
            wait,
            sent,
            waited_ns: AtomicU64::new(0),
        }
    }

    /// Time spent waiting for room so far.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.waited_ns.load(Ordering::Relaxed))
    }

    /// Records an item that was sent after this wait.
    pub(crate) fn sent(&self, waited: Duration) {
        self.wait.observe(waited.as_secs_f64());
        if let Some(sent) = &self.sent {
            sent.inc();
        }
    }

    /// Begins a wait, which ends when the guard is dropped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        Waiting {
            meter: self,
            began: Instant::now(),
        }
    }
}

/// A wait for room.
pub(crate) struct Waiting<'a> {
    meter: &'a SendMeter,
    began: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.meter.waited_ns.fetch_add(ns, Ordering::Relaxed);
    }
}
