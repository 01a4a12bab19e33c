//! Messages on the five edges of the pipeline: one type an edge.
//!
//! `H` keeps a batch's rows locked (the open transaction). The type is opaque here and in
//! the host match, which therefore cannot touch the database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::blame::HostBackoff;
use crate::booking::Booking;
use crate::cluster::Cluster;
use crate::frame::WaitingFrame;
use crate::host::{Host, HostIdle};
use crate::ids::{AllocId, HostId, LimitId};
use crate::job::Job;
use crate::layer::Layer;
use crate::lease::Lease;
use crate::limits::Limit;
use crate::turn::TurnTicket;
use crate::units::{Centicores, Kib};

/// cluster feed → job fetch: a cluster's turn.
#[derive(Debug)]
pub struct Turn {
    /// Cluster whose turn it is.
    pub cluster: Arc<Cluster>,
    /// The turn's ticket.
    pub ticket: TurnTicket,
}

/// A part of a turn that one transaction books.
#[derive(Clone, Debug)]
pub struct TurnPart {
    /// Cluster whose turn it is.
    pub cluster: Arc<Cluster>,
    /// The turn's ticket.
    pub ticket: TurnTicket,
    /// Centicores that the turn may use of each allocation. A frame may take more than is left of them.
    pub entitled: Arc<[(AllocId, Centicores)]>,
    /// No layer of an equal job outside of this part could use what its layers leave of a host for the sake of spreading.
    pub may_crowd: bool,
}

/// job fetch → layer lock: layers to book frames of.
#[derive(Debug)]
pub struct Work {
    /// The part of the turn.
    pub part: TurnPart,
    /// Layers to try, in order of service. Those of one job need not be neighbours.
    pub layers: Vec<WantedLayer>,
}

/// A layer that some idle host could run, as its row is now.
#[derive(Clone, Debug)]
pub struct WantedLayer {
    /// The layer's job.
    pub job: Arc<Job>,
    /// The layer.
    pub layer: Layer,
    /// Frames to try, at most.
    pub frames: u32,
    /// Running frames of the layer by host.
    pub running_on: Arc<HashMap<HostId, u32>>,
    /// Longest run of a frame of the layer so far; `None` if none has succeeded.
    pub longest_run: Option<Duration>,
    /// Memory by which the layer is sized, because its frames use more than they ask for.
    pub sized: Option<Kib>,
    /// The layer is tried only for what others leave.
    pub is_spare: bool,
    /// A spare that may take a host before the others if it runs there.
    pub is_equal: bool,
    /// Frames of it wait beside these.
    pub has_more: bool,
}

/// A layer whose row, and the rows of whose next frames, a transaction holds.
#[derive(Debug)]
pub struct LockedLayer {
    /// The layer that was wanted, with its row as it is under the lock.
    pub wanted: WantedLayer,
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
    /// The part of the turn.
    pub part: TurnPart,
    /// The layers, in order of service.
    pub layers: Vec<LockedLayer>,
}

/// A host lent to one batch.
pub type HostLease = Lease<Host>;

/// host match → dispatch: frames to book.
#[derive(Debug)]
pub struct BookingPlan<H> {
    /// Keeps the rows locked; dropping it rolls back.
    pub held: H,
    /// The part of the turn.
    pub part: TurnPart,
    /// The hosts lent to this plan.
    pub hosts: Vec<HostLease>,
    /// The bookings, in order of service.
    pub bookings: Vec<Booking>,
}

/// A host that comes back from a batch.
#[derive(Debug)]
pub struct Returned {
    /// The host, as it was lent.
    pub lease: HostLease,
    /// Idle resources of the host now, by the database; `None` when the batch did not read them.
    pub idle: Option<HostIdle>,
    /// Frames the plan had put on it.
    pub placed: u32,
    /// Frames that were booked on it.
    pub booked: u32,
    /// A cap or another rule refused some frame on it. If not, what was not booked on it was lost to
    /// others.
    pub refused: bool,
    /// Failed launches on it, also those for which it is not to blame.
    pub launch_failures: u32,
    /// Its backoff for them; `None` when it is not to blame.
    pub backoff: Option<HostBackoff>,
}

/// dispatch → check-in: hosts of a plan, with the outcome of their bookings.
#[derive(Debug)]
pub struct Outcome {
    /// The hosts, to be returned to the index.
    pub hosts: Vec<Returned>,
    /// The turn's ticket with the last hosts that the turn waits for; it ends with this message.
    pub ticket: Option<TurnTicket>,
}
