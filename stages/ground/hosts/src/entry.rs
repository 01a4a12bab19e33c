//! What the index knows of one host, and the lease protocol: who has it, and where it stands.
//!
//! Whatever becomes of a host happens under the one lock of its entry: it is claimed there, of two
//! searches that found it by one, leaves all its buckets before the lease is handed out, and is back
//! in all of them before anybody else can claim it.
//!
//! Invariant: while the lock is free, a host is in the bucket of each of its tags if it is neither
//! on loan nor resting nor gone and has a whole core idle, and in none else. A host that is gone is
//! not in the map of hosts, and nothing becomes of it any more. What a booking found withheld stays so
//! until the host reports again, but no longer than [`LONGEST_WITHHELD`], whatever snapshots say meanwhile.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{Host, HostId, HostIdle, Lender, Resources};

use crate::bucket::{Bucket, Candidate, Slot};
use crate::farm::{Farm, IndexStats};
use crate::locks::lock;
use crate::shelves::Shelf;
use crate::sync::Mutex;

/// Time for which the findings of a booking are believed without a new report: a ledger may have been set right.
const LONGEST_WITHHELD: Duration = Duration::from_secs(10);

/// A host, from when it is first seen until it leaves. One that comes again has a new entry.
pub(crate) struct Entry(Mutex<Known>);

/// The host is gone: what was to be done to it is to be done to whatever has its id now.
pub(crate) struct Gone;

struct Known {
    /// As last known; while it is on loan, as it was lent.
    candidate: Arc<Candidate>,
    /// The tick of what is known of its idle resources.
    learned: u64,
    /// The mark of the newest snapshot it was in.
    in_snapshot: u64,
    /// How often it was lent.
    loans: u64,
    loan: Option<Loan>,
    rests_until: Option<Instant>,
    /// Time of the last report that a snapshot showed, in microseconds since 1970.
    reported_us: i64,
    /// Resources that a booking found must not be booked, though snapshots say that they are idle.
    withheld: Option<Withheld>,
    /// The shelves of its tags, so that they need not be looked up.
    shelves: Vec<Arc<Shelf>>,
    /// Where it stands.
    buckets: Vec<Arc<Bucket>>,
    gone: bool,
}

/// Idle resources of the ledger that must not be booked before the report after this one.
struct Withheld {
    reported_us: i64,
    resources: Resources,
    /// The moment when a sweep first saw it.
    seen: Option<Instant>,
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
    Changed(Box<Host>),
    Left,
}

impl Entry {
    /// A host that is new with the snapshot of this mark. It stands nowhere yet.
    pub(crate) fn new(farm: &Farm, slot: Slot, mark: u64, host: Host) -> Arc<Self> {
        Arc::new_cyclic(|entry| {
            let order = farm.shelves.order();
            let reported_us = host.reported_us;
            Self(Mutex::new(Known {
                reported_us,
                candidate: Arc::new(Candidate::new(host, slot, order, Weak::clone(entry))),
                learned: mark,
                in_snapshot: mark,
                loans: 0,
                loan: None,
                rests_until: None,
                withheld: None,
                shelves: Vec::new(),
                buckets: Vec::new(),
                gone: false,
            }))
        })
    }

    /// Puts it where it belongs, if it is not there.
    pub(crate) fn settle(&self, farm: &Farm) {
        lock(&self.0).settle(farm);
    }

    /// Lends the host, if it still is what a search has found; `lender` makes the lender of the
    /// loan with this number. Of several who try, one succeeds.
    pub(crate) fn claim(
        &self,
        found: &Arc<Candidate>,
        lender: impl FnOnce(u64) -> Arc<dyn Lender<Host>>,
    ) -> Option<(Host, Arc<dyn Lender<Host>>)> {
        let mut known = lock(&self.0);
        if !known.stands() || !Arc::ptr_eq(&known.candidate, found) {
            return None;
        }
        known.lift();
        known.loans += 1;
        let lender = lender(known.loans);
        known.loan = Some(Loan {
            number: known.loans,
            lender: Arc::clone(&lender),
            seen: None,
            news: None,
        });
        Some((known.candidate.host.clone(), lender))
    }

