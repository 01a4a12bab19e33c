//! The turn queue: clusters in the order in which their turns are due.
//!
//! Invariant: a cluster is in the queue or has a turn running, never both. The queue is shared with the tickets of
//! running turns, which record their end in it under a short lock. Nothing is sent backwards through the pipeline.
//!
//! No starvation: turns begin in the order of [`due_at`], and a cluster whose turn has ended goes behind all that were
//! due when that turn began. So between the tick in which a cluster is due and its turn, every other cluster begins at
//! most one.

mod due_at;
mod entries;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use cue_demand::ClusterDemand;
use cue_domain::{BookedLayer, Cluster, ClusterKey, TurnEnd, TurnTicket};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use self::due_at::{DueAt, Order};
pub use self::entries::TurnBackoffs;
use self::entries::{ClusterState, Entry, State};
use crate::stats::{ClusterStats, ClusterStatus, Phase};

/// The turn queue. Cloning shares it.
#[derive(Clone)]
pub struct TurnQueue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    backoffs: TurnBackoffs,
    order: Order,
}

/// A turn that may begin.
pub(crate) struct Due {
    pub(crate) cluster: Arc<Cluster>,
    /// Time since the last turn of the cluster began.
    pub(crate) round_trip: Option<Duration>,
}

impl TurnQueue {
    /// An empty queue.
    pub fn new(backoffs: TurnBackoffs) -> Self {
        Self {
            state: Arc::default(),
            changed: Arc::default(),
            backoffs,
            order: Order::new(Instant::now()),
        }
    }

    /// Applies a reading of the demand. A new cluster is due at once, and so is a cluster that backs off and whose
    /// demand has changed. A cluster without demand leaves when its turn ends. A reading without any demand counts as a
    /// turn without jobs. A paused cluster leaves too, and does not count as idle. Returns the numbers of clusters added and
    /// removed.
    pub(crate) fn demand_changed(
        &self,
        demand: Vec<ClusterDemand>,
        now: Instant,
    ) -> (usize, usize) {
        let mut state = self.state.lock();
        let state = &mut *state;
        state.is_loaded = true;
        let (paused, demand): (Vec<_>, Vec<_>) = demand.into_iter().partition(|d| d.is_paused);
        let keys: HashSet<ClusterKey> = demand.iter().map(|d| d.cluster.key.clone()).collect();
        let before = state.entries.len();
        let queue = &mut state.queue;
        state.entries.retain(|key, entry| {
            entry.has_demand = keys.contains(key);
            if let ClusterState::Queued(due_at) = entry.state
                && !entry.has_demand
            {
                queue.remove(&(due_at, key.clone()));
                return false;
            }
            true
        });
        let removed = before - state.entries.len();
        let mut added = 0;
        for ClusterDemand {
            cluster,
            version,
            tier,
            ..
        } in demand
        {
            if let Some(entry) = state.entries.get_mut(&cluster.key) {
                (entry.cluster, entry.version, entry.tier) = (cluster, version, tier);
                self.wake(&mut state.queue, entry, now);
            } else {
                added += 1;
                self.add(state, (cluster, version, tier), now);
            }
        }
        if state.entries.is_empty() && paused.is_empty() {
            state.idle_turns += 1;
        }
        self.changed.notify_one();
        (added, removed)
    }

    fn add(
        &self,
        state: &mut State,
        (cluster, version, tier): (Arc<Cluster>, u64, Option<f64>),
        now: Instant,
    ) {
        state.last_number += 1;
        let number = state.last_number;
        let due_at = self.order.due_at(number, now, None, (None, tier));
        let key = cluster.key.clone();
        state.queue.insert((due_at, key.clone()));
        let entry = Entry {
            cluster,
            state: ClusterState::Queued(due_at),
            number,
            has_demand: true,
            version,
            attempted: None,
            supply_changed: false,
            tier,
            last: None,
            last_begin: None,
        };
        state.entries.insert(key, entry);
    }

    /// Ends the backoff of a cluster that waits for a change, if there is one.
    fn wake(&self, queue: &mut BTreeSet<(DueAt, ClusterKey)>, entry: &mut Entry, now: Instant) {
        let ClusterState::Queued(due_at) = entry.state else {
            return;
        };
        if due_at.tick <= now || !entry.waits_for_change() || !entry.has_changed() {
            return;
        }
        let earlier = self.due_at(entry, now);
        if earlier < due_at {
            let key = entry.cluster.key.clone();
            queue.remove(&(due_at, key.clone()));
            queue.insert((earlier, key));
            entry.state = ClusterState::Queued(earlier);
        }
    }

