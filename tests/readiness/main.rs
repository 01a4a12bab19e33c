//! Readiness: the real program on a database whose bookings fail, in ways that its other statements do not
//! show.
//!
//! Invariant: `/readyz` answers 503 while nothing can be booked and 200 otherwise, and every place that
//! people look at names the reason.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod every;
mod rights;
mod single;
mod unserved;
mod world;
