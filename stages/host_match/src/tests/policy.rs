//! The policy of a plan: GPUs, reservations and entitlements here, shares of a host and warm hosts in `shares`.

mod shares;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cue_demand::{GpuWork, Reservations, Reserved};
use cue_domain::fit::FitRules;
use cue_domain::messages::LockedLayer;
use cue_domain::{Centicores, HostId, Layer, LayerId};
use cue_hosts::HostIndex;
use proptest::prelude::*;

use super::{host, hosts, index_of, layer, metrics, part, policy};
use crate::{Policy, plan};

/// A layer of some frames of one core, or of more if it is threadable.
fn named(id: &str, frames: usize, cores: i64) -> LockedLayer {
    let mut layer = layer(frames, cores, None, 1_000);
    layer.wanted.layer.id = LayerId::from(id);
    layer.wanted.layer.threadable = cores > 1;
    layer
}

fn warm(mut layer: LockedLayer, running: &[(&str, u32)]) -> LockedLayer {
    let running = running
        .iter()
        .map(|(host, frames)| (HostId::from(*host), *frames));
    layer.wanted.running_on = Arc::new(running.collect());
    layer
}

/// Frames by layer and host.
type Placed = HashMap<(usize, String), usize>;

fn placed(index: &HostIndex, policy: &Policy, mut layers: Vec<LockedLayer>) -> Placed {
    let planned = plan(index, &FitRules::default(), policy, &mut layers, &metrics());
    let mut placed = Placed::new();
    for put in &planned.placements {
        let host = planned.hosts[put.host].name.to_string();
        *placed.entry((put.layer, host)).or_default() += 1;
    }
    placed
}

fn frames<const N: usize>(expected: [(usize, &str, usize); N]) -> Placed {
    let expected = expected.into_iter();
    expected
        .map(|(layer, host, frames)| ((layer, host.to_owned()), frames))
        .collect()
}

/// A policy under which work of some cores and a GPU waits.
fn gpus_wait(cores: i64, alloc: &str) -> Policy {
    let mut layer: Layer = named("gpu", 1, cores).wanted.layer;
    (layer.gpus_min, layer.threadable) = (1, true);
    let work = GpuWork {
        layer,
        os: None,
        allocs: Arc::new([alloc.to_owned().into()]),
    };
    Policy {
        gpu_work: Arc::new([work]),
        ..policy()
    }
}

fn with_gpu(frames: usize, cores: i64) -> LockedLayer {
    let mut layer = named("gpu", frames, cores);
    layer.wanted.layer.gpus_min = 1;
    layer
}

#[test]
fn frames_without_gpus_leave_what_waiting_work_needs_beside_them() {
    let index = index_of(vec![host("gpu", 12, 2)]);
    let plain = || vec![named("a", 20, 1)];
    assert_eq!(placed(&index, &policy(), plain()), frames([(0, "gpu", 12)]));
    assert_eq!(
        placed(&index, &gpus_wait(4, "alloc"), plain()),
        frames([(0, "gpu", 4)])
    );
    assert_eq!(placed(&index, &gpus_wait(6, "alloc"), plain()), frames([]));
    assert_eq!(
        placed(&index, &gpus_wait(4, "other"), plain()),
        frames([(0, "gpu", 12)])
    );
    let runs = vec![warm(named("a", 20, 1), &[("gpu", 1)])];
    assert_eq!(
        placed(&index, &gpus_wait(6, "alloc"), runs),
        frames([]),
        "warm or not"
    );
}

#[test]
fn what_is_kept_is_for_work_with_gpus_and_is_free_once_no_gpu_is_idle() {
    let index = index_of(vec![host("gpu", 12, 2)]);
    let batch = vec![named("a", 20, 1), with_gpu(5, 4), named("b", 20, 1)];
    let expected = frames([(0, "gpu", 4), (1, "gpu", 2)]);
    assert_eq!(placed(&index, &gpus_wait(4, "alloc"), batch), expected);
    let batch = vec![with_gpu(5, 4), named("a", 20, 1)];
    let expected = frames([(0, "gpu", 2), (1, "gpu", 4)]);
    assert_eq!(placed(&index, &gpus_wait(6, "alloc"), batch), expected);
}

#[test]
fn hosts_without_gpus_serve_others_while_gpus_are_kept() {
    let index = index_of(vec![host("gpu", 4, 2), host("h0", 8, 0)]);
    let plain = vec![named("a", 20, 1)];
    assert_eq!(
        placed(&index, &gpus_wait(4, "alloc"), plain),
        frames([(0, "h0", 8)])
    );
}

