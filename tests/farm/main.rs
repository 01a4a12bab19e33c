//! The scheduler end to end on a farm in a box: a real PostgreSQL with OpenCue's schema, hosts that
//! speak RQD's protocol, and a stand-in for Cuebot that completes what has run.
//!
//! Invariant: every test ends with the pipeline drained and the farm audited, and each wait is
//! for a signal and for a bounded time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod backpressure;
mod binary;
#[expect(dead_code, reason = "tests of faults need more of it")]
mod cable;
mod caps;
mod citations;
mod dependencies;
mod drain;
mod ended;
mod examples;
mod full;
mod handover;
mod happy;
mod hosts;
mod launches;
mod life;
mod links;
mod outage;
mod package;
mod pauses;
mod replicas;
mod service;
mod settings;
mod supervised;
mod tidy;
mod traces;
mod world;
