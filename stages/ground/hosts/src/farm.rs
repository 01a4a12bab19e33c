//! The farm: the map of hosts, the buckets they stand in, and the ticks by which knowledge is
//! ordered.
//!
//! A snapshot is as old as the mark that was taken before its query ran; what a batch learned is as
//! new as its check-in. The newer knowledge of what is idle wins, and everything else about a host
//! comes from the newest snapshot.
//!
//! Invariant, the order of locks: whoever holds one takes another only from further down.
//!
//! 1. `applied`: one snapshot is taken in at a time;
//! 2. the lock of one entry; nobody holds two;
//! 3. a shard of the map of hosts, for the length of one look-up, insertion or removal;
//! 4. the directory;
//! 5. one shelf;
//! 6. one ladder;
//! 7. one bucket; nobody holds two.
//!
//! A search starts at 4 and lets go of everything before it claims what it has found at 2.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{Centicores, Host, HostId, HostIdle, Resources};
use dashmap::DashMap;

use crate::entry::{Entry, Gone};
use crate::locks::lock;
use crate::settings::Saturation;
use crate::shelves::Shelves;
use crate::sync::{AtomicU64, Mutex};

/// The age of a snapshot: taken before its query runs, given back with its rows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotMark(u64);

/// What a snapshot changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Hosts that were not known.
    pub added: usize,
    /// Hosts that are not as they were known.
    pub changed: usize,
    /// Hosts that are no longer there.
    pub left: usize,
}

/// The index in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexStats {
    /// Hosts known, on loan or not.
    pub hosts: usize,
    /// Hosts on loan.
    pub leased: usize,
    /// Hosts left out for a while.
    pub resting: usize,
    /// Idle cores of all hosts, those on loan as they were lent. In centicores.
    pub idle_cores: Centicores,
    /// All cores of all hosts, in centicores.
    pub total_cores: Centicores,
}

pub(crate) struct Farm {
    pub(crate) hosts: DashMap<HostId, Arc<Entry>>,
    pub(crate) shelves: Shelves,
    ticks: AtomicU64,
    /// The slot of the next host.
    slots: AtomicU64,
    /// Loans that ended without a check-in, and were not asked for yet.
    abandoned: AtomicU64,
    /// The mark of the newest snapshot that was applied.
    applied: Mutex<u64>,
}

impl Farm {
    pub(crate) fn new(order: Saturation) -> Self {
        Self {
            hosts: DashMap::new(),
            shelves: Shelves::new(order),
            ticks: AtomicU64::new(0),
            slots: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            applied: Mutex::new(0),
        }
    }

    /// A tick later than all before.
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Notes that a loan ended without a check-in.
    pub(crate) fn note_abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// How many did since this was last asked.
    pub(crate) fn take_abandoned(&self) -> u64 {
        self.abandoned.swap(0, Ordering::Relaxed)
    }

    pub(crate) fn mark(&self) -> SnapshotMark {
        SnapshotMark(self.tick())
    }

    /// Takes in a snapshot, unless a newer one was there before it.
    pub(crate) fn apply(&self, mark: &SnapshotMark, hosts: Vec<Host>) -> Applied {
        let mut outcome = Applied::default();
        let mut applied = lock(&self.applied);
        if mark.0 <= *applied {
            return outcome;
        }
        *applied = mark.0;
        for host in hosts {
            match self.with(&host.id, |entry| entry.refresh(self, mark.0, &host)) {
                Some(changed) => outcome.changed += usize::from(changed),
                None => {
                    outcome.added += 1;
                    self.add(mark.0, host);
                }
            }
        }
        for entry in self.entries() {
            outcome.left += usize::from(entry.leave_unless_in(self, mark.0));
        }
        self.shelves.tidy(self.hosts.len());
        outcome
    }

    /// Takes the host of a lease back, and says whether that ended a loan.
    pub(crate) fn check_in(&self, lease: &HostLease, idle: Option<HostIdle>) -> bool {
        let ended = self.with(&lease.id, |entry| entry.check_in(self, lease, idle));
        ended.unwrap_or(false)
    }

    pub(crate) fn rest(&self, id: &HostId, until: Instant) {
        // A host that is not known has nothing to rest from.
        let _known = self.with(id, |entry| entry.rest(until));
    }

    pub(crate) fn resting(&self, now: Instant) -> HashMap<HostId, Duration> {
        let entries = self.entries();
        let rests = entries.iter().filter_map(|entry| entry.resting(now));
        rests.collect()
    }

    /// Ends what is due, and says which hosts had been on loan for too long.
    pub(crate) fn sweep(&self, now: Instant, lease_timeout: Duration) -> Vec<HostId> {
        let entries = self.entries();
        let reclaimed = entries
            .iter()
            .filter_map(|entry| entry.sweep(self, now, lease_timeout));
        reclaimed.collect()
    }

    pub(crate) fn stats(&self) -> IndexStats {
        let mut stats = IndexStats::default();
        let (mut idle, mut total) = (Resources::NONE, Resources::NONE);
        for entry in self.entries() {
            entry.count(&mut stats, &mut idle, &mut total);
        }
        IndexStats {
            idle_cores: idle.cores,
            total_cores: total.cores,
            ..stats
        }
    }

    /// Does something to the host with this id, if there is one.
    fn with<T>(&self, id: &HostId, act: impl Fn(&Entry) -> Result<T, Gone>) -> Option<T> {
        loop {
            // Nothing is done while the map is locked. A host that goes meanwhile has left the map.
            let entry = self.hosts.get(id).map(|entry| Arc::clone(&entry))?;
            if let Ok(done) = act(&entry) {
                return Some(done);
            }
        }
    }

    /// Only a snapshot adds hosts, and there is one at a time.
    fn add(&self, mark: u64, host: Host) {
        let slot = self.slots.fetch_add(1, Ordering::Relaxed);
        let id = host.id.clone();
        let entry = Entry::new(self, slot, mark, host);
        self.hosts.insert(id, Arc::clone(&entry));
        entry.settle(self);
    }

    /// All hosts, so that nothing is done to them while the map is locked.
    pub(crate) fn entries(&self) -> Vec<Arc<Entry>> {
        self.hosts.iter().map(|entry| Arc::clone(&entry)).collect()
    }

    /// The mark of the newest snapshot.
    #[cfg(test)]
    pub(crate) fn newest(&self) -> SnapshotMark {
        SnapshotMark(*lock(&self.applied))
    }
}
