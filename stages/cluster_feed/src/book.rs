//! The turn book: when each cluster's next turn is due.
//!
//! Invariant: a cluster is in the queue, or has a turn running, or sleeps because the last scan
//! found no work for it; never two of these. The book is shared with the tickets of running turns,
//! which write their end into it under a short lock; nothing is sent backwards through the pipeline.
//!
//! No starvation: turns begin in the order in which they are due, and a cluster whose turn has ended
//! goes behind all that are due already. So between the moment a cluster is due and its turn, every
//! other cluster begins at most one.

mod depth;
mod entries;

use std::cmp::Reverse;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cue_domain::messages::Ask;
use cue_domain::{Cluster, ClusterKey, Depth, Ticket, TurnEnd};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::depth::Next;
pub use self::entries::Rests;
use self::entries::{Entry, Place, State, Whereabouts};
use crate::activity::Activity;
use crate::census::{Census, ClusterStatus, Phase};

/// The turn book. Cloning shares it.
#[derive(Clone)]
pub struct TurnBook {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    rests: Rests,
}

/// A turn that may begin.
pub(crate) struct Due {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) skip: Depth,
    /// When its jobs need not be asked for.
    pub(crate) ask: Ask,
    /// How long ago its last turn began.
    pub(crate) round_trip: Option<Duration>,
}

