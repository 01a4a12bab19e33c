//! The turn book as seen from outside: each cluster, and all of them in numbers.
//!
//! Invariant: these are copies; looking at them holds nothing up.

use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Cluster, TurnEnd};

/// A cluster as seen from outside.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// Where it is.
    pub phase: Phase,
    /// What its last turn came to.
    pub last: Option<TurnEnd>,
}

/// What a cluster does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its turn runs.
    Running,
    /// Its next turn is due in so long.
    Waiting(Duration),
    /// There is no work for it.
    Asleep,
}

/// The clusters in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Clusters with work.
    pub(crate) active: usize,
    /// Those of them that rest after a turn.
    pub(crate) resting: usize,
    /// Rounds that ended since the last count.
    pub(crate) rounds: u64,
}
