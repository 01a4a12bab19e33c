//! One host of the index: its resources as last known, its loan and its backoff.
//!
//! Invariant: what a booking found withheld stays withheld until the host reports again, but no longer
//! than [`LONGEST_WITHHELD`], whatever snapshots say meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{Host, HostId, HostIdle, Lender, Resources};

use crate::ranked::RankedHost;
use crate::settings::Saturation;

/// Time for which withheld resources are believed without a new report: a ledger may have been repaired.
const LONGEST_WITHHELD: Duration = Duration::from_secs(10);

/// A host, from the snapshot that adds it until it leaves. A host that returns has a new entry.
pub(crate) struct Entry {
    /// Host as last known; while it is on loan, as it was lent.
    ranked: Arc<RankedHost>,
    order: Saturation,
    /// Tick at which the idle resources were learned.
    learned: u64,
    /// Mark of the newest snapshot that has the host.
    in_snapshot: u64,
    /// Time of the last report that a snapshot showed, in microseconds since 1970.
    reported_us: i64,
    withheld: Option<Withheld>,
    loan: Option<Loan>,
    backoff_until: Option<Instant>,
    left: bool,
}

/// Idle resources of the ledger that must not be booked before the next report.
struct Withheld {
    reported_us: i64,
    resources: Resources,
    /// Time of the first sweep that saw it.
    seen: Option<Instant>,
}

struct Loan {
    number: u64,
    lender: Arc<dyn Lender<Host>>,
    /// Time of the first sweep that saw it.
    seen: Option<Instant>,
    /// Change that a snapshot showed since the loan began.
    pending: Option<Pending>,
}

enum Pending {
    Changed(Box<Host>),
    Left,
}

impl Entry {
    /// A host that is new with the snapshot of this mark.
    pub(crate) fn new(ranked: Arc<RankedHost>, order: Saturation, mark: u64) -> Self {
        Self {
            order,
            reported_us: ranked.host.reported_us,
            ranked,
            learned: mark,
            in_snapshot: mark,
            withheld: None,
            loan: None,
            backoff_until: None,
            left: false,
        }
    }

    /// The host as last known.
    pub(crate) fn ranked(&self) -> &Arc<RankedHost> {
        &self.ranked
    }

    /// The host, if it can be lent.
    pub(crate) fn available(&self) -> Option<&Arc<RankedHost>> {
        let is_free = self.loan.is_none() && self.backoff_until.is_none() && !self.left;
        let has_cores = self.ranked.host.idle.cores.whole() > 0;
        (is_free && has_cores).then_some(&self.ranked)
    }

    pub(crate) const fn is_on_loan(&self) -> bool {
        self.loan.is_some()
    }

    /// Returns true if the entry must be removed.
    pub(crate) const fn has_left(&self) -> bool {
        self.left
    }

    /// Begins a loan, if the host can be lent and has not changed since it was found. Returns true if so.
    pub(crate) fn lend(
        &mut self,
        found: &Arc<RankedHost>,
        number: u64,
        lender: &Arc<dyn Lender<Host>>,
    ) -> bool {
        let current = self.available();
        let lends = current.is_some_and(|current| Arc::ptr_eq(current, found));
        if lends {
            self.loan = Some(Loan {
                number,
                lender: Arc::clone(lender),
                seen: None,
                pending: None,
            });
        }
        lends
    }

    /// Ends the loan with this number as if it had never been. Returns true if there was one.
    pub(crate) fn give_back(&mut self, number: u64) -> bool {
        let ends = self.loan.as_ref().is_some_and(|loan| loan.number == number);
        if ends {
            self.end_loan();
        }
        ends
    }

    /// Ends the loan of the lease and records idle resources learned at `tick`. Returns true if there was
    /// a loan to end. If it had ended before, idle resources are recorded unless somebody else has the
    /// host, who will know better.
    pub(crate) fn check_in(
        &mut self,
        lease: &HostLease,
        idle: Option<HostIdle>,
        tick: u64,
    ) -> bool {
        let loan = self.loan.as_ref();
        let ends = loan.is_some_and(|loan| lease.is_from(&loan.lender));
        if ends {
            self.end_loan();
        }
        if let Some(idle) = idle.filter(|_| self.loan.is_none() && !self.left) {
            self.record_idle(idle, tick);
        }
        ends
    }

