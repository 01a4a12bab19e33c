//! Reserved hosts, as they concern a layer.

use std::collections::HashMap;
use std::time::Duration;

use crate::host::Host;
use crate::ids::HostId;
use crate::text::{list, time};

/// Hosts that a sentence names, at most.
const NAMED: usize = 5;

/// Time until a frame is expected to fit on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadyIn {
    /// The time.
    pub time: Duration,
    /// True if a layer on the host has no finished run, so that the time is a guess.
    pub is_guess: bool,
}

impl ReadyIn {
    /// Basis of the time, in words.
    #[must_use]
    pub const fn basis(self) -> &'static str {
        if self.is_guess {
            "a guess, for a layer there has no finished frame yet"
        } else {
            "by the mean runs of the layers there"
        }
    }
}

/// Reserved hosts with the time until a frame of their owner is expected to fit there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservationFacts {
    /// Hosts that are reserved for the layer.
    pub own: HashMap<HostId, ReadyIn>,
    /// Hosts that are reserved for another layer, and closed to this one until then: its frames run for too long.
    pub others: HashMap<HostId, ReadyIn>,
}

/// Hosts that are reserved, the one that is ready first before the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReservedHosts {
    /// Names of the hosts.
    pub names: Vec<String>,
    /// Time until a frame is expected to fit on the first.
    pub ready_in: ReadyIn,
}

impl ReservedHosts {
    /// The hosts that are reserved; `None` if there are none.
    pub(super) fn among(hosts: &[&Host], reserved: &HashMap<HostId, ReadyIn>) -> Option<Self> {
        let found = hosts.iter().filter_map(|host| {
            let ready_in = reserved.get(&host.id)?;
            Some((*ready_in, host.name.to_string()))
        });
        let mut found: Vec<(ReadyIn, String)> = found.collect();
        found.sort_unstable();
        let ready_in = found.first()?.0;
        Some(Self {
            names: found.into_iter().map(|(_, name)| name).collect(),
            ready_in,
        })
    }

    /// Predicate of a layer that waits for its hosts.
    pub(super) fn owned(&self) -> String {
        format!(
            "waits until hosts that are reserved for it have room: {}",
            self.expected()
        )
    }

    /// Predicate of a layer that may not use them.
    pub(super) fn closed(&self) -> String {
        format!(
            "waits because the hosts with room are reserved for a layer that needs more of them, and its own frames \
             may not end in time: {}",
            self.expected()
        )
    }

    /// Names of the hosts, and the time until the first is ready.
    fn expected(&self) -> String {
        format!(
            "{}, the first in about {}, {}",
            list(&self.names, NAMED),
            time(self.ready_in.time),
            self.ready_in.basis()
        )
    }
}
