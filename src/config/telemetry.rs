//! Where traces go. The variables are OpenTelemetry's own, but for two that it has no word for.
//!
//! The sampler speaks of ordinary turns only: those that were slow or failed are kept besides, as
//! `keep_slow` and `keep_failed` say. Invariant: without an endpoint nothing is exported and nothing
//! is buffered for export.

use std::time::Duration;

use super::rules::{Form, Rule, choice, duration_or_never, elements, flag, optional, text};
use super::topic::topic;

/// How spans are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP in gRPC.
    Grpc,
    /// OTLP as protobuf messages in HTTP requests.
    Http,
}

const PROTOCOLS: [(&str, Protocol); 2] =
    [("grpc", Protocol::Grpc), ("http/protobuf", Protocol::Http)];

/// Which traces are recorded, in the words of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share of them.
    TraceIdRatio,
    /// As the caller decided, else all.
    ParentBasedAlwaysOn,
    /// As the caller decided, else none.
    ParentBasedAlwaysOff,
    /// As the caller decided, else a share of them.
    ParentBasedTraceIdRatio,
}

topic! {
    /// Where traces go.
    Telemetry in "telemetry" {
        /// The OTLP collector that spans are sent to; without it nothing is exported.
        endpoint: Option<String> = None, "OTEL_EXPORTER_OTLP_ENDPOINT", optional(endpoint());
        /// How spans are sent.
        protocol: Protocol = Some("grpc"), "OTEL_EXPORTER_OTLP_PROTOCOL",
            choice(&PROTOCOLS);
        /// The name of this service in traces.
        service_name: String = Some("cue-scheduler"), "OTEL_SERVICE_NAME", text();
        /// Which turns are traced; a ratio is about those that are neither slow nor failed.
        sampler: Sampler = Some("parentbased_always_on"), "OTEL_TRACES_SAMPLER", choice(&SAMPLERS);
        /// The share of turns that a sampler with a ratio traces; without it, all.
        sampler_arg: Option<f64> = None, "OTEL_TRACES_SAMPLER_ARG", optional(ratio());
        /// Turns that found jobs and took so long are traced whatever a ratio says.
        keep_slow: Option<Duration> = Some("1s"), "CUE_TRACE_KEEP_SLOW",
            duration_or_never(Duration::from_millis(1)..=Duration::from_secs(3600));
        /// Whether turns in which something failed are traced whatever a ratio says; what fails in a batch
        /// that several turns share counts for the first of them.
        keep_failed: bool = Some("true"), "CUE_TRACE_KEEP_FAILED", flag();
        /// Attributes that every span of this process carries.
        resource_attributes: Vec<(String, String)> = Some(""), "OTEL_RESOURCE_ATTRIBUTES",
            attributes();
        /// Whether nothing is exported even if there is an endpoint.
        disabled: bool = Some("false"), "OTEL_SDK_DISABLED", flag();
    }
}

const SAMPLERS: [(&str, Sampler); 6] = [
    ("always_on", Sampler::AlwaysOn),
    ("always_off", Sampler::AlwaysOff),
    ("traceidratio", Sampler::TraceIdRatio),
    ("parentbased_always_on", Sampler::ParentBasedAlwaysOn),
    ("parentbased_always_off", Sampler::ParentBasedAlwaysOff),
    ("parentbased_traceidratio", Sampler::ParentBasedTraceIdRatio),
];

fn endpoint() -> Rule<String> {
    let allowed = "an `http://` address of an OTLP port, such as `http://localhost:4317`";
    Rule::new(Form::Text, allowed, |text| {
        let place = text.strip_prefix("http://")?;
        (!place.is_empty() && text.parse::<axum::http::Uri>().is_ok()).then(|| text.to_owned())
    })
}

fn ratio() -> Rule<f64> {
    Rule::new(Form::Text, "a number from 0 to 1", |text| {
        text.parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio))
    })
}

fn attributes() -> Rule<Vec<(String, String)>> {
    let allowed = "`name=value` pairs separated by commas";
    Rule::new(Form::List, allowed, |text| {
        elements(text)
            .map(|pair| {
                let (name, value) = pair.split_once('=')?;
                let name = name.trim();
                (!name.is_empty()).then(|| (name.to_owned(), value.trim().to_owned()))
            })
            .collect()
    })
}
