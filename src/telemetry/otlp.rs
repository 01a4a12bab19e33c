//! The OTLP exporter: spans to a collector, in gRPC or in HTTP.
//!
//! Invariant: an export runs inside the program's runtime, whichever thread drives it. The queue of
//! spans has a thread of its own, and both clients need timers and sockets that only a runtime has.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use axum::http::{self, HeaderMap, HeaderName, HeaderValue};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    Compression as Packed, ExporterBuildError, Protocol as Wire, RetryPolicy, SpanExporter as Otlp,
    WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use super::TelemetryError;
use super::http::{Cause, Client};
use super::tls::Tls;
use crate::config::{Compression, Exporter, Protocol, Telemetry};

/// Where OTLP over HTTP takes spans, below the address of the collector.
const HTTP_PATH: &str = "/v1/traces";

/// The exporter that the settings ask for, if any. Call it inside the runtime.
pub(super) fn exporter(telemetry: &Telemetry) -> Result<Option<InRuntime<Otlp>>, TelemetryError> {
    let wanted = !telemetry.disabled && telemetry.exporter == Exporter::Otlp;
    let Some(endpoint) = address(telemetry).filter(|_| wanted) else {
        return Ok(None);
    };
    let tls = if endpoint.starts_with("https://") {
        Some(Tls::read(telemetry)?)
    } else {
        None
    };
    let headers = headers(telemetry)?;
    let limit = telemetry.timeout.min(telemetry.export_timeout);
    let packed = match telemetry.compression {
        Compression::None => None,
        Compression::Gzip => Some(Packed::Gzip),
    };
    let how = How {
        endpoint: &endpoint,
        limit,
        packed,
    };
    let cause = Cause::default();
    let built = match telemetry.protocol {
        Protocol::Grpc => how.grpc(headers, tls),
        Protocol::Http => how.http(&headers, Client::new(tls, limit, cause.clone())),
    };
    match built {
        Ok(inner) => Ok(Some(InRuntime {
            inner,
            runtime: Handle::current(),
            limit,
            cause,
        })),
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

/// What goes along with every message. The settings let only through what can be a header.
fn headers(telemetry: &Telemetry) -> Result<HeaderMap, TelemetryError> {
    let header = |name: &str, value: &str| -> Result<_, http::Error> {
        Ok((HeaderName::try_from(name)?, HeaderValue::try_from(value)?))
    };
    let headers = telemetry.headers.iter().map(|(name, value)| {
        header(name, value.reveal()).map_err(|source| TelemetryError::Header {
            name: name.clone(),
            source,
        })
    });
    headers.collect()
}

/// What both protocols have in common.
struct How<'a> {
    endpoint: &'a str,
    limit: Duration,
    packed: Option<Packed>,
}

impl How<'_> {
    fn grpc(self, headers: HeaderMap, tls: Option<Tls>) -> Result<Otlp, ExporterBuildError> {
        let mut builder = Otlp::builder()
            .with_tonic()
            .with_endpoint(self.endpoint)
            .with_metadata(MetadataMap::from_headers(headers))
            .with_timeout(self.limit)
            .with_retry_policy(patient());
        if let Some(packed) = self.packed {
            builder = builder.with_compression(packed);
        }
        if let Some(tls) = tls {
            builder = builder.with_tls_config(tls.for_grpc(self.limit));
        }
        builder.build()
    }

    fn http(self, headers: &HeaderMap, client: Client) -> Result<Otlp, ExporterBuildError> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let mut builder = Otlp::builder()
            .with_http()
            .with_protocol(Wire::HttpBinary)
            .with_endpoint(self.endpoint)
            .with_headers(headers.collect::<HashMap<_, _>>())
            .with_timeout(self.limit)
            .with_retry_policy(patient())
            .with_http_client(client);
        if let Some(packed) = self.packed {
            builder = builder.with_compression(packed);
        }
        builder.build()
    }
}

/// A message is tried again for as long as it may take, also while the collector restarts: with the
/// library's own three times, a second of absence would lose it.
fn patient() -> RetryPolicy {
    RetryPolicy::recommended().with_max_retries(usize::MAX)
}

fn http_endpoint(base: &str) -> String {
    let base = base.trim_end_matches('/');
    if base.ends_with(HTTP_PATH) {
        base.to_owned()
    } else {
        format!("{base}{HTTP_PATH}")
    }
}

/// An exporter whose work is done inside a runtime, in a limited time.
#[derive(Debug)]
pub(super) struct InRuntime<E> {
    inner: E,
    runtime: Handle,
    /// The library limits a message once it has a connection, and waits for that as long as it takes.
    limit: Duration,
    cause: Cause,
}

impl<E: SpanExporter> SpanExporter for InRuntime<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        // The guard of a runtime cannot be held over an await, so it is taken for each poll.
        let export = {
            let _inside = self.runtime.enter();
            tokio::time::timeout(self.limit, self.inner.export(batch))
        };
        let mut export = pin!(export);
        let exported = std::future::poll_fn(|context| {
            let _inside = self.runtime.enter();
            export.as_mut().poll(context)
        });
        let result = exported
            .await
            .unwrap_or(Err(OTelSdkError::Timeout(self.limit)));
        match (result, self.cause.take()) {
            (Err(error), Some(cause)) => {
                Err(OTelSdkError::InternalFailure(format!("{error}: {cause}")))
            }
            (result, _) => result,
        }
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
mod tests;
