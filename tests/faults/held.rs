//! Somebody else holds a row that a booking needs: it costs the layers that need the row, for as long as it is
//! held, and nobody else.

use std::time::{Duration, Instant};

use crate::ends::{assert_calm, errors, holding, refused};
use crate::world::{Scheduler, World, endless, yard};
use cue_simfarm::waiting::until;
use sqlx::AssertSqlSafe;

const FRAMES: usize = 4;

async fn nothing_is_booked(world: &World) {
    assert_eq!(world.rqd.counts().asked, 0);
    assert_eq!(world.frames("WAITING").await, FRAMES as i64);
    assert_eq!(world.db.count("SELECT count(*) FROM proc").await, 0);
}

/// Hosts that were tried without a booking, so far.
fn wasted(scheduler: &Scheduler) -> f64 {
    scheduler.sum("scheduler_wasted_attempts_total")
}

async fn everything_runs(world: World, scheduler: Scheduler, frames: usize) {
    world.finish_all(frames).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
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
    // Readers of the page know the host by its name.
    let status = (scheduler.running.status)();
    let last = &status.last_refusals["host_taken"];
    let (why, age) = last.rsplit_once(", ").unwrap();
    assert!(
        why.ends_with("host node1 is held by another transaction"),
        "{last}"
    );
    assert!(age.ends_with(" s ago"), "{last}");
    assert_eq!(wasted(&scheduler), 0.0, "what others hold is not wasted");
    foreign.rollback().await.unwrap();
    everything_runs(world, scheduler, FRAMES).await;
}

