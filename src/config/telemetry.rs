//! Export of traces. The variables are OpenTelemetry's own. Times are in milliseconds, as there; a variable for traces
//! alone wins over the variable for all signals.
//!
//! Invariant: without an endpoint nothing is exported and nothing is buffered for export.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::otlp::{
    COMPRESSIONS, Compression, Exporter, PROTOCOLS, Protocol, attributes, base, collector, file,
    headers, otlp, word,
};
use super::rules::{Form, Rule, count, elements, flag, milliseconds, optional, text};
use super::topic::topic;

const EXPORTERS: [(&str, Exporter); 2] = [("otlp", Exporter::Otlp), ("none", Exporter::None)];

/// Sampler of traces, in the words of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// Every trace.
    AlwaysOn,
    /// No trace.
    AlwaysOff,
    /// A share of the traces.
    TraceIdRatio,
    /// As the caller decided, else all.
    ParentBasedAlwaysOn,
    /// As the caller decided, else none.
    ParentBasedAlwaysOff,
    /// As the caller decided, else a share of them.
    ParentBasedTraceIdRatio,
}

topic! {
    /// Export of traces.
    Telemetry in "telemetry" {
        /// Address of the OTLP collector; without it nothing is exported.
        endpoint: Option<String> = None, "OTEL_EXPORTER_OTLP_ENDPOINT", optional(base());
        /// Address for traces alone, which wins; over HTTP it is the whole address, and no path is appended.
        traces_endpoint: Option<String> = None, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            optional(collector());
        /// Destination of spans; `none` exports nothing, even if there is an address.
        exporter: Exporter = Some("otlp"), "OTEL_TRACES_EXPORTER", word(&EXPORTERS);
        /// Propagation of the trace to hosts and frames, in `traceparent`; there is never baggage.
        propagate: bool = Some("tracecontext"), "OTEL_PROPAGATORS", propagators();
        /// Protocol of the export.
        protocol: Protocol = Some("grpc"),
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL" or "OTEL_EXPORTER_OTLP_PROTOCOL",
            word(&PROTOCOLS);
        /// Headers of every message, such as a key that the collector asks for.
        headers: Vec<(String, SecretString)> = Some(""),
            "OTEL_EXPORTER_OTLP_TRACES_HEADERS" or "OTEL_EXPORTER_OTLP_HEADERS", headers();
        /// Compression of messages.
        compression: Compression = Some("none"),
            "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION" or "OTEL_EXPORTER_OTLP_COMPRESSION",
            word(&COMPRESSIONS);
        /// Certificates of the authorities to trust for a collector behind `https://`, as a file in PEM; without it, those of
        /// the system.
        certificate: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE" or "OTEL_EXPORTER_OTLP_CERTIFICATE",
            optional(file());
        /// Client certificate for a collector behind `https://`, as a file in PEM.
        client_certificate: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE" or "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            optional(file());
        /// Private key of the client certificate, as a file in PEM.
        client_key: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY" or "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            optional(file());
        /// Timeout of one message, in milliseconds.
        timeout: Duration = Some("4000"),
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT" or "OTEL_EXPORTER_OTLP_TIMEOUT",
            milliseconds(1..=600_000);
        /// Timeout of an export with all that belongs to it, such as connecting, in milliseconds.
        export_timeout: Duration = Some("30000"), "OTEL_BSP_EXPORT_TIMEOUT", milliseconds(1..=600_000);
        /// Ended spans that may wait for the export; spans that do not fit are dropped and counted.
        queue: NonZeroUsize = Some("16384"), "OTEL_BSP_MAX_QUEUE_SIZE", count(1_000_000);
        /// Spans of one message at most, and never more than may wait.
        batch: NonZeroUsize = Some("1024"), "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", count(100_000);
        /// Delay between two exports, in milliseconds.
        delay: Duration = Some("1000"), "OTEL_BSP_SCHEDULE_DELAY", milliseconds(1..=60_000);
        /// Name of this service in traces; without it, the `service.name` among `resource_attributes`, else
        /// `cue-scheduler`.
        service_name: Option<String> = None, "OTEL_SERVICE_NAME", optional(text());
        /// Sampler of turns. It decides when a turn begins; a collector can keep slow and failed turns only among
        /// those that were sampled.
        sampler: Sampler = Some("parentbased_always_on"), "OTEL_TRACES_SAMPLER", word(&SAMPLERS);
        /// Share of turns that a sampler with a ratio traces; without it, all.
        sampler_arg: Option<f64> = None, "OTEL_TRACES_SAMPLER_ARG", optional(ratio());
        /// Attributes of every span of this process.
        resource_attributes: Vec<(String, String)> = Some(""), "OTEL_RESOURCE_ATTRIBUTES",
            attributes();
        /// Address of a trace in Jaeger, such as `http://jaeger:16686/trace/{trace_id}`. The last refusals in `/status`, on the
        /// page and in `why`, and `why` of a frame that was launched, then end with the address of their trace.
        trace_url: Option<String> = None, "CUE_TRACE_URL", optional(trace_url());
        /// Switches the export off, even if there is an endpoint.
        disabled: bool = Some("false"), "OTEL_SDK_DISABLED", flag();
    }
}

