//! Check-in: hosts go back to the index as the database left them, and the turn is closed.
//!
//! The same crate reads the farm's hosts afresh on an interval ([`Refresh`]): what completions freed
//! comes back that way.

mod metrics;
mod refresh;

use std::sync::Arc;
use std::time::Instant;

use cue_domain::HostId;
use cue_domain::messages::Outcome;
use cue_domain::resting::Resting;
use cue_flow::{Never, Outlet, Stage, Verdict};
use cue_hosts::HostIndex;

pub use metrics::CheckInMetrics;
pub use refresh::{Refresh, RefreshSettings};

/// The stage.
pub struct CheckIn {
    hosts: HostIndex,
    metrics: CheckInMetrics,
    resting: Arc<Resting<HostId>>,
}

impl CheckIn {
    /// A check-in to `hosts`. Hosts that failed launches are noted in `resting`.
    #[must_use]
    pub const fn new(
        hosts: HostIndex,
        metrics: CheckInMetrics,
        resting: Arc<Resting<HostId>>,
    ) -> Self {
        Self {
            hosts,
            metrics,
            resting,
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
            let id = returned.lease.id.clone();
            if returned.launch_failures > 0 {
                let rest = self.resting.strike(&id, now);
                tracing::info!(
                    host = %returned.lease.name, failures = returned.launch_failures, rest_seconds = rest.as_secs(),
                    "a host failed launches and is left out for a while"
                );
                self.hosts.rest(&id, now + rest);
            } else if returned.booked > 0 {
                self.resting.forgive(&id);
            }
            self.metrics.returned(&returned);
            self.hosts.check_in(returned.lease, returned.idle);
        }
        Verdict::Done
    }
}