    /// Ends the loan with this number as if it had never been. A loan that has ended before, and
    /// perhaps another one begun, is not touched.
    pub(crate) fn give_back(&self, farm: &Farm, number: u64) {
        let mut known = lock(&self.0);
        if known
            .loan
            .as_ref()
            .is_some_and(|loan| loan.number == number)
        {
            known.end_loan(farm, None);
            farm.note_abandoned();
        }
    }

    /// Ends the loan of this lease, takes note of what is idle, and says whether there was one to
    /// end. When it was ended before, only the note is taken, unless somebody else has the host
    /// now and so will know better.
    pub(crate) fn check_in(
        &self,
        farm: &Farm,
        lease: &HostLease,
        idle: Option<HostIdle>,
    ) -> Result<bool, Gone> {
        let mut known = lock(&self.0);
        if known.gone {
            return Err(Gone);
        }
        if let Some(loan) = &known.loan {
            let ends = lease.is_from(&loan.lender);
            if ends {
                known.end_loan(farm, idle);
            }
            return Ok(ends);
        }
        if let Some(idle) = idle {
            known.lift();
            known.learn(farm, idle);
            known.settle(farm);
        }
        Ok(false)
    }

    /// Takes in what the snapshot of this mark says of it, and says whether that is new.
    pub(crate) fn refresh(&self, farm: &Farm, mark: u64, host: &Host) -> Result<bool, Gone> {
        let mut known = lock(&self.0);
        if known.gone {
            return Err(Gone);
        }
        known.in_snapshot = mark;
        let keeps_idle = known.learned > mark;
        if !keeps_idle {
            known.learned = mark;
        }
        known.reported_us = host.reported_us;
        known
            .withheld
            .take_if(|withheld| withheld.reported_us != host.reported_us);
        let old = &known.candidate.host;
        let idle = match &known.withheld {
            _ if keeps_idle => old.idle,
            Some(withheld) => host.idle.at_most(&host.ledger.minus(&withheld.resources)),
            None => host.idle,
        };
        // A report that leaves as much idle as the last one is no news: a host that is moved counts as
        // a gain, for which turns ask the database again.
        let fresh = Host {
            idle,
            ledger: old.ledger,
            reported_us: old.reported_us,
            ..host.clone()
        };
        let changed = fresh != *old;
        if let Some(loan) = &mut known.loan {
            loan.news = changed.then_some(News::Changed(Box::new(fresh)));
        } else if changed {
            known.lift();
            known.turn_into(farm, fresh);
            known.settle(farm);
        }
        Ok(changed)
    }

    /// Lets it leave if it was not in the snapshot of this mark, and says whether it was there
    /// until now. While it is on loan it is not disturbed, and leaves when it comes back.
    pub(crate) fn leave_unless_in(&self, farm: &Farm, mark: u64) -> bool {
        let mut known = lock(&self.0);
        if known.gone || known.in_snapshot == mark {
            return false;
        }
        if let Some(loan) = &mut known.loan {
            let before = loan.news.replace(News::Left);
            return !matches!(before, Some(News::Left));
        }
        known.lift();
        known.leave(farm);
        true
    }

    /// Leaves it out until a sweep at or after `until`.
    pub(crate) fn rest(&self, until: Instant) -> Result<(), Gone> {
        let mut known = lock(&self.0);
        if known.gone {
            return Err(Gone);
        }
        known.lift();
        known.rests_until = Some(until);
        Ok(())
    }

    /// Which host it is and how long it rests yet, if it does.
    pub(crate) fn resting(&self, now: Instant) -> Option<(HostId, Duration)> {
        let known = lock(&self.0);
        let until = known.rests_until.filter(|_| !known.gone)?;
        let id = known.candidate.host.id.clone();
        Some((id, until.saturating_duration_since(now)))
    }

    /// Ends its rest and its loan when they are due, and says which host it is if it was the loan.
    pub(crate) fn sweep(&self, farm: &Farm, now: Instant, timeout: Duration) -> Option<HostId> {
        let mut known = lock(&self.0);
        if known.rests_until.is_some_and(|until| until <= now) {
            known.rests_until = None;
            known.settle(farm);
        }
        known.withheld.take_if(|withheld| {
            let seen = *withheld.seen.get_or_insert(now);
            now.saturating_duration_since(seen) >= LONGEST_WITHHELD
        });
        let loan = known.loan.as_mut()?;
        if now.saturating_duration_since(*loan.seen.get_or_insert(now)) < timeout {
            return None;
        }
        let id = known.candidate.host.id.clone();
        known.end_loan(farm, None);
        Some(id)
    }

