//! Staying up: a database that restarts, a pool that is as small as it may be, and no work left lying
//! about.
//!
//! Invariant: a test that hurts a server has one of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../farm/cable.rs"]
mod cable;
mod epvm;
mod explained;
mod restart;
mod settled;
mod small_pool;
mod wasted;

#[expect(
    dead_code,
    reason = "shared with the farm's tests, which need more of it"
)]
#[path = "../farm/world.rs"]
mod world;
