//! Opening a booking: which layers and frames are locked, and which are passed over.

use cue_domain::ids::JobId;
use cue_simfarm::foreign;

use crate::yard::{Yard, frames, locked_ledger, open, refs, store, want};

const LOCK_FRAME: &str = "SELECT pk_frame FROM frame WHERE pk_frame = $1 FOR UPDATE";

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn layers_that_another_booking_holds_are_passed_over() {
    let yard = Yard::new().await;
    let (a, b) = (yard.job("a", 3).await, yard.job("b", 3).await);
    let (_first, _) = open(&yard.store, &want(&a, 1)).await;

    let both = [want(&a, 9), want(&b, 9)].concat();
    let (_second, locked) = open(&yard.store, &both).await;
    assert_eq!(frames(&locked), b.layers[0].frames);
    let locked = yard.store.lock_layers(&both).await.unwrap();
    assert!(locked.batch.is_none());
    assert_eq!(locked.held, 2);
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
    yard.db
        .run_for(
            "UPDATE layer SET ts_start_after = now() + interval '1 hour' WHERE pk_job = $1",
            &[&later.id],
        )
        .await;
    let both = [want(&paused, 9), want(&later, 9)].concat();
    assert!(yard.store.lock_layers(&both).await.unwrap().batch.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn only_layers_that_somebody_holds_count_as_held() {
    let yard = Yard::new().await;
    let [free, paused, later, done, gone, no_frames, held] = [
        "free",
        "paused",
        "later",
        "done",
        "gone",
        "no frames",
        "held",
    ];
    let mut jobs = std::collections::HashMap::new();
    for name in [free, paused, later, done, gone, no_frames, held] {
        jobs.insert(name, yard.job(name, 3).await);
    }
    for (name, change) in [
        (paused, "UPDATE job SET b_paused = true WHERE pk_job = $1"),
        (
            later,
            "UPDATE layer SET ts_start_after = now() + interval '1 hour' WHERE pk_job = $1",
        ),
        (
            done,
            "UPDATE job SET str_state = 'FINISHED' WHERE pk_job = $1",
        ),
        (
            no_frames,
            "UPDATE frame SET str_state = 'SUCCEEDED' WHERE pk_job = $1",
        ),
    ] {
        let change = sqlx::query(change).bind(&jobs[name].id);
        change.execute(&yard.db.pool).await.unwrap();
    }
    // Somebody has the frames of one, and the row of another; the holder of a row need not be a scheduler.
    let lock_frames = "SELECT pk_frame FROM frame WHERE pk_job = $1 FOR UPDATE";
    let _frames = yard.holding(lock_frames, &jobs[free].id).await;
    let lock_layer = "SELECT pk_layer FROM layer WHERE pk_job = $1 FOR UPDATE";
    let _layer = yard.holding(lock_layer, &jobs[held].id).await;

    let mut wanted: Vec<_> = jobs.values().flat_map(|job| want(job, 9)).collect();
    wanted.iter_mut().for_each(|want| {
        if want.0.as_str() == jobs[gone].layers[0].id {
            want.0 = "no layer".into();
        }
    });
    let locked = yard.store.lock_layers(&wanted).await.unwrap();
    assert!(locked.batch.is_none());
    assert_eq!(locked.held, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn dropping_an_open_booking_rolls_back_and_lets_go() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 3).await;
    let single = store(&yard.db, 1).await;
    let (mut held, locked) = open(&single, &want(&job, 3)).await;
    let rows = yard.rows(&job, &locked, &host);
    locked_ledger(&mut held, &refs(&rows)).await;
    assert_eq!(held.book(&refs(&rows)).await.unwrap().frames.len(), 3);
    drop(held);

    // The store has one connection, so this waits for the rollback.
    let (_held, locked) = open(&single, &want(&job, 3)).await;
    assert_eq!(frames(&locked), job.layers[0].frames);
    assert_eq!(yard.db.count("SELECT count(*) FROM proc").await, 0);
    yard.assert_sound().await;
}

/// A value that no schema of the farm allows costs its own layer.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_layer_that_cannot_be_read_is_named_and_left_out() {
    let yard = Yard::new().await;
    let (layer, frame, sound) = (
        yard.job("a", 2).await,
        yard.job("b", 3).await,
        yard.job("c", 2).await,
    );
    let broken = format!(
        "ALTER TABLE layer ALTER COLUMN str_services DROP NOT NULL;
         ALTER TABLE frame ALTER COLUMN str_name DROP NOT NULL;
         UPDATE layer SET str_services = NULL WHERE pk_job = '{}';
         UPDATE frame SET str_name = NULL WHERE pk_frame = '{}'",
        layer.id, frame.layers[0].frames[1]
    );
    let broken = sqlx::raw_sql(sqlx::AssertSqlSafe(broken));
    broken.execute(&yard.db.pool).await.unwrap();
    let all = [want(&layer, 9), want(&frame, 9), want(&sound, 9)].concat();
    let locked = yard.store.lock_layers(&all).await.unwrap();
    let unreadable: Vec<&str> = locked
        .unreadable
        .iter()
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(unreadable, [&layer.layers[0].id, &frame.layers[0].id]);
    assert!(
        locked
            .unreadable
            .iter()
            .all(|(_, error)| error.may_be_of_a_row())
    );
    let (_held, rows) = locked.batch.unwrap();
    assert_eq!(frames(&rows), sound.layers[0].frames);
}
