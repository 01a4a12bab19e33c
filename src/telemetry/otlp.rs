//! OTLP exporter of the settings: spans to a collector, over gRPC or HTTP.

mod tls;

use std::collections::HashMap;

use axum::http::HeaderMap;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::{
    Compression as Codec, ExporterBuildError, Protocol as Wire, SpanExporter,
    WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use secrecy::ExposeSecret;

use self::tls::invalid;
use super::destination::Destination;
use super::error::TelemetryError;
use crate::config::{Compression, Protocol, Telemetry};

/// The exporter that the settings ask for, if any. Call it inside the runtime.
pub(super) fn exporter(telemetry: &Telemetry) -> Result<Option<SpanExporter>, TelemetryError> {
    let Some(Destination { endpoint, .. }) = Destination::of(telemetry) else {
        return Ok(None);
    };
    let built = match telemetry.protocol {
        Protocol::Grpc => grpc(telemetry, &endpoint),
        Protocol::Http => http(telemetry, &endpoint),
    };
    built
        .map(Some)
        .map_err(|source| TelemetryError::Exporter { endpoint, source })
}

fn grpc(telemetry: &Telemetry, endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
    let headers =
        HeaderMap::try_from(&headers(telemetry)).map_err(|error| invalid("HEADERS", error))?;
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_metadata(MetadataMap::from_headers(headers))
        .with_timeout(telemetry.timeout);
    if telemetry.compression == Compression::Gzip {
        builder = builder.with_compression(Codec::Gzip);
    }
    if endpoint.starts_with("https://") {
        builder = builder.with_tls_config(tls::grpc(telemetry)?);
    }
    builder.build()
}

fn http(telemetry: &Telemetry, endpoint: &str) -> Result<SpanExporter, ExporterBuildError> {
    let mut builder = SpanExporter::builder()
        .with_http()
        .with_protocol(Wire::HttpBinary)
        .with_endpoint(endpoint)
        .with_headers(headers(telemetry))
        .with_timeout(telemetry.timeout);
    if telemetry.compression == Compression::Gzip {
        builder = builder.with_compression(Codec::Gzip);
    }
    if endpoint.starts_with("https://") {
        // The exporter's own client has no TLS.
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::http(telemetry)?)
            .https_only()
            .enable_http1()
            .build();
        builder = builder.with_http_client(HyperClient::new(connector, telemetry.timeout, None));
    }
    builder.build()
}

fn headers(telemetry: &Telemetry) -> HashMap<String, String> {
    let headers = telemetry.headers.iter();
    let plain = headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned()));
    plain.collect()
}

#[cfg(test)]
mod tests;