/// Somebody holds a row of job X. Job Y begins nevertheless, before anything is let go; X is set aside with the
/// session's name, and begins soon after.
async fn is_left_out(lock: &'static str, of: impl FnOnce(&Held) -> String) {
    let (db, farm) = yard(2).await;
    let limit = farm.limit("licence", 100).await.unwrap();
    let folder = farm.folder("x", -1, -1).await.unwrap();
    let (tags, limits) = (farm.allocation.name.clone(), vec![limit.clone()]);
    let job = farm.job("x", |job| {
        job.place.folder.clone_from(&folder);
        job.layer("render", &tags, |layer| {
            layer.frames = FRAMES as i64;
            layer.limits = limits;
        });
    });
    let job = job.await.unwrap();
    farm.frames("y", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let held = Held {
        layer: job.layers[0].id.clone(),
        job: job.id,
        folder,
        limit,
    };
    let mut foreign = holding(&world.db.pool, lock, &of(&held)).await;
    sqlx::query("SET LOCAL application_name = 'a person'")
        .execute(&mut *foreign)
        .await
        .unwrap();
    let scheduler = Scheduler::start(&world, &[]).await;
    let began = Instant::now();
    world.launched(FRAMES).await;
    println!("the other job began after {:?}", began.elapsed());
    until("the layer to be set aside", async || {
        set_aside(&scheduler) >= 3.0
    })
    .await;
    assert_eq!(world.rqd.launch_count(), FRAMES);
    // Later tries ask who holds the row and wait for nothing.
    let timeouts = scheduler.sum("scheduler_booking_timeouts_total");
    assert!(timeouts <= 1.0, "{timeouts}");
    assert_eq!(errors(&scheduler), timeouts, "one error for each wait");
    let status = (scheduler.running.status)();
    let shown = &status.set_aside.first[0];
    let backoff = &shown.backoff;
    assert_eq!((&*shown.layer, &*backoff.reason), (&*held.layer, "held"));
    assert!(
        lock.contains(backoff.table.as_deref().unwrap()),
        "{shown:?}"
    );
    let holder = backoff.holder.as_deref().unwrap_or_default();
    // A job that is being changed is passed over without a question.
    assert!(
        holder.starts_with("a person (process ") || lock.contains("FROM job "),
        "{shown:?}"
    );
    assert_eq!(wasted(&scheduler), 0.0, "what others hold is not wasted");
    foreign.rollback().await.unwrap();
    let released = Instant::now();
    world.launched(2 * FRAMES).await;
    let took = released.elapsed();
    println!("the held job began after {took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
    everything_runs(world, scheduler, 2 * FRAMES).await;
}

struct Held {
    job: String,
    layer: String,
    folder: String,
    limit: String,
}

fn set_aside(scheduler: &Scheduler) -> f64 {
    scheduler.sum_of("scheduler_layers_set_aside_total", "held")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_job_stat_row_costs_its_own_job_only() {
    let lock = "SELECT 1 FROM job_stat WHERE pk_job = $1 FOR UPDATE";
    is_left_out(lock, |held| held.job.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_layer_stat_row_costs_its_own_layer_only() {
    let lock = "SELECT 1 FROM layer_stat WHERE pk_layer = $1 FOR UPDATE";
    is_left_out(lock, |held| held.layer.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_layer_resource_row_costs_its_own_layer_only() {
    let lock = "SELECT 1 FROM layer_resource WHERE pk_layer = $1 FOR UPDATE";
    is_left_out(lock, |held| held.layer.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_job_resource_row_costs_its_own_job_only() {
    let lock = "SELECT 1 FROM job_resource WHERE pk_job = $1 FOR NO KEY UPDATE";
    is_left_out(lock, |held| held.job.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_that_somebody_changes_costs_itself_only() {
    let lock = "SELECT 1 FROM job WHERE pk_job = $1 FOR NO KEY UPDATE";
    is_left_out(lock, |held| held.job.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_folder_costs_its_own_jobs_only() {
    let lock = "SELECT 1 FROM folder_resource WHERE pk_folder = $1 FOR UPDATE";
    is_left_out(lock, |held| held.folder.clone()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_limit_costs_its_own_layers_only() {
    let lock = "SELECT 1 FROM limit_record WHERE pk_limit_record = $1 FOR UPDATE";
    is_left_out(lock, |held| held.limit.clone()).await;
}

/// A row that all of a show's jobs need: they wait, and begin soon after it is let go.
async fn holds_the_show_back(lock: &'static str) {
    let (db, farm) = yard(1).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    farm.frames("b", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let foreign = holding(&world.db.pool, lock, &farm.show.id).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    until("both layers to be set aside", async || {
        set_aside(&scheduler) >= 4.0
    })
    .await;
    assert_eq!(world.rqd.launch_count(), 0);
    foreign.rollback().await.unwrap();
    let released = Instant::now();
    world.launched(2 * FRAMES).await;
    let took = released.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    everything_runs(world, scheduler, 2 * FRAMES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_subscription_holds_its_show_back() {
    holds_the_show_back("SELECT 1 FROM subscription WHERE pk_show = $1 FOR UPDATE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_held_point_holds_its_department_back() {
    holds_the_show_back("SELECT 1 FROM point WHERE pk_show = $1 FOR UPDATE").await;
}

/// A migration: nothing can be booked, the stage says so, and no session waits for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_table_that_is_locked_holds_everything_back_for_as_long_and_not_longer() {
    for table in ["proc", "subscription", "layer"] {
        let (db, farm) = yard(1).await;
        farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
        let world = World::open(db, endless()).await;
        let scheduler = Scheduler::start(&world, &[]).await;
        world.launched(FRAMES).await;
        farm.frames("b", FRAMES as i64, |_| ()).await.unwrap();
        let mut foreign = world.db.pool.begin().await.unwrap();
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(AssertSqlSafe(lock))
            .execute(&mut *foreign)
            .await
            .unwrap();
        let before = world.rqd.launch_count();
        if before < 2 * FRAMES {
            until("some stage to report failures", async || {
                scheduler.sum_of("scheduler_stage_items_total", "retry") >= 2.0
            })
            .await;
        }
        foreign.rollback().await.unwrap();
        let released = Instant::now();
        world.launched(2 * FRAMES).await;
        let took = released.elapsed();
        println!("{table}: booked again after {took:?}");
        assert!(took < Duration::from_secs(5), "{table}: {took:?}");
        world.finish(scheduler, 2 * FRAMES).await;
    }
}
