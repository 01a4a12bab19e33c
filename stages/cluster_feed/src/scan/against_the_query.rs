//! The scan against the query of the turns, on farms drawn at random in a real database: whatever a
//! turn would find, the scan has said.

use std::num::NonZeroUsize;

use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{FarmSpec, HostClass, Span, seed};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::activity::Activity;
use crate::clusters::{ClusterRules, gather};
use crate::feed::tests::store;

/// Everything that a turn's query asks about, made anything at all. Some of it could not be in a
/// farm; the scan must bear it too.
const SHAKE: &[&str] = &[
    "UPDATE show SET b_active = random() < 0.9, b_scheduler_managed = random() < 0.9",
    "UPDATE subscription SET int_burst = (random() * 1000)::int, int_cores = (random() * 300)::int",
    "UPDATE job SET b_paused = random() < 0.2, ts_started = current_timestamp - random() * interval '1 day',
        str_state = (ARRAY['PENDING', 'PENDING', 'PENDING', 'FINISHED', 'STARTUP'])[1 + (random() * 4)::int]",
    "UPDATE job_stat SET int_waiting_count = CASE WHEN random() < 0.2 THEN 0 ELSE 5 END",
    "UPDATE job_resource SET int_cores = (random() * 600)::int, int_max_cores = (random() * 3000)::int,
        int_gpus = (random() * 3)::int, int_max_gpus = (random() * 4)::int",
    "UPDATE folder_resource SET int_max_cores = CASE WHEN random() < 0.5 THEN -1 ELSE 500 END, int_cores = (random() * 700)::int",
    "UPDATE layer SET int_cores_min = (random() * 500)::int - 100, int_gpus_min = (random() * 2)::int,
        ts_start_after = CASE WHEN random() < 0.6 THEN NULL ELSE current_timestamp + (random() - 0.5) * interval '1 day' END,
        str_tags = (ARRAY[str_tags, str_tags || ' | big mem', 'big mem', 'bigmem|x', ' bigmem ', '', '|', 'nowhere'])[1 + (random() * 7)::int]",
    "UPDATE layer_stat SET int_waiting_count = CASE WHEN random() < 0.3 THEN 0 ELSE (random() * 9)::int END",
];

const FARMS: u64 = 90;

/// Three shows with jobs, and a connection with which anything can be written.
async fn farm(db: &TestDb) -> PgConnection {
    let spec = FarmSpec {
        shows: 3,
        allocations: 3,
        hosts: vec![HostClass {
            count: 9,
            ..HostClass::default()
        }],
        analyze: false,
        ..FarmSpec::default()
    };
    let spec = FarmSpec {
        jobs: cue_simfarm::seed::JobShape {
            per_show: Span::exactly(10),
            ..spec.jobs
        },
        ..spec
    };
    seed(&db.pool, &spec, 3).await.unwrap();
    let mut conn = PgConnection::connect(&db.url).await.unwrap();
    let run = "INSERT INTO host_tag (pk_host_tag, pk_host, str_tag, str_tag_type)
               SELECT gen_random_uuid()::text, pk_host, t.tag, 'MANUAL' FROM host, (VALUES ('big mem'), ('bigmem')) t (tag)";
    sqlx::query(run).execute(&mut conn).await.unwrap();
    // The triggers would refuse some of what is written here.
    let no_triggers = "SET session_replication_role = replica";
    sqlx::query(no_triggers).execute(&mut conn).await.unwrap();
    conn
}

#[tokio::test]
async fn the_scan_names_every_cluster_for_which_a_turn_would_find_a_job() {
    let db = TestDb::fresh().await;
    let store = store(&db.url).await;
    let mut conn = farm(&db).await;
    let mut rng = StdRng::seed_from_u64(11);
    let (mut with_jobs, mut idle, mut in_vain) = (0, 0, 0);
    for farm in 0..FARMS {
        let seed = format!("SELECT setseed({})", rng.random_range(0.0..1.0));
        sqlx::query(AssertSqlSafe(seed))
            .execute(&mut conn)
            .await
            .unwrap();
        for update in SHAKE {
            sqlx::query(*update).execute(&mut conn).await.unwrap();
        }
        let rules = ClusterRules {
            ignore_tags: Vec::new(),
            manual_chunk: NonZeroUsize::new(rng.random_range(1..4)).unwrap(),
            hostname_chunk: NonZeroUsize::new(rng.random_range(1..4)).unwrap(),
        };
        let activity = Activity::found(store.active_tags(None).await.unwrap());
        for cluster in gather(&store.list_clusters(None).await.unwrap(), &rules) {
            let found = store
                .pending_layers(&cluster, cue_domain::Depth::FRONT, 1000, 10_000)
                .await;
            let found = !found.unwrap().jobs.is_empty();
            match (found, activity.of(&cluster.key).is_some()) {
                (true, named) => {
                    with_jobs += 1;
                    assert!(named, "farm {farm}: {cluster} has jobs and was not named");
                }
                (false, true) => in_vain += 1,
                (false, false) => idle += 1,
            }
        }
    }
    assert!(with_jobs > 100, "{with_jobs} clusters had jobs at all");
    assert!(
        idle > in_vain,
        "{in_vain} clusters were named in vain, {idle} were not named"
    );
    store.close().await;
    db.close().await.unwrap();
}
