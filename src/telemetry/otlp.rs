//! The OTLP exporter: spans to a collector, in gRPC or in HTTP.
//!
//! Invariant: an export runs inside the program's runtime, whichever thread drives it. The queue of
//! spans has a thread of its own, and both clients need timers and sockets that only a runtime has.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    Compression as Packed, ExporterBuildError, Protocol as Wire, SpanExporter as Otlp,
    WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use super::TelemetryError;
use crate::config::{Compression, Exporter, Protocol, Telemetry};

/// Where OTLP over HTTP takes spans, below the address of the collector.
const HTTP_PATH: &str = "/v1/traces";

/// The exporter that the settings ask for, if any. Call it inside the runtime.
pub(super) fn exporter(telemetry: &Telemetry) -> Result<Option<InRuntime<Otlp>>, TelemetryError> {
    let wanted = !telemetry.disabled && telemetry.exporter == Exporter::Otlp;
    let Some(endpoint) = address(telemetry).filter(|_| wanted) else {
        return Ok(None);
    };
    match build(telemetry, &endpoint) {
        Ok(inner) => Ok(Some(InRuntime::new(inner, Handle::current()))),
        Err(source) => Err(TelemetryError::Exporter { endpoint, source }),
    }
}

/// Where spans go. An address for traces alone is taken as it is; to one for all signals the path of
/// traces is appended in HTTP. The library does that only to what it reads from the environment itself.
fn address(telemetry: &Telemetry) -> Option<String> {
    let shared = || {
        let base = telemetry.endpoint.as_deref()?;
        Some(match telemetry.protocol {
            Protocol::Grpc => base.to_owned(),
            Protocol::Http => http_endpoint(base),
        })
    };
    telemetry.traces_endpoint.clone().or_else(shared)
}

fn build(telemetry: &Telemetry, address: &str) -> Result<Otlp, ExporterBuildError> {
    let limit = telemetry.timeout.min(telemetry.export_timeout);
    let gzip = telemetry.compression == Compression::Gzip;
    let headers = telemetry
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.reveal().to_owned()));
    let headers: HashMap<String, String> = headers.collect();
    match telemetry.protocol {
        Protocol::Grpc => {
            // The settings let only through what can be a header.
            let headers = (&headers).try_into().unwrap_or_default();
            let mut builder = Otlp::builder()
                .with_tonic()
                .with_endpoint(address)
                .with_metadata(MetadataMap::from_headers(headers))
                .with_timeout(limit);
            if gzip {
                builder = builder.with_compression(Packed::Gzip);
            }
            builder.build()
        }
        Protocol::Http => {
            let mut builder = Otlp::builder()
                .with_http()
                .with_protocol(Wire::HttpBinary)
                .with_endpoint(address)
                .with_headers(headers)
                .with_timeout(limit);
            if gzip {
                builder = builder.with_compression(Packed::Gzip);
            }
            builder.build()
        }
    }
}

fn http_endpoint(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with(HTTP_PATH) {
        base.to_owned()
    } else {
        format!("{base}{HTTP_PATH}")
    }
}

/// An exporter whose work is done inside a runtime.
#[derive(Debug)]
pub(super) struct InRuntime<E> {
    inner: E,
    runtime: Handle,
}

impl<E> InRuntime<E> {
    pub(super) const fn new(inner: E, runtime: Handle) -> Self {
        Self { inner, runtime }
    }
}

impl<E: SpanExporter> SpanExporter for InRuntime<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut export = pin!(self.inner.export(batch));
        // The guard of a runtime cannot be held over an await, so it is taken for each poll.
        std::future::poll_fn(|context| {
            let _inside = self.runtime.enter();
            export.as_mut().poll(context)
        })
        .await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let _inside = self.runtime.enter();
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::telemetry;
    use super::*;

    #[test]
    fn the_path_of_traces_is_appended_once() {
        for given in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(http_endpoint(given), "http://c:4318/v1/traces", "{given}");
        }
        assert_eq!(http_endpoint("http://c/otlp"), "http://c/otlp/v1/traces");
    }

    #[test]
    fn an_address_for_traces_alone_wins_and_is_taken_as_it_is() {
        let with = |all: Option<&str>, traces: Option<&str>, protocol| {
            address(&Telemetry {
                endpoint: all.map(str::to_owned),
                traces_endpoint: traces.map(str::to_owned),
                protocol,
                ..telemetry()
            })
        };
        let (all, traces) = (Some("http://a:4318"), Some("http://t:4318/in"));
        let told = |text: &str| Some(text.to_owned());
        assert_eq!(with(all, traces, Protocol::Http), told("http://t:4318/in"));
        assert_eq!(with(None, traces, Protocol::Grpc), told("http://t:4318/in"));
        let appended = "http://a:4318/v1/traces";
        assert_eq!(with(all, None, Protocol::Http), told(appended));
        assert_eq!(with(all, None, Protocol::Grpc), told("http://a:4318"));
        assert_eq!(with(None, None, Protocol::Grpc), None);
    }
}
