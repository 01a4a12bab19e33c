//! The farm changes while a booking is under way: between the lock on its frames and its write.
//!
//! A foreign session holds the job's statistics, so that the booking stands still where the test
//! wants it. Invariant: what changed in between is not booked, and the change is counted.

use cue_simfarm::foreign;
use cue_simfarm::seed::{Fixture, Launched};
use cue_simfarm::waiting::until;
use sqlx::{Postgres, Transaction};

use crate::ends::{assert_calm, errors, holding, refused, waiting_sessions};
use crate::world::{Scheduler, World, endless, yard};

const FRAMES: usize = 4;

const JOB_STAT: &str = "SELECT 1 FROM job_stat WHERE pk_job = $1 FOR UPDATE";

const SUBSCRIPTION: &str = "SELECT 1 FROM subscription WHERE pk_subscription = $1 FOR UPDATE";

/// A booking that stands still.
struct Midway {
    world: World,
    farm: Fixture,
    job: Launched,
    host: String,
    scheduler: Scheduler,
    foreign: Transaction<'static, Postgres>,
}

impl Midway {
    async fn stop() -> Self {
        let (db, farm) = yard(0).await;
        let host = farm.host("node1", |_| ()).await.unwrap();
        let job = farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
        let world = World::open(db, endless()).await;
        let foreign = holding(&world.db.pool, JOB_STAT, &job.id).await;
        let patient = [("CUE_DATABASE_LOCK_TIMEOUT", "30s")];
        let scheduler = Scheduler::start(&world, &patient).await;
        waiting_sessions(&world.db.pool, 1).await;
        Self {
            world,
            farm,
            job,
            host,
            scheduler,
            foreign,
        }
    }

    /// Lets the booking go on, which must refuse the host for all frames.
    async fn host_is_refused(self) -> (World, Fixture, Scheduler) {
        self.foreign.rollback().await.unwrap();
        let scheduler = self.scheduler;
        until("the host to be refused", async || {
            refused(&scheduler, "host_taken") >= FRAMES as f64
        })
        .await;
        nothing_is_booked(&self.world).await;
        assert_eq!(errors(&scheduler), 0.0);
        (self.world, self.farm, scheduler)
    }
}

async fn nothing_is_booked(world: &World) {
    assert_eq!(world.rqd.counts().asked, 0);
    assert_eq!(world.db.count("SELECT count(*) FROM proc").await, 0);
    assert_eq!(world.frames("WAITING").await, FRAMES as i64);
}

