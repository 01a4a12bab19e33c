//! Taking bookings back: whole, once, and only what is still theirs.

use std::collections::HashSet;

use cue_domain::Centicores;
use cue_simfarm::foreign;
use cue_store::Unlaunched;

use crate::yard::{Yard, locked_ledger, open, refs, want};

const WAITING: &str =
    "SELECT count(*) FROM frame WHERE str_state = 'WAITING' AND int_exit_status = 299";
const PROCS: &str = "SELECT count(*) FROM proc";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_undo_takes_back_what_it_is_given_and_no_more() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 4).await;
    let booked = yard.book(&job, 3, &host).await;
    yard.assert_sound().await;

    let undone = yard.store.undo(&booked[..2]).await.unwrap();
    let procs: HashSet<_> = booked[..2].iter().map(|row| row.proc.clone()).collect();
    assert_eq!(undone.procs, procs);
    let idle: Vec<_> = undone
        .hosts
        .values()
        .map(|idle| idle.ledger.cores)
        .collect();
    assert_eq!(idle, [Centicores(3_100)]);
    assert_eq!(
        (yard.db.count(WAITING).await, yard.db.count(PROCS).await),
        (2, 1)
    );
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_undo_can_be_repeated() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let booked = yard.book(&job, 2, &host).await;
    assert_eq!(yard.store.undo(&booked).await.unwrap().procs.len(), 2);
    assert_eq!(yard.store.undo(&booked).await.unwrap().procs.len(), 0);
    assert_eq!(
        (yard.db.count(WAITING).await, yard.db.count(PROCS).await),
        (2, 0)
    );
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_undo_that_comes_late_does_not_touch_a_newer_run() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 1).await;
    let old = yard.book(&job, 1, &host).await;
    yard.store.undo(&old).await.unwrap();
    let new = yard.book(&job, 1, &host).await;
    assert_eq!(new[0].frame, old[0].frame);
    assert!(new[0].version > old[0].version);

    // The ids of the procs of these tests are made from the frames', so only the version differs.
    assert_eq!(new[0].proc, old[0].proc);
    assert_eq!(yard.store.undo(&old).await.unwrap().procs.len(), 0);
    assert_eq!(yard.db.count(PROCS).await, 1);
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_undo_of_another_proc_of_the_frame_does_nothing() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 1).await;
    let booked = yard.book(&job, 1, &host).await;
    let stranger = Unlaunched {
        proc: "somebody-else".into(),
        ..booked[0].clone()
    };
    assert_eq!(yard.store.undo(&[stranger]).await.unwrap().procs.len(), 0);
    assert_eq!(yard.db.count(PROCS).await, 1);
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_run_that_was_stopped_by_hand_is_not_given_back_twice() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let booked = yard.book(&job, 2, &host).await;
    foreign::eat_frame(&yard.db.pool, &booked[0].frame)
        .await
        .unwrap()
        .expect("it ran");
    yard.assert_sound().await;

    let undone = yard.store.undo(&booked).await.unwrap();
    assert_eq!(undone.procs, HashSet::from([booked[1].proc.clone()]));
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_undo_and_a_booking_of_the_same_layer_wait_for_each_other() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 4).await;
    let booked = yard.book(&job, 2, &host).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    locked_ledger(&mut held, &refs(&rows)).await;
    let book = async {
        held.book(&refs(&rows)).await.unwrap();
        held.commit(&refs(&rows)).await.unwrap();
    };
    let (undone, ()) = tokio::join!(yard.store.undo(&booked), book);
    assert_eq!(undone.unwrap().procs.len(), 2);
    assert_eq!(
        (yard.db.count(WAITING).await, yard.db.count(PROCS).await),
        (2, 2)
    );
    yard.assert_sound().await;
}

/// A row that somebody holds, or that the database refuses, costs its own bookings.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn an_undo_leaves_out_what_cannot_be_taken_back_yet() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let jobs = [
        yard.job("a", 2).await,
        yard.job("b", 2).await,
        yard.job("c", 2).await,
    ];
    let mut booked = Vec::new();
    for job in &jobs {
        booked.extend(yard.book(job, 2, &host).await);
    }
    let lock = "SELECT 1 FROM job_resource WHERE pk_job = $1 FOR UPDATE";
    let foreign = yard.holding(lock, &jobs[0].id).await;
    let refuse = format!(
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN
             IF old.pk_job = '{}' THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '22023'; END IF;
             RETURN old;
         END $$ LANGUAGE plpgsql;
         CREATE TRIGGER refuse BEFORE DELETE ON proc FOR EACH ROW EXECUTE PROCEDURE refuse();",
        jobs[1].id
    );
    let pool = &yard.db.pool;
    sqlx::raw_sql(sqlx::AssertSqlSafe(refuse))
        .execute(pool)
        .await
        .unwrap();
    // A session that has just begun to hold something may go on in a moment.
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;

    let undone = yard.store.undo(&booked).await.unwrap();
    let procs = |rows: &[Unlaunched]| {
        rows.iter()
            .map(|row| row.proc.clone())
            .collect::<HashSet<_>>()
    };
    assert_eq!(undone.procs, procs(&booked[4..]));
    assert_eq!(undone.postponed, procs(&booked[..4]));
    assert_eq!(yard.db.count(PROCS).await, 4);
    foreign.rollback().await.unwrap();
    sqlx::raw_sql("DROP TRIGGER refuse ON proc")
        .execute(pool)
        .await
        .unwrap();
    let undone = yard.store.undo(&booked).await.unwrap();
    assert_eq!((undone.procs.len(), undone.postponed.len()), (4, 0));
    yard.assert_sound().await;
}
