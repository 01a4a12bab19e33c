//! What is exported and what is not, and that nobody waits for it.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::{Fault, SimRqdSettings};

use crate::collector::Collector;
use crate::yard::Yard;

/// A ratio that chooses no turn, and nothing kept besides.
const NONE: [(&str, &str); 4] = [
    ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
    ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ("CUE_TRACE_KEEP_SLOW", "0"),
    ("CUE_TRACE_KEEP_FAILED", "false"),
];

/// How long the end of the program may take when nobody takes its last spans: it waits for them for five
/// seconds, and a busy machine has some more.
const AT_THE_END: Duration = Duration::from_secs(40);

fn none_but(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    NONE.into_iter().chain(more.iter().copied()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_turns_that_a_ratio_leaves_out_the_failed_ones_are_kept_and_no_others() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.rqd.set_fault_all(Fault::RefuseForNow);
    yard.farm.frames("unlucky", 1, |_| ()).await.unwrap();
    let how = none_but(&[("CUE_TRACE_KEEP_FAILED", "true")]);
    let program = yard.schedule(&collector, &how).await;
    let kept = collector.trace("the failed turn", |_| true).await;
    kept.assert_sound();
    assert_eq!(kept.failed().len(), 1, "{kept}");

    yard.rqd.set_fault_all(Fault::None);
    yard.launched(1).await;
    let parent = yard.rqd.launches()[0].traceparent.clone().unwrap();
    assert!(parent.ends_with("-00"), "{parent} says it is not sampled");
    let (code, log) = program.terminate().await;
    assert_eq!(code, Some(0), "{log}");
    let traces = collector.traces();
    let good = traces.iter().find(|trace| trace.failed().is_empty());
    assert!(
        good.is_none(),
        "an ordinary turn was exported:\n{}",
        good.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_turns_that_a_ratio_leaves_out_the_slow_ones_are_kept() {
    let collector = Collector::grpc().await;
    let slow = SimRqdSettings {
        latency: Duration::from_millis(300),
        ..SimRqdSettings::default()
    };
    let yard = Yard::new(1, slow).await;
    yard.farm.frames("slow", 1, |_| ()).await.unwrap();
    let how = none_but(&[("CUE_TRACE_KEEP_SLOW", "250ms")]);
    let program = yard.schedule(&collector, &how).await;
    let kept = collector.trace("the slow turn", |_| true).await;
    kept.assert_sound();
    assert!(kept.failed().is_empty(), "{kept}");
    assert!(kept.root().end - kept.root().start >= 250_000_000, "{kept}");
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_holds_up_no_frame() {
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::silent().await;
        let yard = Yard::new(4, SimRqdSettings::default()).await;
        // As many frames as the hosts have cores.
        yard.farm.frames("many", 128, |_| ()).await.unwrap();
        let how = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "600000"),
        ];
        let program = yard.schedule(&collector, &how).await;
        yard.launched(128).await;
        let metrics = program.get("/metrics").await.1;
        let booked = r#"scheduler_frames_dispatched_total{show_name="alpha"} 128"#;
        assert!(metrics.contains(booked), "{metrics}");
        let exported = r#"scheduler_spans_exported_total{result="ok"} 0"#;
        assert!(metrics.contains(exported), "{metrics}");
        // The hosts have run what they were sent, so nothing but the collector could hold up the end.
        let began = Instant::now();
        let log = yard.close(program).await;
        let took = began.elapsed();
        assert!(took < AT_THE_END, "the end took {took:?}");
        assert!(log.contains("may not have been exported"), "{log}");
    }
}
