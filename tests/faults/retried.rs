//! Frames that are taken away between the lock and the write of a booking, at the store: where a
//! conflict makes it begin again, somebody else may have been faster.

use cue_domain::{FrameId, HostId, admit};
use cue_simfarm::foreign::{self, Booking};
use cue_simfarm::waiting::{until, within};
use cue_store::{OpenBooking, Store};
use std::collections::HashSet;
use tokio::sync::oneshot;

use crate::ends::waiting_sessions;
use crate::yard::{ONE, Yard, locked_ledger, open, refs, store, want};

/// Books what the caps admit, and says how many frames started.
async fn book(mut held: OpenBooking, rows: &[cue_domain::Booking]) -> usize {
    let rows = refs(rows);
    let ledger = locked_ledger(&mut held, &rows).await;
    assert!(admit(&rows, ledger).iter().all(Result::is_ok));
    let booked = held.book(&rows).await.unwrap();
    held.commit(&rows).await.unwrap();
    booked.frames.len()
}

/// Begins a booking again with a step of somebody else in between, which waits for a row of the
/// booking and has it as soon as the booking rolls back.
///
/// The order after a rollback is otherwise open, and a booking that was first would keep
/// the step waiting. The booking has the only connection of its store; a second booking stands in
/// line for it, is next, and keeps it until the step is over.
async fn again_after<T>(
    (yard, store): (&Yard, &Store),
    held: OpenBooking,
    rows: &[cue_domain::Booking],
    step: impl Future<Output = T>,
) -> (T, OpenBooking, HashSet<FrameId>) {
    let next = want(&yard.job("next", 1).await, 1);
    let (over, is_over) = oneshot::channel();
    let step = async {
        let done = step.await;
        over.send(()).unwrap();
        done
    };
    let between = async {
        let next = open(store, &next).await;
        is_over.await.unwrap();
        drop(next);
    };
    let again = async {
        waiting_sessions(&yard.db.pool, 1).await;
        again(held, rows).await
    };
    let all = Box::pin(async { tokio::join!(between, step, again) });
    let ((), done, (held, frames)) = Box::pin(within("all three", all)).await;
    (done, held, frames)
}

async fn again(held: OpenBooking, rows: &[cue_domain::Booking]) -> (OpenBooking, HashSet<FrameId>) {
    let rebooking = held.rebooking();
    held.release().await.unwrap();
    rebooking.open(&refs(rows), None).await.unwrap()
}

async fn states(yard: &Yard) -> (i64, i64, i64) {
    let running = "SELECT count(*) FROM frame WHERE str_state = 'RUNNING'";
    let eaten = "SELECT count(*) FROM frame WHERE str_state = 'EATEN'";
    let procs = "SELECT count(*) FROM proc";
    (
        yard.db.count(running).await,
        yard.db.count(eaten).await,
        yard.db.count(procs).await,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_frame_that_is_eaten_while_a_booking_begins_again_is_left_out() {
    let yard = Yard::new().await;
    let (host, job) = (yard.host("node1").await, yard.job("a", 3).await);
    let store = store(&yard.db, 1).await;
    let (held, locked) = open(&store, &want(&job, 3)).await;
    let mut rows = yard.rows(&job, &locked, &host);
    let victim = rows[1].frame.id.clone();
    let eaten = foreign::eat_frame(&yard.db.pool, &victim);
    let (eaten, held, frames) = again_after((&yard, &store), held, &rows, eaten).await;
    assert!(eaten.unwrap().is_none(), "it did not run");
    assert!(!frames.contains(&victim), "{frames:?}");
    rows.retain(|row| frames.contains(&row.frame.id));
    assert_eq!(book(held, &rows).await, 2);
    assert_eq!(states(&yard).await, (2, 1, 2));
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_frame_in_a_booking_cannot_be_taken_by_cuebot_and_the_rest_can() {
    let yard = Yard::new().await;
    let (host, job) = (yard.host("node1").await, yard.job("a", 3).await);
    let (held, locked) = open(&yard.store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    let (pool, on) = (&yard.db.pool, HostId::from(host.id.as_str()));
    let taken = foreign::book_one_frame_like_cuebot(pool, &rows[0].frame.id, &on, ONE).await;
    assert_eq!(taken.unwrap(), Booking::FrameTaken);
    let free = FrameId::from(job.layers[0].frames[2].as_str());
    let booked = foreign::book_one_frame_like_cuebot(pool, &free, &on, ONE).await;
    assert!(matches!(booked.unwrap(), Booking::Booked(_)));
    assert_eq!(book(held, &rows).await, 2);
    assert_eq!(states(&yard).await, (3, 0, 3));
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_frame_that_cuebot_booked_while_a_booking_began_again_is_left_out() {
    let yard = Yard::new().await;
    let (host, job) = (yard.host("node1").await, yard.job("a", 2).await);
    let (held, locked) = open(&yard.store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    // As if the first try had been rolled back a while ago.
    drop(held);
    let (pool, on) = (&yard.db.pool, HostId::from(host.id.as_str()));
    until("Cuebot to have the frame", async || {
        let booked = foreign::book_one_frame_like_cuebot(pool, &rows[0].frame.id, &on, ONE).await;
        matches!(booked.unwrap(), Booking::Booked(_))
    })
    .await;
    let (held, locked) = open(&yard.store, &want(&job, 2)).await;
    assert_eq!(locked[0].frames.len(), 1);
    let (held, frames) = again(held, &rows).await;
    assert_eq!(frames.len(), 1);
    let rows: Vec<cue_domain::Booking> = rows
        .into_iter()
        .filter(|row| frames.contains(&row.frame.id))
        .collect();
    assert_eq!(book(held, &rows).await, 1);
    assert_eq!(states(&yard).await, (2, 0, 2));
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_frame_whose_version_has_moved_is_not_booked_and_the_rest_is() {
    let yard = Yard::new().await;
    let (host, job) = (yard.host("node1").await, yard.job("a", 3).await);
    let (held, locked) = open(&yard.store, &want(&job, 3)).await;
    let mut rows = yard.rows(&job, &locked, &host);
    rows[0].frame.version += 1;
    assert_eq!(book(held, &rows).await, 2);
    assert_eq!(states(&yard).await, (2, 0, 2));
    let (held, _) = open(&yard.store, &want(&job, 3)).await;
    let (_, frames) = again(held, &rows).await;
    assert!(frames.is_empty(), "a stale version is no claim: {frames:?}");
    yard.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn a_job_that_is_deleted_while_a_booking_begins_again_is_left_out() {
    let yard = Yard::new().await;
    let (host, job) = (yard.host("node1").await, yard.job("a", 2).await);
    let store = store(&yard.db, 1).await;
    let (held, locked) = open(&store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    let delete = sqlx::query("DELETE FROM job WHERE pk_job = $1").bind(&job.id);
    let delete = delete.execute(&yard.db.pool);
    let (deleted, _, frames) = again_after((&yard, &store), held, &rows, delete).await;
    assert_eq!(deleted.unwrap().rows_affected(), 1);
    assert!(frames.is_empty(), "{frames:?}");
    assert!(
        yard.store
            .lock_layers(&want(&job, 2))
            .await
            .unwrap()
            .batch
            .is_none()
    );
    yard.assert_sound().await;
}
