//! Seats for connections: how many there may be at a time, and whose is given away when none is left.
//!
//! Invariant: whoever has asked something keeps the seat for as long as the connection lasts. Who has
//! been silent for a moment makes room for the next, the one first who has been so for longest, and
//! peers who only hold connections keep nobody out.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a connection may be silent before its seat can be given away: what it asked may be there
/// already and not have been read yet.
const MOMENT: Duration = Duration::from_millis(250);

/// All seats.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    silent: Arc<Mutex<Silent>>,
}

/// The connections that have not asked yet, in the order in which they came.
#[derive(Debug, Default)]
struct Silent {
    next: u64,
    ends: BTreeMap<u64, (Instant, CancellationToken)>,
}

/// A seat. The connection is to end when [`Seat::given_away`] does.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: Option<OwnedSemaphorePermit>,
    asked: Asked,
    end: CancellationToken,
}

/// Tells that a connection has asked something. Copies are of the same connection.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    silent: Arc<Mutex<Silent>>,
    number: u64,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            silent: Arc::default(),
        }
    }

    /// A seat, once there is one: the connection that has been silent for longest loses its own if all
    /// are taken.
    pub(super) async fn take(&self) -> Seat {
        let permit = tokio::select! {
            biased;
            // The semaphore is never closed, so the only answer is a permit.
            permit = Arc::clone(&self.free).acquire_owned() => permit.ok(),
            never = self.give_away() => match never {},
        };
        let end = CancellationToken::new();
        let mut silent = lock(&self.silent);
        let number = silent.next;
        silent.next += 1;
        silent.ends.insert(number, (Instant::now(), end.clone()));
        drop(silent);
        let silent = Arc::clone(&self.silent);
        Seat {
            _permit: permit,
            asked: Asked { silent, number },
            end,
        }
    }
}

impl Seats {
    /// Gives away the seat of whoever has been silent for longest, and goes on until it is dropped:
    /// one that is given away may have been free already.
    async fn give_away(&self) -> Infallible {
        loop {
            let due = {
                let mut silent = lock(&self.silent);
                let since = silent.ends.first_key_value().map(|(_, (since, _))| *since);
                let due = since.unwrap_or_else(Instant::now) + MOMENT;
                if since.is_some() && due <= Instant::now() {
                    if let Some((_, (_, end))) = silent.ends.pop_first() {
                        end.cancel();
                    }
                    // One at a time: it takes a moment until the seat is free.
                    Instant::now() + MOMENT
                } else {
                    due
                }
            };
            tokio::time::sleep_until(due).await;
        }
    }
}

impl Seat {
    /// For the answers of this connection, to tell that it has asked.
    pub(super) fn asked(&self) -> Asked {
        self.asked.clone()
    }

    /// Ends when somebody else is to have the seat.
    pub(super) async fn given_away(&self) {
        self.end.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.asked.note();
    }
}

impl Asked {
    pub(super) fn note(&self) {
        lock(&self.silent).ends.remove(&self.number);
    }
}

fn lock(silent: &Mutex<Silent>) -> MutexGuard<'_, Silent> {
    silent.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_been_silent_for_longest_makes_room_and_who_asked_does_not() {
        let seats = Seats::new(3);
        let [first, second, third] = [seats.take().await, seats.take().await, seats.take().await];
        first.asked().note();
        let mut fourth = Box::pin(seats.take());
        let given_away = |seat: &Seat| seat.end.is_cancelled();
        // What they ask may be on its way.
        assert!(fourth.as_mut().now_or_never().is_none());
        assert_eq!([&first, &second, &third].map(given_away), [false; 3]);
        tokio::time::advance(MOMENT).await;
        assert!(fourth.as_mut().now_or_never().is_none());
        assert_eq!(
            [&first, &second, &third].map(given_away),
            [false, true, false]
        );
        second.given_away().await;
        drop(second);
        let fourth = fourth.await;
        third.asked().note();
        fourth.asked().note();
        // Nobody is silent, so the next one waits.
        let mut fifth = Box::pin(seats.take());
        assert!(fifth.as_mut().now_or_never().is_none());
        tokio::time::advance(MOMENT * 10).await;
        assert!(fifth.as_mut().now_or_never().is_none());
        assert_eq!([&first, &third, &fourth].map(given_away), [false; 3]);
        drop(first);
        fifth.await;
    }
}
