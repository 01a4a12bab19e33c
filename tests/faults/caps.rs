//! Caps that an operator lowers below what runs: nothing is stopped, nothing more is booked, and no
//! trigger has to refuse.

use cue_domain::Centicores;
use cue_domain::ids::{AllocId, ShowId};
use cue_simfarm::foreign;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;

use crate::ends::{assert_calm, errors, refused};
use crate::world::{Scheduler, World, endless, yard};

const FRAMES: usize = 8;

/// Five frames run when their cap is lowered to two; each end below that lets one more begin.
async fn lowered(world: World, farm: &Fixture, lower: impl AsyncFn(i64)) {
    lower(5).await;
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(5).await;
    lower(2).await;
    proves_a_turn(&world, farm, &scheduler, ("first", 1)).await;
    assert_eq!(world.frames("RUNNING").await, 5, "nothing is stopped");

    let first: Vec<_> = world.rqd.launches_since(0).into_iter().take(5).collect();
    for launch in &first[..3] {
        assert!(world.rqd.finish(&launch.frame_id, 0).await);
    }
    until("the ends to be applied", async || {
        world.frames("RUNNING").await <= 2
    })
    .await;
    proves_a_turn(&world, farm, &scheduler, ("second", 5)).await;
    assert_eq!(world.frames("RUNNING").await, 2, "the cap is reached");

    assert!(world.rqd.finish(&first[3].frame_id, 0).await);
    until("one more frame to begin", async || {
        world.frames("RUNNING").await == 2 && world.frames("WAITING").await == 2
    })
    .await;
    lower(200).await;
    world.finish_all(FRAMES + 2).await;
    assert_eq!(refused(&scheduler, "database"), 0.0);
    assert_eq!(errors(&scheduler), 0.0);
    assert_calm(&scheduler);
    world.end(scheduler).await;
}

/// A job that the cap does not concern is booked and ends: the scheduler has looked meanwhile. Returns
/// its name, and the number of frames that have ended with it.
async fn proves_a_turn(
    world: &World,
    farm: &Fixture,
    scheduler: &Scheduler,
    (name, ended): (&str, u64),
) {
    let before = world.rqd.launch_count();
    let elsewhere = farm.frames(name, 1, |layer| layer.tags = "elsewhere".to_owned());
    let job = elsewhere.await.unwrap();
    world.launched(before + 1).await;
    let launched = &world.rqd.launches_since(before)[0];
    assert_eq!(*launched.frame_id, *job.layers[0].frames[0]);
    assert!(world.rqd.finish(&launched.frame_id, 0).await);
    world.completed(ended).await;
    assert_eq!(errors(scheduler), 0.0);
}

/// A farm of one capped job, and of another allocation in which nothing is capped.
async fn farm() -> (World, Fixture) {
    let (db, farm) = yard(2).await;
    let other = farm.allocation("elsewhere", 10_000, 20_000).await.unwrap();
    let host = farm.host("other1", |host| {
        host.allocation = other.id;
        host.tags = vec![("elsewhere".to_owned(), "ALLOC")];
    });
    host.await.unwrap();
    let world = World::open(db, endless()).await;
    (world, farm)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_burst_lowered_below_what_runs_stops_nothing_and_admits_nothing() {
    let (world, farm) = farm().await;
    farm.frames("capped", FRAMES as i64, |_| ()).await.unwrap();
    let show = ShowId::from(farm.show.id.as_str());
    let alloc = AllocId::from(farm.allocation.id.as_str());
    let pool = world.db.pool.clone();
    let lower = async |cores| {
        let burst = Centicores::cores(cores);
        foreign::set_subscription_burst(&pool, &show, &alloc, burst)
            .await
            .unwrap();
    };
    lowered(world, &farm, lower).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_cap_lowered_below_what_runs_stops_nothing_and_admits_nothing() {
    let (world, farm) = farm().await;
    let job = farm.frames("capped", FRAMES as i64, |_| ()).await.unwrap();
    let (pool, job) = (world.db.pool.clone(), job.id.as_str().into());
    let lower = async |cores| {
        foreign::set_job_max_cores(&pool, &job, Centicores::cores(cores))
            .await
            .unwrap();
    };
    lowered(world, &farm, lower).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_folder_cap_lowered_below_what_runs_stops_nothing_and_admits_nothing() {
    let (world, farm) = farm().await;
    let folder = farm.folder("capped", -1, -1).await.unwrap();
    let tags = farm.allocation.name.clone();
    let job = farm.job("capped", |job| {
        job.place.folder.clone_from(&folder);
        job.layer("render", &tags, |layer| layer.frames = FRAMES as i64);
    });
    job.await.unwrap();
    let (pool, folder) = (world.db.pool.clone(), folder.as_str().into());
    let lower = async |cores| {
        let cap = Some(Centicores::cores(cores));
        foreign::set_folder_max_cores(&pool, &folder, cap)
            .await
            .unwrap();
    };
    lowered(world, &farm, lower).await;
}
