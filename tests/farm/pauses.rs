//! Pauses: every replica obeys within a second, also one that starts later, and what has begun is finished.

use std::time::Duration;

use cue_domain::{Pause, PauseScope};
use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, endless, yard};

fn pause(scope: PauseScope) -> Pause {
    Pause {
        scope,
        by: "ann".to_owned(),
        reason: "the filers are full".to_owned(),
    }
}

/// Waits until no turn ends any more, and so none begins.
async fn quiet(scheduler: &Scheduler) {
    let begun = || scheduler.sum("scheduler_pass_terminated_reason_total");
    until("the feed to be quiet", async || {
        let before = begun();
        scheduler.rounds(5).await;
        begun() == before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pause_holds_on_every_replica_also_on_one_that_starts_later_until_it_is_resumed() {
    let (db, farm) = yard(4).await;
    let world = World::open(db, endless()).await;
    let first = Scheduler::start(&world, &[]).await;
    let second = Scheduler::start(&world, &[]).await;
    let levers = first.running.pauses.clone().unwrap();
    let minute = Duration::from_secs(60);
    assert!(levers.pause(&pause(PauseScope::All), minute).await.unwrap());
    let seen = second.running.pauses.clone().unwrap();
    let now = std::time::Instant::now();
    until("the other replica to obey", async || {
        !seen.active(std::time::Instant::now()).is_empty()
    })
    .await;
    assert!(
        now.elapsed() < Duration::from_secs(1),
        "{:?}",
        now.elapsed()
    );
    farm.frames("shot", 20, |_| ()).await.unwrap();
    // A third replica begins while booking is paused, and one that saw the pause ends.
    first.drain().await;
    let third = Scheduler::start(&world, &[]).await;
    for scheduler in [&second, &third] {
        scheduler.rounds(20).await;
        quiet(scheduler).await;
        assert_eq!(scheduler.sum_of("scheduler_pauses", "all"), 1.0);
    }
    assert_eq!(world.rqd.counts().asked, 0, "nothing is begun");
    let status = (second.running.status)();
    let held = status.condition.all_paused().unwrap();
    assert_eq!(
        (held.by.as_str(), held.reason.as_str()),
        ("ann", "the filers are full")
    );

    assert!(seen.resume(&PauseScope::All).await.unwrap());
    world.launched(20).await;
    world.finish_all(20).await;
    second.drain().await;
    third.drain().await;
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_show_goes_on_when_its_time_is_over() {
    let (db, farm) = yard(1).await;
    let world = World::open(db, endless()).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    let levers = scheduler.running.pauses.clone().unwrap();
    let show = PauseScope::Show("alpha".into());
    let time = Duration::from_millis(1_500);
    assert!(levers.pause(&pause(show), time).await.unwrap());
    let set = std::time::Instant::now();
    farm.frames("shot", 2, |_| ()).await.unwrap();
    world.launched(2).await;
    assert!(
        set.elapsed() >= Duration::from_millis(1_000),
        "{:?}",
        set.elapsed()
    );
    world.finish_all(2).await;
    scheduler.drain().await;
    world.close().await;
}
