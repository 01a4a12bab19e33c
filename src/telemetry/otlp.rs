//! OTLP exporter of the settings: spans to a collector, over gRPC or HTTP.

pub(super) mod tls;

use std::collections::HashMap;

use axum::http::HeaderMap;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::HttpClient;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    Compression as Codec, ExporterBuildError, Protocol as Wire, SpanExporter,
    WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use secrecy::ExposeSecret;

pub(super) use self::tls::invalid;
use super::destination::{Destination, Signal};
use super::error::TelemetryError;
use crate::config::{Compression, Otlp, Protocol, Telemetry};

/// The exporter that the settings ask for, if any. Call it inside the runtime.
pub(super) fn exporter(telemetry: &Telemetry) -> Result<Option<SpanExporter>, TelemetryError> {
    let Some(Destination { endpoint, .. }) = Destination::of(telemetry) else {
        return Ok(None);
    };
    let built = match telemetry.protocol {
        Protocol::Grpc => grpc(telemetry.otlp(), &endpoint),
        Protocol::Http => http(telemetry.otlp(), &endpoint),
    };
    built.map(Some).map_err(|source| TelemetryError::Exporter {
        signal: Signal::Traces,
        endpoint,
        source,
    })
}

fn grpc(otlp: Otlp<'_>, endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_metadata(MetadataMap::from_headers(header_map(otlp)?))
        .with_timeout(otlp.timeout);
    if otlp.compression == Compression::Gzip {
        builder = builder.with_compression(Codec::Gzip);
    }
    if endpoint.starts_with("https://") {
        builder = builder.with_tls_config(tls::grpc(otlp)?);
    }
    builder.build()
}

fn http(otlp: Otlp<'_>, endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_protocol(Wire::HttpBinary)
        .with_endpoint(endpoint)
        .with_headers(headers(otlp))
        .with_timeout(otlp.timeout);
    if otlp.compression == Compression::Gzip {
        builder = builder.with_compression(Codec::Gzip);
    }
    if endpoint.starts_with("https://") {
        // The exporter's own client has no TLS.
        builder = builder.with_http_client(http_client(otlp)?);
    }
    builder.build()
}

/// A client for addresses behind `https://`.
pub(super) fn http_client(otlp: Otlp<'_>) -> Result<impl HttpClient + use<>, ExporterBuildError> {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls::http(otlp)?)
        .https_only()
        .enable_http1()
        .build();
    Ok(HyperClient::new(connector, otlp.timeout, None))
}

/// Headers of every message.
pub(super) fn header_map(otlp: Otlp<'_>) -> Result<HeaderMap, ExporterBuildError> {
    HeaderMap::try_from(&headers(otlp)).map_err(|error| invalid("HEADERS", error))
}

fn headers(otlp: Otlp<'_>) -> HashMap<String, String> {
    let headers = otlp.headers.iter();
    let plain = headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
    plain.collect()
}

#[cfg(test)]
mod tests;
