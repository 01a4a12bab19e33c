//! A batch that holds work of several turns: it is told in the trace of each.

use cue_simfarm::rqd::SimRqdSettings;
use cue_simfarm::waiting::until;

use crate::collector::Collector;
use crate::turns::{STAGES, assert_root, assert_stages};
use crate::yard::Yard;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_mixes_turns_is_in_the_trace_of_each_and_the_later_points_at_the_first() {
    let collector = Collector::grpc().await;
    let yard = three_clusters().await;
    // Whoever comes first stands at the lock of its frames, alone or with the next, and the rest
    // queues behind: of three turns at least two share a batch.
    let mut somebody = yard.db.pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE frame IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *somebody)
        .await
        .unwrap();
    let how = [
        ("CUE_LAYER_LOCK_WORKERS", "1"),
        ("CUE_DATABASE_LOCK_TIMEOUT", "30s"),
    ];
    let program = yard.schedule(&collector, &how).await;
    let fetched = r#"scheduler_stage_items_total{stage="job_fetch",verdict="done"} 3"#;
    until("three turns to be fetched", async || {
        program.get("/metrics").await.1.contains(fetched)
    })
    .await;
    somebody.rollback().await.unwrap();
    yard.launched(3).await;

    let later = collector
        .trace("the trace that points", |trace| {
            !trace.only("layer_lock").links.is_empty()
        })
        .await;
    println!("{later}");
    later.assert_sound();
    assert_root(&later, "booked", 1);
    let first = collector
        .trace("the trace that is pointed at", |trace| {
            later.only("layer_lock").links == [trace.only("layer_lock").id.clone()]
        })
        .await;
    println!("{first}");
    first.assert_sound();
    assert_root(&first, "booked", 1);
    assert_ne!(first.root().trace, later.root().trace);
    assert_stages(&first, &STAGES);
    assert_stages(&later, &STAGES);
    for stage in &STAGES[1..] {
        assert_eq!(
            later.only(stage).links,
            [first.only(stage).id.clone()],
            "{stage}"
        );
    }
    // What the batch does is told once, where the first turn is.
    assert!(later.named("book").is_empty() && later.named("launch").is_empty());
    let booked = first.only("book").number("frames_booked");
    assert!((2..=3).contains(&booked), "{booked} frames in the batch");
    assert_eq!(
        first.named("launch").len(),
        usize::try_from(booked).unwrap()
    );
    yard.close(program).await;
}

/// A farm whose frames are served by three clusters: one of each tag, with a host of its own.
async fn three_clusters() -> Yard {
    let yard = Yard::new(0, SimRqdSettings::default()).await;
    for tag in ["a", "b", "c"] {
        let allocation = yard.farm.allocation(tag, 10_000, 20_000).await.unwrap();
        let host = yard.farm.host(tag, |host| {
            host.allocation = allocation.id.clone();
            host.tags = vec![(tag.to_owned(), "ALLOC")];
        });
        host.await.unwrap();
        let frames = yard
            .farm
            .frames(tag, 1, |layer| tag.clone_into(&mut layer.tags));
        frames.await.unwrap();
    }
    yard
}
