//! The trace of a turn: what an operator sees in Jaeger.
//!
//! Spans begin on threads of their own too, so the subscriber is the one of the whole process. Other
//! tests of this binary are recorded as well; a trace is recognised by the frames that were launched in it.

use cue_simfarm::waiting::until;
use std::collections::{BTreeMap, HashSet};

use cue_scheduler::telemetry;
use cue_simfarm::rqd::LaunchRecord;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};

use crate::world::{Scheduler, World, endless, settings, yard};

const FRAMES: usize = 3;

/// The stages, in the order of the pipeline.
const STAGES: [&str; 5] = [
    "job_fetch",
    "layer_lock",
    "host_match",
    "dispatch",
    "check_in",
];

/// The statements of a turn that books, and the span each stands under.
const STATEMENTS: [(&str, &str); 9] = [
    ("wanted_layers", "job_fetch"),
    ("lock_layers", "layer_lock"),
    ("lock_frames", "layer_lock"),
    ("lock_stats", "book"),
    ("lock_targets", "book"),
    ("launch_layers", "book"),
    ("start_frames", "book"),
    ("lock_counters", "book"),
    ("charge_counters", "book"),
];

struct Trace(Vec<SpanData>);

impl Trace {
    /// Spans of the trace that the host received.
    fn of(launch: &LaunchRecord, exporter: &InMemorySpanExporter) -> Self {
        let parent = launch.traceparent.as_deref().unwrap();
        let id = parent.split('-').nth(1).unwrap();
        let all = exporter.get_finished_spans().unwrap().into_iter();
        Self(
            all.filter(|span| span.span_context.trace_id().to_string() == id)
                .collect(),
        )
    }

    fn named(&self, name: &str) -> Vec<&SpanData> {
        self.0.iter().filter(|span| span.name == name).collect()
    }

    fn only(&self, name: &str) -> &SpanData {
        let found = self.named(name);
        assert_eq!(found.len(), 1, "{name} in {:?}", self.names());
        found[0]
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|span| &*span.name).collect()
    }
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let all = span.attributes.iter();
    all.map(|pair| (pair.key.to_string(), pair.value.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_books_is_one_trace_from_the_feed_to_the_host() {
    let (db, farm) = yard(1).await;
    let tags = farm.allocation.name.clone();
    let folder = farm.folder("capped", 100 * FRAMES as i32, -1).await;
    let job = farm.job("capped", |job| {
        job.place.folder = folder.unwrap();
        job.layer("render", &tags, |layer| layer.frames = FRAMES as i64 + 1);
    });
    job.await.unwrap();
    let world = World::open(db, endless()).await;
    let quiet = [("CUE_LOG", "off")];
    let scheduler_settings = settings(&world.db.url, world.rqd.address(), &quiet);
    let exporter = InMemorySpanExporter::default();
    let (subscriber, guard) = telemetry::subscriber(
        &scheduler_settings.telemetry,
        &scheduler_settings.logging,
        Some(exporter.clone()),
        std::io::sink,
    )
    .unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let scheduler = Scheduler::start(&world, &[]).await;
    world.launched(FRAMES).await;
    // The cap of the folder is full and a frame waits: turns come and find nothing they may run.
    until("turns that find no work", async || {
        scheduler.sum_of("scheduler_pass_terminated_reason_total", "no_jobs") >= 5.0
    })
    .await;
    world.finish_all(FRAMES + 1).await;
    // Spans are exported in the order in which traces end, so this is the last of them.
    let launches = world.rqd.launches();
    until("the trace of the last frame to be exported", async || {
        let last = Trace::of(&launches[FRAMES], &exporter);
        !last.named("turn").is_empty() && !last.named("check_in").is_empty()
    })
    .await;
    scheduler.drain().await;

    let (first, last) = launches.split_at(FRAMES);
    let trace = Trace::of(&first[0], &exporter);
    assert_shape(&trace);
    assert_propagated(&trace, first);
    assert_propagated(&Trace::of(&last[0], &exporter), last);
    let all = exporter.get_finished_spans().unwrap();
    let roots = all.iter().filter(|span| span.name == "turn");
    for root in roots {
        assert_ne!(attributes(root)["cue.turn.outcome"], "no_jobs");
    }
    guard.finish().await;
    world.close().await;
}

/// One root, the stages below it in order, and their spans below them.
fn assert_shape(trace: &Trace) {
    let root = trace.only("turn");
    assert_eq!(root.parent_span_id, opentelemetry::SpanId::INVALID);
    let about = attributes(root);
    assert_eq!(about["cue.turn.outcome"], "booked");
    assert_eq!(about["cue.turn.frames_booked"], FRAMES.to_string());
    assert_eq!(
        (&*about["cue.facility.name"], &*about["cue.show.name"]),
        ("yard", "alpha")
    );

    let stages: Vec<&SpanData> = STAGES.iter().map(|name| trace.only(name)).collect();
    for stage in &stages {
        assert_eq!(
            stage.parent_span_id,
            root.span_context.span_id(),
            "{}",
            stage.name
        );
        assert_eq!(attributes(stage)["cue.verdict"], "done", "{}", stage.name);
        assert!(root.end_time >= stage.end_time, "the root closes last");
    }
    let starts: Vec<_> = stages.iter().map(|stage| stage.start_time).collect();
    assert!(starts.is_sorted(), "the stages are in order");

    let under = |child: &str, parent: &str| {
        let parent = trace.only(parent).span_context.span_id();
        for span in trace.named(child) {
            assert_eq!(span.parent_span_id, parent, "{child}");
        }
    };
    trace.only("book");
    under("book", "dispatch");
    under("launch", "dispatch");
    for (statement, parent) in STATEMENTS {
        trace.only(statement);
        under(statement, parent);
    }
}

/// Checks that each launch has its span, and the host its context in the header and in the environment.
fn assert_propagated(trace: &Trace, launches: &[LaunchRecord]) {
    let spans = trace.named("launch");
    assert_eq!(spans.len(), launches.len());
    let id = |span: &SpanData| {
        let context = &span.span_context;
        format!("00-{}-{}-01", context.trace_id(), context.span_id())
    };
    let known: HashSet<String> = spans.iter().map(|span| id(span)).collect();
    for launch in launches {
        let header = launch.traceparent.as_ref().unwrap();
        assert!(known.contains(header), "{header} in {known:?}");
        let frame = launch.run_frame.as_ref().unwrap();
        assert_eq!(&frame.environment["TRACEPARENT"], header);
    }
    for span in spans {
        assert_eq!(attributes(span)["cue.outcome"], "launched");
    }
}
