//! The connection is lost before, during and after a COMMIT: what was committed is found out, and
//! then every frame runs once.

use crate::cable::{Break, Cable};
use crate::world::{Scheduler, World, up_to_ms, yard};
use cue_simfarm::metrics::sum;
use cue_simfarm::waiting::{until, within};

const FRAMES: u64 = 40;

/// Small batches, so that there are many commits.
const SMALL: [(&str, &str); 2] = [("CUE_BATCH_FRAMES", "4"), ("CUE_BATCH_LAYERS", "2")];

/// Four jobs and two hosts.
async fn farm() -> World {
    let (db, farm) = yard(2).await;
    for job in ["a", "b", "c", "d"] {
        farm.frames(job, 10, |_| ()).await.unwrap();
    }
    World::open(db, up_to_ms(10)).await
}

/// Drains a farm over a cable with these breaks.
async fn drains_over(breaks: Vec<Break>) {
    let world = farm().await;
    let n = breaks.len();
    let cable = Cable::to(&world.db.url, breaks, false).await;
    let url = cable.url(&world.db.url);
    let scheduler = Scheduler::start_at(&url, world.rqd.address(), &SMALL).await;
    within("the cable to break", cable.broken(n)).await;
    world.completed(FRAMES).await;
    let booked = scheduler.sum("scheduler_frames_dispatched_total");
    assert_eq!(booked, FRAMES as f64, "each booking is counted once");
    let undone = scheduler.sum("scheduler_launches_undone_total");
    assert_eq!(
        undone, 0.0,
        "what was committed is launched, not taken back"
    );
    scheduler.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, FRAMES as i64);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_before_a_commit_loses_the_booking_and_no_frame() {
    drains_over(vec![Break::Before; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_during_a_commit_is_found_out_about() {
    drains_over(vec![Break::During; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_after_a_commit_loses_neither_the_booking_nor_the_launch() {
    drains_over(vec![Break::After; 3]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_may_be_lost_in_every_way_in_one_run() {
    use Break::{After, Before, During};
    drains_over(vec![After, Before, During, After, During, Before]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_nobody_can_ask_about_becomes_a_debt_that_is_settled_later() {
    let world = farm().await;
    let cable = Cable::to(&world.db.url, vec![Break::After], true).await;
    let url = cable.url(&world.db.url);
    let mut patient = SMALL.to_vec();
    patient.push(("CUE_DATABASE_BREAKER_GIVES_UP", "false"));
    // One at a time: what dispatch gives up is the batch whose answer was lost.
    patient.push(("CUE_DISPATCH_WORKERS", "1"));
    let scheduler = Scheduler::start_at(&url, world.rqd.address(), &patient).await;
    within("the cable to break", cable.broken(1)).await;
    let items = "scheduler_stage_items_total";
    until("dispatch to give the question up", async || {
        sum(&scheduler.registry, items, &["dispatch", "retry"]) >= 1.0
    })
    .await;
    let committed = world.db.count("SELECT count(*) FROM proc").await;
    assert!(committed > 0, "the commit took place");
    assert_eq!(world.rqd.counts().asked, 0, "and nothing was launched");

    cable.join();
    world.completed(FRAMES).await;
    let undone = scheduler.sum("scheduler_launches_undone_total");
    assert!(undone >= committed as f64, "{undone} of {committed}");
    scheduler.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, FRAMES as i64);
    world.close().await;
}
