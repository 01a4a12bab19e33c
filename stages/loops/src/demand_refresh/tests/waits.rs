//! A wait of the feed that a stop ends: the one for a full queue.

use cue_simfarm::metrics::sum;

use super::*;

/// A farm with this many shows that have work.
async fn with_shows(shows: i32, change: impl FnOnce(&mut Settings)) -> Farm {
    let farm = Farm::start(Duration::from_millis(50), change).await;
    farm.fixture.frames("job", 1, |_| {}).await.unwrap();
    for statement in [
        "INSERT INTO show (pk_show, str_name, b_active, b_scheduler_managed)
         SELECT 'show' || n, 'show' || n, true, true FROM generate_series(1, $1) n",
        "INSERT INTO job (pk_job, pk_folder, pk_show, pk_facility, pk_dept, str_name, str_visible_name, str_shot,
                          str_user, str_state, str_log_dir, str_show)
         SELECT 'job' || n, j.pk_folder, 'show' || n, j.pk_facility, j.pk_dept, 'job' || n, 'job' || n, 'shot', 'user',
                'PENDING', '/tmp', 'show' || n
         FROM job j, generate_series(1, $1) n WHERE j.pk_job NOT LIKE 'job%'",
        "UPDATE job_resource SET int_max_cores = 1000 WHERE pk_job LIKE 'job%' AND $1 > 0",
        "UPDATE job_stat SET int_waiting_count = 1 WHERE pk_job LIKE 'job%' AND $1 > 0",
    ] {
        let query = sqlx::query(statement).bind(shows);
        query.execute(&farm.db.pool).await.unwrap();
    }
    farm
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_a_full_queue_and_only_turns_handed_on_count() {
    let Farm {
        flow,
        mut turns,
        store,
        registry,
        db,
        ..
    } = with_shows(200, |_| {}).await;
    let begun = || sum(&registry, "scheduler_cluster_polls_total", &[]) as u64;
    // Turns that the test has not taken, that the stage holds, that are queued.
    let full = 64 + 1 + 1;
    until("the queue to be full", async || begun() >= full).await;
    let taking = async {
        let mut taken = 0;
        while turns.recv().await.is_some() {
            taken += 1;
        }
        taken
    };
    let (report, taken) = tokio::join!(flow.drain(Duration::from_secs(5)), taking);
    assert!(
        report.laggards.is_empty() && report.fatal.is_none(),
        "{report:?}"
    );
    assert_eq!(begun(), taken, "each turn that counts was handed on");
    assert!(taken < 202, "the stop was not waited for");
    store.close().await;
    db.close().await.unwrap();
}
