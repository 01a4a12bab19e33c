//! Columns that a booking writes in the rows it touches (OPENCUE.md, Booking).

use cue_simfarm::rqd::Fault;
use cue_simfarm::seed::Launched;
use cue_simfarm::waiting::until;
use sqlx::PgPool;

use crate::bench::{Bench, booked};
use crate::world::{Scheduler, World, endless};

const GIB: i64 = 1_048_576;

/// Every status that a last run can have left (OPENCUE.md, Exit statuses and retries), and whether the next start is charged.
const STATUSES: [(i32, bool); 16] = [
    (-1, false),
    (0, true),
    (1, true),
    (33, true),
    (137, true),
    (143, true),
    (256, false),
    (286, false),
    (299, false),
    (301, false),
    (302, false),
    (330, true),
    (399, false),
    (500, true),
    (506, true),
    (255, true),
];

/// Books a job in a dry run with more settings.
async fn book(bench: Bench, job: &Launched, more: &[(&str, &str)]) -> World {
    let world = World::open(bench.db, endless()).await;
    let mut settings = vec![("CUE_DRY_RUN", "true")];
    settings.extend_from_slice(more);
    let scheduler = Scheduler::start(&world, &settings).await;
    booked(&world, job).await;
    scheduler.drain().await;
    world
}

