//! Export of metrics to a collector, beside `/metrics`. The variables are OpenTelemetry's own. Times are in milliseconds,
//! as there; a variable for metrics alone wins over the variable for all signals.
//!
//! Invariant: nothing is exported unless it is asked for, because most farms scrape.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::otlp::{
    COMPRESSIONS, Compression, Exporter, PROTOCOLS, Protocol, collector, file, headers, otlp, word,
};
use super::rules::{milliseconds, optional};
use super::topic::topic;

/// `/metrics` is what OpenTelemetry calls the exporter `prometheus`.
const EXPORTERS: [(&str, Exporter); 3] = [
    ("otlp", Exporter::Otlp),
    ("prometheus", Exporter::None),
    ("none", Exporter::None),
];

topic! {
    /// Export of metrics.
    MetricsExport in "metrics" {
        /// Destination of metrics beside `/metrics`, which is always served: `otlp` sends them to the collector as well.
        exporter: Exporter = Some("none"), "OTEL_METRICS_EXPORTER", word(&EXPORTERS);
        /// Address for metrics alone, which wins over `telemetry.endpoint`; over HTTP it is the whole address, and no path is
        /// appended.
        endpoint: Option<String> = None, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", optional(collector());
        /// Delay between two exports, in milliseconds.
        interval: Duration = Some("60000"), "OTEL_METRIC_EXPORT_INTERVAL", milliseconds(100..=3_600_000);
        /// Timeout of an export with all that belongs to it, such as connecting, in milliseconds.
        export_timeout: Duration = Some("30000"), "OTEL_METRIC_EXPORT_TIMEOUT", milliseconds(1..=600_000);
        /// Protocol of the export.
        protocol: Protocol = Some("grpc"),
            "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL" or "OTEL_EXPORTER_OTLP_PROTOCOL",
            word(&PROTOCOLS);
        /// Headers of every message, such as a key that the collector asks for.
        headers: Vec<(String, SecretString)> = Some(""),
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS" or "OTEL_EXPORTER_OTLP_HEADERS", headers();
        /// Compression of messages.
        compression: Compression = Some("none"),
            "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION" or "OTEL_EXPORTER_OTLP_COMPRESSION",
            word(&COMPRESSIONS);
        /// Certificates of the authorities to trust for a collector behind `https://`, as a file in PEM; without it, those of
        /// the system.
        certificate: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE" or "OTEL_EXPORTER_OTLP_CERTIFICATE",
            optional(file());
        /// Client certificate for a collector behind `https://`, as a file in PEM.
        client_certificate: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE" or "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            optional(file());
        /// Private key of the client certificate, as a file in PEM.
        client_key: Option<PathBuf> = None,
            "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY" or "OTEL_EXPORTER_OTLP_CLIENT_KEY",
            optional(file());
        /// Timeout of one message, in milliseconds.
        timeout: Duration = Some("4000"),
            "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT" or "OTEL_EXPORTER_OTLP_TIMEOUT",
            milliseconds(1..=600_000);
    }
}

otlp!(MetricsExport);

/// Relation to the settings of traces, for the page of all settings.
pub(super) const NOTE: &str = "\
The variables are OpenTelemetry's own, and apart from the exporter (`otlp`) and the timeout (10000) the defaults are, too.
Name and attributes of the service, the address for all signals and `OTEL_SDK_DISABLED` are in the section `telemetry`.
";
