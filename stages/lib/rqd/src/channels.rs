//! Connections to hosts, kept for the next call.
//!
//! Invariants: there are never more than the set number of them; users who come while a host is
//! being dialled share that one attempt, also when it fails; and a connection that ended is never
//! redialled behind a caller's back ([`crate::dial`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::address::Address;
use crate::dial::{DialError, Limits, dial};

/// A connection, and its number among those of its address.
#[derive(Clone)]
pub(crate) struct Connection {
    pub channel: Channel,
    number: u64,
}

/// The connections.
pub(crate) struct Channels {
    limits: Limits,
    kept: Mutex<Kept>,
}

struct Kept {
    entries: HashMap<Address, Entry>,
    /// Time of the next sweep for idle connections.
    next_sweep: Instant,
}

struct Entry {
    slot: Arc<Slot>,
    last_used: Instant,
}

#[derive(Default)]
struct Slot {
    state: tokio::sync::Mutex<State>,
    /// Number of attempts to dial that have ended.
    attempts: AtomicU64,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Connected(Connection),
    Failed(DialError),
}

impl Channels {
    pub(crate) fn new(limits: Limits) -> Self {
        let kept = Kept {
            entries: HashMap::new(),
            next_sweep: Instant::now(),
        };
        Self {
            limits,
            kept: Mutex::new(kept),
        }
    }

    /// The connection to `address`, dialled if there is none.
    pub(crate) async fn get(&self, address: &Address) -> Result<Connection, DialError> {
        let slot = self.kept.lock().slot(address, &self.limits);
        let seen = slot.attempts.load(Ordering::Acquire);
        let mut state = slot.state.lock().await;
        match &*state {
            State::Connected(connection) => return Ok(connection.clone()),
            // The attempt ended after this user came: its failure is this user's answer too.
            State::Failed(error) if slot.attempts.load(Ordering::Acquire) != seen => {
                return Err(error.clone());
            }
            State::Failed(_) | State::Idle => {}
        }
        let dialled = dial(address, &self.limits).await;
        let number = slot.attempts.fetch_add(1, Ordering::AcqRel);
        match dialled {
            Ok(channel) => {
                let connection = Connection { channel, number };
                *state = State::Connected(connection.clone());
                Ok(connection)
            }
            Err(error) => {
                *state = State::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// Forgets a connection that ended or is silent, unless it was replaced meanwhile. Calls under way
    /// keep it until they end.
    pub(crate) async fn discard(&self, address: &Address, connection: &Connection) {
        let slot = self
            .kept
            .lock()
            .entries
            .get(address)
            .map(|entry| Arc::clone(&entry.slot));
        let Some(slot) = slot else {
            return;
        };
        let mut state = slot.state.lock().await;
        if matches!(&*state, State::Connected(kept) if kept.number == connection.number) {
            *state = State::Idle;
        }
    }

    /// Number of addresses that are kept.
    pub(crate) fn len(&self) -> usize {
        self.kept.lock().entries.len()
    }
}

impl Kept {
    /// The slot of an address, which is used now.
    fn slot(&mut self, address: &Address, limits: &Limits) -> Arc<Slot> {
        let now = Instant::now();
        self.sweep(now, limits);
        let bound = limits.connections.get();
        if !self.entries.contains_key(address) && self.entries.len() >= bound {
            self.make_room(bound);
        }
        let entry = self.entries.entry(address.clone());
        let entry = entry.or_insert_with(|| Entry {
            slot: Arc::default(),
            last_used: now,
        });
        entry.last_used = now;
        Arc::clone(&entry.slot)
    }

    /// Drops the least recently used eighth, so that a farm larger than the cache does not search
    /// it at every call. Calls under way keep their connection until they end.
    fn make_room(&mut self, bound: usize) {
        let entries = self.entries.iter();
        let mut by_age: Vec<(Instant, Address)> = entries
            .map(|(address, entry)| (entry.last_used, address.clone()))
            .collect();
        by_age.sort_unstable_by_key(|(last_used, _)| *last_used);
        for (_, address) in by_age.into_iter().take((bound / 8).max(1)) {
            self.entries.remove(&address);
        }
    }

    /// Drops idle connections, at most twice an idle time.
    fn sweep(&mut self, now: Instant, limits: &Limits) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + limits.idle_timeout / 2;
        self.entries.retain(|_, entry| {
            // A slot that somebody else holds is in use, whatever its age.
            Arc::strong_count(&entry.slot) > 1 || now - entry.last_used < limits.idle_timeout
        });
    }
}
