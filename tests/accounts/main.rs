//! Deferred accounting on a real PostgreSQL: Cuebot leaves its releases to the scheduler.
//!
//! Releases are made as older Cuebots make them: the proc goes, the counters stay, a message is
//! sent. What must be true afterwards is always the same, and the audit says it: all five tables
//! are what the procs add up to.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod farm;
mod office;
mod recount;
mod world;
