//! Replicas that disagree on when a booking counts as forgotten would take back each other's launches: the
//! second one does not start.

use cue_scheduler::output::chain;
use cue_scheduler::start;
use cue_simfarm::waiting::until;
use prometheus::Registry;

use crate::world::{Scheduler, World, endless, settings, yard};

const LONGER: [(&str, &str); 1] = [("CUE_RQD_REQUEST_TIMEOUT", "21s")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_other_times_does_not_start_beside_another_and_says_why() {
    let (db, farm) = yard(1).await;
    farm.frames("a", 4, |_| ()).await.unwrap();
    let world = World::open(db, endless()).await;
    let first = Scheduler::start(&world, &[]).await;
    world.launched(4).await;
    let other = settings(&world.db.url, world.rqd.address(), &LONGER);
    let error = start::start(&other, &Registry::new()).await.err();
    let error = chain(&error.expect("it does not start"));
    for part in ["rqd.request_timeout", "21s", "10s", "replica"] {
        assert!(error.contains(part), "{error}");
    }
    let same = Scheduler::start(&world, &[]).await;
    world.finish_all(4).await;
    for scheduler in [first, same] {
        scheduler.drain().await;
    }
    // After their end, it may start. Their sessions can take a moment to end.
    until("the other one to start", async || {
        match Box::pin(start::start(&other, &Registry::new())).await {
            Ok(running) => {
                running.flow.drain(cue_simfarm::waiting::PATIENCE).await;
                running.finish.await;
                true
            }
            Err(_) => false,
        }
    })
    .await;
    world.close().await;
}
