//! The index as other crates see it: a handle that can be cloned.
//!
//! The index is sharded by facility, because a search concerns one facility and so needs one shard, and
//! a host stays in its shard until it moves to another facility. Each shard has one lock.
//!
//! Invariant: two shards are never locked at once, and while a shard is locked no lease is dropped and
//! no code of the caller runs. So a lease can be dropped anywhere.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cue_domain::{FacilityId, Host, HostId};
use parking_lot::{Mutex, MutexGuard};

use crate::entry::Entry;
use crate::ranked::RankedHost;
use crate::settings::IndexSettings;
use crate::shard::Shard;
use crate::values::{Applied, IndexStats, IndexedHost, SnapshotMark};

/// Number of shards. Facilities that share a shard cost contention, never a wrong host.
const SHARDS: usize = 4;

/// Hosts that are open and up, and their loans. Clones are handles to the same index.
#[derive(Clone)]
pub struct HostIndex {
    pub(crate) settings: IndexSettings,
    shards: Arc<[Arc<Mutex<Shard>>; SHARDS]>,
    /// Clock that orders snapshots, loans and check-ins.
    ticks: Arc<AtomicU64>,
}

impl HostIndex {
    /// An empty index.
    pub fn new(settings: IndexSettings) -> Self {
        let shard = |_| {
            Arc::new(Mutex::new(Shard::new(
                settings.strategy.order(),
                settings.seed,
            )))
        };
        Self {
            settings,
            shards: Arc::new(std::array::from_fn(shard)),
            ticks: Arc::default(),
        }
    }

    /// Mark of a snapshot, to be taken before its query runs.
    pub fn mark(&self) -> SnapshotMark {
        SnapshotMark(self.tick())
    }

    /// Takes in a snapshot: all open hosts. A host that is not among them leaves; a host that was checked
    /// in after the mark keeps its idle resources; a host on loan is updated when it comes back. A snapshot
    /// older than the last one is ignored.
    pub fn apply(&self, mark: SnapshotMark, hosts: Vec<Host>) -> Applied {
        self.take_in(mark.0, hosts, None)
    }

    /// Takes in changes since the last snapshot or change: hosts as they are now, and hosts that have closed.
    /// All else is as in [`HostIndex::apply`].
    pub fn change(&self, mark: SnapshotMark, hosts: Vec<Host>, closed: &[HostId]) -> Applied {
        self.take_in(mark.0, hosts, Some(closed))
    }

    /// Returns true if the host can be lent.
    pub fn is_idle(&self, id: &HostId) -> bool {
        self.locked().any(|shard| shard.available(id).is_some())
    }

    /// Hosts that can be lent now, with their idle resources. Visits every host: to be called once a turn.
    pub fn idle_hosts(&self) -> Vec<Host> {
        self.collect(|entry| entry.available().is_some())
    }

    /// All hosts, those on loan as they were lent. Visits every host: to be called at the pace of a question.
    pub fn hosts(&self) -> Vec<Host> {
        self.collect(|_| true)
    }

    /// Leaves a host out until the first sweep at or after `until`; if it is on loan, from its return.
    /// A host that leaves and returns has no backoff.
    pub fn back_off(&self, host: &HostId, until: Instant) {
        for mut shard in self.locked() {
            shard.update(host, |entry| entry.back_off(until));
        }
    }

    /// Ends the backoff of a host. Returns true if it had one.
    pub fn end_backoff(&self, host: &HostId) -> bool {
        let mut shards = self.locked();
        shards.any(|mut shard| shard.update(host, Entry::end_backoff).unwrap_or(false))
    }

    /// All hosts with their loans and backoffs, without a copy of any. Visits every host: to be called at the pace of
    /// a page.
    pub fn entries(&self) -> Vec<IndexedHost> {
        let mut found = Vec::new();
        for shard in self.locked() {
            found.extend(shard.entries().map(IndexedHost::of));
        }
        found
    }

