//! The index under anything at all: random operations against a search that looks at every host.

mod ops;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use cue_domain::fit::reserve;
use cue_domain::messages::HostLease;
use cue_domain::{AllocId, Centicores, Host, HostId, HostIdle, Kib, Layer, Tag};
use proptest::prelude::*;

pub(super) use self::ops::{Op, any_host, any_op};
use super::Wish;
use crate::{HostIndex, IndexSettings, Ranking, Saturation, SnapshotMark};

/// The best host by looking at every one that can be lent.
fn best_of_all(farm: &Farm, wish: &Wish) -> Option<HostId> {
    best_among(farm, wish, &|_| true)
}

/// The best of the hosts for which `may_take` returns true.
fn best_among(farm: &Farm, wish: &Wish, may_take: &dyn Fn(&Host) -> bool) -> Option<HostId> {
    let order = farm.order;
    let fitting = farm.index.available().into_iter().filter(|(_, host)| {
        let Ok(taken) = reserve(&wish.layer, host, &wish.rules, None) else {
            return false;
        };
        let rest = wish
            .subscriptions
            .iter()
            .find(|(alloc, _)| *alloc == host.alloc)
            .map(|(_, rest)| *rest);
        may_take(host)
            && host.facility == wish.facility
            && host.tags.iter().any(|tag| wish.tags.contains(tag))
            && host.offers_os(wish.os)
            && rest.is_some_and(|rest| taken.cores <= rest)
    });
    let best = fitting.min_by_key(|(slot, host)| {
        let (cores, memory) = (host.idle.cores.whole(), host.idle.memory.0);
        let asks = wish.layer.gpus_min > 0 || wish.layer.gpu_memory_min > Kib(0);
        let spoils_gpus = !asks && (host.idle.gpus > 0 || host.idle.gpu_memory > Kib(0));
        (
            spoils_gpus,
            if order.core { cores } else { -cores },
            if order.memory { memory } else { -memory },
            *slot,
        )
    });
    best.map(|(_, host)| host.id)
}

/// Operations until a reading is applied, its mark, its hosts, and if they are changes, hosts that closed.
type Pending = (usize, SnapshotMark, Vec<Host>, Option<Vec<HostId>>);

/// The index and who has what, as the test keeps its own books.
struct Farm {
    index: HostIndex,
    order: Saturation,
    now: Instant,
    /// Live loans and leases that were given up for lost.
    leases: Vec<HostLease>,
    lent: HashSet<HostId>,
    lost: Vec<HostLease>,
    pending: Vec<Pending>,
    last: HashSet<HostId>,
}

impl Farm {
    fn step(&mut self, op: Op) -> Result<(), TestCaseError> {
        match op {
            Op::Snapshot {
                later,
                hosts,
                closed,
            } => {
                let id = |id: u8| HostId::from(format!("h{id}"));
                let closed = closed.map(|closed| closed.into_iter().map(id).collect());
                self.pending.push((later, self.index.mark(), hosts, closed));
            }
            Op::Take {
                layer,
                tags,
                rests,
                by_id,
            } => self.take(layer, tags, rests, by_id)?,
            Op::CheckIn { which, idle } if !self.leases.is_empty() => {
                let lease = self.leases.swap_remove(which % self.leases.len());
                self.lent.remove(&lease.id);
                self.index.check_in(lease, idle.map(HostIdle::from));
            }
            Op::Drop { which } if !self.leases.is_empty() => {
                let lease = self.leases.swap_remove(which % self.leases.len());
                self.lent.remove(&lease.id);
            }
            Op::CheckIn { idle, .. } => {
                if let Some(lease) = self.lost.pop() {
                    self.index.check_in(lease, idle.map(HostIdle::from));
                }
            }
            Op::Drop { .. } => drop(self.lost.pop()),
            Op::BackOff { host, seconds } => self.index.back_off(
                &HostId::from(format!("h{host}")),
                self.now + Duration::from_secs(seconds),
            ),
            Op::Sweep { seconds } => self.sweep(seconds),
        }
        self.apply_what_is_due();
        self.index.check();
        for (_, host) in self.index.available() {
            prop_assert!(
                !self.lent.contains(&host.id),
                "{} is lent and in the tag index",
                host.id
            );
        }
        let mut idle: Vec<HostId> = self
            .index
            .idle_hosts()
            .into_iter()
            .map(|host| host.id)
            .collect();
        let available = self.index.available().into_iter();
        let mut expected: Vec<HostId> = available.map(|(_, host)| host.id).collect();
        idle.sort();
        expected.sort();
        prop_assert_eq!(idle, expected, "idle hosts are those that can be lent");
        prop_assert_eq!(self.index.stats().leased, self.lent.len());
        Ok(())
    }

