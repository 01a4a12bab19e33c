//! Each cap by example: where it begins, what it says, and what it does not mind.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::booking::{BookingHost, BookingLayer};
use crate::frame::WaitingFrame;
use crate::limits::LimitRows;
use crate::units::Kib;

mod model;

fn cpu(cores: i64) -> Resources {
    Resources {
        cores: Centicores(cores),
        memory: Kib(10),
        gpus: 0,
        gpu_memory: Kib(0),
    }
}

/// Judges the bookings in order.
pub(super) fn admit(bookings: &[Booking], ledger: Ledger) -> Vec<Result<(), Refusal>> {
    super::admit(&bookings.iter().collect::<Vec<_>>(), ledger)
}

/// The keys of what a booking touches.
pub(super) struct Keys {
    pub(super) show: u8,
    pub(super) alloc: u8,
    pub(super) job: u8,
    pub(super) folder: u8,
    pub(super) layer: u8,
    pub(super) host: u8,
}

pub(super) fn booking(keys: &Keys, reserved: Resources) -> Booking {
    let frame = WaitingFrame {
        id: "frame".into(),
        name: "0001-layer".into(),
        version: 1,
        waiting_since_ms: None,
    };
    let layer = BookingLayer {
        id: format!("l{}", keys.layer).into(),
        name: "layer".into(),
        job: format!("j{}", keys.job).into(),
        job_name: "job".into(),
        show: format!("s{}", keys.show).into(),
        folder: format!("f{}", keys.folder).into(),
        dept: "d".into(),
    };
    let host = BookingHost {
        id: format!("h{}", keys.host).into(),
        name: format!("h{}", keys.host).into(),
        alloc: format!("a{}", keys.alloc).into(),
        os: None,
    };
    Booking {
        proc: "proc".into(),
        frame,
        layer: Arc::new(layer),
        host: Arc::new(host),
        reserved,
    }
}

fn request(reserved: Resources) -> Booking {
    let keys = Keys {
        show: 0,
        alloc: 0,
        job: 0,
        folder: 0,
        layer: 0,
        host: 0,
    };
    booking(&keys, reserved)
}

/// A limit by frames.
fn frames(max: Option<i64>, used: i64) -> Limit {
    Limit::new(LimitRows {
        gates: true,
        max,
        pending: used,
        ..LimitRows::default()
    })
}

/// A ledger that admits a great deal of everything.
fn open_ledger() -> Ledger {
    let many = Centicores(100_000);
    Ledger {
        hosts: [(
            HostId::from("h0"),
            Resources {
                cores: many,
                memory: Kib(1000),
                gpus: 8,
                gpu_memory: Kib(1000),
            },
        )]
        .into(),
        subscriptions: [(
            (ShowId::from("s0"), AllocId::from("a0")),
            SubscriptionCap {
                burst: many,
                cores: Centicores(0),
            },
        )]
        .into(),
        jobs: [(
            JobId::from("j0"),
            ResourceCap {
                max_cores: many,
                cores: Centicores(0),
                max_gpus: 100,
                gpus: 0,
            },
        )]
        .into(),
        folders: [(
            FolderId::from("f0"),
            ResourceCap {
                max_cores: Centicores(-1),
                cores: Centicores(0),
                max_gpus: -1,
                gpus: 0,
            },
        )]
        .into(),
        limits: HashMap::new(),
        layer_limits: HashMap::new(),
    }
}

fn caps(answers: &[Result<(), Refusal>]) -> Vec<&'static str> {
    answers
        .iter()
        .map(|answer| answer.as_ref().err().map_or("ok", Refusal::cap))
        .collect()
}

#[test]
fn each_admitted_request_is_charged_before_the_next_is_judged() {
    let mut ledger = open_ledger();
    ledger
        .subscriptions
        .values_mut()
        .for_each(|cap| cap.burst = Centicores(300));
    let requests = [cpu(200), cpu(200), cpu(100), cpu(100)].map(request);
    assert_eq!(
        caps(&admit(&requests, ledger)),
        ["ok", "subscription", "ok", "subscription"]
    );
}

#[test]
fn a_cap_is_reached_exactly_and_its_refusal_says_the_numbers() {
    let mut ledger = open_ledger();
    ledger
        .jobs
        .values_mut()
        .for_each(|cap| (cap.max_cores, cap.cores) = (Centicores(800), Centicores(600)));
    let answers = admit(&[request(cpu(200)), request(cpu(100))], ledger);
    assert_eq!(answers[0], Ok(()));
    let refusal = answers[1].clone().unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "job j0 uses 8 cores, its cap is 8 cores, the frame takes 1 core"
    );
}

