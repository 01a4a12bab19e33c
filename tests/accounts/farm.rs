//! Whole farms with the whole pipeline: it books, Cuebot's stand-in releases, the accountant counts.

use cue_simfarm::waiting::{until, within};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use cue_domain::{Centicores, Kib};
use cue_scheduler::pipeline::Pipeline;
use cue_simfarm::audit::{AuditOptions, AuditWatch, LaunchLog, audit_with};
use cue_simfarm::completion::{Accounting, Completer, CompleterSettings};
use cue_simfarm::postgres::TestDb;
use cue_simfarm::rqd::{FrameDuration, SimHost, SimRqd, SimRqdSettings};
use cue_simfarm::seed::{FarmSpec, Fixture, HostClass, Span, seed};
use prometheus::Registry;
use sqlx::{PgPool, Row};

use crate::world::{settings, store, value};

/// A farm at work, with a scheduler and a Cuebot that sends messages instead of subtracting.
struct World {
    db: TestDb,
    rqd: SimRqd,
    completer: Completer,
    pipeline: Pipeline,
    registry: Registry,
}

impl World {
    async fn start(db: TestDb, duration: FrameDuration, more: &[(&str, &str)]) -> Self {
        let mut rqd = SimRqd::start(SimRqdSettings {
            duration,
            hosts: hosts(&db.pool).await,
            completions: NonZeroUsize::MIN.saturating_add(65_535),
            ..SimRqdSettings::default()
        })
        .unwrap();
        let like_older_cuebots = CompleterSettings {
            accounting: Accounting::Managed,
            ..CompleterSettings::default()
        };
        let ends = rqd.completions().unwrap();
        let completer = Completer::start(db.pool.clone(), ends, like_older_cuebots);
        let settings = settings(&db.url, rqd.address(), more);
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

    /// Waits until the accountant has caught up, then takes everything down and audits it.
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

#[tokio::test]
async fn a_farm_drains_on_messages_alone_and_no_cap_is_ever_passed() {
    let (db, frames) = tight_farm().await;
    let watch = AuditWatch::start(db.pool.clone());
    let short = FrameDuration::Uniform(Duration::ZERO, Duration::from_millis(60));
    let world = World::start(db, short, &[("CUE_ACCOUNTING_RECOMPUTE", "1h")]).await;
    within(
        "the farm to drain",
        world.completer.completed_at_least(frames),
    )
    .await;
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    assert!(value(&world.registry, "scheduler_accounting_releases_total") > 0.0);
    let looks = "scheduler_recompute_cycle_duration_seconds";
    assert_eq!(value(&world.registry, looks), 1.0, "only at the election");
    world.close().await;
}

#[tokio::test]
async fn bookings_and_counts_of_everything_at_once_pass_no_cap() {
    let (db, frames) = tight_farm().await;
    let watch = AuditWatch::start(db.pool.clone());
    let second = store(&db, &Registry::new()).await;
    let short = FrameDuration::Uniform(Duration::ZERO, Duration::from_millis(60));
    let world = World::start(db, short, &[("CUE_ACCOUNTING_RECOMPUTE", "1s")]).await;
    // A second accountant who does not know that it was voted out, and never rests.
    let mut counted = 0;
    let usurper = async {
        loop {
            let stale = second.stale_counters(1000).await.unwrap();
            counted += second.recount(&stale).await.unwrap().sum();
        }
    };
    let drained = within(
        "the farm to drain",
        world.completer.completed_at_least(frames),
    );
    tokio::select! {
        () = usurper => {}
        () = drained => {}
    }
    let seen = watch.finish().await;
    assert!(seen.is_ok(), "{seen}");
    assert!(counted > 0, "the second accountant found nothing to do");
    world.close().await;
}

#[tokio::test]
async fn a_show_at_its_burst_goes_on_within_a_moment_of_a_completion() {
    let db = TestDb::fresh().await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("node1", |_| ()).await.unwrap();
    farm.frames("comp", 12, |_| ()).await.unwrap();
    sqlx::query("UPDATE subscription SET int_burst = 400")
        .execute(&db.pool)
        .await
        .unwrap();
    let hour = [("CUE_ACCOUNTING_RECOMPUTE", "1h")];
    let world = World::start(db, FrameDuration::Never, &hour).await;
    for ended in 0..8 {
        within("the show to be at its burst", world.rqd.launched(4 + ended)).await;
        assert_eq!(world.rqd.running_count(), 4);
        let launches = world.rqd.launches();
        assert!(world.rqd.finish(&launches[ended].frame_id, 0).await);
        within("the next launch", world.rqd.launched(5 + ended)).await;
    }
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