    /// Hosts in backoff, and the remaining times at `now`: 0 from the end of a backoff to the next sweep.
    /// Visits every host: to be called at the pace of a question.
    pub fn backoffs(&self, now: Instant) -> HashMap<HostId, Duration> {
        let mut backoffs = HashMap::new();
        for shard in self.locked() {
            backoffs.extend(shard.entries().filter_map(|entry| {
                let remaining = entry.backoff_until()?.saturating_duration_since(now);
                Some((entry.ranked().host.id.clone(), remaining))
            }));
        }
        backoffs
    }

    /// Ends backoffs, and loans that have lasted for the lease timeout; to be called about once a second.
    /// Returns the hosts of those loans: somebody has lost them, and the log should say so.
    pub fn sweep(&self, now: Instant) -> Vec<HostId> {
        let mut overdue = Vec::new();
        for mut shard in self.locked() {
            shard.update_all(|entry| overdue.extend(entry.sweep(now, self.settings.lease_timeout)));
        }
        overdue
    }

    /// Number of loans that ended since the last call because their lease was dropped: nobody came to a
    /// decision about the host.
    pub fn take_abandoned(&self) -> u64 {
        self.locked().map(|mut shard| shard.take_abandoned()).sum()
    }

    /// Number of hosts known, on loan or not.
    pub fn len(&self) -> usize {
        self.locked().map(|shard| shard.len()).sum()
    }

    /// Returns true if no host is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of the index. Visits every host: to be called at the pace of a page or a scrape.
    pub fn stats(&self) -> IndexStats {
        let mut stats = IndexStats::default();
        for shard in self.locked() {
            for entry in shard.entries() {
                let Host { idle, total, .. } = &entry.ranked().host;
                stats.hosts += 1;
                stats.leased += usize::from(entry.is_on_loan());
                stats.backing_off += usize::from(entry.backoff_until().is_some());
                stats.idle_cores.0 = stats.idle_cores.0.saturating_add(idle.cores.0);
                stats.total_cores.0 = stats.total_cores.0.saturating_add(total.cores.0);
            }
        }
        stats
    }

    /// The shards, locked one after the other.
    pub(crate) fn locked(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock())
    }

    pub(crate) fn shard(&self, facility: &FacilityId) -> &Arc<Mutex<Shard>> {
        let mut hasher = DefaultHasher::new();
        facility.hash(&mut hasher);
        &self.shards[hasher.finish() as usize % SHARDS]
    }

    /// A tick later than all before.
    pub(crate) fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn collect(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<Host> {
        let mut found: Vec<Arc<RankedHost>> = Vec::new();
        for shard in self.locked() {
            let wanted = shard.entries().filter(|entry| is_wanted(entry));
            found.extend(wanted.map(|entry| Arc::clone(entry.ranked())));
        }
        found.iter().map(|found| found.host.clone()).collect()
    }

    /// Takes in the hosts of a snapshot, or changes if `closed` is given. A shard is locked for one host at a
    /// time.
    fn take_in(&self, mark: u64, hosts: Vec<Host>, closed: Option<&[HostId]>) -> Applied {
        let mut applied = Applied::default();
        if !self.locked().all(|mut shard| shard.begin(mark)) {
            return applied;
        }
        for host in hosts {
            let shard = self.shard(&host.facility);
            let known = shard.lock().refresh(mark, &host);
            if let Some(changed) = known {
                applied.changed += usize::from(changed);
            } else if !self.is_on_loan_beside(shard, &host.id) {
                applied.added += usize::from(shard.lock().add(mark, host));
            }
        }
        let left = self
            .locked()
            .map(|mut shard| shard.leave_unless_in(mark, closed));
        applied.left = left.sum();
        applied
    }

    /// Takes a host out of all other shards. Returns true while one of them has lent it: the host comes with
    /// the first complete snapshot after its return.
    fn is_on_loan_beside(&self, shard: &Arc<Mutex<Shard>>, id: &HostId) -> bool {
        let mut others = self
            .shards
            .iter()
            .filter(|other| !Arc::ptr_eq(other, shard));
        others.any(|other| {
            let on_loan = other.lock().update(id, |entry| {
                entry.leave();
                entry.is_on_loan()
            });
            on_loan.unwrap_or(false)
        })
    }
}
