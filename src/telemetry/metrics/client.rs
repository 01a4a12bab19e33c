//! Client of a collector that takes metrics, over gRPC or HTTP.
//!
//! The exporter of the OpenTelemetry SDK takes only what was measured with instruments of the SDK, which would declare
//! each metric a second time. So the messages are those of the protocol itself.

use std::io::Write as _;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{Bytes, HttpClient, Request};
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message as _;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use super::super::otlp::{header_map, http_client, invalid, tls};
use crate::config::{Compression, Otlp, Protocol};

/// A client. It connects when it is first used.
#[derive(Debug)]
pub(super) enum Client {
    Grpc(MetricsServiceClient<Channel>, MetadataMap),
    Http(Http),
}

/// A client over HTTP.
#[derive(Debug)]
pub(super) struct Http {
    client: Box<dyn HttpClient>,
    /// The request without a body.
    head: Request<()>,
    is_packed: bool,
}

impl Client {
    pub(super) fn new(otlp: Otlp<'_>, endpoint: &str) -> Result<Self, ExporterBuildError> {
        match otlp.protocol {
            Protocol::Grpc => grpc(otlp, endpoint),
            Protocol::Http => http(otlp, endpoint),
        }
    }

    /// Sends the metrics. Fails with the reason, also if the collector rejects some of them.
    pub(super) async fn send(&self, request: ExportMetricsServiceRequest) -> Result<(), String> {
        let answer = match self {
            Self::Grpc(client, headers) => {
                let mut request = tonic::Request::new(request);
                headers.clone_into(request.metadata_mut());
                let answer = client.clone().export(request).await;
                answer.map_err(|status| failure(&status))?.into_inner()
            }
            Self::Http(http) => http.send(&request).await?,
        };
        match answer.partial_success {
            Some(partial) if partial.rejected_data_points > 0 => Err(format!(
                "the collector rejected {} values: {}",
                partial.rejected_data_points, partial.error_message
            )),
            _ => Ok(()),
        }
    }
}

/// A failed call in words, with the name of its code.
fn failure(status: &Status) -> String {
    let cause = std::error::Error::source(status);
    let cause = cause.map(|cause| format!(": {}", crate::output::chain(cause)));
    let (code, message) = (status.code(), status.message());
    format!("{code:?}: {message}{}", cause.unwrap_or_default())
}

fn grpc(otlp: Otlp<'_>, endpoint: &str) -> Result<Client, ExporterBuildError> {
    let address =
        |error: tonic::transport::Error| invalid("ENDPOINT", crate::output::chain(&error));
    let mut channel = Endpoint::from_shared(endpoint.to_owned())
        .map_err(address)?
        .connect_timeout(otlp.timeout)
        .timeout(otlp.timeout);
    if endpoint.starts_with("https://") {
        channel = channel.tls_config(tls::grpc(otlp)?).map_err(address)?;
    }
    let mut client = MetricsServiceClient::new(channel.connect_lazy());
    if otlp.compression == Compression::Gzip {
        client = client.send_compressed(CompressionEncoding::Gzip);
    }
    let headers = MetadataMap::from_headers(header_map(otlp)?);
    Ok(Client::Grpc(client, headers))
}

fn http(otlp: Otlp<'_>, endpoint: &str) -> Result<Client, ExporterBuildError> {
    let is_packed = otlp.compression == Compression::Gzip;
    let mut head = Request::post(endpoint)
        .header("content-type", "application/x-protobuf")
        .body(())
        .map_err(|error| invalid("ENDPOINT", error))?;
    if is_packed {
        let gzip = axum::http::HeaderValue::from_static("gzip");
        head.headers_mut().insert("content-encoding", gzip);
    }
    head.headers_mut().extend(header_map(otlp)?);
    let client: Box<dyn HttpClient> = if endpoint.starts_with("https://") {
        Box::new(http_client(otlp)?)
    } else {
        Box::new(HyperClient::with_default_connector(otlp.timeout, None))
    };
    Ok(Client::Http(Http {
        client,
        head,
        is_packed,
    }))
}

impl Http {
    async fn send(
        &self,
        request: &ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, String> {
        let mut body = request.encode_to_vec();
        if self.is_packed {
            body = pack(&body).map_err(|error| error.to_string())?;
        }
        let request = self.head.clone().map(|()| Bytes::from(body));
        let answer = self.client.send_bytes(request).await;
        let answer = answer.map_err(|error| crate::output::chain(&*error))?;
        if !answer.status().is_success() {
            return Err(format!("status code {}", answer.status()));
        }
        ExportMetricsServiceResponse::decode(answer.into_body()).map_err(|error| error.to_string())
    }
}

fn pack(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Level::fast());
    packed.write_all(body)?;
    packed.finish()
}
