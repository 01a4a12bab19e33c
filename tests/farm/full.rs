//! A full farm: the database is not kept busy with finding out that there is no host, and freed cores
//! are taken all the same.

use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, endless, yard};

/// One host of 32 cores is full; eight frames more wait for it.
const FULL: usize = 32;
const ALL: usize = 40;

fn asked(scheduler: &Scheduler) -> f64 {
    scheduler.sum_of("scheduler_db_statements_total", "wanted_layers")
}

/// Waits for twenty turns, none of which asks the database for layers.
async fn asks_nothing(scheduler: &Scheduler) {
    let polls = || scheduler.sum("scheduler_cluster_polls_total");
    let (before, asked_before) = (polls(), asked(scheduler));
    until("twenty turns", async || polls() >= before + 20.0).await;
    assert!(
        asked(scheduler) <= asked_before + 1.0,
        "one may have been under way"
    );
    let before = asked(scheduler);
    let turns = polls();
    until("twenty turns", async || polls() >= turns + 20.0).await;
    assert_eq!(asked(scheduler), before, "a full farm asks nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_farm_asks_nothing_and_what_waits_runs_when_a_core_is_free() {
    let (db, farm) = yard(1).await;
    farm.frames("a", ALL as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(FULL).await;
    asks_nothing(&scheduler).await;
    let saturated = scheduler.sum_of("scheduler_pass_terminated_reason_total", "saturated");
    assert!(saturated >= 20.0, "{saturated}");
    world.finish(scheduler, ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_core_that_fits_nothing_is_offered_once_and_not_again_until_something_changes() {
    let (db, farm) = yard(1).await;
    let wide = farm.frames("wide", 2, |layer| {
        (layer.cores_min, layer.threadable) = (3100, true);
    });
    let wide = wide.await;
    assert_eq!(wide.unwrap().layers[0].frames.len(), 2);
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    // One core is idle, and the second frame takes 31.
    world.launched(1).await;
    asks_nothing(&scheduler).await;
    // A new job that fits is found at once, not when the next look is due.
    farm.frames("narrow", 1, |_| ()).await.unwrap();
    world.launched(2).await;
    world.finish(scheduler, 3).await;
}
