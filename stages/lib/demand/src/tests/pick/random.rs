//! Farms, work and rules at random.

use cue_domain::demand::{DemandRows, WaitingJob};
use cue_domain::order::Order;
use cue_domain::{AllocId, Centicores, Host, JobId, Kib, Layer, LayerId, Tag};
use proptest::prelude::*;

use crate::PickRules;
use crate::tests::fixture::{NOW_US, complete, host, job, layer, row, rules, subscription};

const TAGS: [&str; 2] = ["general", "big"];

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    proptest::sample::subsequence(TAGS.to_vec(), 1..=2)
        .prop_map(|tags| tags.into_iter().map(Tag::from).collect())
}

pub(super) fn any_host() -> impl Strategy<Value = Host> {
    (1..=8i64, 1..=16i64, 0..=1i64, 0..2u8, tags()).prop_map(|(cores, gib, gpus, alloc, tags)| {
        let mut host = host("h", cores);
        host.idle.memory = Kib::gib(gib);
        host.idle.gpus = gpus;
        host.alloc = AllocId::from(format!("a{alloc}"));
        host.tags = tags.into();
        host
    })
}

fn any_job() -> impl Strategy<Value = WaitingJob> {
    let cap = || proptest::option::weighted(0.3, 0..=600i64);
    (
        1..=100i64,
        0..3i64,
        0..=3i64,
        cap(),
        0..2u8,
        proptest::option::weighted(0.2, 0..2i64),
    )
        .prop_map(|(priority, age, cores, cap, show, gpus_left)| {
            let mut job = job("", if show == 0 { "s" } else { "t" }, priority);
            job.started_us = NOW_US - age * 600_000_000;
            job.cores = Centicores::cores(cores);
            job.idle_since_us = (cores == 0).then_some(job.started_us);
            job.room.cores = cap.map(Centicores);
            job.room.gpus = gpus_left;
            job
        })
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let cores = prop_oneof![(1..=9i64).prop_map(|cores| cores * 100), 1..=400i64];
    let gpus = prop_oneof![4 => Just(0), 1 => Just(1)];
    (
        cores,
        0..=3i64,
        0..=6i64,
        0..=6i64,
        any::<bool>(),
        (tags(), gpus),
    )
        .prop_map(
            |(cores, order, waiting, gib, threadable, (tags, gpus))| Layer {
                cores_min: Centicores(cores),
                dispatch_order: order,
                memory_min: Kib::gib(gib),
                gpus_min: gpus,
                threadable,
                tags: tags.into(),
                ..layer("", 1, waiting)
            },
        )
}

pub(super) fn any_rows() -> impl Strategy<Value = DemandRows> {
    let jobs = proptest::collection::vec(
        (any_job(), proptest::collection::vec(any_layer(), 0..4)),
        1..6,
    );
    let amounts = || (0..20i64, 0..30i64, 0..8i64);
    let folder = proptest::option::weighted(0.3, 0..=1200i64);
    (jobs, [amounts(), amounts(), amounts()], folder).prop_map(|(jobs, amounts, folder)| {
        let mut rows = complete(Vec::new(), Vec::new());
        for (n, (mut job, layers)) in jobs.into_iter().enumerate() {
            job.id = JobId::from(format!("j{n}"));
            job.folder_room.cores = folder.map(Centicores);
            for (m, mut layer) in layers.into_iter().enumerate() {
                layer.id = LayerId::from(format!("j{n}-l{m}"));
                rows.layers.push(row(job.id.as_str(), layer));
            }
            rows.jobs.push(job);
        }
        let of = [("s", "a0"), ("s", "a1"), ("t", "a0")]
            .into_iter()
            .zip(amounts);
        rows.subscriptions = of
            .map(|((show, alloc), amounts)| subscription(show, alloc, amounts))
            .collect();
        rows
    })
}

pub(super) fn any_rules() -> impl Strategy<Value = PickRules> {
    let order = prop_oneof![Just(Order::Share), Just(Order::Priority), Just(Order::Fifo)];
    let few = |most: u32| prop_oneof![1..most, Just(10_000)];
    (order, few(20), few(6), few(6)).prop_map(|(order, frames, layer_frames, layers)| PickRules {
        frames,
        layer_frames,
        layers: layers as usize,
        ..rules(order)
    })
}
