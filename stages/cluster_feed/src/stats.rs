//! Status of the turn queue: each cluster, and totals.
//!
//! Invariant: these are copies, which hold no lock.

use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Cluster, TurnEnd};

/// Status of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// Phase of the cluster.
    pub phase: Phase,
    /// Outcome of the last turn.
    pub last: Option<TurnEnd>,
}

/// Phase of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A turn runs.
    Running,
    /// Time until the next turn is due.
    Waiting(Duration),
}

/// Numbers of clusters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClusterStats {
    /// Clusters with waiting work.
    pub(crate) active: usize,
    /// Active clusters that back off after a turn.
    pub(crate) backing_off: usize,
}
