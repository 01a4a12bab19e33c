//! Opening a booking: which layers and frames are locked, and which are passed over.

use cue_domain::ids::JobId;
use cue_simfarm::foreign;

use crate::yard::{Yard, frames, open, store, want};

const LOCK_FRAME: &str = "SELECT pk_frame FROM frame WHERE pk_frame = $1 FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn layers_that_another_booking_holds_are_passed_over() {
    let yard = Yard::new().await;
    let (a, b) = (yard.job("a", 3).await, yard.job("b", 3).await);
    let (_first, _) = open(&yard.store, &want(&a, 1)).await;

    let both = [want(&a, 9), want(&b, 9)].concat();
    let (_second, locked) = open(&yard.store, &both).await;
    assert_eq!(frames(&locked), b.layers[0].frames);
    assert!(yard.store.lock_layers(&both).await.unwrap().batch.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn frames_that_somebody_else_holds_are_passed_over() {
    let yard = Yard::new().await;
    let job = yard.job("a", 4).await;
    let ids = &job.layers[0].frames;
    let _foreign = yard.holding(LOCK_FRAME, &ids[1]).await;
    let (_held, locked) = open(&yard.store, &want(&job, 2)).await;
    assert_eq!(frames(&locked), [&ids[0], &ids[2]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn layers_come_in_the_order_they_are_wanted_and_frames_in_dispatch_order() {
    let yard = Yard::new().await;
    let (a, b) = (yard.job("a", 3).await, yard.job("b", 3).await);
    let wanted = [want(&b, 2), want(&a, 1)].concat();
    let (_held, locked) = open(&yard.store, &wanted).await;
    let (a, b) = (&a.layers[0], &b.layers[0]);
    assert_eq!(frames(&locked), [&b.frames[0], &b.frames[1], &a.frames[0]]);
    let counts: Vec<i64> = locked.iter().map(|row| row.layer.waiting).collect();
    assert_eq!(counts, [3, 3], "the layer is read again under its lock");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_paused_job_and_a_layer_whose_time_has_not_come_are_not_locked() {
    let yard = Yard::new().await;
    let (paused, later) = (yard.job("a", 3).await, yard.job("b", 3).await);
    let job = JobId::from(paused.id.as_str());
    foreign::pause_job(&yard.db.pool, &job, true).await.unwrap();
    sqlx::query("UPDATE layer SET ts_start_after = now() + interval '1 hour' WHERE pk_job = $1")
        .bind(&later.id)
        .execute(&yard.db.pool)
        .await
        .unwrap();
    let both = [want(&paused, 9), want(&later, 9)].concat();
    assert!(yard.store.lock_layers(&both).await.unwrap().batch.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn dropping_an_open_booking_rolls_back_and_lets_go() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 3).await;
    let single = store(&yard.db, 1).await;
    let (mut held, locked) = open(&single, &want(&job, 3)).await;
    let rows = yard.rows(&job, &locked, &host);
    held.ledger(&rows).await.unwrap();
    assert_eq!(held.book(&rows).await.unwrap().frames.len(), 3);
    drop(held);

    // The store has one connection, so this waits for the rollback.
    let (_held, locked) = open(&single, &want(&job, 3)).await;
    assert_eq!(frames(&locked), job.layers[0].frames);
    assert_eq!(yard.count("SELECT count(*) FROM proc").await, 0);
    yard.assert_sound().await;
}
