//! The caps of jobs and folders, for cores and for GPUs.

use cue_simfarm::seed::HostSpec;

use crate::bench::Bench;

const GIB: i64 = 1_048_576;

fn with_gpus(host: &mut HostSpec) {
    (host.gpus, host.gpu_memory) = (4, 48 * GIB);
}

/// A job with a cap that is too low by one, and one that is just enough.
async fn flips_job(cores: i64, close: &'static str, open: &'static str) {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| {
        (layer.cores_min, layer.threadable) = (cores, true);
    });
    let job = job.await;
    bench.set(close, &job.id).await;
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cap_of_nothing_admits_nothing() {
    flips_job(
        100,
        "UPDATE job_resource SET int_max_cores = 0 WHERE pk_job = $1",
        "UPDATE job_resource SET int_max_cores = 100 WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_has_no_cap_that_means_unlimited() {
    flips_job(
        100,
        "UPDATE job_resource SET int_max_cores = -1 WHERE pk_job = $1",
        "UPDATE job_resource SET int_max_cores = 100 WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cap_must_admit_the_whole_frame() {
    flips_job(
        300,
        "UPDATE job_resource SET int_max_cores = 299 WHERE pk_job = $1",
        "UPDATE job_resource SET int_max_cores = 300 WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cap_must_admit_what_the_frame_grows_to() {
    let bench = Bench::new(|_| ()).await;
    // Two GiB a core on this host, so a frame of 8 GiB takes four cores.
    let job = bench.job(|_, layer| {
        (layer.mem_min, layer.threadable) = (8 * GIB, true);
    });
    let job = job.await;
    let close = "UPDATE job_resource SET int_max_cores = 399 WHERE pk_job = $1";
    bench.set(close, &job.id).await;
    let open = "UPDATE job_resource SET int_max_cores = 400 WHERE pk_job = $1";
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cap_of_gpus_keeps_frames_that_want_more() {
    let bench = Bench::new(with_gpus).await;
    let job = bench.job(|job, layer| {
        job.max_gpus = 1;
        layer.gpus_min = 2;
    });
    let job = job.await;
    let open = "UPDATE job_resource SET int_max_gpus = 2 WHERE pk_job = $1";
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_cap_of_no_gpus_does_not_concern_frames_without() {
    let bench = Bench::new(with_gpus).await;
    let job = bench.job(|job, _| job.max_gpus = 0).await;
    bench.books(&job).await;
}

/// A folder with caps that are too low.
async fn flips_folder(caps: (i32, i32), gpus: i64, open: &'static str) {
    let bench = Bench::new(with_gpus).await;
    let job = bench.job(|_, layer| layer.gpus_min = gpus).await;
    let set =
        "UPDATE folder_resource SET int_max_cores = $1, int_max_gpus = $2 WHERE pk_folder = 'beta'";
    let set = sqlx::query(set).bind(caps.0).bind(caps.1);
    set.execute(&bench.db.pool).await.unwrap();
    bench.flips(&job, open, "beta").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_cap_of_no_cores_admits_nothing() {
    let open = "UPDATE folder_resource SET int_max_cores = 100 WHERE pk_folder = $1";
    flips_folder((0, -1), 0, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_cap_must_admit_the_whole_frame() {
    let open = "UPDATE folder_resource SET int_max_cores = 100 WHERE pk_folder = $1";
    flips_folder((99, -1), 0, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_cap_of_minus_one_is_unlimited() {
    let open = "UPDATE folder_resource SET int_max_cores = -1 WHERE pk_folder = $1";
    flips_folder((0, -1), 0, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_cap_of_gpus_keeps_frames_that_want_more() {
    let open = "UPDATE folder_resource SET int_max_gpus = 2 WHERE pk_folder = $1";
    flips_folder((-1, 1), 2, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_cap_of_minus_one_gpu_is_unlimited() {
    let open = "UPDATE folder_resource SET int_max_gpus = -1 WHERE pk_folder = $1";
    flips_folder((-1, 1), 2, open).await;
}
