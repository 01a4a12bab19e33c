//! What the turn book knows of each cluster, how long one rests, and the queue of those that wait for a turn.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cue_domain::messages::Ask;
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
    /// After a turn that found jobs and could place none of them, or that found no host.
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

/// How often a cluster asks for its jobs while hosts have nothing to give: what waits without a host is
/// counted then, and caps that were raised are seen.
const ASK_EVERY: Duration = Duration::from_secs(2);

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
    /// When a turn that asked for its jobs last ended.
    pub(super) asked: Option<Instant>,
    /// How often hosts had gained when its jobs were last looked at from the front.
    pub(super) gains: u64,
    /// How often they had, and what its work was, if since then nothing has fitted anywhere.
    pub(super) vain: Option<(u64, Option<Work>)>,
}

impl Entry {
    /// Takes note of whether a turn asked, and of what it found that it looked for in vain.
    pub(super) fn note_ask(
        &mut self,
        end: &TurnEnd,
        was_in_front: bool,
        all_seen: bool,
        now: Instant,
    ) {
        if end.unasked {
            return;
        }
        self.asked = Some(now);
        if was_in_front {
            self.gains = end.gains;
        }
        let found = end.jobs > 0 || !was_in_front;
        let in_vain = found && all_seen && !end.tried && !end.failed && end.booked == 0;
        self.vain = in_vain.then_some((self.gains, self.tried));
    }

    /// When the jobs of its next turn need not be asked for.
    pub(super) fn ask(&self, now: Instant) -> Ask {
        let recently = |at: Instant| now.saturating_duration_since(at) < ASK_EVERY;
        match (self.asked.is_some_and(recently), self.vain) {
            (false, _) => Ask::Always,
            (true, Some((gains, work))) if work == self.work => Ask::AfterGains(gains),
            (true, _) => Ask::WithHosts,
        }
    }

    /// Whether work has come since the last turn, which found none.
    pub(super) fn has_news(&self) -> bool {
        let found_nothing = self
            .last
            .is_none_or(|end| end.jobs == 0 && !end.failed && !end.unasked);
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
            asked: None,
            gains: 0,
            vain: None,
            cluster: Arc::clone(&cluster),
        };
        self.entries.insert(cluster.key.clone(), entry);
    }
}