/// A policy under which a host is reserved for a layer for 100 seconds yet.
fn reserved(host: &str, owner: &str) -> Policy {
    let now = Instant::now();
    let reservation = Reserved {
        owner: LayerId::from(owner),
        cluster: cue_domain::ClusterKey {
            facility: "yard".to_owned().into(),
            show: "show".to_owned().into(),
        },
        ready_at: now + Duration::from_secs(100),
        is_guess: false,
    };
    let all = HashMap::from([(HostId::from(host), reservation)]);
    Policy {
        reservations: Reservations::new(all),
        now,
        ..policy()
    }
}

#[test]
fn a_reserved_host_takes_its_owner_and_frames_that_end_in_time() {
    let index = hosts(&[8]);
    let policy = reserved("h0", "owner");
    let runs = |id, seconds: Option<u64>| {
        let mut layer = named(id, 3, 1);
        layer.wanted.longest_run = seconds.map(Duration::from_secs);
        vec![layer]
    };
    let all = frames([(0, "h0", 3)]);
    assert_eq!(placed(&index, &policy, runs("owner", None)), all);
    assert_eq!(placed(&index, &policy, runs("owner", Some(1_000))), all);
    assert_eq!(placed(&index, &policy, runs("a", Some(99))), all);
    assert_eq!(placed(&index, &policy, runs("a", Some(100))), frames([]));
    assert_eq!(placed(&index, &policy, runs("a", None)), frames([]));
}

#[test]
fn frames_that_may_use_a_reserved_host_leave_the_others_to_those_that_may_not() {
    let index = hosts(&[32, 8]);
    let policy = reserved("h0", "owner");
    let mut short = warm(named("short", 20, 1), &[("h1", 1)]);
    short.wanted.longest_run = Some(Duration::from_secs(1));
    let batch = vec![short, named("long", 8, 1)];
    // Nobody else could use the rest of the host, so the share of a layer is no bound.
    let expected = frames([(0, "h0", 20), (1, "h1", 8)]);
    assert_eq!(placed(&index, &policy, batch), expected);
}

#[test]
fn a_reserved_host_that_the_plan_holds_stays_its_owners() {
    let index = hosts(&[8, 16]);
    let policy = reserved("h0", "owner");
    let cold = vec![named("owner", 2, 1), named("a", 20, 1)];
    let expected = frames([(0, "h0", 2), (1, "h1", 16)]);
    assert_eq!(placed(&index, &policy, cold), expected);
    let runs = warm(named("a", 20, 1), &[("h0", 1)]);
    assert_eq!(
        placed(&index, &policy, vec![named("owner", 2, 1), runs]),
        expected
    );
}

fn entitled(cores: i64) -> Policy {
    Policy {
        part: part(cores),
        ..policy()
    }
}

#[test]
fn a_turn_ends_with_the_frame_that_spends_its_entitlement() {
    let index = hosts(&[8, 8]);
    let take = |cores, each| {
        let layers = [named("a", 5, each), named("b", 20, each)];
        let placed = placed(&index, &entitled(cores), layers.into());
        placed.values().sum::<usize>()
    };
    assert_eq!([take(0, 1), take(1, 1), take(7, 1)], [0, 1, 7]);
    assert_eq!([take(1, 2), take(6, 2), take(7, 2)], [1, 3, 4]);
    assert_eq!(take(1_000, 1), 16);
    let mut elsewhere = policy();
    elsewhere.part.entitled = Arc::new([("other".into(), Centicores::cores(9))]);
    let layers = vec![named("a", 5, 1)];
    assert_eq!(placed(&index, &elsewhere, layers), frames([]));
}

#[test]
fn no_host_is_looked_for_once_the_entitlement_is_spent() {
    let index = hosts(&[8]);
    let metrics = metrics();
    let mut layers = [named("a", 5, 1)];
    let planned = plan(
        &index,
        &FitRules::default(),
        &entitled(3),
        &mut layers,
        &metrics,
    );
    assert_eq!((planned.placements.len(), layers[0].frames.len()), (3, 2));
    let no_match = metrics.checkouts().with_label_values(&["no_match"]).get();
    assert_eq!(no_match, 0, "the entitlement is in the way, not the hosts");
}
