//! Several schedulers on one database: they share the work and no cap is passed.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, ShowId};
use cue_simfarm::audit::AuditWatch;
use cue_simfarm::foreign;
use cue_simfarm::seed::Fixture;
use sqlx::PgPool;

use crate::world::{Scheduler, World, up_to_ms, yard};

const JOBS: u64 = 12;

const FRAMES: u64 = JOBS * 15;

/// One layer of few frames a transaction and many transactions at once, so that replicas meet at the
/// counters that their layers share.
const CROWDED: [(&str, &str); 6] = [
    ("CUE_BATCH_LAYERS", "1"),
    ("CUE_BATCH_FRAMES", "3"),
    ("CUE_LAYER_LOCK_WORKERS", "3"),
    ("CUE_HOST_MATCH_WORKERS", "2"),
    ("CUE_DISPATCH_WORKERS", "4"),
    ("CUE_DATABASE_POOL", "30"),
];

/// Jobs under caps far below what the hosts could run: three cores a job; seven cores in the folder
/// of one half of them; five frames under the limit of the other half. The folder and the limit are
/// watched over by nobody but the scheduler.
async fn tight(farm: &Fixture) {
    let folder = farm.folder("tight", 700, -1).await.unwrap();
    let limit = farm.limit("licence", 5).await.unwrap();
    for n in 0..JOBS {
        let (folder, limit) = (folder.clone(), limit.clone());
        let tags = farm.allocation.name.clone();
        let name = format!("job{n}");
        let job = farm.job(&name, |job| {
            job.max_cores = 300;
            if n % 2 == 0 {
                job.place.folder = folder;
            }
            job.layer("render", &tags, |layer| {
                layer.frames = 15;
                if n % 2 == 1 {
                    layer.limits = vec![limit];
                }
            });
        });
        job.await.unwrap();
    }
}

/// Sets what the show may run at a time. Nothing runs until all schedulers are there.
async fn burst(pool: &PgPool, farm: &Fixture, cores: i64) {
    let show = ShowId::from(farm.show.id.as_str());
    let alloc = AllocId::from(farm.allocation.id.as_str());
    foreign::set_subscription_burst(pool, &show, &alloc, Centicores::cores(cores))
        .await
        .unwrap();
}

/// Runs a number of schedulers on the same farm.
async fn together(replicas: usize) {
    let (db, farm) = yard(16).await;
    tight(&farm).await;
    burst(&db.pool, &farm, 0).await;
    let world = World::open(db, up_to_ms(60)).await;
    let watch = AuditWatch::start(world.db.pool.clone());
    let mut schedulers = Vec::new();
    for _ in 0..replicas {
        schedulers.push(Scheduler::start(&world, &CROWDED).await);
    }
    burst(&world.db.pool, &farm, 11).await;
    world.completed(FRAMES).await;

    let booked = |scheduler: &Scheduler| scheduler.sum("scheduler_frames_dispatched_total");
    let all: Vec<f64> = schedulers.iter().map(booked).collect();
    assert_eq!(all.iter().sum::<f64>(), FRAMES as f64, "{all:?}");
    assert!(
        all.iter().all(|booked| *booked > 0.0),
        "all took part: {all:?}"
    );
    for scheduler in schedulers {
        let refused = scheduler.sum_of("scheduler_booking_refused_total", "database");
        assert_eq!(
            refused, 0.0,
            "admission is exact, so no trigger has to refuse"
        );
        scheduler.drain().await;
    }
    assert!(watch.rounds() > 10, "the caps were looked at all the time");
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn two_replicas_run_every_frame_once_and_pass_no_cap() {
    together(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn three_replicas_run_every_frame_once_and_pass_no_cap() {
    together(3).await;
}
