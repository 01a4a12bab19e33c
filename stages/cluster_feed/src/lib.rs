//! Cluster feed: picks whose turn it is.
//!
//! A source: it runs until stopped. A cluster has one turn at a time; its next one is due when the
//! last copy of the turn's ticket is dropped, whatever happened to it, after a rest that depends on
//! what the turn came to. Waiting for the next due turn is cut short by a finished turn, a reload
//! or a stop; a turn counts only when it was really handed on.

mod book;
mod clusters;
mod feed;
mod metrics;

pub use book::{ClusterStatus, TurnBook};
pub use clusters::ClusterRules;
pub use feed::{ClusterFeed, FeedSettings};
pub use metrics::FeedMetrics;
