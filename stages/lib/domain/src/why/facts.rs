//! Facts that an answer is made of: the rows, as numbers and words, and observations of the scheduler that answers.
//!
//! Amounts are as the database has them: cores in centicores, memory in KiB. Nothing is checked here;
//! any combination is answered.

use std::collections::HashMap;
use std::time::Duration;

use super::contradictions::{LedgerFault, WaitingCount};
use super::held::HeldRow;
use super::queued::Queued;
use super::reserved::ReservationFacts;
use super::tagged::TaggedHosts;
use super::unread::{Fact, Unread};
use crate::backoff::Backoff;
use crate::fit::FitRules;
use crate::ids::{AllocId, FacilityId, HostId};
use crate::layer::Layer;
use crate::limits::Limit;
use crate::tags::Tag;

/// Settings and observations of the scheduler that answers.
#[derive(Clone, Copy, Debug)]
pub struct Scheduler<'a> {
    /// Rules by which it fits frames to hosts.
    pub rules: &'a FitRules,
    /// Name of the only facility that it serves; none if it serves all.
    pub facility: Option<&'a str>,
    /// Tags for which it books nothing.
    pub ignored_tags: &'a [Tag],
    /// Hosts that back off because launches failed on them, with the remaining time.
    pub host_backoffs: &'a HashMap<HostId, Duration>,
}

impl Scheduler<'_> {
    /// Returns true if it books anything for this tag.
    pub(super) fn serves(&self, tag: &Tag) -> bool {
        !self.ignored_tags.contains(tag)
    }
}

/// Everything about a job, a layer or a frame, and about the rows above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Subject of the question, as people call it: `job x`, `layer y of job x`, `frame z of job x`.
    pub subject: String,
    /// Name of the show.
    pub show: String,
    /// `show.b_active`.
    pub show_active: bool,
    /// `show.b_scheduler_managed`.
    pub show_managed: bool,
    /// `show.b_booking_enabled`, which nobody heeds.
    pub show_booking: bool,
    /// Facility of the job.
    pub facility: FacilityId,
    /// Its name.
    pub facility_name: String,
    /// `job.str_state`.
    pub job_state: String,
    /// `job.b_paused`.
    pub paused: bool,
    /// Operating system that the job demands.
    pub os: Option<String>,
    /// Caps of the job.
    pub job: CapFacts,
    /// Caps of the folder.
    pub folder: CapFacts,
    /// Subscriptions of the show to allocations of the facility.
    pub subscriptions: Vec<SubscriptionFacts>,
    /// Layers of the subject in dispatch order: all of the job, or one.
    pub layers: Vec<LayerFacts>,
    /// The frame, if the subject is one.
    pub frame: Option<FrameFacts>,
    /// Hosts that have the tags which no open host has, if they were read.
    pub tagged: Option<TaggedHosts>,
    /// Hosts whose ledger differs from what their procs leave, if they were read.
    pub ledger_faults: Vec<LedgerFault>,
    /// Waiting frames of the job's layers, if they were counted.
    pub waiting_counts: Vec<WaitingCount>,
    /// Facts that could not be read.
    pub unread: Vec<Unread>,
    /// Waiting frames of the show's jobs that are served before this one.
    pub ahead: i64,
}

impl Facts {
    /// The same facts about each layer alone.
    pub fn by_layer(&self) -> impl Iterator<Item = Self> {
        self.layers.iter().map(|layer| Self {
            subject: format!("layer {} of job {}", layer.layer.name, self.job.name),
            layers: vec![layer.clone()],
            ..self.clone()
        })
    }

    /// Returns true if the fact could not be read.
    pub(super) fn lacks(&self, fact: Fact) -> bool {
        self.unread.iter().any(|unread| unread.fact == fact)
    }

    /// The show's subscription to the allocation.
    pub(super) fn subscription(&self, alloc: &AllocId) -> Option<&SubscriptionFacts> {
        let mut subscriptions = self.subscriptions.iter();
        subscriptions.find(|subscription| subscription.alloc == *alloc)
    }
}

/// A cap on cores and GPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapFacts {
    /// Name of the job or folder.
    pub name: String,
    /// Cores in use, in centicores.
    pub cores: i64,
    /// Cap on cores, in centicores.
    pub max_cores: i64,
    /// GPUs in use.
    pub gpus: i64,
    /// Cap on GPUs.
    pub max_gpus: i64,
}

/// A subscription of the show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionFacts {
    /// The allocation.
    pub alloc: AllocId,
    /// Its name.
    pub name: String,
    /// Cores in use, in centicores.
    pub cores: i64,
    /// The cap, in centicores.
    pub burst: i64,
}

impl SubscriptionFacts {
    /// Remaining cores, in centicores.
    pub const fn remaining(&self) -> i64 {
        self.burst.saturating_sub(self.cores)
    }
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFacts {
    /// Its row.
    pub layer: Layer,
    /// Its frames by state.
    pub counts: Counts,
    /// Waiting frames of the layers of its job that are served before it, part of the subject or not.
    pub earlier: i64,
    /// Time until it may start; `None` when it may.
    pub starts_in: Option<Duration>,
    /// Reason for the later start.
    pub start_reason: Option<String>,
    /// Its limits.
    pub limits: Vec<LimitFacts>,
    /// Its backoff, as far as this process knows.
    pub set_aside: Option<Backoff>,
    /// A row that its booking needs and another session holds, if it was looked for.
    pub held: Option<HeldRow>,
    /// Reserved hosts, as far as this process knows.
    pub reservations: ReservationFacts,
    /// Policy that serves others first, as far as this process knows.
    pub queued: Option<Queued>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitFacts {
    /// Its name.
    pub name: String,
    /// `str_enforcement`; anything but ENFORCED holds nothing back.
    pub enforcement: String,
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
    /// Its id.
    pub id: String,
    /// `frame.str_state`.
    pub state: String,
    /// Host that it runs or ran on.
    pub host: Option<String>,
    /// Frames that it still waits for.
    pub depends_on: i64,
    /// Waiting frames of its layer that are served before it.
    pub ahead_in_layer: i64,
}
