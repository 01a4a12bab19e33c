//! Threads that do everything at once to one index: no host is held by two, none that is held is in the
//! tag index, and in the end every host is where it belongs.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{AllocId, Centicores, HostId, HostIdle};
use proptest::prelude::*;

use super::Wish;
use super::random::{Op, any_host, any_op};
use crate::{HostIndex, IndexSettings};

/// Holder of each host, counted beside the index.
struct Register(HashMap<HostId, AtomicUsize>);

impl Register {
    fn enter(&self, lease: &HostLease) {
        let before = self.0[&lease.id].fetch_add(1, Ordering::SeqCst);
        assert_eq!(before, 0, "{} is held twice", lease.id);
    }

    fn leave(&self, lease: &HostLease) {
        self.0[&lease.id].fetch_sub(1, Ordering::SeqCst);
    }
}

/// One of the threads, and what it holds.
struct Hand<'a> {
    index: &'a HostIndex,
    register: &'a Register,
    held: Vec<HostLease>,
    start: Instant,
}

impl Hand<'_> {
    fn step(&mut self, op: Op) {
        match op {
            Op::Snapshot { hosts, .. } => {
                self.index.apply(self.index.mark(), hosts);
            }
            Op::Take {
                layer,
                tags,
                rests,
                by_id,
            } => {
                let rests = [("a0", rests.0), ("a1", rests.1)];
                let wish = Wish {
                    tags,
                    subscriptions: rests
                        .map(|(alloc, rest)| (AllocId::from(alloc), Centicores(rest)))
                        .to_vec(),
                    ..Wish::of(layer)
                };
                let request = wish.request();
                let taken = match by_id.map(|id| HostId::from(format!("h{id}"))) {
                    Some(id) => self.index.take_host(&id, &request, |_| true),
                    None => self.index.take(&request, |_| true).map(|(lease, _)| lease),
                };
                if let Some(lease) = taken {
                    self.register.enter(&lease);
                    let places = self.index.places_of(&lease.id);
                    assert_eq!(places, 0, "{} is held and in the tag index", lease.id);
                    self.held.push(lease);
                }
            }
            Op::CheckIn { which, idle } => {
                if let Some(lease) = self.let_go(which) {
                    self.index.check_in(lease, idle.map(HostIdle::from));
                }
            }
            Op::Drop { which } => drop(self.let_go(which)),
            Op::BackOff { host, seconds } => {
                let until = self.start + Duration::from_secs(seconds);
                self.index
                    .back_off(&HostId::from(format!("h{host}")), until);
            }
            Op::Sweep { seconds } => {
                let now = self.start + Duration::from_secs(seconds);
                assert!(self.index.sweep(now).is_empty(), "no loan is that long");
            }
        }
    }

    fn let_go(&mut self, which: usize) -> Option<HostLease> {
        let at = which.checked_rem(self.held.len())?;
        let lease = self.held.swap_remove(at);
        self.register.leave(&lease);
        Some(lease)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_threads_do_at_once_every_host_is_held_by_one_or_in_all_its_buckets(
        first in proptest::collection::vec(any_host(), 4..10),
        hands in proptest::collection::vec(proptest::collection::vec(any_op(), 20..80), 8),
    ) {
        let index = HostIndex::new(IndexSettings {
            lease_timeout: Duration::from_secs(1_000_000),
            ..IndexSettings::default()
        });
        index.apply(index.mark(), first);
        let register = Register(
            (0..8).map(|n| (HostId::from(format!("h{n}")), AtomicUsize::new(0))).collect(),
        );
        let (start, together) = (Instant::now(), Barrier::new(hands.len()));
        let held: Vec<HostLease> = std::thread::scope(|scope| {
            let hands: Vec<_> = hands
                .into_iter()
                .map(|ops| {
                    let mut hand = Hand { index: &index, register: &register, held: Vec::new(), start };
                    let together = &together;
                    scope.spawn(move || {
                        together.wait();
                        ops.into_iter().for_each(|op| hand.step(op));
                        hand.held
                    })
                })
                .collect();
            hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
        });
        index.check();
        prop_assert_eq!(index.stats().leased, held.len());
        for lease in &held {
            prop_assert_eq!(index.places_of(&lease.id), 0, "{} is held and in the tag index", &lease.id);
        }
        drop(held);
        index.check();
        prop_assert_eq!(index.stats().leased, 0);
    }
}
