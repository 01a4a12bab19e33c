//! Launches that fail: what certainly does not run is taken back and tried again, what may run is
//! asked for first, and whatever happens, every frame runs once.

use cue_scheduler::hosts::HostFilter;
use cue_simfarm::rqd::Fault;
use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, endless, yard};

const FRAMES: usize = 12;

/// Hosts with a fault, and a job for them.
async fn faulty(fault: Fault) -> World {
    let (db, farm) = yard(3).await;
    farm.frames("a", FRAMES as i64, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    world.rqd.set_fault_all(fault);
    world
}

/// The farm ends as if nothing had been wrong.
async fn recovers(world: World, scheduler: Scheduler) {
    world.finish_all(FRAMES).await;
    scheduler.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, FRAMES as i64);
    let charged = "SELECT count(*) FROM frame WHERE int_retries > 0";
    assert_eq!(world.db.count(charged).await, 0, "no retry is charged");
    world.close().await;
}

async fn asked(world: &World, n: usize) {
    let event = format!("{n} launches to be asked for");
    cue_simfarm::waiting::within(&event, world.rqd.asked(n)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_refused_for_now_is_taken_back_and_tried_again() {
    let world = faulty(Fault::RefuseForNow).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    asked(&world, 1).await;
    until("all bookings to be taken back", async || {
        let undone = scheduler.sum("scheduler_launches_undone_total");
        undone >= FRAMES as f64 && world.frames("RUNNING").await == 0
    })
    .await;
    world.rqd.set_fault_all(Fault::None);
    recovers(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_refused_for_good_makes_its_layer_rest_instead_of_looping() {
    let world = faulty(Fault::RefuseForGood).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    until("all bookings to be taken back", async || {
        scheduler.sum("scheduler_launches_undone_total") >= FRAMES as f64
    })
    .await;
    // Its hosts back off too, and are not offered meanwhile.
    until("the layer to be passed over", async || {
        scheduler.sum("scheduler_layers_skipped_while_resting_total") > 0.0
    })
    .await;
    scheduler.rounds(10).await;
    assert_eq!(
        world.rqd.counts().asked,
        FRAMES,
        "each frame was tried once"
    );
    scheduler.drain().await;
    assert_eq!(world.frames("WAITING").await, FRAMES as i64);
    assert_eq!(world.db.count("SELECT count(*) FROM proc").await, 0);
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_host_does_not_keep_the_farm_from_its_work() {
    let world = faulty(Fault::None).await;
    world.rqd.set_fault("node1", Fault::RefuseForNow);
    let scheduler = Scheduler::start(&world, &[]).await;
    recovers(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_whose_answer_is_lost_is_found_running() {
    let world = faulty(Fault::DropReplyAfterLaunch).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    confirmed(&scheduler, FRAMES).await;
    assert_eq!(scheduler.sum("scheduler_launches_undone_total"), 0.0);
    recovers(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_is_never_answered_is_found_running() {
    let world = faulty(Fault::StallAfterLaunch).await;
    let short = [("CUE_RQD_REQUEST_TIMEOUT", "300ms")];
    let scheduler = Scheduler::start(&world, &short).await;
    // One launch finds out that the host does not answer, and no other is sent to it.
    let host = confirmed(&scheduler, 1).await;
    until("the others to wait again", async || {
        scheduler.sum_of("scheduler_launches_total", "not_sent") >= 1.0
            && world.frames("RUNNING").await == host as i64
    })
    .await;
    world.rqd.set_fault_all(Fault::None);
    recovers(world, scheduler).await;
}

/// Waits until hosts have confirmed `n` launches; returns the number of confirmed ones.
async fn confirmed(scheduler: &Scheduler, n: usize) -> usize {
    let confirmed = || scheduler.sum_of("scheduler_launches_total", "confirmed");
    until("launches to be confirmed by their hosts", async || {
        confirmed() >= n as f64
    })
    .await;
    confirmed() as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_vanishes_keeps_its_bookings_until_it_is_back_and_can_say() {
    let world = faulty(Fault::Vanish).await;
    let few = [("CUE_RESOLVE_ATTEMPTS", "2")];
    let scheduler = Scheduler::start(&world, &few).await;
    until("all launches to be left open", async || {
        scheduler.sum_of("scheduler_launches_total", "unresolved") >= FRAMES as f64
    })
    .await;
    assert_eq!(
        world.frames("RUNNING").await,
        FRAMES as i64,
        "nothing is released unasked"
    );
    let hosts = scheduler.running.hosts.clone().unwrap();
    until("the hosts to be listed with these launches", async || {
        let hosts = hosts.list(&HostFilter::default()).hosts;
        let unresolved = hosts.iter().map(|host| host.unresolved);
        unresolved.sum::<usize>() == FRAMES
    })
    .await;
    world.rqd.set_fault_all(Fault::None);
    recovers(world, scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_vanishes_after_the_launch_is_not_given_the_frame_twice() {
    let world = faulty(Fault::StallAfterLaunch).await;
    let few = [
        ("CUE_RESOLVE_ATTEMPTS", "2"),
        ("CUE_RQD_REQUEST_TIMEOUT", "2s"),
    ];
    let scheduler = Scheduler::start(&world, &few).await;
    world.launched(1).await;
    world.rqd.set_fault_all(Fault::Vanish);
    until("the launch to be left open", async || {
        scheduler.sum_of("scheduler_launches_total", "unresolved") >= 1.0
    })
    .await;
    world.rqd.set_fault_all(Fault::None);
    recovers(world, scheduler).await;
}
