//! Chaos: three replicas of the real program, killed and started again and again, beside hosts that
//! hang, refuse or are cut off, a Cuebot that goes away and comes back, and operators.
//!
//! Invariant: whatever happens, every frame succeeds exactly once, never runs twice at a time, and in
//! the end all counters are exact. `CUE_TEST_SEED` and `CUE_TEST_SECONDS` make another run of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod away;
mod farm;
mod operators;
mod replica;
mod storm;
