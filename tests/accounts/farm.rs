//! Whole farms with the whole pipeline: it books, Cuebot's stand-in releases, and the accounts follow.

use cue_simfarm::waiting::{until, within};
use std::time::{Duration, Instant};

use cue_simfarm::audit::{AuditOptions, AuditWatch, audit_with};
use cue_simfarm::completion::{Accounting, CompleterSettings};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{FrameDuration, SimRqdSettings};
use cue_simfarm::seed::{FarmSpec, Fixture, HostClass, Span, seed};
use prometheus::Registry;
use sqlx::PgPool;

use crate::world::{Scheduler, World, endless};
use crate::yard::store;

/// A farm at work, with a scheduler and a Cuebot of some kind.
struct Farm {
    world: World,
    scheduler: Scheduler,
}

impl Farm {
    async fn start(db: TestDb, duration: FrameDuration, accounting: Accounting) -> Self {
        Self::start_with(db, duration, accounting, true).await
    }

    async fn start_with(
        db: TestDb,
        duration: FrameDuration,
        accounting: Accounting,
        finish_jobs: bool,
    ) -> Self {
        let hosts = SimRqdSettings {
            duration,
            ..endless()
        };
        let cuebot = CompleterSettings {
            accounting,
            finish_jobs,
            ..CompleterSettings::default()
        };
        let world = World::open_with(db, hosts, cuebot).await;
        let scheduler = Scheduler::start(&world, &[]).await;
        Self { world, scheduler }
    }

    /// Waits until the accounts have caught up, then takes everything down and audits it.
    async fn close(self) {
        until("the counters to follow", async || {
            let options = AuditOptions::default();
            let audit = audit_with(&self.world.db.pool, &options).await;
            audit.unwrap().is_ok()
        })
        .await;
        self.scheduler.drain().await;
        self.world.close().await;
    }
}

/// Far more work than the bursts let run at once, so that it ends only if what ends makes room.
async fn tight_farm() -> (TestDb, u64) {
    let db = TestDb::fresh().await;
    let mut spec = FarmSpec {
        shows: 2,
        hosts: vec![HostClass {
            count: 30,
            ..HostClass::default()
        }],
        ..FarmSpec::default()
    };
    spec.subscription.size = 20;
    spec.subscription.burst = 40;
    spec.folders.max_cores = 60;
    spec.jobs.per_show = Span::exactly(4);
    spec.jobs.max_cores = 30;
    spec.layers.per_job = Span::exactly(3);
    spec.layers.frames = Span::exactly(25);
    spec.layers.cores_min = vec![100, 200];
    spec.layers.mem_min_mib = vec![512];
    spec.layers.threadable_share = 0.0;
    spec.layers.gpu_share = 0.0;
    spec.layers.special_tag_share = 0.0;
    let seeded = seed(&db.pool, &spec, 7).await.unwrap();
    (db, seeded.frames)
}

