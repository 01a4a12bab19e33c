//! Loans by example: the return of a host, and its resources as known afterwards.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use cue_domain::{Centicores, Host, HostId, HostIdle, Kib, Resources};

use super::{Wish, cores_left, host, idle, index_of, layer};
use crate::{Applied, HostIndex, IndexStats};

#[test]
fn a_dropped_lease_brings_the_host_back_as_it_was_lent() {
    let index = index_of(vec![host("h")]);
    let wish = Wish::of(layer());
    let mut lease = wish.take(&index).unwrap();
    lease.idle = Resources::NONE;
    assert!(wish.take(&index).is_none());
    drop(lease);
    let again = wish.take(&index).unwrap();
    assert_eq!(again.idle, host("h").idle);
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = again;
        panic!("on purpose");
    }));
    assert!(unwound.is_err());
    assert!(wish.take(&index).is_some(), "a panic gives back too");
}

#[test]
fn a_host_that_is_dropped_counts_as_abandoned_and_one_that_is_checked_in_does_not() {
    let index = index_of(vec![host("h")]);
    let wish = Wish::of(layer());
    index.check_in(wish.take(&index).unwrap(), None);
    index.check_in(wish.take(&index).unwrap(), cores_left(9));
    assert_eq!(index.take_abandoned(), 0);
    drop(wish.take(&index).unwrap());
    drop(wish.take(&index).unwrap());
    assert_eq!(index.take_abandoned(), 2);
    assert_eq!(index.take_abandoned(), 0, "each is told once");
    let lost = wish.take(&index).unwrap();
    let start = Instant::now();
    assert!(index.sweep(start).is_empty());
    assert_eq!(index.sweep(start + Duration::from_secs(300)).len(), 1);
    drop(lost);
    assert_eq!(index.take_abandoned(), 0, "its loan had ended before");
}

#[test]
fn memory_that_is_in_use_without_having_been_booked_is_not_forgotten_at_check_in() {
    let index = index_of(vec![idle("h", 32, 2)]);
    let wish = Wish::of(layer());
    let lease = wish.take(&index).unwrap();
    // The counters say 8 GiB, the snapshot said that 2 were free.
    index.check_in(lease, cores_left(9));
    let again = wish.take(&index).unwrap();
    assert_eq!(
        (again.idle.cores, again.idle.memory),
        (Centicores::cores(9), Kib::gib(2))
    );
}

#[test]
fn a_snapshot_waits_for_a_host_on_loan() {
    let index = index_of(vec![host("h"), host("gone")]);
    let wish = Wish::of(layer());
    let (first, second) = (wish.take(&index).unwrap(), wish.take(&index).unwrap());
    assert_eq!(
        index.apply(index.mark(), vec![idle("h", 7, 9)]),
        Applied {
            added: 0,
            changed: 1,
            left: 1
        }
    );
    assert_eq!(
        index.apply(index.mark(), vec![idle("h", 7, 9)]).left,
        0,
        "it leaves once"
    );
    assert_eq!(
        first.idle.cores,
        Centicores::cores(32),
        "the lease is not disturbed"
    );
    drop(first);
    drop(second);
    assert_eq!(index.len(), 1);
    let fresh = wish.take(&index).unwrap();
    assert_eq!(
        (&*fresh.name, fresh.idle.cores),
        ("h", Centicores::cores(7))
    );
    index.apply(index.mark(), vec![idle("h", 6, 9)]);
    index.check_in(fresh, cores_left(3));
    assert_eq!(
        wish.take(&index).unwrap().idle.cores,
        Centicores::cores(3),
        "what the booking left is newer"
    );
}

#[test]
fn a_snapshot_that_was_overtaken_is_ignored() {
    let index = index_of(vec![]);
    let (older, newer) = (index.mark(), index.mark());
    assert_eq!(index.apply(newer, vec![host("h")]).added, 1);
    assert_eq!(index.apply(older, vec![]), Applied::default());
    assert_eq!(index.len(), 1);
}

