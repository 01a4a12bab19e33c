//! What the index knows of each host: how it is, since when, and whether it is on loan.
//!
//! Knowledge is ordered by ticks. A snapshot is as old as the mark that was taken before its
//! query ran; what a batch learned is as new as its check-in. The newer knowledge of what is
//! idle wins, and everything else about a host comes from the newest snapshot.
//!
//! Invariant: a host stands on its shelves exactly when it is neither on loan nor resting and
//! has a whole core idle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{Centicores, Host, HostId, Lender, Resources};

use crate::settings::Saturation;
use crate::shelves::{Shelves, Slot};

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

pub(crate) struct State {
    by_id: HashMap<HostId, Slot>,
    entries: HashMap<Slot, Entry>,
    pub(crate) shelves: Shelves,
    tick: u64,
    /// The mark of the newest snapshot that was applied.
    applied: u64,
    next_slot: Slot,
    next_loan: u64,
}

struct Entry {
    /// As last known; while it is on loan, as it was lent.
    host: Host,
    /// The tick of what is known of its idle resources.
    known: u64,
    /// The mark of the newest snapshot it was in.
    in_snapshot: u64,
    loan: Option<Loan>,
    rests_until: Option<Instant>,
}

struct Loan {
    number: u64,
    lender: Arc<dyn Lender<Host>>,
    /// When a sweep first saw it.
    seen: Option<Instant>,
    /// What a snapshot said since it began.
    news: Option<News>,
}

enum News {
    Changed(Host),
    Left,
}

impl Entry {
    fn stands(&self) -> bool {
        self.loan.is_none() && self.rests_until.is_none() && self.host.idle.cores.whole() > 0
    }
}

impl State {
    pub(crate) fn new(strategy: Saturation) -> Self {
        Self {
            by_id: HashMap::new(),
            entries: HashMap::new(),
            shelves: Shelves::new(strategy),
            tick: 0,
            applied: 0,
            next_slot: 0,
            next_loan: 0,
        }
    }

    pub(crate) fn host(&self, slot: Slot) -> Option<&Host> {
        self.entries.get(&slot).map(|entry| &entry.host)
    }

    pub(crate) fn mark(&mut self) -> SnapshotMark {
        self.tick += 1;
        SnapshotMark(self.tick)
    }

    /// Whether a snapshot with this mark is the newest so far, and so is to be taken in.
    pub(crate) fn begin(&mut self, mark: &SnapshotMark) -> bool {
        let newest = mark.0 > self.applied;
        self.applied = self.applied.max(mark.0);
        newest
    }

    /// Takes in some hosts of a snapshot. One that was overtaken by a newer snapshot has nothing
    /// to say any more.
    pub(crate) fn take_in(&mut self, mark: &SnapshotMark, hosts: Vec<Host>, outcome: &mut Applied) {
        if mark.0 != self.applied {
            return;
        }
        for host in hosts {
            match self.by_id.get(&host.id).copied() {
                Some(slot) => outcome.changed += usize::from(self.refresh(slot, mark.0, host)),
                None => {
                    outcome.added += 1;
                    self.add(mark.0, host);
                }
            }
        }
    }

    /// Lets the hosts leave that were not in the snapshot.
    pub(crate) fn finish(&mut self, mark: &SnapshotMark, outcome: &mut Applied) {
        if mark.0 != self.applied {
            return;
        }
        let absent =
            |(slot, entry): (&Slot, &Entry)| (entry.in_snapshot != mark.0).then_some(*slot);
        let absent: Vec<Slot> = self.entries.iter().filter_map(absent).collect();
        for slot in absent {
            outcome.left += usize::from(self.leave(slot));
        }
    }

    /// Lends a host; `lender` makes the lender of the loan with this number.
    pub(crate) fn lend(
        &mut self,
        slot: Slot,
        lender: impl FnOnce(u64) -> Arc<dyn Lender<Host>>,
    ) -> Option<(Host, Arc<dyn Lender<Host>>)> {
        self.lift(slot);
        let entry = self.entries.get_mut(&slot)?;
        self.next_loan += 1;
        let lender = lender(self.next_loan);
        entry.loan = Some(Loan {
            number: self.next_loan,
            lender: Arc::clone(&lender),
            seen: None,
            news: None,
        });
        Some((entry.host.clone(), lender))
    }

    /// Ends the loan with this number as if it had never been. A loan that has ended before, and
    /// perhaps another one begun, is not touched.
    pub(crate) fn give_back(&mut self, slot: Slot, number: u64) {
        if self
            .entries
            .get(&slot)
            .and_then(|entry| entry.loan.as_ref())
            .is_some_and(|loan| loan.number == number)
        {
            self.end_loan(slot, None);
        }
    }

