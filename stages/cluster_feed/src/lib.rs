//! Cluster feed: starts the turns of clusters, in the order of their shares.
//!
//! The feed is a source. A cluster has one turn at a time. Its next turn is due when the last copy of the turn's ticket is
//! dropped, after a backoff that depends on the turn's outcome. A finished turn, a change of demand or supply, or a stop
//! ends the wait for the next due turn. Only a turn that was sent counts.
//!
//! Clusters without waiting work get no turns. The loop that reads the waiting work reports it through
//! [`DemandUpdates`].

mod feed;
mod handle;
mod metrics;
mod stats;
mod turn_queue;
mod updates;

pub use feed::{ClusterFeed, Connections, DatabaseGone, FeedSettings};
pub use handle::FeedHandle;
pub use stats::{ClusterStatus, Phase};
pub use turn_queue::{TurnBackoffs, TurnQueue};
pub use updates::DemandUpdates;
