//! The index as others see it: a handle that can be cloned, and leases that find their way home.
//!
//! Nothing is locked as a whole. Each host has a lock, and each bucket of the hosts with as many
//! idle cores; the directory of buckets and the map of hosts are mostly read. Searches of different
//! buckets do not meet.
//!
//! Invariant: no lease is dropped and nothing of the caller's runs while a lock is held, so a lease
//! can be dropped anywhere. The order of the locks is in [`farm`](crate::farm).

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cue_domain::fit::FitRules;
use cue_domain::messages::HostLease;
use cue_domain::{Centicores, FacilityId, Host, HostId, HostIdle, Lease, Lender, Tag};

use crate::bucket::Candidate;
use crate::entry::Entry;
use crate::farm::{Applied, Farm, IndexStats, SnapshotMark};
use crate::search::{Search, Want};
use crate::settings::{IndexSettings, Ranking};

/// How often hosts are scored again because the one that was chosen went to somebody else
/// (contract, 9.5). Scoring looks at hundreds of hosts; after that the first that fits is taken, for a
/// frame is not to wait because others were faster.
const EPVM_RESCANS: u32 = 3;

/// How a host was chosen among those that fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// It is the first in the order of the strategy.
    First,
    /// Its score is the lowest of those that were compared.
    Scored(f64),
    /// It is the first in the order, because each host with the lowest score went to somebody else.
    Unscored,
}

/// The hosts that are open and up, and who has them. Clones are handles to the same index.
#[derive(Clone)]
pub struct HostIndex(Arc<Shared>);

struct Shared {
    settings: IndexSettings,
    /// Rules for [`HostIndex::room`]: whether a frame fits does not depend on them, only how much
    /// it takes.
    room_rules: FitRules,
    farm: Farm,
}

impl HostIndex {
    /// An empty index.
    #[must_use]
    pub fn new(settings: IndexSettings) -> Self {
        Self(Arc::new(Shared {
            settings,
            room_rules: FitRules::default(),
            farm: Farm::new(settings.strategy.order()),
        }))
    }

    /// To be called before the query of a snapshot runs.
    #[must_use]
    pub fn mark(&self) -> SnapshotMark {
        self.0.farm.mark()
    }

    /// Takes in a snapshot: all open hosts there are. A host that is not in it leaves; one that
    /// was checked in after the mark keeps what is known to be idle; one on loan is brought up
    /// to date when it comes back. A snapshot that is older than the last one is ignored.
    pub fn apply(&self, mark: SnapshotMark, hosts: Vec<Host>) -> Applied {
        self.0.farm.apply(&mark, hosts)
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
        self.take_chosen(want, rules, job_rest)
            .map(|(lease, _)| lease)
    }

    /// The same, and how the host was chosen.
    #[must_use]
    pub fn take_chosen(
        &self,
        want: &Want<'_>,
        rules: &FitRules,
        job_rest: Option<Centicores>,
    ) -> Option<(HostLease, Choice)> {
        self.take_among(want, rules, job_rest, &|_| true)
    }

    /// The same among the hosts for which `may_take` returns true.
    #[must_use]
    pub fn take_among(
        &self,
        want: &Want<'_>,
        rules: &FitRules,
        job_rest: Option<Centicores>,
        may_take: &dyn Fn(&Host) -> bool,
    ) -> Option<(HostLease, Choice)> {
        let mut lost = 0_u32;
        loop {
            let search = Search::new(want, rules, job_rest, &self.0.farm.shelves);
            let search = search.among(may_take);
            let (found, choice) = self.choose(&search, lost)?;
            // If there is a next time round, this was claimed or changed by somebody else.
            lost = lost.saturating_add(1);
            let Some(entry) = found.entry.upgrade() else {
                continue;
            };
            let lent = entry.claim(&found, |number| {
                Arc::new(WayHome {
                    shared: Arc::downgrade(&self.0),
                    entry: Arc::downgrade(&entry),
                    number,
                })
            });
            if let Some((host, lender)) = lent {
                return Some((Lease::new(host, lender), choice));
            }
        }
    }

