//! Refusals of placements: the cap, and the numbers that were compared.

use std::fmt;

use crate::ids::{AllocId, FolderId, HostId, JobId, LimitId, ShowId};
use crate::limits::LimitKind;
use crate::units::{Centicores, Resources};

/// Amounts of a cap that a frame would pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverCap<T> {
    /// Amount in use.
    pub used: T,
    /// The cap.
    pub cap: T,
    /// Amount that the frame takes.
    pub takes: T,
}

impl fmt::Display for OverCap<Centicores> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, cap) = (self.used.words(), self.cap.words());
        let takes = self.takes.words();
        write!(f, "{used}, its cap is {cap}, the frame takes {takes}")
    }
}

impl fmt::Display for OverCap<i64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { used, cap, takes } = self;
        write!(f, "{used} GPUs, its cap is {cap}, the frame takes {takes}")
    }
}

/// Reason for which a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The resources are none that a proc can have: no cores, or an amount below zero.
    #[error("a proc takes cores and no negative amounts: {reserved}")]
    NotAReservation {
        /// The requested resources.
        reserved: Resources,
    },
    /// The host's row is locked by another transaction, or is gone.
    #[error("host {host} is held by another transaction")]
    HostTaken {
        /// The host.
        host: HostId,
    },
    /// The host has less idle than expected.
    #[error("host {host} has {idle} idle, the frame takes {reserved}")]
    HostFull {
        /// The host.
        host: HostId,
        /// Idle resources.
        idle: Resources,
        /// Resources that the frame takes.
        reserved: Resources,
    },
    /// The show has no subscription to the host's allocation.
    #[error("show {show} has no subscription to allocation {alloc}")]
    NoSubscription {
        /// The show.
        show: ShowId,
        /// The allocation.
        alloc: AllocId,
    },
    /// The subscription would pass its burst.
    #[error(
        "show {show} uses {} of allocation {alloc}, its burst is {}, the frame takes {}",
        cores.used.words(), cores.cap.words(), cores.takes.words()
    )]
    SubscriptionBurst {
        /// The show.
        show: ShowId,
        /// The allocation.
        alloc: AllocId,
        /// Cores of the subscription.
        cores: OverCap<Centicores>,
    },
    /// The job's row is gone.
    #[error("job {0} is gone")]
    JobGone(JobId),
    /// The job would pass its core cap.
    #[error("job {0} uses {1}")]
    JobCores(JobId, OverCap<Centicores>),
    /// The job would be over its GPU cap.
    #[error("job {0} uses {1}")]
    JobGpus(JobId, OverCap<i64>),
    /// The folder's row is gone.
    #[error("folder {0} is gone")]
    FolderGone(FolderId),
    /// The folder would pass its core cap.
    #[error("folder {0} uses {1}")]
    FolderCores(FolderId, OverCap<Centicores>),
    /// The folder would pass its GPU cap.
    #[error("folder {0} uses {1}")]
    FolderGpus(FolderId, OverCap<i64>),
    /// A limit of the layer has no room for a frame on the host.
    #[error("limit {limit} has {usage} {} in use of {}", kind.unit(), shown(*.cap))]
    Limit {
        /// The limit.
        limit: LimitId,
        /// Its unit.
        kind: LimitKind,
        /// The cap; `None` when it is not set, which admits nothing.
        cap: Option<i64>,
        /// Frames or hosts in use.
        usage: i64,
    },
}

impl Refusal {
    /// Name of the cap, as a label of metrics.
    pub const fn cap(&self) -> &'static str {
        match self {
            Self::NotAReservation { .. } => "reservation",
            Self::HostTaken { .. } => "host_taken",
            Self::HostFull { .. } => "host",
            Self::NoSubscription { .. } => "no_subscription",
            Self::SubscriptionBurst { .. } => "subscription",
            Self::JobGone { .. } => "job_gone",
            Self::JobCores { .. } => "job_cores",
            Self::JobGpus { .. } => "job_gpus",
            Self::FolderGone { .. } => "folder_gone",
            Self::FolderCores { .. } => "folder_cores",
            Self::FolderGpus { .. } => "folder_gpus",
            Self::Limit { .. } => "limit",
        }
    }

    /// Returns true if another program has the host, or took what was idle on it: the placement was
    /// sound when it was made.
    pub const fn is_contention(&self) -> bool {
        matches!(self, Self::HostTaken { .. } | Self::HostFull { .. })
    }
}

fn shown(max: Option<i64>) -> String {
    max.map_or_else(
        || "none: it has no maximum".to_owned(),
        |max| max.to_string(),
    )
}
