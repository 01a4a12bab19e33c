//! The index as others see it: a handle that can be cloned, one short lock, and leases that find
//! their way home.
//!
//! One lock is enough. `bench index` lends and takes back half a million hosts a second through it,
//! with 1,000 hosts or 100,000 and with one thread or eight, and a database books a hundredth of that.
//!
//! Invariant: no lease is dropped and nothing of the caller's runs while the lock is held, so a
//! lease can be dropped anywhere. A lock that a panic has poisoned is used on: no operation
//! leaves the state half done where it could panic.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use cue_domain::fit::FitRules;
use cue_domain::messages::HostLease;
use cue_domain::{Centicores, Host, HostId, Lease, Lender, Resources};

use crate::search::{Search, Want};
use crate::settings::{IndexSettings, Ranking};
use crate::shelves::Slot;
use crate::state::{Applied, IndexStats, SnapshotMark, State};

/// The hosts that are open and up, and who has them. Clones are handles to the same index.
#[derive(Clone)]
pub struct HostIndex(Arc<Shared>);

/// How many hosts of a snapshot are taken in under one hold of the lock, so that a large farm does
/// not keep its borrowers waiting.
const HOSTS_AT_ONCE: usize = 128;

struct Shared {
    settings: IndexSettings,
    /// Rules for [`HostIndex::room`]: whether a frame fits does not depend on them, only how much
    /// it takes.
    room_rules: FitRules,
    state: Mutex<State>,
}

impl HostIndex {
    /// An empty index.
    #[must_use]
    pub fn new(settings: IndexSettings) -> Self {
        Self(Arc::new(Shared {
            settings,
            room_rules: FitRules::default(),
            state: Mutex::new(State::new(settings.strategy.order())),
        }))
    }

    /// To be called before the query of a snapshot runs.
    #[must_use]
    pub fn mark(&self) -> SnapshotMark {
        self.0.lock().mark()
    }

    /// Takes in a snapshot: all open hosts there are. A host that is not in it leaves; one that
    /// was checked in after the mark keeps what is known to be idle; one on loan is brought up
    /// to date when it comes back. A snapshot that is older than the last one is ignored.
    pub fn apply(&self, mark: SnapshotMark, hosts: Vec<Host>) -> Applied {
        let mut outcome = Applied::default();
        let mut hosts = hosts.into_iter().peekable();
        if !self.0.lock().begin(&mark) {
            return outcome;
        }
        while hosts.peek().is_some() {
            let some = hosts.by_ref().take(HOSTS_AT_ONCE).collect();
            self.0.lock().take_in(&mark, some, &mut outcome);
        }
        self.0.lock().finish(&mark, &mut outcome);
        outcome
    }

    /// Lends the best host by the strategy on which a frame of the layer can be reserved, also
    /// within the rest of its subscription and of the job (in centicores; `None` is unlimited).
    #[must_use]
    pub fn take(
        &self,
        want: &Want<'_>,
        rules: &FitRules,
        job_rest: Option<Centicores>,
    ) -> Option<HostLease> {
        self.take_scored(want, rules, job_rest)
            .map(|(lease, _)| lease)
    }

    /// The same, and the score of the host where the strategy gives scores.
    #[must_use]
    pub fn take_scored(
        &self,
        want: &Want<'_>,
        rules: &FitRules,
        job_rest: Option<Centicores>,
    ) -> Option<(HostLease, Option<f64>)> {
        let mut state = self.0.lock();
        let search = Search {
            want,
            rules,
            job_rest,
            shelves: &state.shelves,
        };
        let host = |slot| state.host(slot);
        let (slot, score) = match &self.0.settings.strategy {
            Ranking::Saturation(_) => (search.best(host)?, None),
            Ranking::Epvm(epvm) => search.lowest(host, epvm)?,
        };
        let (host, lender) = state.lend(slot, |number| {
            Arc::new(WayHome {
                shared: Arc::downgrade(&self.0),
                slot,
                number,
            })
        })?;
        drop(state);
        Some((Lease::new(host, lender), score))
    }

    /// About how many frames of the layer have room now, up to `at_most`. It is 0 only when there
    /// is no host to try. It looks at a bounded number of hosts.
    #[must_use]
    pub fn room(&self, want: &Want<'_>, at_most: usize) -> usize {
        let state = self.0.lock();
        let search = Search {
            want,
            rules: &self.0.room_rules,
            job_rest: None,
            shelves: &state.shelves,
        };
        search.room(|slot| state.host(slot), at_most)
    }

    /// Takes a host back. `idle` is what the database left idle on it; with `None` it is as it was
    /// lent, whatever the borrower has done to its copy.
    pub fn check_in(&self, lease: HostLease, idle: Option<Resources>) {
        let ended = self.0.lock().check_in(&lease, idle);
        if ended {
            // It is home: the rest of the lease need not find its way.
            drop(lease.keep());
        }
    }

    /// Leaves a host out until the first sweep at or after `until`; if it is on loan, from when it
    /// comes back. A host that leaves and comes again starts afresh.
    pub fn rest(&self, host: &HostId, until: Instant) {
        self.0.lock().rest(host, until);
    }

    /// Lets time pass, to be called every second or so: hosts that have rested come back, and
    /// hosts that have been on loan for the whole lease timeout are taken back. Those are
    /// returned, for somebody has lost them and the log should say so.
    #[must_use]
    pub fn sweep(&self, now: Instant) -> Vec<HostId> {
        self.0.lock().sweep(now, self.0.settings.lease_timeout)
    }

    /// How many hosts are known, on loan or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether no host is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The index in numbers. It visits every host: to be called at the pace of a page or a scrape.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        self.0.lock().stats()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lender of one loan. It knows its number, so that a lease that was given up for lost cannot
/// bring back a host that somebody else has by now.
struct WayHome {
    shared: Weak<Shared>,
    slot: Slot,
    number: u64,
}

impl Lender<Host> for WayHome {
    fn give_back(&self, _as_the_borrower_left_it: Host) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lock().give_back(self.slot, self.number);
        }
    }
}

#[cfg(test)]
mod epvm;
#[cfg(test)]
mod loans;
#[cfg(test)]
mod random;
#[cfg(test)]
mod tests;
