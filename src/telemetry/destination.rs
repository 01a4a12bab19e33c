//! The destination of a signal in words, for the log, `check` and what goes wrong.

use std::fmt;

use crate::config::{Exporter, MetricsExport, Protocol, Telemetry};

/// A kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Spans of turns.
    Traces,
    /// The metrics of `/metrics`.
    Metrics,
}

impl Signal {
    /// Path below the address of a collector that takes OTLP over HTTP.
    const fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The contents of a message.
    #[must_use]
    pub const fn contents(self) -> &'static str {
        match self {
            Self::Traces => "spans",
            Self::Metrics => "metrics",
        }
    }
}

/// The collector that a signal goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The signal.
    pub signal: Signal,
    /// The whole address.
    pub endpoint: String,
    /// The protocol of the export.
    pub protocol: Protocol,
}

impl Destination {
    /// The collector of the settings, if spans are exported.
    #[must_use]
    pub fn of(telemetry: &Telemetry) -> Option<Self> {
        let own = telemetry.traces_endpoint.as_deref();
        let choice = (telemetry.exporter, own, telemetry.protocol);
        Self::new(Signal::Traces, telemetry, choice)
    }

    /// The collector of the settings, if metrics are exported.
    #[must_use]
    pub fn of_metrics(telemetry: &Telemetry, metrics: &MetricsExport) -> Option<Self> {
        let own = metrics.endpoint.as_deref();
        let choice = (metrics.exporter, own, metrics.protocol);
        Self::new(Signal::Metrics, telemetry, choice)
    }

    /// The collector at the signal's own address, which wins, or else at the one for all signals. Over HTTP the path of
    /// the signal is appended to the latter.
    fn new(
        signal: Signal,
        telemetry: &Telemetry,
        (exporter, own, protocol): (Exporter, Option<&str>, Protocol),
    ) -> Option<Self> {
        let is_wanted = !telemetry.disabled && exporter == Exporter::Otlp;
        let path = match protocol {
            Protocol::Grpc => "",
            Protocol::Http => signal.path(),
        };
        let shared = telemetry.endpoint.as_ref().map(|base| {
            let base = base.trim_end_matches('/');
            format!("{}{path}", base.strip_suffix(path).unwrap_or(base))
        });
        let endpoint = own.map(str::to_owned).or(shared);
        Some(Self {
            signal,
            endpoint: endpoint.filter(|_| is_wanted)?,
            protocol,
        })
    }

    /// The setting to look at after an export that failed for this reason.
    #[must_use]
    pub fn hint(&self, reason: &str) -> Option<&'static str> {
        let reason = reason.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
        let port = self.endpoint.parse::<axum::http::Uri>().ok();
        let port = port.and_then(|address| address.port_u16());
        let is_unlike = |known: u16| port == Some(known) && !has(&["refused", "dns"]);
        match self.protocol {
            Protocol::Grpc if has(&["frame with invalid size", "frame_size", "http/1"]) => {
                Some(SPEAKS_HTTP)
            }
            Protocol::Http if has(&["invalid http version", "unexpected message", "parse"]) => {
                Some(SPEAKS_GRPC)
            }
            _ if has(&["refused", "dns error", "failed to lookup", "unreachable"]) => {
                Some("nothing listens there; look at the host and the port of the endpoint")
            }
            _ if has(&["401", "403", "unauthenticated", "permission"]) => {
                Some("the collector asks for a key, set OTEL_EXPORTER_OTLP_HEADERS")
            }
            Protocol::Http if has(&["404", "405"]) => Some(match self.signal {
                Signal::Traces => {
                    "the path of the endpoint is wrong; OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/traces appended"
                }
                Signal::Metrics => NO_METRICS,
            }),
            Protocol::Grpc if has(&["unimplemented"]) && self.signal == Signal::Metrics => {
                Some(NO_METRICS)
            }
            _ if has(&["certificate", "unknownissuer", "tls"]) => Some(
                "the certificate is not trusted, set OTEL_EXPORTER_OTLP_CERTIFICATE or SSL_CERT_FILE",
            ),
            Protocol::Http if has(&["network error"]) => Some(NO_HTTP),
            Protocol::Grpc if is_unlike(4318) => Some(SPEAKS_HTTP),
            Protocol::Http if is_unlike(4317) => Some(SPEAKS_GRPC),
            _ => None,
        }
    }
}

const SPEAKS_HTTP: &str = "the collector seems to take HTTP there, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf or port 4317";
/// The exporter has no other words for any of these.
const NO_HTTP: &str = "nothing takes HTTP there: look at host, port and certificate, or set \
    OTEL_EXPORTER_OTLP_PROTOCOL=grpc if it is a port for gRPC";
/// The path of metrics is appended to OTEL_EXPORTER_OTLP_ENDPOINT.
const NO_METRICS: &str = "the collector takes no metrics there, as Jaeger takes none: set \
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, which over HTTP is the whole address, or OTEL_METRICS_EXPORTER=none";
const SPEAKS_GRPC: &str =
    "the collector seems to take gRPC there, set OTEL_EXPORTER_OTLP_PROTOCOL=grpc or port 4318";

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Grpc => "gRPC",
            Protocol::Http => "HTTP",
        };
        write!(f, "{} over {protocol}", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_setting_that_is_likely_wrong() {
        for (protocol, port, reason, expected) in [
            (
                Protocol::Grpc,
                4318,
                "h2 protocol error: frame with invalid size",
                "HTTP there",
            ),
            (Protocol::Grpc, 4318, "transport error", "HTTP there"),
            (
                Protocol::Http,
                4317,
                "received unexpected message from connection",
                "gRPC there",
            ),
            (
                Protocol::Grpc,
                4317,
                "tcp connect error: Connection refused",
                "nothing listens",
            ),
            (
                Protocol::Http,
                4318,
                "status code 401 Unauthorized",
                "HEADERS",
            ),
            (
                Protocol::Http,
                4318,
                "status code 404 Not Found",
                "/v1/traces",
            ),
            (
                Protocol::Http,
                24317,
                "HTTP export failed: network error",
                "nothing takes HTTP",
            ),
        ] {
            let destination = Destination {
                signal: Signal::Traces,
                endpoint: format!("http://collector:{port}"),
                protocol,
            };
            let hint = destination.hint(reason).unwrap();
            assert!(hint.contains(expected), "{reason}: {hint}");
        }
        let jaeger = Destination {
            signal: Signal::Metrics,
            endpoint: "http://jaeger:4317".to_owned(),
            protocol: Protocol::Grpc,
        };
        let hint = jaeger.hint("Unimplemented: unknown service").unwrap();
        assert!(hint.contains("takes no metrics"), "{hint}");
        let sound = Destination {
            signal: Signal::Traces,
            endpoint: "http://collector:4317".to_owned(),
            protocol: Protocol::Grpc,
        };
        assert_eq!(sound.hint("the server is full"), None);
    }
}
