//! What travels on the five edges of the pipeline: one type an edge.
//!
//! `H` is whatever keeps a batch's rows locked (the open transaction). It is opaque here and in
//! the host match, which therefore cannot touch the database.

use std::sync::Arc;

use crate::blame::HostBackoff;
use crate::cluster::Cluster;
use crate::frame::WaitingFrame;
use crate::host::{Host, HostIdle};
use crate::ids::LimitId;
use crate::job::Job;
use crate::layer::Layer;
use crate::lease::Lease;
use crate::limits::Limit;
use crate::turn::{Depth, Ticket};
use crate::units::Resources;

/// cluster feed → job fetch: it is this cluster's turn.
#[derive(Debug)]
pub struct Turn {
    /// Whose turn it is.
    pub cluster: Arc<Cluster>,
    /// The turn's ticket.
    pub ticket: Ticket,
    /// What of the cluster's jobs to pass over: nothing, unless the last turn looked at only some of
    /// them and could place little or nothing.
    pub skip: Depth,
    /// When its jobs need not be asked for.
    pub ask: Ask,
}

/// When the jobs of a cluster need not be asked for, since there would be no host for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// They are to be asked for in any case.
    Always,
    /// Not while no host has a core to give.
    WithHosts,
    /// Nor while hosts have come to have something to give only so often: for what they had then,
    /// nothing fitted, and no job has come since.
    AfterGains(u64),
}

/// job fetch → layer lock: a job, and its layers that could run, in dispatch order.
#[derive(Debug)]
pub struct JobWork {
    /// Whose turn it is.
    pub cluster: Arc<Cluster>,
    /// The turn's ticket.
    pub ticket: Ticket,
    /// The job.
    pub job: Arc<Job>,
    /// Its layers.
    pub layers: Vec<Layer>,
}

/// A layer whose row, and the rows of whose next frames, a transaction holds.
#[derive(Debug)]
pub struct LockedLayer {
    /// Whose turn it is.
    pub cluster: Arc<Cluster>,
    /// The turn's ticket.
    pub ticket: Ticket,
    /// The layer's job.
    pub job: Arc<Job>,
    /// The layer.
    pub layer: Layer,
    /// Its next waiting frames, in dispatch order.
    pub frames: Vec<WaitingFrame>,
    /// The limits that can hold its frames back, as they were when it was locked. Not exact: others book
    /// meanwhile, and admission counts under the lock.
    pub limits: Vec<(LimitId, Arc<Limit>)>,
}

/// layer lock → host match: the open transaction and what it holds.
#[derive(Debug)]
pub struct LockedBatch<H> {
    /// Keeps the rows locked; dropping it rolls back.
    pub held: H,
    /// The layers, in the order in which they are to be served.
    pub layers: Vec<LockedLayer>,
}

/// A host lent to one batch.
pub type HostLease = Lease<Host>;

/// One frame put on one host, not yet booked.
#[derive(Debug)]
pub struct Placement {
    /// The frame.
    pub frame: WaitingFrame,
    /// Index into the plan's layers.
    pub layer: usize,
    /// Index into the plan's hosts.
    pub host: usize,
    /// What it is to take.
    pub reserved: Resources,
}

/// host match → dispatch: what to book, in order of service.
#[derive(Debug)]
pub struct BookingPlan<H> {
    /// Keeps the rows locked; dropping it rolls back.
    pub held: H,
    /// The layers of the batch; their frames have moved into the placements, or were left over.
    pub layers: Vec<LockedLayer>,
    /// The hosts lent to this plan.
    pub hosts: Vec<HostLease>,
    /// The placements, in order of service.
    pub placements: Vec<Placement>,
}

/// A host that comes back from a batch.
#[derive(Debug)]
pub struct Returned {
    /// The host, as it was lent.
    pub lease: HostLease,
    /// What is idle on it now according to the database; `None` when the batch did not learn it.
    pub idle: Option<HostIdle>,
    /// Frames the plan had put on it.
    pub placed: u32,
    /// Frames that were booked on it.
    pub booked: u32,
    /// Failed launches on it, also those for which it is not to blame.
    pub launch_failures: u32,
    /// Its backoff for them; `None` when it is not to blame.
    pub backoff: Option<HostBackoff>,
}

/// dispatch → check-in: what came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// The hosts, to be returned to the index.
    pub hosts: Vec<Returned>,
    /// The tickets of the turns in the batch; they end with this message.
    pub tickets: Vec<Ticket>,
}
