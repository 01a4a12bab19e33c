//! Rows that the database refuses, for whatever reason: they cost the layers or the host that need them, and
//! the others of their batch are booked in the same turn.

use std::time::{Duration, Instant};

use cue_simfarm::metrics::sum;
use cue_simfarm::postgres::run;
use cue_simfarm::seed::{Fixture, Launched};
use cue_simfarm::waiting::until;
use sqlx::PgPool;

use crate::ends::refused;
use crate::world::{Scheduler, World, endless, yard};

/// Jobs that nothing is wrong with.
const SOUND: usize = 7;

/// Frames of each job.
const FRAMES: usize = 3;

/// Time in which sound jobs begin beside a bad one, on a machine that does other things as well.
const SOON: Duration = Duration::from_secs(4);

/// A rule of the farm that refuses with this code where the condition on the new row holds.
async fn refuse(pool: &PgPool, (table, when): (&str, &str), code: &str, condition: &str) {
    let sql = format!(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
             IF {condition} THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'; END IF;
             RETURN new;
         END $$ LANGUAGE plpgsql;
         DROP TRIGGER IF EXISTS refuse ON {table};
         CREATE {when} ON {table} FOR EACH ROW EXECUTE PROCEDURE refuse();"
    );
    run(pool, &sql).await;
}

const BEFORE_PROC: (&str, &str) = ("proc", "TRIGGER refuse BEFORE INSERT");

async fn allow(pool: &PgPool, table: &str) {
    run(pool, &format!("DROP TRIGGER refuse ON {table}")).await;
}

async fn jobs(farm: &Fixture, round: &str) -> (Launched, Vec<Launched>) {
    let mut sound = Vec::new();
    for n in 0..SOUND {
        let name = format!("{round}-{n}");
        let job = farm.frames(&name, FRAMES as i64, |_| ());
        sound.push(job.await.unwrap());
    }
    let name = format!("{round}-bad");
    let bad = farm.frames(&name, FRAMES as i64, |_| ());
    (bad.await.unwrap(), sound)
}

fn set_aside(scheduler: &Scheduler, reason: &str) -> f64 {
    scheduler.sum_of("scheduler_layers_set_aside_total", reason)
}

/// Frames of the job that were launched.
fn launched_of(world: &World, job: &Launched) -> usize {
    let launches = world.rqd.launches();
    let frames = job.layers.iter().flat_map(|layer| &layer.frames);
    let launched = frames.filter(|frame| launches.iter().any(|launch| *launch.frame_id == **frame));
    launched.count()
}

