//! Somebody else holds a row that a booking needs: what can be passed over is passed over, what must
//! be waited for is waited for a bounded time, and each ends in a counted skip.

use crate::ends::{assert_calm, errors, holding, refused};
use crate::world::{Scheduler, World, endless, yard};
use cue_simfarm::waiting::until;

const FRAMES: usize = 4;

/// A short wait for rows, so that it ends while somebody holds them.
const IMPATIENT: [(&str, &str); 1] = [("CUE_DATABASE_LOCK_TIMEOUT", "100ms")];

async fn nothing_is_booked(world: &World) {
    assert_eq!(world.rqd.counts().asked, 0);
    assert_eq!(world.frames("WAITING").await, FRAMES as i64);
    assert_eq!(world.count("SELECT count(*) FROM proc").await, 0);
}

async fn everything_runs(world: World, scheduler: Scheduler, frames: usize) {
    world.finish_all(frames).await;
    assert_calm(&scheduler);
    scheduler.drain().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_frame_that_somebody_holds_is_passed_over() {
    let (db, farm) = yard(1).await;
    let job = farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let lock = "SELECT 1 FROM frame WHERE pk_frame = $1 FOR UPDATE";
    let foreign = holding(&world.db.pool, lock, &job.layers[0].frames[0]).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(FRAMES - 1).await;
    scheduler.rounds(5).await;
    assert_eq!(world.rqd.launch_count(), FRAMES - 1);
    assert_eq!(errors(&scheduler), 0.0);
    foreign.rollback().await.unwrap();
    everything_runs(world, scheduler, FRAMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_layer_that_somebody_holds_is_passed_over_and_counted() {
    let (db, farm) = yard(1).await;
    let held = farm.frames("held", FRAMES as i64, |_| ()).await.unwrap();
    farm.frames("free", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let lock = "SELECT 1 FROM layer WHERE pk_layer = $1 FOR UPDATE";
    let foreign = holding(&world.db.pool, lock, &held.layers[0].id).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(FRAMES).await;
    until("the layer to be skipped", async || {
        scheduler.sum("scheduler_layers_skipped_by_lock_total") >= 1.0
    })
    .await;
    assert_eq!(world.rqd.launch_count(), FRAMES);
    assert_eq!(errors(&scheduler), 0.0);
    foreign.rollback().await.unwrap();
    everything_runs(world, scheduler, 2 * FRAMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_that_somebody_holds_is_passed_over_and_counted() {
    let (db, farm) = yard(0).await;
    let host = farm.host("node1", |_| ()).await.unwrap();
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let lock = "SELECT 1 FROM host WHERE pk_host = $1 FOR UPDATE";
    let foreign = holding(&world.db.pool, lock, &host).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    until("the host to be refused", async || {
        refused(&scheduler, "host_taken") >= FRAMES as f64
    })
    .await;
    nothing_is_booked(&world).await;
    assert_eq!(errors(&scheduler), 0.0, "a held host is no error");
    // Whoever looks at the page knows the host by its name.
    let sections = scheduler.running.sections.iter();
    let shown: std::collections::HashMap<_, _> =
        sections.map(cue_scheduler::admin::Section::read).collect();
    let last = shown["last_refusals"]["host_taken"].as_str().unwrap();
    let (why, age) = last.rsplit_once(", ").unwrap();
    assert!(
        why.ends_with("host node1 is held by another transaction"),
        "{last}"
    );
    assert!(age.ends_with(" s ago"), "{last}");
    foreign.rollback().await.unwrap();
    everything_runs(world, scheduler, FRAMES).await;
}

/// A row that must be waited for is held for longer than a booking waits.
async fn outwaits(lock: &'static str, of: impl FnOnce(&[&str; 5]) -> String) {
    outwaits_with(&IMPATIENT, lock, of).await;
}

async fn outwaits_with(
    limits_of_time: &[(&str, &str)],
    lock: &'static str,
    of: impl FnOnce(&[&str; 5]) -> String,
) {
    let (db, farm) = yard(1).await;
    let limit = farm.limit("licence", 100).await.unwrap();
    let limits = vec![limit.clone()];
    let limited = farm.frames("a", FRAMES as i64, |layer| layer.limits = limits);
    let job = limited.await.unwrap();
    let world = World::open(db, endless()).await;
    let ids = [
        &*job.id,
        &*job.layers[0].id,
        &*farm.subscription,
        &*farm.folder,
        &*limit,
    ];
    let foreign = holding(&world.db.pool, lock, &of(&ids)).await;
    let scheduler = Scheduler::start(&world, limits_of_time).await;
    until("bookings to be given up", async || {
        scheduler.sum("scheduler_booking_timeouts_total") >= 2.0
    })
    .await;
    nothing_is_booked(&world).await;
    foreign.rollback().await.unwrap();
    world.launched(FRAMES).await;
    let timeouts = scheduler.sum("scheduler_booking_timeouts_total");
    assert_eq!(errors(&scheduler), timeouts, "one error for each wait");
    everything_runs(world, scheduler, FRAMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_stat_row_that_somebody_holds_is_waited_for_a_while() {
    let lock = "SELECT 1 FROM job_stat WHERE pk_job = $1 FOR UPDATE";
    outwaits(lock, |ids| ids[0].to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_layer_stat_row_that_somebody_holds_is_waited_for_a_while() {
    let lock = "SELECT 1 FROM layer_stat WHERE pk_layer = $1 FOR UPDATE";
    outwaits(lock, |ids| ids[1].to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_subscription_that_somebody_holds_is_waited_for_a_while() {
    let lock = "SELECT 1 FROM subscription WHERE pk_subscription = $1 FOR UPDATE";
    outwaits(lock, |ids| ids[2].to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_resource_row_that_somebody_holds_is_waited_for_a_while() {
    let lock = "SELECT 1 FROM job_resource WHERE pk_job = $1 FOR UPDATE";
    outwaits(lock, |ids| ids[0].to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_folder_that_somebody_holds_is_waited_for_a_while() {
    let lock = "SELECT 1 FROM folder_resource WHERE pk_folder = $1 FOR UPDATE";
    outwaits(lock, |ids| ids[3].to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_limit_that_somebody_holds_is_waited_for_a_while() {
    let lock = "SELECT 1 FROM limit_record WHERE pk_limit_record = $1 FOR UPDATE";
    outwaits(lock, |ids| ids[4].to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_statement_that_takes_too_long_is_given_up_like_a_lock() {
    let lock = "SELECT 1 FROM point WHERE pk_show = (SELECT pk_show FROM job WHERE pk_job = $1) FOR UPDATE";
    let short = [("CUE_DATABASE_STATEMENT_TIMEOUT", "2s")];
    outwaits_with(&short, lock, |ids| ids[0].to_owned()).await;
}
