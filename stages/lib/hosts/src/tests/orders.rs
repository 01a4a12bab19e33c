//! The lease protocol in every order of a few operations.
//!
//! A test gives the operations of two or three borrowers. They run in every order that keeps the order
//! of each borrower, on a new index each time.
//!
//! Invariant: after every operation no host is held by two, none that is held is in the tag index, and
//! every host that can be lent is there by all its tags.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use cue_domain::messages::HostLease;
use cue_domain::{Centicores, Host, Tag};

use super::{Wish, cores_left, idle, index_of, layer};
use crate::{HostIndex, SnapshotMark};

#[derive(Clone)]
enum Op {
    /// Takes a host with this tag under this name.
    Take(&'static str, &'static str),
    /// Checks the host of this name in, with this number of cores idle if they are known.
    CheckIn(&'static str, Option<i64>),
    /// Drops the lease of this name.
    Drop(&'static str),
    /// Marks a snapshot.
    Mark(u8),
    /// Applies the snapshot with this mark, or a new one.
    Apply(u8, Vec<Host>),
    /// Lets time pass, in seconds since the beginning. Leases are lost that are overdue.
    Sweep(u64),
}

struct TestFarm {
    index: HostIndex,
    start: Instant,
    marks: HashMap<u8, SnapshotMark>,
    held: HashMap<&'static str, HostLease>,
    lost: HashMap<&'static str, HostLease>,
}

impl TestFarm {
    fn new(hosts: &[Host], before: &[Op]) -> Self {
        let mut farm = Self {
            index: index_of(hosts.to_vec()),
            start: Instant::now(),
            marks: HashMap::new(),
            held: HashMap::new(),
            lost: HashMap::new(),
        };
        before.iter().for_each(|op| farm.run(op));
        farm
    }

    fn run(&mut self, op: &Op) {
        let at = |seconds| self.start + Duration::from_secs(seconds);
        match op {
            Op::Take(name, tag) => {
                let taken = self.take(tag);
                self.held.extend(taken.map(|lease| (*name, lease)));
            }
            Op::CheckIn(name, cores) => {
                if let Some(lease) = self.let_go(name) {
                    self.index.check_in(lease, cores.and_then(cores_left));
                }
            }
            Op::Drop(name) => drop(self.let_go(name)),
            Op::Mark(number) => {
                self.marks.insert(*number, self.index.mark());
            }
            Op::Apply(number, hosts) => {
                let mark = self.marks.remove(number);
                let mark = mark.unwrap_or_else(|| self.index.mark());
                self.index.apply(mark, hosts.clone());
            }
            Op::Sweep(seconds) => {
                for id in self.index.sweep(at(*seconds)) {
                    let mut held = self.held.iter();
                    let (name, _) = held.find(|(_, lease)| lease.id == id).unwrap();
                    let name = *name;
                    self.lost.extend(self.held.remove_entry(name));
                }
            }
        }
        self.check();
    }

    fn take(&self, tag: &str) -> Option<HostLease> {
        let wish = Wish {
            tags: vec![Tag::from(tag)],
            ..Wish::of(layer())
        };
        wish.take(&self.index)
    }

    fn let_go(&mut self, name: &str) -> Option<HostLease> {
        self.held.remove(name).or_else(|| self.lost.remove(name))
    }

    fn check(&self) {
        self.index.check();
        for (name, lease) in &self.held {
            let holders = self.held.values().filter(|held| held.id == lease.id);
            assert_eq!(holders.count(), 1, "{} is held by two", lease.id);
            assert_eq!(self.index.places_of(&lease.id), 0, "{name} has it");
        }
    }

    /// Gives all back. Then `hosts` hosts are known, and all of them can be lent.
    fn end(&mut self, hosts: usize) {
        self.held.clear();
        self.lost.clear();
        self.index.check();
        let stats = self.index.stats();
        assert_eq!((stats.hosts, stats.leased), (hosts, 0));
        assert_eq!(self.index.available().len(), hosts);
    }
}

/// Runs operations of borrowers in every order, after those `before`, and looks at the `end` of each.
fn in_every_order(
    (hosts, before): (&[Host], &[Op]),
    borrowers: &[&[Op]],
    end: impl Fn(&mut TestFarm),
) {
    let mut orders: Vec<(Vec<&Op>, Vec<&[Op]>)> = vec![(Vec::new(), borrowers.to_vec())];
    while let Some((order, left)) = orders.pop() {
        let next = left.iter().enumerate();
        let next = next.filter_map(|(n, ops)| ops.split_first().map(|(op, rest)| (n, op, rest)));
        let longer = next.map(|(n, op, rest)| {
            let (mut order, mut left) = (order.clone(), left.clone());
            order.push(op);
            left[n] = rest;
            (order, left)
        });
        let before_these = orders.len();
        orders.extend(longer);
        if orders.len() == before_these {
            let mut farm = TestFarm::new(hosts, before);
            order.into_iter().for_each(|op| farm.run(op));
            end(&mut farm);
        }
    }
}

/// A host with these idle cores and tags.
fn tagged(id: &str, cores: i64, tags: &[&str]) -> Host {
    Host {
        tags: tags.iter().map(|&tag| Tag::from(tag)).collect(),
        ..idle(id, cores, 16)
    }
}

fn h(cores: i64) -> Host {
    tagged("h", cores, &["a", "b"])
}

#[test]
fn a_loan_that_begins_after_another_ended_has_what_that_left() {
    let ops: [&[Op]; 3] = [
        &[Op::CheckIn("first", Some(3))],
        &[Op::Take("one", "a")],
        &[Op::Take("two", "b"), Op::Drop("two"), Op::Take("two", "a")],
    ];
    in_every_order((&[h(8)], &[Op::Take("first", "a")]), &ops, |farm| {
        for lease in farm.held.values() {
            assert_eq!(lease.idle.cores, Centicores::cores(3));
        }
        farm.end(1);
    });
}

#[test]
fn a_snapshot_that_changes_a_host_meets_a_borrower() {
    let changed = tagged("h", 5, &["b", "c"]);
    let ops: [&[Op]; 2] = [
        &[Op::Take("one", "a"), Op::CheckIn("one", None)],
        &[Op::Apply(0, vec![changed.clone()])],
    ];
    in_every_order((&[h(8)], &[]), &ops, |farm| {
        // The change has arrived for a host on loan as for any other.
        assert!(farm.take("a").is_none());
        assert_eq!(farm.take("c").unwrap().idle, changed.idle);
        farm.end(1);
    });
}

#[test]
fn a_check_in_is_not_overwritten_by_a_snapshot_that_was_begun_before() {
    // The query saw the host before the booking, with other tags.
    let seen = tagged("h", 8, &["a", "c"]);
    let ops: [&[Op]; 2] = [&[Op::CheckIn("one", Some(3))], &[Op::Apply(1, vec![seen])]];
    let before = [Op::Take("one", "a"), Op::Mark(1)];
    in_every_order((&[h(8)], &before), &ops, |farm| {
        let lease = farm.take("c").unwrap();
        assert_eq!(lease.idle.cores, Centicores::cores(3));
        drop(lease);
        farm.run(&Op::Apply(0, vec![h(8)]));
        let lease = farm.take("b").unwrap();
        assert_eq!(
            lease.idle.cores,
            Centicores::cores(8),
            "the next snapshot is newer"
        );
        drop(lease);
        farm.end(1);
    });
}

#[test]
fn a_host_that_has_left_does_not_return_with_its_lease() {
    let ops: [&[Op]; 2] = [&[Op::CheckIn("one", Some(3))], &[Op::Apply(0, vec![])]];
    in_every_order((&[h(8)], &[Op::Take("one", "a")]), &ops, |farm| {
        farm.end(0);
        farm.run(&Op::Apply(0, vec![h(4)]));
        farm.end(1);
    });
}

#[test]
fn a_host_that_leaves_with_its_lease_is_not_lost_to_a_later_snapshot() {
    let ops: [&[Op]; 2] = [
        &[Op::Drop("one")],
        &[Op::Apply(0, vec![]), Op::Apply(0, vec![h(4)])],
    ];
    in_every_order((&[h(8)], &[Op::Take("one", "a")]), &ops, |farm| {
        let lease = farm.take("b").unwrap();
        assert_eq!(lease.idle.cores, Centicores::cores(4));
        drop(lease);
        farm.end(1);
    });
}

#[test]
fn a_lease_that_is_dropped_late_ends_no_later_loan() {
    let before = [Op::Take("lost", "a"), Op::Sweep(0)];
    let ops: [&[Op]; 3] = [
        &[Op::Drop("lost")],
        &[Op::Sweep(300), Op::Take("one", "b")],
        &[Op::Take("two", "a")],
    ];
    in_every_order((&[h(8)], &before), &ops, |farm| {
        assert_eq!(farm.held.len(), 1, "the next borrower has it, and only one");
        farm.end(1);
    });
}

#[test]
fn a_lease_checked_in_late_does_not_change_a_host_that_somebody_else_has() {
    let before = [Op::Take("lost", "a"), Op::Sweep(0), Op::Sweep(300)];
    let ops: [&[Op]; 2] = [
        &[Op::CheckIn("lost", Some(3))],
        &[Op::Take("one", "b"), Op::CheckIn("one", Some(5))],
    ];
    in_every_order((&[h(8)], &before), &ops, |farm| {
        let cores = farm.take("a").unwrap().idle.cores;
        assert!([3, 5].map(Centicores::cores).contains(&cores));
        farm.end(1);
    });
}
