//! Exports that a sampler or a silent collector prevents, and that delay no frame.

use std::time::{Duration, Instant};

use cue_simfarm::rqd::{Fault, SimRqdSettings};
use cue_simfarm::waiting::until;

use crate::collector::Collector;
use crate::yard::Yard;

/// Time that the end of the program may take when nobody takes its last spans: five seconds, and some more on a busy
/// machine.
const AT_THE_END: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_that_a_ratio_leaves_out_are_not_exported_and_hosts_know_it() {
    let collector = Collector::grpc().await;
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.rqd.set_fault_all(Fault::RefuseForNow);
    yard.farm.frames("unlucky", 1, |_| ()).await.unwrap();
    let none = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    let program = yard.schedule(&collector, &none).await;
    let refused = r#"scheduler_launches_total{outcome="refused_for_now"} 0"#;
    until("a launch to be refused", async || {
        !program.get("/metrics").await.1.contains(refused)
    })
    .await;
    yard.rqd.set_fault_all(Fault::None);
    yard.launched(1).await;
    let parent = yard.rqd.launches()[0].traceparent.clone().unwrap();
    assert!(parent.ends_with("-00"), "{parent} says it is not sampled");
    yard.close(program).await;
    assert_eq!(
        collector.largest(),
        0,
        "not even the failed turn is exported"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_holds_up_no_frame() {
    for protocol in ["grpc", "http/protobuf"] {
        let collector = Collector::silent().await;
        let yard = Yard::new(4, SimRqdSettings::default()).await;
        // As many frames as the hosts have cores.
        yard.farm.frames("many", 128, |_| ()).await.unwrap();
        let exporter = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ];
        let program = yard.schedule(&collector, &exporter).await;
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
        assert!(!log.contains("panicked"), "{log}");
    }
}
