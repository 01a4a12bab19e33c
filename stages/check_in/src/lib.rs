//! Check-in: hosts go back to the index as the database left them, and the turn is closed.
//!
//! The same crate reads the farm's hosts afresh on an interval ([`Refresh`]): what completions freed
//! comes back that way.

mod metrics;
mod refresh;

use std::sync::Arc;
use std::time::Instant;

use cue_domain::blame::HostBackoff;
use cue_domain::messages::{Outcome, Returned};
use cue_domain::missing_room::MissingRoom;
use cue_domain::resting::Resting;
use cue_domain::{HostId, HostIdle, Resources};
use cue_flow::{Never, Outlet, Stage, Verdict};
use cue_hosts::HostIndex;

pub use metrics::CheckInMetrics;
pub use refresh::{Refresh, RefreshSettings};

/// The stage.
pub struct CheckIn {
    hosts: HostIndex,
    metrics: CheckInMetrics,
    resting: Arc<Resting<HostId>>,
    missing: Arc<MissingRoom<HostId>>,
}

impl CheckIn {
    /// A check-in to `hosts`. Hosts that are to blame for failed launches are recorded in `resting`,
    /// and room that they did not have in `missing`.
    #[must_use]
    pub const fn new(
        hosts: HostIndex,
        metrics: CheckInMetrics,
        resting: Arc<Resting<HostId>>,
        missing: Arc<MissingRoom<HostId>>,
    ) -> Self {
        Self {
            hosts,
            metrics,
            resting,
            missing,
        }
    }

    /// Lets the host back off, if it is to blame for launches that failed.
    fn back_off(&self, returned: &Returned, now: Instant) {
        let (id, name) = (&returned.lease.id, &returned.lease.name);
        let failures = returned.launch_failures;
        match returned.backoff {
            Some(HostBackoff::Whole) => {
                let backoff = self.resting.strike(id, now);
                tracing::info!(
                    host = %name, failures, rest_seconds = backoff.as_secs(),
                    "a host failed launches and is left out for a while"
                );
                self.hosts.rest(id, now + backoff);
            }
            Some(HostBackoff::Room(cores)) => {
                let (missing, backoff) = self.missing.record(id, cores, now);
                tracing::info!(
                    host = %name, failures, missing_centicores = missing.0, backoff_seconds = backoff.as_secs(),
                    "a host has less room than its row promises; what it runs stays, and the missing room is not used for a while"
                );
            }
            None if returned.booked > returned.launch_failures => {
                self.resting.forgive(id);
                self.missing.accepted(id, now);
            }
            None => {}
        }
    }
}

impl Stage for CheckIn {
    const NAME: &'static str = "check_in";
    type In = Outcome;
    type Out = Never;

    async fn handle(&self, outcome: Outcome, _out: &Outlet<Never>) -> Verdict {
        let now = Instant::now();
        for returned in outcome.hosts {
            self.back_off(&returned, now);
            self.metrics.returned(&returned);
            let Returned { lease, idle, .. } = returned;
            let usable = |idle: HostIdle| HostIdle {
                ledger: Resources {
                    cores: self.missing.usable(&lease.id, idle.ledger.cores, now),
                    ..idle.ledger
                },
                ..idle
            };
            let idle = idle.map(usable);
            self.hosts.check_in(lease, idle);
        }
        Verdict::Done
    }
}
