//! Limits: all of a layer must have room.

use crate::bench::{Bench, booked};
use crate::world::{Scheduler, World, endless};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_of_no_frames_admits_none() {
    let bench = Bench::new(|_| ()).await;
    let limit = bench.farm.limit("licence", 0).await.unwrap();
    let limits = vec![limit.clone()];
    let job = bench.job(|_, layer| layer.limits = limits).await;
    let open = "UPDATE limit_record SET int_max_value = 1 WHERE pk_limit_record = $1";
    bench.flips(&job, open, &limit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_without_a_maximum_admits_none() {
    let bench = Bench::new(|_| ()).await;
    let limit = bench.farm.limit("licence", 5).await.unwrap();
    let limits = vec![limit.clone()];
    let job = bench.job(|_, layer| layer.limits = limits).await;
    let close = "UPDATE limit_record SET int_max_value = NULL WHERE pk_limit_record = $1";
    bench.set(close, &limit).await;
    let open = "UPDATE limit_record SET int_max_value = 1 WHERE pk_limit_record = $1";
    bench.flips(&job, open, &limit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_was_deleted_limits_nothing() {
    let bench = Bench::new(|_| ()).await;
    let limit = bench.farm.limit("licence", 0).await.unwrap();
    let limits = vec![limit.clone()];
    let job = bench.job(|_, layer| layer.limits = limits).await;
    // The row that attaches it to the layer stays behind.
    let deleted = "DELETE FROM limit_record WHERE pk_limit_record = $1";
    bench.set(deleted, &limit).await;
    bench.books(&job).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_limits_one_without_room_is_enough() {
    let bench = Bench::new(|_| ()).await;
    let mut limits = Vec::new();
    for (name, max) in [("wide", 100), ("full", 0), ("other", 100)] {
        limits.push(bench.farm.limit(name, max).await.unwrap());
    }
    let full = limits[1].clone();
    let job = bench.job(|_, layer| layer.limits = limits).await;
    let open = "UPDATE limit_record SET int_max_value = 1 WHERE pk_limit_record = $1";
    bench.flips(&job, open, &full).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_counts_what_runs_of_other_jobs() {
    let bench = Bench::new(|_| ()).await;
    let limit = bench.farm.limit("licence", 1).await.unwrap();
    let limits = vec![limit.clone()];
    let first = bench.named("first", |_, layer| layer.limits = limits.clone());
    let first = first.await;
    // It is booked alone, before there is anything else under the limit.
    let Bench { db, farm, host } = bench;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
    booked(&world, &first).await;
    scheduler.drain().await;
    let bench = Bench {
        db: world.db,
        farm,
        host,
    };
    let job = bench.job(|_, layer| layer.limits = limits).await;
    let open = "UPDATE limit_record SET int_max_value = 2 WHERE pk_limit_record = $1";
    bench.flips(&job, open, &limit).await;
}
