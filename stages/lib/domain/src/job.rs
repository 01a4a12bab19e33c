//! Jobs as the pipeline sees them: their owners and the remaining room under their caps.

use std::sync::Arc;

use crate::ids::{AllocId, DeptId, FacilityId, FolderId, JobId, ShowId};
use crate::units::{Centicores, Resources};

/// A pending job with at least one dispatchable layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// `job.pk_job`.
    pub id: JobId,
    /// `job.str_name`.
    pub name: Arc<str>,
    /// `job.pk_show`.
    pub show: ShowId,
    /// `job.pk_facility`.
    pub facility: FacilityId,
    /// `job.pk_folder`.
    pub folder: FolderId,
    /// `job.pk_dept`.
    pub dept: DeptId,
    /// `job_resource.int_priority`, higher first.
    pub priority: i64,
    /// Operating system that it demands; `None` when `job.str_os` is NULL or empty.
    pub os: Option<Arc<str>>,
    /// Room that its caps left when the turn's query ran. It only decides what to try: the
    /// booking transaction checks the caps again.
    pub headroom: Headroom,
}

/// Cores and GPUs that a cap still admits, as last read. `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Cores, in centicores.
    pub cores: Option<Centicores>,
    /// GPUs.
    pub gpus: Option<i64>,
}

impl Room {
    /// The remaining room once these resources are taken.
    #[must_use]
    pub fn minus(self, taken: &Resources) -> Self {
        let cores = |left: Centicores| Centicores(left.0.saturating_sub(taken.cores.0));
        Self {
            cores: self.cores.map(cores),
            gpus: self.gpus.map(|left| left.saturating_sub(taken.gpus)),
        }
    }

    /// The smaller of both, amount by amount.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            cores: least(self.cores, other.cores),
            gpus: least(self.gpus, other.gpus),
        }
    }

    /// Returns true if the room admits these cores and GPUs. A frame without GPUs needs no room for GPUs.
    #[must_use]
    pub fn admits(self, cores: Centicores, gpus: i64) -> bool {
        self.cores.is_none_or(|left| left >= cores)
            && (gpus <= 0 || self.gpus.is_none_or(|left| left >= gpus))
    }
}

/// Amounts that the caps above a job's frames still admit, as last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headroom {
    /// Room of the job.
    pub job: Room,
    /// Room of its folder, which other jobs share.
    pub folder: Room,
    /// The show's subscriptions of this facility: allocation and centicores that its burst still admits.
    /// The show may use no allocation that is not listed.
    pub subscriptions: Arc<[(AllocId, Centicores)]>,
}

/// The smaller of two remaining amounts, of which `None` is unlimited.
fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