const SHORT: FrameDuration = FrameDuration::Uniform(Duration::ZERO, Duration::from_millis(60));

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_farm_drains_on_messages_and_no_cap_is_ever_passed() {
    let (db, frames) = tight_farm().await;
    let watch = AuditWatch::start(db.pool.clone());
    let farm = Farm::start(db, SHORT, Accounting::Managed).await;
    farm.world.completed(frames).await;
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    assert!(farm.scheduler.sum("scheduler_accounting_releases_total") > 0.0);
    let found = farm
        .scheduler
        .sum_of("scheduler_accounting_corrected_total", "look");
    assert_eq!(found, 0.0, "releases are no drift");
    farm.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn beside_a_cuebot_that_subtracts_nothing_is_ever_corrected() {
    let (db, frames) = tight_farm().await;
    let farm = Farm::start(db, SHORT, Accounting::Current).await;
    farm.world.completed(frames).await;
    let corrected = farm.scheduler.sum("scheduler_accounting_corrected_total");
    assert_eq!(corrected, 0.0);
    let differing = farm
        .scheduler
        .sum("scheduler_accounting_differing_counters");
    assert_eq!(
        differing, 0.0,
        "a snapshot shows no booking or release by half"
    );
    assert!(
        farm.scheduler
            .sum("scheduler_recompute_cycle_duration_seconds")
            >= 1.0
    );
    farm.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn bookings_and_a_second_session_that_heals_all_the_time_pass_no_cap() {
    let (db, frames) = tight_farm().await;
    let watch = AuditWatch::start(db.pool.clone());
    let store = store(&db, &Registry::new()).await;
    let second = store.accounts_session().await.unwrap();
    let farm = Farm::start(db, SHORT, Accounting::Managed).await;
    let mut counted = 0;
    let second = async {
        // The session ends with this block: one that is stopped while it heals keeps its locks until then.
        let mut second = second;
        loop {
            let drift = store.drift(1000).await.unwrap();
            counted += second.heal(drift.keys).await.unwrap().corrected.sum();
            // Bookings need the rows in between; without a pause the farm crawls.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let drained = farm.world.completed(frames);
    tokio::select! {
        () = second => {}
        () = drained => {}
    }
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    assert!(counted > 0, "the second session found nothing to do");
    farm.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_show_at_its_burst_goes_on_within_two_seconds_of_a_completion() {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("node1", |_| ()).await.unwrap();
    farm.frames("comp", 12, |_| ()).await.unwrap();
    db.run("UPDATE subscription SET int_burst = 400").await;
    let farm = Farm::start(db, FrameDuration::Never, Accounting::Managed).await;
    let mut worst = Duration::ZERO;
    for ended in 0..8 {
        within(
            "the show to be at its burst",
            farm.world.rqd.launched(4 + ended),
        )
        .await;
        assert_eq!(farm.world.rqd.running_count(), 4);
        let launches = farm.world.rqd.launches();
        let began = Instant::now();
        assert!(farm.world.rqd.finish(&launches[ended].frame_id, 0).await);
        within("the next launch", farm.world.rqd.launched(5 + ended)).await;
        worst = worst.max(began.elapsed());
    }
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    for launch in &farm.world.rqd.launches()[8..] {
        farm.world.rqd.finish(&launch.frame_id, 0).await;
    }
    farm.world.completed(12).await;
    farm.close().await;
}

/// A job of 150 one-core frames with a cap of 100 cores, on hosts with room for all of them.
async fn capped() -> TestDb {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    for n in 0..5 {
        farm.host(&format!("node{n}"), |_| ()).await.unwrap();
    }
    farm.frames("comp", 150, |_| ()).await.unwrap();
    for cap in [
        "UPDATE job_resource SET int_max_cores = 10000",
        "UPDATE subscription SET int_size = 20000, int_burst = 20000",
    ] {
        db.run(cap).await;
    }
    db
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_at_its_cap_goes_on_beside_every_cuebot_without_a_setting() {
    for accounting in [Accounting::Managed, Accounting::Silent, Accounting::Current] {
        let db = capped().await;
        let watch = AuditWatch::start(db.pool.clone());
        let began = Instant::now();
        let farm = Farm::start(db, FrameDuration::Fixed(Duration::from_secs(1)), accounting).await;
        farm.world.completed(150).await;
        eprintln!("{accounting:?}: 150 frames in {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(20), "{accounting:?}");
        let seen = watch.finish().await;
        assert!(seen.is_ok(), "{seen}");
        farm.close().await;
    }
}

/// Moves one counter of each table, up and down by turns, until the farm is done.
async fn meddle(pool: &PgPool) {
    for n in 0_i32.. {
        let by = if n % 2 == 0 { 300 } else { -300 };
        for table in [
            "subscription",
            "layer_resource",
            "job_resource",
            "folder_resource",
            "point",
        ] {
            let key = format!("pk_{table}");
            // A cap may refuse a counter that grows: then there is no drift this time.
            let edit = format!(
                "UPDATE {table} SET int_cores = int_cores + {by} WHERE {key} = (SELECT {key} FROM {table} ORDER BY random() LIMIT 1)"
            );
            drop(sqlx::query(sqlx::AssertSqlSafe(edit)).execute(pool).await);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn drift_by_hand_while_three_replicas_book_beside_every_cuebot_is_healed() {
    for accounting in [Accounting::Current, Accounting::Managed, Accounting::Silent] {
        let (db, frames) = tight_farm().await;
        let pool = db.pool.clone();
        // Layers of a finished job are compared only while something else of the job is counted.
        let farm = Farm::start_with(db, SHORT, accounting, false).await;
        let mut more = Vec::new();
        for _ in 0..2 {
            more.push(Scheduler::start(&farm.world, &[]).await);
        }
        let drained = farm.world.completed(frames);
        tokio::select! {
            () = meddle(&pool) => {}
            () = drained => {}
        }
        let began = Instant::now();
        let mut audit = audit_with(&pool, &AuditOptions::default()).await.unwrap();
        while !audit.is_ok() && began.elapsed() < Duration::from_secs(15) {
            tokio::time::sleep(Duration::from_millis(20)).await;
            audit = audit_with(&pool, &AuditOptions::default()).await.unwrap();
        }
        assert!(audit.is_ok(), "{audit}");
        eprintln!(
            "{accounting:?}: healed {:?} after the last edit",
            began.elapsed()
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{accounting:?}");
        for scheduler in more {
            scheduler.drain().await;
        }
        farm.close().await;
    }
}
