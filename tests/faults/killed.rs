//! `kill -9` of the real program at random moments while a farm drains: every frame completes exactly
//! once, and nothing stays booked.

use std::collections::HashSet;
use std::process::Stdio;
use std::time::Duration;

use cue_simfarm::seed::Fixture;
use sqlx::PgPool;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::ends::{Dice, assert_calm, from_environment};
use crate::world::{Scheduler, World, up_to_ms, yard};

/// Limits under which no launch is given up that a host is only slow to answer, and a booking that
/// nobody launched counts as forgotten after about 6 s.
const LIMITS: [(&str, &str); 4] = [
    ("CUE_LAUNCH_DEADLINE", "200ms"),
    ("CUE_RQD_CONNECT_TIMEOUT", "2s"),
    ("CUE_RQD_REQUEST_TIMEOUT", "2s"),
    ("CUE_RESOLVE_ATTEMPTS", "2"),
];

/// Hosts report what they run, as real ones do: a booking they do not know is never named.
async fn report(world: &World) {
    let named: Vec<String> = world
        .rqd
        .reports()
        .into_iter()
        .flat_map(|host| host.frames)
        .map(|frame| frame.resource_id)
        .collect();
    let procs = "UPDATE proc SET ts_ping = current_timestamp WHERE pk_proc IN (
        SELECT pk_proc FROM proc WHERE pk_proc = ANY($1) ORDER BY pk_proc FOR NO KEY UPDATE SKIP LOCKED)";
    let pool = &world.db.pool;
    sqlx::query(procs).bind(named).execute(pool).await.unwrap();
    let hosts = "UPDATE host_stat SET ts_ping = current_timestamp";
    sqlx::query(hosts).execute(pool).await.unwrap();
}

/// The program, until it is killed.
fn spawn(world: &World) -> Child {
    let rqd = world.rqd.address().to_string();
    Command::new(env!("CARGO_BIN_EXE_cue-scheduler"))
        .arg("run")
        .env_clear()
        .env("CUE_DATABASE_URL", &world.db.url)
        .env("CUE_RQD_ADDRESS", rqd)
        .env("CUE_ADMIN_ADDR", "off")
        .env("CUE_LOG", "error")
        .env("CUE_BATCH_LAYERS", "4")
        .env("CUE_BATCH_FRAMES", "12")
        .env("CUE_SATURATED_BACKOFF", "20ms")
        .envs(LIMITS)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn waiting(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM frame WHERE str_state = 'WAITING'")
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Keeps enough work on the farm that a kill always hits some.
async fn top_up(farm: &Fixture, pool: &PgPool, frames: &mut u64) {
    while waiting(pool).await < 200 {
        let name = format!("job{frames}");
        farm.frames(&name, 40, |_| ()).await.unwrap();
        *frames += 40;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_scheduler_killed_at_random_moments_loses_no_frame_and_runs_none_twice() {
    let kills = from_environment("CUE_TEST_KILLS", 8);
    let (db, farm) = yard(4).await;
    let mut frames = 0;
    top_up(&farm, &db.pool, &mut frames).await;
    let world = World::open(db, up_to_ms(40)).await;
    let mut dice = Dice::new(kills);
    let mut left_behind = HashSet::new();
    for _ in 0..kills {
        let mut program = spawn(&world);
        let before = world.rqd.launch_count();
        tokio::select! {
            () = world.launched(before + 1) => {}
            ended = program.wait() => panic!("the program ended by itself: {ended:?}"),
        }
        // The kill is the fault, and this is its moment. Some live long enough to look for what
        // those before them have left behind, and are killed while they take it back.
        let moment = match dice.below(8) {
            0 => dice.ms(6_500, 8_500),
            _ => dice.ms(0, 300),
        };
        tokio::time::sleep(moment).await;
        program.start_kill().unwrap();
        let status = program.wait().await.unwrap();
        assert_eq!(
            status.code(),
            None,
            "it was killed, and did not end: {status}"
        );
        left_behind.extend(never_launched(&world).await);
        report(&world).await;
        top_up(&farm, &world.db.pool, &mut frames).await;
    }

    let last = Scheduler::start(&world, &LIMITS).await;
    let mut reports = JoinSet::new();
    let pool = world.db.pool.clone();
    reports.spawn(async move {
        let alive = "UPDATE host_stat SET ts_ping = current_timestamp";
        loop {
            sqlx::query(alive).execute(&pool).await.unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    world.completed(frames).await;
    reports.shutdown().await;
    let undone = last.sum("scheduler_launches_undone_total");
    assert_calm(&last);
    last.drain().await;
    println!(
        "{kills} kills, {frames} frames, {} bookings left behind, {undone} taken back at the end",
        left_behind.len()
    );
    assert_eq!(
        world.frames("SUCCEEDED").await,
        i64::try_from(frames).unwrap()
    );
    assert_eq!(world.db.count("SELECT count(*) FROM proc").await, 0);
    world.close().await;
}

/// Procs that are booked and that no host was ever asked to run.
async fn never_launched(world: &World) -> Vec<String> {
    let query = "SELECT pk_proc FROM proc WHERE pk_frame IS NOT NULL";
    let booked = sqlx::query_scalar(query).fetch_all(&world.db.pool).await;
    let launches = world.rqd.launches();
    let launched: HashSet<String> = launches
        .into_iter()
        .map(|launch| launch.resource_id)
        .collect();
    let mut booked: Vec<String> = booked.unwrap();
    booked.retain(|proc| !launched.contains(proc));
    booked
}