    /// Updates the host from the snapshot of this mark. Returns true if anything changed.
    pub(crate) fn refresh(&mut self, mark: u64, host: &Host) -> bool {
        self.in_snapshot = mark;
        let keeps_idle = self.learned > mark;
        self.learned = self.learned.max(mark);
        self.reported_us = host.reported_us;
        self.withheld
            .take_if(|withheld| withheld.reported_us != host.reported_us);
        let old = &self.ranked.host;
        let idle = match &self.withheld {
            _ if keeps_idle => old.idle,
            Some(withheld) => host.idle.at_most(&host.ledger.minus(&withheld.resources)),
            None => host.idle,
        };
        // A report that leaves equally much idle is no change: a host that changes counts as new
        // supply, for which turns ask the database again.
        let fresh = Host {
            idle,
            ledger: old.ledger,
            reported_us: old.reported_us,
            ..host.clone()
        };
        let changed = fresh != *old;
        if let Some(loan) = &mut self.loan {
            loan.pending = changed.then_some(Pending::Changed(Box::new(fresh)));
        } else if changed {
            self.replace(fresh);
        }
        changed
    }

    /// Lets the host leave if the snapshot of this mark does not have it. Returns true if it was there
    /// until now.
    pub(crate) fn leave_unless_in(&mut self, mark: u64) -> bool {
        self.in_snapshot != mark && self.leave()
    }

    /// Lets the host leave, at the end of its loan if it is on loan. Returns true if it was there until
    /// now.
    pub(crate) fn leave(&mut self) -> bool {
        let Some(loan) = &mut self.loan else {
            self.left = true;
            return true;
        };
        let before = loan.pending.replace(Pending::Left);
        !matches!(before, Some(Pending::Left))
    }

    /// Leaves the host out until a sweep at or after `until`.
    pub(crate) const fn back_off(&mut self, until: Instant) {
        self.backoff_until = Some(until);
    }

    /// Ends the backoff. Returns true if there was one.
    pub(crate) const fn end_backoff(&mut self) -> bool {
        self.backoff_until.take().is_some()
    }

    /// End of the backoff, if there is one.
    pub(crate) const fn backoff_until(&self) -> Option<Instant> {
        self.backoff_until
    }

    /// Ends backoff, withheld resources and loan that are due. Returns the host whose loan was overdue.
    pub(crate) fn sweep(&mut self, now: Instant, lease_timeout: Duration) -> Option<HostId> {
        self.backoff_until.take_if(|until| *until <= now);
        self.withheld.take_if(|withheld| {
            let seen = *withheld.seen.get_or_insert(now);
            now.saturating_duration_since(seen) >= LONGEST_WITHHELD
        });
        let seen = *self.loan.as_mut()?.seen.get_or_insert(now);
        if now.saturating_duration_since(seen) < lease_timeout {
            return None;
        }
        self.end_loan();
        Some(self.ranked.host.id.clone())
    }

    fn end_loan(&mut self) {
        match self.loan.take().and_then(|loan| loan.pending) {
            Some(Pending::Left) => self.left = true,
            Some(Pending::Changed(host)) => self.replace(*host),
            None => {}
        }
    }

    /// Records idle resources by the counters of the database. These do not know memory that is in use
    /// without having been booked, which the last snapshot showed.
    fn record_idle(&mut self, idle: HostIdle, tick: u64) {
        self.learned = tick;
        self.withheld = (idle.withheld != Resources::NONE).then_some(Withheld {
            reported_us: self.reported_us,
            resources: idle.withheld,
            seen: None,
        });
        let (mut host, bookable) = (self.ranked.host.clone(), idle.bookable());
        host.idle = Resources {
            memory: bookable.memory.min(host.idle.memory),
            gpu_memory: bookable.gpu_memory.min(host.idle.gpu_memory),
            ..bookable
        };
        self.replace(host);
    }

    fn replace(&mut self, host: Host) {
        self.ranked = RankedHost::new(host, self.ranked.rank.slot, self.order);
    }
}
