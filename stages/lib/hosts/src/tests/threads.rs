//! Threads that do everything at once to one index: no host is held by two, none that is held is in the
//! tag index, and in the end every host is where it belongs.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{AllocId, Centicores, Host, HostId, HostIdle, Resources};
use proptest::prelude::*;

use super::random::{Op, any_host, any_op};
use super::{Wish, host, layer};
use crate::{HostIndex, IndexSettings};

/// Enough for a snapshot to take a while.
const HOSTS: usize = 300;

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

fn snapshot() -> Vec<Host> {
    (0..HOSTS).map(|n| host(&format!("h{n}"))).collect()
}

/// Borrows and returns hosts in every way there is; how many were had.
fn borrow(index: &HostIndex, register: &Register, seed: usize) -> usize {
    let wish = Wish::of(layer());
    let mut held: Vec<HostLease> = Vec::new();
    let mut had = 0;
    for n in seed..seed + 3000 {
        if let Some((lease, _)) = index.take(&wish.request(), |_| true) {
            register.enter(&lease);
            if n % 50 == 0 {
                assert_eq!(index.places_of(&lease.id), 0, "held and in the tag index");
            }
            held.push(lease);
            had += 1;
        }
        if held.len() > n % 9 {
            let lease = held.swap_remove(0);
            register.leave(&lease);
            let cores = Centicores::cores(1 + n as i64 % 32);
            match n % 3 {
                0 => drop(lease),
                1 => index.check_in(lease, None),
                _ => index.check_in(
                    lease,
                    Some(HostIdle::from(Resources {
                        cores,
                        ..host("x").idle
                    })),
                ),
            }
        }
    }
    for lease in held {
        register.leave(&lease);
    }
    had
}

#[test]
fn threads_never_hold_one_host_at_the_same_time_and_all_come_home() {
    let index = HostIndex::new(IndexSettings::default());
    index.apply(index.mark(), snapshot());
    let register = Register(
        snapshot()
            .into_iter()
            .map(|host| (host.id, AtomicUsize::new(0)))
            .collect(),
    );
    let had: usize = std::thread::scope(|scope| {
        let (index, register) = (&index, &register);
        let borrowers: Vec<_> = (0..8)
            .map(|seed| scope.spawn(move || borrow(index, register, seed)))
            .collect();
        for _ in 0..2 {
            // Two at once, so that one overtakes the other on its way.
            scope.spawn(move || {
                for _ in 0..60 {
                    index.apply(index.mark(), snapshot());
                }
            });
        }
        borrowers
            .into_iter()
            .map(|borrower| borrower.join().unwrap())
            .sum()
    });
    index.check();
    assert_eq!(index.available().len(), HOSTS, "every host is back");
    assert!(had >= HOSTS, "hosts were borrowed at all: {had}");
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
