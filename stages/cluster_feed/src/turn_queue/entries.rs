//! Clusters in the turn queue, their backoffs, and the queue of those that wait for a turn.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Cluster, ClusterKey, TurnEnd};
use tokio::time::Instant;

use super::due_at::DueAt;

/// Backoffs of clusters after a turn.
#[derive(Clone, Copy, Debug)]
pub struct TurnBackoffs {
    /// Backoff after a turn that found no work under the caps; at most a second after a failed turn.
    pub empty: Duration,
    /// Backoff after a turn that found work and booked nothing; a change of demand or supply ends it.
    pub saturated: Duration,
}

/// Longest backoff after a turn that failed. Short, so that booking resumes soon after the cause is gone.
const FAILED: Duration = Duration::from_secs(1);

/// Shortest backoff after a turn that booked nothing.
const SHORTEST: Duration = Duration::from_millis(20);

impl TurnBackoffs {
    pub(super) fn after(&self, end: &TurnEnd) -> Duration {
        if end.booked > 0 {
            Duration::ZERO
        } else if end.failed {
            self.empty.min(FAILED)
        } else if end.limited {
            // The cores belong to a show that has not taken them yet, or cannot.
            SHORTEST.min(self.saturated)
        } else if end.jobs > 0 || end.no_host {
            self.saturated
        } else {
            self.empty
        }
    }
}

/// State of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClusterState {
    Queued(DueAt),
    Running,
}

pub(super) struct Entry {
    pub(super) cluster: Arc<Cluster>,
    pub(super) state: ClusterState,
    pub(super) number: u64,
    /// Work waits. A cluster without demand leaves when its turn ends.
    pub(super) has_demand: bool,
    /// Version of the demand as last read.
    pub(super) version: u64,
    /// Version of the demand when the last turn began.
    pub(super) attempted: Option<u64>,
    /// Hosts gained capacity since the last turn began.
    pub(super) supply_changed: bool,
    /// Cores in use as a part of the show's size.
    pub(super) tier: Option<f64>,
    pub(super) last: Option<TurnEnd>,
    pub(super) last_begin: Option<Instant>,
}

impl Entry {
    /// Returns true if demand or supply changed since the last turn began.
    pub(super) fn has_changed(&self) -> bool {
        self.supply_changed || self.attempted != Some(self.version)
    }

    /// Returns true if a change of demand or supply ends the backoff.
    pub(super) fn waits_for_change(&self) -> bool {
        self.last.is_none_or(|end| end.booked == 0 && !end.failed)
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) entries: HashMap<ClusterKey, Entry>,
    pub(super) queue: BTreeSet<(DueAt, ClusterKey)>,
    /// Number of the cluster that was added last.
    pub(super) last_number: u64,
    /// The demand has been read.
    pub(super) is_loaded: bool,
    pub(super) idle_turns: u64,
}
