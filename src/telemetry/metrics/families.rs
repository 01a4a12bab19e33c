//! Families of a registry as a message of OTLP.
//!
//! Invariants: a family has the same name, labels and values as at `/metrics`, but for those that OpenTelemetry's
//! conventions name otherwise; every sum counts from the start of the program.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_sdk::Resource;
use prometheus::proto::{LabelPair, Metric as Series, MetricFamily, MetricType};

use super::super::resource::SCHEMA_URL;

/// Families that are OpenTelemetry's own, and their names there. Their labels have dots there.
const CONVENTIONS: [(&str, &str); 4] = [
    (
        "db_client_operation_duration_seconds",
        "db.client.operation.duration",
    ),
    ("db_client_connection_count", "db.client.connection.count"),
    ("db_client_connection_max", "db.client.connection.max"),
    (
        "db_client_connection_pending_requests",
        "db.client.connection.pending_requests",
    ),
];

/// Message of all families, with the times at which counting began and of the values.
pub(super) fn request(
    families: &[MetricFamily],
    resource: &Resource,
    (began, now): (SystemTime, SystemTime),
) -> ExportMetricsServiceRequest {
    let times = (nanoseconds(began), nanoseconds(now));
    let of_program = ScopeMetrics {
        scope: Some(InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        }),
        metrics: families
            .iter()
            .filter_map(|family| metric(family, times))
            .collect(),
        schema_url: SCHEMA_URL.to_owned(),
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource.into()),
            scope_metrics: vec![of_program],
            schema_url: SCHEMA_URL.to_owned(),
        }],
    }
}

/// The family; `None` if it is of a type that the service does not declare.
fn metric(family: &MetricFamily, times: (u64, u64)) -> Option<Metric> {
    let known = CONVENTIONS.iter().find(|(name, _)| *name == family.name());
    let has_dots = known.is_some();
    let all = family.get_metric().iter();
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: all
                .map(|one| number(one, one.get_counter().get_value(), times, has_dots))
                .collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        MetricType::GAUGE => Data::Gauge(Gauge {
            data_points: all
                .map(|one| number(one, one.get_gauge().get_value(), times, has_dots))
                .collect(),
        }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: all.map(|one| histogram(one, times, has_dots)).collect(),
            aggregation_temporality: cumulative,
        }),
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    let name = known.map_or(family.name(), |(_, name)| *name);
    Some(Metric {
        name: name.to_owned(),
        description: family.help().to_owned(),
        unit: unit(family.name()).to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// Unit in OpenTelemetry's words, by the name in Prometheus.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    match name.rsplit('_').next() {
        Some("seconds") => "s",
        Some("bytes") => "By",
        _ => "",
    }
}

fn number(
    series: &Series,
    value: f64,
    (began, now): (u64, u64),
    has_dots: bool,
) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(series.get_label(), has_dots),
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(Number::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn histogram(series: &Series, (began, now): (u64, u64), has_dots: bool) -> HistogramDataPoint {
    let histogram = series.get_histogram();
    let buckets = histogram.get_bucket().iter();
    // The last bucket of all is the one above all bounds, and has no bound here.
    let bounded = buckets.filter(|bucket| bucket.upper_bound().is_finite());
    let (bounds, sums): (Vec<f64>, Vec<u64>) = bounded
        .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
        .unzip();
    let mut before = 0;
    let all = sums.into_iter().chain([histogram.get_sample_count()]);
    let counts = all.map(|sum| {
        let own = sum.saturating_sub(before);
        before = sum;
        own
    });
    HistogramDataPoint {
        attributes: attributes(series.get_label(), has_dots),
        start_time_unix_nano: began,
        time_unix_nano: now,
        count: histogram.get_sample_count(),
        sum: Some(histogram.get_sample_sum()),
        bucket_counts: counts.collect(),
        explicit_bounds: bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(labels: &[LabelPair], has_dots: bool) -> Vec<KeyValue> {
    let of_convention = has_dots.then(|| ("db.system.name".to_owned(), "postgresql".to_owned()));
    let labels = labels.iter().map(|label| {
        let name = if has_dots {
            label.name().replace('_', ".")
        } else {
            label.name().to_owned()
        };
        (name, label.value().to_owned())
    });
    let all = labels.chain(of_convention);
    all.map(|(key, value)| KeyValue {
        key,
        value: Some(AnyValue {
            value: Some(Value::StringValue(value)),
        }),
        ..KeyValue::default()
    })
    .collect()
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::{Histogram as Observed, HistogramOpts, IntCounterVec, Opts, Registry};

    use super::*;

    /// The metrics of a registry, at one second after its beginning.
    fn exported(registry: &Registry) -> Vec<Metric> {
        let times = (UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(1));
        let families = registry.gather();
        let mut request = request(&families, &Resource::builder_empty().build(), times);
        request
            .resource_metrics
            .remove(0)
            .scope_metrics
            .remove(0)
            .metrics
    }

    #[test]
    fn buckets_count_apart_and_the_last_has_no_bound() {
        let registry = Registry::new();
        let options = HistogramOpts::new("run_seconds", "Runs.").buckets(vec![1.0, 2.0, 4.0]);
        let runs = Observed::with_opts(options).unwrap();
        registry.register(Box::new(runs.clone())).unwrap();
        for seconds in [0.5, 1.5, 1.5, 9.0] {
            runs.observe(seconds);
        }
        let metric = exported(&registry).remove(0);
        assert_eq!((&*metric.name, &*metric.unit), ("run_seconds", "s"));
        let Some(Data::Histogram(histogram)) = metric.data else {
            panic!("{metric:?}")
        };
        let point = &histogram.data_points[0];
        assert_eq!(point.explicit_bounds, [1.0, 2.0, 4.0]);
        assert_eq!(point.bucket_counts, [1, 2, 0, 1]);
        assert_eq!((point.count, point.sum), (4, Some(12.5)));
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        assert_eq!(times, (0, 1_000_000_000));
    }

    #[test]
    fn a_counter_is_a_growing_sum_with_its_labels() {
        let registry = Registry::new();
        let options = Opts::new("items_total", "Items.");
        let items = IntCounterVec::new(options, &["show_name"]).unwrap();
        registry.register(Box::new(items.clone())).unwrap();
        items.with_label_values(&["alpha"]).inc_by(7);
        let metric = exported(&registry).remove(0);
        let Some(Data::Sum(sum)) = metric.data else {
            panic!("{metric:?}")
        };
        assert!(sum.is_monotonic);
        let point = &sum.data_points[0];
        assert_eq!(point.value, Some(Number::AsDouble(7.0)));
        assert_eq!(point.attributes[0].key, "show_name");
    }

    #[test]
    fn a_family_of_the_conventions_has_their_name_and_attributes() {
        let registry = Registry::new();
        let options = Opts::new("db_client_connection_count", "Connections.");
        let family = prometheus::IntGaugeVec::new(options, &["db_client_connection_state"]);
        let family = family.unwrap();
        registry.register(Box::new(family.clone())).unwrap();
        family.with_label_values(&["idle"]).set(3);
        let metric = exported(&registry).remove(0);
        assert_eq!(metric.name, "db.client.connection.count");
        let Some(Data::Gauge(gauge)) = metric.data else {
            panic!("{metric:?}")
        };
        let keys = gauge.data_points[0].attributes.iter();
        let keys: Vec<&str> = keys.map(|attribute| &*attribute.key).collect();
        assert_eq!(keys, ["db.client.connection.state", "db.system.name"]);
    }
}
