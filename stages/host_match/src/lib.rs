//! Host match: picks hosts for the frames of a batch.
//!
//! This stage does no I/O: it reads and writes only the indexes. The value that keeps the rows locked passes through it
//! unread. A host that it takes is on loan to the plan, and returns to the index when the plan is dropped, for any
//! reason.

mod layer_plan;
mod metrics;
mod plan;
mod planned;
mod policy;
mod remaining;

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::DemandIndex;
use cue_domain::backoff::Backoffs;
use cue_domain::fit::FitRules;
use cue_domain::messages::{BookingPlan, LockedBatch};
use cue_domain::{LayerId, Setback};
use cue_flow::{CpuStage, Verdict, record_count};
use cue_hosts::HostIndex;
use prometheus::Registry;

pub use metrics::MatchMetrics;
pub use plan::plan;
pub use planned::{Placement, Planned};
pub use policy::Policy;

/// First and longest backoff of a layer of which no frame found a host.
const NO_HOST: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(400));

/// Values that host match shares with other parts.
pub struct Connections {
    /// The hosts.
    pub hosts: HostIndex,
    /// The waiting work, with reservations and GPU work.
    pub demand: DemandIndex,
    /// Layers that back off, so that turns go to others meanwhile.
    pub backoffs: Arc<Backoffs<LayerId>>,
}

/// The stage. `H` keeps the rows of a batch locked.
pub struct HostMatch<H> {
    shared: Connections,
    rules: FitRules,
    metrics: MatchMetrics,
    held: PhantomData<fn(H)>,
}

impl<H> HostMatch<H> {
    /// A host match with these rules of fit.
    pub fn new(
        shared: Connections,
        rules: FitRules,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            shared,
            rules,
            metrics: MatchMetrics::new(registry)?,
            held: PhantomData,
        })
    }

    /// Metrics of the stage. Check-in counts the outcomes of the hosts in them.
    pub const fn metrics(&self) -> &MatchMetrics {
        &self.metrics
    }
}

impl<H: Send + 'static> CpuStage for HostMatch<H> {
    const NAME: &'static str = "host_match";
    type In = LockedBatch<H>;
    type Out = BookingPlan<H>;

    fn handle(&self, batch: LockedBatch<H>) -> Result<BookingPlan<H>, Verdict> {
        let LockedBatch {
            held,
            part,
            mut layers,
        } = batch;
        let policy = Policy {
            gpu_work: self.shared.demand.gpu_work(),
            reservations: self.shared.demand.reservations(),
            part,
            now: Instant::now(),
        };
        let (hosts, rules) = (&self.shared.hosts, &self.rules);
        let planned = plan(hosts, rules, &policy, &mut layers, &self.metrics);
        for layer in &planned.without_host {
            self.shared
                .backoffs
                .record_failure_within(layer, policy.now, NO_HOST, Setback::NoHost);
        }
        self.shared.demand.placed(planned.placed_on(&layers));
        if planned.placements.is_empty() {
            // Dropping the batch rolls back and releases the locks.
            return Err(Verdict::Skip("no_host"));
        }
        let (hosts, bookings) = planned.into_bookings(&layers);
        record_count("cue.hosts", hosts.len());
        record_count("cue.frames", bookings.len());
        Ok(BookingPlan {
            held,
            part: policy.part,
            hosts,
            bookings,
        })
    }
}
