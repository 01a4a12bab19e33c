//! The database goes away in the middle and comes back: nothing is lost and nothing runs twice.

use cue_simfarm::waiting::{until, within};

use crate::cable::{Break, Cable};
use crate::world::{Scheduler, World, up_to_ms, yard};

const FRAMES: u64 = 480;

/// Small batches, so that a cut hits some of them in every part of their way.
const SMALL: [(&str, &str); 3] = [
    ("CUE_BATCH_FRAMES", "8"),
    ("CUE_BATCH_LAYERS", "2"),
    ("CUE_LAUNCHES_IN_FLIGHT", "16"),
];

/// A farm, and a scheduler that reaches its database through a cable.
async fn behind_a_cable() -> (World, Cable, Scheduler) {
    let (db, farm) = yard(6).await;
    for job in ["a", "b", "c", "d"] {
        farm.frames(job, 120, |_| ()).await.unwrap();
    }
    let world = World::open(db, up_to_ms(15)).await;
    let cable = Cable::to(&world.db.url, Vec::new(), false).await;
    let url = cable.url(&world.db.url);
    let scheduler = Scheduler::start_at(&url, world.rqd.address(), &SMALL).await;
    (world, cable, scheduler)
}

async fn ends_well(world: World, scheduler: Scheduler) {
    world.completed(FRAMES).await;
    scheduler.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, FRAMES as i64);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_farm_survives_cuts_of_the_database_connection_and_every_frame_runs_once() {
    let (world, cable, scheduler) = behind_a_cable().await;
    let errors = || scheduler.sum_of("scheduler_db_statements_total", "error");
    for completed in [30, 90] {
        world.completed(completed).await;
        let before = errors();
        cable.cut();
        until("the scheduler to notice", async || errors() >= before + 3.0).await;
        assert!(
            world.completer.completed() < FRAMES,
            "it was cut in the middle"
        );
        cable.join();
    }
    ends_well(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_took_place_though_its_answer_was_lost_is_launched_once() {
    loses(Break::After).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_lost_on_its_way_is_booked_again() {
    loses(Break::Before).await;
}

async fn loses(how: Break) {
    let (world, cable, scheduler) = behind_a_cable().await;
    for _ in 0..3 {
        within("a commit to be lost", cable.break_next(how)).await;
    }
    let asked = || scheduler.sum_of("scheduler_db_statements_total", "committed_procs");
    until("the database to be asked what took place", async || {
        asked() >= 3.0
    })
    .await;
    ends_well(world, scheduler).await;
}
