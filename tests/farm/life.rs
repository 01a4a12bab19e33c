//! The whole life of a frame over real gRPC: the request to its host (OPENCUE.md, RunFrame), and
//! the rows after the booking and after the end (OPENCUE.md, A smallest farm).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use cue_proto::rqd::RunFrame;
use cue_proto::rqd::run_frame::UidOptional;
use cue_simfarm::rqd::LaunchRecord;
use cue_simfarm::seed::{Fixture, Launched};
use sqlx::PgPool;

use crate::world::{Scheduler, World, endless, yard};

const GIB: i64 = 1_048_576;

const COMMAND: &str = "render -s #FRAME_START# -e #FRAME_END# -f #FRAMESPEC# -c #FRAME_CHUNK# \
                       out.#ZFRAME#.#IFRAME#.exr #JOB# #LAYER# #FRAME#";

/// A job of two frames, each a chunk of three, of two cores, 3 GiB and one GPU.
async fn job(farm: &Fixture) -> Launched {
    let pairs = |pairs: &[(&str, &str)]| {
        let owned = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        owned.collect::<Vec<_>>()
    };
    let tags = farm.allocation.name.clone();
    farm.job("alpha-shot010-comp", |job| {
        job.uid = Some(1042);
        job.env = pairs(&[("OCIO", "/show/config.ocio"), ("QUALITY", "of the job")]);
        job.layer("comp", &tags, |layer| {
            layer.command = COMMAND.to_owned();
            layer.frames = 2;
            layer.chunk = 3;
            layer.threadable = true;
            layer.cores_min = 150;
            layer.cores_max = 200;
            layer.mem_min = 3 * GIB;
            layer.gpus_min = 1;
            layer.gpu_mem_min = 2 * GIB;
            layer.env = pairs(&[("QUALITY", "of the layer"), ("CUE_SHOW", "not this")]);
        });
    })
    .await
    .unwrap()
}

