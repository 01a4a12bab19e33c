//! The hosts and turns of a plan, on their way home.

use std::collections::HashMap;

use cue_domain::Ticket;
use cue_domain::blame::Verdict;
use cue_domain::messages::{HostLease, Outcome, Placement, Returned};
use cue_domain::{HostId, LayerId};

use crate::batch::Batch;
use crate::launching::HostLaunches;

/// The hosts of a plan that have not gone home yet, by their index in the plan.
pub(crate) struct PlanHosts(HashMap<usize, Returned>);

impl PlanHosts {
    /// The hosts of a plan, with what was booked on each.
    pub(crate) fn new(hosts: Vec<HostLease>, placements: &[Placement], batch: &Batch) -> Self {
        let placed = count(placements.iter().map(|placement| placement.host));
        let booked = count(batch.frames.iter().map(|frame| frame.host));
        let back = |(index, lease): (usize, HostLease)| {
            let of = |counts: &HashMap<usize, u32>| counts.get(&index).copied().unwrap_or(0);
            let returned = Returned {
                idle: batch.hosts.get(&lease.id).copied(),
                placed: of(&placed),
                booked: of(&booked),
                launch_failures: 0,
                backoff: None,
                lease,
            };
            (index, returned)
        };
        Self(hosts.into_iter().enumerate().map(back).collect())
    }

    /// All of them, with the turns, which are over.
    pub(crate) fn into_outcome(self, turns: Turns) -> Outcome {
        Outcome {
            hosts: self.0.into_values().collect(),
            tickets: turns.0,
        }
    }

    /// Takes the hosts on which nothing is launched.
    pub(crate) fn take_unused(&mut self) -> Vec<Returned> {
        let unused = self.0.extract_if(|_, host| host.booked == 0);
        unused.map(|(_, host)| host).collect()
    }

    /// Takes the host of these launches.
    pub(crate) fn take(
        &mut self,
        launches: &HostLaunches,
        verdict: &Verdict<HostId, LayerId>,
    ) -> Option<Returned> {
        let mut host = self.0.remove(&launches.host)?;
        host.launch_failures = launches.failures;
        host.backoff = verdict.hosts.get(&host.lease.id).copied();
        Some(host)
    }
}

/// The turns of a plan, until they are over.
pub(crate) struct Turns(Vec<Ticket>);

impl Turns {
    pub(crate) const fn new(tickets: Vec<Ticket>) -> Self {
        Self(tickets)
    }

    pub(crate) const fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts launches for their turns, unless these are over.
    pub(crate) fn count_launched(&self, launches: &HostLaunches) {
        for frame in &launches.accepted {
            if let Some(ticket) = self.0.get(frame.turn) {
                ticket.launched(1);
            }
        }
    }

    /// Ends the turns, when they are sent.
    pub(crate) fn end(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.0)
    }
}

fn count(hosts: impl Iterator<Item = usize>) -> HashMap<usize, u32> {
    let mut counts = HashMap::new();
    for host in hosts {
        *counts.entry(host).or_insert(0_u32) += 1;
    }
    counts
}
