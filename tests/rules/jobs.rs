//! Rules about the job, the layer and the frame: what may start now.

use crate::bench::Bench;

/// A rule about a row of the job, or of its first layer.
async fn flips_job(close: &'static str, open: &'static str) {
    let bench = Bench::new(|_| ()).await;
    let job = bench.job(|_, _| ()).await;
    bench.set(close, &job.id).await;
    let id = job.id.clone();
    bench.flips(&job, open, &id).await;
}

async fn flips_state(close: &'static str) {
    let open = "UPDATE job SET str_state = 'PENDING' WHERE pk_job = $1";
    flips_job(close, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_still_starting_up_is_not_booked() {
    flips_state("UPDATE job SET str_state = 'STARTUP' WHERE pk_job = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_for_its_parent_is_not_booked() {
    flips_state("UPDATE job SET str_state = 'POSTED' WHERE pk_job = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_has_finished_is_not_booked() {
    flips_state("UPDATE job SET str_state = 'FINISHED' WHERE pk_job = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_shut_down_is_not_booked() {
    flips_state("UPDATE job SET str_state = 'SHUTDOWN' WHERE pk_job = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_job_is_not_booked() {
    flips_job(
        "UPDATE job SET b_paused = true WHERE pk_job = $1",
        "UPDATE job SET b_paused = false WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_counts_no_waiting_frame_is_not_looked_into() {
    flips_job(
        "UPDATE job_stat SET int_waiting_count = 0 WHERE pk_job = $1",
        "UPDATE job_stat SET int_waiting_count = 1 WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_counts_no_waiting_frame_is_not_looked_into() {
    flips_job(
        "UPDATE layer_stat SET int_waiting_count = 0 WHERE pk_job = $1",
        "UPDATE layer_stat SET int_waiting_count = 1 WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_before_its_time_is_not_booked() {
    flips_job(
        "UPDATE layer SET ts_start_after = current_timestamp + interval '1 hour' WHERE pk_job = $1",
        "UPDATE layer SET ts_start_after = current_timestamp - interval '1 second' WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_whose_gate_is_taken_away_is_booked() {
    flips_job(
        "UPDATE layer SET ts_start_after = current_timestamp + interval '1 hour' WHERE pk_job = $1",
        "UPDATE layer SET ts_start_after = NULL WHERE pk_job = $1",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_depends_on_another_is_not_booked() {
    flips_job(
        "UPDATE frame SET int_depend_count = 1 WHERE pk_job = $1",
        "UPDATE frame SET int_depend_count = 0 WHERE pk_job = $1",
    )
    .await;
}

async fn flips_frame(close: &'static str) {
    let open = "UPDATE frame SET str_state = 'WAITING' WHERE pk_job = $1";
    flips_job(close, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_frame_is_not_booked() {
    flips_frame("UPDATE frame SET str_state = 'DEAD' WHERE pk_job = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_eaten_frame_is_not_booked() {
    flips_frame("UPDATE frame SET str_state = 'EATEN' WHERE pk_job = $1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_at_a_checkpoint_is_left_to_cuebot() {
    flips_frame("UPDATE frame SET str_state = 'CHECKPOINT' WHERE pk_job = $1").await;
}
