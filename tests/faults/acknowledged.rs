//! An acknowledged launch is recorded: whatever dies or goes away afterwards, nobody takes its frame for
//! forgotten, and nobody runs it twice.

use std::num::NonZeroUsize;
use std::time::Duration;

use cue_simfarm::completion::{Completer, CompleterSettings};
use cue_simfarm::metrics::sum;
use cue_simfarm::rqd::{FrameDuration, SimRqd, SimRqdSettings};
use cue_simfarm::waiting::{until, within};

use crate::ends::{SHORT, assert_calm};
use crate::world::{Scheduler, World, endless, yard};

const FRAMES: usize = 16;

/// Bookings that no host has acknowledged.
const OPEN: &str = "SELECT count(*) FROM proc WHERE ts_ping < ts_booked";

fn statements(scheduler: &Scheduler, name: &str) -> f64 {
    let statements = "scheduler_db_statements_total";
    sum(&scheduler.registry, statements, &[name, "ok"])
}

/// Waits until forgotten bookings were looked for `more` times.
async fn looks(scheduler: &Scheduler, more: u32) {
    let seen = || statements(scheduler, "unlaunched_procs");
    let wanted = seen() + f64::from(more);
    until("looks for forgotten bookings", async || seen() >= wanted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn frames_that_ended_while_cuebot_is_away_are_not_run_again_by_anybody() {
    let (db, farm) = yard(2).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let mut rqd = SimRqd::start(SimRqdSettings {
        duration: FrameDuration::Fixed(Duration::from_millis(50)),
        completions: NonZeroUsize::MIN.saturating_add(1_023),
        ..endless()
    })
    .unwrap();
    // Nobody takes the completions: they wait in RQD for Cuebot.
    let ends = rqd.completions().unwrap();
    let running = "SELECT count(*) FROM frame WHERE str_state = 'RUNNING'";

    let first = Scheduler::start_at(&db.url, rqd.address(), &SHORT).await;
    within("the frames to end", rqd.ended(FRAMES)).await;
    until("the record", async || db.count(OPEN).await == 0).await;
    // By now they would count as forgotten, if they were not recorded.
    looks(&first, 2).await;
    assert_eq!(db.count(running).await, FRAMES as i64);
    // As a kill does: what the process knew is lost.
    drop(first);
    let second = Scheduler::start_at(&db.url, rqd.address(), &SHORT).await;
    looks(&second, 2).await;
    assert_eq!(db.count(running).await, FRAMES as i64);
    assert_eq!(rqd.counts().asked, FRAMES, "each frame was launched once");
    assert_eq!(second.sum("scheduler_launches_unresolved"), 0.0);
    assert_eq!(second.sum("scheduler_launches_undone_total"), 0.0);

    // Cuebot is back.
    let completer = Completer::start(db.pool.clone(), ends, CompleterSettings::default());
    let world = World { db, rqd, completer };
    world.completed(FRAMES as u64).await;
    assert_calm(&second);
    second.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, FRAMES as i64);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn acknowledgements_of_a_batch_are_one_statement() {
    let (db, farm) = yard(8).await;
    farm.frames("a", 200, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(200).await;
    until("the record", async || world.db.count(OPEN).await == 0).await;
    let batches = scheduler.sum_of("scheduler_stage_items_total", "dispatch");
    let written = statements(&scheduler, "acknowledge_launches");
    // Hosts that answer later than others of their batch are recorded with the next ones.
    assert!(written <= 4.0 * batches, "{written} for {batches} batches");
    world.finish_all(200).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_acknowledgement_that_cannot_be_written_is_kept_until_it_can() {
    let (db, farm) = yard(1).await;
    farm.frames("a", 4, |_| ()).await.unwrap();
    let slow = SimRqdSettings {
        latency: Duration::from_millis(700),
        ..endless()
    };
    let world = World::open(db, slow).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    until("the bookings", async || world.db.count(OPEN).await == 4).await;
    // Cuebot holds them while the host answers.
    let mut cuebot = world.db.pool.begin().await.unwrap();
    let hold = "SELECT pk_proc FROM proc ORDER BY pk_proc FOR UPDATE";
    sqlx::query(hold).fetch_all(&mut *cuebot).await.unwrap();
    world.launched(4).await;
    until("tries to write", async || {
        statements(&scheduler, "acknowledge_launches") >= 3.0
    })
    .await;
    assert_eq!(world.db.count(OPEN).await, 4);
    cuebot.rollback().await.unwrap();
    until("the record", async || world.db.count(OPEN).await == 0).await;
    world.finish_all(4).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_show_that_cuebot_booked_until_now_holds_nothing_forgotten() {
    let (db, farm) = yard(2).await;
    farm.frames("cuebot", 12, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let pool = &world.db.pool;
    let frames: Vec<String> = sqlx::query_scalar("SELECT pk_frame FROM frame")
        .fetch_all(pool)
        .await
        .unwrap();
    let host: String = sqlx::query_scalar("SELECT pk_host FROM host LIMIT 1")
        .fetch_one(pool)
        .await
        .unwrap();
    for frame in &frames {
        let (frame, host) = (frame.as_str().into(), host.as_str().into());
        let one = cue_domain::Resources {
            cores: cue_domain::Centicores(100),
            memory: cue_domain::Kib::GIB,
            gpus: 0,
            gpu_memory: cue_domain::Kib(0),
        };
        cue_simfarm::foreign::book_one_frame_like_cuebot(pool, &frame, &host, one)
            .await
            .unwrap();
    }
    // No host knows them, and an hour has passed.
    let age = "UPDATE proc SET ts_booked = ts_booked - interval '1 hour', ts_ping = ts_ping - interval '1 hour'";
    sqlx::query(age).execute(pool).await.unwrap();
    let scheduler = Scheduler::start(&world, &SHORT).await;
    looks(&scheduler, 2).await;
    assert_eq!(
        world.frames("RUNNING").await,
        12,
        "they are Cuebot's to clear"
    );
    assert_eq!(scheduler.sum("scheduler_launches_unresolved"), 0.0);
    assert_calm(&scheduler);
    scheduler.drain().await;
}
