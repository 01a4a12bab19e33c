//! Faults around a booking, and the state that must remain: other sessions in the way, a
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
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../farm/cable.rs"]
mod cable;
mod caps;
mod commits;
mod conflicts;
mod contention;
mod ends;
mod forgotten;
mod held;
mod isolated;
mod killed;
mod launches;
mod middleman;
mod midway;
mod operator;
mod retried;
mod silent;
mod timings;
mod watch;
#[path = "../farm/world.rs"]
mod world;
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../../stages/lib/store/tests/database/yard.rs"]
mod yard;