    /// Ends the loan of this lease, takes note of what is idle, and says whether there was one to
    /// end. When it was ended before, only the note is taken, unless somebody else has the host
    /// now and so will know better.
    pub(crate) fn check_in(&mut self, lease: &HostLease, idle: Option<Resources>) -> bool {
        let Some(&slot) = self.by_id.get(&lease.id) else {
            return false;
        };
        let Some(entry) = self.entries.get(&slot) else {
            return false;
        };
        if let Some(loan) = &entry.loan {
            let ends = lease.is_from(&loan.lender);
            if ends {
                self.end_loan(slot, idle);
            }
            return ends;
        }
        if let Some(idle) = idle {
            self.lift(slot);
            self.learn(slot, idle);
            self.settle(slot);
        }
        false
    }

    pub(crate) fn rest(&mut self, id: &HostId, until: Instant) {
        let Some(&slot) = self.by_id.get(id) else {
            return;
        };
        self.lift(slot);
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.rests_until = Some(until);
        }
    }

    pub(crate) fn sweep(&mut self, now: Instant, lease_timeout: Duration) -> Vec<HostId> {
        let (mut overdue, mut rested) = (Vec::new(), Vec::new());
        for (&slot, entry) in &mut self.entries {
            if entry.rests_until.is_some_and(|until| until <= now) {
                entry.rests_until = None;
                rested.push(slot);
            }
            if let Some(loan) = &mut entry.loan
                && now.saturating_duration_since(*loan.seen.get_or_insert(now)) >= lease_timeout
            {
                overdue.push((slot, entry.host.id.clone()));
            }
        }
        for slot in rested {
            self.settle(slot);
        }
        let reclaimed = overdue.into_iter().map(|(slot, id)| {
            self.end_loan(slot, None);
            id
        });
        reclaimed.collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn stats(&self) -> IndexStats {
        let mut stats = IndexStats {
            hosts: self.entries.len(),
            ..IndexStats::default()
        };
        let (mut idle, mut total) = (Resources::NONE, Resources::NONE);
        for entry in self.entries.values() {
            stats.leased += usize::from(entry.loan.is_some());
            stats.resting += usize::from(entry.rests_until.is_some());
            idle = idle.plus(&entry.host.idle);
            total = total.plus(&entry.host.total);
        }
        IndexStats {
            idle_cores: idle.cores,
            total_cores: total.cores,
            ..stats
        }
    }

    fn add(&mut self, mark: u64, host: Host) {
        let slot = self.next_slot;
        self.next_slot += 1;
        self.by_id.insert(host.id.clone(), slot);
        self.entries.insert(
            slot,
            Entry {
                host,
                known: mark,
                in_snapshot: mark,
                loan: None,
                rests_until: None,
            },
        );
        self.settle(slot);
    }

    /// Whether the host is not as it was known.
    fn refresh(&mut self, slot: Slot, mark: u64, mut host: Host) -> bool {
        let Some(entry) = self.entries.get_mut(&slot) else {
            return false;
        };
        entry.in_snapshot = mark;
        if entry.known > mark {
            host.idle = entry.host.idle;
        } else {
            entry.known = mark;
        }
        let changed = host != entry.host;
        if let Some(loan) = &mut entry.loan {
            loan.news = changed.then_some(News::Changed(host));
        } else if changed {
            self.lift(slot);
            if let Some(entry) = self.entries.get_mut(&slot) {
                entry.host = host;
            }
            self.settle(slot);
        }
        changed
    }

    /// Whether it was there until now.
    fn leave(&mut self, slot: Slot) -> bool {
        if let Some(loan) = self
            .entries
            .get_mut(&slot)
            .and_then(|entry| entry.loan.as_mut())
        {
            let before = loan.news.replace(News::Left);
            return !matches!(before, Some(News::Left));
        }
        self.lift(slot);
        self.forget(slot);
        true
    }

    /// Forgets a host that is in no bucket.
    fn forget(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.remove(&slot) {
            self.by_id.remove(&entry.host.id);
        }
    }

    fn end_loan(&mut self, slot: Slot, idle: Option<Resources>) {
        let Some(entry) = self.entries.get_mut(&slot) else {
            return;
        };
        match entry.loan.take().and_then(|loan| loan.news) {
            Some(News::Left) => return self.forget(slot),
            Some(News::Changed(host)) => entry.host = host,
            None => {}
        }
        if let Some(idle) = idle {
            self.learn(slot, idle);
        }
        self.settle(slot);
    }

    /// Takes note of what is idle on a host that is in no bucket.
    fn learn(&mut self, slot: Slot, idle: Resources) {
        self.tick += 1;
        if let Some(entry) = self.entries.get_mut(&slot) {
            entry.host.idle = idle;
            entry.known = self.tick;
        }
    }

    /// Takes the host from its shelves before something about it changes.
    fn lift(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get(&slot)
            && entry.stands()
        {
            self.shelves.remove(&entry.host, slot);
        }
    }

    /// Puts the host on its shelves if it may stand there.
    fn settle(&mut self, slot: Slot) {
        if let Some(entry) = self.entries.get(&slot)
            && entry.stands()
        {
            self.shelves.put(&entry.host, slot);
        }
    }
}

#[cfg(test)]
mod checks;
