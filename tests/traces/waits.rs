//! Waits in a trace: for room in the next queue, and for rows that another session holds.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::SimRqdSettings;
use cue_simfarm::waiting::until;

use crate::collector::Collector;
use crate::turns::{DESTINATION, STAGES, assert_stages};
use crate::yard::Yard;

/// Time for which the next stage is held up.
const HELD_UP: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stage_that_waits_for_room_says_how_long_so_that_it_does_not_look_slow() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    for job in ["one", "two", "three"] {
        yard.farm.frames(job, 1, |_| ()).await.unwrap();
    }
    let somebody = yard.hold_frames().await;
    let narrow = [
        ("CUE_LAYER_LOCK_WORKERS", "1"),
        ("CUE_LAYER_LOCK_QUEUE", "1"),
        ("CUE_BATCH_LAYERS", "1"),
        ("CUE_DATABASE_LOCK_TIMEOUT", "30s"),
    ];
    let program = yard.schedule(&collector, &narrow).await;
    // One job stands at the lock, one is queued, and for the third there is no room.
    yard.statement_waits_for_a_lock("lock_frames").await;
    let full = r#"scheduler_stage_queue_depth{stage="layer_lock"} 1"#;
    let all_read = r#"scheduler_db_statements_total{outcome="ok",statement="wanted_layers"} 3"#;
    until("the third job to wait for room", async || {
        let metrics = program.get("/metrics").await.1;
        metrics.contains(full) && metrics.contains(all_read)
    })
    .await;
    let began = Instant::now();
    // Time itself is what is looked at.
    tokio::time::sleep(HELD_UP).await;
    let held_up = began.elapsed();
    somebody.rollback().await.unwrap();
    yard.launched(3).await;
    let trace = collector
        .trace("the trace of the three jobs", |trace| {
            // Each part of the turn reads its own.
            let read = trace.named("wanted_layers").into_iter();
            read.map(|span| span.number("db.response.returned_rows"))
                .sum::<i64>()
                == 3
        })
        .await;
    println!("{trace}");
    trace.assert_sound();
    let took = |span: &crate::tree::Span| Duration::from_nanos(span.end - span.start);
    let room = trace.only("room");
    assert_eq!(room.attribute(DESTINATION), "layer_lock");
    assert!(
        took(room) >= held_up,
        "waited {:?} of {held_up:?}",
        took(room)
    );
    assert_eq!(room.parent, trace.root().id);
    // The work before the wait and the work after it; neither reaches into the wait.
    for fetch in trace.named("job_fetch") {
        assert!(
            fetch.end <= room.start || fetch.start >= room.end,
            "{trace}"
        );
        assert!(took(fetch) < held_up, "{trace}");
    }
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_fails_marks_its_span_with_the_state_of_the_server() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.farm.frames("held", 1, |_| ()).await.unwrap();
    let somebody = yard.hold_frames().await;
    let impatient = [("CUE_DATABASE_LOCK_TIMEOUT", "50ms")];
    let program = yard.schedule(&collector, &impatient).await;
    let trace = collector
        .trace("the trace of the failure", |trace| {
            !trace.failed().is_empty()
        })
        .await;
    println!("{trace}");
    trace.assert_sound();
    // A table that somebody locks holds up everybody: the statement, its stage and the turn failed.
    let mut names: Vec<_> = trace.failed().iter().map(|span| &*span.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["layer_lock", "lock_frames", "turn"], "{trace}");
    let failed = trace.only("lock_frames");
    assert_eq!(failed.attribute("db.response.status_code"), "55P03");
    assert_eq!(failed.attribute("error.type"), "55P03");
    let why = failed.error.as_deref().unwrap();
    assert!(why.contains("lock timeout"), "{why}");
    let lock = trace.only("layer_lock");
    assert_eq!(failed.parent, lock.id);
    assert_eq!(lock.attribute("cue.verdict"), "retry");
    somebody.rollback().await.unwrap();
    yard.launched(1).await;
    let booked = collector
        .trace("the trace of the booking", |trace| {
            trace.root().attribute("cue.turn.outcome") == "booked"
        })
        .await;
    assert_stages(&booked, &STAGES);
    assert!(booked.failed().is_empty(), "{booked}");
    let log = yard.close(program).await;
    let trace_id = format!(r#""trace_id":"{}""#, trace.root().trace);
    let mut lines = log.lines().filter(|line| line.contains("lock timeout"));
    assert!(
        lines.any(|line| line.contains(&trace_id)),
        "{trace_id} in\n{log}"
    );
}
