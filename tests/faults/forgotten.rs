//! Bookings whose scheduler died between the commit and the launch: another one finds them and takes
//! them back within seconds, and touches nothing that runs.

use cue_simfarm::metrics::sum;
use cue_simfarm::waiting::until;
use std::ops::RangeInclusive;

use cue_simfarm::rqd::Fault;
use prometheus::Registry;

use crate::ends::{SHORT, assert_calm};
use crate::world::{Scheduler, World, endless, yard};

const FRAMES: usize = 10;

/// Number of bookings that were taken back because they had been forgotten: not those that these
/// processes made themselves and, on a slow machine, could not launch in the time that is so short
/// here. It is the least and the most, for a launch without an answer may have been taken back later
/// or not. They must have been drained: a launch is counted before it is taken back.
fn taken_back(drained: &[&Registry]) -> RangeInclusive<f64> {
    let all = |name: &str, labels: &[&str]| -> f64 {
        let sums = drained.iter().map(|registry| sum(registry, name, labels));
        sums.sum()
    };
    let launches = |outcome| all("scheduler_launches_total", &[outcome]);
    let failed = [
        "too_late",
        "unreachable",
        "not_sent",
        "refused_for_now",
        "not_running",
    ];
    let failed: f64 = failed.into_iter().map(launches).sum();
    let most = all("scheduler_launches_undone_total", &[]) - failed;
    most - launches("unresolved")..=most
}

/// A farm whose frames are all booked and of which no host knows, as a process leaves it that is
/// killed right after its commits: a dry run writes just that.
async fn orphaned() -> World {
    let (db, farm) = yard(2).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let dry = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
    until("all frames to be booked", async || {
        world.frames("RUNNING").await == FRAMES as i64
    })
    .await;
    dry.drain().await;
    assert_eq!(world.rqd.counts().asked, 0);
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn bookings_of_a_dead_scheduler_are_taken_back_and_run() {
    let world = orphaned().await;
    let scheduler = Scheduler::start(&world, &SHORT).await;
    // Cuebot would take 300 s, which is far longer than anything here is waited for.
    world.launched(FRAMES).await;
    world.finish_all(FRAMES).await;
    assert_calm(&scheduler);
    let registry = scheduler.registry.clone();
    scheduler.drain().await;
    let taken_back = taken_back(&[&registry]);
    assert!(taken_back.contains(&(FRAMES as f64)), "{taken_back:?}");
    let charged = "SELECT count(*) FROM frame WHERE int_retries > 0";
    assert_eq!(world.db.count(charged).await, 0, "no retry is charged");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn two_schedulers_that_find_the_same_bookings_take_each_back_once() {
    let world = orphaned().await;
    let one = Scheduler::start(&world, &SHORT).await;
    let other = Scheduler::start(&world, &SHORT).await;
    world.launched(FRAMES).await;
    world.finish_all(FRAMES).await;
    let registries = [&one, &other].map(|scheduler| scheduler.registry.clone());
    for scheduler in [one, other] {
        assert_calm(&scheduler);
        scheduler.drain().await;
    }
    let [one, other] = &registries;
    let taken_back = taken_back(&[one, other]);
    assert!(taken_back.contains(&(FRAMES as f64)), "{taken_back:?}");
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_frame_that_runs_is_not_touched_though_no_report_has_named_it() {
    let (db, farm) = yard(2).await;
    farm.frames("runs", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let first = Scheduler::start(&world, &SHORT).await;
    world.launched(FRAMES).await;
    // On a slow machine some were booked twice, for their first launch came too late.
    let versions =
        "SELECT sum(f.int_version)::bigint FROM frame f JOIN job j ON j.pk_job = f.pk_job
         WHERE j.str_name LIKE '%runs%'";
    let booked = world.db.count(versions).await;
    // Frames that are booked from here on are never launched.
    world.rqd.set_fault_all(Fault::Stall);
    farm.frames("stalls", FRAMES as i64, |_| ()).await.unwrap();
    let asked = world.rqd.asked(2 * FRAMES);
    cue_simfarm::waiting::within("the launches to stall", asked).await;
    // As a kill does: nothing is finished, and what the process knew is lost.
    drop(first);
    world.rqd.set_fault_all(Fault::None);

    let second = Scheduler::start(&world, &SHORT).await;
    world.launched(2 * FRAMES).await;
    assert_eq!(
        world.db.count(versions).await,
        booked,
        "what runs is as it was booked"
    );
    let reported = "SELECT count(*) FROM proc WHERE ts_ping > ts_booked + interval '1 second'";
    assert_eq!(world.db.count(reported).await, 0, "no report has named any");
    world.finish_all(2 * FRAMES).await;
    assert_calm(&second);
    let registry = second.registry.clone();
    second.drain().await;
    // The first may have taken some of its own back before it died.
    let taken_back = taken_back(&[&registry]);
    assert!(
        *taken_back.start() <= FRAMES as f64,
        "only what did not run: {taken_back:?}"
    );
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn bookings_on_a_host_that_does_not_answer_are_kept_until_it_does() {
    let world = orphaned().await;
    world.rqd.set_fault_all(Fault::Vanish);
    let scheduler = Scheduler::start(&world, &SHORT).await;
    until("the bookings to be looked after", async || {
        scheduler.sum("scheduler_launches_unresolved") >= FRAMES as f64
    })
    .await;
    assert_eq!(
        world.frames("RUNNING").await,
        FRAMES as i64,
        "none is released unasked"
    );
    world.rqd.set_fault_all(Fault::None);
    world.finish_all(FRAMES).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
}
