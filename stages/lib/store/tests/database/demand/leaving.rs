//! Jobs that come, stay and leave, one change at a time.

use cue_domain::Centicores;
use cue_simfarm::postgres::TestDb;
use cue_simfarm::seed::{Fixture, LayerSpec};
use cue_store::DemandCursor;

use super::Reader;
use crate::yard::{Yard, store};

/// Three jobs of two layers each.
async fn yard() -> Yard {
    let yard = Yard::new().await;
    for name in ["a", "b", "c"] {
        let job = yard.farm.job(name, |job| {
            let layers = ["x", "y"].map(|name| LayerSpec::new(name, "general"));
            job.layers.extend(layers);
        });
        job.await.unwrap();
    }
    yard
}

#[tokio::test]
async fn rows_say_what_the_tables_do() {
    let yard = yard().await;
    yard.db.run("UPDATE job SET str_os = 'rocky', ts_started = '2026-01-01 00:00+00' WHERE str_name = 'a';
         UPDATE job_resource SET int_max_cores = 900, int_cores = 200, int_priority = 7, int_max_gpus = 5, int_gpus = 2
             WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'a');
         UPDATE folder_resource SET int_max_cores = 1000, int_cores = 300, int_max_gpus = 4;
         UPDATE layer_usage SET int_clock_time_high = 321, int_frame_success_count = 1;
         UPDATE layer_stat SET ts_stopped = '2026-01-02 00:00:00.25+00', int_running_count = 3;
         UPDATE subscription SET int_size = 100, int_burst = 200, int_cores = 50",
    )
    .await;
    let reader = Reader::new(&yard.store).await;
    assert_eq!(reader.names(), ["a", "b", "c"]);
    let named = |name| {
        let mut jobs = reader.mirror.jobs.values();
        jobs.find(|job| &*job.name == name).unwrap()
    };
    let (job, other) = (named("a"), named("b"));
    let texts = (&*job.facility_name, &*job.show_name, job.os.as_deref());
    assert_eq!(texts, ("yard", "alpha", Some("rocky")));
    assert_eq!((job.priority, job.started_us), (7, 1_767_225_600_000_000));
    assert_eq!(
        (job.cores, job.room.cores),
        (Centicores(200), Some(Centicores(700)))
    );
    assert_eq!((job.room.gpus, job.folder_room.gpus), (Some(3), Some(4)));
    assert_eq!(job.folder_room.cores, Some(Centicores(700)));
    assert_eq!(job.idle_since_us, None);
    assert_eq!(
        other.idle_since_us,
        Some(other.started_us.max(1_767_312_000_250_000))
    );
    let layer = reader.mirror.layers.values().next().unwrap();
    assert_eq!((layer.running, layer.longest_run_s), (3, 322));
    assert_eq!(layer.stopped_us, Some(1_767_312_000_250_000));
    let sub = &reader.mirror.subscriptions[0];
    let cores = [sub.size, sub.burst, sub.cores];
    assert_eq!(cores, [100, 200, 50].map(Centicores));
}

#[tokio::test]
async fn jobs_that_leave_are_gone_and_come_back_with_all_their_layers() {
    let yard = yard().await;
    let mut reader = Reader::new(&yard.store).await;
    for (close, open, left) in [
        (
            "UPDATE job SET b_paused = true WHERE str_name = 'a'",
            "UPDATE job SET b_paused = false WHERE b_paused",
            "bc",
        ),
        (
            "UPDATE job SET str_state = 'FINISHED' WHERE str_name = 'b'",
            "UPDATE job SET str_state = 'PENDING' WHERE str_state = 'FINISHED'",
            "ac",
        ),
        (
            "UPDATE show SET b_active = false",
            "UPDATE show SET b_active = true",
            "",
        ),
        (
            "UPDATE show SET b_scheduler_managed = false",
            "UPDATE show SET b_scheduler_managed = true",
            "",
        ),
        (
            "UPDATE job_resource SET int_max_cores = 0, int_cores = -300 WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'c')",
            "UPDATE job_resource SET int_max_cores = 100, int_cores = 0 WHERE int_max_cores = 0",
            "ab",
        ),
        (
            "UPDATE frame SET str_state = 'DEAD' WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'c')",
            "UPDATE frame SET str_state = 'WAITING' WHERE str_state = 'DEAD'",
            "ab",
        ),
    ] {
        yard.db.run(close).await;
        let rows = reader.look(&yard.store).await;
        assert_eq!(reader.names().concat(), left, "{close}");
        assert_eq!(rows.gone_jobs.len(), 3 - left.len(), "{close}");
        assert_eq!(reader.mirror.layers.len(), 2 * left.len(), "{close}");
        // One that has left may change: it comes back as it is by then.
        yard.db.run("UPDATE layer SET int_mem_min = int_mem_min + 1; UPDATE layer_stat SET ts_stopped = now()").await;
        reader.look(&yard.store).await;
        yard.db.run(open).await;
        let rows = reader.look(&yard.store).await;
        assert!(rows.jobs.len() >= 3 - left.len(), "{open}");
        assert_eq!(reader.mirror.layers.len(), 6, "{open}");
        let came = reader.mirror.layers.values().filter(|layer| {
            let job = &reader.mirror.jobs[&layer.job];
            !left.contains(&*job.name)
        });
        let memory = sqlx::query_scalar::<_, i64>("SELECT max(int_mem_min) FROM layer");
        let memory = memory.fetch_one(&yard.db.pool).await.unwrap();
        assert!(
            came.clone().all(|layer| layer.layer.memory_min.0 == memory),
            "{open}"
        );
        let (_, cursor) = yard.store.demand(None, &reader.cursor, true).await.unwrap();
        reader.cursor = cursor;
    }
}

