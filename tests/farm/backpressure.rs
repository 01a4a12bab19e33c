//! Backpressure by arithmetic: what a blocked pipeline takes is what its queues and workers hold.
//!
//! Dispatch is blocked by a transaction that holds the counters of every show. One show has one job
//! of one layer of one frame, so one turn is one item on every edge.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{FarmSpec, HostClass, HostTags, JobShape, LayerShape, Span, seed};
use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, up_to_ms};

const SHOWS: usize = 24;

/// The name of the scheduler's connections in this test.
const NAME: &str = "cue-backpressure";

/// Workers and queues, as small as they can be with different sums.
const WIDTHS: [(&str, &str); 9] = [
    ("CUE_JOB_FETCH_WORKERS", "1"),
    ("CUE_JOB_FETCH_QUEUE", "2"),
    ("CUE_LAYER_LOCK_WORKERS", "1"),
    ("CUE_LAYER_LOCK_QUEUE", "3"),
    ("CUE_HOST_MATCH_WORKERS", "1"),
    ("CUE_HOST_MATCH_QUEUE", "1"),
    ("CUE_DISPATCH_WORKERS", "1"),
    ("CUE_DISPATCH_QUEUE", "2"),
    ("CUE_BATCH_LAYERS", "1"),
];

/// Open transactions: one in the hand of the lock, one queued and one in hand at the match, two
/// queued before dispatch. The one in the hand of dispatch waits for the counters.
const IDLE_IN_TRANSACTION: i64 = 1 + 1 + 1 + 2;

/// Turns: those with a transaction, the one in dispatch, three queued before the lock, and one in
/// hand and two queued at the fetch. The feed has one more in its hand, which it has not given.
const TURNS_GIVEN: f64 = IDLE_IN_TRANSACTION as f64 + 1.0 + 3.0 + 1.0 + 2.0;

fn many_shows() -> FarmSpec {
    FarmSpec {
        shows: SHOWS,
        allocations: 1,
        // A batch holds its hosts, so there is one for each that can be on its way.
        hosts: vec![HostClass {
            count: SHOWS,
            ..HostClass::default()
        }],
        host_tags: HostTags {
            manual_share: 0.0,
            hardware_share: 0.0,
            ..HostTags::default()
        },
        jobs: JobShape {
            per_show: Span::exactly(1),
            ..JobShape::default()
        },
        layers: LayerShape {
            per_job: Span::exactly(1),
            frames: Span::exactly(1),
            gpu_share: 0.0,
            special_tag_share: 0.0,
            two_tags_share: 0.0,
            ..LayerShape::default()
        },
        ..FarmSpec::default()
    }
}

async fn sessions(world: &World) -> (i64, i64) {
    sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'idle in transaction'),
                count(*) FILTER (WHERE wait_event_type = 'Lock')
         FROM pg_stat_activity WHERE starts_with(application_name, $1 || '/') AND datname = current_database()",
    )
    .bind(NAME)
    .fetch_one(&world.db.pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_dispatch_is_felt_by_the_feed_after_exactly_what_queues_and_workers_hold() {
    let db = TestDb::fresh().await;
    seed(&db.pool, &many_shows(), 3).await.unwrap();
    // Clusters of host names would find no jobs, and give turns that say nothing.
    let names: Vec<String> = db.values("SELECT str_name FROM host").await;
    let world = World::open(db, up_to_ms(5)).await;
    let mut blocker = world.db.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM job_stat FOR UPDATE")
        .fetch_all(&mut *blocker)
        .await
        .unwrap();

    let ignored = names.join(",");
    let mut all = WIDTHS.to_vec();
    all.push(("CUE_IGNORE_TAGS", &ignored));
    all.push(("CUE_DATABASE_APPLICATION_NAME", NAME));
    all.push(("CUE_DATABASE_LOCK_TIMEOUT", "25s"));
    all.push(("CUE_DATABASE_STATEMENT_TIMEOUT", "30s"));
    let scheduler = Scheduler::start(&world, &all).await;
    let given = || scheduler.sum("scheduler_cluster_polls_total");
    let full = (IDLE_IN_TRANSACTION, 1);
    until("the pipeline to be full", async || {
        given() >= TURNS_GIVEN && sessions(&world).await == full
    })
    .await;

    // The side loops go on, and show that there was time to take more.
    scheduler.rounds(10).await;
    assert_eq!(given(), TURNS_GIVEN);
    assert_eq!(sessions(&world).await, full);
    assert_eq!(
        world.rqd.counts().asked,
        0,
        "nothing is launched that is not committed"
    );
    for (stage, depth, busy) in [
        ("job_fetch", 2.0, 1.0),
        ("layer_lock", 3.0, 1.0),
        ("host_match", 1.0, 1.0),
        ("dispatch", 2.0, 1.0),
        ("check_in", 0.0, 0.0),
    ] {
        let of = |name| scheduler.sum_of(name, stage);
        assert_eq!(of("scheduler_stage_queue_depth"), depth, "{stage}");
        assert_eq!(of("scheduler_stage_busy_workers"), busy, "{stage}");
    }

    blocker.rollback().await.unwrap();
    world.completed(SHOWS as u64).await;
    world.end(scheduler).await;
}