impl TurnBook {
    /// An empty book. Until the first scan every cluster is taken to have work.
    #[must_use]
    pub fn new(rests: Rests) -> Self {
        Self {
            state: Arc::default(),
            changed: Arc::default(),
            rests,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over the clusters of the farm as read now. New ones with work are due at once; a
    /// vanished one finishes its turn and leaves. Says how many came and went.
    pub(crate) fn reload(&self, clusters: Vec<Arc<Cluster>>, now: Instant) -> (usize, usize) {
        let mut state = self.lock();
        let state = &mut *state;
        state.loaded = true;
        for entry in state.entries.values_mut() {
            entry.known = false;
        }
        let mut came = 0;
        for cluster in clusters {
            if let Some(entry) = state.entries.get_mut(&cluster.key) {
                entry.known = true;
                entry.cluster = cluster;
                continue;
            }
            came += 1;
            state.add(cluster, now);
        }
        let before = state.entries.len();
        let (queue, rounds) = (&mut state.queue, &mut state.rounds);
        state.entries.retain(|key, entry| {
            let stays = entry.known || entry.whereabouts == Whereabouts::Running;
            if !stays {
                rounds.pass_over(entry.number);
                if let Whereabouts::Queued(place) = entry.whereabouts {
                    queue.remove(&(place, key.clone()));
                }
            }
            stays
        });
        (came, before - state.entries.len())
    }

    /// Takes note of a scan: a cluster with new work is due at once, one without work sleeps until
    /// a scan finds some. A scan that found no work anywhere counts as a turn without jobs.
    pub(crate) fn wake(&self, activity: Activity, now: Instant) {
        let mut state = self.lock();
        let state = &mut *state;
        let mut idle = true;
        for (key, entry) in &mut state.entries {
            entry.work = activity.of(key);
            idle &= entry.work.is_none() && entry.whereabouts != Whereabouts::Running;
            let was = entry.whereabouts;
            let becomes = match was {
                Whereabouts::Running => continue,
                Whereabouts::Queued(_) | Whereabouts::Asleep if entry.work.is_none() => {
                    state.rounds.pass_over(entry.number);
                    Whereabouts::Asleep
                }
                Whereabouts::Queued(place) if place.0 <= now || !entry.has_news() => continue,
                Whereabouts::Queued(_) | Whereabouts::Asleep => {
                    Whereabouts::Queued(self.place(entry, now))
                }
            };
            entry.whereabouts = becomes;
            if let Whereabouts::Queued(place) = was {
                state.queue.remove(&(place, key.clone()));
            }
            if let Whereabouts::Queued(place) = becomes {
                state.queue.insert((place, key.clone()));
            }
        }
        state.activity = activity;
        if idle && state.loaded {
            state.idle_turns += 1;
        }
        self.changed.notify_one();
    }

    /// Takes note that a scan failed. With `blind`, nobody knows any more where there is work: it
    /// counts as a turn without jobs, and every cluster gets turns as if it had some. Without, the
    /// database is away, and what is to become of that is the breaker's to say.
    pub(crate) fn scan_failed(&self, blind: bool, now: Instant) {
        if blind && self.lock().activity.tags().is_some() {
            // Not all at once: whatever ails the scan may ail the turns too.
            self.wake(Activity::Unknown, now + self.rests.empty);
        }
        let mut state = self.lock();
        if blind && state.loaded {
            state.idle_turns += 1;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The turn that is due, taken out of the queue; or when the next one will be.
    pub(crate) fn take_due(&self, now: Instant) -> Result<Due, Option<Instant>> {
        let mut state = self.lock();
        let state = &mut *state;
        let Some((place, key)) = state.queue.first().cloned() else {
            return Err(None);
        };
        if place.0 > now {
            return Err(Some(place.0));
        }
        state.queue.remove(&(place, key.clone()));
        let active = state.entries.values().filter(|entry| entry.work.is_some());
        state.rounds.turn(place.2, active.map(|entry| entry.number));
        let entry = state.entries.get_mut(&key).ok_or(None)?;
        entry.whereabouts = Whereabouts::Running;
        entry.tried = entry.work;
        let last_begin = entry.last_begin.replace(now);
        Ok(Due {
            cluster: Arc::clone(&entry.cluster),
            skip: entry.look.skip(),
            ask: entry.ask(now),
            round_trip: last_begin.map(|last| now.saturating_duration_since(last)),
        })
    }

    /// Opens the ticket of a turn of `cluster`. `told` runs when the turn is over, after the book
    /// knows of it.
    pub(crate) fn open(
        &self,
        cluster: &Arc<Cluster>,
        told: impl FnOnce(&TurnEnd) + Send + 'static,
    ) -> Ticket {
        let book = self.clone();
        let key = cluster.key.clone();
        Ticket::open(move |end| {
            book.finish(&key, end);
            told(&end);
        })
    }

    fn finish(&self, key: &ClusterKey, end: TurnEnd) {
        let mut state = self.lock();
        let state = &mut *state;
        state.clock += 1;
        let mut entry = state.entries.get_mut(key);
        // It looked behind jobs of which nothing fits, or saw some that are others'.
        let behind = !end.failed
            && (!end.passed.is_front()
                || entry.as_ref().is_some_and(|e| !e.look.skip().is_front()));
        // One that asked nothing says nothing of work.
        if !end.unasked {
            let idle = end.jobs == 0 && !behind;
            state.idle_turns = if idle { state.idle_turns + 1 } else { 0 };
        }
        if let Some(entry) = entry.as_mut() {
            if end.booked > 0 {
                entry.dispatched = state.clock;
            }
            let now = Instant::now();
            let was_in_front = entry.look.skip().is_front();
            let next = entry.look.after(&end, now);
            entry.note_ask(&end, was_in_front, next != Next::AtOnce, now);
            entry.last = Some(end);
            if !entry.known {
                state.rounds.pass_over(entry.number);
                state.entries.remove(key);
            } else if entry.work.is_none() {
                state.rounds.pass_over(entry.number);
                entry.whereabouts = Whereabouts::Asleep;
            } else {
                let rest = match next {
                    _ if entry.has_news() => Duration::ZERO,
                    Next::AtOnce => Duration::ZERO,
                    Next::Saturated => self.rests.saturated,
                    Next::AsItEnded => self.rests.after(&end),
                };
                let place = self.place(entry, now + rest);
                entry.whereabouts = Whereabouts::Queued(place);
                state.queue.insert((place, key.clone()));
            }
        }
        self.changed.notify_one();
    }

    const fn place(&self, entry: &Entry, due: Instant) -> Place {
        let dispatched = if self.rests.productivity_bias {
            entry.dispatched
        } else {
            0
        };
        (due, Reverse(dispatched), entry.number)
    }

    /// Resolves when a turn has ended or a scan was noted since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Turns and scans without jobs in a row, over all clusters, and whether no turn is running.
    pub(crate) fn idle(&self) -> (u64, bool) {
        let state = self.lock();
        let mut entries = state.entries.values();
        let at_rest = entries.all(|entry| entry.whereabouts != Whereabouts::Running);
        (state.idle_turns, at_rest)
    }

    /// The clusters in numbers.
    pub(crate) fn census(&self, now: Instant) -> Census {
        let mut state = self.lock();
        let rounds = state.rounds.take_done();
        let active = state.entries.values().filter(|entry| entry.work.is_some());
        let resting = |entry: &&Entry| matches!(entry.whereabouts, Whereabouts::Queued(place) if place.0 > now);
        Census {
            active: active.clone().count(),
            resting: active.filter(resting).count(),
            rounds,
        }
    }

    /// Every cluster, in the order of its name.
    #[must_use]
    pub fn status(&self) -> Vec<ClusterStatus> {
        let now = Instant::now();
        let state = self.lock();
        let mut status: Vec<ClusterStatus> = state
            .entries
            .values()
            .map(|entry| ClusterStatus {
                cluster: Arc::clone(&entry.cluster),
                phase: match entry.whereabouts {
                    Whereabouts::Running => Phase::Running,
                    Whereabouts::Asleep => Phase::Asleep,
                    Whereabouts::Queued(place) => {
                        Phase::Waiting(place.0.saturating_duration_since(now))
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
