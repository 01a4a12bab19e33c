//! Fault injection: a table of faults of the database, and the same expectations of each. The real
//! program books the farm of the row; sound jobs come all the time.
//!
//! Invariant: sound jobs go on, or are back within the bound; `/readyz` says 503 while nothing can be
//! booked and 200 otherwise; `why` and `check` say no more than is true; in the end every frame has run
//! exactly once and every counter is exact.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]

mod answers;
#[path = "../farm/binary.rs"]
mod binary;
mod connections;
#[path = "../farm/ended.rs"]
mod ended;
mod farm;
mod fault;
mod held;
mod judge;
mod line;
mod migrations;
mod outcome;
mod pair;
mod pooler;
mod rights;
mod row;
mod run;
mod settings;
mod stream;
mod table;
mod triggers;
#[expect(dead_code, reason = "only some of its words are needed here")]
#[path = "../farm/world.rs"]
mod world;

use table::check;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lines_that_break_are_survived() {
    check("lines", connections::lines()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_a_role_may_not_have_are_survived() {
    check("connections of the role", connections::roles()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn servers_that_end_are_survived() {
    check("servers", connections::servers()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_standby_takes_the_place_of_a_lost_server() {
    check("failover", connections::failovers()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn migrations_are_survived() {
    check("migrations", migrations::changes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn locked_tables_are_survived() {
    check("locked tables", migrations::locks()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn errors_of_one_job_cost_no_other_job_a_second() {
    check("errors of one job", triggers::codes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn errors_at_any_place_cost_no_other_job_a_second() {
    check("errors at other places", triggers::places()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn errors_of_every_booking_are_said_and_survived() {
    check("errors of every booking", triggers::everybody()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn held_rows_cost_no_other_job_a_second() {
    check("held rows", held::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rights_that_are_lost_are_said_and_survived() {
    check("rights", rights::rows()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn settings_of_the_database_change_nothing() {
    check("settings", settings::settings()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_of_others_and_steps_of_the_clock_change_nothing() {
    let rows = [settings::sessions(), settings::clocks()].concat();
    check("transactions of others, clocks", rows).await;
}
