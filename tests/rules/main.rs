//! The rules of eligibility, one test a rule, through the whole pipeline; and the rows that a booking
//! writes (OPENCUE.md, Eligibility).
//!
//! Invariant: a test of a rule changes that rule only. A job beside it that the rule does not concern
//! is booked in the meantime, so that "was not booked" is not "was not looked at".

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod bench;
mod caps;
mod hosts;
mod jobs;
mod limits;
mod needs;
mod os;
mod rows;
mod shows;
mod tags;
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../farm/world.rs"]
mod world;