#[test]
fn a_resting_host_is_left_out_until_its_time() {
    let index = index_of(vec![host("h")]);
    let wish = Wish::of(layer());
    let start = Instant::now();
    let lease = wish.take(&index).unwrap();
    index.back_off(&HostId::from("h"), start + Duration::from_secs(10));
    index.check_in(lease, cores_left(9));
    assert!(wish.take(&index).is_none());
    assert_eq!(index.stats().backing_off, 1);
    let backoffs = |seconds| index.backoffs(start + Duration::from_secs(seconds));
    let left = |seconds| HashMap::from([(HostId::from("h"), Duration::from_secs(seconds))]);
    assert_eq!(
        (backoffs(3), backoffs(12)),
        (left(7), left(0)),
        "until a sweep"
    );
    assert!(index.sweep(start + Duration::from_secs(9)).is_empty());
    assert!(wish.take(&index).is_none());
    assert!(index.sweep(start + Duration::from_secs(10)).is_empty());
    assert_eq!(backoffs(0), HashMap::new());
    assert_eq!(wish.take(&index).unwrap().idle.cores, Centicores::cores(9));
    index.back_off(&HostId::from("h"), start + Duration::from_secs(20));
    assert!(wish.take(&index).is_none(), "although it was idle");
}

#[test]
fn a_lost_lease_is_taken_back_and_cannot_return_for_another() {
    let index = index_of(vec![host("h")]);
    let wish = Wish::of(layer());
    let start = Instant::now();
    let lost = wish.take(&index).unwrap();
    assert!(index.sweep(start).is_empty());
    assert!(index.sweep(start + Duration::from_secs(299)).is_empty());
    assert_eq!(
        index.sweep(start + Duration::from_secs(300)),
        [HostId::from("h")]
    );
    let second = wish.take(&index).unwrap();
    drop(lost);
    assert!(
        wish.take(&index).is_none(),
        "the second borrower still has it"
    );
    assert!(index.sweep(start + Duration::from_secs(400)).is_empty());
    assert_eq!(index.sweep(start + Duration::from_secs(700)).len(), 1);
    index.check_in(second, cores_left(2));
    assert_eq!(
        wish.take(&index).unwrap().idle.cores,
        Centicores::cores(2),
        "late, but it knows what is idle"
    );
}

#[test]
fn the_numbers_count_hosts_on_loan_too() {
    let index = index_of(vec![idle("a", 4, 8), idle("b", 6, 8)]);
    let _lease = Wish::of(layer()).take(&index).unwrap();
    let expected = IndexStats {
        hosts: 2,
        leased: 1,
        backing_off: 0,
        idle_cores: Centicores::cores(10),
        total_cores: Centicores::cores(64),
    };
    assert_eq!(index.stats(), expected);
    assert!(!index.is_empty());
}

#[test]
fn a_lease_that_outlives_its_index_does_no_harm() {
    let index = index_of(vec![host("h")]);
    let lease = Wish::of(layer()).take(&index).unwrap();
    drop(index);
    drop(lease);
}

/// The host of 32 idle cores and 64 GiB as a snapshot with this report shows it.
fn reported(reported_us: i64) -> Host {
    Host {
        reported_us,
        ..host("h")
    }
}

/// Lends the host and brings it back with cores idle of which some are withheld.
fn book(index: &HostIndex, idle: i64, withheld: Resources) {
    let lease = Wish::of(layer()).take(index).unwrap();
    let ledger = Resources {
        cores: Centicores::cores(idle),
        ..host("h").idle
    };
    index.check_in(lease, Some(HostIdle { ledger, withheld }));
}

