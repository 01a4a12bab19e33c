//! Rows that contradict each other: what is printed to set them right is enough.

use crate::{check, fit};

#[tokio::test]
async fn ledgers_and_counters_that_are_wrong_are_named_and_set_right_by_what_is_printed() {
    let (db, farm) = fit().await;
    farm.frames("shot", 5, |_| {}).await.unwrap();
    farm.frames("it's late", 3, |_| {}).await.unwrap();
    for statement in [
        "UPDATE host SET int_cores_idle = 0, int_gpus_idle = 3",
        "UPDATE layer_stat SET int_waiting_count = 0 WHERE pk_job = (SELECT pk_job FROM job WHERE str_name = 'shot')",
        "UPDATE job_stat SET int_waiting_count = 9 WHERE pk_job = (SELECT pk_job FROM job WHERE str_name <> 'shot')",
    ] {
        db.run(statement).await;
    }
    let answer = check(&db.url).await;
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let warned = answer.lines("warn");
    assert_eq!(warned.len(), 2, "{}", answer.out);
    for wanted in [
        "big has 0 cores and 63.5 GiB, 3 GPUs with 0 GiB idle, its procs leave 32 cores and 63.5 GiB",
        "job it's late counts 9 waiting, it has 3; layer render of job shot counts 0 waiting, it has 5",
    ] {
        assert!(
            answer.out.contains(wanted),
            "{wanted} is missing in\n{}",
            answer.out
        );
    }
    for line in warned {
        let (_, sql) = line.split_once("BEGIN;").unwrap();
        db.run(&format!("BEGIN;{sql}")).await;
    }
    let answer = check(&db.url).await;
    assert_eq!(answer.lines("warn"), Vec::<&str>::new(), "{}", answer.out);
    for wanted in ["ok    ledgers ", "ok    counters "] {
        assert!(
            answer.out.contains(wanted),
            "{wanted} is missing in\n{}",
            answer.out
        );
    }
}

#[tokio::test]
async fn a_host_that_is_left_out_and_booking_that_is_switched_off_are_warned_about() {
    let (db, farm) = fit().await;
    let broken = farm.host("broken", |host| host.thread_mode = 9);
    broken.await.unwrap();
    db.run("UPDATE show SET b_booking_enabled = false").await;
    let answer = check(&db.url).await;
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let warned = answer.lines("warn").join("\n");
    for wanted in [
        "broken is left out: host.int_thread_mode of broken is 9, which is not allowed",
        "booking is switched off, which neither Cuebot nor the scheduler heeds, for alpha",
    ] {
        assert!(warned.contains(wanted), "{wanted} is missing in\n{warned}");
    }
}

#[tokio::test]
async fn procs_that_no_host_reports_are_warned_about() {
    let (db, _farm) = fit().await;
    db.run(
        "INSERT INTO proc (pk_proc, pk_host, int_cores_reserved, int_mem_reserved, ts_ping)
         SELECT 'lost', pk_host, 400, 1048576, current_timestamp - interval '2 minutes' FROM host;
         UPDATE host SET int_cores_idle = int_cores_idle - 400, int_mem_idle = int_mem_idle - 1048576",
    )
    .await;
    let answer = check(&db.url).await;
    assert_eq!(answer.code, Some(0), "{}", answer.out);
    let wanted =
        "warn  procs       1 proc in no report for 90 s, with 4 cores on big; Cuebot clears them";
    assert!(answer.out.contains(wanted), "{}", answer.out);
}
