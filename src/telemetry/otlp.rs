//! The OTLP exporter: spans to a collector, in gRPC or in HTTP.
//!
//! Invariant: an export runs inside the program's runtime, whichever thread drives it. The queue of
//! spans has a thread of its own, and both clients need timers and sockets that only a runtime has.

use std::pin::pin;
use std::time::Duration;

use opentelemetry_otlp::{
    ExporterBuildError, Protocol as Wire, SpanExporter as Otlp, WithExportConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use super::TelemetryError;
use crate::config::{Protocol, Telemetry};

/// How long one export may take: less than the end of the program waits for the last one.
const EXPORT_LIMIT: Duration = Duration::from_secs(4);

/// Where OTLP over HTTP takes spans, below the address of the collector.
const HTTP_PATH: &str = "/v1/traces";

/// The exporter that the settings ask for, if any. Call it inside the runtime.
pub(super) fn exporter(telemetry: &Telemetry) -> Result<Option<InRuntime<Otlp>>, TelemetryError> {
    let Some(endpoint) = telemetry.endpoint.clone().filter(|_| !telemetry.disabled) else {
        return Ok(None);
    };
    match build(telemetry.protocol, &endpoint) {
        Ok(inner) => Ok(Some(InRuntime::new(inner, Handle::current()))),
        Err(source) => Err(TelemetryError::Exporter { endpoint, source }),
    }
}

fn build(protocol: Protocol, endpoint: &str) -> Result<Otlp, ExporterBuildError> {
    match protocol {
        Protocol::Grpc => Otlp::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_timeout(EXPORT_LIMIT)
            .build(),
        Protocol::Http => Otlp::builder()
            .with_http()
            .with_protocol(Wire::HttpBinary)
            .with_endpoint(http_endpoint(endpoint))
            .with_timeout(EXPORT_LIMIT)
            .build(),
    }
}

/// The library appends the path only to an address that it reads from the environment itself.
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
    use super::*;

    #[test]
    fn the_path_of_traces_is_appended_once() {
        for given in ["http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"] {
            assert_eq!(http_endpoint(given), "http://c:4318/v1/traces", "{given}");
        }
        assert_eq!(http_endpoint("http://c/otlp"), "http://c/otlp/v1/traces");
    }
}
