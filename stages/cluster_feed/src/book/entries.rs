//! What the turn book knows of each cluster, how long one rests, and the queue of those that wait for a turn.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cue_domain::{Cluster, ClusterKey, TurnEnd};
use tokio::time::Instant;

use super::depth::Look;
use crate::activity::{Activity, Work};
use crate::rounds::Rounds;

/// How long a cluster rests after a turn, and who goes first of those that are due.
#[derive(Clone, Copy, Debug)]
pub struct Rests {
    /// After a turn that found no jobs, or whose query failed.
    pub empty: Duration,
    /// After a turn that found jobs and could place none of them.
    pub saturated: Duration,
    /// Whether, of clusters that are due at the same moment, the one that booked last goes first.
    pub productivity_bias: bool,
}

impl Rests {
    pub(super) const fn after(&self, end: &TurnEnd) -> Duration {
        if end.booked > 0 {
            Duration::ZERO
        } else if end.jobs > 0 && !end.failed {
            self.saturated
        } else {
            self.empty
        }
    }
}

/// Earliest due first; of those, the one that was dispatched last first (a cluster that books stays
/// hot), if wanted; the number keeps the order total. Order and equality are those of the tuple.
pub(super) type Place = (Instant, Reverse<u64>, u64);

/// Where a cluster is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Queued(Place),
    Running,
    Asleep,
}

pub(super) struct Entry {
    pub(super) cluster: Arc<Cluster>,
    pub(super) whereabouts: Whereabouts,
    pub(super) number: u64,
    pub(super) dispatched: u64,
    pub(super) look: Look,
    /// It is in the farm as last read. If not, it leaves when its turn ends.
    pub(super) known: bool,
    /// What the last scan found for it.
    pub(super) work: Option<Work>,
    /// What was known of its work when its last turn began.
    pub(super) tried: Option<Work>,
    pub(super) last: Option<TurnEnd>,
    pub(super) last_begin: Option<Instant>,
}

impl Entry {
    /// Whether work has come since the last turn, which found none.
    pub(super) fn has_news(&self) -> bool {
        let found_nothing = self.last.is_none_or(|end| end.jobs == 0 && !end.failed);
        found_nothing && self.work.is_some() && self.work != self.tried
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) entries: HashMap<ClusterKey, Entry>,
    pub(super) queue: BTreeSet<(Place, ClusterKey)>,
    pub(super) activity: Activity,
    pub(super) rounds: Rounds,
    pub(super) numbers: u64,
    pub(super) clock: u64,
    /// Whether the clusters have been read: before that, a scan without work says nothing.
    pub(super) loaded: bool,
    pub(super) idle_turns: u64,
}

impl State {
    pub(super) fn add(&mut self, cluster: Arc<Cluster>, now: Instant) {
        self.numbers += 1;
        let work = self.activity.of(&cluster.key);
        let place = (now, Reverse(0), self.numbers);
        let whereabouts = if work.is_some() {
            self.queue.insert((place, cluster.key.clone()));
            Whereabouts::Queued(place)
        } else {
            Whereabouts::Asleep
        };
        let entry = Entry {
            whereabouts,
            number: self.numbers,
            dispatched: 0,
            look: Look::default(),
            known: true,
            work,
            tried: None,
            last: None,
            last_begin: None,
            cluster: Arc::clone(&cluster),
        };
        self.entries.insert(cluster.key.clone(), entry);
    }
}
