//! Stopping in the middle: what is booked is launched, and the next one goes on.

use cue_simfarm::waiting::until;
use std::collections::BTreeSet;
use std::time::Duration;

use cue_simfarm::rqd::SimRqdSettings;

use crate::world::{Scheduler, World, endless, up_to_ms, yard};

/// Small batches and few launches at once, so that a stop always finds the farm half done.
const SLOWLY: [(&str, &str); 3] = [
    ("CUE_BATCH_FRAMES", "10"),
    ("CUE_BATCH_LAYERS", "1"),
    ("CUE_LAUNCHES_IN_FLIGHT", "4"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_with_launches_in_flight_launches_all_that_is_booked_and_books_no_more() {
    let (db, farm) = yard(8).await;
    for job in ["a", "b", "c", "d"] {
        farm.frames(job, 50, |_| ()).await.unwrap();
    }
    let slow = SimRqdSettings {
        latency: Duration::from_millis(30),
        ..endless()
    };
    let world = World::open(db, slow).await;
    let mut all = SLOWLY.to_vec();
    all.push(("CUE_DATABASE_APPLICATION_NAME", "cue-drain"));
    let scheduler = Scheduler::start(&world, &all).await;
    world.launched(15).await;
    scheduler.drain().await;

    let running = world.frames("RUNNING").await;
    assert!(running >= 15, "what was launched still runs");
    assert!(
        world.frames("WAITING").await > 0,
        "it was stopped in the middle"
    );
    assert_eq!(running, world.rqd.running_count() as i64);
    let procs: Vec<String> = world.db.values("SELECT pk_proc FROM proc").await;
    let launches = world.rqd.launches();
    let launched: BTreeSet<&str> = launches.iter().map(|l| l.resource_id.as_str()).collect();
    let booked: BTreeSet<&str> = procs.iter().map(String::as_str).collect();
    assert_eq!(booked, launched, "nothing is booked that was not launched");
    let sessions =
        "SELECT count(*) FROM pg_stat_activity WHERE starts_with(application_name, 'cue-drain/')";
    until("its connections to be closed", async || {
        world.db.count(sessions).await == 0
    })
    .await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_scheduler_goes_on_where_the_first_was_stopped() {
    let (db, farm) = yard(4).await;
    for job in ["a", "b", "c"] {
        farm.frames(job, 80, |_| ()).await.unwrap();
    }
    // Launches take a while, so that however fast the machine is much is left when it stops.
    let slow = SimRqdSettings {
        latency: Duration::from_millis(30),
        ..up_to_ms(40)
    };
    let world = World::open(db, slow).await;
    let first = Scheduler::start(&world, &SLOWLY).await;
    world.completed(40).await;
    first.drain().await;
    assert!(
        world.frames("WAITING").await > 0,
        "it was stopped in the middle"
    );

    let second = Scheduler::start(&world, &[]).await;
    world.completed(240).await;
    second.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, 240);
    world.close().await;
}
