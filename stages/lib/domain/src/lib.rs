//! The nouns of a render farm and the decisions about them.
//!
//! Everything here is pure: no async, no I/O, no clock of its own. Other crates
//! read rows, clocks and sockets, turn them into these types, and act on the decisions.
//!
//! Units: cores are [`Centicores`] (100 is one core), memory is [`Kib`], GPUs are whole.
//! These are the units of OpenCue's tables (OPENCUE.md, Words and units), kept to the last digit.

pub mod admission;
pub mod backoff;
pub mod blame;
mod booking;
pub mod cluster;
pub mod demand;
pub mod entitlement;
pub mod fit;
pub mod frame;
pub mod frame_range;
pub mod health;
pub mod host;
pub mod ids;
pub mod isolate;
pub mod job;
mod launch;
pub mod layer;
pub mod lease;
pub mod limits;
pub mod messages;
pub mod missing_room;
pub mod order;
mod pause;
pub mod reservation;
pub mod score;
mod setback;
pub mod sizing;
pub mod tags;
mod text;
pub mod turn;
pub mod units;
pub mod unserved;
mod wait_reason;
pub mod why;

pub use admission::{Ledger, Refusal, admit};
pub use booking::{Booking, BookingHost, BookingLayer};
pub use cluster::{Cluster, ClusterKey};
pub use fit::{FitRules, Misfit};
pub use frame::WaitingFrame;
pub use frame_range::{FrameRange, frame_number};
pub use health::{BookingHealth, BookingTrouble};
pub use host::{Host, HostIdle, MemoryReport};
pub use ids::{
    AllocId, DeptId, FacilityId, FolderId, FrameId, HostId, JobId, LayerId, LimitId, ProcId, ShowId,
};
pub use job::Job;
pub use launch::{LaunchLayer, LayerRange};
pub use layer::Layer;
pub use lease::{Lease, Lender};
pub use limits::{Limit, LimitKind};
pub use pause::{NoScope, Pause, PauseScope};
pub use setback::Setback;
pub use tags::Tag;
pub use text::printable;
pub use turn::{BookedLayer, TurnCounters, TurnEnd, TurnTicket};
pub use units::{Centicores, Kib, Resources};
pub use unserved::{CarriedTags, Unserved, unserved};
pub use wait_reason::WaitReason;
