//! OpenTelemetry's variables: what they may be, and what is refused.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::config::{Compression, Exporter, Protocol, Sampler, listing};

#[test]
fn telemetry_reads_the_names_of_open_telemetry() {
    let settings = with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "site=a, deployment.environment=b",
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_SOMETHING_OF_THE_LIBRARY", "x"),
    ])
    .settings
    .unwrap();
    let telemetry = settings.telemetry;
    assert_eq!(telemetry.endpoint.as_deref(), Some("http://collector:4317"));
    assert_eq!(telemetry.protocol, Protocol::Http);
    assert_eq!(telemetry.sampler_arg, Some(0.25));
    assert_eq!(telemetry.resource_attributes.len(), 2);
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_PROPAGATORS", "b3"),
        ("OTEL_PROPAGATORS", "none,tracecontext"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://collector:4318?tenant=a",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600001"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN"),
        ("OTEL_RESOURCE_ATTRIBUTES", "novalue"),
        ("CUE_LOG", "cue=loud"),
        ("CUE_ADMIN_ADDR", "localhost"),
    ] {
        assert_eq!(faults(with(&[(name, value)])).len(), 1, "{name}={value}");
    }
}

#[test]
fn hosts_are_told_the_trace_unless_no_propagator_does() {
    for (given, told) in [
        ("", true),
        ("tracecontext,baggage", true),
        ("TraceContext", true),
        ("baggage", false),
        ("none", false),
    ] {
        let settings = with(&[("OTEL_PROPAGATORS", given)]).settings.unwrap();
        assert_eq!(settings.telemetry.propagate, told, "{given}");
    }
}

#[test]
fn pairs_may_hold_any_sign_and_what_headers_hold_is_not_shown() {
    let pairs = [
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "site=caf%C3%A9, rack = a%2Cb%3D1",
        ),
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Authorization=Basic%20aGlkZGVu",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", ""),
    ];
    let loaded = with(&pairs);
    let told = listing(&loaded.effective);
    assert!(
        told.contains("Authorization=***") && !told.contains("aGlkZGVu"),
        "{told}"
    );
    let telemetry = loaded.settings.unwrap().telemetry;
    let attributes = [("site", "café"), ("rack", "a,b=1")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(telemetry.resource_attributes, attributes);
    let (name, value) = &telemetry.headers[0];
    assert_eq!(
        (&**name, value.expose_secret()),
        ("authorization", "Basic aGlkZGVu")
    );
    assert_eq!(
        telemetry.timeout,
        Duration::from_secs(4),
        "an empty variable is not set"
    );
    for bad in ["nothing", "=value", "two words=x", "name=a%0Ab"] {
        let found = faults(with(&[("OTEL_EXPORTER_OTLP_HEADERS", bad)]));
        assert!(
            matches!(
                found[..],
                [Fault::Value {
                    key: "telemetry.headers",
                    ..
                }]
            ),
            "{bad}"
        );
    }
}

#[test]
fn words_are_the_same_in_upper_and_lower_case() {
    let settings = with(&[
        ("OTEL_TRACES_SAMPLER", "ALWAYS_ON"),
        ("OTEL_TRACES_EXPORTER", "None"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/Protobuf"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
    ]);
    let telemetry = settings.settings.unwrap().telemetry;
    assert_eq!(telemetry.sampler, Sampler::AlwaysOn);
    assert_eq!(telemetry.exporter, Exporter::None);
    assert_eq!(telemetry.protocol, Protocol::Http);
    assert_eq!(telemetry.compression, Compression::Gzip);
    for (text, disabled) in [("TRUE", true), ("True", true), ("False", false)] {
        let settings = with(&[("OTEL_SDK_DISABLED", text)]).settings.unwrap();
        assert_eq!(settings.telemetry.disabled, disabled, "{text}");
    }
}

#[test]
fn a_value_of_open_telemetry_that_others_take_is_refused_by_no_default_of_ours() {
    for (name, value) in [
        // Smaller than our batch, of which nobody said anything.
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "600000"),
    ] {
        let loaded = with(&[(name, value)]);
        assert!(loaded.settings.is_ok(), "{:?}", loaded.settings);
    }
}

