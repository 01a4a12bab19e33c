//! The part of a collector that takes metrics: the last message, by family.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use cue_simfarm::waiting::within;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use prost::Message as _;
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use super::Collector;

/// The metrics of a message, by name.
pub type Families = BTreeMap<String, Metric>;

/// Messages that a collector has received.
#[derive(Clone, Default)]
pub struct ReceivedMetrics {
    last: Arc<Mutex<ExportMetricsServiceRequest>>,
    headers: Arc<Mutex<HeaderMap>>,
    count: watch::Sender<usize>,
}

impl ReceivedMetrics {
    pub fn service(&self) -> MetricsServiceServer<Self> {
        MetricsServiceServer::new(self.clone()).accept_compressed(CompressionEncoding::Gzip)
    }

    pub fn routes(&self) -> axum::Router {
        let routes = axum::Router::new().route("/v1/metrics", post(take));
        routes.with_state(self.clone())
    }

    fn take(&self, request: ExportMetricsServiceRequest, headers: HeaderMap) {
        *self.last.lock().unwrap() = request;
        *self.headers.lock().unwrap() = headers;
        self.count.send_modify(|count| *count += 1);
    }

    fn families(&self) -> Families {
        let last = self.last.lock().unwrap().clone();
        let scopes = last.resource_metrics.into_iter();
        let scopes = scopes.flat_map(|of_resource| of_resource.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics);
        metrics
            .map(|metric| (metric.name.clone(), metric))
            .collect()
    }
}

impl Collector {
    /// Messages with metrics so far.
    pub fn metric_messages(&self) -> usize {
        *self.received.metrics.count.borrow()
    }

    /// Metrics of the last message.
    pub fn families(&self) -> Families {
        self.received.metrics.families()
    }

    /// A header of the last message with metrics.
    pub fn metrics_header(&self, name: &str) -> Option<String> {
        let headers = self.received.metrics.headers.lock().unwrap();
        Some(headers.get(name)?.to_str().unwrap().to_owned())
    }

    /// An attribute of the process, in the last message with metrics.
    pub fn metrics_resource(&self, key: &str) -> Option<String> {
        let last = self.received.metrics.last.lock().unwrap();
        let resource = last.resource_metrics.first()?.resource.as_ref()?;
        let found = resource.attributes.iter().find(|pair| pair.key == key)?;
        Some(format!("{:?}", found.value))
    }

    /// Waits for a message with metrics like this.
    pub async fn metrics(&self, what: &str, is_it: impl Fn(&Families) -> bool) -> Families {
        let mut count = self.received.metrics.count.subscribe();
        within(what, async {
            loop {
                count.borrow_and_update();
                let families = self.families();
                if is_it(&families) {
                    return families;
                }
                count.changed().await.unwrap();
            }
        })
        .await
    }
}

#[tonic::async_trait]
impl MetricsService for ReceivedMetrics {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        self.take(request.into_inner(), headers);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

async fn take(
    State(received): State<ReceivedMetrics>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let mut plain = Vec::new();
    if headers
        .get("content-encoding")
        .is_some_and(|how| how == "gzip")
    {
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*body), &mut plain).unwrap();
    } else {
        plain.extend_from_slice(&body);
    }
    let request = ExportMetricsServiceRequest::decode(&*plain).unwrap();
    received.take(request, headers);
    let answer = ExportMetricsServiceResponse::default();
    (StatusCode::OK, answer.encode_to_vec())
}
