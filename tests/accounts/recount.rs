//! Single counts: what is set, to what, and what is left alone.

use cue_store::{CounterKeys, StoreError};

use crate::world::Yard;

/// Breaks all five counters.
const BREAK: [&str; 5] = [
    "UPDATE subscription SET int_cores = int_cores - 100",
    "UPDATE layer_resource SET int_cores = 7700, int_gpus = 3",
    "UPDATE job_resource SET int_cores = -300",
    "UPDATE folder_resource SET int_cores = 4200",
    "UPDATE point SET int_cores = 100, int_gpus = 1",
];

async fn recount_stale(yard: &Yard) -> Result<u64, StoreError> {
    let stale = yard.store.stale_counters(1000).await?;
    Ok(yard.store.recount(&stale).await?.sum())
}

fn job_keys(yard: &Yard) -> CounterKeys {
    let mut keys = CounterKeys::default();
    let (show, alloc) = (&yard.farm.show.id, &yard.farm.allocation.id);
    keys.subscriptions
        .insert((show.as_str().into(), alloc.as_str().into()));
    keys.jobs.insert(yard.job.id.as_str().into());
    keys
}

#[tokio::test]
async fn every_counter_that_is_wrong_is_found_and_set_to_the_sum_of_its_procs() {
    let yard = Yard::new(4).await;
    assert!(yard.store.stale_counters(1000).await.unwrap().is_empty());
    for statement in BREAK {
        yard.run(statement).await;
    }
    let stale = yard.store.stale_counters(1000).await.unwrap();
    assert_eq!(stale.len(), 5, "{stale:?}");
    let corrected = yard.store.recount(&stale).await.unwrap();
    assert!(corrected.0.values().all(|count| *count == 1));
    assert_eq!(corrected.0.len(), 5);
    yard.assert_sound().await;
    assert_eq!(yard.store.recount(&stale).await.unwrap().sum(), 0);
}

#[tokio::test]
async fn a_local_proc_counts_for_its_layer_only() {
    let yard = Yard::new(2).await;
    yard.run("UPDATE proc SET b_local = true WHERE pk_proc = (SELECT min(pk_proc) FROM proc)")
        .await;
    assert_eq!(recount_stale(&yard).await.unwrap(), 4);
    yard.assert_sound().await;
    let layer = "SELECT sum(int_cores)::bigint FROM layer_resource";
    let subscription = "SELECT sum(int_cores)::bigint FROM subscription";
    assert_eq!(yard.number(layer).await, 200);
    assert_eq!(yard.number(subscription).await, 100);
}

#[tokio::test]
async fn a_finished_job_is_looked_at_while_it_still_counts_something() {
    let yard = Yard::new(2).await;
    yard.release(2).await;
    yard.run("UPDATE job SET str_state = 'FINISHED'").await;
    assert_eq!(recount_stale(&yard).await.unwrap(), 5);
    yard.assert_sound().await;
}

#[tokio::test]
async fn a_counter_above_a_lowered_cap_is_set_and_the_cap_stays() {
    let yard = Yard::new(5).await;
    for statement in [
        "UPDATE subscription SET int_cores = 0, int_burst = 300",
        "UPDATE job_resource SET int_cores = 0, int_max_cores = 200, int_max_gpus = 0",
    ] {
        yard.run(statement).await;
    }
    assert_eq!(recount_stale(&yard).await.unwrap(), 2);
    for (query, expected) in [
        ("SELECT int_cores::bigint FROM subscription", 500),
        ("SELECT int_burst FROM subscription", 300),
        ("SELECT int_cores FROM job_resource", 500),
        ("SELECT int_max_cores::bigint FROM job_resource", 200),
        ("SELECT int_max_gpus::bigint FROM job_resource", 0),
    ] {
        assert_eq!(yard.number(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn a_cap_that_an_operator_edits_before_the_count_is_locked_survives() {
    let yard = Yard::new(5).await;
    yard.run("UPDATE subscription SET int_cores = 0, int_burst = 300")
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
            yard.number(locks).await > 0
        })
        .await;
        operator.commit().await.unwrap();
    };
    let (corrected, ()) = tokio::join!(yard.store.recount(&keys), waiting);
    assert_eq!(corrected.unwrap().sum(), 1);
    let row = "SELECT int_cores * 1000 + int_burst FROM subscription";
    assert_eq!(yard.number(row).await, 500_400);
}

#[tokio::test]
async fn no_edit_of_a_cap_is_lost_while_counts_raise_and_restore_it() {
    let yard = Yard::new(5).await;
    let keys = job_keys(&yard);
    let mut counts = 0;
    let counting = async {
        loop {
            yard.run("UPDATE subscription SET int_cores = 0").await;
            yard.run("UPDATE job_resource SET int_cores = 0").await;
            counts += yard.store.recount(&keys).await.unwrap().sum();
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
                yard.number(read).await,
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

#[tokio::test]
async fn a_count_waits_for_a_booking_under_way_and_sees_all_of_it() {
    let yard = Yard::new(2).await;
    yard.run("UPDATE subscription SET int_cores = 0").await;
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
            yard.number(locks).await > 0
        })
        .await;
        booker.commit().await.unwrap();
    };
    let (corrected, ()) = tokio::join!(yard.store.recount(&keys), waiting);
    corrected.unwrap();
    let counted = "SELECT int_cores::bigint FROM subscription";
    assert_eq!(yard.number(counted).await, 300);
}