    /// The host to lend, when so many that were found before have been lost to others.
    pub(crate) fn choose(
        &self,
        search: &Search<'_>,
        lost: u32,
    ) -> Option<(Arc<Candidate>, Choice)> {
        match &self.0.settings.strategy {
            Ranking::Saturation(_) => Some((search.best()?, Choice::First)),
            Ranking::Epvm(_) if lost > EPVM_RESCANS => Some((search.best()?, Choice::Unscored)),
            Ranking::Epvm(epvm) => {
                let (found, score) = search.lowest(epvm)?;
                Some((found, Choice::Scored(score)))
            }
        }
    }

    /// About how many frames of the layer have room now, up to `at_most`. It is 0 only when there
    /// is no host to try. It looks at a bounded number of hosts.
    #[must_use]
    pub fn room(&self, want: &Want<'_>, at_most: usize) -> usize {
        let shelves = &self.0.farm.shelves;
        Search::new(want, &self.0.room_rules, None, shelves).room(at_most)
    }

    /// Whether any host of the facility that carries one of the tags, whatever its allocation, has a core
    /// to give now. It looks at directories and not at hosts.
    #[must_use]
    pub fn has_room(&self, facility: &FacilityId, tags: &[Tag]) -> bool {
        self.0.farm.shelves.has_any(facility, tags)
    }

    /// How often a host has come to have something to give: it is new, came back, was freed. While this
    /// stays, what did not fit before does not fit now.
    #[must_use]
    pub fn gains(&self) -> u64 {
        self.0.farm.shelves.gains()
    }

    /// Takes a host back. `idle` is what the database left idle on it, and what must not be booked of
    /// that before its next report; with `None` it is as it was lent, whatever the borrower has done to
    /// its copy.
    pub fn check_in(&self, lease: HostLease, idle: Option<HostIdle>) {
        let ended = self.0.farm.check_in(&lease, idle);
        if ended {
            // It is home: the rest of the lease need not find its way.
            drop(lease.keep());
        }
    }

    /// Leaves a host out until the first sweep at or after `until`; if it is on loan, from when it
    /// comes back. A host that leaves and comes again starts afresh.
    pub fn rest(&self, host: &HostId, until: Instant) {
        self.0.farm.rest(host, until);
    }

    /// The hosts that are left out, and for how long yet at `now`: at least a moment, for a rest ends
    /// with a sweep. It visits every host: to be called at the pace of a question.
    #[must_use]
    pub fn resting(&self, now: Instant) -> HashMap<HostId, Duration> {
        self.0.farm.resting(now)
    }

    /// Lets time pass, to be called every second or so: hosts that have rested come back, and
    /// hosts that have been on loan for the whole lease timeout are taken back. Those are
    /// returned, for somebody has lost them and the log should say so.
    #[must_use]
    pub fn sweep(&self, now: Instant) -> Vec<HostId> {
        self.0.farm.sweep(now, self.0.settings.lease_timeout)
    }

    /// How many loans ended since this was last asked because their lease was dropped: nobody came
    /// to a decision about the host. Each is told once.
    #[must_use]
    pub fn take_abandoned(&self) -> u64 {
        self.0.farm.take_abandoned()
    }

    /// How many hosts are known, on loan or not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.farm.hosts.len()
    }

    /// Whether no host is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.farm.hosts.is_empty()
    }

    /// The index in numbers. It visits every host: to be called at the pace of a page or a scrape.
    #[must_use]
    pub fn stats(&self) -> IndexStats {
        self.0.farm.stats()
    }

    /// What is behind it, for tests to look at.
    #[cfg(test)]
    pub(crate) fn farm(&self) -> &Farm {
        &self.0.farm
    }
}

/// The lender of one loan. It knows its number, so that a lease that was given up for lost cannot
/// bring back a host that somebody else has by now.
struct WayHome {
    shared: Weak<Shared>,
    /// Weak, for the entry knows the lender of its loan.
    entry: Weak<Entry>,
    number: u64,
}

impl Lender<Host> for WayHome {
    fn give_back(&self, _as_the_borrower_left_it: Host) {
        if let (Some(shared), Some(entry)) = (self.shared.upgrade(), self.entry.upgrade()) {
            entry.give_back(&shared.farm, self.number);
        }
    }
}
