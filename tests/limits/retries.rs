//! A start after a delay status charges no retry: the frame waited for a licence and did not fail.

use cue_simfarm::postgres::TestDb;
use cue_simfarm::schema::SchemaVersion;
use cue_simfarm::seed::Fixture;
use cue_simfarm::waiting::until;

use crate::world::{Scheduler, World, endless};

/// Exit statuses of the last run, and whether a start after them is charged where a limit names 75 and the
/// setting 330 and 331.
const STATUSES: [(i32, bool); 7] = [
    (75, false),
    (330, false),
    (331, false),
    (286, false),
    (76, true),
    (1, true),
    (332, true),
];

async fn charges(version: SchemaVersion, by_limit: bool) {
    let db = TestDb::at(version).await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    farm.host("node", |_| ()).await.unwrap();
    // The limit need not be one of the layer: its status means the same everywhere.
    let limit = farm.limit("licence", 1).await.unwrap();
    farm.limit("other", 1).await.unwrap();
    if by_limit {
        let name = "UPDATE limit_record SET int_exit_status = 75, int_delay_minutes = 5 WHERE pk_limit_record = $1";
        db.run_for(name, &[&limit]).await;
    }
    let job = farm
        .frames("job", STATUSES.len() as i64, |_| ())
        .await
        .unwrap();
    for ((status, _), frame) in STATUSES.iter().zip(&job.layers[0].frames) {
        let set = "UPDATE frame SET int_exit_status = $2, int_retries = 2 WHERE pk_frame = $1";
        let set = sqlx::query(set).bind(frame).bind(status);
        set.execute(&db.pool).await.unwrap();
    }
    let world = World::open(db, endless()).await;
    let more = [
        ("CUE_DRY_RUN", "true"),
        ("CUE_UNCHARGED_EXIT_STATUSES", "330, 331"),
    ];
    let scheduler = Scheduler::start(&world, &more).await;
    until("all frames to be booked", async || {
        world.frames("RUNNING").await == STATUSES.len() as i64
    })
    .await;
    for ((status, charged), frame) in STATUSES.iter().zip(&job.layers[0].frames) {
        let query = "SELECT int_retries::int FROM frame WHERE pk_frame = $1";
        let retries: i32 = sqlx::query_scalar(query)
            .bind(frame)
            .fetch_one(&world.db.pool)
            .await
            .unwrap();
        let charged = *charged || *status == 75 && !by_limit;
        assert_eq!(
            retries,
            2 + i32::from(charged),
            "{version}, status {status}"
        );
    }
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_after_a_delay_status_charges_no_retry() {
    charges(SchemaVersion::V47, false).await;
    charges(SchemaVersion::V51, true).await;
}
