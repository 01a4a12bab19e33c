//! What goes wrong around a booking, and what must be left of it: other sessions in the way, a
//! database that goes away at the worst moment, hosts that fail, schedulers that are killed.
//!
//! Invariant: after every fault the farm settles by itself. Each test ends with an audit, and with
//! every frame run exactly once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod acknowledged;
mod behind;
mod blame;
mod cable;
mod caps;
mod commits;
mod conflicts;
mod crowd;
mod ends;
mod forgotten;
mod held;
mod killed;
mod launches;
mod meddler;
mod middleman;
mod midway;
mod retried;
mod silent;
mod timings;
mod watch;
#[path = "../farm/world.rs"]
mod world;
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../../stages/ground/store/tests/database/yard.rs"]
mod yard;
