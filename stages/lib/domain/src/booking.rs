//! Bookings: one value for a frame on its way from the plan to the launch.

use std::sync::Arc;

use crate::frame::WaitingFrame;
use crate::host::Host;
use crate::ids::{AllocId, DeptId, FolderId, HostId, JobId, LayerId, ProcId, ShowId};
use crate::job::Job;
use crate::layer::Layer;
use crate::units::Resources;

/// A frame placed on a host, and the proc of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// The proc.
    pub proc: ProcId,
    /// The frame, with its version when it was locked.
    pub frame: WaitingFrame,
    /// The layer, shared by all of its frames.
    pub layer: Arc<BookingLayer>,
    /// The host, shared by all frames on it.
    pub host: Arc<BookingHost>,
    /// Resources that the frame takes.
    pub reserved: Resources,
}

/// A layer of which frames are booked, with the keys of what is charged for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookingLayer {
    /// The layer.
    pub id: LayerId,
    /// Its name.
    pub name: Arc<str>,
    /// Its job.
    pub job: JobId,
    /// The job's name.
    pub job_name: Arc<str>,
    /// The job's show.
    pub show: ShowId,
    /// The job's folder.
    pub folder: FolderId,
    /// The job's department.
    pub dept: DeptId,
}

/// A host on which frames are booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BookingHost {
    /// The host.
    pub id: HostId,
    /// Its name, by which it is dialled and licence reports know it.
    pub name: Arc<str>,
    /// Its allocation.
    pub alloc: AllocId,
    /// The first operating system that it offers.
    pub os: Option<Arc<str>>,
}

impl BookingLayer {
    /// A layer of a job.
    pub fn new(layer: &Layer, job: &Job) -> Self {
        Self {
            id: layer.id.clone(),
            name: Arc::clone(&layer.name),
            job: job.id.clone(),
            job_name: Arc::clone(&job.name),
            show: job.show.clone(),
            folder: job.folder.clone(),
            dept: job.dept.clone(),
        }
    }
}

impl From<&Host> for BookingHost {
    fn from(host: &Host) -> Self {
        Self {
            id: host.id.clone(),
            name: Arc::clone(&host.name),
            alloc: host.alloc.clone(),
            os: host.os.first().cloned(),
        }
    }
}
