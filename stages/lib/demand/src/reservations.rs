//! Reserved hosts, as the demand index publishes them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::reservation::may_backfill;
use cue_domain::why::{ReadyIn, ReservationFacts};
use cue_domain::{ClusterKey, HostId, LayerId};

/// A reservation of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserved {
    /// Layer that the host is reserved for.
    pub owner: LayerId,
    /// Cluster of the layer.
    pub cluster: ClusterKey,
    /// Time at which a frame of the owner is expected to fit. Frames of others may run there until then.
    pub ready_at: Instant,
    /// True if that is a guess, because a layer on the host has no finished run.
    pub is_guess: bool,
}

/// All reserved hosts. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Reservations(Arc<HashMap<HostId, Reserved>>);

impl Reservations {
    /// These reservations.
    pub fn new(reserved: HashMap<HostId, Reserved>) -> Self {
        Self(Arc::new(reserved))
    }

    /// The reservation of a host.
    pub fn of(&self, host: &HostId) -> Option<&Reserved> {
        self.0.get(host)
    }

    /// Every reservation.
    pub fn iter(&self) -> impl Iterator<Item = (&HostId, &Reserved)> {
        self.0.iter()
    }

    /// Hosts that a frame of the layer may use although they are reserved, in a fixed order.
    pub fn open_to(
        &self,
        layer: &LayerId,
        longest_run: Option<Duration>,
        now: Instant,
    ) -> Vec<&HostId> {
        let mut open: Vec<&HostId> = self
            .iter()
            .filter(|(_, reserved)| reserved.admits(layer, longest_run, now))
            .map(|(host, _)| host)
            .collect();
        open.sort_unstable();
        open
    }

    /// Hosts that are reserved for a layer, and those that are closed to it, with the time until they are ready.
    pub(crate) fn facts(
        &self,
        layer: &LayerId,
        longest_run: Option<Duration>,
        now: Instant,
    ) -> ReservationFacts {
        let mut facts = ReservationFacts::default();
        for (host, reserved) in self.iter() {
            let ready_in = ReadyIn {
                time: reserved.ready_at.saturating_duration_since(now),
                is_guess: reserved.is_guess,
            };
            if reserved.owner == *layer {
                facts.own.insert(host.clone(), ready_in);
            } else if !reserved.admits(layer, longest_run, now) {
                facts.others.insert(host.clone(), ready_in);
            }
        }
        facts
    }

    /// Returns true if no host is reserved.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if a frame of the layer may use the host: it is not reserved, or for this layer, or the
    /// layer's frames have always ended before the host would be ready (EASY backfill).
    pub fn may_use(
        &self,
        host: &HostId,
        layer: &LayerId,
        longest_run: Option<Duration>,
        now: Instant,
    ) -> bool {
        self.of(host)
            .is_none_or(|reserved| reserved.admits(layer, longest_run, now))
    }
}

impl Reserved {
    /// Returns true if a frame of the layer may use the host.
    pub(crate) fn admits(
        &self,
        layer: &LayerId,
        longest_run: Option<Duration>,
        now: Instant,
    ) -> bool {
        let ready_in = self.ready_at.saturating_duration_since(now);
        self.owner == *layer || may_backfill(longest_run, ready_in)
    }
}
