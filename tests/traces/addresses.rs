//! OpenTelemetry's own variables: where spans go, and what goes with them.

use cue_simfarm::rqd::SimRqdSettings;

use crate::binary::Service;
use crate::collector::{Collector, ELSEWHERE};
use crate::yard::Yard;

async fn yard() -> Yard {
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.farm.frames("shot", 1, |_| ()).await.unwrap();
    yard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_of_traces_alone_wins_over_what_is_said_of_all_signals() {
    let (all, traces) = (Collector::grpc().await, Collector::http().await);
    let address = format!("{}{ELSEWHERE}", traces.endpoint());
    let yard = yard().await;
    let exporter = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &*address),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-farm=north%20yard"),
        ("OTEL_RESOURCE_ATTRIBUTES", "site=caf%C3%A9"),
        ("OTEL_BSP_SCHEDULE_DELAY", "10"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7"),
    ];
    let program = yard.schedule(&all, &exporter).await;
    yard.launched(1).await;
    let trace = traces.trace("the trace of the booking", |_| true).await;
    trace.assert_sound();
    assert_eq!(trace.root().resource["site"], "café");
    assert_eq!(traces.header("x-farm").as_deref(), Some("north yard"));
    assert!(
        traces.largest() <= 7,
        "{} spans in a message",
        traces.largest()
    );
    yard.close(program).await;
    assert!(all.traces().is_empty() && all.largest() == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_for_traces_alone_is_enough_and_messages_may_be_packed() {
    let collector = Collector::grpc().await;
    let yard = yard().await;
    let (address, rqd) = (collector.endpoint(), yard.rqd.address().to_string());
    let program = Service::start(&[
        ("CUE_DATABASE_URL", &*yard.db.url),
        ("CUE_RQD_ADDRESS", &rqd),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &address),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-key=secret"),
        // An empty variable is one that is not set.
        ("OTEL_EXPORTER_OTLP_PROTOCOL", ""),
    ])
    .await;
    yard.launched(1).await;
    let trace = collector.trace("the trace of the booking", |_| true).await;
    trace.assert_sound();
    assert_eq!(collector.header("grpc-encoding").as_deref(), Some("gzip"));
    assert_eq!(collector.header("x-key").as_deref(), Some("secret"));
    let log = yard.close(program).await;
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_of_a_collector_is_all_it_takes_to_see_a_first_trace() {
    let collector = Collector::grpc().await;
    let yard = yard().await;
    let (address, rqd) = (collector.endpoint(), yard.rqd.address().to_string());
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    let program = Service::start(&[
        ("CUE_DATABASE_URL", &*yard.db.url),
        ("CUE_RQD_ADDRESS", &rqd),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &address),
    ])
    .await;
    yard.launched(1).await;
    let trace = collector.trace("the first trace", |_| true).await;
    trace.assert_sound();
    // The service that the README says to choose in Jaeger.
    assert_eq!(trace.root().resource["service.name"], "cue-scheduler");
    assert_eq!(trace.root().name, "turn");
    yard.close(program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exporter_none_sends_nothing_though_there_is_an_address() {
    let collector = Collector::grpc().await;
    let yard = yard().await;
    let none = [("OTEL_TRACES_EXPORTER", "none")];
    let program = yard.schedule(&collector, &none).await;
    yard.launched(1).await;
    let call = yard.rqd.launches()[0].traceparent.clone();
    yard.close(program).await;
    assert_eq!((call, collector.largest()), (None, 0));
}
