//! Jobs as the pipeline sees them: whose they are and how much they may still take.

use std::sync::Arc;

use crate::ids::{AllocId, DeptId, FacilityId, FolderId, JobId, ShowId};
use crate::units::Centicores;

/// A pending job with at least one dispatchable layer.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// The operating system it demands; `None` when `job.str_os` is NULL or empty.
    pub os: Option<Arc<str>>,
    /// What its caps still allowed when the turn's query ran. A hint of what to try: only the
    /// booking transaction decides.
    pub headroom: Headroom,
}

/// How much the caps above a job's frames still admit, as last read. `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headroom {
    /// The rest of the job, in centicores.
    pub cores: Option<Centicores>,
    /// The rest of the job, in whole GPUs.
    pub gpus: Option<i64>,
    /// The rest of its folder, which other jobs share, in centicores.
    pub folder_cores: Option<Centicores>,
    /// The rest of its folder, in whole GPUs.
    pub folder_gpus: Option<i64>,
    /// The show's subscriptions of this facility: allocation and what its burst still admits.
    /// An allocation that is not listed is not the show's to use.
    pub subscriptions: Arc<[(AllocId, Centicores)]>,
}

impl Headroom {
    /// The smaller rest of job and folder, in centicores.
    #[must_use]
    pub fn least_cores(&self) -> Option<Centicores> {
        least(self.cores, self.folder_cores)
    }
}

/// The smaller of two rests, of which `None` is unlimited.
#[must_use]
pub fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
