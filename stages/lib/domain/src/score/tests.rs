//! Worked examples (OPENCUE.md, Strategies), and properties for any numbers.

use proptest::prelude::*;

use super::*;
use crate::units::Resources;
use crate::{AllocId, FacilityId, HostId, LayerId};

/// Memory of a host or a frame in GiB; GPU memory in billions of bytes, as the examples have it.
fn idle(cores: i64, gib: i64, gpus: i64, gpu_gb: i64) -> Host {
    let resources = Resources {
        cores: Centicores::cores(cores),
        memory: Kib::gib(gib),
        gpus,
        gpu_memory: Kib(gpu_gb * 1_000_000_000 / 1024),
    };
    Host {
        id: HostId::from("h"),
        name: "h".into(),
        facility: FacilityId::from("f"),
        alloc: AllocId::from("a"),
        total: resources,
        ledger: resources,
        idle: resources,
        ..Host::default()
    }
}

fn layer(cores: i64, gib: i64, gpus: i64, gpu_gb: i64) -> Layer {
    Layer {
        id: LayerId::from("l"),
        name: "l".into(),
        dispatch_order: 1,
        cores_min: Centicores::cores(cores),
        memory_min: Kib::gib(gib),
        gpus_min: gpus,
        gpu_memory_min: Kib(gpu_gb * 1_000_000_000 / 1024),
        waiting: 1,
        ..Layer::default()
    }
}

fn scored(layer: &Layer, host: &Host, caps: Caps) -> f64 {
    let exact = score(layer, host, caps, &Weights::default());
    (exact * 1e6).round() / 1e6
}

#[test]
fn the_examples_of_the_contract() {
    let two_and_four = layer(2, 4, 0, 0);
    for (host, expected) in [
        (idle(8, 16, 0, 0), 0.0),
        (idle(8, 8, 0, 0), 2.0),
        (idle(16, 24, 0, 0), 2.0),
        (idle(2, 4, 0, 0), 0.0),
        (idle(8, 16, 1, 8), 18.0),
    ] {
        let found = scored(&two_and_four, &host, Caps::default());
        assert!((found - expected).abs() < 1e-6, "{:?}: {found}", host.idle);
    }
}

#[test]
fn the_rests_of_job_and_subscription_bound_how_many_more_frames_count() {
    let layer = layer(2, 4, 0, 0);
    let host = idle(8, 16, 0, 0);
    let cores = |n| Some(Centicores::cores(n));
    for (job, subscription, expected) in [
        // One more frame: 4 cores and 8 GiB stay unused, two frames' worth of each.
        (cores(4), None, 4.0),
        (None, cores(4), 4.0),
        (cores(6), cores(4), 4.0),
        // Not even one more.
        (cores(2), None, 6.0),
        (cores(1), None, 6.0),
        // More than the host holds.
        (cores(100), cores(100), 0.0),
    ] {
        let found = scored(&layer, &host, Caps { job, subscription });
        assert!(
            (found - expected).abs() < 1e-6,
            "{job:?} {subscription:?}: {found}"
        );
    }
}

#[test]
fn a_layer_with_gpus_is_scored_by_what_it_wastes_of_them_and_pays_for_none() {
    let layer = layer(1, 1, 1, 4);
    // Two GPUs fit two frames; the other two cores and GiB are wasted.
    let host = idle(4, 4, 2, 8);
    assert!((scored(&layer, &host, Caps::default()) - 4.0).abs() < 1e-6);
    // GPU memory for one frame only: one GPU stays unused, at weight 2.
    let host = idle(4, 4, 2, 4);
    assert!((scored(&layer, &host, Caps::default()) - (3.0 + 3.0 + 2.0)).abs() < 1e-6);
}

#[test]
fn gpus_are_protected_unless_the_weights_say_otherwise() {
    let layer = layer(2, 4, 0, 0);
    let (with, without) = (idle(8, 16, 4, 32), idle(8, 8, 0, 0));
    let unprotected = Weights {
        gpu_reservation: 0.0,
        gpu_memory_reservation: 0.0,
        ..Weights::default()
    };
    let by = |host, weights: &Weights| score(&layer, host, Caps::default(), weights);
    assert!(by(&with, &Weights::default()) > by(&without, &Weights::default()));
    assert!(by(&with, &unprotected) < by(&without, &unprotected));
}

#[test]
fn a_layer_that_wants_a_whole_host_counts_no_cores() {
    let layer = layer(0, 4, 0, 0);
    assert!(scored(&layer, &idle(8, 12, 0, 0), Caps::default()).abs() < 1e-6);
}

proptest! {
    #[test]
    fn any_numbers_have_a_finite_score(
        amounts in proptest::collection::vec(any::<i64>(), 8), job in proptest::option::of(any::<i64>()),
    ) {
        let mut layer = layer(1, 1, 0, 0);
        let mut host = idle(1, 1, 0, 0);
        layer.cores_min = Centicores(amounts[0]);
        layer.memory_min = Kib(amounts[1]);
        layer.gpus_min = amounts[2];
        layer.gpu_memory_min = Kib(amounts[3]);
        host.idle = Resources {
            cores: Centicores(amounts[4]), memory: Kib(amounts[5]), gpus: amounts[6], gpu_memory: Kib(amounts[7]),
        };
        let caps = Caps { job: job.map(Centicores), subscription: None };
        prop_assert!(score(&layer, &host, caps, &Weights::default()).is_finite());
    }

    #[test]
    fn a_host_that_is_a_multiple_of_the_frame_is_a_perfect_fit(cores in 1..64i64, gib in 1..64i64, times in 1..20i64) {
        let found = scored(&layer(cores, gib, 0, 0), &idle(cores * times, gib * times, 0, 0), Caps::default());
        prop_assert_eq!(found, 0.0);
    }
}
