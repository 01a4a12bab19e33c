//! Turns as a collector sees them: one that books, one that a cap cuts short, one whose launches
//! fail, one whose layer somebody holds.

use std::collections::{BTreeSet, HashSet};

use cue_simfarm::rqd::{Fault, LaunchRecord, SimRqdSettings};
use cue_simfarm::waiting::until;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::binary::Service;
use crate::collector::Collector;
use crate::tree::{Span, Trace};
use crate::yard::Yard;

/// The stage that a queue is before.
pub const DESTINATION: &str = "messaging.destination.name";

/// The stages, in the order of the pipeline.
pub const STAGES: [&str; 5] = [
    "job_fetch",
    "layer_lock",
    "host_match",
    "dispatch",
    "check_in",
];

/// The round trips of the transaction that books, each with the span it is made in.
const BOOKING: [(&str, &str); 10] = [
    ("begin", "layer_lock"),
    ("lock_layers", "layer_lock"),
    ("lock_frames", "layer_lock"),
    ("lock_stats", "book"),
    ("lock_targets", "book"),
    ("launch_layers", "book"),
    ("start_frames", "book"),
    ("lock_counters", "book"),
    ("charge_counters", "book"),
    ("commit", "book"),
];

fn outcome(trace: &Trace) -> &str {
    trace.root().attribute("cue.turn.outcome")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_books_is_one_trace_from_the_feed_to_the_host() {
    for http in [false, true] {
        let (collector, protocol) = if http {
            (Collector::http().await, "http/protobuf")
        } else {
            (Collector::grpc().await, "grpc")
        };
        let yard = Yard::new(1, SimRqdSettings::default()).await;
        let job = yard.farm.frames("shot", 3, |_| ()).await.unwrap();
        let exporter = [("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        let program = yard.schedule(&collector, &exporter).await;
        yard.launched(3).await;
        let trace = collector
            .trace("the trace of the booking", |trace| {
                outcome(trace) == "booked"
            })
            .await;
        println!("{trace}");
        trace.assert_sound();
        assert!(trace.failed().is_empty(), "{trace}");
        assert_root(&trace, "booked", 3);
        assert_stages(&trace, &STAGES);
        assert_booking(&trace, yard.database());
        assert_launches(&trace, &job.layers[0].frames, &yard.rqd.launches());
        some_empty_turn(&yard, &program).await;
        yard.close(program).await;
        for trace in collector.traces() {
            assert_ne!(outcome(&trace), "no_jobs", "empty turns leave no trace");
        }
    }
}

/// Lets a frame wait that no cap leaves room for, and waits for a turn that finds no work.
async fn some_empty_turn(yard: &Yard, program: &Service) {
    yard.db
        .run("UPDATE folder_resource SET int_max_cores = int_cores")
        .await;
    yard.farm.frames("capped", 1, |_| ()).await.unwrap();
    let none = r#"scheduler_traces_total{outcome="no_work"} 0"#;
    until("an empty turn", async || {
        !program.get("/metrics").await.1.contains(none)
    })
    .await;
}

pub fn assert_root(trace: &Trace, outcome: &str, booked: i64) {
    let root = trace.root();
    assert_eq!(root.attribute("cue.turn.outcome"), outcome);
    assert_eq!(root.number("cue.turn.frames_booked"), booked);
    assert_eq!(root.attribute("cue.facility.name"), "yard");
    assert_eq!(root.attribute("cue.show.name"), "alpha");
    assert_eq!(root.attribute("cue.cluster"), "yard/alpha");
    assert_eq!(root.resource["service.name"], "cue-scheduler");
    assert_eq!(root.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        root.attribute("cue.replica"),
        root.resource["service.instance.id"]
    );
}

/// Under the root are the feed and these stages, in this order, each done, and each behind the time that its item was
/// queued. Each is there once, but for the last one: hosts on which a launch failed come home after the others.
pub fn assert_stages(trace: &Trace, stages: &[&str]) {
    let mut under = trace.stages();
    under.dedup();
    assert_eq!(under.remove(0), "cluster_feed");
    assert_eq!(under, stages, "{trace}");
    for name in stages {
        let queues = trace.named("queue").into_iter();
        let mut before = queues.filter(|queue| queue.attribute(DESTINATION) == *name);
        for stage in trace.named(name) {
            assert_eq!(stage.attribute("cue.verdict"), "done", "{trace}");
            let queue = before.next().unwrap();
            assert_eq!(queue.parent, trace.root().id);
            assert!(queue.end <= stage.start, "{name} in\n{trace}");
        }
    }
}

/// The statements of one transaction, across two stages.
fn assert_booking(trace: &Trace, database: &str) {
    let spans: Vec<&Span> = BOOKING
        .iter()
        .map(|(name, parent)| {
            let span = trace.only(name);
            assert_eq!(span.parent, trace.only(parent).id, "{name} in\n{trace}");
            span
        })
        .collect();
    let starts: Vec<u64> = spans.iter().map(|span| span.start).collect();
    assert!(starts.is_sorted(), "{trace}");
    let numbers: BTreeSet<i64> = spans.iter().map(|s| s.number("cue.transaction")).collect();
    assert_eq!(numbers.len(), 1, "one transaction in\n{trace}");
    for span in spans.iter().copied().chain([trace.only("wanted_layers")]) {
        assert_eq!(span.kind, SpanKind::Client);
        assert_eq!(span.attribute("db.system.name"), "postgresql");
        assert_eq!(span.attribute("peer.service"), "postgresql");
        assert_eq!(span.attribute("db.query.summary"), span.name);
        assert_eq!(span.attribute("db.namespace"), database);
        assert!(!span.attribute("server.address").is_empty());
        assert!((1..=65_535).contains(&span.number("server.port")));
    }
    for name in ["lock_frames", "start_frames"] {
        assert_eq!(trace.only(name).number("db.response.returned_rows"), 3);
    }
    assert_eq!(trace.only("book").number("cue.frames_booked"), 3);
    assert_eq!(trace.only("book").parent, trace.only("dispatch").id);
}

/// Checks that each launch has its span, and the host its context in the header and in the environment.
fn assert_launches(trace: &Trace, frames: &[String], launches: &[LaunchRecord]) {
    let spans = trace.named("launch");
    let launched: HashSet<&str> = spans.iter().map(|s| s.attribute("cue.frame.id")).collect();
    assert_eq!(launched, frames.iter().map(|frame| &**frame).collect());
    assert_eq!(launches.len(), frames.len());
    for span in &spans {
        assert_eq!(span.parent, trace.only("dispatch").id);
        assert!(
            span.start >= trace.only("commit").end,
            "launched after the commit"
        );
        assert_eq!(span.kind, SpanKind::Client);
        assert_eq!(span.attribute("rpc.system.name"), "grpc");
        assert_eq!(span.attribute("rpc.method"), "rqd.RqdInterface/LaunchFrame");
        assert_eq!(span.attribute("rpc.response.status_code"), "OK");
        assert_eq!(span.attribute("server.address"), "node1");
        assert!((1..=65_535).contains(&span.number("server.port")));
        assert_eq!(span.attribute("cue.outcome"), "launched");
        assert_eq!(span.attribute("cue.show.name"), "alpha");
        assert_eq!(span.attribute("cue.job.name"), "shot");
        assert_eq!(span.attribute("cue.host.name"), "node1");
        assert_eq!(span.attribute("peer.service"), "rqd");
        let received = launches
            .iter()
            .find(|launch| *launch.frame_id == *span.attribute("cue.frame.id"))
            .unwrap();
        assert_eq!(received.traceparent, Some(span.traceparent()));
        let environment = &received.run_frame.as_ref().unwrap().environment;
        assert_eq!(environment["TRACEPARENT"], span.traceparent());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cap_refuses_is_counted_and_named_in_the_booking() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    let job = yard.farm.frames("capped", 5, |_| ()).await.unwrap();
    // Somebody lowers the cap between the query that found the job and the lock on its counters.
    let mut somebody = yard.db.pool.begin().await.unwrap();
    sqlx::query("UPDATE job_resource SET int_max_cores = 200 WHERE pk_job = $1")
        .bind(&job.id)
        .execute(&mut *somebody)
        .await
        .unwrap();
    let program = yard.schedule(&collector, &[]).await;
    yard.somebody_waits_for_a_lock().await;
    somebody.commit().await.unwrap();
    yard.launched(2).await;
    let trace = collector
        .trace("the trace of the booking", |trace| {
            outcome(trace) == "booked"
        })
        .await;
    println!("{trace}");
    trace.assert_sound();
    assert_root(&trace, "booked", 2);
    assert_stages(&trace, &STAGES);
    let book = trace.only("book");
    assert_eq!(book.number("cue.frames_planned"), 5);
    assert_eq!(book.number("cue.frames_booked"), 2);
    assert_eq!(book.number("cue.frames_refused"), 3);
    let refusal = book.attribute("cue.first_refusal");
    assert!(
        refusal.contains("job") && refusal.contains("cap"),
        "{refusal}"
    );
    assert!(
        trace.failed().is_empty(),
        "a refusal is no failure:\n{trace}"
    );
    assert_eq!(trace.named("launch").len(), 2);
    let metrics = program.get("/metrics").await.1;
    let counted = r#"scheduler_accounting_limit_exceeded_total{table="job"} 3"#;
    assert!(metrics.contains(counted), "{metrics}");
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_fails_says_why_and_is_taken_back_in_the_same_trace() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.rqd.set_fault_all(Fault::RefuseForNow);
    yard.farm.frames("unlucky", 1, |_| ()).await.unwrap();
    let program = yard.schedule(&collector, &[]).await;
    let trace = collector
        .trace("the trace of the failure", |trace| {
            !trace.failed().is_empty()
        })
        .await;
    println!("{trace}");
    trace.assert_sound();
    assert_root(&trace, "booked", 1);
    assert_stages(&trace, &STAGES);
    let launch = trace.only("launch");
    assert_eq!(launch.attribute("cue.outcome"), "refused_for_now");
    assert_eq!(launch.attribute("error.type"), "ABORTED");
    assert_eq!(launch.attribute("rpc.response.status_code"), "ABORTED");
    let why = launch.error.as_deref().unwrap();
    assert!(why.contains("node1 refused the frame for now"), "{why}");
    let mut failed: Vec<_> = trace.failed().iter().map(|span| &*span.name).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["dispatch", "launch", "turn"], "{trace}");
    for name in ["dispatch", "turn"] {
        let above = trace.only(name);
        assert_eq!(above.attribute("error.type"), "launch_failed");
        assert_eq!(above.error.as_deref(), Some("1 of its launches failed"));
    }
    assert_eq!(trace.only("dispatch").number("cue.launches_failed"), 1);
    assert_eq!(trace.root().number("cue.turn.launches_failed"), 1);

    let undo = trace.only("undo_bookings");
    assert_eq!(undo.parent, trace.only("dispatch").id);
    assert_eq!(undo.number("db.response.returned_rows"), 1);
    assert!(undo.start >= launch.end, "taken back once it is certain");
    assert_ne!(
        undo.number("cue.transaction"),
        trace.only("start_frames").number("cue.transaction")
    );
    assert_eq!(trace.named("commit").len(), 2, "{trace}");
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_layer_that_somebody_holds_ends_the_turn_at_the_lock() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    let job = yard.farm.frames("held", 1, |_| ()).await.unwrap();
    let mut somebody = yard.db.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM layer WHERE pk_layer = $1 FOR UPDATE")
        .bind(&job.layers[0].id)
        .execute(&mut *somebody)
        .await
        .unwrap();
    let program = yard.schedule(&collector, &[]).await;
    let trace = collector
        .trace("the trace of the skip", |trace| {
            outcome(trace) == "saturated"
        })
        .await;
    println!("{trace}");
    trace.assert_sound();
    assert_root(&trace, "saturated", 0);
    assert_eq!(trace.stages(), ["cluster_feed", "job_fetch", "layer_lock"]);
    let lock = trace.only("layer_lock");
    assert_eq!(lock.attribute("cue.verdict"), "skip");
    assert_eq!(lock.attribute("cue.reason"), "nothing_to_lock");
    assert!(trace.failed().is_empty(), "a skip is no failure:\n{trace}");
    let asked = ["begin", "lock_layers", "held_layers", "rollback"];
    assert_eq!(trace.under(lock), asked);
    let rows = trace
        .only("lock_layers")
        .number("db.response.returned_rows");
    assert_eq!(rows, 0);

    somebody.rollback().await.unwrap();
    yard.launched(1).await;
    yard.close(program).await;
}
