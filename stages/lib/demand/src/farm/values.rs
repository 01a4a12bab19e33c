//! A view of the farm: its input and its parts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Centicores, Cluster, FacilityId, Host, HostId, LayerId, WaitReason};

use super::stranded::Stranding;
use crate::picked::PickRules;
use crate::supply::Supply;

/// Input of a view, in addition to the rows of the index.
#[derive(Clone, Copy)]
pub struct FarmInput<'a> {
    /// Open hosts, those on loan included.
    pub hosts: &'a [Host],
    /// Supply of the same hosts as if nothing ran on them: [`Supply::of_idle_farm`].
    pub whole: &'a Supply,
    /// Hosts that back off.
    pub host_backoffs: &'a HashMap<HostId, Duration>,
    /// Layers that back off, with the reason.
    pub layer_backoffs: &'a HashMap<LayerId, WaitReason>,
    /// Rules of picks.
    pub rules: &'a PickRules,
    /// Time of the view.
    pub now: std::time::Instant,
    /// The same time in microseconds since 1970.
    pub now_us: i64,
}

/// Waiting frames of one show and reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Frames.
    pub frames: i64,
    /// Layers that have such frames.
    pub layers: u64,
    /// The layer that has waited longest without a running frame.
    pub oldest: Option<Oldest>,
}

/// A layer that has waited for long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oldest {
    /// Time since it could have started a frame.
    pub waited: Duration,
    /// The layer as `JOB/LAYER`.
    pub name: String,
}

/// A show in a facility.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowView {
    /// The show and the facility, with their names.
    pub cluster: Arc<Cluster>,
    /// Waiting frames by reason.
    pub waiting: BTreeMap<WaitReason, Waiting>,
    /// Cores in use.
    pub held: Centicores,
    /// Cores that the show would have if all cores were divided again by the tiers of its subscriptions.
    pub entitled: Centicores,
    /// Hosts that are reserved for layers of the show.
    pub reserved_hosts: usize,
}

impl ShowView {
    /// Waiting frames in all.
    pub fn frames(&self) -> i64 {
        let frames = self.waiting.values().map(|waiting| waiting.frames);
        frames.fold(0, i64::saturating_add)
    }

    /// The layer that has waited longest.
    pub fn oldest(&self) -> Option<&Oldest> {
        let oldest = self.waiting.values();
        oldest.filter_map(|waiting| waiting.oldest.as_ref()).max()
    }
}

/// Hosts of a facility.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FacilityView {
    /// Its name; empty while no show has a subscription there.
    pub name: Arc<str>,
    /// Cores of its open hosts.
    pub total: Centicores,
    /// Idle cores that no waiting frame can use, by cause.
    pub stranded: BTreeMap<Stranding, Centicores>,
}

/// The farm at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarmView {
    /// Shows with waiting frames or with cores in use, by facility and name.
    pub shows: Vec<ShowView>,
    /// Facilities with open hosts.
    pub facilities: BTreeMap<FacilityId, FacilityView>,
}
