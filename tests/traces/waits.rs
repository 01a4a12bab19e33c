//! Where time goes in a trace: room in the next queue, and rows that somebody else holds.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::SimRqdSettings;
use cue_simfarm::waiting::until;

use crate::collector::Collector;
use crate::turns::{STAGES, assert_stages};
use crate::yard::Yard;

/// How long the stage behind is held up.
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
    until("the queue to be full", async || {
        program.get("/metrics").await.1.contains(full)
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
            trace
                .only("pending_layers")
                .number("db.response.returned_rows")
                == 3
        })
        .await;
    println!("{trace}");
    trace.assert_sound();
    let fetch = trace.only("job_fetch");
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap();
    let waited = fetch.number("send_wait_us");
    assert!(
        waited >= micros(held_up),
        "waited {waited} us of {held_up:?}"
    );
    let took = micros(Duration::from_nanos(fetch.end - fetch.start));
    assert!(waited <= took, "waited {waited} us of the {took} it took");
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
    let [failed] = trace.failed()[..] else {
        panic!("one statement failed in\n{trace}");
    };
    assert_eq!(failed.name, "lock_frames");
    assert_eq!(failed.attribute("db.response.status_code"), "55P03");
    assert_eq!(failed.attribute("error.type"), "55P03");
    let why = failed.error.as_deref().unwrap();
    assert!(why.contains("lock timeout"), "{why}");
    let lock = trace.only("layer_lock");
    assert_eq!(failed.parent, lock.id);
    assert_eq!(lock.attribute("reason"), "timed_out");
    somebody.rollback().await.unwrap();
    yard.launched(1).await;
    let booked = collector
        .trace("the trace of the booking", |trace| {
            trace.root().attribute("turn.outcome") == "booked"
        })
        .await;
    assert_stages(&booked, &STAGES);
    assert!(booked.failed().is_empty(), "{booked}");
    yard.close(program).await;
}
