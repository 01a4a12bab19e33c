//! The nouns of a render farm and the decisions about them.
//!
//! Everything here is pure: no async, no I/O, no clock of its own. The edges of the program
//! read rows, clocks and sockets, turn them into these types, and act on what is decided here.
//!
//! Units: cores are [`Centicores`] (100 is one core), memory is [`Kib`], GPUs are whole.
//! These are the units of OpenCue's tables (contract, sections 1 and 2), kept to the last digit.

pub mod admission;
mod amounts;
pub mod blame;
pub mod cluster;
pub mod fit;
pub mod frame;
pub mod frame_range;
pub mod host;
pub mod ids;
pub mod job;
pub mod layer;
pub mod lease;
pub mod limits;
pub mod messages;
pub mod missing_room;
pub mod resting;
pub mod score;
pub mod tags;
pub mod turn;
pub mod units;
pub mod why;

pub use admission::{Ledger, Refusal, Request, admit};
pub use cluster::{Cluster, ClusterKey};
pub use fit::{FitRules, Misfit};
pub use frame::WaitingFrame;
pub use frame_range::{FrameRange, frame_number};
pub use host::{Host, HostIdle, MemoryReport};
pub use ids::{
    AllocId, DeptId, FacilityId, FolderId, FrameId, HostId, JobId, LayerId, LimitId, ProcId, ShowId,
};
pub use job::Job;
pub use layer::Layer;
pub use lease::{Lease, Lender};
pub use limits::{Limit, LimitKind};
pub use tags::{Tag, TagKind};
pub use turn::{Depth, Tally, Ticket, TurnEnd};
pub use units::{Centicores, Kib, Resources};
