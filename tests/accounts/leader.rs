//! The loop by itself: messages, which replica leads, and what is left alone.

use std::time::{Duration, Instant};

use cue_simfarm::completion::Accounting;
use cue_simfarm::waiting::until;

use crate::yard::{Replica, Yard};

/// Time in which drift must be gone.
const HEALED: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn releases_that_cuebot_reports_are_counted_within_two_seconds() {
    let yard = Yard::new(6).await;
    let replica = Replica::start(&yard.db, "one").await;
    replica.settled().await;
    for _ in 0..3 {
        let began = Instant::now();
        yard.release(2, Accounting::Managed).await;
        until("the counters to follow", async || yard.is_sound().await).await;
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }
    // PostgreSQL sends equal messages of one transaction once: only who reads amounts would mind.
    assert_eq!(replica.releases(), 3.0);
    assert!(replica.corrected("release") >= 15.0);
    assert_eq!(replica.corrected("look"), 0.0, "releases are no drift");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn releases_that_nobody_reports_are_counted_within_seconds() {
    let yard = Yard::new(6).await;
    let replica = Replica::start(&yard.db, "one").await;
    replica.settled().await;
    for _ in 0..3 {
        yard.release(2, Accounting::Silent).await;
        let began = Instant::now();
        until("the counters to follow", async || yard.is_sound().await).await;
        // Two seconds, and one for a machine that does other things.
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{:?}",
            began.elapsed()
        );
    }
    assert!(replica.corrected("look") >= 15.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn drift_by_hand_in_any_table_and_either_direction_is_gone_within_ten_seconds() {
    let yard = Yard::new(3).await;
    let replica = Replica::start(&yard.db, "one").await;
    replica.settled().await;
    let mut worst = Duration::ZERO;
    for statement in [
        "UPDATE subscription SET int_cores = int_cores + 700",
        "UPDATE layer_resource SET int_cores = int_cores - 700",
        "UPDATE job_resource SET int_cores = int_cores + 700",
        "UPDATE folder_resource SET int_cores = int_cores - 700, int_gpus = 4",
        "UPDATE point SET int_cores = int_cores + 700",
        "UPDATE job_resource SET int_cores = 0, int_max_cores = 100",
    ] {
        yard.db.run(statement).await;
        let began = Instant::now();
        until("the counter to be right again", async || {
            yard.store.drift(10).await.unwrap().keys.is_empty()
        })
        .await;
        worst = worst.max(began.elapsed());
    }
    assert!(worst < HEALED, "{worst:?}");
    assert_eq!(
        yard.db
            .count("SELECT int_max_cores::bigint FROM job_resource")
            .await,
        100
    );
    yard.db
        .run("UPDATE job_resource SET int_max_cores = 20000")
        .await;
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_redirected_proc_and_a_moved_job_are_counted_where_they_are() {
    let yard = Yard::new(4).await;
    let other = yard.farm.frames("other", 4, |_| ()).await.unwrap();
    let replica = Replica::start(&yard.db, "one").await;
    replica.settled().await;
    // The next frame on the same proc is one of another job, and no counter but the layer's moves.
    let mut tx = yard.db.pool.begin().await.unwrap();
    for statement in [
        "UPDATE frame SET str_state = 'SUCCEEDED', int_exit_status = 0 WHERE pk_frame = (SELECT min(pk_frame) FROM proc)",
        "UPDATE frame SET str_state = 'RUNNING', int_version = frame.int_version + 1, str_host = d.str_host, int_cores = d.int_cores, int_mem_reserved = d.int_mem_reserved, ts_started = current_timestamp \
         FROM frame d WHERE frame.pk_frame = (SELECT min(f.pk_frame) FROM frame f JOIN job j USING (pk_job) WHERE j.str_name LIKE '%other%' AND f.str_state = 'WAITING') \
           AND d.pk_frame = (SELECT min(pk_frame) FROM proc)",
        "UPDATE proc SET pk_frame = f.pk_frame, pk_layer = f.pk_layer, pk_job = f.pk_job FROM frame f \
         WHERE proc.pk_frame = (SELECT min(pk_frame) FROM proc) AND f.str_state = 'RUNNING' AND f.pk_job <> proc.pk_job",
    ] {
        sqlx::query(statement).execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
    assert!(
        !yard.is_sound().await,
        "the redirect must leave the jobs wrong"
    );
    until("the counters to follow", async || yard.is_sound().await).await;
    let counted = "SELECT int_cores::bigint FROM job_resource WHERE pk_job = (SELECT pk_job FROM job WHERE str_name LIKE '%other%')";
    assert_eq!(yard.db.count(counted).await, 100, "{}", other.name);
    // The trigger of a move adds what the counter says, which may be wrong at that moment.
    let folder = yard.farm.folder("elsewhere", -1, -1).await.unwrap();
    yard.db
        .run("UPDATE job_resource SET int_cores = int_cores + 900")
        .await;
    yard.db
        .run_for(
            "UPDATE job SET pk_folder = $1 WHERE str_name LIKE '%other%'",
            &[&folder],
        )
        .await;
    until("the counters to follow", async || yard.is_sound().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn one_of_three_replicas_leads_all_know_it_and_its_death_has_a_successor() {
    let yard = Yard::new(6).await;
    let mut replicas = Vec::new();
    for name in ["one", "two", "three"] {
        replicas.push(Replica::start(&yard.db, name).await);
    }
    let leaders = |replicas: &[Replica]| replicas.iter().filter(|one| one.leads()).count();
    until("one leader", async || {
        let known = replicas
            .iter()
            .all(|one| one.state.read().checked.is_some());
        known && leaders(&replicas) == 1
    })
    .await;
    let before: f64 = replicas.iter().map(Replica::comparisons).sum();
    tokio::time::sleep(Duration::from_secs(4)).await;
    let after: f64 = replicas.iter().map(Replica::comparisons).sum();
    assert!(
        (1.0..=5.0).contains(&(after - before)),
        "{before} {after}: one compares for all"
    );
    assert_eq!(leaders(&replicas), 1);
    let leading = replicas.iter().position(Replica::leads).unwrap();
    let by = replicas[leading].state.read().by;
    assert!(replicas.iter().all(|one| one.state.read().by == by));

    drop(replicas.remove(leading));
    yard.release(2, Accounting::Silent).await;
    let began = Instant::now();
    until("the counters to follow", async || yard.is_sound().await).await;
    assert!(began.elapsed() < HEALED, "{:?}", began.elapsed());
    until("one leader", async || leaders(&replicas) == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_session_that_the_server_ends_is_opened_again_and_what_was_missed_is_found() {
    let yard = Yard::new(6).await;
    let replica = Replica::start(&yard.db, "one").await;
    replica.settled().await;
    let killed: i64 = yard.db.count(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '-- compare_accounts:%' \
             AND datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    assert!(killed >= 1);
    yard.release(3, Accounting::Managed).await;
    until("the counters to be right again", async || {
        yard.is_sound().await
    })
    .await;
    until("the replica to lead again", async || replica.leads()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_message_that_cannot_be_read_makes_everything_be_compared() {
    let yard = Yard::new(3).await;
    let replica = Replica::start(&yard.db, "one").await;
    replica.settled().await;
    let before = replica.comparisons();
    let began = Instant::now();
    yard.db
        .run("NOTIFY acct_release, 'a release of something'")
        .await;
    until("a comparison", async || replica.comparisons() > before).await;
    assert!(began.elapsed() < Duration::from_secs(2));
    yard.db
        .run("NOTIFY cue_accounts, 'a replica of another version'")
        .await;
    yard.db
        .run("UPDATE folder_resource SET int_cores = 4200")
        .await;
    until("the counter to be right again", async || {
        yard.is_sound().await
    })
    .await;
    assert!(replica.leads());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn shows_that_cuebot_keeps_are_never_touched() {
    let yard = Yard::new(3).await;
    yard.db
        .run("UPDATE show SET b_scheduler_managed = false")
        .await;
    for statement in [
        "UPDATE subscription SET int_cores = 100",
        "UPDATE layer_resource SET int_cores = 7700",
        "UPDATE job_resource SET int_cores = 0",
        "UPDATE folder_resource SET int_cores = 4200",
        "UPDATE point SET int_cores = 0",
    ] {
        yard.db.run(statement).await;
    }
    let rows = "SELECT concat_ws(' ', s.xmin, l.xmin, j.xmin, f.xmin, p.xmin) \
         FROM subscription s, layer_resource l, job_resource j, folder_resource f, point p";
    let versions = async || -> Vec<String> { yard.db.values(rows).await };
    let before = versions().await;
    let replica = Replica::start(&yard.db, "one").await;
    until("two comparisons", async || replica.comparisons() >= 2.0).await;
    assert_eq!(versions().await, before);

    yard.db
        .run("UPDATE show SET b_scheduler_managed = true")
        .await;
    until("the counters to be right", async || yard.is_sound().await).await;
}
