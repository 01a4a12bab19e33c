//! Single healings: what is set, to what, and what is left alone.

use std::time::{Duration, Instant};

use cue_simfarm::completion::Accounting;
use cue_store::CounterKeys;

use crate::yard::Yard;

/// Breaks all five counters.
const BREAK: [&str; 5] = [
    "UPDATE subscription SET int_cores = int_cores - 100",
    "UPDATE layer_resource SET int_cores = 7700, int_gpus = 3",
    "UPDATE job_resource SET int_cores = -300",
    "UPDATE folder_resource SET int_cores = 4200",
    "UPDATE point SET int_cores = 100, int_gpus = 1",
];

/// Heals what differs, and returns the number of corrections.
async fn heal_drift(yard: &Yard) -> u64 {
    let drift = yard.store.drift(1000).await.unwrap();
    let healed = yard.session().await.heal(drift.keys).await.unwrap();
    assert!(healed.skipped.is_none(), "{:?}", healed.skipped);
    healed.corrected.sum()
}

fn job_keys(yard: &Yard) -> CounterKeys {
    let mut keys = CounterKeys::default();
    let (show, alloc) = (&yard.farm.show.id, &yard.farm.allocation.id);
    keys.subscriptions
        .insert((show.as_str().into(), alloc.as_str().into()));
    keys.jobs.insert(yard.job.id.as_str().into());
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn every_counter_that_is_wrong_is_found_and_set_to_the_sum_of_its_procs() {
    let yard = Yard::new(4).await;
    assert!(yard.store.drift(1000).await.unwrap().keys.is_empty());
    for statement in BREAK {
        yard.db.run(statement).await;
    }
    let drift = yard.store.drift(1000).await.unwrap();
    assert_eq!(drift.keys.len(), 5, "{drift:?}");
    assert!(drift.tables.values().all(|count| *count == 1));
    // 7700 - 400 and 4200 - 400 too high; 100, 700 and 300 too low.
    assert_eq!((drift.too_high, drift.too_low), (11_100.0, 1_100.0));
    let mut session = yard.session().await;
    let healed = session.heal(drift.keys.clone()).await.unwrap();
    assert!(healed.corrected.0.values().all(|count| *count == 1));
    assert_eq!(healed.corrected.0.len(), 5);
    yard.assert_sound().await;
    let healed = session.heal(drift.keys).await.unwrap();
    assert_eq!(healed.corrected.sum(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_local_proc_counts_for_its_layer_only() {
    let yard = Yard::new(2).await;
    yard.db
        .run("UPDATE proc SET b_local = true WHERE pk_proc = (SELECT min(pk_proc) FROM proc)")
        .await;
    assert_eq!(heal_drift(&yard).await, 4);
    yard.assert_sound().await;
    let layer = "SELECT sum(int_cores)::bigint FROM layer_resource";
    let subscription = "SELECT sum(int_cores)::bigint FROM subscription";
    assert_eq!(yard.db.count(layer).await, 200);
    assert_eq!(yard.db.count(subscription).await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_finished_job_is_looked_at_while_it_still_counts_something() {
    let yard = Yard::new(2).await;
    yard.release(2, Accounting::Silent).await;
    yard.db.run("UPDATE job SET str_state = 'FINISHED'").await;
    assert_eq!(heal_drift(&yard).await, 5);
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_counter_above_a_lowered_cap_is_set_and_the_cap_stays() {
    let yard = Yard::new(5).await;
    for statement in [
        "UPDATE subscription SET int_cores = 0, int_burst = 300",
        "UPDATE job_resource SET int_cores = 0, int_max_cores = 200, int_max_gpus = 0",
    ] {
        yard.db.run(statement).await;
    }
    assert_eq!(heal_drift(&yard).await, 2);
    for (query, expected) in [
        ("SELECT int_cores::bigint FROM subscription", 500),
        ("SELECT int_burst FROM subscription", 300),
        ("SELECT int_cores FROM job_resource", 500),
        ("SELECT int_max_cores::bigint FROM job_resource", 200),
        ("SELECT int_max_gpus::bigint FROM job_resource", 0),
    ] {
        assert_eq!(yard.db.count(query).await, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_cap_that_an_operator_edits_before_the_count_is_locked_survives() {
    let yard = Yard::new(5).await;
    yard.db
        .run("UPDATE subscription SET int_cores = 0, int_burst = 300")
        .await;
    let keys = job_keys(&yard);
    let mut operator = yard.db.pool.begin().await.unwrap();
    sqlx::query("UPDATE subscription SET int_burst = 400")
        .execute(&mut *operator)
        .await
        .unwrap();
    let waiting = async {
        cue_simfarm::waiting::until("the count to wait for the row", async || {
            let locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            yard.db.count(locks).await > 0
        })
        .await;
        operator.commit().await.unwrap();
    };
    let mut session = yard.session().await;
    let (healed, ()) = tokio::join!(session.heal(keys), waiting);
    assert_eq!(healed.unwrap().corrected.sum(), 1);
    let row = "SELECT int_cores * 1000 + int_burst FROM subscription";
    assert_eq!(yard.db.count(row).await, 500_400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn no_edit_of_a_cap_is_lost_while_counts_raise_and_restore_it() {
    let yard = Yard::new(5).await;
    let keys = job_keys(&yard);
    let mut counts = 0;
    let mut session = yard.session().await;
    let counting = async {
        loop {
            yard.db.run("UPDATE subscription SET int_cores = 0").await;
            yard.db.run("UPDATE job_resource SET int_cores = 0").await;
            let healed = session.heal(keys.clone()).await.unwrap();
            counts += healed.corrected.sum();
        }
    };
    let editing = async {
        for n in 0..150_i64 {
            // Below what runs, so that every count has to raise it.
            for edit in [
                "UPDATE subscription SET int_burst = $1",
                "UPDATE job_resource SET int_max_cores = $1::int",
            ] {
                let edit = sqlx::query(edit).bind(100 + n);
                edit.execute(&yard.db.pool).await.unwrap();
            }
            let read = "SELECT int_burst + 1000 * (SELECT int_max_cores FROM job_resource) FROM subscription";
            assert_eq!(
                yard.db.count(read).await,
                1001 * (100 + n),
                "edit {n} is lost"
            );
        }
    };
    tokio::select! {
        () = counting => {}
        () = editing => {}
    }
    assert!(counts > 0, "nothing was counted meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_count_waits_for_a_booking_under_way_and_sees_all_of_it() {
    let yard = Yard::new(2).await;
    yard.db.run("UPDATE subscription SET int_cores = 0").await;
    let keys = job_keys(&yard);
    let mut booker = yard.db.pool.begin().await.unwrap();
    for statement in [
        "UPDATE subscription SET int_cores = int_cores + 100",
        "INSERT INTO proc (pk_proc, pk_host, pk_job, pk_show, pk_layer, int_cores_reserved, int_mem_reserved) \
         SELECT 'new', pk_host, pk_job, pk_show, pk_layer, 100, 1024 FROM proc LIMIT 1",
    ] {
        sqlx::query(statement).execute(&mut *booker).await.unwrap();
    }
    let waiting = async {
        cue_simfarm::waiting::until("the count to wait for the booking", async || {
            let locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            yard.db.count(locks).await > 0
        })
        .await;
        booker.commit().await.unwrap();
    };
    let mut session = yard.session().await;
    let (healed, ()) = tokio::join!(session.heal(keys), waiting);
    assert!(healed.unwrap().skipped.is_none());
    let counted = "SELECT int_cores::bigint FROM subscription";
    assert_eq!(yard.db.count(counted).await, 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_row_that_somebody_holds_is_skipped_and_makes_no_other_table_wait() {
    let yard = Yard::new(4).await;
    for statement in BREAK {
        yard.db.run(statement).await;
    }
    let drift = yard.store.drift(1000).await.unwrap();
    let mut session = yard.session().await;
    let mut somebody = yard.db.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM job_resource FOR UPDATE")
        .execute(&mut *somebody)
        .await
        .unwrap();
    // The counters of other tables are free at any moment but that of their own healing.
    let mut worst = Duration::ZERO;
    let booking = async {
        loop {
            let began = Instant::now();
            yard.db
                .run("UPDATE subscription SET int_burst = int_burst")
                .await;
            worst = worst.max(began.elapsed());
        }
    };
    let healed = tokio::select! {
        healed = session.heal(drift.keys) => healed.unwrap(),
        () = booking => unreachable!(),
    };
    assert_eq!(healed.corrected.sum(), 4);
    assert!(healed.skipped.is_some());
    assert!(worst < Duration::from_millis(400), "waited {worst:?}");
    somebody.rollback().await.unwrap();
    assert_eq!(heal_drift(&yard).await, 1);
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_absurd_proc_ends_neither_the_comparison_nor_the_healing_of_others() {
    let yard = Yard::new(2).await;
    let other = yard.farm.frames("other", 1, |_| ()).await.unwrap();
    for name in ["absurd", "insane"] {
        yard.db.run_for("INSERT INTO proc (pk_proc, pk_host, pk_job, pk_show, pk_layer, int_cores_reserved, int_mem_reserved) \
             SELECT $1, pk_host, $2, pk_show, $3, 9223372036854775807, 1024 FROM proc LIMIT 1", &[name, &other.id, &other.layers[0].id]).await;
    }
    let wrong = "UPDATE job_resource SET int_cores = 4200 WHERE pk_job = (SELECT pk_job FROM proc WHERE pk_frame IS NOT NULL LIMIT 1)";
    yard.db.run(wrong).await;
    let drift = yard.store.drift(1000).await.unwrap();
    let healed = yard.session().await.heal(drift.keys).await.unwrap();
    assert!(healed.skipped.is_some(), "no counter holds that much");
    let right = "SELECT int_cores FROM job_resource WHERE pk_job = (SELECT pk_job FROM proc WHERE pk_frame IS NOT NULL LIMIT 1)";
    assert_eq!(yard.db.count(right).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_healing_that_hangs_loses_its_row_locks_within_seconds() {
    let yard = Yard::new(2).await;
    yard.db.run("UPDATE subscription SET int_cores = 0").await;
    let keys = job_keys(&yard);
    let mut somebody = yard.db.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM subscription FOR UPDATE")
        .execute(&mut *somebody)
        .await
        .unwrap();
    let mut session = yard.session().await;
    let mut healing = Box::pin(session.heal(keys));
    let waits = cue_simfarm::waiting::until("the healing to wait for the row", async || {
        let locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        yard.db.count(locks).await > 0
    });
    tokio::select! {
        _ = &mut healing => unreachable!("the row is held"),
        () = waits => {}
    }
    // The row is its own from here on, and nobody polls it: it hangs.
    somebody.rollback().await.unwrap();
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()";
    cue_simfarm::waiting::until("the lock to be held idly", async || {
        yard.db.count(idle).await > 0
    })
    .await;
    let began = Instant::now();
    // A booking waits for the row no longer than its lock timeout of 5 s.
    yard.db
        .run("UPDATE subscription SET int_burst = int_burst")
        .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert!(healing.await.is_err(), "its session was ended");
    assert_eq!(heal_drift(&yard).await, 1);
    yard.assert_sound().await;
}
