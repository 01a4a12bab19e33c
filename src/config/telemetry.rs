//! Where traces go. The variables are OpenTelemetry's own, but for two that it has no word for. Times
//! are in milliseconds, as there; a variable about traces alone wins over the one about all signals.
//!
//! The sampler speaks of ordinary turns only: those that were slow or failed are kept besides, as
//! `keep_slow` and `keep_failed` say. Invariant: without an endpoint nothing is exported and nothing
//! is buffered for export.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;

use super::rules::{
    Form, Rule, choice, count, duration_or_never, elements, flag, milliseconds, optional, text,
};
use super::secret::Secret;
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

/// Whether spans are sent anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exporter {
    /// To an OTLP collector, if there is the address of one.
    Otlp,
    /// Nowhere.
    None,
}

const EXPORTERS: [(&str, Exporter); 2] = [("otlp", Exporter::Otlp), ("none", Exporter::None)];

/// How messages are made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
}

const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];

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
        endpoint: Option<String> = None, "OTEL_EXPORTER_OTLP_ENDPOINT", optional(base());
        /// The same for traces alone, where it wins; in HTTP it is the whole address, and nothing is appended to it.
        traces_endpoint: Option<String> = None, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            optional(collector());
        /// Whether spans are sent: `none` sends none, even if there is an address.
        exporter: Exporter = Some("otlp"), "OTEL_TRACES_EXPORTER", word(&EXPORTERS);
        /// Whether the trace is told to hosts and frames, in `traceparent`; there is never baggage to tell.
        propagate: bool = Some("tracecontext"), "OTEL_PROPAGATORS", propagators();
        /// How spans are sent.
        protocol: Protocol = Some("grpc"),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" or "OTEL_EXPORTER_OTLP_PROTOCOL",
            word(&PROTOCOLS);
        /// What is sent along with every message, such as a key that the collector asks for.
        headers: Vec<(String, Secret)> = Some(""),
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS" or "OTEL_EXPORTER_OTLP_HEADERS", headers();
        /// How messages are made smaller.
        compression: Compression = Some("none"),
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION" or "OTEL_EXPORTER_OTLP_COMPRESSION",
            word(&COMPRESSIONS);
        /// The certificates of those who may vouch for a collector behind `https://`, as a file in PEM; without it,
        /// those of the system.
        certificate: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE" or "OTEL_EXPORTER_OTLP_CERTIFICATE",
            optional(file());
        /// The certificate by which this service introduces itself to a collector behind `https://`, as a file in PEM.
        client_certificate: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE" or "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            optional(file());
        /// The private key of that certificate, as a file in PEM.
        client_key: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY" or "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            optional(file());
        /// How long one message may take, in milliseconds.
        timeout: Duration = Some("4000"),
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT" or "OTEL_EXPORTER_OTLP_TIMEOUT",
            milliseconds(1..=600_000);
        /// How many ended spans may wait to be sent; those that do not fit are left out and counted.
        queue: NonZeroUsize = Some("16384"), "OTEL_BSP_MAX_QUEUE_SIZE", count(1_000_000);
        /// How many spans are sent at a time, if so many may wait.
        batch: NonZeroUsize = Some("1024"), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", count(100_000);
        /// How long a span waits for others to be sent with, in milliseconds.
        delay: Duration = Some("1000"), "OTEL_BSP_SCHEDULE_DELAY", milliseconds(1..=60_000);
        /// How long the export of one batch may take, in milliseconds; the shorter of this and `timeout` counts.
        export_timeout: Duration = Some("30000"), "OTEL_BSP_EXPORT_TIMEOUT",
            milliseconds(1..=600_000);
        /// The name of this service in traces; without it, the `service.name` among `resource_attributes`, else
        /// `cue-scheduler`.
        service_name: Option<String> = None, "OTEL_SERVICE_NAME", optional(text());
        /// Which turns are traced; a ratio is about those that are neither slow nor failed.
        sampler: Sampler = Some("parentbased_always_on"), "OTEL_TRACES_SAMPLER", word(&SAMPLERS);
        /// The share of turns that a sampler with a ratio traces; without it, all.
        sampler_arg: Option<f64> = None, "OTEL_TRACES_SAMPLER_ARG", optional(ratio());
        /// Turns that took so long are traced whatever a ratio says, also those that found no jobs, without the time
        /// in which these waited for room.
        keep_slow: Option<Duration> = Some("1s"), "CUE_TRACE_KEEP_SLOW",
            duration_or_never(Duration::from_millis(1)..=Duration::from_secs(3600));
        /// Whether turns in which something failed are traced whatever a ratio says; a statement that fails in a
        /// batch of several turns counts for the first of them, a launch for the turn of its frame.
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

