//! Demand: the jobs and layers that wait, as their rows say.
//!
//! A mirror of these rows decides what to try. The booking transaction alone decides what is booked.

use std::sync::Arc;

use crate::ids::{AllocId, FacilityId, FolderId, JobId, ShowId};
use crate::job::Room;
use crate::layer::Layer;
use crate::units::Centicores;
use crate::wait_reason::WaitReason;

/// A pending job of a managed show that is not paused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingJob {
    /// `job.pk_job`.
    pub id: JobId,
    /// `job.str_name`.
    pub name: Arc<str>,
    /// `job.pk_facility`.
    pub facility: FacilityId,
    /// `facility.str_name`.
    pub facility_name: Arc<str>,
    /// `job.pk_show`.
    pub show: ShowId,
    /// `show.str_name`.
    pub show_name: Arc<str>,
    /// `job.pk_folder`.
    pub folder: FolderId,
    /// `job.str_os`; `None` when it is NULL or empty.
    pub os: Option<Arc<str>>,
    /// `job_resource.int_priority`, higher first.
    pub priority: i64,
    /// `job.ts_started`, in microseconds since 1970.
    pub started_us: i64,
    /// Cores in use (`job_resource.int_cores`), in centicores.
    pub cores: Centicores,
    /// Room under the caps of the job.
    pub room: Room,
    /// Room under the caps of its folder.
    pub folder_room: Room,
    /// Time since which the job has had no core: its last frame stopped then, or the job started. In
    /// microseconds since 1970; `None` while it has cores.
    pub idle_since_us: Option<i64>,
}

/// A layer with waiting frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitingLayer {
    /// `layer.pk_job`.
    pub job: JobId,
    /// The layer. Its `waiting` is 0 when nothing of it waits any more.
    pub layer: Layer,
    /// Running frames (`layer_stat.int_running_count`).
    pub running: i64,
    /// Time of the last stop of a frame (`layer_stat.ts_stopped`), in microseconds since 1970.
    pub stopped_us: Option<i64>,
    /// Longest run of a succeeded frame so far (`layer_usage.int_clock_time_high`), in seconds and rounded up; 0
    /// if there was none.
    pub longest_run_s: i64,
    /// The memory that its frames use is known: some have succeeded, or of a layer that asks for at most one core,
    /// hosts have reported it of some that run, or one has run for minutes without such a report.
    pub is_measured: bool,
}

/// A show's subscription to an allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// `subscription.pk_show`.
    pub show: ShowId,
    /// `show.str_name`.
    pub show_name: Arc<str>,
    /// `alloc.pk_facility`.
    pub facility: FacilityId,
    /// `facility.str_name`.
    pub facility_name: Arc<str>,
    /// `subscription.pk_alloc`.
    pub alloc: AllocId,
    /// `subscription.int_size`, in centicores.
    pub size: Centicores,
    /// `subscription.int_burst`, in centicores.
    pub burst: Centicores,
    /// Cores in use (`subscription.int_cores`), in centicores.
    pub cores: Centicores,
}

/// Waiting frames of a show that no turn can find, because their reason keeps them whatever hosts are idle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFrames {
    /// `job.pk_show`.
    pub show: ShowId,
    /// `show.str_name`.
    pub show_name: Arc<str>,
    /// `job.pk_facility`.
    pub facility: FacilityId,
    /// `facility.str_name`.
    pub facility_name: Arc<str>,
    /// The reason.
    pub reason: WaitReason,
    /// Frames.
    pub frames: i64,
}

/// Rows of demand as one reading found them.
#[derive(Clone, Debug, Default)]
pub struct DemandRows {
    /// The reading found everything that waits: what it does not name waits no longer. Otherwise it found
    /// what changed since the reading before.
    pub complete: bool,
    /// Jobs that wait.
    pub jobs: Vec<WaitingJob>,
    /// Jobs that changed and wait no longer.
    pub gone_jobs: Vec<JobId>,
    /// Layers of waiting jobs.
    pub layers: Vec<WaitingLayer>,
    /// All subscriptions of managed shows.
    pub subscriptions: Vec<Subscription>,
    /// Frames of pending jobs that are paused, wait for other frames, may not start yet, or whose job is at its cap. Only
    /// a complete reading finds them.
    pub kept: Vec<KeptFrames>,
}
