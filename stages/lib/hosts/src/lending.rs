//! Loans: the choice of a host, and leases that return their hosts.

use std::sync::{Arc, Weak};

use cue_domain::messages::HostLease;
use cue_domain::{Host, HostId, HostIdle, Lease, Lender};
use parking_lot::Mutex;

use crate::cursor::HostCursor;
use crate::index::HostIndex;
use crate::ranked::RankedHost;
use crate::search::{HostRequest, Search};
use crate::settings::Ranking;
use crate::shard::Shard;
use crate::values::Choice;

/// Hosts with the lowest scores that are tried before the first host that fits is taken without a score
/// (OPENCUE.md, Strategies): all of them went to other searches meanwhile.
const LOWEST_SCORES_TRIED: usize = 4;

impl HostIndex {
    /// Lends the best host by the strategy that fits the request and for which `may_take` returns true.
    #[must_use]
    pub fn take(
        &self,
        request: &HostRequest<'_>,
        may_take: impl Fn(&Host) -> bool,
    ) -> Option<(HostLease, Choice)> {
        let shard = self.shard(request.facility);
        let order = self.settings.strategy.order();
        let may_take = |found: &Arc<RankedHost>| may_take(&found.host);
        let first = || {
            let search = Search::new(request, order, true);
            let mut hosts = HostCursor::new(shard, &search).filter(may_take);
            hosts.find_map(|found| self.lend(shard, &found))
        };
        let Ranking::Epvm(epvm) = &self.settings.strategy else {
            return Some((first()?, Choice::First));
        };
        let search = Search::new(request, order, false);
        let hosts = HostCursor::new(shard, &search).filter(may_take);
        let score = |found: Arc<RankedHost>| (search.score(&found.host, &epvm.weights), found);
        let mut scored: Vec<_> = hosts.take(epvm.max_candidates.get()).map(score).collect();
        // The sort is stable: of equal scores, the first in the order wins.
        scored.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        for (score, found) in scored.iter().take(LOWEST_SCORES_TRIED) {
            if let Some(lease) = self.lend(shard, found) {
                return Some((lease, Choice::Scored(*score)));
            }
        }
        let all_were_lost = !scored.is_empty();
        let lease = all_were_lost.then(first)??;
        Some((lease, Choice::Unscored))
    }

    /// Lends this host, if it can be lent, fits the request and `may_take` returns true.
    #[must_use]
    pub fn take_host(
        &self,
        id: &HostId,
        request: &HostRequest<'_>,
        may_take: impl Fn(&Host) -> bool,
    ) -> Option<HostLease> {
        let shard = self.shard(request.facility);
        let search = Search::new(request, self.settings.strategy.order(), false);
        let found = shard.lock().available(id)?;
        let fits = search.fits(&found.host) && may_take(&found.host);
        fits.then(|| self.lend(shard, &found))?
    }

    /// Takes a host back. `idle` is what the database left idle on it, and what must not be booked of that
    /// before its next report; with `None` the host is as it was lent, whatever the borrower did to its copy.
    pub fn check_in(&self, lease: HostLease, idle: Option<HostIdle>) {
        let mut shard = self.shard(&lease.facility).lock();
        let ended = shard.update(&lease.id, |entry| entry.check_in(&lease, idle, self.tick()));
        drop(shard);
        if ended == Some(true) {
            // The loan is over, so the lease has nothing to give back.
            drop(lease.keep());
        }
    }

    /// Lends a host, unless it was lent or changed since it was found.
    fn lend(&self, shard: &Arc<Mutex<Shard>>, found: &Arc<RankedHost>) -> Option<HostLease> {
        let (id, number) = (&found.host.id, self.tick());
        let lender: Arc<dyn Lender<Host>> = Arc::new(HostLender {
            shard: Arc::downgrade(shard),
            id: id.clone(),
            number,
        });
        let lent = shard
            .lock()
            .update(id, |entry| entry.lend(found, number, &lender));
        let lends = lent.unwrap_or(false);
        lends.then(|| Lease::new(found.host.clone(), lender))
    }
}

/// Lender of one loan. The number keeps a lease whose loan has ended from ending a later loan of the host.
struct HostLender {
    shard: Weak<Mutex<Shard>>,
    id: HostId,
    number: u64,
}

impl Lender<Host> for HostLender {
    fn give_back(&self, _as_the_borrower_left_it: Host) {
        if let Some(shard) = self.shard.upgrade() {
            shard.lock().give_back(&self.id, self.number);
        }
    }
}