/// Ends all frames that were launched since, and waits until Cuebot has heard of them.
async fn finish(world: &World, before: usize, n: usize) {
    world.launched(before + n).await;
    for launch in &world.rqd.launches_since(before)[..n] {
        assert!(world.rqd.finish(&launch.frame_id, 0).await);
    }
    world.completed((before + n) as u64).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_error_of_any_code_costs_its_own_layer_only() {
    let (db, farm) = yard(3).await;
    let world = World::open(db, endless()).await;
    let pool = world.db.pool.clone();
    let codes = [
        "22023", "23514", "P0001", "XX000", "53100", "42501", "0A000", "25006", "57014", "55000",
    ];
    for code in codes {
        let before = world.rqd.launch_count();
        refuse(
            &pool,
            BEFORE_PROC,
            code,
            "(SELECT str_name FROM job WHERE pk_job = new.pk_job) LIKE '%-bad'",
        )
        .await;
        let (bad, _) = jobs(&farm, code).await;
        // All of them wait, so that they share a batch.
        let scheduler = Scheduler::start(&world, &[]).await;
        let began = Instant::now();
        world.launched(before + SOUND * FRAMES).await;
        let took = began.elapsed();
        println!("{code}: sound jobs began after {took:?}");
        assert!(took < SOON, "{code}: {took:?}");
        assert_eq!(launched_of(&world, &bad), 0, "{code}");
        until("the layer to be set aside", async || {
            set_aside(&scheduler, "refused") > 0.0
        })
        .await;
        finish(&world, before, SOUND * FRAMES).await;
        allow(&pool, "proc").await;
        let cured = Instant::now();
        finish(&world, before + SOUND * FRAMES, FRAMES).await;
        println!("{code}: the bad one began after {:?}", cured.elapsed());
        scheduler.drain().await;
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_rule_that_is_asked_at_the_commit_costs_its_own_layer_only() {
    let (db, farm) = yard(3).await;
    let deferred = ("proc", "CONSTRAINT TRIGGER refuse AFTER INSERT");
    let condition = "(SELECT str_name FROM job WHERE pk_job = new.pk_job) LIKE '%-bad'";
    refuse(&db.pool, deferred, "23514", condition).await;
    db.run("DROP TRIGGER refuse ON proc; CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON proc DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE PROCEDURE refuse()").await;
    let (bad, _) = jobs(&farm, "a").await;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(SOUND * FRAMES).await;
    until("the layer to be set aside", async || {
        set_aside(&scheduler, "refused") > 0.0
    })
    .await;
    assert_eq!(launched_of(&world, &bad), 0);
    allow(&world.db.pool, "proc").await;
    world.finish(scheduler, (SOUND + 1) * FRAMES).await;
}

/// A constraint of a row that several layers share: all of them wait, and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_folder_whose_row_is_refused_costs_its_own_jobs_only() {
    let (db, farm) = yard(3).await;
    let folder = farm.folder("full", -1, -1).await.unwrap();
    let tags = farm.allocation.name.clone();
    for n in 0..3 {
        let name = format!("full-{n}");
        let job = farm.job(&name, |job| {
            job.place.folder.clone_from(&folder);
            job.layer("render", &tags, |layer| layer.frames = FRAMES as i64);
        });
        job.await.unwrap();
    }
    jobs(&farm, "a").await;
    let check = format!(
        "ALTER TABLE folder_resource ADD CONSTRAINT farm_rule CHECK (pk_folder <> '{folder}' OR int_cores <= 0)"
    );
    db.run(&check).await;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched((SOUND + 1) * FRAMES).await;
    until("the layers to be set aside", async || {
        set_aside(&scheduler, "refused") >= 3.0
    })
    .await;
    assert_eq!(world.frames("WAITING").await, 3 * FRAMES as i64);
    world
        .db
        .run("ALTER TABLE folder_resource DROP CONSTRAINT farm_rule")
        .await;
    world.finish(scheduler, (SOUND + 4) * FRAMES).await;
}

/// The host is at fault: it backs off, and every job runs elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_whose_row_is_refused_is_left_out_and_its_frames_run_elsewhere() {
    let (db, farm) = yard(3).await;
    let condition = "new.str_name = 'node2' AND new.int_cores_idle < old.int_cores_idle";
    refuse(
        &db.pool,
        ("host", "TRIGGER refuse BEFORE UPDATE"),
        "22023",
        condition,
    )
    .await;
    // More than the other two hosts hold, so that the third one is tried in whatever order.
    let (frames, held) = (20, 64);
    for n in 0..4 {
        farm.frames(&format!("wide{n}"), frames, |_| ())
            .await
            .unwrap();
    }
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(held).await;
    let on_bad =
        "SELECT count(*) FROM proc p JOIN host h USING (pk_host) WHERE h.str_name = 'node2'";
    until("the host to be left out", async || {
        refused(&scheduler, "database") >= 1.0
    })
    .await;
    assert_eq!(world.db.count(on_bad).await, 0);
    allow(&world.db.pool, "host").await;
    world.finish(scheduler, 4 * frames as usize).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_fails_for_every_layer_is_reported_and_forgiven_soon() {
    let (db, farm) = yard(3).await;
    refuse(&db.pool, BEFORE_PROC, "42501", "true").await;
    jobs(&farm, "a").await;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    let retries = || {
        let items = "scheduler_stage_items_total";
        sum(&scheduler.registry, items, &["dispatch", "retry"])
    };
    until("the stage to report failures", async || retries() >= 4.0).await;
    assert_eq!(world.rqd.launch_count(), 0);
    allow(&world.db.pool, "proc").await;
    let cured = Instant::now();
    world.launched((SOUND + 1) * FRAMES).await;
    let took = cured.elapsed();
    assert!(took < SOON, "{took:?}");
    world.finish(scheduler, (SOUND + 1) * FRAMES).await;
}

/// A row that makes its statement run for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_row_that_takes_too_long_costs_its_own_layer_only() {
    let (db, farm) = yard(3).await;
    let slow = "(SELECT str_name FROM job WHERE pk_job = new.pk_job) LIKE '%-bad' AND pg_sleep(60) IS NOT NULL";
    refuse(&db.pool, BEFORE_PROC, "22023", slow).await;
    let (bad, _) = jobs(&farm, "a").await;
    let world = World::open(db, endless()).await;
    let short = [("CUE_DATABASE_STATEMENT_TIMEOUT", "2s")];
    let scheduler = Scheduler::start(&world, &short).await;
    world.launched(SOUND * FRAMES).await;
    assert_eq!(launched_of(&world, &bad), 0);
    world.db.run("CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RETURN new; END $$ LANGUAGE plpgsql").await;
    world.finish(scheduler, (SOUND + 1) * FRAMES).await;
}
