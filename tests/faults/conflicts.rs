//! Refusals by the database itself: deadlocks with a session that locks in the opposite order,
//! serialization failures, and rules of the schema. The booking is tried again where that may help, a
//! bounded number of times, and every frame is booked once.

use cue_simfarm::waiting::within;
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::ends::{assert_calm, errors, holding, refused, waiting_sessions};
use crate::world::{Scheduler, World, endless, yard};

const FRAMES: usize = 6;

/// Makes PostgreSQL end the other side of a deadlock.
async fn outlives_deadlocks(tx: &mut Transaction<'static, Postgres>) {
    sqlx::query("SET LOCAL deadlock_timeout = '60s'")
        .execute(&mut **tx)
        .await
        .unwrap();
}

/// Has sessions that connect from here on wait three seconds before they look for a deadlock. A session
/// looks once in a wait, so the booking's look has to come after the other session has asked for its
/// row.
const LOOK_LATE: &str = "DO $$ BEGIN EXECUTE format(
    'ALTER DATABASE %I SET deadlock_timeout = ''3s''', current_database()); END $$";

/// A foreign session holds a row that bookings lock late, and asks for one that they lock early
/// while a booking waits for it. Returns what happens then.
async fn meets(
    (late, early): (&'static str, &'static str),
    ids: (&str, &str),
    world: &World,
    settings: &[(&str, &str)],
) -> Scheduler {
    let mut foreign = holding(&world.db.pool, late, ids.0).await;
    outlives_deadlocks(&mut foreign).await;
    world.db.run(LOOK_LATE).await;
    let scheduler = Scheduler::start(world, settings).await;
    waiting_sessions(&world.db.pool, 1).await;
    let asked = sqlx::query(early).bind(ids.1).fetch_all(&mut *foreign);
    let got = within("the booking to give way", asked).await.unwrap();
    assert!(!got.is_empty(), "{early}");
    foreign.commit().await.unwrap();
    world.launched(FRAMES).await;
    scheduler
}

const POINT: &str = "SELECT 1 FROM point WHERE pk_point = $1 FOR UPDATE";
const FOLDER: &str = "SELECT 1 FROM folder_resource WHERE pk_folder = $1 FOR UPDATE";
const SUBSCRIPTION: &str = "SELECT 1 FROM subscription WHERE pk_subscription = $1 FOR UPDATE";
const HOST: &str = "SELECT 1 FROM host WHERE pk_host = $1 FOR UPDATE";
const FRAME: &str = "SELECT 1 FROM frame WHERE pk_frame = $1 FOR UPDATE";
const JOB_STAT: &str = "SELECT 1 FROM job_stat WHERE pk_job = $1 FOR UPDATE";

/// Nobody waits long enough for a deadlock over counters: the booking gives way first.
async fn gives_way(locks: (&'static str, &'static str), ids: (&str, &str), world: World) {
    let scheduler = meets(locks, ids, &world, &[]).await;
    let timeouts = scheduler.sum("scheduler_booking_timeouts_total");
    assert!(timeouts >= 1.0, "a booking gave way");
    assert_eq!(scheduler.sum("scheduler_booking_conflicts_total"), 0.0);
    assert_eq!(errors(&scheduler), timeouts);
    ends_well(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_booking_gives_way_before_there_is_a_deadlock_over_counters() {
    let (db, farm) = yard(1).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let ids = (&*farm.point, &*farm.subscription);
    gives_way((POINT, SUBSCRIPTION), ids, world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_booking_gives_way_before_there_is_a_deadlock_over_a_host() {
    let (db, farm) = yard(0).await;
    let host = farm.host("node1", |_| ()).await.unwrap();
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    gives_way((FOLDER, HOST), (&farm.folder, &host), world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_deadlock_costs_a_booking_one_more_try() {
    let (db, farm) = yard(1).await;
    let job = farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let ids = (&*job.id, &*job.layers[0].frames[0]);
    let patient = [("CUE_DATABASE_LOCK_TIMEOUT", "30s")];
    let scheduler = meets((JOB_STAT, FRAME), ids, &world, &patient).await;
    let conflicts = scheduler.sum("scheduler_booking_conflicts_total");
    assert!(conflicts >= 1.0, "a booking lost a deadlock");
    assert_eq!(errors(&scheduler), conflicts, "each was tried again");
    ends_well(world, scheduler).await;
}

/// A farm whose database refuses the first bookings with an error of this code.
async fn refusing(code: &str, times: u32) -> (World, Scheduler) {
    let (db, farm) = yard(1).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    // A sequence is not rolled back, so it counts the tries.
    let refuse = format!(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
             IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF;
             RETURN new;
         END $$ LANGUAGE plpgsql;
         CREATE TRIGGER refuse BEFORE INSERT ON proc FOR EACH ROW EXECUTE PROCEDURE refuse();"
    );
    let refuse = sqlx::raw_sql(AssertSqlSafe(refuse));
    refuse.execute(&db.pool).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(FRAMES).await;
    assert_eq!(errors(&scheduler), f64::from(times), "one a refusal");
    (world, scheduler)
}

async fn ends_well(world: World, scheduler: Scheduler) {
    let booked = scheduler.sum("scheduler_frames_dispatched_total");
    assert_eq!(booked, FRAMES as f64);
    assert_calm(&scheduler);
    world.finish(scheduler, FRAMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_serialization_failure_costs_a_booking_one_more_try() {
    let (world, scheduler) = refusing("40001", 2).await;
    assert_eq!(scheduler.sum("scheduler_booking_conflicts_total"), 2.0);
    ends_well(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_booking_is_tried_four_times_as_a_whole_and_then_in_parts() {
    let (world, scheduler) = refusing("40P01", 10).await;
    // Three more tries of the first booking; the other refusals meet its parts, and a later booking perhaps.
    let again = scheduler.sum("scheduler_booking_conflicts_total");
    assert!((3.0..=9.0).contains(&again), "{again}");
    let wasted = scheduler.sum("scheduler_wasted_attempts_total");
    assert_eq!(wasted, 0.0, "what is lost to others is not wasted");
    ends_well(world, scheduler).await;
}

/// The parts of a plan that was refused once are booked in the same pass.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_rule_of_the_schema_that_refuses_once_costs_a_booking_one_more_try() {
    let (world, scheduler) = refusing("P0001", 1).await;
    assert_eq!(refused(&scheduler, "database"), 0.0);
    let passed_over = scheduler.sum("scheduler_layers_skipped_while_resting_total");
    assert_eq!(passed_over, 0.0);
    assert_eq!(scheduler.sum("scheduler_booking_conflicts_total"), 0.0);
    ends_well(world, scheduler).await;
}
