//! The strategy `epvm`, end to end: a farm is drained with it, and the scores are there to see.

use crate::world::{Scheduler, World, up_to_ms, yard};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_is_drained_with_the_strategy_epvm() {
    let (db, farm) = yard(2).await;
    farm.frames("a", 60, |layer| layer.cores_min = 300)
        .await
        .unwrap();
    let world = World::open(db, up_to_ms(10)).await;
    let settings = [("CUE_STRATEGY", "epvm")];
    let scheduler = Scheduler::start(&world, &settings).await;
    world.completed(60).await;
    let scores = scheduler.sum("scheduler_placement_score_chosen");
    assert!(scores > 0.0, "no score was noted");
    world.end(scheduler).await;
}
