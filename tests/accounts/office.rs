//! The accountant by itself: messages, the election, and what is none of its business.

use cue_simfarm::waiting::{until, within};
use std::time::Duration;

use sqlx::Row;

use crate::world::{NEVER, Replica, Yard};

/// The office in `pg_locks`, with who holds it.
const HOLDER: &str = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted \
     AND classid = 1668638047 AND objid = 1633903476 \
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";

#[tokio::test]
async fn messages_alone_keep_every_counter_right() {
    let yard = Yard::new(6).await;
    let replica = Replica::start(&yard.db, NEVER).await;
    replica.settled().await;
    yard.release(4).await;
    until("the counters to follow", async || yard.is_sound().await).await;
    // PostgreSQL sends equal messages of one transaction once: only who reads amounts would mind.
    assert_eq!(replica.releases(), 1.0);
    assert_eq!(replica.cycles(), 1.0, "no look at everything was needed");
}

#[tokio::test]
async fn one_of_two_replicas_is_elected_and_the_other_takes_over_when_it_dies() {
    let yard = Yard::new(6).await;
    let first = Replica::start(&yard.db, NEVER).await;
    first.settled().await;
    let second = Replica::start(&yard.db, NEVER).await;
    yard.release(2).await;
    until("the counters to follow", async || yard.is_sound().await).await;
    assert!(first.is_elected() && !second.is_elected());
    assert_eq!(second.releases(), 0.0);

    drop(first);
    yard.release(2).await;
    second.settled().await;
    yard.release(1).await;
    until("the counters to follow", async || yard.is_sound().await).await;
}

#[tokio::test]
async fn messages_that_nobody_heard_are_made_good_by_the_next_election() {
    let yard = Yard::new(6).await;
    let replica = Replica::start(&yard.db, NEVER).await;
    replica.settled().await;
    // This session waits in line for the office, so that it is certain that nobody listens.
    let mut usurper = yard.db.pool.acquire().await.unwrap();
    let office = i64::from_be_bytes(*b"cue_acct");
    let usurping = sqlx::query("SELECT pg_advisory_lock($1)")
        .bind(office)
        .execute(&mut *usurper);
    let killing = async {
        until("the usurper to wait", async || {
            yard.number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1633903476")
                .await
                > 0
        })
        .await;
        let row = sqlx::query(HOLDER).fetch_one(&yard.db.pool).await.unwrap();
        let killed: bool = sqlx::query_scalar("SELECT pg_terminate_backend($1)")
            .bind(row.get::<i32, _>("pid"))
            .fetch_one(&yard.db.pool)
            .await
            .unwrap();
        assert!(killed);
    };
    let (usurped, ()) = within("the office", async { tokio::join!(usurping, killing) }).await;
    usurped.unwrap();
    yard.release(3).await;
    until("the loss to be noticed", async || !replica.is_elected()).await;
    assert!(!yard.is_sound().await, "nobody was there to hear it");
    sqlx::query("SELECT pg_advisory_unlock($1)")
        .bind(office)
        .execute(&mut *usurper)
        .await
        .unwrap();
    until("the counters to be right again", async || {
        yard.is_sound().await
    })
    .await;
    assert!(replica.is_elected());
    assert_eq!(replica.releases(), 0.0);
}

#[tokio::test]
async fn a_message_that_cannot_be_read_makes_everything_be_looked_at() {
    let yard = Yard::new(3).await;
    let replica = Replica::start(&yard.db, NEVER).await;
    replica.settled().await;
    yard.run("UPDATE folder_resource SET int_cores = 4200")
        .await;
    yard.run("NOTIFY acct_release, 'a release of something'")
        .await;
    until("the counter to be right again", async || {
        yard.is_sound().await
    })
    .await;
    assert_eq!(replica.cycles(), 2.0);
}

#[tokio::test]
async fn drift_without_any_message_is_found_by_the_next_look() {
    let yard = Yard::new(3).await;
    let replica = Replica::start(&yard.db, Duration::from_millis(200)).await;
    replica.settled().await;
    yard.run("UPDATE point SET int_cores = 100").await;
    until("the counter to be right again", async || {
        yard.is_sound().await
    })
    .await;
}

#[tokio::test]
async fn shows_that_cuebot_keeps_are_never_touched() {
    let yard = Yard::new(3).await;
    yard.run("UPDATE show SET b_scheduler_managed = false")
        .await;
    for statement in [
        "UPDATE subscription SET int_cores = 100",
        "UPDATE layer_resource SET int_cores = 7700",
        "UPDATE job_resource SET int_cores = 0",
        "UPDATE folder_resource SET int_cores = 4200",
        "UPDATE point SET int_cores = 0",
    ] {
        yard.run(statement).await;
    }
    let rows = "SELECT concat_ws(' ', s.xmin, l.xmin, j.xmin, f.xmin, p.xmin) \
         FROM subscription s, layer_resource l, job_resource j, folder_resource f, point p";
    let versions = async || -> Vec<String> {
        let rows = sqlx::query_scalar(rows).fetch_all(&yard.db.pool);
        rows.await.unwrap()
    };
    let before = versions().await;
    let replica = Replica::start(&yard.db, Duration::from_millis(50)).await;
    until("three looks", async || replica.cycles() >= 3.0).await;
    assert_eq!(versions().await, before);

    yard.run("UPDATE show SET b_scheduler_managed = true").await;
    until("the counters to be right", async || yard.is_sound().await).await;
}
