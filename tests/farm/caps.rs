//! Caps: a farm with room for all runs exactly as much as each cap admits, and not one more.
//!
//! Frames run until the test ends them, so what runs at a time can be counted. Frames are of one
//! core, so a cap of cores is a cap of frames.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, ShowId};
use cue_simfarm::audit::AuditWatch;
use cue_simfarm::foreign;
use cue_simfarm::postgres::TestDb;

use crate::world::{Scheduler, World, endless, yard};

/// Runs a farm of `frames` frames under a cap that admits `most` at a time.
async fn runs_at_most(db: TestDb, most: usize, frames: usize) {
    let world = World::open(db, endless()).await;
    let watch = AuditWatch::start(world.db.pool.clone());
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(most).await;
    scheduler.rounds(10).await;
    assert_eq!(
        world.rqd.running_count(),
        most,
        "the cap is reached and kept"
    );
    assert_eq!(world.frames("RUNNING").await, most as i64);
    world.finish_all(frames).await;
    scheduler.drain().await;
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_runs_no_more_cores_than_its_cap() {
    let (db, farm) = yard(2).await;
    let tags = farm.allocation.name.clone();
    let job = farm.job("capped", |job| {
        job.max_cores = 300;
        for layer in ["a", "b"] {
            job.layer(layer, &tags, |layer| layer.frames = 5);
        }
    });
    job.await.unwrap();
    runs_at_most(db, 3, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_runs_no_more_gpus_than_its_cap() {
    let (db, farm) = yard(0).await;
    let with_gpus = farm.host("node1", |host| {
        (host.gpus, host.gpu_memory) = (8, 8_388_608)
    });
    with_gpus.await.unwrap();
    let tags = farm.allocation.name.clone();
    let job = farm.job("capped", |job| {
        job.max_gpus = 2;
        job.layer("sim", &tags, |layer| {
            layer.frames = 6;
            layer.gpus_min = 1;
            layer.gpu_mem_min = 1_024;
        });
    });
    job.await.unwrap();
    runs_at_most(db, 2, 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_jobs_of_a_folder_run_no_more_cores_than_its_cap() {
    let (db, farm) = yard(2).await;
    let folder = farm.folder("capped", 600, -1).await.unwrap();
    let tags = farm.allocation.name.clone();
    for name in ["a", "b", "c"] {
        let job = farm.job(name, |job| {
            job.place.folder = folder.clone();
            job.layer("render", &tags, |layer| layer.frames = 5);
        });
        job.await.unwrap();
    }
    runs_at_most(db, 6, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_show_runs_no_more_cores_than_its_burst() {
    let (db, farm) = yard(2).await;
    for name in ["a", "b"] {
        farm.frames(name, 8, |_| ()).await.unwrap();
    }
    let show = ShowId::from(farm.show.id.as_str());
    let alloc = AllocId::from(farm.allocation.id.as_str());
    foreign::set_subscription_burst(&db.pool, &show, &alloc, Centicores::cores(5))
        .await
        .unwrap();
    runs_at_most(db, 5, 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_layers_of_a_limit_run_no_more_frames_than_it_admits() {
    let (db, farm) = yard(2).await;
    let limit = farm.limit("licence", 4).await.unwrap();
    for name in ["a", "b"] {
        let limited = farm.frames(name, 8, |layer| layer.limits = vec![limit.clone()]);
        limited.await.unwrap();
    }
    runs_at_most(db, 4, 16).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_two_limits_on_a_layer_both_hold() {
    let (db, farm) = yard(2).await;
    let wide = farm.limit("wide", 6).await.unwrap();
    let narrow = farm.limit("narrow", 2).await.unwrap();
    let limits = vec![wide, narrow];
    let both = farm.frames("both", 9, |layer| layer.limits = limits);
    both.await.unwrap();
    runs_at_most(db, 2, 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_limit_that_two_layers_share_holds_beside_the_own_limit_of_one() {
    let (db, farm) = yard(2).await;
    let shared = farm.limit("shared", 5).await.unwrap();
    let own = farm.limit("own", 1).await.unwrap();
    let limits = vec![shared.clone(), own];
    farm.frames("both", 6, |layer| layer.limits = limits)
        .await
        .unwrap();
    farm.frames("one", 6, |layer| layer.limits = vec![shared])
        .await
        .unwrap();
    runs_at_most(db, 5, 12).await;
}