#[test]
fn an_address_may_be_one_of_tls_and_files_have_the_names_of_open_telemetry() {
    let settings = with(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/t/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/own.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/own.key"),
    ]);
    let telemetry = settings.settings.unwrap().telemetry;
    assert_eq!(
        telemetry.endpoint.as_deref(),
        Some("https://collector:4317")
    );
    let files = [
        telemetry.certificate,
        telemetry.client_certificate,
        telemetry.client_key,
    ];
    let named = ["/t/ca.pem", "/own.pem", "/own.key"];
    assert_eq!(files, named.map(|path| Some(path.into())));
}

#[test]
fn a_certificate_without_its_key_is_refused_and_a_key_without_its_certificate() {
    for (given, key, missing) in [
        ("CLIENT_CERTIFICATE", "client_certificate", "CLIENT_KEY"),
        ("TRACES_CLIENT_KEY", "client_key", "CLIENT_CERTIFICATE"),
    ] {
        let given = format!("OTEL_EXPORTER_OTLP_{given}");
        let found = faults(with(&[(&given, "/own")]));
        let told = found[0].to_string();
        assert!(told.contains(&format!("telemetry.{key} = /own")), "{told}");
        assert!(
            told.contains(&format!("OTEL_EXPORTER_OTLP_{missing} too")),
            "{told}"
        );
        assert_eq!(found.len(), 1);
    }
}

#[test]
fn a_misspelt_variable_is_named_and_one_of_other_signals_is_not() {
    for (name, meant) in [
        ("OTEL_EXPORTER_OTLP_ENDPIONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("OTEL_TRACE_SAMPLER", "OTEL_TRACES_SAMPLER"),
        ("OTEL_EXPORTER_OTLP_HEADER", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("OTEL_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER"),
        (
            "OTEL_METRICS_EXPORT_INTERVAL",
            "OTEL_METRIC_EXPORT_INTERVAL",
        ),
        (
            "OTEL_EXPORTER_OTLP_METRIC_ENDPOINT",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        ),
    ] {
        let found = faults(with(&[(name, "x")]));
        let [fault] = &found[..] else {
            panic!("{name}: {found:?}")
        };
        let text = fault.to_string();
        assert!(text.contains(name) && text.contains(meant), "{text}");
    }
    for other in [
        "OTEL_BLRP_SCHEDULE_DELAY",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "OTEL_LOGS_EXPORTER",
        "OTEL_PYTHON_LOG_LEVEL",
        "OTEL_SPAN_LINK_COUNT_LIMIT",
    ] {
        assert!(with(&[(other, "1")]).settings.is_ok(), "{other}");
    }
}

#[test]
fn metrics_are_exported_if_asked_and_their_own_variables_win() {
    let settings = |pairs: &[(&str, &str)]| with(pairs).settings.unwrap();
    for (given, exporter) in [
        ("", Exporter::None),
        ("none", Exporter::None),
        ("Prometheus", Exporter::None),
        ("otlp", Exporter::Otlp),
    ] {
        let found = settings(&[("OTEL_METRICS_EXPORTER", given)]).metrics;
        assert_eq!(found.exporter, exporter, "{given}");
    }
    let both = settings(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "250"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-all=1"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
    ]);
    let (metrics, traces) = (both.metrics, both.telemetry);
    assert_eq!(metrics.interval, Duration::from_millis(250));
    let protocols = (metrics.protocol, traces.protocol);
    assert_eq!(protocols, (Protocol::Grpc, Protocol::Http));
    assert_eq!(metrics.headers[0].0, "x-all");
    let compressions = (metrics.compression, traces.compression);
    assert_eq!(compressions, (Compression::Gzip, Compression::None));
    for (name, value) in [
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "99"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "ftp://collector"),
    ] {
        let found = faults(with(&[(name, value)]));
        assert_eq!(found.len(), 1, "{name}={value}");
    }
}

#[test]
fn a_key_of_metrics_alone_is_refused_only_where_they_are_exported() {
    let pairs = [
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/own.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "/own.key"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
    ];
    assert!(with(&pairs[..2]).settings.is_ok());
    let found = faults(with(&pairs));
    assert_eq!(found.len(), 1);
    let text = found[0].to_string();
    assert!(
        text.contains("metrics.client_certificate = /own.pem"),
        "{text}"
    );
}

#[test]
fn the_settings_that_kept_turns_are_refused_with_the_collector_to_use() {
    for name in ["CUE_TRACE_KEEP_SLOW", "CUE_TRACE_KEEP_FAILED"] {
        let found = faults(with(&[(name, "true")]));
        assert!(
            matches!(&found[..], [Fault::Removed { why, .. }] if why.contains("tail-sampling.yaml")),
            "{found:?}"
        );
    }
}
