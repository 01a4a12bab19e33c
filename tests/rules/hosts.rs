//! Rules about the host: open, up, and heard of lately.

use crate::bench::Bench;

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
