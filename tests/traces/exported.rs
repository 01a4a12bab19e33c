//! Metrics as a collector receives them: the families of `/metrics`, with their values.

use std::collections::{BTreeMap, BTreeSet};

use cue_simfarm::rqd::SimRqdSettings;
use cue_simfarm::waiting::until;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};

use crate::collector::Collector;
use crate::reference;
use crate::scrape;
use crate::yard::Yard;

/// Frames that are booked.
const FRAMES: u8 = 4;

/// Names at `/metrics` of families with another name in OpenTelemetry's conventions.
const RENAMED: [(&str, &str); 4] = [
    (
        "db.client.operation.duration",
        "db_client_operation_duration_seconds",
    ),
    ("db.client.connection.count", "db_client_connection_count"),
    ("db.client.connection.max", "db_client_connection_max"),
    (
        "db.client.connection.pending_requests",
        "db_client_connection_pending_requests",
    ),
];

async fn yard() -> Yard {
    let yard = Yard::new(1, SimRqdSettings::default()).await;
    yard.farm
        .frames("shot", FRAMES.into(), |_| ())
        .await
        .unwrap();
    // More cores than any host has, so that the show has work for good.
    let wide = yard.farm.frames("wide", 1, |layer| layer.cores_min = 6_400);
    wide.await.unwrap();
    yard
}

/// The sum of a counter, over all its series.
fn sum(metric: &Metric) -> f64 {
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("{metric:?}")
    };
    assert!(sum.is_monotonic);
    let cumulative = AggregationTemporality::Cumulative;
    assert_eq!(sum.aggregation_temporality(), cumulative);
    let values = sum.data_points.iter().map(|point| match point.value {
        Some(Value::AsDouble(value)) => value,
        other => panic!("{other:?}"),
    });
    values.sum()
}

fn kind(metric: &Metric) -> &'static str {
    match metric.data {
        Some(Data::Sum(_)) => "counter",
        Some(Data::Gauge(_)) => "gauge",
        Some(Data::Histogram(_)) => "histogram",
        _ => panic!("{metric:?}"),
    }
}

fn has_booked(families: &BTreeMap<String, Metric>) -> bool {
    let booked = families.get("scheduler_frames_dispatched_total");
    booked.is_some_and(|booked| sum(booked) >= FRAMES.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_gets_the_families_of_the_page_by_either_protocol() {
    let (grpc, http) = (Collector::grpc().await, Collector::http().await);
    for (protocol, collector) in [("grpc", &grpc), ("http/protobuf", &http)] {
        let yard = yard().await;
        let exporter = [
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ];
        let program = yard.schedule(collector, &exporter).await;
        yard.launched(FRAMES.into()).await;
        collector.metrics("the bookings", has_booked).await;
        let page = scrape::read(&program.get("/metrics").await.1);
        // The next message may have been gathered already; the one after it has all that is scraped now.
        let seen = collector.metric_messages();
        until("two more messages", async || {
            collector.metric_messages() > seen + 1
        })
        .await;
        let families = collector.families();
        let renamed = |name: &str| {
            let other = RENAMED.iter().find(|(exported, _)| *exported == name);
            other.map_or(name, |(_, other)| *other).to_owned()
        };
        let exported: BTreeMap<String, &Metric> = families
            .iter()
            .map(|(name, metric)| (renamed(name), metric))
            .collect();
        let names: BTreeSet<&String> = exported.keys().collect();
        let missing: Vec<_> = page.keys().filter(|name| !names.contains(name)).collect();
        assert!(missing.is_empty(), "{protocol}: not exported: {missing:?}");
        let known = reference::metrics();
        for (name, metric) in &exported {
            assert_eq!(kind(metric), known[name].kind, "{name}");
            assert!(!metric.description.is_empty(), "{name}");
        }
        let duration = exported["db_client_operation_duration_seconds"];
        let Some(Data::Histogram(histogram)) = &duration.data else {
            panic!("{duration:?}")
        };
        let point = &histogram.data_points[0];
        let keys: BTreeSet<&str> = point.attributes.iter().map(|pair| &*pair.key).collect();
        assert_eq!(keys, BTreeSet::from(["db.query.summary", "db.system.name"]));
        assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
        let service = collector.metrics_resource("service.instance.id");
        assert!(service.unwrap().contains(&program.id().to_string()));
        yard.close(program).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_values_are_exported_at_the_end_to_the_address_for_metrics_alone() {
    let (traces, metrics) = (Collector::grpc().await, Collector::http().await);
    let yard = yard().await;
    let address = format!("{}/v1/metrics", metrics.endpoint());
    let exporter = [
        ("OTEL_METRICS_EXPORTER", "OTLP"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*address),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "x-key=secret"),
    ];
    let program = yard.schedule(&traces, &exporter).await;
    yard.launched(FRAMES.into()).await;
    traces.trace("the trace of the booking", |_| true).await;
    assert_eq!(
        metrics.metric_messages(),
        0,
        "the first is due after an hour"
    );
    let log = yard.close(program).await;
    assert!(has_booked(&metrics.families()), "{log}");
    assert_eq!(metrics.metrics_header("x-key").as_deref(), Some("secret"));
    let packed = metrics.metrics_header("content-encoding");
    assert_eq!(packed.as_deref(), Some("gzip"));
    assert_eq!((traces.metric_messages(), metrics.spans().len()), (0, 0));
    assert!(
        log.contains(&format!("metrics go to {address} over HTTP")),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_exported_unless_it_is_asked_for_and_a_failure_is_counted_and_logged() {
    let collector = Collector::grpc().await;
    let quiet = yard().await;
    let program = quiet
        .schedule(&collector, &[("OTEL_METRIC_EXPORT_INTERVAL", "100")])
        .await;
    quiet.launched(FRAMES.into()).await;
    let log = quiet.close(program).await;
    assert_eq!(collector.metric_messages(), 0, "{log}");

    // A collector that takes spans over HTTP has nothing at this path.
    let (yard, http) = (yard().await, Collector::http().await);
    let address = format!("{}/in/nowhere", http.endpoint());
    let exporter = [
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &*address),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf"),
    ];
    let program = yard.schedule(&collector, &exporter).await;
    let failed = r#"scheduler_metric_exports_total{result="failed"} "#;
    until("two exports to fail", async || {
        let page = program.get("/metrics").await.1;
        let count = page.lines().find_map(|line| line.strip_prefix(failed));
        count.unwrap().parse::<u64>().unwrap() > 1
    })
    .await;
    yard.launched(FRAMES.into()).await;
    let log = yard.close(program).await;
    let said = "metrics cannot be exported";
    assert_eq!(log.matches(said).count(), 1, "once a minute: {log}");
    assert!(log.contains("OTEL_METRICS_EXPORTER=none"), "{log}");
}
