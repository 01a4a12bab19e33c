//! Hosts on which nothing could be booked: less than one in twenty, on a farm with room for all frames and with
//! several batches under way at a time.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{FarmSpec, HostClass, Span, seed};
use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, endless};

/// The benchmark's farm, smaller: one show, one allocation, hosts of 64 cores, frames of one core.
fn farm() -> FarmSpec {
    let mut spec = FarmSpec {
        shows: 1,
        allocations: 1,
        hosts: vec![HostClass {
            count: 60,
            cores: 64,
            memory_gib: 256,
            ..HostClass::default()
        }],
        limits: Vec::new(),
        ..FarmSpec::default()
    };
    spec.subscription.burst = 1_000_000;
    spec.jobs.per_show = Span::exactly(30);
    spec.jobs.max_cores = 20_000;
    spec.jobs.os_share = 0.0;
    spec.layers.per_job = Span::exactly(4);
    spec.layers.frames = Span::exactly(20);
    spec.layers.cores_min = vec![100];
    spec.layers.mem_min_mib = vec![1024, 2048];
    spec.layers.threadable_share = 0.0;
    spec.layers.gpu_share = 0.0;
    spec.layers.two_tags_share = 0.0;
    spec.layers.special_tag_share = 0.0;
    spec
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn fewer_than_one_in_twenty_hosts_is_tried_in_vain() {
    let db = TestDb::fresh().await;
    let seeded = seed(&db.pool, &farm(), 1).await.unwrap();
    let world = World::open(db, endless()).await;
    let settings = [
        ("CUE_BATCH_FRAMES", "50"),
        ("CUE_BATCH_LAYERS", "32"),
        ("CUE_DRY_RUN", "true"),
    ];
    let scheduler = Scheduler::start(&world, &settings).await;
    let frames = i64::try_from(seeded.frames).unwrap();
    until("all frames to be booked", async || {
        world.frames("RUNNING").await == frames
    })
    .await;
    let tried = scheduler.sum("scheduler_hosts_attempted_total");
    let wasted = scheduler.sum("scheduler_wasted_attempts_total");
    assert!(tried >= 48.0, "{tried} hosts were tried");
    assert!(wasted < tried / 20.0, "{wasted} of {tried} were wasted");
    world.end(scheduler).await;
}
