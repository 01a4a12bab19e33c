//! Check-in: hosts go back to the index as the database left them, and the turn is closed.

mod metrics;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::backoff::Backoffs;
use cue_domain::blame::HostBackoff;
use cue_domain::messages::{Outcome, Returned};
use cue_domain::missing_room::MissingRoom;
use cue_domain::{HostId, HostIdle, Resources, Setback};
use cue_flow::{Outlet, Stage, Verdict};
use cue_hosts::HostIndex;
use tokio::sync::Notify;

pub use metrics::CheckInMetrics;

/// First and longest backoff of a host whose row somebody else holds.
const HELD: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// The same of a host that may be at fault for a refused booking: longer than the layer's, which is tried elsewhere.
const REFUSED: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));

/// The stage.
pub struct CheckIn {
    hosts: HostIndex,
    metrics: CheckInMetrics,
    backoffs: Arc<Backoffs<HostId>>,
    missing: Arc<MissingRoom<HostId>>,
    supply: Arc<Notify>,
}

impl CheckIn {
    /// A check-in to `hosts` that notifies `supply`. Hosts at fault for failed launches are recorded in
    /// `backoffs`, and room that they did not have in `missing`.
    pub fn new(
        (hosts, supply): (HostIndex, Arc<Notify>),
        metrics: CheckInMetrics,
        backoffs: Arc<Backoffs<HostId>>,
        missing: Arc<MissingRoom<HostId>>,
    ) -> Self {
        Self {
            hosts,
            supply,
            metrics,
            backoffs,
            missing,
        }
    }

    /// Lets the host back off, if it is at fault for launches that failed.
    fn back_off(&self, returned: &Returned, now: Instant) {
        let (id, name) = (&returned.lease.id, &returned.lease.name);
        let failures = returned.launch_failures;
        match returned.backoff {
            Some(HostBackoff::Whole) => {
                let backoff = self.backoffs.record_failure(id, now);
                tracing::info!(
                    host = %name, failures, backoff_seconds = backoff.as_secs(),
                    "a host failed launches and is left out for a while"
                );
                self.hosts.back_off(id, now + backoff);
            }
            Some(HostBackoff::Room(cores)) => {
                let (missing, backoff) = self.missing.record(id, cores, now);
                tracing::info!(
                    host = %name, failures, missing_centicores = missing.0, backoff_seconds = backoff.as_secs(),
                    "a host has less room than its row promises; what it runs stays, and the missing room is not used for a while"
                );
            }
            Some(HostBackoff::Held) => {
                let reason = Setback::Held {
                    table: "host".into(),
                    holder: None,
                };
                let backoff = self.backoffs.record_failure_within(id, now, HELD, reason);
                tracing::debug!(host = %name, "another session holds the row of a host, which is left out for a moment");
                self.hosts.back_off(id, now + backoff);
            }
            Some(HostBackoff::Refused) => {
                let reason = Setback::Refused {
                    code: "".into(),
                    message: "".into(),
                };
                let backoff = self
                    .backoffs
                    .record_failure_within(id, now, REFUSED, reason);
                tracing::debug!(host = %name, "the database refused what was tried on a host, which is left out for a moment");
                self.hosts.back_off(id, now + backoff);
            }
            None if returned.booked > returned.launch_failures => {
                self.backoffs.reset(id);
                self.missing.accepted(id, now);
            }
            None => {}
        }
    }
}

impl Stage for CheckIn {
    const NAME: &'static str = "check_in";
    type In = Outcome;
    type Out = Infallible;

    async fn handle(&self, outcome: Outcome, _out: &Outlet<Infallible>) -> Verdict {
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
        self.supply.notify_one();
        Verdict::Done
    }
}
