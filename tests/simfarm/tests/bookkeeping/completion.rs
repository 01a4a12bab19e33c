//! Completion reports: what they change, what they give back, and what they leave alone.

use std::time::Duration;

use cue_simfarm::completion::{
    Accounting, Completer, CompleterSettings, HostReporter, release_stopped,
};
use cue_simfarm::foreign::{Booking, book_one_frame_like_cuebot, host_down};
use cue_simfarm::schema::SchemaVersion;
use sqlx::postgres::PgListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::farm::{Farm, ONE};
use cue_simfarm::waiting::PATIENCE;

const TAKEN: &str = "SELECT (sum(int_cores - int_cores_idle) + sum(int_mem - int_mem_idle)
    + sum(int_gpus - int_gpus_idle) + sum(int_gpu_mem - int_gpu_mem_idle))::int8 FROM host";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_farm_that_has_run_everything_is_idle_and_its_jobs_are_finished() {
    let farm = Farm::new().await;
    let mut runs = farm.book(20, 0).await;
    runs.extend(farm.book(20, 1).await);
    let (send, receive) = mpsc::channel(8);
    let settings = CompleterSettings {
        batch: 7,
        workers: 2,
        ..CompleterSettings::default()
    };
    let completer = Completer::start(farm.pool().clone(), receive, settings);
    for run in &runs {
        send.send(run.report(0, 0)).await.unwrap();
    }
    timeout(PATIENCE, completer.completed_at_least(40))
        .await
        .unwrap();
    let stats = completer.finish().await;
    assert_eq!(
        (stats.completed, stats.failed, stats.stale, stats.lost),
        (40, 0, 0, 0)
    );
    assert_eq!(stats.retried, 0, "nothing deadlocked");
    assert!(stats.batches >= 6, "{stats:?}");
    assert!(send.is_closed(), "a finished completer takes nothing more");
    assert_eq!(
        farm.number("SELECT count(*) FROM frame WHERE str_state = 'SUCCEEDED'")
            .await,
        40
    );
    assert_eq!(farm.number("SELECT count(*) FROM proc").await, 0);
    assert_eq!(farm.number(TAKEN).await, 0);
    let finished = "SELECT count(*) FROM job
        WHERE str_state = 'FINISHED' AND str_visible_name IS NULL AND ts_stopped IS NOT NULL";
    assert_eq!(farm.number(finished).await, 2);
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_completion_leaves_its_traces_in_memory_usage_and_history() {
    let farm = Farm::at(SchemaVersion::V47).await;
    let runs = farm.book(2, 0).await;
    farm.complete(
        vec![runs[0].report(0, 0), runs[1].report(1, 0)],
        CompleterSettings::default(),
    )
    .await;
    for (query, expected) in [
        ("SELECT max(int_max_rss) FROM layer_mem", 4_321),
        ("SELECT max(int_max_rss) FROM job_mem", 4_321),
        ("SELECT max(int_mem_max_used) FROM frame", 4_321),
        ("SELECT max(int_core_time_success) FROM job_usage", 90),
        ("SELECT max(int_gpu_time_fail) FROM layer_usage", 90),
        ("SELECT max(int_clock_time_low)::int8 FROM layer_usage", 90),
        (
            "SELECT sum(int_frame_success_count)::int8 FROM show_stats",
            1,
        ),
        ("SELECT sum(int_frame_fail_count)::int8 FROM show_stats", 1),
        (
            "SELECT count(*) FROM frame_history WHERE int_ts_stopped > 0",
            2,
        ),
        (
            "SELECT count(*) FROM frame WHERE ts_stopped > ts_started AND int_version = 2",
            2,
        ),
    ] {
        assert_eq!(farm.number(query).await, expected, "{query}");
    }
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn each_report_sends_its_frame_to_the_state_the_rules_say() {
    let farm = Farm::new().await;
    farm.run("UPDATE job SET int_max_retries = 1").await;
    let runs = farm.book(6, 0).await;
    sqlx::query("UPDATE frame SET int_retries = 1 WHERE pk_frame = $1")
        .bind(runs[2].frame.as_str())
        .execute(farm.pool())
        .await
        .unwrap();
    sqlx::query("UPDATE frame SET str_checkpoint_state = 'ENABLED' WHERE pk_frame = $1")
        .bind(runs[4].frame.as_str())
        .execute(farm.pool())
        .await
        .unwrap();
    let outcomes = [
        (0, 0, "SUCCEEDED"),
        (1, 0, "WAITING"),
        (1, 0, "DEAD"),
        (286, 0, "WAITING"),
        (1, 0, "CHECKPOINT"),
        (1, 33, "WAITING"),
    ];
    let reports = runs
        .iter()
        .zip(outcomes)
        .map(|(run, (status, signal, _))| run.report(status, signal));
    let stats = farm
        .complete(reports.collect(), CompleterSettings::default())
        .await;
    assert_eq!((stats.completed, stats.failed), (6, 5));
    for (run, (status, _, state)) in runs.iter().zip(outcomes) {
        assert_eq!(
            farm.frame(&run.frame).await,
            (state.to_owned(), i64::from(status))
        );
    }
    // One GiB was reserved; a memory failure adds two.
    assert_eq!(
        farm.number("SELECT max(int_mem_min) FROM layer").await,
        3 * 1_048_576
    );
    assert_eq!(
        farm.number("SELECT count(*) FROM job WHERE str_state = 'PENDING'")
            .await,
        2
    );
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_repeated_report_gives_nothing_back_twice() {
    let farm = Farm::new().await;
    let runs = farm.book(2, 0).await;
    let twice = vec![runs[0].report(0, 0), runs[0].report(0, 0)];
    let stats = farm.complete(twice, CompleterSettings::default()).await;
    assert_eq!((stats.completed, stats.stale), (1, 1));
    let stats = farm
        .complete(vec![runs[0].report(1, 0)], CompleterSettings::default())
        .await;
    assert_eq!((stats.completed, stats.stale), (0, 1));
    assert_eq!(farm.frame(&runs[0].frame).await.0, "SUCCEEDED");
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_report_of_an_older_run_does_not_stop_the_newer_one() {
    let farm = Farm::new().await;
    let old = farm.book(1, 0).await.remove(0);
    farm.complete(vec![old.report(1, 0)], CompleterSettings::default())
        .await;
    let new = farm.book(1, 1).await.remove(0);
    assert_eq!(new.frame, old.frame);
    let stats = farm
        .complete(vec![old.report(0, 0)], CompleterSettings::default())
        .await;
    assert_eq!((stats.completed, stats.stale), (0, 1));
    assert_eq!(farm.frame(&new.frame).await.0, "RUNNING");
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_running_frame_whose_proc_is_gone_is_ended_by_its_report() {
    let farm = Farm::new().await;
    let run = farm.book(1, 0).await.remove(0);
    farm.run("UPDATE proc SET pk_frame = NULL").await;
    assert_eq!(
        release_stopped(farm.pool(), 10, Accounting::Current)
            .await
            .unwrap(),
        1
    );
    let stats = farm
        .complete(vec![run.report(0, 0)], CompleterSettings::default())
        .await;
    assert_eq!(stats.completed, 1);
    assert_eq!(farm.frame(&run.frame).await.0, "SUCCEEDED");
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn what_a_dead_completer_left_between_its_transactions_is_released_at_the_next_start() {
    let farm = Farm::new().await;
    farm.book(3, 0).await;
    farm.run(
        "UPDATE frame SET str_state = 'SUCCEEDED', int_exit_status = 0 WHERE str_state = 'RUNNING';
         UPDATE proc SET pk_frame = NULL",
    )
    .await;
    let stats = farm
        .complete(
            Vec::new(),
            CompleterSettings {
                batch: 2,
                ..CompleterSettings::default()
            },
        )
        .await;
    assert_eq!((stats.completed, stats.swept), (0, 3));
    assert_eq!(farm.number(TAKEN).await, 0);
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn memory_that_grew_while_running_is_given_back_in_full() {
    let farm = Farm::new().await;
    let run = farm.book(1, 0).await.remove(0);
    farm.run("UPDATE proc SET int_mem_reserved = int_mem_reserved + 1000")
        .await;
    farm.is_sound().await;
    farm.complete(vec![run.report(0, 0)], CompleterSettings::default())
        .await;
    assert_eq!(farm.number(TAKEN).await, 0);
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn releases_of_a_managed_show_are_told_and_not_subtracted() {
    let farm = Farm::with_managed_show(true).await;
    let run = farm.book(1, 0).await.remove(0);
    let mut listener = PgListener::connect_with(farm.pool()).await.unwrap();
    listener.listen("acct_release").await.unwrap();
    let settings = CompleterSettings {
        accounting: Accounting::Managed,
        ..CompleterSettings::default()
    };
    farm.complete(vec![run.report(0, 0)], settings).await;
    let message = timeout(PATIENCE, listener.recv()).await.unwrap().unwrap();
    let message: serde_json::Value = serde_json::from_str(message.payload()).unwrap();
    assert_eq!(
        (&message["cores"], &message["gpus"]),
        (&(-1).into(), &(-1).into())
    );
    assert_eq!(
        (&message["job"], &message["layer"]),
        (&run.job.into(), &run.layer.into())
    );
    assert_eq!(
        farm.number("SELECT sum(int_cores)::int8 FROM subscription")
            .await,
        100
    );
    assert_eq!(
        farm.number("SELECT sum(int_cores)::int8 FROM point").await,
        100
    );
    assert_eq!(farm.number(TAKEN).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn bookings_and_completions_of_the_same_layers_do_not_deadlock() {
    let farm = Farm::new().await;
    let (send, receive) = mpsc::channel(64);
    let settings = CompleterSettings {
        batch: 5,
        workers: 2,
        ..CompleterSettings::default()
    };
    let completer = Completer::start(farm.pool().clone(), receive, settings);
    let rows: Vec<(String, String, String)> =
        sqlx::query_as("SELECT pk_frame, pk_job, pk_layer FROM frame ORDER BY md5(pk_frame)")
            .fetch_all(farm.pool())
            .await
            .unwrap();
    let book = |host: usize| {
        let (farm, rows, send) = (&farm, &rows, send.clone());
        async move {
            for (frame, job, layer) in rows.iter().skip(host).step_by(2) {
                let frame = frame.as_str().into();
                let booked =
                    book_one_frame_like_cuebot(farm.pool(), &frame, &farm.hosts[host], ONE)
                        .await
                        .unwrap();
                let Booking::Booked(proc) = booked else {
                    panic!("{booked:?}")
                };
                let run = crate::farm::Run {
                    frame,
                    proc,
                    job: job.clone(),
                    layer: layer.clone(),
                };
                send.send(run.report(0, 0)).await.unwrap();
            }
        }
    };
    tokio::join!(book(0), book(1));
    timeout(PATIENCE, completer.completed_at_least(40))
        .await
        .unwrap();
    let stats = completer.finish().await;
    assert_eq!((stats.lost, stats.retried), (0, 0));
    farm.is_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_reporter_keeps_hosts_and_procs_alive_but_not_a_host_that_is_down() {
    let farm = Farm::new().await;
    farm.book(2, 0).await;
    host_down(farm.pool(), &farm.hosts[1]).await.unwrap();
    farm.run(
        "UPDATE host_stat SET ts_ping = current_timestamp - interval '1 hour';
         UPDATE proc SET ts_ping = current_timestamp - interval '1 hour'",
    )
    .await;
    let reporter = HostReporter::start(farm.pool().clone(), Duration::from_secs(3_600));
    assert!(
        timeout(PATIENCE, reporter.reported_at_least(1))
            .await
            .unwrap()
    );
    assert_eq!(timeout(PATIENCE, reporter.finish()).await.unwrap(), 1);
    let fresh =
        "SELECT count(*) FROM host_stat WHERE ts_ping > current_timestamp - interval '5 minutes'";
    assert_eq!(farm.number(fresh).await, 1);
    let seen = "SELECT count(*) FROM proc WHERE ts_ping > current_timestamp - interval '5 minutes'";
    assert_eq!(farm.number(seen).await, 2);
    let taken =
        "SELECT (int_mem_total - int_mem_free) / 1048576 FROM host_stat WHERE str_state = 'UP'";
    assert_eq!(farm.number(taken).await, 2);
}
