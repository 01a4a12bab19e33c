//! Rules about the show, its subscriptions and its facility.

use crate::bench::{BETA, Bench, TRIED};

async fn flips_show(close: &'static str, open: &'static str) {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, _| ()).await;
    bench.set(close, BETA).await;
    bench.flips(&job, open, BETA).await;
}

async fn flips_subscription(close: &'static str, open: &'static str) {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, _| ()).await;
    bench.set(close, TRIED).await;
    bench.flips(&job, open, TRIED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_that_is_not_active_is_not_booked() {
    flips_show(
        "UPDATE show SET b_active = false WHERE pk_show = $1",
        "UPDATE show SET b_active = true WHERE pk_show = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_show_that_is_not_managed_is_left_to_cuebot() {
    flips_show(
        "UPDATE show SET b_scheduler_managed = false WHERE pk_show = $1",
        "UPDATE show SET b_scheduler_managed = true WHERE pk_show = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_of_no_burst_is_frozen() {
    flips_subscription(
        "UPDATE subscription SET int_burst = 0 WHERE pk_subscription = $1",
        "UPDATE subscription SET int_burst = 100 WHERE pk_subscription = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_needs_headroom_of_a_whole_core() {
    flips_subscription(
        "UPDATE subscription SET int_burst = 99 WHERE pk_subscription = $1",
        "UPDATE subscription SET int_burst = 100 WHERE pk_subscription = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_needs_headroom_for_the_frame() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, layer| {
        (layer.cores_min, layer.threadable) = (300, true);
    });
    let job = job.await;
    let close = "UPDATE subscription SET int_burst = 299 WHERE pk_subscription = $1";
    bench.set(close, TRIED).await;
    let open = "UPDATE subscription SET int_burst = 300 WHERE pk_subscription = $1";
    bench.flips(&job, open, TRIED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allocation_that_the_show_has_no_subscription_for_is_not_booked() {
    flips_subscription(
        "UPDATE subscription SET pk_show = (SELECT pk_show FROM show WHERE str_name = 'alpha')
         WHERE pk_subscription = $1",
        "UPDATE subscription SET pk_show = 'beta' WHERE pk_subscription = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_runs_in_its_own_facility_only() {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, _| ()).await;
    let elsewhere = "INSERT INTO facility (pk_facility, str_name) VALUES ($1, 'elsewhere')";
    bench.set(elsewhere, "elsewhere").await;
    let close = "UPDATE job SET pk_facility = 'elsewhere' WHERE pk_job = $1";
    bench.set(close, &job.id).await;
    let open =
        "UPDATE job SET pk_facility = (SELECT pk_facility FROM facility WHERE str_name = 'yard')
                WHERE pk_job = $1";
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}
