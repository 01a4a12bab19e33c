//! Random operations on an index, with random hosts and layers.

use cue_domain::host::ThreadMode;
use cue_domain::{AllocId, Centicores, Host, Kib, Layer, Resources, Tag};
use proptest::prelude::*;

use crate::tests::{host, layer};

/// An operation.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// A mark, `later` other operations, then the snapshot; or changes, with hosts that closed.
    Snapshot {
        later: usize,
        hosts: Vec<Host>,
        closed: Option<Vec<u8>>,
    },
    Take {
        layer: Layer,
        tags: Vec<Tag>,
        rests: (i64, i64),
        /// A host to take in place of the best.
        by_id: Option<u8>,
    },
    CheckIn {
        which: usize,
        idle: Option<Resources>,
    },
    Drop {
        which: usize,
    },
    BackOff {
        host: u8,
        seconds: u64,
    },
    Sweep {
        seconds: u64,
    },
}

const TAGS: [&str; 3] = ["general", "big", "gpu"];

fn tags() -> impl Strategy<Value = Vec<Tag>> {
    proptest::sample::subsequence(TAGS.to_vec(), 0..=3)
        .prop_map(|tags| tags.into_iter().map(Tag::from).collect())
}

fn resources() -> impl Strategy<Value = Resources> {
    let cores =
        prop_oneof![2 => Just(3200), 4 => (0..=32i64).prop_map(|n| n * 100), 2 => 0..=3200i64];
    (cores, 0..=8i64, 0..=2i64, 0..=3i64).prop_map(|(cores, gib, gpus, gpu_gib)| Resources {
        cores: Centicores(cores),
        memory: Kib::gib(gib),
        gpus,
        // Some that are of one magnitude.
        gpu_memory: Kib(gpu_gib * 3 * 1024),
    })
}

pub(crate) fn any_host() -> impl Strategy<Value = Host> {
    let mode = prop_oneof![
        Just(ThreadMode::Auto),
        Just(ThreadMode::All),
        Just(ThreadMode::Variable)
    ];
    let like = (mode, any::<bool>(), any::<bool>());
    (0..8u8, 0..2u8, tags(), resources(), like).prop_map(
        |(id, alloc, tags, idle, (thread_mode, linux, large))| {
            let mut host = Host {
                alloc: AllocId::from(format!("a{alloc}")),
                tags: tags.into(),
                os: if linux {
                    ["linux".into()].into()
                } else {
                    [].into()
                },
                thread_mode,
                ledger: idle,
                idle,
                ..host(&format!("h{id}"))
            };
            if !large {
                host.total.cores = Centicores::cores(16);
            }
            host
        },
    )
}

fn any_layer() -> impl Strategy<Value = Layer> {
    let cores = prop_oneof![4 => 1..=1600i64, 1 => Just(0), 1 => Just(-400), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let gpus = prop_oneof![3 => Just((0, 0)), 1 => (0..=2i64, 0..=9i64)];
    let most = prop_oneof![2 => Just(None), 1 => (1..=1000i64).prop_map(|n| Some(Centicores(n)))];
    (cores, 0..=4i64, gpus, most, any::<bool>()).prop_map(
        |(cores, gib, (gpus, gpu_mib), cores_max, threadable)| Layer {
            cores_min: Centicores(cores),
            cores_max,
            memory_min: Kib::gib(gib),
            gpus_min: gpus,
            gpu_memory_min: Kib(gpu_mib * 1024),
            threadable,
            ..layer()
        },
    )
}

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    let cores = || 0..=3300i64;
    prop_oneof![
        2 => (0..4usize, proptest::collection::vec(any_host(), 0..10)).prop_map(|(later, hosts)| Op::Snapshot { later, hosts, closed: None }),
        2 => (0..4usize, proptest::collection::vec(any_host(), 0..3), proptest::collection::vec(0..8u8, 0..3))
            .prop_map(|(later, hosts, closed)| Op::Snapshot { later, hosts, closed: Some(closed) }),
        6 => (any_layer(), tags(), (cores(), cores()), proptest::option::weighted(0.3, 0..8u8)).prop_map(|(layer, tags, rests, by_id)| Op::Take { layer, tags, rests, by_id }),
        3 => (any::<usize>(), proptest::option::of(resources())).prop_map(|(which, idle)| Op::CheckIn { which, idle }),
        2 => any::<usize>().prop_map(|which| Op::Drop { which }),
        1 => (0..8u8, 0..400u64).prop_map(|(host, seconds)| Op::BackOff { host, seconds }),
        1 => (0..200u64).prop_map(|seconds| Op::Sweep { seconds }),
    ]
}
