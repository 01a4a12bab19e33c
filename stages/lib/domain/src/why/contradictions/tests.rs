//! Hosts whose report or ledger keeps frames away, counters that are wrong, and a flag that nobody heeds.

use super::super::tests::{facts, frame, host, scheduler, sentence_of};
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
fn memory_that_is_not_free_differs_from_memory_that_is_booked() {
    let low =
        sentence_of(|_, host| (host.idle.cores, host.idle.memory) = (Centicores(0), Kib(300)));
    assert_eq!(
        low,
        "job shot waits because the only host with room by its bookings reports less than 0.5 GiB of free memory."
    );
    let some = sentence_of(|_, host| host.idle.memory = Kib::gib(3));
    assert_eq!(
        some,
        "job shot waits because the only host with room by its bookings reports too little free memory: \
         at most 3 GiB that are not booked since."
    );
    let booked = sentence_of(|_, host| {
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
        sentence_of(move |facts, host| {
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
    let huge = sentence_of(|facts, host| {
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
    let sentence = why(&facts, &[one, two], &scheduler(&FitRules::default())).sentence;
    assert!(sentence.contains("(as on 1 other host)"), "{sentence}");
}

fn count(counted: i64, counted_in_job: i64, waiting: i64) -> WaitingCount {
    WaitingCount {
        layer: "render".into(),
        counted,
        counted_in_job,
        waiting,
    }
}

/// Sentence for these counters of layer and job, and this number of waiting frames.
fn counters(counted: i64, counted_in_job: i64, waiting: i64) -> String {
    sentence_of(|facts, _| {
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
        let sentence = counters(counted, in_job, waiting);
        assert!(sentence.contains("can run now"), "{sentence}");
    }
    for counted in [0, -3] {
        let sentence = counters(counted, 0, 0);
        assert!(sentence.contains("has no waiting frames"), "{sentence}");
    }
}

#[test]
fn another_reason_that_is_true_is_not_replaced() {
    let sentence = sentence_of(|facts, _| {
        facts.paused = true;
        facts.waiting_counts = vec![count(5, 0, 0)];
    });
    assert!(sentence.contains("paused"), "{sentence}");
}

#[test]
fn a_waiting_frame_of_a_layer_that_counts_none_is_not_called_done() {
    let sentence = sentence_of(|facts, _| {
        frame(facts, "WAITING");
        facts.layers[0].counts = Counts::default();
        facts.waiting_counts = vec![count(0, 0, 1)];
    });
    assert!(
        sentence.contains("it says 0, and 1 frame waits"),
        "{sentence}"
    );
}

#[test]
fn booking_that_is_switched_off_is_named_for_a_show_that_was_handed_over_only() {
    let off = "switched off, which neither Cuebot nor this scheduler heeds.";
    for (managed, booking, expected) in [
        (true, true, false),
        (true, false, true),
        (false, false, false),
    ] {
        let sentence = sentence_of(|facts, _| {
            (facts.show_managed, facts.show_booking) = (managed, booking);
        });
        assert_eq!(sentence.ends_with(off), expected, "{sentence}");
    }
}
