//! A batch that holds work of several turns: it is told in the trace of each.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::{Fault, SimRqdSettings};
use cue_simfarm::seed::LayerSpec;
use cue_simfarm::waiting::until;

use crate::binary::Service;
use crate::collector::Collector;
use crate::tree::Trace;
use crate::turns::{STAGES, assert_root, assert_stages};
use crate::yard::Yard;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_mixes_turns_is_in_the_trace_of_each_and_the_later_points_at_the_first() {
    let collector = Collector::grpc().await;
    let yard = three_clusters().await;
    // Whoever comes first stands at the lock of its frames, alone or with the next, and the rest
    // queues behind: of three turns at least two share a batch.
    for tag in ["a", "b", "c"] {
        one_frame(&yard, tag).await;
    }
    let somebody = yard.hold_frames().await;
    let program = yard.schedule(&collector, &ONE_LOCKER).await;
    fetched(&program, 3).await;
    somebody.rollback().await.unwrap();
    yard.launched(3).await;

    let later = collector
        .trace("the trace that points", |trace| {
            let locks = trace.named("layer_lock");
            locks.iter().any(|lock| !lock.links.is_empty())
        })
        .await;
    println!("{later}");
    later.assert_sound();
    assert_root(&later, "booked", 1);
    let links = &later.only("layer_lock").links;
    let first = collector
        .trace("the trace that is pointed at", |trace| {
            let locks = trace.named("layer_lock");
            locks.iter().any(|lock| *links == [lock.id.clone()])
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
    // What the batch does is told once, where the first turn is; each launch with its own turn.
    assert!(later.named("book").is_empty());
    let booked = first.only("book").number("frames_booked");
    assert!((2..=3).contains(&booked), "{booked} frames in the batch");
    assert_eq!(first.named("launch").len(), 1);
    let launch = later.only("launch");
    assert_eq!(launch.parent, later.only("dispatch").id);
    let frame = launch.attribute("frame.id");
    let launched = yard.rqd.launches();
    let call = launched.iter().find(|call| &*call.frame_id == frame);
    let told = call.unwrap().traceparent.clone();
    assert_eq!(
        told,
        Some(launch.traceparent()),
        "the host joins the turn of its frame"
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
    }
    yard
}

/// Gives one of the clusters a frame. Returns the job.
async fn one_frame(yard: &Yard, tag: &str) -> String {
    let layer = |layer: &mut LayerSpec| tag.clone_into(&mut layer.tags);
    yard.farm.frames(tag, 1, layer).await.unwrap().id
}

/// The same, and nobody may run it yet.
async fn paused_frame(yard: &Yard, tag: &str) -> String {
    let job = one_frame(yard, tag).await;
    pause(yard, &job, true).await;
    job
}

async fn pause(yard: &Yard, job: &str, paused: bool) {
    let paused = sqlx::query("UPDATE job SET b_paused = $2 WHERE pk_job = $1")
        .bind(job)
        .bind(paused)
        .execute(&yard.db.pool);
    assert_eq!(paused.await.unwrap().rows_affected(), 1);
}

/// Waits until the work of so many turns has been fetched.
async fn fetched(program: &Service, turns: usize) {
    let done =
        format!(r#"scheduler_stage_items_total{{stage="job_fetch",verdict="done"}} {turns}"#);
    until(&format!("{turns} turns to be fetched"), async || {
        program.get("/metrics").await.1.contains(&done)
    })
    .await;
}

/// One worker locks layers, and has the patience for a test that holds it up.
const ONE_LOCKER: [(&str, &str); 2] = [
    ("CUE_LAYER_LOCK_WORKERS", "1"),
    ("CUE_DATABASE_LOCK_TIMEOUT", "30s"),
];

/// How long a batch is held up, so that waiting for it shows.
const HELD_UP: Duration = Duration::from_millis(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_turns_that_share_a_batch_a_ratio_keeps_those_that_a_failed_one_points_at() {
    let collector = Collector::grpc().await;
    let yard = three_clusters().await;
    yard.rqd.set_fault("c", Fault::RefuseForNow);
    one_frame(&yard, "a").await;
    let others = [
        paused_frame(&yard, "b").await,
        paused_frame(&yard, "c").await,
    ];
    let somebody = yard.hold_frames().await;
    let mut how = ONE_LOCKER.to_vec();
    how.extend([
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
        ("CUE_TRACE_KEEP_SLOW", "0"),
    ]);
    let program = yard.schedule(&collector, &how).await;
    // The first stands at the lock; the others queue behind it in this order, and share a batch.
    yard.statement_waits_for_a_lock("lock_frames").await;
    for (job, turns) in others.iter().zip([2, 3]) {
        pause(&yard, job, false).await;
        fetched(&program, turns).await;
    }
    let queued = Instant::now();
    // Time itself is what is looked at.
    tokio::time::sleep(HELD_UP).await;
    let waited = i64::try_from(queued.elapsed().as_micros()).unwrap();
    somebody.rollback().await.unwrap();
    yard.launched(2).await;

    let of = |tag: &'static str| {
        let cluster = format!("yard/alpha/alloc:{tag}");
        move |trace: &Trace| trace.root().attribute("cluster") == cluster
    };
    let failed = collector.trace("the trace that failed", of("c")).await;
    let pointed_at = collector.trace("the one it points at", of("b")).await;
    println!("{failed}\n{pointed_at}");
    assert_shared(&failed, &pointed_at, waited);
    let dropped = r#"scheduler_traces_total{outcome="not_sampled"} 0"#;
    let metrics = program.get("/metrics").await.1;
    assert!(!metrics.contains(dropped), "the first turn is ordinary");
    // Whatever is to be exported is exported when the program has ended.
    yard.close(program).await;
    assert!(!collector.traces().iter().any(of("a")), "and left no trace");
}

/// Both waited that long, in microseconds, were booked together, and only one of them failed.
fn assert_shared(failed: &Trace, pointed_at: &Trace, waited: i64) {
    for trace in [failed, pointed_at] {
        trace.assert_sound();
        assert_root(trace, "booked", 1);
        assert_stages(trace, &STAGES);
        let queued = trace.only("layer_lock").number("queue_wait_us");
        assert!(
            queued >= waited,
            "queued for {queued} us, held up for {waited}"
        );
    }
    assert_eq!(
        failed.only("launch").attribute("outcome"),
        "refused_for_now"
    );
    assert!(
        pointed_at.failed().is_empty(),
        "nothing of it failed:\n{pointed_at}"
    );
    for stage in &STAGES[1..] {
        let passes = pointed_at.named(stage);
        for pass in failed.named(stage) {
            let [link] = &pass.links[..] else {
                panic!("{stage}: {:?}", pass.links);
            };
            assert!(passes.iter().any(|other| other.id == *link), "{stage}");
        }
    }
    assert_eq!(pointed_at.only("book").number("frames_booked"), 2);
}
