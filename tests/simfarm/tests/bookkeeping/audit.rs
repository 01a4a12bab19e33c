//! Every invariant of the audit is broken once, by itself, and is then the only finding.

use std::time::Instant;

use cue_simfarm::audit::{AuditOptions, AuditWatch, LaunchLog, audit, audit_with};
use cue_simfarm::completion::{Accounting, CompleterSettings};
use cue_simfarm::rqd::LaunchRecord;
use cue_simfarm::schema::SchemaVersion;
use sqlx::AssertSqlSafe;

use crate::farm::Farm;

/// A farm in which frames wait, run and have ended.
async fn working_farm() -> Farm {
    worked(Farm::new().await).await
}

async fn worked(farm: Farm) -> Farm {
    let runs = farm.book(12, 0).await;
    farm.book(4, 1).await;
    farm.complete(vec![runs[0].report(0, 0)], CompleterSettings::default())
        .await;
    farm
}

async fn is_the_only_finding(version: SchemaVersion, invariant: &str, statements: &'static str) {
    let farm = worked(Farm::at(version).await).await;
    farm.is_sound().await;
    farm.run(statements).await;
    let found = audit(farm.pool(), None).await.unwrap();
    let names: Vec<_> = found
        .findings
        .iter()
        .map(|finding| finding.invariant)
        .collect();
    assert!(!names.is_empty(), "nothing was found");
    assert!(names.iter().all(|name| *name == invariant), "{found}");
}

macro_rules! breaks {
    ($all:ident of $version:ident: $($name:ident $statements:literal,)*) => {
        $(#[tokio::test]
        async fn $name() {
            is_the_only_finding(SchemaVersion::$version, stringify!($name), $statements).await;
        })*

        const $all: &[&str] = &[$(stringify!($name)),*];
    };
}

breaks! {
    BROKEN of V47:
    running_frame_has_a_proc
        "UPDATE proc SET pk_frame = NULL WHERE pk_proc = (SELECT min(pk_proc) FROM proc)",
    proc_has_a_running_frame
        "UPDATE frame SET str_state = 'WAITING', int_exit_status = 1
         WHERE pk_frame = (SELECT min(pk_frame) FROM proc)",
    frame_names_its_host
        "UPDATE frame SET str_host = 'elsewhere' WHERE pk_frame = (SELECT min(pk_frame) FROM proc)",
    frame_shows_its_reservation
        "UPDATE frame SET int_cores = int_cores + 100 WHERE pk_frame = (SELECT min(pk_frame) FROM proc)",
    proc_names_its_owners
        "UPDATE proc SET pk_layer = (SELECT max(pk_layer) FROM layer)
         WHERE pk_proc = (SELECT min(pk_proc) FROM proc WHERE pk_layer <> (SELECT max(pk_layer) FROM layer))",
    host_idle_is_in_bounds
        "BEGIN;
         SET LOCAL session_replication_role = replica;
         UPDATE host SET int_cores = int_cores - int_cores_idle - 100, int_cores_idle = -100;
         COMMIT",
    host_taken_equals_procs
        "UPDATE host SET int_mem_idle = int_mem_idle - 1 WHERE pk_host = (SELECT min(pk_host) FROM host)",
    subscription_equals_procs
        "UPDATE subscription SET int_cores = int_cores + 100",
    layer_resource_equals_procs
        "UPDATE layer_resource SET int_cores = int_cores + 100
         WHERE pk_layer = (SELECT max(pk_layer) FROM layer)",
    job_resource_equals_procs
        "UPDATE job_resource SET int_cores = int_cores - 100 WHERE pk_job = (SELECT min(pk_job) FROM job)",
    folder_resource_equals_procs
        "UPDATE folder_resource SET int_cores = int_cores + 100 WHERE int_cores > 0",
    point_equals_procs
        "UPDATE point SET int_gpus = int_gpus + 1",
    subscription_is_within_burst
        "UPDATE subscription SET int_burst = int_cores - 1",
    job_is_within_max_cores
        "UPDATE job_resource SET int_max_cores = int_cores - 1 WHERE int_cores > 0",
    job_is_within_max_gpus
        "UPDATE job_resource SET int_max_gpus = int_gpus - 1 WHERE int_gpus > 0",
    folder_is_within_max_cores
        "UPDATE folder_resource SET int_max_cores = int_cores - 1 WHERE int_cores > 0",
    folder_is_within_max_gpus
        "UPDATE folder_resource SET int_max_gpus = int_gpus - 1 WHERE int_gpus > 0",
    limit_is_within_max
        "UPDATE limit_record SET int_max_value = 1",
    layer_stat_equals_frames
        "UPDATE layer_stat SET int_succeeded_count = int_succeeded_count + 1",
    job_stat_equals_frames
        "UPDATE job_stat SET int_dead_count = int_dead_count + 1",
    layer_has_all_its_frames
        "UPDATE layer_stat SET int_total_count = int_total_count + 1",
    job_has_all_its_frames
        "UPDATE job SET int_frame_count = int_frame_count - 1",
    proc_reserves_whole_cores
        "CREATE TEMP TABLE pair AS
             SELECT pk_proc, pk_frame, CASE WHEN row_number() OVER (ORDER BY pk_proc) = 1 THEN 50 ELSE -50 END AS more
             FROM proc
             WHERE (pk_layer, pk_host) = (SELECT pk_layer, pk_host FROM proc
                                          GROUP BY pk_layer, pk_host HAVING count(*) > 1 LIMIT 1)
             LIMIT 2;
         UPDATE proc p SET int_cores_reserved = int_cores_reserved + more FROM pair WHERE pair.pk_proc = p.pk_proc;
         UPDATE frame f SET int_cores = int_cores + more FROM pair WHERE pair.pk_frame = f.pk_frame",
    frame_version_is_sane
        "UPDATE frame SET int_version = -1 WHERE pk_frame = (SELECT min(pk_frame) FROM frame)",
    frame_state_is_legal
        "BEGIN;
         SET LOCAL session_replication_role = replica;
         UPDATE layer_stat SET int_waiting_count = int_waiting_count - 1
         WHERE pk_layer = (SELECT max(pk_layer) FROM layer);
         UPDATE job_stat SET int_waiting_count = int_waiting_count - 1
         WHERE pk_job = (SELECT pk_job FROM layer ORDER BY pk_layer DESC LIMIT 1);
         UPDATE frame SET str_state = 'SLEEPING'
         WHERE pk_frame = (SELECT max(pk_frame) FROM frame
                           WHERE str_state = 'WAITING' AND pk_layer = (SELECT max(pk_layer) FROM layer));
         COMMIT",
    open_history_is_single
        "INSERT INTO frame_history (pk_frame, pk_layer, pk_job, str_name, str_state, int_ts_started, dt_last_modified)
         SELECT pk_frame, pk_layer, pk_job, str_name, str_state, int_ts_started, current_date
         FROM frame_history WHERE int_ts_stopped = 0 LIMIT 1",
    open_history_is_of_a_running_frame
        "UPDATE frame_history SET int_ts_stopped = 0
         WHERE pk_frame = (SELECT pk_frame FROM frame WHERE str_state = 'SUCCEEDED')",
}

