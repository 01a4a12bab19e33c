//! Rules about the host: open, up, heard of lately, and nobody's own.

use cue_simfarm::waiting::until;

use crate::bench::{Bench, booked};
use crate::world::{Scheduler, World, endless};

const MIB: i64 = 1_024;

async fn flips(close: &'static str, open: &'static str) {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, _| ()).await;
    let host = bench.host.clone();
    bench.set(close, &host).await;
    bench.flips(&job, open, &host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_host_is_not_booked() {
    flips(
        "UPDATE host SET str_lock_state = 'LOCKED' WHERE pk_host = $1",
        "UPDATE host SET str_lock_state = 'OPEN' WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_in_its_users_hands_is_not_booked() {
    flips(
        "UPDATE host SET str_lock_state = 'NIMBY_LOCKED' WHERE pk_host = $1",
        "UPDATE host SET str_lock_state = 'OPEN' WHERE pk_host = $1",
    )
    .await;
}

async fn flips_state(close: &'static str) {
    let open = "UPDATE host_stat SET str_state = 'UP' WHERE pk_host = $1";
    flips(close, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_down_is_not_booked() {
    flips_state("UPDATE host_stat SET str_state = 'DOWN' WHERE pk_host = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_in_repair_is_not_booked() {
    flips_state("UPDATE host_stat SET str_state = 'REPAIR' WHERE pk_host = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_to_reboot_is_not_booked() {
    flips_state("UPDATE host_stat SET str_state = 'REBOOT_WHEN_IDLE' WHERE pk_host = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_has_not_reported_for_long_is_not_booked() {
    flips(
        "UPDATE host_stat SET ts_ping = current_timestamp - interval '3 minutes' WHERE pk_host = $1",
        "UPDATE host_stat SET ts_ping = current_timestamp WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_its_user_lent_to_a_job_is_left_to_that_job() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, _| ()).await;
    let own = bench.named("own", |_, _| ()).await;
    // Cuebot leaves it to the job as long as there is a row, whatever the row says (OPENCUE.md, Eligibility).
    let lend = "INSERT INTO host_local (pk_host_local, pk_job, pk_host, str_type, b_active)
                SELECT 'local', $1, pk_host, 'JOB_PARTITION', false FROM host WHERE str_name = 'subject'";
    bench.set(lend, &own.id).await;
    let open = "DELETE FROM host_local WHERE pk_host_local = $1";
    bench.flips(&job, open, "local").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_half_a_gib_of_reported_memory_nothing_is_booked() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| layer.mem_min = 256 * MIB).await;
    let host = bench.host.clone();
    let close = "UPDATE host_stat SET int_mem_free = 524287 WHERE pk_host = $1";
    bench.set(close, &host).await;
    let open = "UPDATE host_stat SET int_mem_free = 524288 WHERE pk_host = $1";
    bench.flips(&job, open, &host).await;
}

/// Books the frames of a job that ask for `memory`, on a host that reports `free` of it; at most `fit`
/// of them. After each report of the same `free` as many again.
async fn books_by_the_report(gpu: bool, free: i64, memory: i64, fit: usize) {
    let bench = Bench::new(|host| (host.gpus, host.gpu_memory) = (40, 64 * 1_024 * MIB)).await;
    let job = bench.job(|_, layer| {
        layer.frames = 16;
        if gpu {
            (layer.gpus_min, layer.gpu_mem_min) = (1, memory);
        } else {
            layer.mem_min = memory;
        }
    });
    let job = job.await;
    let world = World::open(bench.db, endless()).await;
    let report = format!(
        "UPDATE host_stat SET ts_ping = clock_timestamp(), {} = $2 WHERE pk_host = $1",
        if gpu {
            "int_gpu_mem_free"
        } else {
            "int_mem_free"
        }
    );
    let report = async || {
        let report = sqlx::query(sqlx::AssertSqlSafe(report.clone()));
        let done = report.bind(&bench.host).bind(free).execute(&world.db.pool);
        assert_eq!(done.await.unwrap().rows_affected(), 1);
    };
    report().await;
    let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
    let running = async || {
        let count = "SELECT count(*) FROM proc WHERE pk_job = $1";
        let count = sqlx::query_scalar(count).bind(&job.id);
        let count: i64 = count.fetch_one(&world.db.pool).await.unwrap();
        usize::try_from(count).unwrap()
    };
    for round in 1..=3 {
        until(&format!("round {round}"), async || {
            running().await >= round * fit
        })
        .await;
        // The farm goes on meanwhile, host readings included.
        for control in ["one", "two"] {
            let name = format!("{control}{round}");
            let control = bench.farm.frames(&name, 1, |_| ()).await.unwrap();
            booked(&world, &control).await;
        }
        assert_eq!(running().await, round * fit, "round {round}");
        report().await;
    }
    world.end(scheduler).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_memory_is_booked_once_between_two_reports() {
    books_by_the_report(false, 1_024 * MIB, 900 * MIB, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_frames_fill_free_memory_and_no_more() {
    books_by_the_report(false, 1_100 * MIB, 256 * MIB, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn free_gpu_memory_is_booked_once_between_two_reports() {
    books_by_the_report(true, 9 * 1_024 * MIB, 4 * 1_024 * MIB, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_cores_above_the_hosts_total_are_not_booked() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| layer.frames = 32).await;
    // Twice the total: after 16 bookings the ledger still says 16 of 16.
    let wrong = "UPDATE host SET int_cores = 1600, int_cores_idle = 3200 WHERE pk_host = $1";
    bench.set(wrong, &bench.host).await;
    let world = World::open(bench.db, endless()).await;
    let scheduler = Scheduler::start(&world, &[("CUE_DRY_RUN", "true")]).await;
    let running = "SELECT count(*) FROM proc WHERE pk_show = 'beta'";
    until("16 cores to be booked", async || {
        world.db.count(running).await >= 16
    })
    .await;
    for control in ["one", "two", "three"] {
        let control = bench.farm.frames(control, 1, |_| ()).await.unwrap();
        booked(&world, &control).await;
    }
    assert_eq!(world.db.count(running).await, 16);
    let right = "UPDATE host SET int_cores = 3200 WHERE pk_host = $1";
    world.db.run_for(right, &[&bench.host]).await;
    booked(&world, &job).await;
    world.end(scheduler).await;
}
