//! The destination of traces in words, for the log, `check` and what goes wrong.

use std::fmt;

use crate::config::{Exporter, Protocol, Telemetry};

/// Path of traces below the address of a collector that takes OTLP over HTTP.
const HTTP_PATH: &str = "/v1/traces";

/// The collector that traces go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The whole address.
    pub endpoint: String,
    /// The protocol of the export.
    pub protocol: Protocol,
}

impl Destination {
    /// The collector of the settings, if spans are exported.
    #[must_use]
    pub fn of(telemetry: &Telemetry) -> Option<Self> {
        let is_wanted = !telemetry.disabled && telemetry.exporter == Exporter::Otlp;
        let endpoint = endpoint(telemetry).filter(|_| is_wanted)?;
        Some(Self {
            endpoint,
            protocol: telemetry.protocol,
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
            Protocol::Http if has(&["404", "405"]) => Some(
                "the path of the endpoint is wrong; OTEL_EXPORTER_OTLP_ENDPOINT gets /v1/traces appended",
            ),
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

/// Address of the collector. Over HTTP the path of traces is appended to an address for all signals, and not to one for
/// traces alone.
pub(super) fn endpoint(telemetry: &Telemetry) -> Option<String> {
    let path = match telemetry.protocol {
        Protocol::Grpc => "",
        Protocol::Http => HTTP_PATH,
    };
    let shared = telemetry.endpoint.as_ref().map(|base| {
        let base = base.trim_end_matches('/');
        format!("{}{path}", base.strip_suffix(path).unwrap_or(base))
    });
    telemetry.traces_endpoint.clone().or(shared)
}

const SPEAKS_HTTP: &str = "the collector seems to take HTTP there, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf or port 4317";
/// The exporter has no other words for any of these.
const NO_HTTP: &str = "nothing takes HTTP there: look at host, port and certificate, or set \
    OTEL_EXPORTER_OTLP_PROTOCOL=grpc if it is a port for gRPC";
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
                endpoint: format!("http://collector:{port}"),
                protocol,
            };
            let hint = destination.hint(reason).unwrap();
            assert!(hint.contains(expected), "{reason}: {hint}");
        }
        let sound = Destination {
            endpoint: "http://collector:4317".to_owned(),
            protocol: Protocol::Grpc,
        };
        assert_eq!(sound.hint("the server is full"), None);
    }
}
