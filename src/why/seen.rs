//! Facts that only a running pipeline has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::{DemandIndex, FarmView};
use cue_dispatch::Refusals;
use cue_domain::backoff::Backoffs;
use cue_domain::why::Facts;
use cue_domain::{BookingHealth, LayerId, Pause, PauseScope};
use cue_hosts::HostIndex;
use cue_loops::{ClosedFarm, Latest, Pauses};

/// Facts that a running pipeline has.
#[derive(Clone)]
pub struct Seen {
    /// The layers whose launch was refused for good.
    pub layers: Arc<Backoffs<LayerId>>,
    /// The hosts, of which some rest after failed launches.
    pub hosts: HostIndex,
    /// The hosts that may not be booked.
    pub closed: Latest<ClosedFarm>,
    /// Launches that hosts refused.
    pub refusals: Refusals,
    /// Outcomes of the steps of booking.
    pub health: BookingHealth,
    /// The farm by show.
    pub farm: Latest<FarmView>,
    /// Waiting layers, and the hosts that are reserved for some.
    pub demand: DemandIndex,
    /// Pauses of booking.
    pub pauses: Pauses,
}

impl Seen {
    /// The pause that holds back the subject of these facts, and the time until its end.
    pub(super) fn pause_of(&self, facts: &Facts) -> Option<(Pause, Duration)> {
        let now = Instant::now();
        let mut active = self.pauses.active(now).into_iter();
        let found = active.find(|active| match &active.pause.scope {
            PauseScope::All => true,
            PauseScope::Facility(name) => **name == *facts.facility_name,
            PauseScope::Show(name) => **name == *facts.show,
        });
        found.map(|found| (found.pause, found.until.saturating_duration_since(now)))
    }
}
