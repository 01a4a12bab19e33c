//! Accounts on a real PostgreSQL, beside Cuebots that lower the counters, and Cuebots that do not.
//!
//! The audit checks the same condition after each test: all five tables are the sums of
//! their procs.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where it fails"
)]

#[path = "../farm/binary.rs"]
mod binary;
mod cost;
mod farm;
mod heal;
mod hung;
mod leader;
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../farm/world.rs"]
mod world;
mod yard;
