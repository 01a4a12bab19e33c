//! What the database itself refuses: deadlocks with a session that locks in the opposite order,
//! serialization failures, and rules of the schema. The booking is tried again where that may help, a
//! bounded number of times, and every frame is booked once.

use cue_simfarm::waiting::{until, within};
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

/// Has whoever connects from here on wait three seconds before it looks for a deadlock. A session
/// looks once in a wait, so the booking's look has to come after the other session has asked for its
/// row; and before the booking gives up waiting, after five seconds.
const LOOK_LATE: &str = "DO $$ BEGIN EXECUTE format(
    'ALTER DATABASE %I SET deadlock_timeout = ''3s''', current_database()); END $$";

/// A foreign session holds a row that bookings lock late, and asks for one that they lock early
/// while a booking waits for it.
async fn meets((late, early): (&'static str, &'static str), ids: (&str, &str), world: World) {
    let mut foreign = holding(&world.db.pool, late, ids.0).await;
    outlives_deadlocks(&mut foreign).await;
    sqlx::query(LOOK_LATE)
        .execute(&world.db.pool)
        .await
        .unwrap();
    let scheduler = Scheduler::start(&world, &[]).await;
    waiting_sessions(&world.db.pool, 1).await;
    let asked = sqlx::query(early).bind(ids.1).fetch_all(&mut *foreign);
    let got = within("the deadlock to be broken", asked).await.unwrap();
    assert!(!got.is_empty(), "{early}");
    foreign.commit().await.unwrap();

    world.launched(FRAMES).await;
    let conflicts = scheduler.sum("scheduler_booking_conflicts_total");
    assert!(conflicts >= 1.0, "a booking lost a deadlock");
    assert_eq!(errors(&scheduler), conflicts, "each was tried again");
    assert_calm(&scheduler);
    let booked = scheduler.sum("scheduler_frames_dispatched_total");
    assert_eq!(booked, FRAMES as f64);
    world.finish_all(FRAMES).await;
    scheduler.drain().await;
    world.close().await;
}

const POINT: &str = "SELECT 1 FROM point WHERE pk_point = $1 FOR UPDATE";
const FOLDER: &str = "SELECT 1 FROM folder_resource WHERE pk_folder = $1 FOR UPDATE";
const SUBSCRIPTION: &str = "SELECT 1 FROM subscription WHERE pk_subscription = $1 FOR UPDATE";
const HOST: &str = "SELECT 1 FROM host WHERE pk_host = $1 FOR UPDATE";
const FRAME: &str = "SELECT 1 FROM frame WHERE pk_frame = $1 FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_deadlock_over_counters_costs_a_booking_one_more_try() {
    let (db, farm) = yard(1).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let ids = (&*farm.point, &*farm.subscription);
    meets((POINT, SUBSCRIPTION), ids, world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_deadlock_over_a_host_costs_a_booking_one_more_try() {
    let (db, farm) = yard(0).await;
    let host = farm.host("node1", |_| ()).await.unwrap();
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    meets((FOLDER, HOST), (&farm.folder, &host), world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_deadlock_over_a_frame_costs_a_booking_one_more_try() {
    let (db, farm) = yard(1).await;
    let job = farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let frame = job.layers[0].frames[0].clone();
    meets((POINT, FRAME), (&farm.point, &frame), world).await;
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
    world.finish_all(FRAMES).await;
    scheduler.drain().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_serialization_failure_costs_a_booking_one_more_try() {
    let (world, scheduler) = refusing("40001", 2).await;
    assert_eq!(scheduler.sum("scheduler_booking_conflicts_total"), 2.0);
    ends_well(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_booking_is_tried_four_times_and_then_left_to_the_next_turn() {
    let (world, scheduler) = refusing("40P01", 10).await;
    // Three more tries of the first two bookings and two of the third; more only where another
    // booking takes the frames over between two tries.
    let again = scheduler.sum("scheduler_booking_conflicts_total");
    assert!((8.0..=10.0).contains(&again), "{again}");
    ends_well(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_booking_that_a_rule_of_the_schema_refuses_is_counted_and_tried_again_after_a_rest() {
    let (world, scheduler) = refusing("P0001", 1).await;
    assert_eq!(refused(&scheduler, "database"), 1.0);
    let wasted = || scheduler.sum_of("scheduler_wasted_attempts_total", "abandoned");
    until("their hosts to be counted as wasted", async || {
        wasted() >= 1.0
    })
    .await;
    until("the layer to be passed over", async || {
        scheduler.sum("scheduler_layers_skipped_while_resting_total") > 0.0
    })
    .await;
    assert_eq!(scheduler.sum("scheduler_booking_conflicts_total"), 0.0);
    ends_well(world, scheduler).await;
}