    /// Adds it to the numbers, its resources to `idle` and `total`.
    pub(crate) fn count(
        &self,
        stats: &mut IndexStats,
        idle: &mut Resources,
        total: &mut Resources,
    ) {
        let known = lock(&self.0);
        if known.gone {
            return;
        }
        stats.hosts += 1;
        stats.leased += usize::from(known.loan.is_some());
        stats.resting += usize::from(known.rests_until.is_some());
        *idle = idle.plus(&known.candidate.host.idle);
        *total = total.plus(&known.candidate.host.total);
    }

    /// The host, and whether it can be lent.
    #[cfg(test)]
    pub(crate) fn now(&self) -> (Arc<Candidate>, bool) {
        let known = lock(&self.0);
        assert!(!known.gone, "a host that is gone is in the map");
        let places = if known.stands() {
            known.candidate.host.tags.len()
        } else {
            0
        };
        assert_eq!(known.buckets.len(), places, "a host lost track of itself");
        (Arc::clone(&known.candidate), known.stands())
    }

    /// Panics on purpose while it is locked.
    #[cfg(test)]
    pub(crate) fn poison(&self) {
        let _known = self.0.lock();
        panic!("on purpose");
    }
}

impl Known {
    fn stands(&self) -> bool {
        let free = self.loan.is_none() && self.rests_until.is_none() && !self.gone;
        free && self.candidate.host.idle.cores.whole() > 0
    }

    /// Takes it out of its buckets, before something about it changes.
    fn lift(&mut self) {
        for bucket in self.buckets.drain(..) {
            bucket.remove(&self.candidate);
        }
    }

    /// Puts it into its buckets, if it may stand there and does not yet.
    fn settle(&mut self, farm: &Farm) {
        if self.stands() && self.buckets.is_empty() {
            farm.shelves
                .put(&self.candidate, &mut self.shelves, &mut self.buckets);
        }
    }

    /// The host is another one now. It must be in no bucket.
    fn turn_into(&mut self, farm: &Farm, host: Host) {
        let old = &self.candidate;
        let moved = host.facility != old.host.facility
            || host.alloc != old.host.alloc
            || host.tags != old.host.tags;
        if moved {
            self.shelves.clear();
        }
        let (slot, entry) = (old.rank.slot, Weak::clone(&old.entry));
        let candidate = Candidate::new(host, slot, farm.shelves.order(), entry);
        self.candidate = Arc::new(candidate);
    }

    /// Takes note of what is idle on a host that is in no bucket, by its counters. These know nothing of
    /// memory that is in use without having been booked: of that the last snapshot told.
    fn learn(&mut self, farm: &Farm, idle: HostIdle) {
        self.learned = farm.tick();
        let host = self.candidate.host.clone();
        let bookable = idle.bookable();
        self.withheld = (idle.withheld != Resources::NONE).then_some(Withheld {
            reported_us: self.reported_us,
            resources: idle.withheld,
            seen: None,
        });
        let idle = Resources {
            memory: bookable.memory.min(host.idle.memory),
            gpu_memory: bookable.gpu_memory.min(host.idle.gpu_memory),
            ..bookable
        };
        self.turn_into(farm, Host { idle, ..host });
    }

    fn end_loan(&mut self, farm: &Farm, idle: Option<HostIdle>) {
        match self.loan.take().and_then(|loan| loan.news) {
            Some(News::Left) => return self.leave(farm),
            Some(News::Changed(host)) => self.turn_into(farm, *host),
            None => {}
        }
        if let Some(idle) = idle {
            self.learn(farm, idle);
        }
        self.settle(farm);
    }

    /// Leaves the map of hosts. It must be in no bucket.
    fn leave(&mut self, farm: &Farm) {
        self.gone = true;
        farm.hosts.remove(&self.candidate.host.id);
    }
}
