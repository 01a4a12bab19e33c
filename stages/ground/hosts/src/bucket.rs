//! Buckets: the hosts of a ladder with as many whole idle cores, by idle memory, under a lock of
//! their own; and what stands in them.
//!
//! A [`Candidate`] never changes, so a search reads it without asking anybody. It may be out of date
//! by the time it is wanted; that is found out when it is claimed.
//!
//! Invariant: nothing else is locked, and nothing of the caller's runs, while a bucket is locked.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use cue_domain::Host;

use crate::entry::Entry;
use crate::kind::Kind;
use crate::locks::lock;
use crate::settings::Saturation;
use crate::sync::{AtomicUsize, Mutex};

/// The number under which the index knows a host. It is never used again for another.
pub(crate) type Slot = u64;

/// Where a host stands by the strategy; the smaller is tried first. Keys are such that ascending
/// order is the strategy's order, whichever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub(crate) cores: i64,
    pub(crate) memory: i64,
    pub(crate) slot: Slot,
}

/// A host as it stands in the buckets.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) host: Host,
    pub(crate) rank: Rank,
    pub(crate) kind: Kind,
    /// Whom to ask for it. Weak, for the entry knows its buckets.
    pub(crate) entry: Weak<Entry>,
}

impl Candidate {
    pub(crate) fn new(host: Host, slot: Slot, order: Saturation, entry: Weak<Entry>) -> Self {
        let rank = Rank {
            cores: key(order.core, host.idle.cores.whole()),
            memory: key(order.memory, host.idle.memory.0),
            slot,
        };
        Self {
            rank,
            kind: Kind::of(&host),
            host,
            entry,
        }
    }
}

/// The complement turns the order around and, unlike negation, has no number it fails on.
const fn key(smallest_first: bool, amount: i64) -> i64 {
    if smallest_first { amount } else { !amount }
}

/// The first and the last key of amounts from `amount` up.
const fn at_least(smallest_first: bool, amount: i64) -> (i64, i64) {
    if smallest_first {
        (amount, i64::MAX)
    } else {
        (i64::MIN, !amount)
    }
}

/// The least a host must have idle to be worth a look, as ranges of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    pub(crate) cores: (i64, i64),
    memory: (i64, i64),
    /// KiB.
    gpu_memory: i64,
}

impl Floor {
    /// So many whole cores, so much memory and GPU memory in KiB.
    pub(crate) const fn new(order: Saturation, cores: i64, memory: i64, gpu_memory: i64) -> Self {
        Self {
            cores: at_least(order.core, cores),
            memory: at_least(order.memory, memory),
            gpu_memory,
        }
    }
}

type Key = (i64, Slot);

#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// How many there are, so that empty buckets are passed over without their locks.
    len: AtomicUsize,
    hosts: Mutex<Hosts>,
}

#[derive(Debug, Default)]
struct Hosts {
    by_memory: BTreeMap<Key, Arc<Candidate>>,
    /// How many have how much GPU memory idle, where the kind has any.
    gpu_memory: BTreeMap<i64, usize>,
}

impl Bucket {
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub(crate) fn put(&self, candidate: &Arc<Candidate>) {
        let mut hosts = lock(&self.hosts);
        let key = (candidate.rank.memory, candidate.rank.slot);
        let before = hosts.by_memory.insert(key, Arc::clone(candidate));
        if before.is_none() && candidate.kind.has_gpu_memory() {
            let memory = candidate.host.idle.gpu_memory.0;
            *hosts.gpu_memory.entry(memory).or_default() += 1;
        }
        self.len.store(hosts.by_memory.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, candidate: &Candidate) {
        let mut hosts = lock(&self.hosts);
        let key = (candidate.rank.memory, candidate.rank.slot);
        let removed = hosts.by_memory.remove(&key);
        if removed.is_some() && candidate.kind.has_gpu_memory() {
            let memory = candidate.host.idle.gpu_memory.0;
            if let Some(count) = hosts.gpu_memory.get_mut(&memory) {
                *count -= 1;
                if *count == 0 {
                    hosts.gpu_memory.remove(&memory);
                }
            }
        }
        self.len.store(hosts.by_memory.len(), Ordering::Release);
        drop(hosts);
        // Whatever was the last of the host goes with no lock held.
        drop(removed);
    }

    /// Up to `most` hosts at or above the floor, best first, that come after `after`.
    pub(crate) fn page(
        &self,
        floor: &Floor,
        after: Option<Key>,
        most: usize,
        page: &mut VecDeque<Arc<Candidate>>,
    ) {
        let hosts = lock(&self.hosts);
        if hosts.lack_gpu_memory(floor) {
            return;
        }
        let (first, last) = floor.memory;
        let from = after.map_or(Bound::Included((first, Slot::MIN)), Bound::Excluded);
        let range = (from, Bound::Included((last, Slot::MAX)));
        let some = hosts.by_memory.range(range).take(most);
        page.extend(some.map(|(_, candidate)| Arc::clone(candidate)));
    }

    /// The last host by the strategy that is at or above the floor.
    pub(crate) fn last(&self, floor: &Floor) -> Option<Arc<Candidate>> {
        let hosts = lock(&self.hosts);
        let (first, last) = floor.memory;
        let mut range = hosts
            .by_memory
            .range((first, Slot::MIN)..=(last, Slot::MAX));
        range
            .next_back()
            .map(|(_, candidate)| Arc::clone(candidate))
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> Vec<Arc<Candidate>> {
        let hosts = lock(&self.hosts);
        let counted: usize = hosts.gpu_memory.values().sum();
        let all: Vec<_> = hosts.by_memory.values().cloned().collect();
        let with_memory = all.iter().filter(|host| host.kind.has_gpu_memory());
        assert_eq!(counted, with_memory.count(), "GPU memory is miscounted");
        assert_eq!(self.is_empty(), all.is_empty(), "hosts are miscounted");
        all
    }
}

impl Hosts {
    fn lack_gpu_memory(&self, floor: &Floor) -> bool {
        let most = self.gpu_memory.last_key_value();
        floor.gpu_memory > most.map_or(0, |(memory, _)| *memory)
    }
}
