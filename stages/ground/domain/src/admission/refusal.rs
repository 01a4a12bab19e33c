//! Why a placement is not admitted: the cap, and the numbers that were compared.
//!
//! A refusal is a normal outcome and no failure; its text is for the log and for whoever asks why
//! a frame waits, its label for metrics.

use crate::ids::{AllocId, FolderId, HostId, JobId, LimitId, ShowId};
use crate::limits::LimitKind;
use crate::units::{Centicores, Resources};

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The reservation is not one: no cores, or an amount below zero.
    #[error("a proc takes cores and no negative amounts: {reserved}")]
    NotAReservation {
        /// What was asked for.
        reserved: Resources,
    },
    /// The host's row is locked by another transaction, or is gone.
    #[error("host {host} is held by another transaction")]
    HostTaken {
        /// The host.
        host: HostId,
    },
    /// The host has less idle than was thought.
    #[error("host {host} has {idle} idle, the frame takes {reserved}")]
    HostFull {
        /// The host.
        host: HostId,
        /// What is idle.
        idle: Resources,
        /// What the frame takes.
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
        cores.words(), burst.words(), reserved.words()
    )]
    SubscriptionBurst {
        /// The show.
        show: ShowId,
        /// The allocation.
        alloc: AllocId,
        /// In use, in centicores.
        cores: Centicores,
        /// The cap, in centicores.
        burst: Centicores,
        /// What the frame takes, in centicores.
        reserved: Centicores,
    },
    /// The job's row is gone.
    #[error("job {job} is gone")]
    JobGone {
        /// The job.
        job: JobId,
    },
    /// The job would pass its core cap.
    #[error(
        "job {job} uses {}, its cap is {}, the frame takes {}",
        cores.words(), max.words(), reserved.words()
    )]
    JobCores {
        /// The job.
        job: JobId,
        /// In use, in centicores.
        cores: Centicores,
        /// The cap, in centicores.
        max: Centicores,
        /// What the frame takes, in centicores.
        reserved: Centicores,
    },
    /// The job would be over its GPU cap.
    #[error("job {job} uses {gpus} GPUs, its cap is {max}, the frame takes {reserved}")]
    JobGpus {
        /// The job.
        job: JobId,
        /// In use.
        gpus: i64,
        /// The cap.
        max: i64,
        /// What the frame takes.
        reserved: i64,
    },
    /// The folder's row is gone.
    #[error("folder {folder} is gone")]
    FolderGone {
        /// The folder.
        folder: FolderId,
    },
    /// The folder would pass its core cap.
    #[error(
        "folder {folder} uses {}, its cap is {}, the frame takes {}",
        cores.words(), max.words(), reserved.words()
    )]
    FolderCores {
        /// The folder.
        folder: FolderId,
        /// In use, in centicores.
        cores: Centicores,
        /// The cap, in centicores.
        max: Centicores,
        /// What the frame takes, in centicores.
        reserved: Centicores,
    },
    /// The folder would pass its GPU cap.
    #[error("folder {folder} uses {gpus} GPUs, its cap is {max}, the frame takes {reserved}")]
    FolderGpus {
        /// The folder.
        folder: FolderId,
        /// In use.
        gpus: i64,
        /// The cap.
        max: i64,
        /// What the frame takes.
        reserved: i64,
    },
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
    /// The name of the cap, to label metrics with.
    #[must_use]
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
}

fn shown(max: Option<i64>) -> String {
    max.map_or_else(
        || "none: it has no maximum".to_owned(),
        |max| max.to_string(),
    )
}
