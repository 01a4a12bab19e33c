//! Connections to hosts, kept for the next call.
//!
//! Invariants: there are never more than the set number of them; users who come while a host is
//! being dialled share that one attempt, also when it fails; and a connection that ended is never
//! redialled behind a caller's back ([`crate::dial`]).

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::address::Address;
use crate::dial::{DialError, dial};

/// How connections are made and how long they are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The most connections kept at once.
    pub connections: NonZeroUsize,
    /// How long dialling may take, name lookup included.
    pub connect_timeout: Duration,
    /// How long a connection that nobody uses is kept.
    pub idle_timeout: Duration,
    /// Time without data after which the kernel probes a connection.
    pub keepalive: Duration,
    /// Time without an answer to probes after which a connection is broken.
    pub keepalive_timeout: Duration,
}

/// A connection, and which of its address it is.
#[derive(Clone)]
pub(crate) struct Connection {
    pub channel: Channel,
    number: u64,
}

/// The connections.
pub(crate) struct Channels {
    limits: Limits,
    slots: DashMap<Address, Arc<Slot>>,
    /// Held while an address is added, which makes the bound exact.
    adding: Mutex<()>,
    start: Instant,
    /// When idle connections are looked for next, in milliseconds since `start`.
    next_sweep: AtomicU64,
}

struct Slot {
    state: tokio::sync::Mutex<State>,
    /// How many attempts to dial have ended.
    attempts: AtomicU64,
    /// Milliseconds since the start of the cache.
    last_used: AtomicU64,
    /// The peer of the present connection cannot answer for one frame, only report on all.
    only_reports: AtomicBool,
}

enum State {
    Idle,
    Connected(Connection),
    Failed(DialError),
}

impl Channels {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            slots: DashMap::new(),
            adding: Mutex::new(()),
            start: Instant::now(),
            next_sweep: AtomicU64::new(0),
        }
    }

    /// The connection to `address`, dialled if there is none.
    pub(crate) async fn get(&self, address: &Address) -> Result<Connection, DialError> {
        self.sweep();
        let slot = self.slot(address);
        let seen = slot.attempts.load(Ordering::Acquire);
        let mut state = slot.state.lock().await;
        slot.last_used.store(self.now(), Ordering::Relaxed);
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
        // Another program may listen there now.
        slot.only_reports.store(false, Ordering::Relaxed);
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
        let Some(slot) = self.slots.get(address).map(|slot| Arc::clone(&slot)) else {
            return;
        };
        let mut state = slot.state.lock().await;
        if matches!(&*state, State::Connected(kept) if kept.number == connection.number) {
            *state = State::Idle;
        }
    }

    /// Returns true if the peer of the connection to `address` was found to answer only with
    /// reports. The knowledge goes with the connection.
    pub(crate) fn only_reports(&self, address: &Address) -> bool {
        let slot = self.slots.get(address);
        slot.is_some_and(|slot| slot.only_reports.load(Ordering::Relaxed))
    }

    /// Remembers that the peer at `address` answers only with reports.
    pub(crate) fn ask_for_reports_only(&self, address: &Address) {
        if let Some(slot) = self.slots.get(address) {
            slot.only_reports.store(true, Ordering::Relaxed);
        }
    }

    /// How many addresses are kept.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn slot(&self, address: &Address) -> Arc<Slot> {
        if let Some(slot) = self.slots.get(address) {
            return Arc::clone(&slot);
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.slots.contains_key(address) && self.slots.len() >= self.limits.connections.get() {
            self.make_room();
        }
        let slot = self.slots.entry(address.clone()).or_insert_with(|| {
            Arc::new(Slot {
                state: tokio::sync::Mutex::new(State::Idle),
                attempts: AtomicU64::new(0),
                last_used: AtomicU64::new(self.now()),
                only_reports: AtomicBool::new(false),
            })
        });
        Arc::clone(&slot)
    }

    /// Drops the least recently used eighth, so that a farm larger than the cache does not search
    /// it at every call. Calls under way keep their connection until they end.
    fn make_room(&self) {
        let mut by_age: Vec<(u64, Address)> = self
            .slots
            .iter()
            .map(|slot| (slot.last_used.load(Ordering::Relaxed), slot.key().clone()))
            .collect();
        by_age.sort_unstable_by_key(|(last_used, _)| *last_used);
        let bound = self.limits.connections.get();
        let surplus = by_age.len().saturating_sub(bound);
        for (_, address) in by_age.into_iter().take(surplus + (bound / 8).max(1)) {
            self.slots.remove(&address);
        }
    }

    /// Drops idle connections, at most twice an idle time.
    fn sweep(&self) {
        let now = self.now();
        let idle = u64::try_from(self.limits.idle_timeout.as_millis()).unwrap_or(u64::MAX);
        let due = self.next_sweep.load(Ordering::Relaxed);
        let next = now.saturating_add(idle / 2);
        let order = Ordering::Relaxed;
        if now < due
            || self
                .next_sweep
                .compare_exchange(due, next, order, order)
                .is_err()
        {
            return;
        }
        self.slots.retain(|_, slot| {
            // A slot that somebody else holds is in use, whatever its age.
            Arc::strong_count(slot) > 1
                || now.saturating_sub(slot.last_used.load(Ordering::Relaxed)) < idle
        });
    }
}