#[tokio::test]
async fn a_folder_without_caps_brings_no_job() {
    let yard = yard().await;
    let mut reader = Reader::new(&yard.store).await;
    let mut step = async |sql, jobs, left: Option<i64>| {
        reader.settle(&yard.store).await;
        yard.db.run(sql).await;
        assert_eq!(reader.look(&yard.store).await.jobs.len(), jobs, "{sql}");
        let mut all = reader.mirror.jobs.values();
        assert!(
            all.all(|job| job.folder_room.cores == left.map(Centicores)),
            "{sql}"
        );
        reader.compare(&yard.store, sql).await;
    };
    step("UPDATE folder_resource SET int_cores = 100", 0, None).await;
    step(
        "UPDATE folder_resource SET int_max_cores = 500",
        3,
        Some(400),
    )
    .await;
    step("UPDATE folder_resource SET int_cores = 200", 3, Some(300)).await;
    step(
        "UPDATE folder_resource SET int_max_cores = 0, int_cores = -300",
        3,
        Some(0),
    )
    .await;
    step("UPDATE folder_resource SET int_max_cores = -1", 3, None).await;
    step("UPDATE folder_resource SET int_cores = 300", 0, None).await;
}

#[tokio::test]
async fn a_layer_that_may_not_start_yet_does_not_wait() {
    let yard = yard().await;
    let mut reader = Reader::new(&yard.store).await;
    yard.db
        .run(
            "UPDATE layer SET ts_start_after = now() + interval '1 hour' WHERE str_name = 'x';
         UPDATE layer_stat SET int_running_count = 1; UPDATE job_stat SET int_running_count = 1",
        )
        .await;
    reader.look(&yard.store).await;
    assert_eq!(reader.mirror.layers.len(), 3);
    reader.compare(&yard.store, "gated").await;
    let waiting = async |sql| {
        yard.db.run(sql).await;
        let layers = yard.demand().await.0.layers;
        layers.iter().filter(|row| row.layer.waiting > 0).count()
    };
    let never = "UPDATE layer SET ts_start_after = 'infinity' WHERE str_name = 'x'";
    assert_eq!(waiting(never).await, 3);
    let over = "UPDATE layer SET ts_start_after = now() - interval '1 second'";
    assert_eq!(waiting(over).await, 6);
}

#[tokio::test]
async fn another_facility_is_read_whole() {
    let yard = yard().await;
    let demand = async |facility, cursor: &DemandCursor| {
        let (rows, cursor) = yard.store.demand(facility, cursor, false).await.unwrap();
        (
            rows.complete,
            rows.jobs.len(),
            rows.subscriptions.len(),
            cursor,
        )
    };
    let (complete, jobs, subscriptions, cursor) = demand(None, &DemandCursor::default()).await;
    assert_eq!((complete, jobs, subscriptions), (true, 3, 1));
    let (complete, jobs, subscriptions, cursor) = demand(Some("elsewhere"), &cursor).await;
    assert_eq!((complete, jobs, subscriptions), (true, 0, 0));
    let (complete, jobs, _, cursor) = demand(Some("yard"), &cursor).await;
    assert_eq!((complete, jobs), (true, 3));
    assert!(!demand(Some("yard"), &cursor).await.0);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_is_gone_until_it_can() {
    let db = TestDb::encoded("SQL_ASCII").await;
    let farm = Fixture::new(&db.pool).await.unwrap();
    let store = store(&db, 2).await;
    let yard = Yard { db, farm, store };
    yard.job("a", 1).await;
    yard.job("b", 1).await;
    let mut reader = Reader::new(&yard.store).await;
    yard.db
        .run("UPDATE job SET str_os = E'a\\xe9\\xff' WHERE str_name = 'a'")
        .await;
    let rows = reader.look(&yard.store).await;
    assert_eq!((rows.gone_jobs.len(), reader.names()), (1, vec!["b"]));
    assert_eq!(reader.mirror.layers.len(), 1);
    reader.compare(&yard.store, "unreadable").await;
    assert!(
        yard.store
            .unreadable()
            .iter()
            .any(|found| found.statement == "demand_jobs")
    );
    yard.db.run("UPDATE job SET str_os = NULL").await;
    reader.look(&yard.store).await;
    assert_eq!(
        (reader.names(), reader.mirror.layers.len()),
        (vec!["a", "b"], 2)
    );
    // Once more without a look between: it leaves for good.
    yard.db
        .run("UPDATE job SET str_os = E'a\\xe9\\xff' WHERE str_name = 'a'")
        .await;
    reader.look(&yard.store).await;
    yard.db
        .run("UPDATE job SET b_paused = true WHERE str_name = 'a'")
        .await;
    assert!(reader.look(&yard.store).await.gone_jobs.is_empty());
    reader.compare(&yard.store, "paused").await;
}