/// Launch message that the host must get for the second frame.
fn expected(job: &Launched, launch: &LaunchRecord) -> RunFrame {
    let layer = &job.layers[0];
    let env = HashMap::from([
        ("OCIO", "/show/config.ocio"),
        ("QUALITY", "of the layer"),
        ("CUE3", "1"),
        ("CUE_THREADS", "2"),
        ("CUE_MEMORY", "3145728"),
        ("CUE_GPUS", "1"),
        ("CUE_GPU_MEMORY", "2097152"),
        ("CUE_LOG_PATH", "/tmp/logs/alpha/shot010/alpha-shot010-comp"),
        ("CUE_RANGE", "1-6"),
        ("CUE_CHUNK", "3"),
        ("CUE_IFRAME", "4"),
        ("CUE_LAYER", "comp"),
        ("CUE_JOB", "alpha-shot010-comp"),
        ("CUE_FRAME", "0004-comp"),
        ("CUE_SHOW", "alpha"),
        ("CUE_SHOT", "shot010"),
        ("CUE_USER", "artist"),
        ("CUE_JOB_ID", &job.id),
        ("CUE_LAYER_ID", &layer.id),
        ("CUE_FRAME_ID", &layer.frames[1]),
        ("CUE_THREADABLE", "1"),
    ]);
    let owned = env.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
    RunFrame {
        resource_id: launch.resource_id.clone(),
        job_id: job.id.clone(),
        job_name: job.name.clone(),
        frame_id: layer.frames[1].clone(),
        frame_name: "0004-comp".to_owned(),
        layer_id: layer.id.clone(),
        command: "render -s 4 -e 6 -f 4-6 -c 3 out.0004.4.exr alpha-shot010-comp comp 0004-comp"
            .to_owned(),
        user_name: "artist".to_owned(),
        log_dir: "/tmp/logs/alpha/shot010/alpha-shot010-comp".to_owned(),
        show: "alpha".to_owned(),
        shot: "shot010".to_owned(),
        uid_optional: Some(UidOptional::Uid(1042)),
        num_cores: 200,
        num_gpus: 1,
        environment: owned.collect(),
        os: "rocky9".to_owned(),
        soft_memory_limit: 3 * GIB * 8 / 5,
        hard_memory_limit: 3 * GIB * 2,
        ..RunFrame::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_is_booked_told_to_its_host_and_released_row_by_row() {
    let (db, farm) = yard(0).await;
    let with_gpus = farm.host("node1", |host| (host.gpus, host.gpu_memory) = (2, 48 * GIB));
    with_gpus.await.unwrap();
    let job = job(&farm).await;
    let world = World::open(db, endless()).await;
    let before = now_ms();
    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(2).await;

    let frame = &job.layers[0].frames[1];
    let launches = world.rqd.launches();
    let launch = launches
        .iter()
        .find(|launch| *launch.frame_id == **frame)
        .unwrap();
    assert_eq!(&*launch.host, "node1");
    let message: &Arc<RunFrame> = launch.run_frame.as_ref().unwrap();
    let mut message = RunFrame::clone(message);
    // Counted on from the start of the transaction, by a clock that ran while it was begun.
    let now = now_ms() + 1_000;
    assert!((before..=now).contains(&message.start_time));
    message.start_time = 0;
    // There only when another test of this process records traces.
    message.environment.remove("TRACEPARENT");
    assert_eq!(message, expected(&job, launch));

    booked(&world.db.pool, frame, &launch.resource_id).await;
    world.finish_all(2).await;
    scheduler.drain().await;
    released(&world.db.pool, frame).await;
    world.close().await;
}

/// Rows while both frames run.
async fn booked(pool: &PgPool, frame: &str, proc: &str) {
    let row: (String, i32, String, i32, i64, i32, i64, i32, bool, bool) = sqlx::query_as(
        "SELECT str_state, int_version, str_host, int_cores::int, int_mem_reserved, int_gpus::int, int_gpu_mem_reserved,
                int_retries::int, ts_started IS NOT NULL, ts_stopped IS NULL FROM frame WHERE pk_frame = $1",
    )
    .bind(frame)
    .fetch_one(pool)
    .await
    .unwrap();
    let version = row.1;
    let on = "node1".to_owned();
    let (memory, gpu_memory) = (3 * GIB, 2 * GIB);
    let running = "RUNNING".to_owned();
    let wanted = (
        running, version, on, 200, memory, 1, gpu_memory, 0, true, true,
    );
    assert_eq!(row, wanted, "frame");
    assert!(version > 0, "the version has grown");

    let row: (String, i64, i64, i64, i64, i32, i64, bool) = sqlx::query_as(
        "SELECT pk_proc, int_cores_reserved::bigint, int_mem_reserved, int_mem_pre_reserved, int_mem_used,
                int_gpus_reserved::int, int_gpu_mem_reserved, b_local FROM proc WHERE pk_frame = $1",
    )
    .bind(frame)
    .fetch_one(pool)
    .await
    .unwrap();
    let proc = proc.to_owned();
    let wanted = (proc, 200, memory, memory, 262_144, 1, gpu_memory, false);
    assert_eq!(row, wanted, "proc");
    assert_eq!(counters(pool).await, [(400, 2); 5], "the five counters");
    assert_eq!(host(pool).await, (2_800, 66_584_576 - 2 * memory, 0));
    assert_eq!(stats(pool).await, [(0, 2, 0); 2]);
    assert_eq!(open_runs(pool).await, 2);
    let started = "SELECT count(*) FROM layer_stat WHERE ts_started IS NOT NULL";
    assert_eq!(count(pool, started).await, 1);
}

/// Rows when both have ended.
async fn released(pool: &PgPool, frame: &str) {
    let row: (String, i32, bool) = sqlx::query_as(
        "SELECT str_state, int_exit_status::int, ts_stopped IS NOT NULL FROM frame WHERE pk_frame = $1",
    )
    .bind(frame)
    .fetch_one(pool)
    .await
    .unwrap();
    assert_eq!(row, ("SUCCEEDED".to_owned(), 0, true));
    assert_eq!(counters(pool).await, [(0, 0); 5]);
    assert_eq!(host(pool).await, (3_200, 66_584_576, 2));
    assert_eq!(stats(pool).await, [(0, 0, 2); 2]);
    for left in [
        "SELECT count(*) FROM proc",
        "SELECT count(*) FROM job WHERE str_state <> 'FINISHED'",
    ] {
        assert_eq!(count(pool, left).await, 0, "{left}");
    }
    assert_eq!(open_runs(pool).await, 0);
}

/// Runs that are open in the history, or in the events that wait for it (schema 50).
async fn open_runs(pool: &PgPool) -> i64 {
    let queued = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('frame_history_queue')";
    let open = if count(pool, queued).await == 1 {
        "SELECT count(*) FILTER (WHERE str_host = 'node1') - count(*) FILTER (WHERE str_event = 'E') FROM frame_history_queue"
    } else {
        "SELECT count(*) FROM frame_history WHERE int_ts_stopped = 0 AND str_host = 'node1'"
    };
    count(pool, open).await
}

/// Cores and GPUs of the five accounting tables, summed.
async fn counters(pool: &PgPool) -> [(i64, i64); 5] {
    let mut found = [(0, 0); 5];
    for (sums, query) in found.iter_mut().zip([
        "SELECT sum(int_cores)::bigint, sum(int_gpus)::bigint FROM subscription",
        "SELECT sum(int_cores)::bigint, sum(int_gpus)::bigint FROM layer_resource",
        "SELECT sum(int_cores)::bigint, sum(int_gpus)::bigint FROM job_resource",
        "SELECT sum(int_cores)::bigint, sum(int_gpus)::bigint FROM folder_resource",
        "SELECT sum(int_cores)::bigint, sum(int_gpus)::bigint FROM point",
    ]) {
        *sums = sqlx::query_as(query).fetch_one(pool).await.unwrap();
    }
    found
}

/// Idle cores, memory and GPUs of the one host.
async fn host(pool: &PgPool) -> (i64, i64, i64) {
    let query = "SELECT int_cores_idle::bigint, int_mem_idle, int_gpus_idle::bigint FROM host";
    sqlx::query_as(query).fetch_one(pool).await.unwrap()
}

/// Waiting, running and succeeded frames by the counters of the layer and of the job.
async fn stats(pool: &PgPool) -> [(i64, i64, i64); 2] {
    let mut found = [(0, 0, 0); 2];
    for (counts, query) in found.iter_mut().zip([
        "SELECT int_waiting_count::bigint, int_running_count::bigint, int_succeeded_count::bigint FROM layer_stat",
        "SELECT int_waiting_count::bigint, int_running_count::bigint, int_succeeded_count::bigint FROM job_stat",
    ]) {
        *counts = sqlx::query_as(query).fetch_one(pool).await.unwrap();
    }
    found
}

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
