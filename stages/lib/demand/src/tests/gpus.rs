//! Resources that are kept for work that asks for GPUs.

use cue_domain::demand::DemandRows;
use cue_domain::host::ThreadMode;
use cue_domain::{Centicores, Host, Kib, Layer, Resources, Tag};

use crate::tests::fixture::{complete, frames, host, index_of, job, layer, row, subscription};
use crate::tests::fixture::{input, key, rules};
use crate::{DemandIndex, Reservations, Supply, kept_for_gpus};

/// A host with two of its four GPUs idle.
fn gpu_host(idle_cores: i64) -> Host {
    let mut host = host("gpu", idle_cores);
    host.total.gpus = 4;
    host.idle.gpus = 2;
    host
}

/// Four cores, 16 GiB and a GPU a frame.
fn gpu_layer() -> Layer {
    Layer {
        gpus_min: 1,
        memory_min: Kib::gib(16),
        ..layer("with", 4, 1)
    }
}

fn waiting(layer: Layer) -> DemandRows {
    complete(vec![job("j", "s", 1)], vec![row("j", layer)])
}

fn kept(index: &DemandIndex, host: &Host) -> Resources {
    kept_for_gpus(host, &index.gpu_work())
}

const fn needs(cores: i64, gib: i64) -> Resources {
    Resources {
        cores: Centicores::cores(cores),
        memory: Kib::gib(gib),
        ..Resources::NONE
    }
}

#[test]
fn the_cores_and_memory_that_waiting_work_needs_beside_idle_gpus_are_kept() {
    let index = index_of(waiting(gpu_layer()));
    assert_eq!(kept(&index, &gpu_host(32)), needs(8, 32));
    let mut host = gpu_host(32);
    host.idle.gpus = 1;
    assert_eq!(kept(&index, &host), needs(4, 16));
    host.idle.gpus = 0;
    assert_eq!(kept(&index, &host), Resources::NONE, "no GPU is idle");
}

#[test]
fn freed_cores_gather_until_the_work_fits() {
    let index = index_of(waiting(gpu_layer()));
    assert_eq!(kept(&index, &gpu_host(3)), needs(3, 12));
}

#[test]
fn the_most_that_any_work_needs_is_kept() {
    let mut rows = waiting(gpu_layer());
    let mut lean = gpu_layer();
    (lean.id, lean.memory_min) = ("lean".to_owned().into(), Kib::GIB);
    lean.cores_min = Centicores::cores(6);
    rows.layers.push(row("j", lean));
    assert_eq!(kept(&index_of(rows), &gpu_host(32)), needs(12, 32));
}

#[test]
fn nothing_is_kept_without_waiting_work_that_could_run() {
    assert!(
        index_of(waiting(layer("plain", 4, 1)))
            .gpu_work()
            .is_empty()
    );
    let changed = |change: fn(&mut Layer)| {
        let mut layer = gpu_layer();
        change(&mut layer);
        kept(&index_of(waiting(layer)), &gpu_host(32))
    };
    assert_eq!(changed(|layer| layer.waiting = 0), Resources::NONE);
    assert_eq!(changed(|layer| layer.gpus_min = 3), Resources::NONE);
    assert_eq!(
        changed(|layer| layer.cores_min = Centicores::cores(65)),
        Resources::NONE
    );
    assert_eq!(
        changed(|layer| layer.memory_min = Kib::gib(257)),
        Resources::NONE
    );
    assert_eq!(
        changed(|layer| layer.gpu_memory_min = Kib::GIB),
        Resources::NONE
    );
    assert_eq!(
        changed(|layer| layer.tags = [Tag::from("other")].into()),
        Resources::NONE
    );
    let mut all = gpu_host(32);
    all.thread_mode = ThreadMode::All;
    let mut single = gpu_layer();
    single.threadable = false;
    assert_eq!(kept(&index_of(waiting(single)), &all), Resources::NONE);
}

#[test]
fn nothing_is_kept_for_another_system_or_allocation_or_at_a_cap() {
    let changed = |change: fn(&mut DemandRows)| {
        let mut rows = waiting(gpu_layer());
        change(&mut rows);
        kept(&index_of(rows), &gpu_host(32))
    };
    assert_eq!(changed(|_| ()), needs(8, 32));
    assert_eq!(
        changed(|rows| rows.jobs[0].os = Some("windows".into())),
        Resources::NONE
    );
    assert_eq!(changed(|rows| rows.subscriptions.clear()), Resources::NONE);
    let elsewhere =
        |rows: &mut DemandRows| rows.subscriptions = vec![subscription("s", "b", (9, 9, 0))];
    assert_eq!(changed(elsewhere), Resources::NONE);
    let full = |rows: &mut DemandRows| rows.subscriptions = vec![subscription("s", "a", (9, 9, 9))];
    assert_eq!(changed(full), Resources::NONE);
    assert_eq!(
        changed(|rows| rows.jobs[0].room.gpus = Some(0)),
        Resources::NONE
    );
    let capped =
        |rows: &mut DemandRows| rows.jobs[0].folder_room.cores = Some(Centicores::cores(3));
    assert_eq!(changed(capped), Resources::NONE);
}

#[test]
fn a_pick_of_layers_without_gpus_leaves_what_is_kept() {
    let mut rows = waiting(gpu_layer());
    rows.jobs.push(job("plain", "s", 1));
    rows.layers.push(row("plain", layer("plain", 1, 100)));
    let index = index_of(rows);
    let work = index.gpu_work();
    let supply = Supply::of(
        &[gpu_host(9)],
        |host| kept_for_gpus(host, &work),
        &Reservations::default(),
    );
    let rules = rules(cue_domain::order::Order::Share);
    let pick = index.pick(&key("s"), &input(&supply, &rules));
    let mut frames = frames(&pick);
    frames.sort_unstable();
    assert_eq!(frames, [("plain", 1), ("with", 1)]);
}
