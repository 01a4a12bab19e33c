//! Launches that hosts acknowledged are recorded, and only bookings of ours without such a record count as
//! forgotten.

use std::collections::HashSet;
use std::time::Duration;

use cue_domain::{FrameId, HostId, ProcId};
use cue_simfarm::foreign::{Booking, book_one_frame_like_cuebot};
use cue_store::Unlaunched;

use crate::yard::{ONE, Yard};

const NEW: &str = "SELECT count(*) FROM proc WHERE ts_ping < ts_booked";
/// Acknowledged, and as silent as before for Cuebot, which looks at seconds.
const ACKNOWLEDGED: &str = "SELECT count(*) FROM proc
     WHERE ts_ping > ts_booked AND ts_ping < ts_booked + interval '1 millisecond'";

fn accepted(booked: &[Unlaunched]) -> Vec<(ProcId, FrameId)> {
    let pair = |row: &Unlaunched| (row.proc.clone(), row.frame.clone());
    booked.iter().map(pair).collect()
}

async fn forgotten(yard: &Yard, known: &[ProcId], most: u32) -> HashSet<ProcId> {
    let found = yard.store.unlaunched_procs(Duration::ZERO, known, most);
    let found = found.await.unwrap().into_iter();
    found.map(|found| found.proc).collect()
}

fn procs(booked: &[Unlaunched]) -> HashSet<ProcId> {
    booked.iter().map(|row| row.proc.clone()).collect()
}

#[tokio::test]
async fn a_booking_is_forgotten_until_its_launch_is_acknowledged() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 4).await;
    let booked = yard.book(&job, 4, &host).await;
    assert_eq!(yard.db.count(NEW).await, 4);
    assert_eq!(forgotten(&yard, &[], 9).await, procs(&booked));
    let known = [booked[3].proc.clone()];
    assert_eq!(forgotten(&yard, &known, 9).await, procs(&booked[..3]));

    let of_two = accepted(&booked[..2]);
    for _ in 0..2 {
        let held = yard.store.acknowledge_launches(&of_two).await.unwrap();
        assert!(held.is_empty());
        assert_eq!(
            (yard.db.count(NEW).await, yard.db.count(ACKNOWLEDGED).await),
            (2, 2)
        );
    }
    assert_eq!(forgotten(&yard, &[], 9).await, procs(&booked[2..]));
    yard.assert_sound().await;
}

#[tokio::test]
async fn a_proc_that_was_pinged_or_is_gone_or_has_another_frame_needs_no_record() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 3).await;
    let booked = yard.book(&job, 3, &host).await;
    yard.db
        .run_for(
            "UPDATE proc SET ts_ping = ts_booked + interval '9 seconds' WHERE pk_proc = $1",
            &[booked[0].proc.as_str()],
        )
        .await;
    yard.store.undo(&booked[1..2]).await.unwrap();
    let mut all = accepted(&booked);
    all[2].1 = booked[1].frame.clone();
    let held = yard.store.acknowledge_launches(&all).await.unwrap();
    assert!(held.is_empty(), "nothing is left to be tried again");
    let reported = "SELECT count(*) FROM proc WHERE ts_ping = ts_booked + interval '9 seconds'";
    assert_eq!(
        (yard.db.count(NEW).await, yard.db.count(reported).await),
        (1, 1)
    );
}

#[tokio::test]
async fn a_proc_that_somebody_holds_is_left_for_the_next_time_and_delays_no_other() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 3).await;
    let booked = yard.book(&job, 3, &host).await;
    let lock = "SELECT pk_proc FROM proc WHERE pk_proc = $1 FOR UPDATE";
    let cuebot = yard.holding(lock, booked[1].proc.as_str()).await;
    let all = accepted(&booked);
    let held = yard.store.acknowledge_launches(&all).await.unwrap();
    assert_eq!(held, procs(&booked[1..2]));
    assert_eq!(yard.db.count(ACKNOWLEDGED).await, 2);
    cuebot.rollback().await.unwrap();
    assert!(
        yard.store
            .acknowledge_launches(&all)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(yard.db.count(ACKNOWLEDGED).await, 3);
}

#[tokio::test]
async fn what_cuebot_booked_is_never_forgotten_whoever_manages_the_show() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let frames = "SELECT pk_frame FROM frame";
    let frames: Vec<String> = yard.db.values(frames).await;
    let (frame, on) = (FrameId::from(&*frames[0]), HostId::from(&*host.id));
    let booking = book_one_frame_like_cuebot(&yard.db.pool, &frame, &on, ONE).await;
    assert!(matches!(booking.unwrap(), Booking::Booked(_)));
    let ours = yard.book(&job, 1, &host).await;
    for managed in ["true", "false"] {
        let hand_over = format!("UPDATE show SET b_scheduler_managed = {managed}");
        yard.db.run(&hand_over).await;
        assert_eq!(forgotten(&yard, &[], 9).await, procs(&ours), "{managed}");
    }
}

#[tokio::test]
async fn what_cannot_be_forgotten_takes_no_place_among_what_is_looked_at() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 12).await;
    let stopped = yard.book(&job, 10, &host).await;
    // Between its stop and its release a proc has no frame, and after a kill its frame does not run.
    let stop = "UPDATE proc SET pk_frame = NULL WHERE pk_proc = $1";
    let eat = "UPDATE frame SET str_state = 'EATEN' WHERE pk_frame = $1";
    for (n, row) in stopped.iter().enumerate() {
        let (query, id) = match n % 2 {
            0 => (stop, row.proc.as_str()),
            _ => (eat, row.frame.as_str()),
        };
        yard.db.run_for(query, &[id]).await;
    }
    let ours = yard.book(&job, 2, &host).await;
    assert_eq!(forgotten(&yard, &[], 2).await, procs(&ours));
}

#[tokio::test]
async fn an_undo_of_a_frame_with_checkpoints_ends_as_waiting_and_keeps_them() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 4).await;
    let states = ["DISABLED", "ENABLED", "COPYING", "COMPLETE"];
    for (n, state) in states.iter().enumerate() {
        let query = "UPDATE frame SET str_checkpoint_state = $1 WHERE int_dispatch_order = $2";
        let set = sqlx::query(query).bind(state).bind(n as i64);
        set.execute(&yard.db.pool).await.unwrap();
    }
    let booked = yard.book(&job, 4, &host).await;
    assert_eq!(yard.store.undo(&booked).await.unwrap().procs.len(), 4);
    let query =
        "SELECT str_state || ' ' || str_checkpoint_state FROM frame ORDER BY int_dispatch_order";
    let after: Vec<String> = yard.db.values(query).await;
    let expected = states.map(|state| format!("WAITING {state}"));
    assert_eq!(after, expected);
    yard.assert_sound().await;
}
