//! Host match: picks hosts for the frames of a batch.
//!
//! This stage does no I/O: it reads and writes only the host index, on threads of its own. It
//! never sees what keeps the rows locked; that travels through it unopened. A host it takes is on
//! loan to the plan, and comes back to the index when the plan is dropped, whatever the reason.

mod metrics;
mod plan;
mod rests;

#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::Arc;

use cue_domain::fit::FitRules;
use cue_domain::messages::{BookingPlan, LockedBatch};
use cue_flow::{CpuStage, Outlet, Verdict};
use cue_hosts::HostIndex;

pub use metrics::MatchMetrics;
pub use plan::{Planned, plan};

/// The stage. `H` is whatever keeps a batch's rows locked.
pub struct HostMatch<H> {
    hosts: HostIndex,
    rules: Arc<FitRules>,
    metrics: MatchMetrics,
    held: PhantomData<fn(H)>,
}

impl<H> HostMatch<H> {
    /// A host match over `hosts`.
    #[must_use]
    pub const fn new(hosts: HostIndex, rules: Arc<FitRules>, metrics: MatchMetrics) -> Self {
        Self {
            hosts,
            rules,
            metrics,
            held: PhantomData,
        }
    }
}

impl<H: Send + 'static> CpuStage for HostMatch<H> {
    const NAME: &'static str = "host_match";
    type In = LockedBatch<H>;
    type Out = BookingPlan<H>;

    fn handle(&self, batch: LockedBatch<H>, out: &Outlet<BookingPlan<H>>) -> Verdict {
        let LockedBatch { held, mut layers } = batch;
        let planned = plan(&self.hosts, &self.rules, &mut layers, &self.metrics);
        if planned.placements.is_empty() {
            // Dropping the batch rolls back, and with it go the locks.
            return Verdict::Skip("no_host");
        }
        let plan = BookingPlan {
            held,
            layers,
            hosts: planned.hosts,
            placements: planned.placements,
        };
        match out.send_blocking(plan) {
            Ok(()) => Verdict::Done,
            Err(closed) => closed.into(),
        }
    }
}
