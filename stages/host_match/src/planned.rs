//! A plan: hosts on loan, and the frames placed on them.
//!
//! Invariant: `hosts` and `remaining` have the same hosts in the same order. A plan that is dropped returns its hosts.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::messages::{HostLease, LockedLayer};
use cue_domain::{
    Booking, BookingHost, BookingLayer, Host, HostId, JobId, LayerId, ProcId, Resources,
    WaitingFrame,
};
use cue_hosts::HostIndex;

/// A frame that the plan put on a host.
#[derive(Debug)]
pub struct Placement {
    /// The frame.
    pub frame: WaitingFrame,
    /// Position of its layer among the layers.
    pub layer: usize,
    /// Position of its host among the hosts.
    pub host: usize,
    /// Resources that it takes.
    pub reserved: Resources,
}

/// Hosts on loan, and the frames placed on them.
#[derive(Debug, Default)]
pub struct Planned {
    /// The hosts, as they were lent.
    pub hosts: Vec<HostLease>,
    /// The same hosts with the resources that the placements leave idle.
    pub(crate) remaining: Vec<Host>,
    /// The placements, in order of service.
    pub placements: Vec<Placement>,
    /// Positions of the hosts in both.
    position_of: HashMap<HostId, usize>,
    /// Frames placed by layer and host.
    pub(crate) placed: HashMap<(usize, usize), u32>,
    /// Layers of which no frame found a host, though their turn had entitlement left and idle hosts seemed to have room.
    pub without_host: Vec<LayerId>,
}

impl Planned {
    /// Adds a host. Returns its position.
    pub(crate) fn add(&mut self, lease: HostLease) -> usize {
        self.position_of
            .insert(lease.id.clone(), self.remaining.len());
        self.remaining.push(Host::clone(&lease));
        self.hosts.push(lease);
        self.hosts.len() - 1
    }

    /// Position of a host that the plan holds.
    pub(crate) fn position(&self, host: &HostId) -> Option<usize> {
        self.position_of.get(host).copied()
    }

    /// Hosts with the jobs and layers of which they have frames.
    pub(crate) fn placed_on<'a>(
        &'a self,
        layers: &'a [LockedLayer],
    ) -> impl Iterator<Item = (&'a HostId, &'a JobId, &'a LayerId)> {
        self.placed.keys().filter_map(|(layer, host)| {
            let (layer, host) = (layers.get(*layer)?, self.hosts.get(*host)?);
            Some((&host.id, &layer.wanted.job.id, &layer.wanted.layer.id))
        })
    }

    /// The hosts, and the placements as bookings. Each gets a proc of its own.
    pub(crate) fn into_bookings(self, layers: &[LockedLayer]) -> (Vec<HostLease>, Vec<Booking>) {
        let shared = |layer: &LockedLayer| {
            Arc::new(BookingLayer::new(&layer.wanted.layer, &layer.wanted.job))
        };
        let layers: Vec<Arc<BookingLayer>> = layers.iter().map(shared).collect();
        let hosts = self.hosts.iter().map(|host| BookingHost::from(&**host));
        let hosts: Vec<Arc<BookingHost>> = hosts.map(Arc::new).collect();
        let bookings = self.placements.into_iter().filter_map(|placement| {
            Some(Booking {
                proc: ProcId::from(uuid::Uuid::new_v4().to_string()),
                frame: placement.frame,
                layer: Arc::clone(layers.get(placement.layer)?),
                host: Arc::clone(hosts.get(placement.host)?),
                reserved: placement.reserved,
            })
        });
        (self.hosts, bookings.collect())
    }

    /// Returns the host that was added last to the index.
    pub(crate) fn release_last(&mut self, index: &HostIndex) {
        if let Some(host) = self.remaining.pop() {
            self.position_of.remove(&host.id);
        }
        if let Some(lease) = self.hosts.pop() {
            index.check_in(lease, None);
        }
    }
}
