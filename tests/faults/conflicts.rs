//! Deadlocks with a session that locks in the opposite order: the booking is tried again, and every
//! frame is booked once.

use sqlx::{Postgres, Transaction};

use crate::ends::{assert_calm, errors, holding, waiting_sessions};
use crate::world::{Scheduler, World, endless, within, yard};

const FRAMES: usize = 6;

/// Makes PostgreSQL end the other side of a deadlock.
async fn outlives_deadlocks(tx: &mut Transaction<'static, Postgres>) {
    sqlx::query("SET LOCAL deadlock_timeout = '60s'")
        .execute(&mut **tx)
        .await
        .unwrap();
}

/// A foreign session holds a row that bookings lock late, and asks for one that they lock early
/// while a booking waits for it.
async fn meets((late, early): (&'static str, &'static str), ids: (&str, &str), world: World) {
    let mut foreign = holding(&world.db.pool, late, ids.0).await;
    outlives_deadlocks(&mut foreign).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_over_counters_costs_a_booking_one_more_try() {
    let (db, farm) = yard(1).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let ids = (&*farm.point, &*farm.subscription);
    meets((POINT, SUBSCRIPTION), ids, world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_over_a_host_costs_a_booking_one_more_try() {
    let (db, farm) = yard(0).await;
    let host = farm.host("node1", |_| ()).await.unwrap();
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    meets((FOLDER, HOST), (&farm.folder, &host), world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_over_a_frame_costs_a_booking_one_more_try() {
    let (db, farm) = yard(1).await;
    let job = farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let frame = job.layers[0].frames[0].clone();
    meets((POINT, FRAME), (&farm.point, &frame), world).await;
}
