//! Whole farms with the whole pipeline: it books, Cuebot's stand-in releases, and the accounts follow.

use cue_simfarm::waiting::{until, within};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use cue_domain::{Centicores, Kib};
use cue_scheduler::pipeline::Pipeline;
use cue_simfarm::audit::{AuditOptions, AuditWatch, LaunchLog, audit_with};
use cue_simfarm::completion::{Accounting, Completer, CompleterSettings};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{FrameDuration, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::seed::{FarmSpec, Fixture, HostClass, Span, seed};
use prometheus::Registry;
use sqlx::{PgPool, Row};

use crate::world::{labelled, settings, store, value};

/// A farm at work, with a scheduler and a Cuebot of some kind.
struct World {
    db: TestDb,
    rqd: SimRqd,
    completer: Completer,
    pipeline: Pipeline,
    registry: Registry,
}

impl World {
    async fn start(db: TestDb, duration: FrameDuration, accounting: Accounting) -> Self {
        Self::start_with(db, duration, accounting, true).await
    }

    async fn start_with(
        db: TestDb,
        duration: FrameDuration,
        accounting: Accounting,
        finish_jobs: bool,
    ) -> Self {
        let mut rqd = SimRqd::start(SimRqdSettings {
            duration,
            hosts: hosts(&db.pool).await,
            completions: NonZeroUsize::MIN.saturating_add(65_535),
            ..SimRqdSettings::default()
        })
        .unwrap();
        let cuebot = CompleterSettings {
            accounting,
            finish_jobs,
            ..CompleterSettings::default()
        };
        let ends = rqd.completions().unwrap();
        let completer = Completer::start(db.pool.clone(), ends, cuebot);
        let settings = settings(&db.url, rqd.address(), &[]);
        let registry = Registry::new();
        let pipeline = Pipeline::build(&settings, &registry).await.unwrap();
        Self {
            db,
            rqd,
            completer,
            pipeline,
            registry,
        }
    }

    /// Waits until the accounts have caught up, then takes everything down and audits it.
    async fn close(self) {
        until("the counters to follow", async || {
            let options = AuditOptions::default();
            audit_with(&self.db.pool, &options).await.unwrap().is_ok()
        })
        .await;
        let report = self.pipeline.flow.drain(Duration::from_secs(30)).await;
        assert!(report.laggards.is_empty() && report.fatal.is_none());
        let log = LaunchLog::of(&self.rqd);
        self.rqd.shutdown().await;
        assert_eq!(self.completer.finish().await.lost, 0);
        let options = AuditOptions {
            launches: Some(&log),
            exactly_once: true,
            ..AuditOptions::default()
        };
        let audit = audit_with(&self.db.pool, &options).await.unwrap();
        assert!(audit.is_ok(), "{audit}");
    }
}

async fn hosts(pool: &PgPool) -> HashMap<String, SimHost> {
    let rows = sqlx::query("SELECT str_name, int_cores, int_mem FROM host").fetch_all(pool);
    let rows = rows.await.unwrap();
    rows.iter()
        .map(|row| {
            let host = SimHost {
                cores: Centicores(row.get("int_cores")),
                memory: Kib(row.get("int_mem")),
            };
            (row.get("str_name"), host)
        })
        .collect()
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

#[tokio::test]
async fn a_farm_drains_on_messages_and_no_cap_is_ever_passed() {
    let (db, frames) = tight_farm().await;
    let watch = AuditWatch::start(db.pool.clone());
    let world = World::start(db, SHORT, Accounting::Managed).await;
    within(
        "the farm to drain",
        world.completer.completed_at_least(frames),
    )
    .await;
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    assert!(value(&world.registry, "scheduler_accounting_releases_total") > 0.0);
    let found = labelled(
        &world.registry,
        "scheduler_accounting_corrected_total",
        "look",
    );
    assert_eq!(found, 0.0, "releases are no drift");
    world.close().await;
}

#[tokio::test]
async fn beside_a_cuebot_that_subtracts_nothing_is_ever_corrected() {
    let (db, frames) = tight_farm().await;
    let world = World::start(db, SHORT, Accounting::Current).await;
    within(
        "the farm to drain",
        world.completer.completed_at_least(frames),
    )
    .await;
    let corrected = value(&world.registry, "scheduler_accounting_corrected_total");
    assert_eq!(corrected, 0.0);
    let differing = value(&world.registry, "scheduler_accounting_differing_counters");
    assert_eq!(
        differing, 0.0,
        "a snapshot shows no booking or release by half"
    );
    assert!(
        value(
            &world.registry,
            "scheduler_recompute_cycle_duration_seconds"
        ) >= 1.0
    );
    world.close().await;
}

#[tokio::test]
async fn bookings_and_a_second_session_that_heals_all_the_time_pass_no_cap() {
    let (db, frames) = tight_farm().await;
    let watch = AuditWatch::start(db.pool.clone());
    let store = store(&db, &Registry::new()).await;
    let mut second = store.accounts_session().await.unwrap();
    let world = World::start(db, SHORT, Accounting::Managed).await;
    let mut counted = 0;
    let second = async {
        loop {
            let drift = store.drift(1000).await.unwrap();
            counted += second.heal(drift.keys).await.unwrap().corrected.sum();
            // Bookings need the rows in between; without a pause the farm crawls.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let drained = within(
        "the farm to drain",
        world.completer.completed_at_least(frames),
    );
    tokio::select! {
        () = second => {}
        () = drained => {}
    }
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    assert!(counted > 0, "the second session found nothing to do");
    world.close().await;
}

#[tokio::test]
async fn a_show_at_its_burst_goes_on_within_two_seconds_of_a_completion() {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("node1", |_| ()).await.unwrap();
    farm.frames("comp", 12, |_| ()).await.unwrap();
    sqlx::query("UPDATE subscription SET int_burst = 400")
        .execute(&db.pool)
        .await
        .unwrap();
    let world = World::start(db, FrameDuration::Never, Accounting::Managed).await;
    let mut worst = Duration::ZERO;
    for ended in 0..8 {
        within("the show to be at its burst", world.rqd.launched(4 + ended)).await;
        assert_eq!(world.rqd.running_count(), 4);
        let launches = world.rqd.launches();
        let began = Instant::now();
        assert!(world.rqd.finish(&launches[ended].frame_id, 0).await);
        within("the next launch", world.rqd.launched(5 + ended)).await;
        worst = worst.max(began.elapsed());
    }
    assert!(worst < Duration::from_secs(2), "{worst:?}");
    for launch in &world.rqd.launches()[8..] {
        world.rqd.finish(&launch.frame_id, 0).await;
    }
    within(
        "the last completions",
        world.completer.completed_at_least(12),
    )
    .await;
    world.close().await;
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
        sqlx::query(cap).execute(&db.pool).await.unwrap();
    }
    db
}

#[tokio::test]
async fn a_job_at_its_cap_goes_on_beside_every_cuebot_without_a_setting() {
    for accounting in [Accounting::Managed, Accounting::Silent, Accounting::Current] {
        let db = capped().await;
        let watch = AuditWatch::start(db.pool.clone());
        let began = Instant::now();
        let world =
            World::start(db, FrameDuration::Fixed(Duration::from_secs(1)), accounting).await;
        within("all frames", world.completer.completed_at_least(150)).await;
        eprintln!("{accounting:?}: 150 frames in {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(20), "{accounting:?}");
        let seen = watch.finish().await;
        assert!(seen.is_ok(), "{seen}");
        world.close().await;
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
        let world = World::start_with(db, SHORT, accounting, false).await;
        let mut more = Vec::new();
        for _ in 0..2 {
            let settings = settings(&world.db.url, world.rqd.address(), &[]);
            more.push(Pipeline::build(&settings, &Registry::new()).await.unwrap());
        }
        let drained = within(
            "the farm to drain",
            world.completer.completed_at_least(frames),
        );
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
        for pipeline in more {
            let report = pipeline.flow.drain(Duration::from_secs(30)).await;
            assert!(report.laggards.is_empty() && report.fatal.is_none());
        }
        world.close().await;
    }
}
