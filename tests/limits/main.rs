//! Limits as OpenCue has meant them since V49 (OPENCUE.md, Limits), through the whole pipeline.
//!
//! Invariant: what must run is computed by an oracle that shares no code with the scheduler.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod live;
mod oracle;
mod retries;
mod table;
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../farm/world.rs"]
mod world;