#[test]
fn what_a_booking_found_withheld_stays_so_until_the_next_report() {
    let index = index_of(vec![reported(1)]);
    let withheld = Resources {
        memory: Kib::gib(60),
        ..Resources::NONE
    };
    book(&index, 31, withheld);
    let idle = || Wish::of(layer()).take(&index).unwrap().idle;
    assert_eq!(idle().memory, Kib::gib(4));
    // The ledger has less memory by now, and one core more.
    let mut seen = reported(1);
    seen.ledger.memory = Kib::gib(63);
    index.apply(index.mark(), vec![seen.clone()]);
    assert_eq!(idle().memory, Kib::gib(3));
    assert_eq!(idle().cores, Centicores::cores(32));
    seen.reported_us = 2;
    index.apply(index.mark(), vec![seen]);
    assert_eq!(idle().memory, Kib::gib(64));
    index.apply(index.mark(), vec![reported(1)]);
    assert_eq!(
        idle().memory,
        Kib::gib(64),
        "what ended does not begin again"
    );
}

#[test]
fn cores_that_the_procs_hold_against_the_ledger_are_withheld_too() {
    let index = index_of(vec![reported(1)]);
    let withheld = Resources {
        cores: Centicores::cores(32),
        ..Resources::NONE
    };
    book(&index, 32, withheld);
    index.apply(index.mark(), vec![reported(1)]);
    assert!(Wish::of(layer()).take(&index).is_none());
    index.apply(index.mark(), vec![reported(2)]);
    assert!(Wish::of(layer()).take(&index).is_some());
}

#[test]
fn what_is_withheld_is_believed_for_ten_seconds_without_a_report() {
    let index = index_of(vec![reported(1)]);
    let withheld = Resources {
        cores: Centicores::cores(32),
        ..Resources::NONE
    };
    book(&index, 32, withheld);
    let began = Instant::now();
    for (seconds, some) in [(0, false), (9, false), (10, true)] {
        assert!(index.sweep(began + Duration::from_secs(seconds)).is_empty());
        index.apply(index.mark(), vec![reported(1)]);
        assert_eq!(
            Wish::of(layer()).take(&index).is_some(),
            some,
            "{seconds} s"
        );
    }
}

#[test]
fn a_booking_that_finds_nothing_withheld_ends_what_was() {
    let index = index_of(vec![reported(1)]);
    let withheld = Resources {
        memory: Kib::gib(60),
        ..Resources::NONE
    };
    book(&index, 31, withheld);
    book(&index, 30, Resources::NONE);
    index.apply(index.mark(), vec![reported(1)]);
    let lease = Wish::of(layer()).take(&index).unwrap();
    assert_eq!(lease.idle.memory, Kib::gib(64));
}

#[test]
fn a_report_that_leaves_as_much_idle_is_no_news() {
    let index = index_of(vec![reported(1)]);
    let mut seen = reported(2);
    seen.ledger.memory = Kib::gib(60);
    let applied = index.apply(index.mark(), vec![seen]);
    assert_eq!(applied, Applied::default());
}

#[test]
fn a_backoff_can_be_ended_early_and_every_host_is_listed_with_its_own() {
    let index = index_of(vec![host("a"), host("b")]);
    let wish = Wish::of(layer());
    let until = Instant::now() + Duration::from_secs(60);
    index.back_off(&HostId::from("a"), until);
    let lease = wish.take(&index).unwrap();
    let entries = index.entries();
    let facts = |id: &str| {
        let entry = entries.iter().find(|entry| entry.host().id.as_str() == id);
        entry.map(|entry| (entry.is_on_loan, entry.backoff_until))
    };
    assert_eq!(facts("a"), Some((false, Some(until))));
    assert_eq!(facts("b"), Some((true, None)));
    assert!(wish.take(&index).is_none());
    assert!(index.end_backoff(&HostId::from("a")));
    assert!(!index.end_backoff(&HostId::from("a")));
    assert!(!index.end_backoff(&HostId::from("c")));
    assert_eq!(wish.take(&index).unwrap().id, HostId::from("a"));
    drop(lease);
}
