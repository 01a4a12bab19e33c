//! The farm's bookkeeping: completions, foreign actions, and the audit that judges both.
//!
//! One test binary, so that one PostgreSQL serves them all; every test has a database of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails is to fail its test"
)]

mod audit;
mod completion;
mod farm;
mod foreign;