async fn everything_runs(world: World, scheduler: Scheduler) {
    world.finish_all(FRAMES).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_that_is_paused_midway_is_not_booked() {
    let Midway {
        world,
        job,
        scheduler,
        foreign,
        ..
    } = Midway::stop().await;
    let id = job.id.as_str().into();
    foreign::pause_job(&world.db.pool, &id, true).await.unwrap();
    foreign.rollback().await.unwrap();
    until("the frames to be found changed", async || {
        scheduler.sum("scheduler_frames_stolen_total") >= FRAMES as f64
    })
    .await;
    nothing_is_booked(&world).await;
    assert_eq!(errors(&scheduler), 0.0);
    foreign::pause_job(&world.db.pool, &id, false)
        .await
        .unwrap();
    everything_runs(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_that_is_killed_midway_is_not_booked() {
    let Midway {
        world,
        job,
        scheduler,
        foreign,
        ..
    } = Midway::stop().await;
    let killed = foreign::kill_job(&world.db.pool, &job.id.as_str().into()).await;
    assert!(killed.unwrap().is_empty(), "nothing ran");
    foreign.rollback().await.unwrap();
    until("the frames to be found changed", async || {
        scheduler.sum("scheduler_frames_stolen_total") >= FRAMES as f64
    })
    .await;
    nothing_is_booked(&world).await;
    assert_eq!(errors(&scheduler), 0.0);
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

/// Release subtracts from the folder that a job is in then, so a job is booked there, or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_that_is_moved_midway_is_charged_to_its_new_folder() {
    let Midway {
        world,
        farm,
        job,
        scheduler,
        foreign,
        ..
    } = Midway::stop().await;
    let folder = farm.folder("elsewhere", -1, -1).await.unwrap();
    let moved = sqlx::query("UPDATE job SET pk_folder = $2 WHERE pk_job = $1")
        .bind(&job.id)
        .bind(&folder)
        .execute(&world.db.pool);
    assert_eq!(moved.await.unwrap().rows_affected(), 1);
    foreign.rollback().await.unwrap();
    until("the frames to be found changed", async || {
        scheduler.sum("scheduler_frames_stolen_total") >= FRAMES as f64
    })
    .await;
    world.launched(FRAMES).await;
    let charged: i64 =
        sqlx::query_scalar("SELECT int_cores::bigint FROM folder_resource WHERE pk_folder = $1")
            .bind(&folder)
            .fetch_one(&world.db.pool)
            .await
            .unwrap();
    assert_eq!(charged, 100 * FRAMES as i64);
    everything_runs(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_that_is_locked_midway_is_not_booked() {
    let midway = Midway::stop().await;
    let host = midway.host.as_str().into();
    foreign::lock_host(&midway.world.db.pool, &host, true)
        .await
        .unwrap();
    let (world, _, scheduler) = midway.host_is_refused().await;
    foreign::lock_host(&world.db.pool, &host, false)
        .await
        .unwrap();
    everything_runs(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_that_goes_down_midway_is_not_booked() {
    let midway = Midway::stop().await;
    let host = midway.host.as_str().into();
    let lost = foreign::host_down(&midway.world.db.pool, &host).await;
    assert!(lost.unwrap().is_empty(), "nothing ran");
    let (world, _, scheduler) = midway.host_is_refused().await;
    let up = "UPDATE host_stat SET str_state = 'UP', ts_ping = current_timestamp";
    world.db.run(up).await;
    everything_runs(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_that_is_deleted_midway_is_not_booked() {
    let midway = Midway::stop().await;
    let host = midway.host.as_str().into();
    let lost = foreign::delete_host(&midway.world.db.pool, &host).await;
    assert!(lost.unwrap().is_empty(), "nothing ran");
    let (world, farm, scheduler) = midway.host_is_refused().await;
    farm.host("node2", |_| ()).await.unwrap();
    everything_runs(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_host_that_moves_to_another_allocation_midway_is_not_booked() {
    let midway = Midway::stop().await;
    let pool = &midway.world.db.pool;
    let other = midway.farm.allocation("other", 0, 0).await.unwrap();
    let moved = "UPDATE host SET pk_alloc = $2 WHERE pk_host = $1";
    let moved = |alloc| sqlx::query(moved).bind(midway.host.clone()).bind(alloc);
    moved(other.id).execute(pool).await.unwrap();
    let back = moved(midway.farm.allocation.id.clone());
    let (world, _, scheduler) = midway.host_is_refused().await;
    back.execute(&world.db.pool).await.unwrap();
    everything_runs(world, scheduler).await;
}

/// The subscription has room when the booking looks, and none when it has its lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_burst_that_fills_up_midway_is_not_passed_by_frames_already_written() {
    let (db, farm) = yard(1).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let mut foreign = holding(&world.db.pool, SUBSCRIPTION, &farm.subscription).await;
    sqlx::query("UPDATE subscription SET int_burst = 200 WHERE pk_subscription = $1")
        .bind(&*farm.subscription)
        .execute(&mut *foreign)
        .await
        .unwrap();
    let scheduler = Scheduler::start(&world, &[]).await;
    waiting_sessions(&world.db.pool, 1).await;
    foreign.commit().await.unwrap();

    world.launched(2).await;
    until("the rest to be refused", async || {
        refused(&scheduler, "subscription") >= (FRAMES - 2) as f64
    })
    .await;
    assert_eq!(scheduler.sum("scheduler_bookings_outrun_total"), 1.0);
    assert_eq!(world.frames("RUNNING").await, 2, "the burst is two cores");
    assert_eq!(refused(&scheduler, "database"), 0.0, "no trigger refused");
    assert_eq!(errors(&scheduler), 0.0);

    world
        .db
        .run("UPDATE subscription SET int_burst = 1000")
        .await;
    everything_runs(world, scheduler).await;
}
