//! The scheduler end to end on a farm in a box: a real PostgreSQL with OpenCue's schema, hosts that
//! speak RQD's protocol, and a stand-in for Cuebot that completes what has run.
//!
//! Invariant: every test ends with the pipeline drained and the farm audited, and whoever waits,
//! waits for a signal and for a bounded time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod backpressure;
mod binary;
mod caps;
mod drain;
mod ended;
mod full;
mod handover;
mod happy;
mod launches;
mod life;
mod links;
mod outage;
mod proxy;
mod replicas;
mod service;
mod settings;
mod tidy;
mod traces;
mod world;
