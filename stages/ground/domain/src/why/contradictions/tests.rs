//! Hosts whose report or ledger keeps frames away, counters that are wrong, and a flag that nobody heeds.

use super::super::tests::{facts, frame, here, host, told};
use super::super::{Counts, why};
use super::*;
use crate::fit::FitRules;
use crate::units::{Centicores, Kib};

const NAMED: &str = "`cue-scheduler check` says how to set";

fn fault(name: &str, left: i64) -> LedgerFault {
    LedgerFault {
        host: name.into(),
        name: name.to_owned(),
        ledger: Resources::NONE,
        left: Resources {
            cores: Centicores::cores(left),
            memory: Kib::gib(16),
            ..Resources::NONE
        },
    }
}

#[test]
fn memory_that_is_not_free_is_told_apart_from_memory_that_is_booked() {
    let low = told(|_, host| (host.idle.cores, host.idle.memory) = (Centicores(0), Kib(300)));
    assert_eq!(
        low,
        "job shot waits because the only host with room by its bookings reports less than 0.5 GiB of free memory."
    );
    let some = told(|_, host| host.idle.memory = Kib::gib(3));
    assert_eq!(
        some,
        "job shot waits because the only host with room by its bookings reports too little free memory: \
         at most 3 GiB that are not booked since."
    );
    let booked = told(|_, host| {
        host.ledger = Resources::NONE;
        host.idle = Resources::NONE;
    });
    assert_eq!(
        booked,
        "job shot waits because the only host it fits on is busy."
    );
}

#[test]
fn a_ledger_is_to_blame_only_where_a_frame_would_fit_without_its_fault() {
    let full = |faults: Vec<LedgerFault>| {
        told(move |facts, host| {
            (host.ledger, host.idle) = (Resources::NONE, Resources::NONE);
            facts.ledger_faults = faults;
        })
    };
    assert_eq!(
        full(vec![fault("other", 8), fault("h", 8)]),
        format!(
            "job shot waits because the books of host h are wrong: they have 0 cores and 0 GiB idle, \
             and what runs there leaves 8 cores and 16 GiB; {NAMED} them right."
        )
    );
    for harmless in [fault("other", 8), fault("h", 1)] {
        assert!(full(vec![harmless]).ends_with("is busy."));
    }
    // What the procs leave can be more than the host has, and no frame gets that.
    let huge = told(|facts, host| {
        (host.ledger, host.idle) = (Resources::NONE, Resources::NONE);
        facts.layers[0].layer.cores_min = Centicores::cores(9);
        facts.ledger_faults = vec![fault("h", 90)];
    });
    assert!(huge.contains("needs 9 cores"), "{huge}");
}

#[test]
fn others_that_are_wrong_are_counted() {
    let (mut facts, mut one, mut two) = (facts(), host(), host());
    for host in [&mut one, &mut two] {
        (host.ledger, host.idle) = (Resources::NONE, Resources::NONE);
    }
    two.id = "i".into();
    facts.ledger_faults = vec![fault("h", 8), fault("i", 8)];
    let told = why(&facts, &[one, two], &here(&FitRules::default())).sentence;
    assert!(told.contains("(as on 1 other host)"), "{told}");
}

fn count(counted: i64, counted_in_job: i64, waiting: i64) -> WaitingCount {
    WaitingCount {
        layer: "render".into(),
        counted,
        counted_in_job,
        waiting,
    }
}

/// The layer counts so many, its job so many, and so many wait.
fn counters(counted: i64, counted_in_job: i64, waiting: i64) -> String {
    told(|facts, _| {
        facts.layers[0].counts.waiting = counted;
        facts.waiting_counts = vec![count(counted, counted_in_job, waiting)];
    })
}

#[test]
fn a_counter_is_to_blame_where_it_hides_frames_or_promises_some() {
    let wrong = "job shot does not run because the counter of waiting frames of";
    let right = format!("{NAMED} it right.");
    assert_eq!(
        counters(0, 0, 5),
        format!("{wrong} layer render is wrong: it says 0, and 5 frames wait; {right}")
    );
    assert_eq!(
        counters(5, 5, 0),
        format!("{wrong} layer render is wrong: it says 5, and no frame of it waits; {right}")
    );
    assert_eq!(
        counters(5, 0, 5),
        format!("{wrong} its job is wrong: it says 0, and 5 frames wait; {right}")
    );
    // It runs as far as both reach.
    for (counted, in_job, waiting) in [(5, 5, 5), (5, 9, 3), (2, 2, 9)] {
        let told = counters(counted, in_job, waiting);
        assert!(told.contains("can run now"), "{told}");
    }
    for counted in [0, -3] {
        let told = counters(counted, 0, 0);
        assert!(told.contains("has no waiting frames"), "{told}");
    }
}

#[test]
fn another_reason_that_is_true_is_not_replaced() {
    let told = told(|facts, _| {
        facts.paused = true;
        facts.waiting_counts = vec![count(5, 0, 0)];
    });
    assert!(told.contains("paused"), "{told}");
}

#[test]
fn a_waiting_frame_of_a_layer_that_counts_none_is_not_said_to_be_done() {
    let told = told(|facts, _| {
        frame(facts, "WAITING");
        facts.layers[0].counts = Counts::default();
        facts.waiting_counts = vec![count(0, 0, 1)];
    });
    assert!(told.contains("it says 0, and 1 frame waits"), "{told}");
}

#[test]
fn booking_that_is_switched_off_is_said_of_a_show_that_was_handed_over_only() {
    let off = "switched off, which neither Cuebot nor this scheduler heeds.";
    for (managed, booking, said) in [
        (true, true, false),
        (true, false, true),
        (false, false, false),
    ] {
        let told = told(|facts, _| {
            (facts.show_managed, facts.show_booking) = (managed, booking);
        });
        assert_eq!(told.ends_with(off), said, "{told}");
    }
}
