//! gRPC to the hosts: messages to an RQD, and the proof in its answers.
//!
//! [`run_frame()`] turns a booked frame into the message RQD wants; it is pure. [`RqdClient`] sends
//! it. A launch is sent at most once: the answer says whether the frame certainly does not run
//! ([`LaunchOutcome::NotRunning`]) or may run ([`LaunchOutcome::MayRun`]). A frame of the second kind
//! is given back only after the host was asked ([`RqdClient::running_frames`]).

mod address;
mod call_error;
mod channels;
mod client;
mod dial;
mod failure;
mod host_frames;
mod launch_error;
mod questions;
mod refusal;
mod run_frame;
mod trace;

pub use address::{Address, AddressError, AddressTemplate};
pub use call_error::CallError;
pub use client::{KillOutcome, RqdClient, RqdSettings};
pub use cue_proto::rqd::RunFrame;
pub use dial::{ConnectionLost, DialError};
pub use failure::{NotSent, UnknownOutcome};
pub use host_frames::{HostFrames, Presence};
pub use launch_error::{LaunchError, LaunchOutcome};
pub use refusal::Refusal;
pub use run_frame::{BuildError, run_frame};
pub use trace::TracePoint;
