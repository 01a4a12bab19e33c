//! Limits of a farm that changes: pairs that stand twice, a migration under a running service, jobs behind a
//! full limit.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::{Fixture, Launched};
use cue_simfarm::waiting::until;
use sqlx::PgPool;

use crate::world::{Scheduler, World, endless};

const DRY: [(&str, &str); 1] = [("CUE_DRY_RUN", "true")];

async fn running(pool: &PgPool, job: &Launched) -> i64 {
    let query = "SELECT count(*) FROM frame WHERE pk_job = $1 AND str_state = 'RUNNING'";
    sqlx::query_scalar(query)
        .bind(&job.id)
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn limited(farm: &Fixture, name: &str, frames: i64, limit: &str) -> Launched {
    let job = farm.frames(name, frames, |layer| layer.limits = vec![limit.to_owned()]);
    job.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_bound_twice_counts_once() {
    let db = TestDb::at(SchemaVersion::V47).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("node", |_| ()).await.unwrap();
    let limit = farm.limit("licence", 3).await.unwrap();
    let first = limited(&farm, "first", 1, &limit).await;
    let again = "INSERT INTO layer_limit (pk_layer_limit, pk_layer, pk_limit_record)
                 SELECT 'again' || n, pk_layer, pk_limit_record FROM layer_limit, generate_series(1, 2) n";
    db.run(again).await;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &DRY).await;
    until("the first", async || {
        running(&world.db.pool, &first).await == 1
    })
    .await;
    let second = limited(&farm, "second", 5, &limit).await;
    until("the second", async || {
        running(&world.db.pool, &second).await == 2
    })
    .await;
    scheduler.rounds(3).await;
    assert_eq!(running(&world.db.pool, &second).await, 2, "3 in all");
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_under_a_running_service_changes_what_limits_mean() {
    let db = TestDb::at(SchemaVersion::V47).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    for node in ["node1", "node2"] {
        farm.host(node, |host| host.cores = 400).await.unwrap();
    }
    let limit = farm.limit("licence", 1).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &DRY).await;
    let job = limited(&farm, "job", 10, &limit).await;
    until("one frame", async || {
        running(&world.db.pool, &job).await == 1
    })
    .await;
    scheduler.rounds(3).await;
    assert_eq!(running(&world.db.pool, &job).await, 1, "a limit by frames");
    world.db.migrate_to(SchemaVersion::V51).await.unwrap();
    scheduler.rounds(3).await;
    assert_eq!(
        running(&world.db.pool, &job).await,
        1,
        "and still, after the migration"
    );
    let by_hosts = "UPDATE limit_record SET str_type = 'HOST'";
    world.db.run(by_hosts).await;
    until("the host with the licence to be full", async || {
        running(&world.db.pool, &job).await == 4
    })
    .await;
    scheduler.rounds(3).await;
    assert_eq!(
        running(&world.db.pool, &job).await,
        4,
        "one host has the licence"
    );
    let stale = "UPDATE limit_record SET ts_reported = current_timestamp - interval '1 hour'";
    world.db.run(stale).await;
    until("the other host to be used", async || {
        running(&world.db.pool, &job).await == 8
    })
    .await;
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_behind_a_full_limit_by_hosts_run() {
    let db = TestDb::at(SchemaVersion::V51).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    for node in ["node1", "node2"] {
        farm.host(node, |host| host.cores = 400).await.unwrap();
    }
    let limit = farm.limit("licence", 1).await.unwrap();
    let by_hosts = "UPDATE limit_record SET str_type = 'HOST'";
    db.run(by_hosts).await;
    let world = World::open(db, endless()).await;
    // Few jobs and layers a turn, so that those in front fill it.
    let narrow = [("CUE_DRY_RUN", "true"), ("CUE_FRAMES_PER_TURN", "8")];
    let scheduler = Scheduler::start(&world, &narrow).await;
    let mut front = Vec::new();
    for n in 0..6 {
        let name = format!("front{n}");
        let job = farm.job(&name, |job| {
            job.priority = 100;
            job.layer("render", &farm.allocation.name, |layer| {
                layer.frames = 6;
                layer.limits = vec![limit.clone()];
            });
        });
        front.push(job.await.unwrap());
    }
    until("the host with the licence to be full", async || {
        let mut all = 0;
        for job in &front {
            all += running(&world.db.pool, job).await;
        }
        all == 4
    })
    .await;
    let behind = farm.frames("behind", 4, |_| ()).await.unwrap();
    until("the job behind", async || {
        running(&world.db.pool, &behind).await == 4
    })
    .await;
    world.end(scheduler).await;
}
