//! The statement triggers that are offered to operators, against OpenCue's row triggers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod contention;
mod equivalence;
mod farm;
mod install;
mod updates;
