//! State of the farm by show.

use cue_demand::{FarmView, Oldest, ShowView, Stranding};
use cue_domain::{Centicores, WaitReason};
use serde::{Deserialize, Serialize};

/// A show in a facility: what waits, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Show {
    /// Name of the facility.
    pub facility: String,
    /// Name of the show.
    pub show: String,
    /// Cores in use, in centicores.
    pub held_centicores: i64,
    /// Cores that the show would have if all cores were divided again by the tiers of its subscriptions, among the
    /// shows that could use them. In centicores.
    pub entitled_centicores: i64,
    /// Part of the facility's cores in use, 0 to 1.
    pub held_share: f64,
    /// Part of the facility's cores that the show is entitled to, 0 to 1.
    pub entitled_share: f64,
    /// Waiting frames.
    pub waiting_frames: u64,
    /// Waiting frames by reason, the most frames first.
    pub waiting: Vec<WaitingBy>,
    /// The layer that has waited longest without a running frame.
    pub oldest: Option<OldestWait>,
    /// Hosts that are reserved for layers of the show.
    pub reserved_hosts: u64,
}

/// Waiting frames of a show for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WaitingBy {
    /// Code of the reason.
    pub reason: String,
    /// The reason in a few words.
    pub words: String,
    /// Frames.
    pub frames: u64,
    /// Layers that have such frames.
    pub layers: u64,
    /// The layer among them that has waited longest without a running frame.
    pub oldest: Option<OldestWait>,
}

/// A layer that has waited for long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OldestWait {
    /// Seconds since it could have started a frame.
    pub seconds: u64,
    /// The layer as `JOB/LAYER`.
    pub layer: String,
}

/// Idle cores that no frame waiting for their hosts can use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stranded {
    /// Name of the facility.
    pub facility: String,
    /// Code of the cause.
    pub cause: String,
    /// The cause in a few words.
    pub words: String,
    /// Cores, in centicores.
    pub centicores: i64,
}

/// The shows of a view, and the stranded cores.
#[must_use]
pub fn of_view(view: &FarmView) -> (Vec<Show>, Vec<Stranded>) {
    let total = |show: &ShowView| {
        let facility = view.facilities.get(&show.cluster.key.facility);
        facility.map_or(Centicores(0), |facility| facility.total)
    };
    let shows = view.shows.iter().map(|show| of_show(show, total(show)));
    let stranded = view.facilities.values().flat_map(|facility| {
        let causes = facility.stranded.iter();
        causes.map(|(cause, cores)| Stranded {
            facility: facility.name.to_string(),
            cause: cause.code().to_owned(),
            words: words(*cause).to_owned(),
            centicores: cores.0,
        })
    });
    (shows.collect(), stranded.collect())
}

fn of_show(show: &ShowView, total: Centicores) -> Show {
    let share = |part: Centicores| {
        if total.0 > 0 {
            part.0 as f64 / total.0 as f64
        } else {
            0.0
        }
    };
    let waiting = show.waiting.iter();
    let mut waiting: Vec<WaitingBy> = waiting
        .map(|(reason, waiting)| WaitingBy {
            oldest: waiting.oldest.as_ref().map(Into::into),
            frames: waiting.frames.unsigned_abs(),
            layers: waiting.layers,
            ..WaitingBy::from(*reason)
        })
        .collect();
    waiting.sort_by_key(|by| std::cmp::Reverse(by.frames));
    Show {
        facility: show.cluster.facility_name.to_string(),
        show: show.cluster.show_name.to_string(),
        held_centicores: show.held.0,
        entitled_centicores: show.entitled.0,
        held_share: share(show.held),
        entitled_share: share(show.entitled),
        waiting_frames: show.frames().unsigned_abs(),
        waiting,
        oldest: show.oldest().map(Into::into),
        reserved_hosts: u64::try_from(show.reserved_hosts).unwrap_or(u64::MAX),
    }
}

impl From<WaitReason> for WaitingBy {
    fn from(reason: WaitReason) -> Self {
        Self {
            reason: reason.code().to_owned(),
            words: reason.words().to_owned(),
            ..Self::default()
        }
    }
}

impl From<&Oldest> for OldestWait {
    fn from(oldest: &Oldest) -> Self {
        Self {
            seconds: oldest.waited.as_secs(),
            layer: oldest.name.clone(),
        }
    }
}

const fn words(cause: Stranding) -> &'static str {
    match cause {
        Stranding::Reserved => "reserved hosts that drain",
        Stranding::HostBacksOff => "hosts that back off",
        Stranding::GpuProtected => "kept for GPU work",
        Stranding::Memory => "too little memory beside them",
        Stranding::Cores => "too few of them on one host",
    }
}
