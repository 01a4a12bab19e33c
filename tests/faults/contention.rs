//! Eight bookers of four schedulers on shared jobs, folders, shows, limits and hosts, with Cuebot and
//! operators among them: at every moment the audit holds, and in the end every frame has run once.

use cue_simfarm::waiting::within;
use std::time::{Duration, Instant};

use cue_simfarm::completion::HostReporter;
use cue_simfarm::seed::Fixture;
use sqlx::PgPool;

use crate::ends::{assert_calm, close_after_reruns, errors, from_environment, refused};
use crate::operator::{Caps, RandomOperator};
use crate::watch::FullWatch;
use crate::world::{Scheduler, World, up_to_ms, yard};

const SCHEDULERS: usize = 4;

/// Small transactions, two of which each scheduler books at a time.
const BOOKERS: [(&str, &str); 6] = [
    ("CUE_DISPATCH_WORKERS", "2"),
    ("CUE_LAYER_LOCK_WORKERS", "2"),
    ("CUE_JOB_FETCH_WORKERS", "1"),
    ("CUE_BATCH_LAYERS", "3"),
    ("CUE_BATCH_FRAMES", "9"),
    ("CUE_DATABASE_POOL", "20"),
];

/// Jobs of every kind, all of one show whose burst they share.
struct Supply<'a> {
    farm: &'a Fixture,
    folder: String,
    limits: Vec<String>,
    jobs: usize,
}

impl Supply<'_> {
    /// Four more jobs: one in a capped folder, one under a limit, one under two limits and in the
    /// folder, and one that only the burst and its own cap hold back.
    async fn four(&mut self) {
        for kind in ["folder", "limit", "both", "open"] {
            self.jobs += 1;
            let (farm, limits) = (self.farm, &self.limits);
            let name = format!("{kind}{}", self.jobs);
            let tags = farm.allocation.name.clone();
            let job = farm.job(&name, |job| {
                job.max_cores = 400;
                job.max_retries = 30_000;
                job.priority = i32::try_from(self.jobs % 3).unwrap();
                if kind == "folder" || kind == "both" {
                    job.place.folder.clone_from(&self.folder);
                }
                for layer in ["a", "b"] {
                    job.layer(layer, &tags, |layer| {
                        layer.frames = 8;
                        layer.limits = match kind {
                            "limit" => limits[..1].to_vec(),
                            "both" => limits.clone(),
                            _ => Vec::new(),
                        };
                    });
                }
            });
            job.await.unwrap();
        }
    }

    /// Keeps work waiting until a moment.
    async fn keep_up(&mut self, pool: &PgPool, until: Instant) {
        while Instant::now() < until {
            if unfinished(pool).await < 250 {
                self.four().await;
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn unfinished(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM frame WHERE str_state NOT IN ('SUCCEEDED', 'EATEN')")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Waits until nothing is left to run, for as long as some frame ends now and then.
async fn drained(pool: &PgPool) {
    loop {
        let left = unfinished(pool).await;
        if left == 0 {
            return;
        }
        within("a frame to end", async {
            while unfinished(pool).await >= left {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
    }
}

async fn set_burst(pool: &PgPool, farm: &Fixture, cores: i64) -> Caps {
    let (show, alloc) = (&*farm.show.id, &*farm.allocation.id);
    let set = "UPDATE subscription SET int_burst = $2 WHERE pk_subscription = $1";
    let set = sqlx::query(set).bind(&farm.subscription).bind(cores * 100);
    set.execute(pool).await.unwrap();
    Caps {
        show: show.into(),
        alloc: alloc.into(),
        burst: cores,
        folder: "".into(),
        folder_cores: 6,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_bookers_and_a_meddling_cuebot_pass_no_cap_and_run_every_frame_once() {
    let seconds = from_environment("CUE_TEST_SECONDS", 15);
    let (db, farm) = yard(3).await;
    let mut caps = set_burst(&db.pool, &farm, 14).await;
    let folder = farm.folder("tight", 600, -1).await.unwrap();
    caps.folder = folder.as_str().into();
    let limits = vec![
        farm.limit("wide", 5).await.unwrap(),
        farm.limit("narrow", 2).await.unwrap(),
    ];
    let world = World::open(db, up_to_ms(80)).await;
    let pool = world.db.pool.clone();
    let reporter = HostReporter::start(pool.clone(), Duration::from_millis(500));
    let watch = FullWatch::start(pool.clone());
    let mut supply = Supply {
        farm: &farm,
        folder,
        limits,
        jobs: 0,
    };
    supply.four().await;
    let mut schedulers = Vec::new();
    for _ in 0..SCHEDULERS {
        schedulers.push(Scheduler::start(&world, &BOOKERS).await);
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    let operator = RandomOperator::new(&world, caps, seconds);
    let (_, (tally, foreign)) = tokio::join!(supply.keep_up(&pool, until), operator.meddle(until));
    drained(&pool).await;
    let looks = watch.assert_sound().await;
    reporter.finish().await;

    let booked = |scheduler: &Scheduler| scheduler.sum("scheduler_frames_dispatched_total");
    let all: Vec<f64> = schedulers.iter().map(booked).collect();
    assert!(all.iter().all(|booked| *booked > 0.0), "{all:?}");
    let mut conflicts = 0.0;
    for scheduler in schedulers {
        let retried = scheduler.sum("scheduler_booking_conflicts_total");
        let gave_way = scheduler.sum("scheduler_booking_timeouts_total");
        assert_eq!(
            errors(&scheduler),
            retried + gave_way,
            "no error but deadlocks that were tried again, and locks that were not waited for"
        );
        assert_eq!(refused(&scheduler, "database"), 0.0, "caps are exact");
        assert_calm(&scheduler);
        conflicts += retried;
        scheduler.drain().await;
    }
    assert_eq!(world.rqd.relaunches_refused(), 0);
    let frames = world.db.count("SELECT count(*) FROM frame").await;
    let eaten = world.frames("EATEN").await;
    let launched = world.rqd.launch_count();
    let ours = close_after_reruns(world).await;
    println!(
        "{seconds} s: {frames} frames, {launched} launches, booked {all:?}, {conflicts} conflicts, \
         {looks} audits, foreign {tally:?}"
    );
    let good = ours.completed - ours.failed + foreign.completed - foreign.failed;
    let wanted = frames - eaten + i64::try_from(tally.reruns).unwrap();
    assert_eq!(i64::try_from(good).unwrap(), wanted, "each succeeded once");
}
