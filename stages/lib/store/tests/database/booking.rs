//! The one write and the commit: what is booked, and what its guards leave alone.

use cue_domain::ids::JobId;
use cue_domain::{Centicores, Kib};
use cue_simfarm::foreign;
use cue_simfarm::schema::SchemaVersion;

use crate::yard::{ONE, Yard, locked_ledger, open, refs, want};

const RUNNING: &str = "SELECT count(*) FROM frame WHERE str_state = 'RUNNING'";

#[tokio::test]
async fn a_committed_booking_is_there_whole() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 3).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
    let rows = yard.rows(&job, &locked, &host);
    locked_ledger(&mut held, &refs(&rows)).await;
    let booked = held.book(&refs(&rows)).await.unwrap();
    let facts = held.launch_facts(&refs(&rows)).await;
    assert_eq!(facts.unwrap()[&rows[0].layer.id].command, "render #IFRAME#");
    held.commit(&refs(&rows)).await.unwrap();

    let fences = rows.iter();
    let fences = fences.map(|row| (row.frame.id.clone(), row.frame.version + 1));
    assert_eq!(booked.frames, fences.collect());
    let idle = booked.hosts[&rows[0].host.id];
    assert_eq!(idle.bookable().cores, Centicores(3_000));
    assert_eq!(idle.bookable().memory, Kib(66_584_576 - 2 * ONE.memory.0));
    assert_eq!(yard.db.count(RUNNING).await, 2);
    assert_eq!(yard.db.count("SELECT count(*) FROM proc").await, 2);
    yard.assert_sound().await;
}

#[tokio::test]
async fn stuck_detection_is_read_where_the_schema_has_it() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let read = async || {
        let (mut held, locked) = open(&yard.store, &want(&job, 1)).await;
        let rows = yard.rows(&job, &locked, &host);
        let facts = held.launch_facts(&refs(&rows)).await.unwrap();
        facts.into_values().next().unwrap().stuck_detection_llu
    };
    assert_eq!(read().await, 0, "there is no such column");
    yard.db.migrate_to(SchemaVersion::V48).await.unwrap();
    assert_eq!(read().await, 0, "off");
    let on = "UPDATE layer SET int_stuck_detection_llu = 45";
    yard.db.run(on).await;
    assert_eq!(read().await, 45);
}

#[tokio::test]
async fn a_frame_that_is_not_as_it_was_read_is_left_alone() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 2)).await;
    let mut rows = yard.rows(&job, &locked, &host);
    rows[0].frame.version += 1;
    locked_ledger(&mut held, &refs(&rows)).await;
    let booked = held.book(&refs(&rows)).await.unwrap();
    let frames: Vec<_> = booked.frames.keys().collect();
    assert_eq!(frames, [&rows[1].frame.id]);
    held.commit(&refs(&rows)).await.unwrap();
    assert_eq!(yard.db.count(RUNNING).await, 1);
    yard.assert_sound().await;
}

#[tokio::test]
async fn a_waiting_frame_that_still_has_a_proc_keeps_only_itself_from_running() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 3).await;
    yard.book(&job, 1, &host).await;
    let lost =
        "UPDATE frame SET str_state = 'WAITING' WHERE str_state = 'RUNNING' RETURNING pk_frame";
    let lost: String = yard.db.value(lost).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 3)).await;
    let rows = yard.rows(&job, &locked, &host);
    assert_eq!(rows[0].frame.id.as_str(), lost, "it is the next in order");
    locked_ledger(&mut held, &refs(&rows)).await;
    let booked = held.book(&refs(&rows)).await.unwrap();
    assert_eq!(booked.frames.len(), 2);
    assert!(!booked.frames.contains_key(&rows[0].frame.id));
    held.commit(&refs(&rows)).await.unwrap();
    let back = "UPDATE frame SET str_state = 'RUNNING' WHERE str_state = 'WAITING'";
    yard.db.run(back).await;
    yard.assert_sound().await;
}

#[tokio::test]
async fn a_frame_that_is_taken_already_is_left_alone() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 2).await;
    let (held, locked) = open(&yard.store, &want(&job, 1)).await;
    let rows = yard.rows(&job, &locked, &host);
    held.commit(&[]).await.unwrap();
    yard.book(&job, 1, &host).await;

    // The second frame opens a transaction; the rows are of the first one, which runs by now.
    let (mut late, _) = open(&yard.store, &want(&job, 1)).await;
    assert_eq!(late.book(&refs(&rows)).await.unwrap().frames.len(), 0);
    late.commit(&refs(&rows)).await.unwrap();
    assert_eq!(yard.db.count(RUNNING).await, 1);
    yard.assert_sound().await;
}

#[tokio::test]
async fn a_layer_whose_time_has_not_come_is_not_booked() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let (now, later) = (yard.job("now", 1).await, yard.job("later", 1).await);
    let (held, locked) = open(&yard.store, &want(&later, 1)).await;
    let rows = yard.rows(&later, &locked, &host);
    held.commit(&[]).await.unwrap();
    yard.db
        .run_for(
            "UPDATE layer SET ts_start_after = now() + interval '1 hour' WHERE pk_job = $1",
            &[&later.id],
        )
        .await;
    let (mut held, _) = open(&yard.store, &want(&now, 1)).await;
    assert_eq!(held.book(&refs(&rows)).await.unwrap().frames.len(), 0);
}

#[tokio::test]
async fn a_job_that_was_paused_meanwhile_is_not_booked() {
    let yard = Yard::new().await;
    let host = yard.host("node").await;
    let job = yard.job("a", 1).await;
    let (mut held, locked) = open(&yard.store, &want(&job, 1)).await;
    let rows = yard.rows(&job, &locked, &host);
    let id = JobId::from(job.id.as_str());
    foreign::pause_job(&yard.db.pool, &id, true).await.unwrap();
    assert_eq!(held.book(&refs(&rows)).await.unwrap().frames.len(), 0);
}