    /// Records that hosts gained capacity: clusters that wait for a host are due at once.
    pub(crate) fn supply_changed(&self, now: Instant) {
        let mut state = self.state.lock();
        let State { entries, queue, .. } = &mut *state;
        for entry in entries.values_mut() {
            entry.supply_changed = true;
            self.wake(queue, entry, now);
        }
    }

    /// Records that the demand could not be read, which does not count as idle.
    pub(crate) fn reading_failed(&self) {
        self.changed.notify_one();
    }

    /// Time of the next turn, possibly in the past.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.state
            .lock()
            .queue
            .first()
            .map(|(due_at, _)| due_at.tick)
    }

    /// Removes the first due turn from the queue.
    pub(crate) fn take_due(&self, now: Instant) -> Option<Due> {
        let mut state = self.state.lock();
        let state = &mut *state;
        let first = state.queue.first()?;
        if first.0.tick > now {
            return None;
        }
        let (_, key) = state.queue.pop_first()?;
        let entry = state.entries.get_mut(&key)?;
        entry.state = ClusterState::Running;
        entry.attempted = Some(entry.version);
        entry.supply_changed = false;
        let last_begin = entry.last_begin.replace(now);
        Some(Due {
            cluster: Arc::clone(&entry.cluster),
            round_trip: last_begin.map(|last| now.saturating_duration_since(last)),
        })
    }

    /// Opens the ticket of a turn of `cluster`. `on_end` runs when the turn is over, before the next one of the
    /// cluster can begin.
    pub(crate) fn open(
        &self,
        cluster: &Arc<Cluster>,
        on_end: impl FnOnce(&TurnEnd, Vec<BookedLayer>) + Send + 'static,
    ) -> TurnTicket {
        let queue = self.clone();
        let key = cluster.key.clone();
        TurnTicket::open(move |end, booked| {
            on_end(&end, booked);
            queue.finish(&key, end);
        })
    }

    fn finish(&self, key: &ClusterKey, end: TurnEnd) {
        let mut state = self.state.lock();
        let state = &mut *state;
        // A turn that failed is no evidence about work.
        if !end.failed {
            let is_idle = end.jobs == 0 && !end.no_host;
            state.idle_turns = if is_idle { state.idle_turns + 1 } else { 0 };
        }
        if let Some(entry) = state.entries.get_mut(key) {
            entry.last = Some(end);
            if entry.has_demand {
                let now = Instant::now();
                let is_changed = entry.waits_for_change() && entry.has_changed();
                let backoff = match self.backoffs.after(&end) {
                    _ if is_changed && end.no_host => Duration::ZERO,
                    backoff => backoff,
                };
                let due_at = self.due_at(entry, now + backoff);
                entry.state = ClusterState::Queued(due_at);
                state.queue.insert((due_at, key.clone()));
            } else {
                state.entries.remove(key);
            }
        }
        self.changed.notify_one();
    }

    fn due_at(&self, entry: &Entry, due: Instant) -> DueAt {
        let last = entry.last.as_ref();
        let begun = (entry.last_begin, entry.tier);
        self.order.due_at(entry.number, due, last, begun)
    }

    /// Resolves when a turn has ended or the demand was read since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Consecutive turns and readings without jobs, over all clusters; and true if no turn is running.
    pub(crate) fn idle(&self) -> (u64, bool) {
        let state = self.state.lock();
        let mut entries = state.entries.values();
        let is_quiet = entries.all(|entry| entry.state != ClusterState::Running);
        (state.idle_turns, is_quiet)
    }

    /// Numbers of clusters.
    pub(crate) fn stats(&self, now: Instant) -> ClusterStats {
        let state = self.state.lock();
        let backs_off = |entry: &&Entry| matches!(entry.state, ClusterState::Queued(due_at) if due_at.tick > now);
        ClusterStats {
            active: state.entries.len(),
            backing_off: state.entries.values().filter(backs_off).count(),
        }
    }

    /// Returns true once the demand has been read.
    pub fn is_loaded(&self) -> bool {
        self.state.lock().is_loaded
    }

    /// Status of every cluster, in the order of their keys.
    pub fn status(&self) -> Vec<ClusterStatus> {
        let now = Instant::now();
        let state = self.state.lock();
        let mut status: Vec<ClusterStatus> = state
            .entries
            .values()
            .map(|entry| ClusterStatus {
                cluster: Arc::clone(&entry.cluster),
                phase: match entry.state {
                    ClusterState::Running => Phase::Running,
                    ClusterState::Queued(due_at) => {
                        Phase::Waiting(due_at.tick.saturating_duration_since(now))
                    }
                },
                last: entry.last,
            })
            .collect();
        drop(state);
        status.sort_by(|a, b| a.cluster.key.cmp(&b.cluster.key));
        status
    }
}

#[cfg(test)]
mod fairness;
#[cfg(test)]
mod tests;
