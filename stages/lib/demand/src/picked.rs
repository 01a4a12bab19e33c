//! Input and result of a pick.

use std::time::{Duration, Instant};

use cue_domain::order::OrderRules;
use cue_domain::{AllocId, Centicores, JobId, LayerId};

use crate::replica::ReplicaPlace;
use crate::supply::Supply;

/// Input of a pick, in addition to the mirrored rows.
#[derive(Clone, Copy)]
pub struct PickInput<'a> {
    /// Idle resources.
    pub supply: &'a Supply,
    /// Rules of the pick.
    pub rules: &'a PickRules,
    /// Time of the pick.
    pub now: Instant,
    /// The same time in microseconds since 1970.
    pub now_us: i64,
    /// Returns true for a layer that backs off, which is passed over.
    pub is_set_aside: &'a dyn Fn(&LayerId) -> bool,
}

/// Rules of a pick.
#[derive(Clone, Debug)]
pub struct PickRules {
    /// Order of jobs inside a show.
    pub order: OrderRules,
    /// Frames of one turn, at most.
    pub frames: u32,
    /// Frames of one layer in a turn, at most. The layers behind it in its job wait for the next turn then.
    pub layer_frames: u32,
    /// Layers of one turn, at most.
    pub layers: usize,
    /// True if layers that memory may size try a few frames until their memory is known.
    pub cores_follow_memory: bool,
    /// Place of this replica among those that share the idle cores.
    pub replica: ReplicaPlace,
}

/// A layer to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    /// The layer.
    pub layer: LayerId,
    /// Its job.
    pub job: JobId,
    /// Frames to try.
    pub frames: u32,
    /// True if frames of it wait that were not picked.
    pub has_more: bool,
    /// True if frames of the layer run somewhere.
    pub is_running: bool,
    /// True if the memory that its frames use is known.
    pub is_measured: bool,
    /// Longest run of a frame of the layer so far; `None` if none has succeeded.
    pub longest_run: Option<Duration>,
    /// True if the idle cores do not pay for it: it is tried in case others leave some.
    pub is_spare: bool,
    /// A spare that may take a host before the others if it runs there: its job is within one core of theirs.
    pub is_equal: bool,
}

/// The layers of one turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// Layers, in order of service.
    pub layers: Vec<Picked>,
    /// Centicores that the turn may use of each allocation.
    pub entitled: Vec<(AllocId, Centicores)>,
    /// True if layers wait that every known cap admits.
    pub has_work: bool,
    /// True if idle cores that the cluster could use were left to other shows.
    pub is_limited: bool,
    /// True if a layer that an idle host could run was not picked although its job is within a core of the picked
    /// jobs.
    pub leaves_others: bool,
}
