//! The SQL of the scheduler on a real PostgreSQL with the farm's schema and all its triggers.
//!
//! Every test has a database of its own and ends with the audit where it wrote something. What
//! another session does is done by another session: a second connection that holds rows.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod acknowledged;
mod ahead;
mod bookable;
mod booking;
mod demand;
mod extremes;
mod farm;
mod host_looks;
mod ids;
mod indexed;
mod ledger;
mod limits;
mod locks;
mod moved;
mod pauses;
mod pool_metrics;
mod prepare;
mod procs;
mod replicas;
mod sessions;
mod snapshot;
mod snapshots;
mod tags;
mod undo;
mod unreadable;
mod wanted;
mod writers;
mod yard;
