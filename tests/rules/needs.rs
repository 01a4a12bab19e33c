//! Needs of a frame: cores, memory, GPUs, and a thread mode that suits it.

use cue_simfarm::seed::LayerSpec;

use crate::bench::Bench;

const GIB: i64 = 1_048_576;

/// A frame that needs more than the host has idle, until the host has it.
async fn flips_host(needs: impl FnOnce(&mut LayerSpec), close: &'static str, open: &'static str) {
    let bench = Bench::new(|host| (host.gpus, host.gpu_memory) = (4, 48 * GIB)).await;
    let job = bench.job(|_, layer| needs(layer)).await;
    let host = bench.host.clone();
    bench.set(close, &host).await;
    bench.flips(&job, open, &host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_needs_its_cores() {
    flips_host(
        |layer| (layer.cores_min, layer.threadable) = (400, true),
        "UPDATE host SET int_cores = 399, int_cores_idle = 399 WHERE pk_host = $1",
        "UPDATE host SET int_cores = 400, int_cores_idle = 400 WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_of_one_thread_needs_the_cores_it_asks_for_though_it_takes_one() {
    flips_host(
        |layer| layer.cores_min = 400,
        "UPDATE host SET int_cores = 300, int_cores_idle = 300 WHERE pk_host = $1",
        "UPDATE host SET int_cores = 400, int_cores_idle = 400 WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_needs_its_memory() {
    flips_host(
        |layer| layer.mem_min = 4 * GIB,
        "UPDATE host SET int_mem = 4194303, int_mem_idle = 4194303 WHERE pk_host = $1",
        "UPDATE host SET int_mem = 4194304, int_mem_idle = 4194304 WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_needs_memory_that_the_host_reports_as_free() {
    flips_host(
        |layer| layer.mem_min = 4 * GIB,
        "UPDATE host_stat SET int_mem_free = 4194303 WHERE pk_host = $1",
        "UPDATE host_stat SET int_mem_free = 4194304 WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_needs_its_gpus() {
    flips_host(
        |layer| layer.gpus_min = 2,
        "UPDATE host SET int_gpus = 1, int_gpus_idle = 1 WHERE pk_host = $1",
        "UPDATE host SET int_gpus = 2, int_gpus_idle = 2 WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_needs_its_gpu_memory() {
    flips_host(
        |layer| (layer.gpus_min, layer.gpu_mem_min) = (1, 4 * GIB),
        "UPDATE host SET int_gpu_mem = 4194303, int_gpu_mem_idle = 4194303 WHERE pk_host = $1",
        "UPDATE host SET int_gpu_mem = 4194304, int_gpu_mem_idle = 4194304 WHERE pk_host = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_without_gpus_may_run_on_a_host_with_some() {
    let bench = Bench::new(|host| (host.gpus, host.gpu_memory) = (4, 48 * GIB)).await;
    let job = bench.job(|_, _| ()).await;
    bench.books(&job).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_of_thread_mode_all_takes_threadable_layers_only() {
    let bench = Bench::new(|host| host.thread_mode = 1).await;
    let job = bench.job(|_, _| ()).await;
    let open = "UPDATE layer SET b_threadable = true WHERE pk_job = $1";
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_for_a_whole_host_waits_for_an_idle_one() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|job, layer| {
        job.max_cores = 10_000;
        (layer.cores_min, layer.threadable) = (0, true);
    });
    let job = job.await;
    let host = bench.host.clone();
    // One core of the host is taken by somebody whom no row names.
    let close = "UPDATE host SET int_cores_idle = 3100 WHERE pk_host = $1";
    bench.set(close, &host).await;
    let open = "UPDATE host SET int_cores_idle = 3200 WHERE pk_host = $1";
    bench.flips(&job, open, &host).await;
}