async fn one<T>(pool: &PgPool, query: &'static str, id: &str) -> T
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> + Send + Unpin,
{
    sqlx::query_as(query)
        .bind(id)
        .fetch_one(pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_charged_as_a_retry_unless_the_last_end_was_not_the_frames_fault() {
    let bench = Bench::new(|_| ()).await;
    let frames = i64::try_from(STATUSES.len()).unwrap();
    let job = bench.job(|_, layer| layer.frames = frames).await;
    let ids = &job.layers[0].frames;
    for ((status, _), frame) in STATUSES.iter().zip(ids) {
        let set = "UPDATE frame SET int_exit_status = $2, int_retries = 2 WHERE pk_frame = $1";
        let set = sqlx::query(set).bind(frame).bind(status);
        set.execute(&bench.db.pool).await.unwrap();
    }
    let world = book(bench, &job, &[]).await;
    for ((status, charged), frame) in STATUSES.iter().zip(ids) {
        let query = "SELECT int_retries::int, int_exit_status::int FROM frame WHERE pk_frame = $1";
        let (retries, kept): (i32, i32) = one(&world.db.pool, query, frame).await;
        assert_eq!(retries, 2 + i32::from(*charged), "status {status}");
        assert_eq!(kept, *status, "the status of the last run stays");
    }
    world.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booked_frame_says_where_and_since_when_it_runs_and_on_what() {
    let bench = Bench::new(|host| (host.gpus, host.gpu_memory) = (2, 48 * GIB)).await;
    let job = bench.job(|_, layer| {
        (layer.cores_min, layer.threadable, layer.mem_min) = (250, true, GIB);
        (layer.gpus_min, layer.gpu_mem_min) = (1, 2 * GIB);
    });
    let job = job.await;
    let frame = &job.layers[0].frames[0];
    let stopped = "UPDATE frame SET ts_stopped = current_timestamp - interval '1 day',
        ts_started = current_timestamp - interval '2 days', ts_updated = current_timestamp - interval '1 day',
        int_version = 41 WHERE pk_frame = $1";
    bench.set(stopped, frame).await;
    let world = book(bench, &job, &[]).await;
    let pool = &world.db.pool;
    let query = "SELECT str_host, int_version, int_cores::bigint, int_mem_reserved, int_gpus::bigint, int_gpu_mem_reserved,
        ts_stopped IS NULL, ts_started = ts_updated, ts_started > current_timestamp - interval '1 minute'
        FROM frame WHERE pk_frame = $1";
    let row: (String, i32, i64, i64, i64, i64, bool, bool, bool) = one(pool, query, frame).await;
    let wanted = (300, GIB, 1, 2 * GIB);
    assert_eq!(row.0, "subject");
    assert_eq!(row.1, 42, "the version fences off everybody else");
    assert_eq!((row.2, row.3, row.4, row.5), wanted);
    assert_eq!((row.6, row.7, row.8), (true, true, true), "its times");
    let query = "SELECT ts_started > current_timestamp - interval '1 minute' FROM layer_stat WHERE pk_layer = $1";
    let (started,): (bool,) = one(pool, query, &job.layers[0].id).await;
    assert!(started, "the layer has started");

    // From version 50 on the history is written from a queue.
    let queued =
        "SELECT to_regclass('frame_history_queue') IS NOT NULL FROM frame WHERE pk_frame = $1";
    let query = if one::<(bool,)>(pool, queued, frame).await.0 {
        "SELECT 'RUNNING', 0, str_host, pk_alloc, int_cores::bigint, int_mem_reserved,
            int_gpus::bigint, int_gpu_mem_reserved FROM frame_history_queue WHERE pk_frame = $1 AND str_event = 'S'"
    } else {
        "SELECT str_state, int_ts_stopped, str_host, pk_alloc, int_cores::bigint, int_mem_reserved,
            int_gpus::bigint, int_gpu_mem_reserved FROM frame_history WHERE pk_frame = $1"
    };
    let row: (String, i32, String, String, i64, i64, i64, i64) = one(pool, query, frame).await;
    let (state, open, host, alloc) = (&*row.0, row.1, &*row.2, &*row.3);
    assert_eq!(
        (state, open, host, alloc),
        ("RUNNING", 0, "subject", "tried")
    );
    assert_eq!((row.4, row.5, row.6, row.7), wanted);

    let query = "SELECT int_cores_reserved::bigint, int_mem_reserved, int_gpus_reserved::bigint, int_gpu_mem_reserved,
        int_mem_pre_reserved, int_gpu_mem_pre_reserved, int_gpu_mem_used, b_local, b_unbooked
        FROM proc WHERE pk_frame = $1";
    let row: (i64, i64, i64, i64, i64, i64, i64, bool, bool) = one(pool, query, frame).await;
    assert_eq!((row.0, row.1, row.2, row.3), wanted);
    assert_eq!((row.4, row.5, row.6), (GIB, 2 * GIB, 0));
    assert_eq!((row.7, row.8), (false, false));
    world.close().await;
}

/// Memory that a fresh proc is said to use, and free memory that its host reports, less than at first.
async fn memory(more: &[(&str, &str)]) -> (i64, i64) {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| layer.mem_min = 3 * GIB).await;
    let host = bench.host.clone();
    let world = book(bench, &job, more).await;
    let used = "SELECT int_mem_used FROM proc WHERE pk_host = $1";
    let (used,): (i64,) = one(&world.db.pool, used, &host).await;
    let less = "SELECT int_mem_total - int_mem_free FROM host_stat WHERE pk_host = $1";
    let (less,): (i64,) = one(&world.db.pool, less, &host).await;
    world.close().await;
    (used, less)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_proc_uses_a_quarter_of_a_gib_and_the_hosts_report_is_its_own() {
    assert_eq!(memory(&[]).await, (262_144, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_fresh_proc_uses_can_be_set() {
    let more = [("CUE_MEMORY_RESERVED_MIN", "512MiB")];
    assert_eq!(memory(&more).await, (524_288, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_booking_that_is_taken_back_leaves_no_trace_but_the_status_and_the_version() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| layer.mem_min = 3 * GIB).await;
    let frame = job.layers[0].frames[0].clone();
    let (version,): (i32,) = one(
        &bench.db.pool,
        "SELECT coalesce(int_version, 0) FROM frame WHERE pk_frame = $1",
        &frame,
    )
    .await;
    let world = World::open(bench.db, endless()).await;
    world.rqd.set_fault_all(Fault::RefuseForGood);
    let scheduler = Scheduler::start(&world, &[]).await;
    until("the booking to be taken back", async || {
        scheduler.sum("scheduler_launches_undone_total") >= 1.0
    })
    .await;
    scheduler.drain().await;
    let query = "SELECT str_state, int_exit_status::int, int_version, int_retries::int, ts_stopped IS NOT NULL
        FROM frame WHERE pk_frame = $1";
    let row: (String, i32, i32, i32, bool) = one(&world.db.pool, query, &frame).await;
    assert_eq!(row, ("WAITING".to_owned(), 299, version + 2, 0, true));
    let left = "SELECT (SELECT count(*) FROM proc) + (SELECT count(*) FROM frame_history)
        + (SELECT count(*) FROM host WHERE int_cores_idle <> int_cores OR int_mem_idle <> int_mem)
        + (SELECT count(*) FROM host_stat WHERE int_mem_free <> int_mem_total)
        + (SELECT count(*) FROM subscription WHERE int_cores <> 0)
        + (SELECT count(*) FROM job_resource WHERE int_cores <> 0)
        + (SELECT count(*) FROM layer_resource WHERE int_cores <> 0)
        + (SELECT count(*) FROM folder_resource WHERE int_cores <> 0)
        + (SELECT count(*) FROM point WHERE int_cores <> 0)";
    assert_eq!(world.db.count(left).await, 0);
    world.close().await;
}
