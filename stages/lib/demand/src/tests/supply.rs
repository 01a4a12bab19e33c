//! Offers against a scan of all hosts.

use std::sync::Arc;

use cue_domain::fit::{FitRules, reserve};
use cue_domain::host::ThreadMode;
use cue_domain::{AllocId, Centicores, Host, Kib, Layer, Resources, Tag};
use proptest::prelude::*;

use crate::supply::asks_gpus;
use crate::tests::fixture::{host, layer, supply};
use crate::{Reservations, Supply};

fn tags() -> impl Strategy<Value = Arc<[Tag]>> {
    proptest::sample::subsequence(vec!["general", "big", "gpu"], 0..=3)
        .prop_map(|tags| tags.into_iter().map(Tag::from).collect())
}

fn any_host() -> impl Strategy<Value = Host> {
    let cores = prop_oneof![
        (-1..=8i64).prop_map(|cores| cores * 100),
        -100..=800i64,
        Just(i64::MIN),
        Just(i64::MAX)
    ];
    let memory = prop_oneof![9 => -8..=16i64, 1 => Just(i64::MAX / Kib::GIB.0)];
    let idle = (cores, memory, -1..=2i64, 0..=2i64);
    let mode = prop_oneof![
        Just(ThreadMode::Auto),
        Just(ThreadMode::All),
        Just(ThreadMode::Variable)
    ];
    let linux = any::<bool>();
    let total = prop_oneof![Just(4), Just(8)];
    (idle, mode, 0..2u8, linux, tags(), total).prop_map(
        |((cores, gib, gpus, gpu_gib), thread_mode, alloc, linux, tags, total)| {
            let mut host = host("h", total);
            host.total.cores = Centicores::cores(total);
            host.idle = Resources {
                cores: Centicores(cores),
                memory: Kib(gib.saturating_mul(Kib::GIB.0)),
                gpus,
                gpu_memory: Kib::gib(gpu_gib),
            };
            host.alloc = AllocId::from(format!("a{alloc}"));
            host.os = if linux { host.os } else { Arc::new([]) };
            Host {
                thread_mode,
                tags,
                ..host
            }
        },
    )
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let cores = prop_oneof![
        6 => (1..=6i64).prop_map(|cores| cores * 100), 2 => 1..=600i64,
        1 => Just(0), 1 => Just(-200), 1 => Just(i64::MIN), 1 => Just(i64::MAX)
    ];
    let cores_max = proptest::option::of(prop_oneof![1..=800i64, Just(100), Just(200)]);
    let gpus = prop_oneof![3 => Just((0, 0)), 1 => (0..=2i64, 0..=2i64)];
    let like = (cores, cores_max, -1..=8i64, gpus, any::<bool>(), tags());
    like.prop_map(
        |(cores, cores_max, gib, (gpus, gpu_gib), threadable, tags)| Layer {
            cores_min: Centicores(cores),
            cores_max: cores_max.map(Centicores),
            memory_min: Kib::gib(gib),
            gpus_min: gpus,
            gpu_memory_min: Kib::gib(gpu_gib),
            threadable,
            tags,
            ..layer("l", 1, 1)
        },
    )
}

/// Returns true if a frame of the layer fits the host, without `kept` if it asks for no GPUs.
fn fits(layer: &Layer, host: &Host, os: Option<&str>, alloc: &AllocId, kept: &Resources) -> bool {
    let mut host = host.clone();
    if !asks_gpus(layer) {
        host.idle = host.idle.minus(kept);
    }
    host.alloc == *alloc
        && host.offers_os(os)
        && host.tags.iter().any(|tag| layer.tags.contains(tag))
        && reserve(layer, &host, &FitRules::default(), None).is_ok()
}

/// The hosts with ids of their own.
fn named(mut hosts: Vec<Host>) -> Vec<Host> {
    for (n, host) in hosts.iter_mut().enumerate() {
        host.id = format!("h{n}").into();
    }
    hosts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_layer_has_an_offer_exactly_if_it_fits_an_idle_host(
        hosts in proptest::collection::vec(any_host(), 0..12).prop_map(named),
        layer in any_layer(), linux in any::<bool>(), keeps in any::<bool>(),
    ) {
        let kept = |host: &Host| {
            let some = Resources { cores: Centicores::cores(2), memory: Kib::gib(4), ..Resources::NONE };
            if keeps && host.idle.gpus > 0 { some.at_most(&host.idle) } else { Resources::NONE }
        };
        let supply = Supply::of(&hosts, kept, &Reservations::default());
        let os = linux.then_some("linux");
        for alloc in ["a0", "a1", "a2"].map(AllocId::from) {
            let mut candidates = hosts.iter();
            let expected = candidates.any(|host| fits(&layer, host, os, &alloc, &kept(host)));
            let offer = supply.offer(&layer, os, &alloc);
            prop_assert_eq!(offer.is_some(), expected, "{}: {:?}", alloc, offer);
            if let Some(offer) = offer {
                prop_assert_eq!(offer.takes.at_most(&offer.sum), offer.takes, "of {:?}", offer.sum);
            }
        }
    }
}

#[test]
fn an_offer_counts_the_frames_that_have_room_on_hosts_with_a_tag() {
    let mut other = host("other", 8);
    other.tags = [Tag::from("big")].into();
    let supply = supply(&[host("h", 2), host("i", 3), other]);
    let offer = supply
        .offer(&layer("l", 2, 1), None, &AllocId::from("a"))
        .unwrap();
    assert_eq!(offer.takes.cores, Centicores::cores(2));
    // One frame of two cores on each of the two hosts.
    assert_eq!(offer.sum.cores, Centicores::cores(4));
    assert_eq!(
        supply.idle(&AllocId::from("a")).cores,
        Centicores::cores(13)
    );
}

#[test]
fn a_host_that_lacks_memory_takes_none_from_the_others() {
    let mut short = host("short", 1);
    short.idle.memory = Kib::gib(-500);
    let supply = supply(&[host("h", 2), short]);
    let offer = supply
        .offer(&layer("l", 1, 1), None, &AllocId::from("a"))
        .unwrap();
    assert_eq!(offer.sum.cores, Centicores::cores(2));
}

#[test]
fn a_host_with_less_memory_that_a_bounded_frame_fits_is_not_hidden() {
    let variable = |gib| {
        let mut host = host("h", 1);
        host.thread_mode = ThreadMode::Variable;
        host.idle.memory = Kib::gib(gib);
        host
    };
    // A share of more than two cores is cut to one, and a share of one is raised to two.
    let mut bounded = layer("l", 1, 1);
    (bounded.cores_max, bounded.memory_min) = (Some(Centicores::CORE), Kib::gib(4));
    for hosts in [[variable(6), variable(250)], [variable(250), variable(6)]] {
        let offer = supply(&hosts).offer(&bounded, None, &AllocId::from("a"));
        assert!(offer.is_some());
    }
}
