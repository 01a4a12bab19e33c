//! Jobs as the pipeline sees them: their owners and the remaining room under their caps.

use std::sync::Arc;

use crate::ids::{AllocId, DeptId, FacilityId, FolderId, JobId, ShowId};
use crate::units::Centicores;

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

/// Amounts that the caps above a job's frames still admit, as last read. `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headroom {
    /// Remaining cores of the job, in centicores.
    pub cores: Option<Centicores>,
    /// Remaining GPUs of the job.
    pub gpus: Option<i64>,
    /// Remaining cores of its folder, which other jobs share, in centicores.
    pub folder_cores: Option<Centicores>,
    /// Remaining GPUs of its folder.
    pub folder_gpus: Option<i64>,
    /// The show's subscriptions of this facility: allocation and centicores that its burst still admits.
    /// The show may use no allocation that is not listed.
    pub subscriptions: Arc<[(AllocId, Centicores)]>,
}

impl Headroom {
    /// The smaller of the remaining cores of job and folder, in centicores.
    #[must_use]
    pub fn least_cores(&self) -> Option<Centicores> {
        least(self.cores, self.folder_cores)
    }
}

/// The smaller of two remaining amounts, of which `None` is unlimited.
#[must_use]
pub fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
