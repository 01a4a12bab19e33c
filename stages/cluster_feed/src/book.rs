//! The turn book: when each cluster's next turn is due.
//!
//! Invariant: a cluster is either in the queue or has a turn running, never both. The book is
//! shared with the tickets of running turns, which write their end into it under a short lock;
//! nothing is sent backwards through the pipeline.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cue_domain::{Cluster, ClusterKey, Ticket, TurnEnd};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a cluster rests after a turn.
#[derive(Clone, Copy, Debug)]
pub struct Rests {
    /// After a turn that found no jobs, or whose query failed.
    pub empty: Duration,
    /// After a turn that found jobs and could place none of them.
    pub saturated: Duration,
}

impl Rests {
    const fn after(&self, end: &TurnEnd) -> Duration {
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
/// hot); the number keeps the order total.
type Place = (Instant, Reverse<u64>, u64);

struct Entry {
    cluster: Arc<Cluster>,
    /// `None` while its turn runs.
    place: Option<Place>,
    number: u64,
    dispatched: u64,
    page: u32,
    /// It is in the farm as last read. If not, it leaves when its turn ends.
    known: bool,
    last: Option<TurnEnd>,
}

#[derive(Default)]
struct State {
    entries: HashMap<ClusterKey, Entry>,
    queue: BTreeSet<(Place, ClusterKey)>,
    numbers: u64,
    clock: u64,
    idle_turns: u64,
}

/// What a finished turn looks like from outside.
#[derive(Clone, Debug)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// How long until its next turn is due; `None` while a turn runs.
    pub due_in: Option<Duration>,
    /// What its last turn came to.
    pub last: Option<TurnEnd>,
}

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
    pub(crate) page: u32,
}

impl TurnBook {
    /// An empty book.
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