otlp!(Telemetry);

impl Telemetry {
    /// The sampler with its share, as in the variables.
    #[must_use]
    pub fn sampler_text(&self) -> String {
        let known = SAMPLERS
            .iter()
            .find(|(_, sampler)| *sampler == self.sampler);
        let name = known.map_or("", |(name, _)| *name);
        match self.sampler_arg {
            Some(share) if name.ends_with("ratio") => format!("{name} {share}"),
            _ => name.to_owned(),
        }
    }

    /// The variable for which nothing is exported.
    #[must_use]
    pub const fn not_exported_because(&self) -> &'static str {
        if !self.disabled && matches!(self.exporter, Exporter::None) {
            "OTEL_TRACES_EXPORTER is none"
        } else {
            self.no_collector_because()
        }
    }

    /// The variable for which no signal has a collector.
    #[must_use]
    pub const fn no_collector_because(&self) -> &'static str {
        if self.disabled {
            "OTEL_SDK_DISABLED is true"
        } else {
            "OTEL_EXPORTER_OTLP_ENDPOINT is not set"
        }
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

/// Defaults that differ from OpenTelemetry's, for the page of all settings.
pub(super) const NOTE: &str = "\
The variables are OpenTelemetry's own. Some defaults are not; theirs are in brackets.
Without an endpoint nothing is exported (`localhost`), because most farms have no collector.
A turn is dozens of spans that end within milliseconds, so the queue holds 16384 (2048), and a message 1024 (512).
Spans wait for 1000 ms (5000), so that a turn can be looked at soon after its end.
A message may take 4000 ms (10000), because the end of the program waits for the last messages for 5 s at most.
Headers and compression that a variable gives are used even if a flag says otherwise.
";

fn trace_url() -> Rule<String> {
    let allowed = "an `http://` or `https://` address with `{trace_id}` in it";
    Rule::new(Form::Text, allowed, |text| {
        let is_address = text.starts_with("http://") || text.starts_with("https://");
        (is_address && text.contains("{trace_id}")).then(|| text.to_owned())
    })
}

fn propagators() -> Rule<bool> {
    let allowed = "`tracecontext`, `baggage` or both, separated by a comma, or `none`";
    Rule::new(Form::List, allowed, |text| {
        let names: Vec<&str> = elements(text).collect();
        match names.as_slice() {
            [one] if one.eq_ignore_ascii_case("none") => Some(false),
            some => some.iter().try_fold(false, |propagated, name| {
                let name = name.to_ascii_lowercase();
                let known = ["tracecontext", "baggage"].contains(&&*name);
                known.then_some(propagated || name == "tracecontext")
            }),
        }
    })
}

fn ratio() -> Rule<f64> {
    Rule::new(Form::Text, "a number from 0 to 1", |text| {
        text.parse()
            .ok()
            .filter(|ratio| (0.0..=1.0).contains(ratio))
    })
}
