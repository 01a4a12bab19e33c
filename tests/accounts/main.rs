//! Accounts on a real PostgreSQL, beside Cuebots that lower the counters, and Cuebots that do not.
//!
//! What must be true afterwards is always the same, and the audit says it: all five tables are what
//! the procs add up to.

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
mod world;
