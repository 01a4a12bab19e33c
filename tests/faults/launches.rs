//! Launches that fail in ways a farm knows well: hosts that are off, that keep failing, that start a
//! frame long after it was given up; and frames that no host will ever run.

use cue_simfarm::waiting::{until, within};
use std::time::{Duration, Instant};

use cue_simfarm::foreign;
use cue_simfarm::rqd::Fault;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::ends::{assert_calm, close_after_reruns};
use crate::middleman::Middleman;
use crate::world::{Scheduler, World, endless, yard};

/// A farm of one host and one job.
async fn farm(frames: i64) -> (World, String) {
    let (db, farm) = yard(1).await;
    let job = farm.frames("a", frames, |_| ()).await.unwrap();
    (World::open(db, endless()).await, job.id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_are_off_keep_no_frame_and_get_them_when_they_are_back() {
    let (world, _) = farm(4).await;
    // A port that is closed, until something listens there.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let scheduler = Scheduler::start_at(&world.db.url, address, &[]).await;
    until("bookings to be taken back", async || {
        scheduler.sum("scheduler_launches_undone_total") >= 4.0
            && world.frames("WAITING").await == 4
    })
    .await;
    assert_eq!(world.db.count("SELECT count(*) FROM proc").await, 0);
    assert_eq!(world.rqd.counts().asked, 0);

    let listener = TcpListener::bind(address).await.unwrap();
    let hosts = world.rqd.address().to_string();
    let mut cable = JoinSet::new();
    cable.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(&hosts).await.unwrap();
            connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
        }
    });
    world.finish_all(4).await;
    assert!(scheduler.sum_of("scheduler_launches_total", "unreachable") >= 1.0);
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_keeps_failing_is_left_out_for_a_growing_time() {
    let (world, _) = farm(1).await;
    world.rqd.set_fault_all(Fault::RefuseForNow);
    let scheduler = Scheduler::start(&world, &[]).await;
    let mut asked = Vec::new();
    for n in 1..=3 {
        within("the host to be tried", world.rqd.asked(n)).await;
        asked.push(Instant::now());
    }
    let (first, second) = (asked[1] - asked[0], asked[2] - asked[1]);
    // It backs off for two seconds and then for four. A call that is noticed late makes the backoff after it
    // look shorter.
    assert!(first >= Duration::from_secs(1), "{first:?}");
    assert!(second >= Duration::from_secs(3), "{second:?}");
    world.rqd.set_fault_all(Fault::None);
    world.finish_all(1).await;
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_no_host_will_run_is_asked_for_once_and_holds_nobody_up() {
    let (db, farm) = yard(1).await;
    let tags = farm.allocation.name.clone();
    // No host runs anything as this user.
    let hopeless = farm.job("hopeless", |job| {
        (job.uid, job.priority) = (Some(0), 100);
        job.layer("render", &tags, |layer| layer.frames = 3);
    });
    hopeless.await.unwrap();
    farm.frames("sound", 5, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.finish_all(5).await;
    scheduler.rounds(10).await;
    assert_eq!(world.rqd.counts().asked, 3 + 5, "each frame was tried once");
    assert_eq!(scheduler.sum("scheduler_launches_undone_total"), 3.0);
    assert_eq!(world.frames("WAITING").await, 3);
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_arrives_after_its_booking_was_taken_back_is_killed() {
    let (world, job) = farm(1).await;
    let middleman = Middleman::before(world.rqd.address()).await;
    let short = [("CUE_RQD_REQUEST_TIMEOUT", "2s")];
    let scheduler = Scheduler::start_at(&world.db.url, middleman.address(), &short).await;
    until("the launch to be taken back", async || {
        scheduler.sum("scheduler_launches_undone_total") >= 1.0
    })
    .await;
    // The host backs off now, so nothing is booked before the job is paused.
    let job = job.as_str().into();
    foreign::pause_job(&world.db.pool, &job, true)
        .await
        .unwrap();
    assert_eq!((middleman.held(), world.rqd.launch_count()), (1, 0));
    middleman.let_go().await;
    assert_eq!(world.rqd.running_count(), 1, "it runs without a booking");
    until("the latecomer to be killed", async || {
        scheduler.sum("scheduler_late_launches_killed_total") >= 1.0
    })
    .await;
    assert_eq!(
        (world.rqd.running_count(), world.rqd.counts().killed),
        (0, 1)
    );

    foreign::pause_job(&world.db.pool, &job, false)
        .await
        .unwrap();
    world.launched(2).await;
    let second = world.rqd.launches_since(1).remove(0);
    assert!(world.rqd.finish(&second.frame_id, 0).await);
    world.completed(1).await;
    assert_calm(&scheduler);
    scheduler.drain().await;
    assert_eq!(world.frames("SUCCEEDED").await, 1);
    let stats = close_after_reruns(world).await;
    assert_eq!((stats.completed, stats.stale), (1, 1));
}
