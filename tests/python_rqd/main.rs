//! The published Python RQD, as OpenCue's users run it: real daemons on loopback, real frames.
//!
//! The package comes from PyPI, once, into an environment under the target folder. Where Python,
//! the package or the tools of its frames cannot be installed, every test says by name that it is skipped.
//!
//! Invariant: a daemon and all its frames end with its test.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod alone;
mod cable;
mod daemon;
mod environment;
mod farm;
#[expect(dead_code, reason = "only schedulers are needed of it")]
#[path = "../farm/world.rs"]
mod world;
mod yard;
