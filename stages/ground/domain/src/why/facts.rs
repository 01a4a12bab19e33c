//! What must be known to say why a frame waits: the rows, as numbers and words.
//!
//! Amounts are as the database has them: cores in centicores, memory in KiB. Nothing is checked here;
//! any combination is answered.

use std::time::Duration;

use super::contradictions::{LedgerFault, WaitingCount};
use super::tagged::TaggedHosts;
use crate::ids::{AllocId, FacilityId};
use crate::layer::Layer;
use crate::limits::Limit;

/// Everything about a job, a layer or a frame, and what is above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What was asked about, as people call it: `job x`, `layer y of job x`, `frame z of job x`.
    pub subject: String,
    /// The name of the show.
    pub show: String,
    /// `show.b_active`.
    pub show_active: bool,
    /// `show.b_scheduler_managed`.
    pub show_managed: bool,
    /// `show.b_booking_enabled`, which nobody heeds.
    pub show_booking: bool,
    /// The facility of the job.
    pub facility: FacilityId,
    /// Its name.
    pub facility_name: String,
    /// `job.str_state`.
    pub job_state: String,
    /// `job.b_paused`.
    pub paused: bool,
    /// The operating system the job demands.
    pub os: Option<String>,
    /// The job's caps.
    pub job: CapFacts,
    /// The folder's caps.
    pub folder: CapFacts,
    /// The show's subscriptions to allocations of the facility.
    pub subscriptions: Vec<SubscriptionFacts>,
    /// The layers asked about, in dispatch order: all of the job, or one.
    pub layers: Vec<LayerFacts>,
    /// The frame asked about, if it is one.
    pub frame: Option<FrameFacts>,
    /// The hosts that have the tags which no open host has, where somebody asked for them.
    pub tagged: Option<TaggedHosts>,
    /// Hosts whose ledger is not what their procs leave, where somebody asked for them.
    pub ledger_faults: Vec<LedgerFault>,
    /// Waiting frames of the job's layers, where somebody asked for them.
    pub waiting_counts: Vec<WaitingCount>,
    /// Waiting frames of the show's jobs that are served before this one.
    pub ahead: i64,
}

/// A cap on cores and GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapFacts {
    /// Whose cap.
    pub name: String,
    /// In use, in centicores.
    pub cores: i64,
    /// The cap, in centicores.
    pub max_cores: i64,
    /// In use.
    pub gpus: i64,
    /// The cap.
    pub max_gpus: i64,
}

/// A subscription of the show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// The allocation.
    pub alloc: AllocId,
    /// Its name.
    pub name: String,
    /// In use, in centicores.
    pub cores: i64,
    /// The cap, in centicores.
    pub burst: i64,
}

impl SubscriptionFacts {
    /// What is left, in centicores.
    #[must_use]
    pub const fn rest(&self) -> i64 {
        self.burst.saturating_sub(self.cores)
    }
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFacts {
    /// What its frames ask for.
    pub layer: Layer,
    /// Its frames by state.
    pub counts: Counts,
    /// Waiting frames of the layers of its job that are served before it, asked about or not.
    pub earlier: i64,
    /// How long until it may start; `None` when it may.
    pub starts_in: Option<Duration>,
    /// Why it starts later.
    pub start_reason: Option<String>,
    /// Its limits.
    pub limits: Vec<LimitFacts>,
    /// How long it rests yet after a refused launch, as far as this process knows.
    pub rests: Option<Duration>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFacts {
    /// Its name.
    pub name: String,
    /// `str_enforcement`; anything but ENFORCED holds nothing back.
    pub enforcement: String,
    /// Returns true if its licence report is recent enough, or none is expected.
    pub fresh: bool,
    /// Frames or hosts of its usage that a licence report accounts for.
    pub reported: i64,
    /// Short names of the hosts that hold it, of a limit by hosts.
    pub holders: Vec<String>,
    /// Its maximum and its usage.
    pub limit: Limit,
}

/// Frames by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: i64,
    /// Ready to run.
    pub waiting: i64,
    /// Running.
    pub running: i64,
    /// Waiting for other frames.
    pub depend: i64,
    /// Failed.
    pub dead: i64,
    /// Done, or given up by somebody.
    pub done: i64,
}

impl Counts {
    /// The sum, state by state.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            total: self.total.saturating_add(other.total),
            waiting: self.waiting.saturating_add(other.waiting),
            running: self.running.saturating_add(other.running),
            depend: self.depend.saturating_add(other.depend),
            dead: self.dead.saturating_add(other.dead),
            done: self.done.saturating_add(other.done),
        }
    }
}

/// A frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameFacts {
    /// `frame.str_state`.
    pub state: String,
    /// The host it runs or ran on.
    pub host: Option<String>,
    /// Frames it still waits for.
    pub depends_on: i64,
    /// Waiting frames of its layer that are served before it.
    pub ahead_in_layer: i64,
}
