//! A stand-in for Cuebot's completion path: what happens in the database after a frame has ended.
//!
//! Reports are applied as Cuebot does it (OPENCUE.md, Release): one transaction stops the frame, a later
//! one deletes the proc and gives back what it held. The difference is that a whole batch shares
//! each transaction, so that this path is never what a test or a benchmark measures.
//!
//! Invariant: rows are locked in one order (OPENCUE.md, Lock order) and sorted within a table, so a batch
//! cannot deadlock with a booking that keeps the same order.

mod completer;
mod release;
mod reporter;
mod retry;
mod state;
mod stop;
mod usage;

pub use crate::rqd::Completion;
pub use completer::{Completer, CompleterSettings, CompletionStats};
pub use release::{Accounting, release_stopped};
pub(crate) use release::{Guard, release};
pub use reporter::HostReporter;
pub(crate) use retry::with_retries;
pub use state::{FrameState, StopFacts, next_state};
