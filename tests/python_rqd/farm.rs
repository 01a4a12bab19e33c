//! A scheduler and a farm of real daemons.

use std::time::{Duration, Instant};

use cue_proto::rqd::rqd_interface_client::RqdInterfaceClient;
use cue_proto::rqd::{RqdStaticLockAllRequest, RqdStaticUnlockAllRequest};
use cue_simfarm::waiting::{until, within};
use tonic::transport::Endpoint;

use crate::environment::python;
use crate::yard::Yard;

/// Longest time between the booking of a launch that is refused and its frame's return.
const BACK_WITHIN: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_on_real_daemons() {
    let Some(python) = python() else { return };
    let yard = Yard::open(python, &[(8, 8), (8, 8)]).await;
    yard.job("a", 40, "sleep 0.2").await;
    let scheduler = yard.scheduler(&[]).await;
    yard.succeeded(40).await;
    scheduler.drain().await;
    yard.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_locked_daemon_refuses_is_back_at_once_and_the_others_go_on() {
    let Some(python) = python() else { return };
    let yard = Yard::open(python, &[(8, 8), (8, 8)]).await;
    // Locked behind the back of its row, which stays OPEN.
    let locked = format!("http://{}", yard.daemons[0].address());
    let locked = Endpoint::from_shared(locked).unwrap().connect_lazy();
    let mut operator = RqdInterfaceClient::new(locked);
    operator.lock_all(RqdStaticLockAllRequest {}).await.unwrap();

    yard.job("a", 80, "sleep 0.2").await;
    let scheduler = yard.scheduler(&[]).await;
    let begun = Instant::now();
    let held = yard
        .longest_hold("127.0.0.2", async { yard.succeeded(80).await })
        .await;
    let took = begun.elapsed();
    assert!(held < BACK_WITHIN, "a refused frame was held for {held:?}");
    // 80 frames on 8 cores are ten rounds of 0.2 s and what a daemon needs to start them.
    assert!(took < Duration::from_secs(20), "it took {took:?}");

    let unlock = RqdStaticUnlockAllRequest {};
    operator.unlock_all(unlock).await.unwrap();
    yard.job("b", 400, "sleep 0.2").await;
    until("the unlocked daemon to run frames", async || {
        yard.runs_on("127.0.0.2").await > 0
    })
    .await;
    yard.succeeded(480).await;
    scheduler.drain().await;
    yard.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_with_half_the_cores_of_its_row_is_kept_as_busy_as_an_honest_one() {
    let Some(python) = python() else { return };
    let (cores, frames) = of_environment(16, 120);
    let took = async |row: u32| {
        let yard = Yard::open(python, &[(cores, row)]).await;
        yard.job("a", frames, "sleep 1").await;
        let begun = Instant::now();
        let scheduler = yard.scheduler(&[]).await;
        yard.succeeded(frames).await;
        let took = begun.elapsed();
        scheduler.drain().await;
        yard.close().await;
        took
    };
    let honest = took(cores).await;
    let promising = took(2 * cores).await;
    println!("{frames} frames on {cores} cores: {honest:?}, and {promising:?} with twice the row");
    assert!(
        promising < honest.mul_f64(1.5),
        "{promising:?} against {honest:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_no_report_named_are_not_forgotten() {
    let Some(python) = python() else { return };
    let yard = Yard::open(python, &[(8, 8)]).await;
    yard.job("a", 8, "sleep 45").await;
    let scheduler = yard.scheduler(&[]).await;
    until("all frames to run", async || {
        yard.runs_on("127.0.0.2").await == 8
    })
    .await;
    // Nothing here writes what reports say into the database. A second replica knows only that.
    let second = yard.scheduler(&[]).await;
    tokio::time::sleep(Duration::from_secs(35)).await;
    assert_eq!(yard.runs_on("127.0.0.2").await, 8);
    for scheduler in [&scheduler, &second] {
        let unresolved = scheduler.sum("scheduler_launches_unresolved");
        assert_eq!(unresolved, 0.0, "nothing is in doubt");
        assert_eq!(scheduler.sum("scheduler_launches_undone_total"), 0.0);
    }
    yard.succeeded(8).await;
    within("the drain", scheduler.drain()).await;
    within("the drain", second.drain()).await;
    yard.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_dies_in_mid_run_keeps_its_frames_and_holds_nobody_up() {
    let Some(python) = python() else { return };
    // The first row promises more, so that the dead host is offered frames too.
    let mut yard = Yard::open(python, &[(8, 16), (8, 8)]).await;
    yard.job_on("a", 8, "sleep 60", "127.0.0.2").await;
    let scheduler = yard.scheduler(&[]).await;
    until(
        "the daemon to run all frames, and to have said so",
        async || {
            let launched = scheduler.sum_of("scheduler_launches_total", "launched");
            launched >= 8.0 && yard.daemons[0].frames() == 8
        },
    )
    .await;
    yard.turn_off(0).await;
    yard.job("b", 80, "sleep 0.2").await;
    let begun = Instant::now();
    yard.succeeded(80).await;
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(20), "it took {took:?}");
    // They are Cuebot's to clear; to run one again now could be to run it twice.
    assert_eq!(yard.runs_on("127.0.0.2").await, 8);
    scheduler.drain().await;
    yard.close().await;
}

/// Cores and frames of the comparison, which can be made larger by hand: `CUE_TEST_A2=32,600`.
#[expect(
    clippy::disallowed_methods,
    reason = "a test run by hand has no other settings"
)]
fn of_environment(cores: u32, frames: i64) -> (u32, i64) {
    let Ok(text) = std::env::var("CUE_TEST_A2") else {
        return (cores, frames);
    };
    let (cores, frames) = text.split_once(',').unwrap();
    (cores.parse().unwrap(), frames.parse().unwrap())
}