    /// Takes over the clusters of the farm as read now. New ones are due at once; a vanished one
    /// finishes its turn and leaves. Says how many came and went.
    pub(crate) fn reload(&self, clusters: Vec<Arc<Cluster>>, now: Instant) -> (usize, usize) {
        let mut state = self.lock();
        let state = &mut *state;
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
            state.numbers += 1;
            let place = (now, Reverse(0), state.numbers);
            state.queue.insert((place, cluster.key.clone()));
            let key = cluster.key.clone();
            let number = state.numbers;
            state.entries.insert(
                key,
                Entry {
                    cluster,
                    place: Some(place),
                    number,
                    dispatched: 0,
                    page: 0,
                    known: true,
                    last: None,
                },
            );
        }
        let before = state.entries.len();
        let queue = &mut state.queue;
        state.entries.retain(|key, entry| {
            let stays = entry.known || entry.place.is_none();
            if !stays && let Some(place) = entry.place {
                queue.remove(&(place, key.clone()));
            }
            stays
        });
        (came, before - state.entries.len())
    }

    /// The turn that is due, taken out of the queue; or when the next one will be.
    pub(crate) fn take_due(&self, now: Instant) -> Result<Due, Option<Instant>> {
        let mut state = self.lock();
        let Some((place, key)) = state.queue.first().cloned() else {
            return Err(None);
        };
        if place.0 > now {
            return Err(Some(place.0));
        }
        state.queue.remove(&(place, key.clone()));
        let entry = state.entries.get_mut(&key).ok_or(None)?;
        entry.place = None;
        Ok(Due {
            cluster: Arc::clone(&entry.cluster),
            page: entry.page,
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
        state.idle_turns = if end.jobs == 0 {
            state.idle_turns + 1
        } else {
            0
        };
        if let Some(entry) = state.entries.get_mut(key) {
            if end.booked > 0 {
                entry.dispatched = state.clock;
            }
            // A full page of which nothing fits must not hide the jobs behind it.
            entry.page = if end.more && end.booked == 0 && !end.failed {
                entry.page.saturating_add(1)
            } else {
                0
            };
            entry.last = Some(end);
            if entry.known {
                let rest = if entry.page > 0 {
                    Duration::ZERO
                } else {
                    self.rests.after(&end)
                };
                let place = (
                    Instant::now() + rest,
                    Reverse(entry.dispatched),
                    entry.number,
                );
                entry.place = Some(place);
                state.queue.insert((place, key.clone()));
            } else {
                state.entries.remove(key);
            }
        }
        self.changed.notify_one();
    }

    /// Resolves when a turn has ended since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Turns without jobs in a row, over all clusters, and whether no turn is running.
    pub(crate) fn idle(&self) -> (u64, bool) {
        let state = self.lock();
        (
            state.idle_turns,
            state.entries.values().all(|entry| entry.place.is_some()),
        )
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
                due_in: entry
                    .place
                    .map(|place| place.0.saturating_duration_since(now)),
                last: entry.last,
            })
            .collect();
        drop(state);
        status.sort_by(|a, b| a.cluster.key.cmp(&b.cluster.key));
        status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cue_domain::TagKind;

    fn cluster(name: &str) -> Arc<Cluster> {
        Arc::new(Cluster {
            key: ClusterKey {
                facility: "f".into(),
                show: name.into(),
                kind: TagKind::Alloc,
                tags: [name.into()].into(),
            },
            facility_name: "cloud".into(),
            show_name: name.into(),
        })
    }

    fn book() -> TurnBook {
        TurnBook::new(Rests {
            empty: Duration::from_secs(3),
            saturated: Duration::from_millis(250),
        })
    }

    fn take(book: &TurnBook) -> Arc<Cluster> {
        book.take_due(Instant::now()).ok().unwrap().cluster
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_has_one_turn_at_a_time() {
        let book = book();
        book.reload(vec![cluster("a")], Instant::now());
        let ticket = book.open(&take(&book), |_| {});
        assert!(matches!(book.take_due(Instant::now()), Err(None)));
        ticket.found(1, 1);
        ticket.booked(1);
        drop(ticket);
        assert_eq!(take(&book).show_name.as_ref(), "a");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rest_after_a_turn_depends_on_what_it_came_to() {
        let book = book();
        book.reload(vec![cluster("a")], Instant::now());
        let start = Instant::now();
        drop(book.open(&take(&book), |_| {}));
        assert_eq!(
            book.take_due(Instant::now()).err(),
            Some(Some(start + Duration::from_secs(3)))
        );
        tokio::time::advance(Duration::from_secs(3)).await;
        let ticket = book.open(&take(&book), |_| {});
        ticket.found(1, 1);
        drop(ticket);
        assert_eq!(
            book.take_due(Instant::now()).err(),
            Some(Some(Instant::now() + Duration::from_millis(250)))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_vanished_cluster_finishes_its_turn_and_leaves() {
        let book = book();
        book.reload(vec![cluster("a"), cluster("b")], Instant::now());
        let ticket = book.open(&take(&book), |_| {});
        assert_eq!(book.reload(vec![], Instant::now()), (0, 1));
        assert_eq!(book.status().len(), 1);
        drop(ticket);
        assert!(book.status().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_page_without_room_makes_way_for_the_next_page() {
        let book = book();
        book.reload(vec![cluster("a")], Instant::now());
        let ticket = book.open(&take(&book), |_| {});
        ticket.found(1, 1);
        ticket.saw_a_full_page();
        drop(ticket);
        let due = book.take_due(Instant::now()).ok().unwrap();
        assert_eq!(due.page, 1);
        drop(book.open(&due.cluster, |_| {}));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(book.take_due(Instant::now()).ok().unwrap().page, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_are_due_the_busier_goes_first() {
        let book = book();
        book.reload(vec![cluster("a"), cluster("b")], Instant::now());
        let (first, second) = (take(&book), take(&book));
        let (quiet, busy) = (book.open(&first, |_| {}), book.open(&second, |_| {}));
        quiet.found(1, 1);
        busy.found(1, 1);
        busy.booked(1);
        drop(quiet);
        tokio::time::advance(Duration::from_millis(250)).await;
        drop(busy);
        assert_eq!(take(&book).key, second.key);
    }
}
