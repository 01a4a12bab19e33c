//! Metrics of hosts that come back.

use cue_domain::messages::Returned;
use cue_flow::Labelled;
use prometheus::IntCounterVec;

/// Check-in's metrics.
#[derive(Clone, Debug)]
pub struct CheckInMetrics {
    checkouts: Labelled,
    wasted: Labelled,
}

impl CheckInMetrics {
    /// Counters of two families that host match registers: `wasted` counts hosts on which nothing was booked, by
    /// reason, and `checkouts` searches for a host, by outcome.
    pub fn new(wasted: IntCounterVec, checkouts: IntCounterVec) -> Self {
        let outcomes = ["booked", "partly_booked", "no_progress", "dispatch_error"];
        Self {
            checkouts: Labelled::new(checkouts, &outcomes),
            wasted: Labelled::new(wasted, &["not_booked", "launch_failed", "abandoned"]),
        }
    }

    /// Counts hosts that came back because their batch was abandoned.
    pub fn abandoned(&self, hosts: u64) {
        self.wasted.inc_by("abandoned", hosts);
        self.checkouts.inc_by("dispatch_error", hosts);
    }

    /// Counts a host that came back with its batch.
    pub(crate) fn returned(&self, host: &Returned) {
        let (placed, booked) = (host.placed, host.booked);
        if booked == 0 && host.refused {
            self.wasted.inc("not_booked");
        } else if booked > 0 && host.launch_failures >= booked {
            self.wasted.inc("launch_failed");
        }
        let outcome = match (placed, booked) {
            (_, 0) => "no_progress",
            (placed, booked) if booked < placed => "partly_booked",
            _ => "booked",
        };
        self.checkouts.inc(outcome);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use cue_domain::messages::HostLease;
    use cue_domain::{Host, Lease, Lender};
    use prometheus::Opts;

    use super::*;

    #[derive(Default)]
    struct Index(Mutex<Vec<Host>>);

    impl Lender<Host> for Index {
        fn give_back(&self, host: Host) {
            self.0.lock().unwrap().push(host);
        }
    }

    fn lease() -> HostLease {
        let host = Host {
            id: "h".into(),
            name: "h".into(),
            facility: "f".into(),
            alloc: "a".into(),
            ..Host::default()
        };
        Lease::new(host, Arc::new(Index::default()))
    }

    #[test]
    fn a_host_on_which_nothing_was_booked_is_counted_with_its_reason() {
        let family = |name| IntCounterVec::new(Opts::new(name, name), &["what"]).unwrap();
        let metrics = CheckInMetrics::new(family("wasted"), family("checkouts"));
        let back = [
            (0, true, 0),
            (0, false, 0),
            (2, false, 2),
            (2, true, 1),
            (1, true, 0),
        ];
        for (booked, refused, launch_failures) in back {
            metrics.returned(&Returned {
                lease: lease(),
                idle: None,
                placed: 2,
                booked,
                refused,
                launch_failures,
                backoff: None,
            });
        }
        metrics.abandoned(5);
        let of = |reason| metrics.wasted.count(reason);
        assert_eq!(
            ["not_booked", "launch_failed", "abandoned"].map(of),
            [1, 1, 5],
            "one was lost to others"
        );
        let of = |outcome| metrics.checkouts.count(outcome);
        assert_eq!(
            ["booked", "partly_booked", "no_progress", "dispatch_error"].map(of),
            [2, 1, 2, 5]
        );
    }
}