#[test]
fn a_job_cap_of_nothing_admits_nothing_even_when_the_counter_has_drifted() {
    for max in [0, -1, -500] {
        let mut ledger = open_ledger();
        ledger
            .jobs
            .values_mut()
            .for_each(|cap| (cap.max_cores, cap.cores) = (Centicores(max), Centicores(-5000)));
        assert_eq!(
            caps(&admit(&[request(cpu(100))], ledger)),
            ["job_cores"],
            "{max}"
        );
    }
}

#[test]
fn the_gpus_of_a_job_are_compared_for_every_frame_as_its_trigger_does() {
    let gpu = Resources {
        gpus: 1,
        ..cpu(100)
    };
    for (max, used, asked, expected) in [
        (0, 0, cpu(100), "ok"),
        (0, 0, gpu, "job_gpus"),
        (2, 3, cpu(100), "job_gpus"),
        (3, 2, gpu, "ok"),
    ] {
        let mut ledger = open_ledger();
        ledger
            .jobs
            .values_mut()
            .for_each(|cap| (cap.max_gpus, cap.gpus) = (max, used));
        assert_eq!(
            caps(&admit(&[request(asked)], ledger)),
            [expected],
            "cap {max}, used {used}, {asked:?}"
        );
    }
}

#[test]
fn a_folder_is_unlimited_at_minus_one_only() {
    let gpu = Resources {
        gpus: 1,
        ..cpu(100)
    };
    for (max_cores, max_gpus, asked, expected) in [
        (-1, -1, gpu, "ok"),
        (0, -1, cpu(100), "folder_cores"),
        (-2, -1, cpu(100), "folder_cores"),
        (-1, 0, gpu, "folder_gpus"),
        (-1, -2, gpu, "folder_gpus"),
        (-1, 0, cpu(100), "ok"),
    ] {
        let mut ledger = open_ledger();
        ledger
            .folders
            .values_mut()
            .for_each(|cap| (cap.max_cores, cap.max_gpus) = (Centicores(max_cores), max_gpus));
        assert_eq!(
            caps(&admit(&[request(asked)], ledger)),
            [expected],
            "{max_cores} {max_gpus} {asked:?}"
        );
    }
}

#[test]
fn all_limits_of_a_layer_must_have_room() {
    let mut ledger = open_ledger();
    let ids = ["wide", "narrow"].map(LimitId::from);
    ledger.limits = [
        (ids[0].clone(), frames(Some(10), 0)),
        (ids[1].clone(), frames(Some(3), 1)),
    ]
    .into();
    // Attached twice by mistake: a frame still counts once.
    ledger.layer_limits = [(
        LayerId::from("l0"),
        vec![ids[0].clone(), ids[1].clone(), ids[1].clone()],
    )]
    .into();
    let answers = admit(
        &[request(cpu(100)), request(cpu(100)), request(cpu(100))],
        ledger,
    );
    assert_eq!(caps(&answers), ["ok", "ok", "limit"]);
    assert_eq!(
        answers[2].clone().unwrap_err().to_string(),
        "limit narrow has 3 frames in use of 3"
    );
}

#[test]
fn a_limit_without_a_maximum_or_without_a_row_admits_nothing() {
    for limits in [
        HashMap::new(),
        [(LimitId::from("x"), frames(None, 0))].into(),
    ] {
        let mut ledger = Ledger {
            limits,
            ..open_ledger()
        };
        ledger.layer_limits = [(LayerId::from("l0"), vec![LimitId::from("x")])].into();
        assert_eq!(caps(&admit(&[request(cpu(100))], ledger)), ["limit"]);
    }
}

#[test]
fn what_is_not_locked_is_not_booked() {
    let asked = [request(cpu(100))];
    let ledger = open_ledger();
    let without = [
        (
            Ledger {
                hosts: HashMap::new(),
                ..ledger.clone()
            },
            "host_taken",
        ),
        (
            Ledger {
                subscriptions: HashMap::new(),
                ..ledger.clone()
            },
            "no_subscription",
        ),
        (
            Ledger {
                jobs: HashMap::new(),
                ..ledger.clone()
            },
            "job_gone",
        ),
        (
            Ledger {
                folders: HashMap::new(),
                ..ledger
            },
            "folder_gone",
        ),
    ];
    for (ledger, cap) in without {
        assert_eq!(caps(&admit(&asked, ledger)), [cap]);
    }
}

#[test]
fn a_reservation_of_nothing_or_less_is_refused() {
    for bad in [
        cpu(0),
        cpu(-100),
        Resources {
            memory: Kib(-1),
            ..cpu(100)
        },
        Resources {
            gpus: -1,
            ..cpu(100)
        },
    ] {
        assert_eq!(
            caps(&admit(&[request(bad)], open_ledger())),
            ["reservation"]
        );
    }
}