// Those that stand in the place of an older one: of limits, and of the history.
breaks! {
    BROKEN_SINCE of V51:
    limit_by_type_is_within_max
        "UPDATE limit_record SET int_max_value = 1",
    queued_history_is_in_order
        "INSERT INTO frame_history_queue (str_event, pk_frame, int_ts)
         SELECT 'S', pk_frame, 1 FROM frame WHERE str_state = 'RUNNING' LIMIT 1",
    queued_history_ends_with_the_run
        "DELETE FROM frame_history_queue WHERE str_event = 'E'",
}

#[tokio::test]
async fn a_sound_farm_has_no_finding_and_every_invariant_is_broken_here() {
    assert_eq!(BROKEN_SINCE.len(), 3);
    for version in SchemaVersion::ALL {
        let farm = worked(Farm::at(version).await).await;
        let found = audit(farm.pool(), None).await.unwrap();
        assert_eq!(
            found.to_string(),
            format!("audit: OK ({} invariants)", BROKEN.len()),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_migration_with_runs_under_way_leaves_nothing_to_find() {
    let farm = worked(Farm::at(SchemaVersion::V47).await).await;
    let runs = farm.book(3, 0).await;
    farm.db.migrate_to(SchemaVersion::V51).await.unwrap();
    farm.is_sound().await;
    let ended = runs.iter().map(|run| run.report(0, 0)).collect();
    farm.complete(ended, CompleterSettings::default()).await;
    farm.book(3, 1).await;
    farm.is_sound().await;
    let events = "SELECT count(*) FROM frame_history_queue";
    assert_eq!(farm.number(events).await, 6, "three ends, three starts");
}

#[tokio::test]
async fn a_limit_by_type_is_judged_by_what_it_counts_and_whether_it_gates() {
    let farm = worked(Farm::at(SchemaVersion::V49).await).await;
    for (change, holds) in [
        ("int_max_value = 1", false),
        ("int_max_value = 2, str_type = 'HOST'", true),
        ("int_max_value = 1", false),
        ("int_max_value = 9, int_soft_value = 1", false),
        ("int_soft_value = 2", true),
        ("int_soft_value = 0", false),
        ("str_enforcement = 'ADVISORY'", true),
        ("str_enforcement = 'ENFORCED', ts_reported = now()", true),
    ] {
        let change = AssertSqlSafe(format!("UPDATE limit_record SET {change}"));
        sqlx::query(change).execute(farm.pool()).await.unwrap();
        let found = audit(farm.pool(), None).await.unwrap();
        assert_eq!(found.is_ok(), holds, "{found}");
    }
}

#[tokio::test]
async fn of_many_offenders_five_are_shown_with_their_ids_and_the_rest_is_counted() {
    let farm = working_farm().await;
    farm.run("UPDATE frame SET str_host = 'elsewhere' WHERE str_state = 'RUNNING'")
        .await;
    let found = audit(farm.pool(), None).await.unwrap();
    assert_eq!(found.findings.len(), 5, "{found}");
    let first: String =
        sqlx::query_scalar("SELECT min(pk_frame) FROM frame WHERE str_state = 'RUNNING'")
            .fetch_one(farm.pool())
            .await
            .unwrap();
    assert!(found.findings[0].detail.contains(&first), "{found}");
    assert!(
        found.findings[4].detail.ends_with("(and 10 more)"),
        "{found}"
    );
}

#[tokio::test]
async fn managed_accounts_are_not_judged_but_everything_else_is() {
    let farm = working_farm().await;
    farm.run("UPDATE point SET int_cores = 7; UPDATE subscription SET int_cores = 0")
        .await;
    let options = AuditOptions {
        accounting: Accounting::Managed,
        ..AuditOptions::default()
    };
    let found = audit_with(farm.pool(), &options).await.unwrap();
    assert!(found.is_ok(), "{found}");
    farm.run("UPDATE subscription SET int_burst = 100").await;
    let found = audit_with(farm.pool(), &options).await.unwrap();
    assert_eq!(
        found.findings[0].invariant, "subscription_is_within_burst",
        "the procs count too"
    );
}

#[tokio::test]
async fn launches_are_held_against_the_frames_that_succeeded() {
    let farm = Farm::new().await;
    let runs = farm.book(2, 0).await;
    farm.complete(
        runs.iter().map(|run| run.report(0, 0)).collect(),
        CompleterSettings::default(),
    )
    .await;
    let launch = |n: usize| LaunchRecord {
        host: "host".into(),
        frame_id: runs[n].frame.as_str().into(),
        resource_id: runs[n].proc.to_string(),
        num_cores: 100,
        at: Instant::now(),
        traceparent: None,
        run_frame: None,
    };
    let log = LaunchLog {
        launches: vec![launch(0), launch(1)],
        doubles: 0,
    };
    let options = AuditOptions {
        launches: Some(&log),
        exactly_once: true,
        ..AuditOptions::default()
    };
    let found = audit_with(farm.pool(), &options).await.unwrap();
    assert!(found.is_ok(), "{found}");
    let short = LaunchLog {
        launches: vec![launch(0)],
        doubles: 0,
    };
    let options = AuditOptions {
        launches: Some(&short),
        ..options
    };
    let found = audit_with(farm.pool(), &options).await.unwrap();
    assert_eq!(found.findings.len(), 1, "{found}");
    assert!(
        found.findings[0].detail.contains(runs[1].frame.as_str()),
        "{found}"
    );
}

#[tokio::test]
async fn a_watch_keeps_what_was_wrong_in_between() {
    let farm = working_farm().await;
    let watch = AuditWatch::start(farm.pool().clone());
    assert!(watch.looked_at_least(2).await);
    farm.run("UPDATE limit_record SET int_max_value = 1").await;
    let seen = watch.rounds();
    // The round under way may have begun before the change; the one after it has not.
    assert!(watch.looked_at_least(seen + 2).await);
    farm.run("UPDATE limit_record SET int_max_value = 1000")
        .await;
    let found = watch.finish().await;
    assert_eq!(found.findings.len(), 1, "{found}");
    assert!(
        found.findings[0].invariant.ends_with("is_within_max"),
        "{found}"
    );
}

#[tokio::test]
async fn a_watch_that_cannot_look_does_not_say_that_all_is_well() {
    let farm = Farm::new().await;
    farm.run("ALTER TABLE limit_record RENAME TO limit_gone")
        .await;
    let watch = AuditWatch::start(farm.pool().clone());
    assert!(watch.looked_at_least(1).await);
    assert!(!watch.finish().await.is_ok());
}