    fn take(
        &mut self,
        layer: Layer,
        tags: Vec<Tag>,
        rests: (i64, i64),
        by_id: Option<u8>,
    ) -> Result<(), TestCaseError> {
        let rests = [("a0", rests.0), ("a1", rests.1)]
            .map(|(alloc, rest)| (AllocId::from(alloc), Centicores(rest)));
        let wish = Wish {
            tags,
            subscriptions: rests.to_vec(),
            os: Some("linux"),
            ..Wish::of(layer)
        };
        let request = wish.request();
        let lease = match by_id {
            Some(id) => {
                let id = HostId::from(format!("h{id}"));
                let only = |host: &Host| host.id == id;
                let fits = best_among(self, &wish, &only).is_some();
                let lease = self.index.take_host(&id, &request, |_| true);
                prop_assert_eq!(lease.is_some(), fits, "{} by its id", id);
                prop_assert!(lease.iter().all(|lease| lease.id == id));
                lease
            }
            None => {
                let expected = best_of_all(self, &wish);
                let lease = self.index.take(&request, |_| true).map(|(lease, _)| lease);
                prop_assert_eq!(lease.as_ref().map(|lease| lease.id.clone()), expected);
                lease
            }
        };
        if let Some(lease) = lease {
            prop_assert!(
                self.lent.insert(lease.id.clone()),
                "{} is lent twice",
                lease.id
            );
            self.leases.push(lease);
        }
        Ok(())
    }

    fn sweep(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        for id in self.index.sweep(self.now) {
            assert!(self.lent.remove(&id), "{id} was not lent");
            let at = self.leases.iter().position(|lease| lease.id == id).unwrap();
            self.lost.push(self.leases.swap_remove(at));
        }
    }

    fn apply_what_is_due(&mut self) {
        for (later, ..) in &mut self.pending {
            *later = later.saturating_sub(1);
        }
        while let Some(at) = self.pending.iter().position(|(later, ..)| *later == 0) {
            let (_, mark, hosts, closed) = self.pending.remove(at);
            self.snapshot(mark, hosts, closed);
        }
    }

    fn snapshot(&mut self, mark: SnapshotMark, hosts: Vec<Host>, closed: Option<Vec<HostId>>) {
        let ids = hosts.iter().map(|host| host.id.clone());
        let is_newest = mark > self.index.newest();
        let Some(closed) = closed else {
            if is_newest {
                self.last = ids.collect();
            }
            self.index.apply(mark, hosts);
            return;
        };
        if is_newest {
            // A host that changes is open.
            self.last.retain(|id| !closed.contains(id));
            self.last.extend(ids);
        }
        self.index.change(mark, hosts, &closed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_host_is_lost_or_lent_twice_and_the_best_is_always_found(
        ops in proptest::collection::vec(any_op(), 1..60), core in any::<bool>(), memory in any::<bool>(),
    ) {
        let order = Saturation { core, memory };
        let index = HostIndex::new(IndexSettings { strategy: Ranking::Saturation(order), ..IndexSettings::default() });
        let mut farm = Farm {
            index, order, now: Instant::now(), leases: vec![], lent: HashSet::new(), lost: vec![], pending: vec![], last: HashSet::new(),
        };
        for op in ops {
            farm.step(op)?;
        }
        farm.leases.clear();
        farm.lost.clear();
        let end = farm.now + Duration::from_secs(1000);
        prop_assert!(farm.index.sweep(end).is_empty(), "every host came home");
        farm.index.check();
        prop_assert_eq!(farm.index.len(), farm.last.len(), "exactly the hosts of the newest snapshot are known");
        for (_, host) in farm.index.available() {
            prop_assert!(farm.last.contains(&host.id));
        }
    }
}
