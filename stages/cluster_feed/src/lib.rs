//! Cluster feed: picks whose turn it is.
//!
//! A source: it runs until stopped. A cluster has one turn at a time; its next one is due when the
//! last copy of the turn's ticket is dropped, whatever happened to it, after a rest that depends on
//! what the turn came to. Waiting for the next due turn is cut short by a finished turn, a scan, a
//! reload or a stop; a turn counts only when it was really handed on.
//!
//! Beside it runs [`ActiveScan`], which finds out for which clusters there is work at all, and whether
//! the clusters have changed. Clusters without work sleep.

mod activity;
mod book;
mod census;
mod clusters;
mod feed;
mod metrics;
mod rounds;
mod scan;
mod watch;

pub use book::TurnBook;
pub use census::{ClusterStatus, Phase};
pub use clusters::ClusterRules;
pub use feed::{ClusterFeed, DatabaseGone, FeedHandle, FeedSettings};
pub use metrics::FeedMetrics;
pub use scan::ActiveScan;
