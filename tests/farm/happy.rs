//! A farm of everything a farm has, without a fault: it drains.

use cue_simfarm::waiting::until;
use std::time::Duration;

use cue_simfarm::completion::HostReporter;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{
    FarmSpec, HostClass, HostTags, JobShape, LayerShape, LimitSpec, Span, seed,
};

use crate::world::{Scheduler, World, endless, up_to_ms, yard};

/// Spells every id of a farm in upper case.
const UPPER_CASE: &str = include_str!("../../stages/lib/store/tests/database/upper_case.sql");

fn small_farm() -> FarmSpec {
    let plain = HostClass {
        count: 12,
        ..HostClass::default()
    };
    let with_gpus = HostClass {
        count: 6,
        gpus: 4,
        gpu_memory_gib: 64,
        ..HostClass::default()
    };
    FarmSpec {
        shows: 2,
        hosts: vec![plain, with_gpus],
        host_tags: HostTags {
            manual_share: 0.5,
            hardware_share: 0.5,
            ..HostTags::default()
        },
        jobs: JobShape {
            per_show: Span::exactly(5),
            ..JobShape::default()
        },
        layers: LayerShape {
            frames: Span::new(10, 30),
            chunk: 2,
            gpu_share: 0.2,
            special_tag_share: 0.2,
            ..LayerShape::default()
        },
        limits: vec![LimitSpec {
            name: "licence".to_owned(),
            max: 20,
            share: 0.3,
        }],
        ..FarmSpec::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_farm_of_everything_drains_and_every_frame_runs_once() {
    let db = TestDb::fresh().await;
    let seeded = seed(&db.pool, &small_farm(), 11).await.unwrap();
    let world = World::open(db, up_to_ms(60)).await;
    let reporter = HostReporter::start(world.db.pool.clone(), Duration::from_millis(200));
    let scheduler = Scheduler::start(&world, &[]).await;
    world.completed(seeded.frames).await;

    assert_eq!(
        scheduler.sum("scheduler_frames_dispatched_total"),
        seeded.frames as f64
    );
    scheduler.drain().await;
    reporter.finish().await;
    assert_eq!(world.frames("SUCCEEDED").await, seeded.frames as i64);
    for left in [
        "SELECT count(*) FROM proc",
        "SELECT count(*) FROM job WHERE str_state <> 'FINISHED'",
        "SELECT count(*) FROM host WHERE int_cores_idle <> int_cores OR int_mem_idle <> int_mem",
    ] {
        assert_eq!(world.db.count(left).await, 0, "{left}");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_books_and_calls_no_host() {
    let (db, farm) = yard(2).await;
    farm.frames("dry", 10, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
    until("all frames to be booked", async || {
        world.frames("RUNNING").await == 10
    })
    .await;
    scheduler.drain().await;
    assert_eq!(world.frames("RUNNING").await, 10);
    assert_eq!(world.rqd.counts().asked, 0);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_whose_ids_are_in_upper_case_runs_like_any_other() {
    let (db, farm) = yard(2).await;
    let limit = farm.limit("licence", 4).await.unwrap();
    let limited = farm.frames("a", 12, |layer| layer.limits = vec![limit]);
    limited.await.unwrap();
    db.run(UPPER_CASE).await;
    let world = World::open(db, up_to_ms(20)).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.completed(12).await;
    scheduler.drain().await;
    for launch in world.rqd.launches() {
        let frame = launch.run_frame.unwrap();
        for id in [&frame.job_id, &frame.layer_id, &frame.frame_id] {
            assert_eq!(*id, id.to_uppercase());
        }
    }
    world.close().await;
}
