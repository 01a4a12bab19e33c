//! The hosts of a plan and the turn's ticket, until they are sent to check-in.

use std::collections::HashMap;

use cue_domain::blame::{HostBackoff, Verdict};
use cue_domain::messages::{HostLease, Outcome, Returned};
use cue_domain::{Booking, HostId, LayerId, TurnTicket};

use crate::host_launches::HostLaunches;
use crate::pass::BookedPlan;

/// The hosts of a plan that have not been sent yet, and the ticket of a turn that is not over.
pub(crate) struct PlanHosts {
    hosts: HashMap<HostId, Returned>,
    ticket: Option<TurnTicket>,
}

impl PlanHosts {
    /// The hosts of a plan before anything is booked.
    pub(crate) fn new(hosts: Vec<HostLease>, planned: &[Booking], ticket: TurnTicket) -> Self {
        let back = |lease: HostLease| {
            let id = lease.id.clone();
            let returned = Returned {
                lease,
                idle: None,
                placed: 0,
                booked: 0,
                refused: false,
                launch_failures: 0,
                backoff: None,
            };
            (id, returned)
        };
        let mut hosts: HashMap<HostId, Returned> = hosts.into_iter().map(back).collect();
        for booking in planned {
            if let Some(host) = hosts.get_mut(&booking.host.id) {
                host.placed += 1;
            }
        }
        Self {
            hosts,
            ticket: Some(ticket),
        }
    }

    /// Records what was booked on each host. Suspects back off, and hosts that somebody else holds.
    pub(crate) fn record(&mut self, booked: &BookedPlan) {
        if let Some(batch) = &booked.batch {
            for frame in &batch.frames {
                if let Some(host) = self.hosts.get_mut(&frame.booking.host.id) {
                    host.booked += 1;
                }
            }
            for (id, host) in &mut self.hosts {
                host.idle = batch.idle.get(id).copied();
                host.refused = batch.refused.contains(id);
                host.backoff = batch.taken.contains(id).then_some(HostBackoff::Held);
            }
        }
        for id in &booked.suspects {
            if let Some(host) = self.hosts.get_mut(id) {
                host.backoff = Some(HostBackoff::Refused);
            }
        }
    }

    /// All of them with the ticket.
    pub(crate) fn into_outcome(self) -> Outcome {
        Outcome {
            hosts: self.hosts.into_values().collect(),
            ticket: self.ticket,
        }
    }

    /// Takes the hosts on which nothing is launched.
    pub(crate) fn take_unused(&mut self) -> Vec<Returned> {
        let unused = self.hosts.extract_if(|_, host| host.booked == 0);
        unused.map(|(_, host)| host).collect()
    }

    /// Takes the host of these launches.
    pub(crate) fn take(
        &mut self,
        launches: &HostLaunches,
        verdict: &Verdict<HostId, LayerId>,
    ) -> Option<Returned> {
        let mut host = self.hosts.remove(&launches.host)?;
        host.launch_failures = launches.failures;
        let backoff = verdict.hosts.get(&host.lease.id).copied();
        host.backoff = host.backoff.max(backoff);
        Some(host)
    }

    /// Counts launches that were accepted and that failed, unless the turn is over.
    pub(crate) fn count_launched(&self, launches: &HostLaunches) {
        if let Some(ticket) = &self.ticket {
            ticket.launched(launches.accepted.len() as u64);
            ticket.launches_failed(launches.failures.into());
        }
    }

    /// Takes the ticket: the turn is over once it is sent.
    pub(crate) const fn end_turn(&mut self) -> Option<TurnTicket> {
        self.ticket.take()
    }

    /// Returns true if the ticket was taken.
    pub(crate) const fn is_turn_over(&self) -> bool {
        self.ticket.is_none()
    }
}
