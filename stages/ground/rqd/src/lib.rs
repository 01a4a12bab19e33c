//! gRPC to the hosts: what to send to an RQD, and what its answer proves.
//!
//! [`run_frame()`] turns a booked frame into the message RQD wants; it is pure. [`RqdClient`] sends
//! it. A launch is sent at most once: the answer says whether the frame certainly does not run
//! ([`LaunchOutcome::NotRunning`]) or may run ([`LaunchOutcome::MayRun`]). A frame of the second kind
//! is given back only after the host was asked, for this frame ([`RqdClient::running`]) or for all
//! of its frames ([`RqdClient::running_frames`]).

mod address;
mod channels;
mod client;
mod dial;
mod error;
mod host_frames;
mod questions;
mod refusal;
mod run_frame;
mod trace;

pub use address::{Address, AddressError, AddressTemplate};
pub use client::{HOST_HEADER, KillOutcome, RqdClient, RqdSettings};
pub use dial::{ConnectionLost, DialError};
pub use error::{CallError, Doubt, LaunchError, LaunchOutcome, NotSent};
pub use host_frames::{HostFrames, Presence};
pub use refusal::Refusal;
pub use run_frame::{BuildError, LaunchFrame, LaunchLayer, LayerRange, run_frame};
pub use trace::TracePoint;