/// Where the defaults differ from OpenTelemetry's, for the page of all settings.
pub(super) const NOTE: &str = "\
The variables are OpenTelemetry's own; some defaults are not, and theirs are in brackets.
Without an endpoint nothing is exported (`localhost`), for most farms have no collector and none is \
looked for.
A turn is dozens of spans that end within milliseconds, so the queue holds 16384 (2048), and 1024 (512) are \
sent at a time.
They wait for 1000 ms (5000), so that a turn can be looked at when it is over.
A message may take 4000 ms (10000), because the end of the program waits for the last ones for 5 s at most.
Headers and compression that a variable gives are used even if a flag says otherwise.
";

/// One of a few words. OpenTelemetry compares them without regard to case.
fn word<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Rule<T> {
    let written = choice(words);
    let allowed = format!("{}, in upper or lower case", written.allowed);
    Rule::new(Form::Text, allowed, move |text| {
        (written.parse)(&text.to_ascii_lowercase())
    })
}

fn collector() -> Rule<String> {
    let allowed =
        "an `http://` or `https://` address of an OTLP port, such as `http://localhost:4317`";
    Rule::new(Form::Text, allowed, |text| {
        let place = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))?;
        (!place.is_empty() && text.parse::<axum::http::Uri>().is_ok()).then(|| text.to_owned())
    })
}

/// An address to which a path can be appended.
fn base() -> Rule<String> {
    let mut rule = collector();
    let any = rule.parse;
    rule.allowed = format!("{}, without `?`", rule.allowed);
    rule.parse = Box::new(move |text| any(text).filter(|text| !text.contains('?')));
    rule
}

fn propagators() -> Rule<bool> {
    let allowed = "`tracecontext`, `baggage` or both, separated by a comma, or `none`";
    Rule::new(Form::List, allowed, |text| {
        let names: Vec<&str> = elements(text).collect();
        match names.as_slice() {
            [one] if one.eq_ignore_ascii_case("none") => Some(false),
            some => some.iter().try_fold(false, |told, name| {
                let name = name.to_ascii_lowercase();
                let known = ["tracecontext", "baggage"].contains(&&*name);
                known.then_some(told || name == "tracecontext")
            }),
        }
    })
}

fn file() -> Rule<PathBuf> {
    Rule::new(Form::Text, "the path of a file", |text| {
        (!text.is_empty()).then(|| PathBuf::from(text))
    })
}

fn ratio() -> Rule<f64> {
    Rule::new(Form::Text, "a number from 0 to 1", |text| {
        text.parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio))
    })
}

const PAIRS: &str = "`name=value` pairs separated by commas, other signs as `%2C`";

fn attributes() -> Rule<Vec<(String, String)>> {
    Rule::new(Form::List, PAIRS, |text| {
        elements(text).map(pair).collect::<Option<_>>()
    })
}

fn headers() -> Rule<Vec<(String, Secret)>> {
    let mut rule = Rule::new(Form::List, PAIRS, |text| {
        let sent = elements(text).map(|text| {
            let (name, value) = pair(text)?;
            let is_header = axum::http::HeaderName::try_from(&name).is_ok()
                && axum::http::HeaderValue::try_from(&value).is_ok();
            is_header.then(|| (name.to_ascii_lowercase(), Secret::new(value)))
        });
        sent.collect::<Option<_>>()
    });
    // The names may be shown: who looks for a mistake needs them.
    rule.mask = |text| {
        let masked = elements(text).map(|pair| match pair.split_once('=') {
            Some((name, _)) => format!("{}=***", name.trim()),
            None => "***".to_owned(),
        });
        masked.collect::<Vec<_>>().join(",")
    };
    rule
}

/// A name and a value, which may have signs in it that are written in hexadecimal.
fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let plain = |text: &str| {
        let decoded = percent_decode_str(text.trim()).decode_utf8();
        decoded.ok().map(std::borrow::Cow::into_owned)
    };
    let name = plain(name)?;
    (!name.is_empty()).then_some((name, plain(value)?))
}
